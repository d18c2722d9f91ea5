//! Lists of runs: filter, page, and a run's summary.

use serde::Serialize;

use crate::base::{RunId, Timestamp};
use crate::pipeline::Event;
use crate::run::Outcome;

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
    /// The sentence that explains: why it ended so; before that, why it is being stopped or why it came.
    pub reason: String,
    pub queued_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
}
