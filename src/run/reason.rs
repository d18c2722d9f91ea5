//! Reasons: why something waits, and why something is stopped. Ordered where one can meet another.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::Span;

/// Why a running step is stopped. **Invariant:** ordered; a stronger reason replaces a weaker one, never the reverse.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The step's own `timeout` is over.
    StepTimeout { after_ms: u64 },
    /// The job's `timeout` is over.
    JobTimeout { after_ms: u64 },
    /// The run is cancelled; steps with `when: always` still run.
    Cancelled { by: String },
    /// The run is cancelled for the second time: nothing runs any more.
    Killed { by: String },
}

impl StopReason {
    /// Whether it ends in `timed_out` rather than `cancelled`.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, StopReason::StepTimeout { .. } | StopReason::JobTimeout { .. })
    }

    /// Same kind and strength, whoever asked.
    #[must_use]
    pub fn strength(&self) -> u8 {
        match self {
            StopReason::StepTimeout { .. } => 0,
            StopReason::JobTimeout { .. } => 1,
            StopReason::Cancelled { .. } => 2,
            StopReason::Killed { .. } => 3,
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StopReason::StepTimeout { after_ms } => write!(f, "its timeout of {} is over", Span(*after_ms)),
            StopReason::JobTimeout { after_ms } => write!(f, "the job's timeout of {} is over", Span(*after_ms)),
            StopReason::Cancelled { by } => write!(f, "cancelled by {by}"),
            StopReason::Killed { by } => write!(f, "cancelled at once by {by}"),
        }
    }
}

/// Why a job that could start does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// For the jobs it needs.
    Needs { jobs: Vec<String> },
    /// For one of the slots, all of which are taken.
    Slot { slots: u32 },
    /// For the engine, which does not answer.
    Engine { message: String },
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wait::Needs { jobs } => write!(f, "waits for {}", jobs.join(", ")),
            Wait::Slot { slots: 1 } => f.write_str("waits for the one slot, which is taken"),
            Wait::Slot { slots } => write!(f, "waits for one of the {slots} slots, which are all taken"),
            Wait::Engine { message } => write!(f, "waits for the engine: {message}"),
        }
    }
}
