//! The engines that jobs run on, each with its executor. Which of them a job is given is the board's business.
//!
//! **Invariant:** what is done for a job is done by the engine that the board has put it on, and by no other.

use std::sync::Arc;

use tokio::sync::watch;

use crate::base::JobIx;
use crate::executor::{Executor, Pulls};
use crate::run::Run;
use crate::schedule::EngineInfo;

/// One of them.
pub(super) struct Engine {
    pub info: EngineInfo,
    pub executor: Arc<dyn Executor>,
    /// Whether it answers, or why not.
    pub state: watch::Sender<Result<(), String>>,
}

/// All of them, in the order of the settings.
#[derive(Clone)]
pub struct Fleet(Vec<Arc<Engine>>);

/// An engine, as people and programs see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineStatus {
    pub info: EngineInfo,
    /// `docker`, `host` or `fake`.
    pub executor: &'static str,
    /// Why it runs nothing at the moment; `None` when it answers.
    pub problem: Option<String>,
}

impl Fleet {
    /// A single one, which needs no name.
    #[must_use]
    pub fn of_one(executor: Arc<dyn Executor>, slots: u32) -> Self {
        let info = EngineInfo::local(slots, executor.parks());
        Self::new(vec![(info, executor)])
    }

    /// Several, each with a name of its own.
    #[must_use]
    pub fn new(engines: Vec<(EngineInfo, Arc<dyn Executor>)>) -> Self {
        let engine = |(info, executor)| {
            let state = watch::Sender::new(Err("it has not been asked yet".to_owned()));
            Arc::new(Engine { info, executor, state })
        };
        Self(engines.into_iter().map(engine).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Engine>> {
        self.0.iter()
    }

    pub(super) fn infos(&self) -> Vec<EngineInfo> {
        self.iter().map(|engine| engine.info.clone()).collect()
    }

    pub(super) fn named(&self, name: &str) -> Option<&Arc<Engine>> {
        self.iter().find(|engine| engine.info.name == name)
    }

    /// The one that a job is or was on. One of before engines had names was on the first.
    pub(super) fn of(&self, run: &Run, job: JobIx) -> Option<&Arc<Engine>> {
        match run.jobs.get(job as usize).and_then(|job| job.engine.as_deref()) {
            Some(name) => self.named(name),
            None => self.0.first(),
        }
    }

    /// Whether it is the one that has to do with what no engine is known for.
    pub(super) fn is_first(&self, engine: &Engine) -> bool {
        self.0.first().is_some_and(|first| first.info.name == engine.info.name)
    }

    /// `docker`, `host` or `fake`.
    pub(super) fn kind(&self) -> &'static str {
        self.0.first().map_or("none", |engine| engine.executor.name())
    }

    pub(super) fn needs_image(&self) -> bool {
        self.iter().any(|engine| engine.executor.needs_image())
    }

    pub(super) fn pulls(&self) -> Vec<watch::Receiver<Pulls>> {
        self.iter().flat_map(|engine| engine.executor.pulls()).collect()
    }

    /// How each is.
    pub(super) fn status(&self) -> Vec<EngineStatus> {
        let status = |engine: &Arc<Engine>| EngineStatus {
            info: engine.info.clone(),
            executor: engine.executor.name(),
            problem: engine.state.borrow().clone().err(),
        };
        self.iter().map(status).collect()
    }
}

impl Engine {
    /// Notes whether it answers, for its watch and for whoever asks whether the server is ready.
    pub(super) fn is_said(&self, state: Result<(), String>) {
        let before = self.state.send_replace(state.clone());
        let (engine, executor) = (&self.info.name, self.executor.name());
        match state {
            Ok(()) if before.is_err() => tracing::info!(engine, executor, "the engine answers"),
            Err(why) if before != Err(why.clone()) => tracing::warn!(engine, %why, "runs wait for the engine"),
            Ok(()) | Err(_) => {}
        }
    }
}

/// An engine that did not answer someone.
#[derive(Debug)]
pub(super) struct Silent {
    pub engine: String,
    pub why: String,
}
