//! Keys: what a command or an event is about. **Invariant:** a key never changes its meaning, so a command with the same key may be performed twice.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::RunId;

/// A job's position in its plan.
pub type JobIx = u32;
/// A step's position in its job.
pub type StepIx = u32;

/// One job of one run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobKey {
    pub run: RunId,
    pub job: JobIx,
}

/// One attempt at one step. Text form: `RUN-JOB-STEP-ATTEMPT`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptKey {
    pub run: RunId,
    pub job: JobIx,
    pub step: StepIx,
    /// From 1.
    pub attempt: u32,
}

impl AttemptKey {
    /// The job this attempt belongs to.
    #[must_use]
    pub fn job_key(&self) -> JobKey {
        JobKey { run: self.run.clone(), job: self.job }
    }
}

impl fmt::Display for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.run, self.job)
    }
}

impl fmt::Display for AttemptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}-{}", self.run, self.job, self.step, self.attempt)
    }
}

/// A text that is not an attempt's key.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not the key of an attempt (RUN-JOB-STEP-ATTEMPT)")]
pub struct NotAKey(String);

impl FromStr for AttemptKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let read = || {
            let mut parts = text.split('-');
            let key = AttemptKey {
                run: parts.next()?.parse().ok()?,
                job: parts.next()?.parse().ok()?,
                step: parts.next()?.parse().ok()?,
                attempt: parts.next()?.parse().ok()?,
            };
            parts.next().is_none().then_some(key)
        };
        read().ok_or_else(|| NotAKey(text.chars().take(80).collect()))
    }
}
