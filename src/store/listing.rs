//! Lists of runs: filter, page, and a run's summary.

use serde::Serialize;

use crate::base::{RunId, Timestamp};
use crate::pipeline::{Event, Trigger};
use crate::run::{Life, Outcome, Run, StopReason};

/// Which runs a list holds. All conditions together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Name of the repository.
    pub repo: Option<String>,
    /// Short name.
    pub branch: Option<String>,
    pub outcome: Option<Outcome>,
    /// Only runs made before this one: the `next` of the page before.
    pub before: Option<RunId>,
    /// Rows at most; 0 means, and more is cut to, [`PAGE_ROWS`](crate::base::limits::PAGE_ROWS).
    pub limit: u32,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// Newest first.
    pub items: Vec<T>,
    /// What to ask for next (`before`); `None` when this was the last page.
    pub next: Option<String>,
}

/// A run in a list: the run's JSON without its jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunSummary {
    pub id: RunId,
    /// Counts from 1 in each repository.
    pub number: u64,
    /// Name of the repository.
    pub repo: String,
    /// Name of the pipeline.
    pub pipeline: String,
    pub event: Event,
    /// Short name; empty for a tag.
    pub branch: String,
    pub tag: Option<String>,
    pub commit: String,
    pub message: String,
    pub author: String,
    /// `queued`, `running` or `ended`.
    pub state: String,
    /// `None` until it has ended.
    pub outcome: Option<Outcome>,
    /// The sentence that explains: why it ended so; before that, why it is being stopped or else why it came.
    pub reason: String,
    /// Why it came.
    pub because: String,
    /// It was told to stop and has not ended yet.
    pub stopping: bool,
    pub queued_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
}

/// What a summary is made of, whether from a run or from its row.
pub(super) struct Facts {
    pub(super) id: RunId,
    pub(super) number: u64,
    pub(super) repo: String,
    pub(super) pipeline: String,
    pub(super) trigger: Trigger,
    pub(super) life: Life,
    pub(super) stop: Option<StopReason>,
    pub(super) queued_at: Timestamp,
}

impl RunSummary {
    /// The summary of this run.
    #[must_use]
    pub fn of(run: &Run) -> Self {
        Self::from(Facts {
            id: run.id.clone(),
            number: run.number,
            repo: run.repo_name.clone(),
            pipeline: run.plan.name.clone(),
            trigger: run.trigger.clone(),
            life: run.life.clone(),
            stop: run.stop.clone(),
            queued_at: run.queued_at,
        })
    }
}

impl From<Facts> for RunSummary {
    fn from(facts: Facts) -> Self {
        let Facts { id, number, repo, pipeline, trigger, life, stop, queued_at } = facts;
        let Trigger {
            event,
            branch,
            tag,
            commit,
            message,
            author,
            default_branch: _,
            because,
            repo: _,
            url: _,
            inputs: _,
            schedule: _,
            pull_request: _,
        } = trigger;
        let Listed { state, outcome, started_at, ended_at } = Listed::of(&life);
        let stopping = stop.is_some() && outcome.is_none();
        let reason = match (life, stop) {
            (Life::Ended { reason, .. }, _) => reason,
            (Life::Queued | Life::Running { .. }, Some(stop)) => format!("stopping: {stop}"),
            (Life::Queued | Life::Running { .. }, None) => because.clone(),
        };
        let state = state.to_owned();
        Self {
            id,
            number,
            repo,
            pipeline,
            event,
            branch,
            tag,
            commit,
            message,
            author,
            state,
            outcome,
            reason,
            because,
            stopping,
            queued_at,
            started_at,
            ended_at,
        }
    }
}

/// A run's life as the columns of lists have it.
pub(super) struct Listed {
    pub(super) state: &'static str,
    pub(super) outcome: Option<Outcome>,
    pub(super) started_at: Option<Timestamp>,
    pub(super) ended_at: Option<Timestamp>,
}

impl Listed {
    pub(super) fn of(life: &Life) -> Self {
        match life {
            Life::Queued => Self { state: "queued", outcome: None, started_at: None, ended_at: None },
            Life::Running { since } => Self { state: "running", outcome: None, started_at: Some(*since), ended_at: None },
            Life::Ended { outcome, reason: _, started_at, at } => {
                Self { state: "ended", outcome: Some(*outcome), started_at: *started_at, ended_at: Some(*at) }
            }
        }
    }
}
