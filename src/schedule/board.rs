//! All unfinished runs, the slots, and the engine's state: one input, one turn.
//!
//! **Invariants:** no more jobs hold a slot than there are slots; nothing is given out while the engine does not answer; runs get their slots in
//! the order in which they were queued, but for those that wait for a concurrency group; a turn's commands may be performed only after its changes
//! are stored.

use std::collections::BTreeMap;

use crate::base::{AttemptKey, JobIx, JobKey, RunId, Timestamp};
use crate::run::{self, Applied, Command, Event, Job, JobState, Permit, Run, Wait};

use super::deadlines::deadlines;
use super::groups::{Groups, has_groups, next_replaced, order};
use super::{Change, diff};

/// What the board is told.
#[derive(Debug, Clone)]
pub enum Input {
    /// A run that is stored and has not begun, or is taken up after a restart.
    Queued(Box<Run>),
    /// Something happened in a run.
    Run(RunId, Event),
    /// The engine answers, or does not and why.
    Engine(Result<(), String>),
    /// What the executor has, asked at `asked_at`.
    Survivors { known: Vec<AttemptKey>, asked_at: Timestamp },
    /// [`Board::wake_at`] has come.
    Woken,
}

/// What an input leads to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Turn {
    /// To be stored, in one transaction.
    pub changes: Vec<Change>,
    /// To be performed, after that, in this order.
    pub commands: Vec<Command>,
    /// Runs that ended in this turn; the board has forgotten them.
    pub ended: Vec<RunId>,
    /// Why the input changed nothing, for the log.
    pub ignored: Option<&'static str>,
}

/// The engine, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Engine {
    Up,
    Down { message: String },
}

/// All unfinished runs.
#[derive(Debug, Clone)]
pub struct Board {
    runs: BTreeMap<RunId, Run>,
    slots: u32,
    /// Steps of a job that may be parked at the same time.
    park: u32,
    /// How long the work tree of a job that fails is kept.
    keep_ms: u64,
    engine: Engine,
}

impl Board {
    /// An empty board with so many slots for jobs. The engine counts as silent until [`Input::Engine`] says otherwise.
    #[must_use]
    pub fn new(slots: u32) -> Self {
        let engine = Engine::Down { message: "Gantry has just started and asks it".to_owned() };
        Self { runs: BTreeMap::new(), slots, park: 0, keep_ms: 0, engine }
    }

    /// The same, which lets so many steps of a job be made ready ahead of their start.
    #[must_use]
    pub fn parking(self, park: u32) -> Self {
        Self { park, ..self }
    }

    /// The same, under which the work tree of a job that fails is kept for so long.
    #[must_use]
    pub fn keeping(self, keep_ms: u64) -> Self {
        Self { keep_ms, ..self }
    }

    /// An unfinished run.
    #[must_use]
    pub fn run(&self, id: &RunId) -> Option<&Run> {
        self.runs.get(id)
    }

    /// Puts a stored run on the board as it is; the next input moves it.
    pub fn restore(&mut self, run: Run) {
        self.runs.insert(run.id.clone(), run);
    }

    /// The unfinished runs.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.values()
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input, now: Timestamp) -> Turn {
        let mut turn = Turn::default();
        let mut before = BTreeMap::new();
        match input {
            Input::Queued(run) => {
                if !self.runs.contains_key(&run.id) {
                    let id = run.id.clone();
                    // The rows are stored as they are, so the comparison starts from here.
                    before.insert(id.clone(), (*run).clone());
                    self.runs.insert(id.clone(), *run);
                    self.apply(&id, &Event::Woken, now, &mut before, &mut turn);
                }
            }
            Input::Run(id, event) => self.apply(&id, &event, now, &mut before, &mut turn),
            Input::Engine(state) => {
                self.engine = match state {
                    Ok(()) => Engine::Up,
                    Err(message) => Engine::Down { message },
                };
                self.apply_all(&Event::Woken, now, &mut before, &mut turn);
            }
            Input::Survivors { known, asked_at } => self.compare(&known, asked_at, now, &mut before, &mut turn),
            Input::Woken => self.apply_all(&Event::Woken, now, &mut before, &mut turn),
        }
        self.wake_due(now, &mut before, &mut turn);
        // An admission brings its run to rest at this moment, which may make more of it ready.
        loop {
            self.replace(now, &mut before, &mut turn);
            if !self.admit(now, &mut before, &mut turn) {
                break;
            }
        }
        for (id, old) in before {
            if let Some(run) = self.runs.get(&id) {
                turn.changes.extend(diff(&old, run));
                if run.is_ended() {
                    self.runs.remove(&id);
                    turn.ended.push(id);
                }
            }
        }
        turn
    }

    /// When the board wants to be woken: the next deadline or retry. `None` when time changes nothing.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        let up = self.engine == Engine::Up;
        self.runs.values().flat_map(|run| deadlines(run, up)).min()
    }

    fn apply(&mut self, id: &RunId, event: &Event, now: Timestamp, before: &mut BTreeMap<RunId, Run>, turn: &mut Turn) {
        let Some(run) = self.runs.get_mut(id) else {
            turn.ignored = Some("the run has ended or is not known");
            return;
        };
        before.entry(id.clone()).or_insert_with(|| run.clone());
        let permit = match self.engine {
            Engine::Up => Permit { park: self.park, keep_ms: self.keep_ms, ..Permit::START },
            Engine::Down { .. } => Permit { keep_ms: self.keep_ms, ..Permit::NOTHING },
        };
        match run::apply(run, event, now, permit) {
            Applied::Applied { commands } => turn.commands.extend(commands),
            Applied::Ignored(why) => turn.ignored = Some(why),
        }
    }

    fn apply_all(&mut self, event: &Event, now: Timestamp, before: &mut BTreeMap<RunId, Run>, turn: &mut Turn) {
        let ids: Vec<RunId> = self.runs.keys().cloned().collect();
        for id in ids {
            self.apply(&id, event, now, before, turn);
        }
    }

    /// Compares every run with what the executor has; what belongs to none of them, or to an attempt that has ended, is removed.
    fn compare(
        &mut self,
        known: &[AttemptKey],
        asked_at: Timestamp,
        now: Timestamp,
        before: &mut BTreeMap<RunId, Run>,
        turn: &mut Turn,
    ) {
        let ids: Vec<RunId> = self.runs.keys().cloned().collect();
        for id in ids {
            let known = known.iter().filter(|key| key.run == id).cloned().collect();
            self.apply(&id, &Event::Compared { known, asked_at }, now, before, turn);
        }
        for key in known {
            if !self.expects(key) && !turn.commands.contains(&Command::RemoveStep(key.clone())) {
                turn.commands.push(Command::RemoveStep(key.clone()));
            }
        }
    }

    /// Whether this attempt is one that a run has in the executor's hands.
    fn expects(&self, key: &AttemptKey) -> bool {
        let step = self
            .runs
            .get(&key.run)
            .and_then(|run| run.jobs.get(key.job as usize))
            .and_then(|job| job.steps.get(key.step as usize));
        step.is_some_and(|step| step.state.held_attempt() == Some(key.attempt))
    }

    /// What is due is settled before anything is given out, whoever asked for this turn: a loop that wakes late must not begin what is over.
    fn wake_due(&mut self, now: Timestamp, before: &mut BTreeMap<RunId, Run>, turn: &mut Turn) {
        let up = self.engine == Engine::Up;
        let is_due = |run: &&Run| deadlines(run, up).into_iter().any(|at| now >= at);
        let due: Vec<RunId> = self.runs.values().filter(is_due).map(|run| run.id.clone()).collect();
        for id in due {
            let ignored = turn.ignored;
            self.apply(&id, &Event::Woken, now, before, turn);
            turn.ignored = ignored;
        }
    }

    /// Newer runs take the places of older ones, as the policies of their groups want. A job that ends by it may bring others to their groups.
    fn replace(&mut self, now: Timestamp, before: &mut BTreeMap<RunId, Run>, turn: &mut Turn) {
        if !self.runs.values().any(|run| has_groups(&run.plan)) {
            return;
        }
        // Comes to an end: each round stops one more run or job.
        while let Some((id, event)) = next_replaced(self.runs.values()) {
            self.apply(&id, &event, now, before, turn);
        }
    }

    /// Gives free slots to the jobs that are ready, oldest run first, and tells the others what they wait for. True when it gave any.
    fn admit(&mut self, now: Timestamp, before: &mut BTreeMap<RunId, Run>, turn: &mut Turn) -> bool {
        let taken = self.runs.values().flat_map(|run| &run.jobs).filter(|job| job.state.holds_slot()).count();
        let mut free = (self.slots as usize).saturating_sub(taken);
        let mut groups = Groups::of(self.runs.values());
        let mut admitted = false;
        for key in self.ready() {
            // An admission before it may have moved it.
            let Some(run) = self.runs.get(&key.run).filter(|run| is_ready(&run.jobs[key.job as usize])) else { continue };
            let why = match (&self.engine, groups.ask(run, key.job)) {
                (Engine::Down { message }, _) => Wait::Engine { message: message.clone() },
                (Engine::Up, Some(wait)) => wait,
                (Engine::Up, None) if free == 0 => Wait::Slot { slots: self.slots },
                (Engine::Up, None) => {
                    groups.enter(run, key.job);
                    free -= 1;
                    admitted = true;
                    self.apply(&key.run, &Event::JobAdmitted { job: key.job }, now, before, turn);
                    continue;
                }
            };
            let state = JobState::Waiting { why };
            if run.jobs[key.job as usize].state == state {
                continue;
            }
            let Some(run) = self.runs.get_mut(&key.run) else { continue };
            before.entry(key.run.clone()).or_insert_with(|| run.clone());
            run.jobs[key.job as usize].state = state;
        }
        admitted
    }

    /// Jobs that wait for the board alone, in the order of the queue.
    fn ready(&self) -> Vec<JobKey> {
        let mut runs: Vec<&Run> = self.runs.values().collect();
        runs.sort_by_cached_key(|run| order(run));
        runs.into_iter().flat_map(ready_jobs).collect()
    }
}

/// Those of one run.
fn ready_jobs(run: &Run) -> Vec<JobKey> {
    let ready = (0..).zip(&run.jobs).filter(|(_, job)| is_ready(job));
    ready.map(|(job, _): (JobIx, _)| JobKey { run: run.id.clone(), job }).collect()
}

/// Whether it waits for the board alone.
fn is_ready(job: &Job) -> bool {
    match &job.state {
        JobState::Waiting { why } => why.is_ready(),
        JobState::Preparing { .. } | JobState::Running { .. } | JobState::Ended { .. } => false,
    }
}
