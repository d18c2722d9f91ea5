//! What a log is of.

use std::fmt;

use crate::base::{AttemptKey, JobKey, RunId};

/// An attempt, or a service of a job by its position.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LogKey {
    Attempt(AttemptKey),
    Service { job: JobKey, service: u32 },
}

impl LogKey {
    /// The run it belongs to.
    #[must_use]
    pub fn run(&self) -> &RunId {
        match self {
            LogKey::Attempt(key) => &key.run,
            LogKey::Service { job, .. } => &job.run,
        }
    }

    /// Made of numbers only, and of each kind its own.
    pub(super) fn file_stem(&self) -> String {
        match self {
            LogKey::Attempt(AttemptKey { run: _, job, step, attempt }) => format!("{job}-{step}-{attempt}"),
            LogKey::Service { job: JobKey { run: _, job }, service } => format!("{job}-service-{service}"),
        }
    }

    /// The key again; `None`: no log is called so.
    pub(super) fn from_stem(run: &RunId, stem: &str) -> Option<Self> {
        let (job, rest) = stem.split_once('-')?;
        let (of, number) = rest.split_once('-')?;
        let (run, job, number) = (run.clone(), job.parse().ok()?, number.parse().ok()?);
        Some(match of {
            "service" => LogKey::Service { job: JobKey { run, job }, service: number },
            step => LogKey::Attempt(AttemptKey { run, job, step: step.parse().ok()?, attempt: number }),
        })
    }
}

impl fmt::Display for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.run(), self.file_stem())
    }
}

impl From<&LogKey> for LogKey {
    fn from(key: &LogKey) -> Self {
        key.clone()
    }
}

impl From<AttemptKey> for LogKey {
    fn from(key: AttemptKey) -> Self {
        LogKey::Attempt(key)
    }
}

impl From<&AttemptKey> for LogKey {
    fn from(key: &AttemptKey) -> Self {
        LogKey::Attempt(key.clone())
    }
}
