//! The state of a run, its jobs and steps. These values are what the store keeps, as JSON: a field may be added with a default, never renamed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Observed, Outcome, StopReason, Taken, Values, Wait};
use crate::base::{RepoId, RunId, Timestamp};
use crate::pipeline::{Plan, Problem, Trigger};

/// One execution of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub id: RunId,
    pub repo: RepoId,
    /// Name of the repository when the run was made.
    pub repo_name: String,
    /// Counts from 1 in each repository.
    pub number: u64,
    pub trigger: Trigger,
    pub queued_at: Timestamp,
    pub plan: Arc<Plan>,
    /// What the reader found. With an error among them the run ended as `error` when it was made, and its plan has no jobs.
    pub problems: Vec<Problem>,
    pub life: Life,
    /// Set once the run is told to stop; only ever replaced by a stronger one.
    pub stop: Option<StopReason>,
    /// As many as the plan has.
    pub jobs: Vec<Job>,
}

/// The life of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Life {
    /// No job has started yet.
    Queued,
    Running {
        since: Timestamp,
    },
    Ended {
        outcome: Outcome,
        /// One sentence.
        reason: String,
        /// `None` when no job ever started.
        started_at: Option<Timestamp>,
        at: Timestamp,
    },
}

/// One job of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub state: JobState,
    /// The engine that it is on, from its admission on; it leaves it only when that is given up.
    pub engine: Option<String>,
    /// What someone answered when it was to be approved.
    pub decision: Option<Decision>,
    /// Set once this job alone is told to stop; never taken back.
    pub stop: Option<StopReason>,
    /// As many as the plan has.
    pub steps: Vec<Step>,
}

/// What became of a question for approval. It counts for this run, and so for its commit: a rerun asks again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Decision {
    Approved { by: String, at: Timestamp },
    Rejected { by: String, at: Timestamp },
}

/// The life of a job. It holds a slot while preparing and running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum JobState {
    Waiting {
        why: Wait,
    },
    /// Workspace and network are being made.
    Preparing {
        since: Timestamp,
    },
    Running {
        /// When it began to prepare: the job's timeout counts from here.
        since: Timestamp,
    },
    Ended {
        outcome: Outcome,
        reason: String,
        started_at: Option<Timestamp>,
        at: Timestamp,
        /// What it leaves to the jobs that need it.
        #[serde(default, skip_serializing_if = "is_empty")]
        outputs: Values,
        /// Skipped because of a failure before it, not because it was not wanted.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        held_back: bool,
        /// It ran in another run, and was taken over from there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        taken: Option<Taken>,
        /// It failed, and its work tree is kept until then, if the disk has room for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kept_until: Option<Timestamp>,
    },
}

/// One step of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub state: StepState,
}

/// The life of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum StepState {
    Waiting,
    /// It waits like the others, and the executor was told to make it ready ahead of its start.
    Parked {
        attempt: u32,
        since: Timestamp,
    },
    /// The executor was told to start it: it pulls, creates, starts.
    Starting {
        attempt: u32,
        since: Timestamp,
    },
    Running {
        attempt: u32,
        since: Timestamp,
    },
    /// It was told to end.
    Stopping {
        attempt: u32,
        /// `None` when it was not seen running.
        started_at: Option<Timestamp>,
        why: StopReason,
        since: Timestamp,
    },
    /// The attempt did not pass and the next one waits.
    Backoff {
        /// The attempt that will be made.
        attempt: u32,
        until: Timestamp,
        /// How the last one ended.
        reason: String,
    },
    Ended(StepEnd),
}

/// The end of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepEnd {
    pub outcome: Outcome,
    pub reason: String,
    /// Of the last attempt; `None` when there was no exit.
    pub exit_code: Option<i32>,
    /// The last attempt; 0 when none was made.
    pub attempt: u32,
    pub started_at: Option<Timestamp>,
    pub at: Timestamp,
    /// What the last attempt left to others.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub outputs: Values,
    /// Variables that it left to the steps which need it, near or far.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub env: Values,
    /// Skipped because of a failure before it, not because it was not wanted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held_back: bool,
    /// What was seen of the last attempt from outside.
    #[serde(default, skip_serializing_if = "Observed::is_empty")]
    pub observed: Box<Observed>,
    /// It ran in another run, and was taken over from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<Taken>,
}

/// Most parts leave nothing: that needs no room in a row.
fn is_empty(values: &Values) -> bool {
    values.is_empty()
}

impl StepEnd {
    /// The end of a step of which no attempt was made.
    #[must_use]
    pub fn never_made(outcome: Outcome, reason: impl Into<String>, at: Timestamp) -> Self {
        Self {
            outcome,
            reason: reason.into(),
            exit_code: None,
            attempt: 0,
            started_at: None,
            at,
            outputs: Values::default(),
            env: Values::default(),
            held_back: false,
            observed: Box::default(),
            taken: None,
        }
    }
}

impl Run {
    /// A run in which nothing has happened yet.
    #[must_use]
    pub fn new(
        id: RunId,
        repo: RepoId,
        repo_name: String,
        number: u64,
        trigger: Trigger,
        plan: Arc<Plan>,
        queued_at: Timestamp,
    ) -> Self {
        let job = |job: &crate::pipeline::JobPlan| Job {
            state: JobState::Waiting { why: Wait::Needs { jobs: Vec::new() } },
            engine: None,
            decision: None,
            stop: None,
            steps: job.steps.iter().map(|_| Step { state: StepState::Waiting }).collect(),
        };
        let jobs = plan.jobs.iter().map(job).collect();
        Self { id, repo, repo_name, number, trigger, queued_at, plan, problems: Vec::new(), life: Life::Queued, stop: None, jobs }
    }

    /// Whether nothing more will happen in it.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        matches!(self.life, Life::Ended { .. })
    }
}

impl JobState {
    /// An end that leaves nothing.
    #[must_use]
    pub fn ended(outcome: Outcome, reason: impl Into<String>, started_at: Option<Timestamp>, at: Timestamp) -> Self {
        JobState::Ended {
            outcome,
            reason: reason.into(),
            started_at,
            at,
            outputs: Values::default(),
            held_back: false,
            taken: None,
            kept_until: None,
        }
    }

    /// Until when its work tree is kept, if it is.
    #[must_use]
    pub fn kept_until(&self) -> Option<Timestamp> {
        match self {
            JobState::Ended { kept_until, .. } => *kept_until,
            JobState::Waiting { .. } | JobState::Preparing { .. } | JobState::Running { .. } => None,
        }
    }

    /// Whether it holds a slot.
    #[must_use]
    pub fn holds_slot(&self) -> bool {
        matches!(self, JobState::Preparing { .. } | JobState::Running { .. })
    }

    /// Whether nothing more will happen in it.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        matches!(self, JobState::Ended { .. })
    }
}

impl StepState {
    /// The attempt that is in the executor's hands.
    #[must_use]
    pub fn live_attempt(&self) -> Option<u32> {
        match self {
            StepState::Starting { attempt, .. } | StepState::Running { attempt, .. } | StepState::Stopping { attempt, .. } => {
                Some(*attempt)
            }
            StepState::Waiting | StepState::Parked { .. } | StepState::Backoff { .. } | StepState::Ended(_) => None,
        }
    }

    /// The attempt that the executor holds something for: the live one, or the parked one.
    #[must_use]
    pub fn held_attempt(&self) -> Option<u32> {
        match self {
            StepState::Parked { attempt, .. } => Some(*attempt),
            other => other.live_attempt(),
        }
    }

    /// Whether nothing more will happen in it.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        matches!(self, StepState::Ended(_))
    }
}
