//! The server process: turns, commands, live tasks. It can die between any two steps.
//!
//! It follows `server::perform`: a live task per attempt that starts or attaches, follows, and can be told to stop.

use gantry::base::{AttemptKey, JobKey, RunId};
use gantry::run::{Command, Event, Exit, JobState, Life, Outcome, StepState, Wait, Written, fill_step};
use gantry::schedule::{Change, Input, Order, Turn};

use super::invariants;
use super::promises;
use super::world::{Container, Due, GRACE_MS, Live, World};

impl World {
    /// One turn: handle, store, perform; the process may die between any two of them.
    pub fn turn(&mut self, input: Input) {
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
        promises::after_each_turn(self);
        for command in turn.commands {
            if wild && self.dice.chance(1) && self.dice.chance(40) {
                return self.crash();
            }
            self.perform(command);
        }
        invariants::after_each_turn(self);
        if let Some(at) = self.board.wake_at() {
            let process = self.process;
            let late = self.late_ms;
            self.after(at.ms_since(self.now) + late, Due::Tick { process });
        }
    }

    fn store(&mut self, input: &Input, turn: &Turn) {
        if turn.ignored == Some("the job is on another engine meanwhile") {
            self.counts.one("words of an engine that a job has left");
        }
        if turn.ignored.is_some() && matches!(input, Input::Run(_, Event::StepExited { .. })) {
            self.counts.one("stale exits");
        }
        invariants::on_changes(self, input, &turn.changes);
        promises::on_changes(self, input, &turn.changes);
        for change in &turn.changes {
            match change.clone() {
                Change::Run { run, life, stop } => {
                    let row = self.stored.get_mut(&run).unwrap();
                    if let Life::Ended { outcome, .. } = life {
                        self.counts.more("passed runs", u64::from(outcome == Outcome::Passed));
                    }
                    row.life = life;
                    row.stop = stop;
                }
                Change::Job { run, job, state, engine, decision, stop } => {
                    if let JobState::Waiting { why: Wait::Approval { until: Some(until), .. } } = &state
                        && self.dice.chance(50)
                    {
                        // Someone answers at the last moment, or just after it.
                        let delay = until.ms_since(self.now) + self.dice.below(1_000);
                        self.after(delay.saturating_sub(100), Due::Answer);
                    }
                    let row = &mut self.stored.get_mut(&run).unwrap().jobs[job as usize];
                    (row.state, row.engine, row.decision, row.stop) = (state, engine, decision, stop);
                }
                Change::Step { run, job, step, state } => {
                    match &state {
                        StepState::Backoff { .. } => self.counts.one("retries"),
                        StepState::Ended(end) if end.outcome == Outcome::TimedOut => self.counts.one("timeouts"),
                        StepState::Ended(end) if end.outcome == Outcome::Lost => self.counts.one("lost steps"),
                        _ => {}
                    }
                    self.stored.get_mut(&run).unwrap().jobs[job as usize].steps[step as usize].state = state;
                }
            }
        }
    }

    fn perform(&mut self, Order { engine, command }: Order) {
        let process = self.process;
        match command {
            Command::PrepareJob(key) => {
                if !self.preparing.contains_key(&key) {
                    self.preparing.insert(key.clone(), engine.clone());
                    // The last word of one that it was on before may come as late as now.
                    let before = self.watch.prepared.iter().find(|(other, job)| *job == key && *other != engine);
                    if let Some((other, JobKey { run, job })) = before.cloned() {
                        let delay = self.dice.below(200);
                        let input = Input::Run(run, Event::JobPrepared { job, engine: other });
                        self.after(delay, Due::Input { process, input, last_of: None });
                    }
                    let delay = self.dice.below(2_000);
                    self.after(delay, Due::PrepareReaches { process, engine, key });
                }
            }
            Command::StartStep(key) => {
                if !self.live.contains_key(&key)
                    && let Some(run) = self.board.run(&key.run)
                {
                    let filled = match fill_step(run, key.job, key.step) {
                        Ok(filled) => Some(filled),
                        Err(why) => self.fail(&format!("{key} is to start, and cannot be filled in: {why}")),
                    };
                    self.live.insert(key.clone(), Live { filled, engine, ..Live::default() });
                    let delay = self.dice.below(3_000);
                    self.after(delay, Due::StartReaches { process, key });
                }
            }
            Command::ParkStep(key) => {
                if !self.live.contains_key(&key) && !self.parking.contains_key(&key) {
                    self.parking.insert(key.clone(), engine);
                    let delay = self.dice.below(3_000);
                    self.after(delay, Due::ParkReaches { process, key });
                }
            }
            Command::AttachStep(key) => {
                if !self.live.contains_key(&key) {
                    self.counts.one("attachments after a crash");
                    self.live.insert(key.clone(), Live { engine, ..Live::default() });
                    self.follow(&key);
                }
            }
            Command::StopStep { key, at_once } => self.stop(&key, at_once),
            Command::RemoveStep(key) => {
                // It waits for a parking that is under way.
                self.parking.remove(&key);
                let place = (engine, key);
                if !self.is_up(&place.0) {
                    // The comparison will find what is left there.
                    self.watch.stray.insert(place.1);
                } else if self.containers.remove(&place).is_some_and(|container| container.parked) {
                    self.counts.one("what was ready and not wanted");
                }
            }
            Command::KeepJob(key) => {
                self.preparing.remove(&key);
                self.counts.one("work trees that were kept");
                invariants::on_last(self, &key, true);
            }
            Command::ReleaseJob(key) => {
                invariants::on_last(self, &key, false);
                self.preparing.remove(&key);
            }
        }
    }

    /// Says something to the board after a while; now and then twice.
    pub fn send(&mut self, run: &RunId, event: Event) {
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
    pub fn send_last(&mut self, key: &AttemptKey, event: Event) {
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

    pub fn tell_engine(&mut self, engine: &str, state: Result<(), String>) {
        let process = self.process;
        self.after(0, Due::Input { process, input: Input::Engine { name: engine.to_owned(), state }, last_of: None });
    }

    pub fn prepare_reaches(&mut self, engine: String, key: JobKey) {
        if self.preparing.get(&key) != Some(&engine) {
            return;
        }
        self.preparing.remove(&key);
        let job = key.job;
        let event = if !self.is_up(&engine) {
            self.tell_engine(&engine, Err("silent".to_owned()));
            Event::JobNotPrepared { job, engine, message: "silent".to_owned(), again: true }
        } else if self.dice.chance(2) {
            Event::JobNotPrepared { job, engine, message: "no such commit".to_owned(), again: false }
        } else {
            self.watch.prepared.insert((engine.clone(), key.clone()));
            Event::JobPrepared { job, engine }
        };
        self.send(&key.run, event);
    }

    pub fn park_reaches(&mut self, key: &AttemptKey) {
        // Now and then it fails, of which nobody is told.
        if let Some(engine) = self.parking.get(key).cloned()
            && self.dice.chance(90)
        {
            self.make_ready(&(engine, key.clone()));
        }
        self.parking.remove(key);
    }

    pub fn start_reaches(&mut self, key: &AttemptKey) {
        let Some(Live { engine, told_to_stop, finishing: false, filled }) = self.live.get(key).cloned() else {
            return;
        };
        let AttemptKey { run, job, step, attempt } = key.clone();
        // The start waits for a parking that is under way.
        self.park_reaches(key);
        let place = (engine.clone(), key.clone());
        let is_ready = self.containers.get(&place).is_some_and(|container| container.parked);
        let exists = self.containers.contains_key(&place) && !is_ready;
        // The engine may be silent before or after it made the container.
        if !self.is_up(&engine) {
            self.tell_engine(&engine, Err("silent".to_owned()));
            return self.send_last(key, Event::StepNotStarted { job, step, attempt });
        }
        if told_to_stop && !exists {
            return self.send_last(
                key,
                Event::StepExited {
                    job,
                    step,
                    attempt,
                    exit: Exit::NeverRan,
                    wrote: Written::default(),
                    observed: Box::default(),
                },
            );
        }
        if !exists && self.dice.chance(4) {
            let exit = Exit::Infrastructure("no such image".to_owned());
            return self.send_last(
                key,
                Event::StepExited { job, step, attempt, exit, wrote: Written::default(), observed: Box::default() },
            );
        }
        if !exists {
            invariants::on_start(self, &place);
            promises::on_start(self, &place, &filled.unwrap_or_default());
            let exit = self.dice.pick(&[Exit::Code(0), Exit::Code(0), Exit::Code(0), Exit::Code(1), Exit::Code(2)]);
            let stubborn = self.dice.chance(20);
            let wrote = self.will_write(key);
            if is_ready {
                self.counts.one("starts of what was ready");
            }
            let container = Container { parked: false, running: true, exit: exit.clone(), stubborn, wrote };
            self.containers.insert(place.clone(), container);
            let lasts = self.dice.pick(&[0, 50, 2_000, 15_000, 40_000, 400_000]);
            let lasts = lasts + self.dice.below(1_000);
            self.after(lasts, Due::ContainerEnds { place, exit });
            if self.dice.chance(3) {
                // The answer got lost: the container is there, the server does not know.
                self.send_last(key, Event::StepNotStarted { job, step, attempt });
                return self.silence(&engine);
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
    pub fn follow(&mut self, key: &AttemptKey) {
        let AttemptKey { run: _, job, step, attempt } = key.clone();
        let Some(engine) = self.live.get(key).map(|live| live.engine.clone()) else { return };
        let (exit, wrote) = match self.containers.get(&(engine, key.clone())) {
            Some(container) if container.running => return,
            // Only what came to an end of its own left its files whole.
            Some(Container { exit: exit @ Exit::Code(_), wrote, .. }) => (exit.clone(), wrote.clone()),
            Some(container) => (container.exit.clone(), Written::default()),
            None => (Exit::Lost("its container is gone".to_owned()), Written::default()),
        };
        self.send_last(key, Event::StepExited { job, step, attempt, exit, wrote, observed: Box::default() });
    }

    pub fn stop(&mut self, key: &AttemptKey, at_once: bool) {
        let Some(live) = self.live.get_mut(key) else { return };
        live.told_to_stop = true;
        let place = (live.engine.clone(), key.clone());
        let Some(container) = self.containers.get(&place) else { return };
        if !container.running {
            return;
        }
        let (after, code) = match (at_once, container.stubborn) {
            (true, _) => (50, 137),
            (false, true) => (GRACE_MS, 137),
            (false, false) => (100, 143),
        };
        self.after(after, Due::ContainerEnds { place, exit: Exit::Code(code) });
    }
}
