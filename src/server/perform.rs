//! Commands become tasks.
//!
//! **Invariants:** an attempt is live from the command that begins it until the loop has *heard* its last word, not merely until that was sent:
//! otherwise a start in between would make a second container of an attempt that has just ended (the simulation found this). A second command
//! for a live key does nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::base::{AttemptKey, JobKey, Tasks};
use crate::executor::{JobSpec, StepSpec};
use crate::pipeline::Text;
use crate::run::{Command, Event, Exit, FilledCache, Run, Written, environment, fill_step, goes_on};
use crate::schedule::{Board, Order};

use super::ahead::Ahead;
use super::attempt::{self, Begin, Beside};
use super::core::Message;
use super::fleet::{Engine, Silent};
use super::handle::Shared;
use super::harvest::Harvester;
use super::keep::{self, StepFiles};
use super::kept;
use super::prepare::{self, NotPrepared};
use super::secrets::Asked;

/// A job's preparation under way.
struct Preparing {
    task: JoinHandle<()>,
    /// Nobody needs it any more.
    stop: CancellationToken,
}

/// A live attempt.
struct Living {
    engine: String,
    /// Makes it stop.
    stop: CancellationToken,
}

/// Performs commands.
pub(super) struct Performer {
    shared: Arc<Shared>,
    cleaning: Tasks,
    ahead: Ahead,
    live: BTreeMap<AttemptKey, Living>,
    preparing: BTreeMap<JobKey, Preparing>,
    /// Attempts that are being made ready: their start, or their removal, comes after that.
    parking: BTreeMap<AttemptKey, JoinHandle<()>>,
    /// Removals under way: a job is released after them.
    removals: BTreeMap<JobKey, Vec<JoinHandle<()>>>,
    /// Releases under way: a job that begins anew on another engine is prepared after its own.
    releasing: BTreeMap<JobKey, JoinHandle<()>>,
    /// Attempts of steps that have caches.
    caching: BTreeSet<AttemptKey>,
    /// Ended ones of them, whose containers stay until their jobs have ended: only then is it known whether their caches are saved.
    held: BTreeMap<JobKey, BTreeSet<AttemptKey>>,
}

impl Performer {
    pub fn new(shared: Arc<Shared>, cleaning: Tasks) -> Self {
        let (live, preparing, parking, removals) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self {
            shared,
            cleaning,
            ahead: Ahead::default(),
            live,
            preparing,
            parking,
            removals,
            releasing: BTreeMap::new(),
            caching: BTreeSet::new(),
            held: BTreeMap::new(),
        }
    }

    /// Those on an engine.
    pub fn live_attempts(&self, engine: &str) -> impl Iterator<Item = &AttemptKey> {
        self.live.iter().filter(move |(_, living)| living.engine == engine).map(|(key, _)| key)
    }

    pub fn heard_last_of(&mut self, key: &AttemptKey) {
        self.live.remove(key);
    }

    pub fn heard_prepared(&mut self, key: &JobKey) {
        self.preparing.remove(key);
    }

    /// Performs one command. `board` has the runs that the command is about, unless it cleans up.
    pub fn perform(&mut self, Order { engine, command }: Order, board: &Board) {
        tracing::debug!(engine, ?command, "performing");
        match self.shared.fleet.named(&engine).cloned() {
            Some(engine) => self.perform_on(&engine, command, board),
            // It is not in the settings any more. Its jobs end, or go on elsewhere, without a word to it.
            None => {
                if let Command::ReleaseJob(key) | Command::KeepJob(key) = command {
                    self.ahead.released(&key, board.run(&key.run));
                    self.release(None, key, false);
                }
            }
        }
    }

    fn perform_on(&mut self, engine: &Arc<Engine>, command: Command, board: &Board) {
        match command {
            Command::PrepareJob(key) => {
                if let Some(run) = board.run(&key.run)
                    && !self.preparing.contains_key(&key)
                {
                    self.ahead.begin(&self.shared, engine, run, &key);
                    let preparing = self.prepare(engine, run, key.clone());
                    self.preparing.insert(key, preparing);
                }
            }
            Command::StartStep(key) => {
                if let Some(run) = board.run(&key.run) {
                    self.start(engine, run, key);
                }
            }
            Command::ParkStep(key) => {
                if let Some(run) = board.run(&key.run) {
                    self.park(engine, run, key);
                }
            }
            Command::AttachStep(key) => {
                let run = board.run(&key.run);
                let beside = run.map(|run| self.beside(engine, run, &key, &[])).unwrap_or_default();
                let asked = run.and_then(|run| Asked::of(run, &key));
                self.begin(engine, Begin::Attach(key), beside, asked);
            }
            Command::StopStep { key, at_once } => {
                if let Some(living) = self.live.get(&key) {
                    living.stop.cancel();
                }
                if at_once {
                    // Removing kills what still runs; its follower then tells the end.
                    self.remove(engine, key);
                }
            }
            Command::RemoveStep(key) => {
                // A run that ended in this very turn is not on the board any more.
                let is_caching = self.caching.remove(&key);
                if board.run(&key.run).map_or(is_caching, |run| keep::wants_container(run, &key)) {
                    self.held.entry(key.job_key()).or_default().insert(key);
                } else {
                    self.remove(engine, key);
                }
            }
            Command::ReleaseJob(key) => {
                self.ahead.released(&key, board.run(&key.run));
                self.release(Some(engine), key, false);
            }
            Command::KeepJob(key) => {
                self.ahead.released(&key, board.run(&key.run));
                self.release(Some(engine), key, true);
            }
        }
    }

    fn prepare(&mut self, engine: &Arc<Engine>, run: &Run, key: JobKey) -> Preparing {
        let release = self.releasing.remove(&key);
        let (shared, engine) = (Arc::clone(&self.shared), Arc::clone(engine));
        let plan = run.plan.jobs.get(key.job as usize);
        let title = format!("{} #{} / {}", run.repo_name, run.number, plan.map_or("?", |job| job.name.as_str()));
        let services = plan.map_or(Vec::new(), |job| job.services.clone());
        let is_single = services.is_empty() && plan.is_some_and(|job| job.steps.len() == 1);
        let dirs = self.shared.dirs(run, &key);
        let spec = JobSpec { key: key.clone(), title, dirs, services, is_single, fill: Vec::new() };
        let run = run.clone();
        // Also cancelled when the server ends: then the next start prepares it again.
        let stop = shared.tasks.ending.child_token();
        let stopped = stop.clone();
        let task = self.shared.tasks.spawn(async move {
            let done = async {
                if let Some(release) = release {
                    // It left another engine; one that broke has been told of.
                    let _ = release.await;
                }
                // What went into a tree in which it goes on is in it, as the steps have left it.
                let is_new = !run.jobs.get(key.job as usize).is_some_and(goes_on);
                let fill = if is_new { prepare::needed(&shared, &run, &spec).await? } else { Vec::new() };
                let spec = JobSpec { fill, ..spec };
                prepare::prepare((&shared, &*engine.executor), run, spec, &stopped).await
            };
            let done = done.await;
            if stopped.is_cancelled() {
                return;
            }
            let (job, engine) = (key.job, engine.info.name.clone());
            let (event, silent) = match done {
                Ok(()) => (Event::JobPrepared { job, engine }, None),
                Err(NotPrepared::Silent(why)) => {
                    let silent = Silent { engine: engine.clone(), why: why.clone() };
                    (Event::JobNotPrepared { job, engine, message: why, again: true }, Some(silent))
                }
                Err(NotPrepared::Failed(message)) => (Event::JobNotPrepared { job, engine, message, again: false }, None),
            };
            // The loop only ever goes away with the server.
            let _ = shared.tell.send(Message::Prepared { key, event, silent });
        });
        Preparing { task, stop }
    }

    /// What is known of the step makes it ready; what is not is not needed for that.
    fn park(&mut self, engine: &Engine, run: &Run, key: AttemptKey) {
        if self.live.contains_key(&key) || self.parking.get(&key).is_some_and(|task| !task.is_finished()) {
            return;
        }
        let Some((job, step)) =
            run.plan.jobs.get(key.job as usize).and_then(|job| Some((job, job.steps.get(key.step as usize)?)))
        else {
            return;
        };
        let known = |text: &Text| text.fixed().map(str::to_owned);
        let spec = StepSpec {
            key: key.clone(),
            title: format!("{} / {}", job.name, step.name),
            dirs: self.shared.dirs(run, &key.job_key()),
            image: step.image.as_ref().and_then(known),
            pull: step.pull,
            resources: job.resources,
            network: step.network,
            before: Vec::new(),
            action: step.action.clone(),
            env: step.env.iter().filter_map(|(name, text)| Some((name.clone(), known(text)?))).collect(),
            grace_ms: self.shared.config.grace_ms,
        };
        let executor = Arc::clone(&engine.executor);
        // Not cut off when the server ends: what comes of it is found by its labels.
        let task = self.shared.tasks.spawn(async move {
            if let Err(error) = executor.park(&spec).await {
                tracing::debug!(attempt = %spec.key, %error, "an attempt could not be made ready ahead of its start");
            }
        });
        self.parking.insert(key, task);
    }

    fn start(&mut self, engine: &Arc<Engine>, run: &Run, key: AttemptKey) {
        match self.step_spec(engine, run, &key) {
            Ok((spec, beside)) => self.begin(engine, Begin::Start(Box::new(spec)), beside, Asked::of(run, &key)),
            Err(why) => {
                // The reducer has filled in the same step before it said so; if it ever knew more, the step must end all the same.
                let AttemptKey { run: _, job, step, attempt } = key;
                let (exit, wrote) = (Exit::Infrastructure(why), Written::default());
                let event = Event::StepExited { job, step, attempt, exit, wrote, observed: Box::default() };
                // The loop only ever goes away with the server.
                let _ = self.shared.tell.send(Message::Last { key, event: Some(event), silent: None });
            }
        }
    }

    fn beside(&self, engine: &Engine, run: &Run, key: &AttemptKey, caches: &[FilledCache]) -> Beside {
        let files = StepFiles::of(&self.shared.keep, &self.shared.tasks, run, key, caches);
        Beside { files, reports: Harvester::of(&self.shared, &engine.executor, run, key) }
    }

    fn step_spec(&self, engine: &Engine, run: &Run, key: &AttemptKey) -> Result<(StepSpec, Beside), String> {
        let job = run.plan.jobs.get(key.job as usize).ok_or("the plan has no such job")?;
        let step = job.steps.get(key.step as usize).ok_or("the plan has no such step")?;
        let filled = fill_step(run, key.job, key.step)?;
        let base = &self.shared.config.url;
        let page = if base.is_empty() { String::new() } else { format!("{base}/runs/{}", run.id) };
        let beside = self.beside(engine, run, key, &filled.cache);
        let spec = StepSpec {
            key: key.clone(),
            title: format!("{} / {}", job.name, step.name),
            dirs: self.shared.dirs(run, &key.job_key()),
            image: filled.image,
            pull: step.pull,
            resources: job.resources,
            network: step.network,
            before: Vec::new(),
            action: step.action.clone(),
            env: environment(run, key.job, key.step, filled.env, &run.trigger.url, &page),
            grace_ms: self.shared.config.grace_ms,
        };
        Ok((spec, beside))
    }

    fn begin(&mut self, engine: &Arc<Engine>, begin: Begin, beside: Beside, asked: Option<Asked>) {
        let key = begin.key().clone();
        if self.live.contains_key(&key) {
            return;
        }
        let stop = CancellationToken::new();
        if beside.files.as_ref().is_some_and(StepFiles::has_caches) {
            self.caching.insert(key.clone());
        }
        let parking = self.parking.remove(&key);
        self.live.insert(key, Living { engine: engine.info.name.clone(), stop: stop.clone() });
        let (shared, engine) = (Arc::clone(&self.shared), Arc::clone(engine));
        self.shared.tasks.spawn(async move {
            let ending = shared.tasks.ending.clone();
            let life = async {
                if let Some(parking) = parking {
                    // One that broke has made nothing that the start would not find.
                    let _ = parking.await;
                }
                let (begin, masks) = begin.given(&shared, asked).await;
                attempt::live(begin, masks, beside, (&engine, &shared), stop).await;
            };
            tokio::select! {
                () = life => {}
                // The step goes on without us; the next start takes it up.
                () = ending.cancelled() => {}
            }
        });
    }

    fn remove(&mut self, engine: &Engine, key: AttemptKey) {
        let executor = Arc::clone(&engine.executor);
        let job = key.job_key();
        let parking = self.parking.remove(&key);
        let removal = self.cleaning.spawn(async move {
            if let Some(parking) = parking {
                let _ = parking.await;
            }
            if let Err(error) = executor.remove(&key).await {
                tracing::warn!(attempt = %key, %error, "an attempt could not be removed; the next comparison tries again");
            }
        });
        let removals = self.removals.entry(job).or_default();
        removals.retain(|removal| !removal.is_finished());
        removals.push(removal);
    }

    /// `keep`: all but its work tree.
    fn release(&mut self, engine: Option<&Arc<Engine>>, key: JobKey, keep: bool) {
        let mut before = self.removals.remove(&key).unwrap_or_default();
        if let Some(Preparing { task, stop }) = self.preparing.remove(&key) {
            stop.cancel();
            before.push(task);
        }
        let held: Vec<AttemptKey> = self.held.remove(&key).unwrap_or_default().into_iter().collect();
        let (shared, engine) = (Arc::clone(&self.shared), engine.cloned());
        let saving = (!held.is_empty()).then(|| shared.keep.begin_saving(&key));
        let of = key.clone();
        let release = self.cleaning.spawn(async move {
            if let Some(engine) = engine.as_ref().filter(|_| saving.is_some()) {
                keep::save(&shared, &*engine.executor, &key, &held).await;
            }
            for task in before {
                // One that broke has been told of; the release does its part all the same.
                let _ = task.await;
            }
            // What is held goes with its job.
            match engine.as_deref() {
                Some(engine) if keep => kept::keep(&shared, engine, &key).await,
                engine => shared.release(engine, &key).await,
            }
            drop(saving);
        });
        self.releasing.retain(|_, release| !release.is_finished());
        self.releasing.insert(of, release);
    }
}
