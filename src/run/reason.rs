//! Reasons: why something waits, and why something is stopped. Ordered where one can meet another.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Outcome;
use super::gate::did;
use crate::base::{Span, Timestamp};

/// Why a run, a job or a running step is stopped. **Invariant:** ordered by [`StopReason::strength`]; a stronger reason replaces a weaker one, never
/// the reverse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The step's own `timeout` is over.
    StepTimeout { after_ms: u64 },
    /// The job's `timeout` is over.
    JobTimeout { after_ms: u64 },
    /// Another combination of the job's matrix ended so, and the matrix has `fail_fast`.
    FailFast { job: String, outcome: Outcome },
    /// A newer run takes its place in its concurrency group. Like a cancel, it spares steps with `when: always`.
    Replaced { by: u64 },
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

    /// The sentence for what had not started yet.
    #[must_use]
    pub fn before_start(&self) -> String {
        match self {
            // These explain themselves: nothing was begun and cut off.
            StopReason::FailFast { .. } | StopReason::Replaced { .. } => self.to_string(),
            StopReason::StepTimeout { .. }
            | StopReason::JobTimeout { .. }
            | StopReason::Cancelled { .. }
            | StopReason::Killed { .. } => format!("{self} before it started"),
        }
    }

    /// Same kind and strength, whoever asked.
    #[must_use]
    pub fn strength(&self) -> u8 {
        match self {
            StopReason::StepTimeout { .. } => 0,
            StopReason::JobTimeout { .. } => 1,
            StopReason::FailFast { .. } | StopReason::Replaced { .. } | StopReason::Cancelled { .. } => 2,
            StopReason::Killed { .. } => 3,
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StopReason::StepTimeout { after_ms } => write!(f, "its timeout of {} is over", Span(*after_ms)),
            StopReason::JobTimeout { after_ms } => write!(f, "the job's timeout of {} is over", Span(*after_ms)),
            StopReason::FailFast { job, outcome } => write!(f, "`{job}` {} and the matrix has `fail_fast`", did(*outcome)),
            StopReason::Replaced { by } => write!(f, "replaced by #{by}"),
            StopReason::Cancelled { by } => write!(f, "cancelled by {by}"),
            StopReason::Killed { by } => write!(f, "cancelled at once by {by}"),
        }
    }
}

/// Why a job does not start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// For the jobs it needs, near or far. None of them: nobody has looked at it yet.
    Needs { jobs: Vec<String> },
    /// For someone to say yes.
    Approval { message: Option<String>, by: Vec<String>, since: Timestamp, until: Option<Timestamp> },
    /// For the board, and for nothing else that the run knows of. The further ones are the board's word on why it is not its turn.
    Admission,
    /// For the run, or that job of it, which holds its concurrency group.
    Group { group: String, run: u64, job: Option<String> },
    /// For the run, or that job of it, which comes before it in its concurrency group.
    Turn { group: String, run: u64, job: Option<String> },
    /// For other combinations of its matrix, of which only so many run at a time.
    Matrix { of: String, max_parallel: u32 },
    /// For one of the slots, all of which are taken.
    Slot { slots: u32 },
    /// For the engine, or for one of those that fit: none answers.
    Engine { message: String },
    /// For an engine with all of these labels, which nobody has.
    Labels { labels: Vec<String> },
}

impl Wait {
    /// Whether all that the run itself can say has been said: its needs have ended, its `if` holds, it is approved.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        match self {
            Wait::Needs { .. } | Wait::Approval { .. } => false,
            Wait::Admission
            | Wait::Group { .. }
            | Wait::Turn { .. }
            | Wait::Matrix { .. }
            | Wait::Slot { .. }
            | Wait::Engine { .. }
            | Wait::Labels { .. } => true,
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wait::Needs { jobs } if jobs.is_empty() => f.write_str("waits to be looked at"),
            Wait::Needs { jobs } => write!(f, "waits for {}", jobs.join(", ")),
            Wait::Approval { message, by, since: _, until: _ } => {
                f.write_str("waits for approval")?;
                if !by.is_empty() {
                    write!(f, " by {}", by.join(" or "))?;
                }
                message.as_ref().map_or(Ok(()), |message| write!(f, ": {message}"))
            }
            Wait::Admission => f.write_str("waits to be admitted"),
            Wait::Group { group, run, job: None } => write!(f, "waits for run #{run}, which holds the group `{group}`"),
            Wait::Group { group, run, job: Some(job) } => {
                write!(f, "waits for `{job}` of run #{run}, which holds the group `{group}`")
            }
            Wait::Turn { group, run, job: None } => write!(f, "waits for its turn in the group `{group}`, after run #{run}"),
            Wait::Turn { group, run, job: Some(job) } => {
                write!(f, "waits for its turn in the group `{group}`, after `{job}` of run #{run}")
            }
            Wait::Matrix { of, max_parallel: 1 } => write!(f, "waits since 1 combination of `{of}` runs at a time"),
            Wait::Matrix { of, max_parallel } => write!(f, "waits since {max_parallel} combinations of `{of}` run at a time"),
            Wait::Slot { slots: 1 } => f.write_str("waits for the one slot, which is taken"),
            Wait::Slot { slots } => write!(f, "waits for one of the {slots} slots, which are all taken"),
            Wait::Engine { message } => write!(f, "waits for the engine: {message}"),
            Wait::Labels { labels } => {
                let named: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
                let (word, all) = if labels.len() == 1 { ("label", "it") } else { ("labels", "all of them") };
                write!(f, "waits for an engine with the {word} {}; none in the server's settings has {all}", named.join(", "))
            }
        }
    }
}
