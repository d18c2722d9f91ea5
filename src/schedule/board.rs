//! All unfinished runs, the slots, and the engines' states: one input, one turn.
//!
//! **Invariants:** no more jobs hold a slot of an engine than it has; a job stays on its engine; nothing is given out while that does not answer; runs
//! get their slots in the order in which they were queued, but for those that wait for a concurrency group or for an engine with their labels; a turn's commands may be performed only after its changes
//! are stored.

use std::collections::BTreeMap;

use crate::base::{AttemptKey, JobIx, JobKey, RunId, Timestamp, limits};
use crate::run::{self, Applied, Command, Event, Job, JobState, Run, Wait, goes_on};

use super::deadlines::deadlines;
use super::engines::{EngineInfo, Engines, Taken};
use super::groups::{Groups, has_groups, next_replaced, order};
use super::{Change, diff};

/// What the board is told.
#[derive(Debug, Clone)]
pub enum Input {
    /// A run that is stored and has not begun, or is taken up after a restart.
    Queued(Box<Run>),
    /// Something happened in a run.
    Run(RunId, Event),
    /// An engine answers, or does not and why.
    Engine { name: String, state: Result<(), String> },
    /// What an engine has, asked at `asked_at`.
    Survivors { engine: String, known: Vec<AttemptKey>, asked_at: Timestamp },
    /// [`Board::wake_at`] has come.
    Woken,
}

/// What an input leads to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Turn {
    /// To be stored, in one transaction.
    pub changes: Vec<Change>,
    /// To be performed, after that, in this order.
    pub commands: Vec<Order>,
    /// Runs that ended in this turn; the board has forgotten them.
    pub ended: Vec<RunId>,
    /// Why the input changed nothing, for the log.
    pub ignored: Option<&'static str>,
}

/// A command, and the engine that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub engine: String,
    pub command: Command,
}

/// All unfinished runs.
#[derive(Debug, Clone)]
pub struct Board {
    runs: BTreeMap<RunId, Run>,
    engines: Engines,
}

impl Board {
    /// An empty board. Each engine counts as silent until [`Input::Engine`] says otherwise.
    #[must_use]
    pub fn new(engines: Vec<EngineInfo>) -> Self {
        Self { runs: BTreeMap::new(), engines: Engines::new(engines, limits::ENGINE_SILENCE_MS) }
    }

    /// The same, which gives up the jobs of an engine after so long a silence, if there is another engine.
    #[must_use]
    pub fn patient_for(self, ms: u64) -> Self {
        Self { engines: self.engines.with_patience(ms), ..self }
    }

    /// The same, under which the work tree of a job that fails is kept for so long.
    #[must_use]
    pub fn keeping(self, keep_ms: u64) -> Self {
        Self { engines: self.engines.keeping(keep_ms), ..self }
    }

    /// An unfinished run.
    #[must_use]
    pub fn run(&self, id: &RunId) -> Option<&Run> {
        self.runs.get(id)
    }

    /// Puts a stored run on the board as it is; the next input moves it.
    pub fn restore(&mut self, mut run: Run) {
        self.engines.put_on_one(&mut run);
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
        self.engines.begin(now);
        match input {
            Input::Queued(mut run) => {
                if !self.runs.contains_key(&run.id) {
                    let id = run.id.clone();
                    // The rows are stored as they are, so the comparison starts from here.
                    before.insert(id.clone(), (*run).clone());
                    self.engines.put_on_one(&mut run);
                    self.runs.insert(id.clone(), *run);
                    self.apply(&id, &Event::Woken, now, &mut before, &mut turn);
                }
            }
            Input::Run(id, event) => self.apply(&id, &event, now, &mut before, &mut turn),
            Input::Engine { name, state } => {
                if self.engines.hear(&name, state, now) {
                    self.apply_all(&Event::Woken, now, &mut before, &mut turn);
                } else {
                    turn.ignored = Some("there is no such engine");
                }
            }
            Input::Survivors { engine, known, asked_at } => {
                self.compare(&engine, &known, asked_at, now, &mut before, &mut turn);
            }
            Input::Woken => self.apply_all(&Event::Woken, now, &mut before, &mut turn),
        }
        self.give_up(now, &mut before, &mut turn);
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
        self.runs.values().flat_map(|run| deadlines(run, &self.engines)).min()
    }

    fn apply(&mut self, id: &RunId, event: &Event, now: Timestamp, before: &mut BTreeMap<RunId, Run>, turn: &mut Turn) {
        let Some(run) = self.runs.get_mut(id) else {
            turn.ignored = Some("the run has ended or is not known");
            return;
        };
        before.entry(id.clone()).or_insert_with(|| run.clone());
        // One that leaves its engine has last commands for that.
        let left: Vec<Option<String>> = run.jobs.iter().map(|job| job.engine.clone()).collect();
        match run::apply(run, event, now, &self.engines) {
            Applied::Applied { commands } => turn.commands.extend(commands.into_iter().map(|command| {
                let job = command.job() as usize;
                let engine = left.get(job).cloned().flatten().or_else(|| run.jobs.get(job)?.engine.clone());
                Order { engine: engine.unwrap_or_default(), command }
            })),
            Applied::Ignored(why) => turn.ignored = Some(why),
        }
    }

    fn apply_all(&mut self, event: &Event, now: Timestamp, before: &mut BTreeMap<RunId, Run>, turn: &mut Turn) {
        let ids: Vec<RunId> = self.runs.keys().cloned().collect();
        for id in ids {
            self.apply(&id, event, now, before, turn);
        }
    }

    /// Compares every run with what an engine has; what belongs to none of them, to an attempt that has ended, or to a job that is elsewhere is removed.
    fn compare(
        &mut self,
        engine: &str,
        known: &[AttemptKey],
        asked_at: Timestamp,
        now: Timestamp,
        before: &mut BTreeMap<RunId, Run>,
        turn: &mut Turn,
    ) {
        let ids: Vec<RunId> = self.runs.keys().cloned().collect();
        for id in ids {
            let known = known.iter().filter(|key| key.run == id).cloned().collect();
            self.apply(&id, &Event::Compared { engine: engine.to_owned(), known, asked_at }, now, before, turn);
        }
        for key in known {
            let order = Order { engine: engine.to_owned(), command: Command::RemoveStep(key.clone()) };
            if !self.expects(engine, key) && !turn.commands.contains(&order) {
                turn.commands.push(order);
            }
        }
    }

    /// Whether this attempt is one that a run has in this engine's hands.
    fn expects(&self, engine: &str, key: &AttemptKey) -> bool {
        let job = self.runs.get(&key.run).and_then(|run| run.jobs.get(key.job as usize));
        let here = job.filter(|job| job.engine.as_deref() == Some(engine));
        let step = here.and_then(|job| job.steps.get(key.step as usize));
        step.is_some_and(|step| step.state.held_attempt() == Some(key.attempt))
    }

    /// The jobs of engines that have been silent for too long leave them, or end.
    fn give_up(&mut self, now: Timestamp, before: &mut BTreeMap<RunId, Run>, turn: &mut Turn) {
        let mut lost = Vec::new();
        for run in self.runs.values() {
            for (job, state) in (0..).zip(&run.jobs) {
                lost.extend(
                    self.engines.given_up(state, now).map(|message| (run.id.clone(), Event::EngineLost { job, message })),
                );
            }
        }
        for (id, event) in lost {
            let ignored = turn.ignored;
            self.apply(&id, &event, now, before, turn);
            turn.ignored = ignored;
        }
    }

    /// What is due is settled before anything is given out, whoever asked for this turn: a loop that wakes late must not begin what is over.
    fn wake_due(&mut self, now: Timestamp, before: &mut BTreeMap<RunId, Run>, turn: &mut Turn) {
        let is_due = |run: &&Run| deadlines(run, &self.engines).into_iter().any(|at| now >= at);
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
        let mut taken = Taken::of(self.runs.values().flat_map(|run| &run.jobs));
        let mut groups = Groups::of(self.runs.values());
        let mut admitted = false;
        for key in self.ready() {
            // An admission before it may have moved it.
            let Some(run) = self.runs.get(&key.run).filter(|run| is_ready(&run.jobs[key.job as usize])) else { continue };
            // Asked in any case: whoever asks first for a group is the next in it.
            let group = groups.ask(run, key.job);
            let job = &run.jobs[key.job as usize];
            // It goes on where its work tree is.
            let only = job.engine.as_deref().filter(|_| goes_on(job));
            let engine = self.engines.choose(&run.plan.jobs[key.job as usize].runs_on, only, &taken);
            let why = match (engine, group) {
                (Err(wait @ (Wait::Engine { .. } | Wait::Labels { .. })), _) | (_, Some(wait)) | (Err(wait), None) => wait,
                (Ok(engine), None) => {
                    let engine = engine.to_owned();
                    groups.enter(run, key.job);
                    taken.one_more(&engine);
                    admitted = true;
                    self.apply(&key.run, &Event::JobAdmitted { job: key.job, engine }, now, before, turn);
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
