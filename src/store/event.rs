//! The record: one event for each change of a state row, read back by live pages.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::{JobIx, RepoId, RunId, StepIx, Timestamp};

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    Run,
    Job,
    Step,
    /// A repository: added, removed, its status, a note on it, its schedules.
    Repo,
}

impl EventKind {
    /// The word in rows and in the stream of events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::Run => "run",
            EventKind::Job => "job",
            EventKind::Step => "step",
            EventKind::Repo => "repo",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One event of the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoredEvent {
    /// Strictly growing in the order of commits, from 1.
    pub seq: i64,
    pub at: Timestamp,
    pub kind: EventKind,
    /// For the kind `repo`.
    pub repo: Option<RepoId>,
    /// For the kinds `run`, `job` and `step`.
    pub run: Option<RunId>,
    pub job: Option<JobIx>,
    pub step: Option<StepIx>,
    /// A JSON object: `state`, `outcome`, `reason`, `started_at`, `ended_at` (and of a step `exit_code`, `attempt`), as in the run's own JSON. Of a
    /// repository `name` and one of `status`, `note`, `schedules`, `added`, `removed`.
    pub body: String,
}
