//! The world around the board: a store, a clock, an engine with containers, and a server process that can die at any moment.
//!
//! The server's half (`perform`) follows `server::perform`: a live task per attempt that starts or attaches, follows, and can be told to stop.

use std::collections::{BTreeMap, BTreeSet};

use gantry::base::{AttemptKey, JobKey, RepoId, RunId, Timestamp};
use gantry::run::{Command, Event, Exit, JobState, Life, Outcome, Run, StepState, StopReason};
use gantry::schedule::{Board, Change, Input, Turn};

use super::invariants::{self, Watch};
use super::plans::{Dice, plan, trigger};

/// How often what happened, to know that it did.
#[derive(Debug, Default)]
pub struct Counts {
    pub crashes: u64,
    pub silences: u64,
    pub cancels: u64,
    pub kills: u64,
    pub retries: u64,
    pub timeouts: u64,
    pub lost: u64,
    pub stale_exits: u64,
    pub attached: u64,
    pub runs: u64,
    pub passed: u64,
}

impl Counts {
    pub fn add(&mut self, other: &Counts) {
        let Counts { crashes, silences, cancels, kills, retries, timeouts, lost, stale_exits, attached, runs, passed } = other;
        self.crashes += crashes;
        self.silences += silences;
        self.cancels += cancels;
        self.kills += kills;
        self.retries += retries;
        self.timeouts += timeouts;
        self.lost += lost;
        self.stale_exits += stale_exits;
        self.attached += attached;
        self.runs += runs;
        self.passed += passed;
    }
}

/// A container, as the engine has it. Lives on when the server dies.
#[derive(Debug, Clone)]
pub struct Container {
    pub running: bool,
    pub exit: Exit,
    /// It ignores SIGTERM: only the kill after the grace ends it.
    pub stubborn: bool,
}

/// A live task.
#[derive(Debug, Clone, Copy, Default)]
struct Live {
    told_to_stop: bool,
    /// Its last word is under way.
    finishing: bool,
}

/// What can come to pass at a moment.
#[derive(Debug, Clone)]
enum Due {
    /// An input reaches the board, if the process that sent it still lives.
    /// The last word of a live task names its attempt: with it the task is over.
    Input {
        process: u64,
        input: Input,
        last_of: Option<AttemptKey>,
    },
    /// The start of an attempt reaches the engine.
    StartReaches {
        process: u64,
        key: AttemptKey,
    },
    PrepareReaches {
        process: u64,
        key: JobKey,
    },
    ContainerEnds {
        key: AttemptKey,
        exit: Exit,
    },
    NewRun,
    Cancel,
    Crash,
    Silence,
    Speech,
    Compare,
    Tick {
        process: u64,
    },
}

pub struct World {
    pub dice: Dice,
    pub now: Timestamp,
    board: Board,
    /// What is stored: survives every crash.
    pub stored: BTreeMap<RunId, Run>,
    pub containers: BTreeMap<AttemptKey, Container>,
    /// Live tasks of this process. Kept until the loop has *heard* the task's last word: dropped when it was merely sent, a start that comes in
    /// between would make a second container of an attempt that has just ended.
    live: BTreeMap<AttemptKey, Live>,
    preparing: BTreeSet<JobKey>,
    /// Runs that will be cancelled once more.
    again: Vec<RunId>,
    /// Number of the server process; a crash makes the next one.
    process: u64,
    pub engine_up: bool,
    /// The last crash or silence: bounds on starts and stops count from here.
    pub disturbed_at: Timestamp,
    queue: BTreeMap<(Timestamp, u64), Due>,
    order: u64,
    calm: bool,
    pub slots: u32,
    pub watch: Watch,
    pub counts: Counts,
    pub seed: u64,
    talk: bool,
}

const CHAOS_MS: u64 = 180_000;
const GRACE_MS: u64 = 10_000;

impl World {
    pub fn new(seed: u64, talk: bool) -> Self {
        let mut dice = Dice::new(seed);
        let slots = 1 + dice.below(3) as u32;
        let mut world = World {
            dice,
            now: Timestamp(1_000_000),
            board: Board::new(slots),
            stored: BTreeMap::new(),
            containers: BTreeMap::new(),
            live: BTreeMap::new(),
            preparing: BTreeSet::new(),
            again: Vec::new(),
            process: 1,
            engine_up: true,
            disturbed_at: Timestamp(1_000_000),
            queue: BTreeMap::new(),
            order: 0,
            calm: false,
            slots,
            watch: Watch::default(),
            counts: Counts::default(),
            seed,
            talk,
        };
        world.plan_chaos();
        world
    }

    /// Throws what will happen over the first minutes.
    fn plan_chaos(&mut self) {
        for _ in 0..1 + self.dice.below(4) {
            self.at_random(CHAOS_MS / 2, Due::NewRun);
        }
        let wild = [(3, Due::Crash), (3, Due::Silence), (6, Due::Cancel), (4, Due::Compare)];
        for (most, due) in wild {
            for _ in 0..self.dice.below(most) {
                self.at_random(CHAOS_MS, due.clone());
            }
        }
        self.restart();
    }

    fn at_random(&mut self, within_ms: u64, due: Due) {
        let after = self.dice.below(within_ms);
        self.after(after, due);
    }

    fn after(&mut self, ms: u64, due: Due) {
        self.order += 1;
        self.queue.insert((self.now.plus_ms(ms), self.order), due);
    }

    fn say(&self, what: &dyn std::fmt::Debug) {
        if self.talk {
            println!("{:>8} {what:?}", self.now.0 - 1_000_000);
        }
    }

    pub fn fail(&self, what: &str) -> ! {
        panic!(
            "seed {} at {} ms: {what}\nsee its story: SEED={} cargo test --test simulation -- --nocapture",
            self.seed,
            self.now.0 - 1_000_000,
            self.seed
        );
    }

    /// Lets the world go on until nothing happens any more, checking every promise on the way.
    pub fn run(mut self) -> Counts {
        let end = self.now.plus_ms(CHAOS_MS);
        let mut steps = 0;
        while let Some(((at, _), due)) = self.queue.pop_first() {
            if at > end && !self.calm {
                self.calm = true;
                self.after(0, Due::Speech);
                self.after(1, Due::Compare);
            }
            self.now = self.now.max(at);
            self.say(&due);
            self.come_to_pass(due);
            invariants::after_each_step(&mut self);
            steps += 1;
            if steps > 20_000 {
                self.fail("it does not come to rest");
            }
        }
        // One more restart: what is left over must be swept.
        self.restart();
        while let Some(((at, _), due)) = self.queue.pop_first() {
            self.now = self.now.max(at);
            self.say(&due);
            self.come_to_pass(due);
        }
        invariants::at_the_end(&mut self);
        self.counts
    }

    fn come_to_pass(&mut self, due: Due) {
        match due {
            Due::Input { process, input, last_of } if process == self.process => {
                if let Some(key) = last_of {
                    self.live.remove(&key);
                }
                self.turn(input);
            }
            Due::StartReaches { process, key } if process == self.process => self.start_reaches(&key),
            Due::PrepareReaches { process, key } if process == self.process => self.prepare_reaches(key),
            Due::Tick { process } if process == self.process => self.turn(Input::Woken),
            Due::Input { .. } | Due::StartReaches { .. } | Due::PrepareReaches { .. } | Due::Tick { .. } => {}
            Due::ContainerEnds { key, exit } => self.container_ends(&key, exit),
            Due::NewRun => self.new_run(),
            Due::Cancel => self.cancel(),
            Due::Crash => self.crash(),
            Due::Silence => self.silence(),
            Due::Speech => self.speech(),
            Due::Compare => self.compare(),
        }
    }

    // --- the server's half ---

    /// One turn: handle, store, perform; the process may die between any two of them.
    fn turn(&mut self, input: Input) {
        let wild = !self.calm;
        let turn = self.board.handle(input.clone(), self.now);
        self.say(&turn);
        if wild && self.dice.chance(1) && self.dice.chance(40) {
            return self.crash();
        }
        self.store(&input, &turn);
        if wild && self.dice.chance(1) && self.dice.chance(60) {
            return self.crash();
        }
        for command in turn.commands {
            if wild && self.dice.chance(1) && self.dice.chance(40) {
                return self.crash();
            }
            self.perform(command);
        }
        if let Some(at) = self.board.wake_at() {
            let process = self.process;
            self.after(at.ms_since(self.now), Due::Tick { process });
        }
    }

    fn store(&mut self, input: &Input, turn: &Turn) {
        if turn.ignored.is_some() && matches!(input, Input::Run(_, Event::StepExited { .. })) {
            self.counts.stale_exits += 1;
        }
        invariants::on_changes(self, input, &turn.changes);
        for change in &turn.changes {
            match change.clone() {
                Change::Run { run, life, stop } => {
                    let row = self.stored.get_mut(&run).unwrap();
                    if let Life::Ended { outcome, .. } = life {
                        self.counts.passed += u64::from(outcome == Outcome::Passed);
                    }
                    row.life = life;
                    row.stop = stop;
                }
                Change::Job { run, job, state } => self.stored.get_mut(&run).unwrap().jobs[job as usize].state = state,
                Change::Step { run, job, step, state } => {
                    match &state {
                        StepState::Backoff { .. } => self.counts.retries += 1,
                        StepState::Ended(end) if end.outcome == Outcome::TimedOut => self.counts.timeouts += 1,
                        StepState::Ended(end) if end.outcome == Outcome::Lost => self.counts.lost += 1,
                        _ => {}
                    }
                    self.stored.get_mut(&run).unwrap().jobs[job as usize].steps[step as usize].state = state;
                }
            }
        }
    }

    fn perform(&mut self, command: Command) {
        let process = self.process;
        match command {
            Command::PrepareJob(key) => {
                if self.preparing.insert(key.clone()) {
                    let delay = self.dice.below(2_000);
                    self.after(delay, Due::PrepareReaches { process, key });
                }
            }
            Command::StartStep(key) => {
                if !self.live.contains_key(&key) {
                    self.live.insert(key.clone(), Live::default());
                    let delay = self.dice.below(3_000);
                    self.after(delay, Due::StartReaches { process, key });
                }
            }
            Command::AttachStep(key) => {
                if !self.live.contains_key(&key) {
                    self.counts.attached += 1;
                    self.live.insert(key.clone(), Live::default());
                    self.follow(&key);
                }
            }
            Command::StopStep { key, at_once } => self.stop(&key, at_once),
            Command::RemoveStep(key) => {
                self.containers.remove(&key);
            }
            Command::ReleaseJob(key) => {
                self.preparing.remove(&key);
            }
        }
    }

    /// Says something to the board after a while; now and then twice.
    fn send(&mut self, run: &RunId, event: Event) {
        let process = self.process;
        let input = Input::Run(run.clone(), event);
        let delay = self.dice.below(500);
        self.after(delay, Due::Input { process, input: input.clone(), last_of: None });
        if self.dice.chance(10) {
            let delay = self.dice.below(20_000);
            self.after(delay, Due::Input { process, input, last_of: None });
        }
    }

    /// A live task's last word.
    fn send_last(&mut self, key: &AttemptKey, event: Event) {
        if let Some(live) = self.live.get_mut(key) {
            live.finishing = true;
        }
        let process = self.process;
        let input = Input::Run(key.run.clone(), event.clone());
        let delay = self.dice.below(500);
        self.after(delay, Due::Input { process, input: input.clone(), last_of: Some(key.clone()) });
        if matches!(event, Event::StepExited { .. }) && self.dice.chance(10) {
            let delay = self.dice.below(20_000);
            self.after(delay, Due::Input { process, input, last_of: None });
        }
    }

    fn tell_engine(&mut self, state: Result<(), String>) {
        let process = self.process;
        self.after(0, Due::Input { process, input: Input::Engine(state), last_of: None });
    }

    fn prepare_reaches(&mut self, key: JobKey) {
        if !self.preparing.remove(&key) {
            return;
        }
        let job = key.job;
        let event = if !self.engine_up {
            self.tell_engine(Err("silent".to_owned()));
            Event::JobNotPrepared { job, message: "silent".to_owned(), again: true }
        } else if self.dice.chance(2) {
            Event::JobNotPrepared { job, message: "no such commit".to_owned(), again: false }
        } else {
            Event::JobPrepared { job }
        };
        self.send(&key.run, event);
    }

    fn start_reaches(&mut self, key: &AttemptKey) {
        let Some(&Live { told_to_stop, finishing: false }) = self.live.get(key) else {
            return;
        };
        let AttemptKey { run, job, step, attempt } = key.clone();
        let exists = self.containers.contains_key(key);
        // The engine may be silent before or after it made the container.
        if !self.engine_up {
            self.tell_engine(Err("silent".to_owned()));
            return self.send_last(key, Event::StepNotStarted { job, step, attempt });
        }
        if told_to_stop && !exists {
            return self.send_last(key, Event::StepExited { job, step, attempt, exit: Exit::NeverRan });
        }
        if !exists && self.dice.chance(4) {
            let exit = Exit::Infrastructure("no such image".to_owned());
            return self.send_last(key, Event::StepExited { job, step, attempt, exit });
        }
        if !exists {
            invariants::on_start(self, key);
            let exit = self.dice.pick(&[Exit::Code(0), Exit::Code(0), Exit::Code(0), Exit::Code(1), Exit::Code(2)]);
            let stubborn = self.dice.chance(20);
            self.containers.insert(key.clone(), Container { running: true, exit: exit.clone(), stubborn });
            let lasts = self.dice.pick(&[0, 50, 2_000, 15_000, 40_000, 400_000]);
            let lasts = lasts + self.dice.below(1_000);
            self.after(lasts, Due::ContainerEnds { key: key.clone(), exit });
            if self.dice.chance(3) {
                // The answer got lost: the container is there, the server does not know.
                self.send_last(key, Event::StepNotStarted { job, step, attempt });
                return self.silence();
            }
        }
        let at = self.now;
        self.send(&run, Event::StepStarted { job, step, attempt, at });
        if told_to_stop {
            self.stop(key, false);
        }
        self.follow(key);
    }

    /// The follower of a container that has exited already says so at once; of a running one, when it ends.
    fn follow(&mut self, key: &AttemptKey) {
        let AttemptKey { run: _, job, step, attempt } = key.clone();
        let exit = match self.containers.get(key) {
            Some(container) if container.running => return,
            Some(container) => container.exit.clone(),
            None => Exit::Lost("its container is gone".to_owned()),
        };
        self.send_last(key, Event::StepExited { job, step, attempt, exit });
    }

    fn stop(&mut self, key: &AttemptKey, at_once: bool) {
        let Some(live) = self.live.get_mut(key) else { return };
        live.told_to_stop = true;
        let Some(container) = self.containers.get(key) else { return };
        if !container.running {
            return;
        }
        let (after, code) = match (at_once, container.stubborn) {
            (true, _) => (50, 137),
            (false, true) => (GRACE_MS, 137),
            (false, false) => (100, 143),
        };
        self.after(after, Due::ContainerEnds { key: key.clone(), exit: Exit::Code(code) });
    }

    // --- the world's half ---

    fn container_ends(&mut self, key: &AttemptKey, exit: Exit) {
        let Some(container) = self.containers.get_mut(key) else {
            return;
        };
        if !container.running {
            return;
        }
        container.running = false;
        container.exit = exit.clone();
        self.watch.exited.insert(key.clone(), exit);
        if self.live.get(key).is_some_and(|live| !live.finishing) {
            self.follow(key);
        }
    }

    fn new_run(&mut self) {
        let plan = plan(&mut self.dice);
        let id = invariants::run_id(self.counts.runs);
        let repo: RepoId = "00000000000000000000000000".parse().unwrap();
        self.counts.runs += 1;
        let run = Run::new(id.clone(), repo, "repo".to_owned(), self.counts.runs, trigger(), plan, self.now);
        self.stored.insert(id, run.clone());
        // A crash right here is the one between intake and loop.
        if !self.calm && self.dice.chance(5) {
            return self.crash();
        }
        self.turn(Input::Queued(Box::new(run)));
    }

    fn cancel(&mut self) {
        let open: Vec<RunId> = self.stored.values().filter(|run| !run.is_ended()).map(|run| run.id.clone()).collect();
        if open.is_empty() {
            return;
        }
        // A second cancel is meant for the same run.
        let run = self.again.pop().filter(|run| open.contains(run)).unwrap_or_else(|| self.dice.pick(&open));
        if matches!(self.stored[&run].stop, Some(StopReason::Cancelled { .. })) {
            self.counts.kills += 1;
        }
        self.counts.cancels += 1;
        if self.dice.chance(40) {
            self.again.push(run.clone());
            self.at_random(20_000, Due::Cancel);
        }
        self.turn(Input::Run(run, Event::CancelRequested { by: "a person".to_owned() }));
    }

    /// `kill -9` of the server, and a new one a little later.
    fn crash(&mut self) {
        self.counts.crashes += 1;
        self.restart();
    }

    fn restart(&mut self) {
        self.say(&"--- a new process ---");
        self.process += 1;
        self.live.clear();
        self.preparing.clear();
        self.board = Board::new(self.slots);
        self.disturbed_at = self.now;
        let process = self.process;
        for run in self.stored.values().filter(|run| !run.is_ended()).cloned().collect::<Vec<_>>() {
            self.after(0, Due::Input { process, input: Input::Queued(Box::new(run)), last_of: None });
        }
        if self.engine_up {
            self.after(1, Due::Speech);
        }
    }

    fn silence(&mut self) {
        if !self.engine_up {
            return;
        }
        self.counts.silences += 1;
        self.engine_up = false;
        self.disturbed_at = self.now;
        // Every follower's stream breaks; what was said already is still heard.
        self.live.retain(|_, live| live.finishing);
        self.tell_engine(Err("silent".to_owned()));
        // Now and then the engine's end is the containers' end.
        if self.dice.chance(50) {
            for container in self.containers.values_mut().filter(|container| container.running) {
                container.running = false;
                container.exit = Exit::Lost("Docker was stopped".to_owned());
            }
        }
        if self.dice.chance(10) {
            // The engine forgets them, but for those whose start was never answered: whether such a one ran could not be known by anyone.
            let stored = &self.stored;
            let answered = |key: &AttemptKey| {
                let state = &stored[&key.run].jobs[key.job as usize].steps[key.step as usize].state;
                matches!(state, StepState::Running { .. } | StepState::Stopping { started_at: Some(_), .. })
            };
            self.containers.retain(|key, _| !answered(key));
        }
        self.at_random(20_000, Due::Speech);
    }

    /// The engine answers (again): the server says so and compares.
    fn speech(&mut self) {
        self.engine_up = true;
        self.disturbed_at = self.now;
        self.tell_engine(Ok(()));
        self.compare();
    }

    fn compare(&mut self) {
        if !self.engine_up {
            return;
        }
        // What a live task holds counts as known, as in the server.
        let known: BTreeSet<AttemptKey> = self.containers.keys().chain(self.live.keys()).cloned().collect();
        let process = self.process;
        let input = Input::Survivors { known: known.into_iter().collect(), asked_at: self.now };
        self.after(1, Due::Input { process, input, last_of: None });
    }

    /// Jobs that hold a slot by what is stored.
    pub fn jobs_with_slots(&self) -> usize {
        let holds = |state: &JobState| state.holds_slot();
        self.stored.values().filter(|run| !run.is_ended()).flat_map(|run| &run.jobs).filter(|job| holds(&job.state)).count()
    }
}
