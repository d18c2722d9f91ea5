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
