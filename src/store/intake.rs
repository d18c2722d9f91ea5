//! What one poll or delivery brings in, taken in by one transaction; and the notes that say why something was not made.

use std::sync::Arc;

use serde::Serialize;

use crate::base::{DeliveryId, JobIx, RepoId, RunId, Timestamp};
use crate::pipeline::{Plan, Problem, Trigger};
use crate::run::{Job, Outcome};

use super::schedule::ScheduleMove;

/// What one poll or delivery brings in: all of it or nothing.
#[derive(Debug, Clone)]
pub struct Intake {
    pub repo: RepoId,
    /// The refs that differ from what was last taken in.
    pub refs: Vec<RefMove>,
    /// Runs to be made, in the order in which they get their numbers.
    pub runs: Vec<NewRun>,
    pub notes: Vec<NewNote>,
    /// The deliveries that this answers: they are marked done.
    pub deliveries: Vec<DeliveryId>,
    /// What becomes of the repository's schedules.
    pub schedules: Vec<ScheduleMove>,
    pub now: Timestamp,
}

impl Intake {
    /// One that brings nothing, to be filled.
    #[must_use]
    pub fn new(repo: RepoId, now: Timestamp) -> Self {
        Self { repo, refs: Vec::new(), runs: Vec::new(), notes: Vec::new(), deliveries: Vec::new(), schedules: Vec::new(), now }
    }

    /// One that only keeps notes.
    #[must_use]
    pub fn notes(repo: RepoId, notes: Vec<NewNote>, now: Timestamp) -> Self {
        Self { notes, ..Self::new(repo, now) }
    }

    /// Whether there is nothing to store.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { repo: _, refs, runs, notes, deliveries, schedules, now: _ } = self;
        refs.is_empty() && runs.is_empty() && notes.is_empty() && deliveries.is_empty() && schedules.is_empty()
    }
}

/// A ref that now points elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefMove {
    /// Full name: `refs/heads/main`.
    pub name: String,
    /// The commit; `None` when the ref is gone.
    pub to: Option<String>,
}

/// A run to be made.
#[derive(Debug, Clone)]
pub struct NewRun {
    pub id: RunId,
    pub repo_name: String,
    pub trigger: Trigger,
    pub plan: Arc<Plan>,
    pub problems: Vec<Problem>,
    /// A run that ends as it is made (invalid pipeline): its outcome and the sentence that says why.
    pub ended: Option<(Outcome, String)>,
    /// The run that this one does again.
    pub rerun_of: Option<RunId>,
    /// The jobs that do not begin as every run's do: what is taken over from that run, its artifacts included.
    pub begun: Vec<(JobIx, Job)>,
}

/// A note to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNote {
    /// What it is about, in kebab-case: `not-wanted`, `branch-gone`.
    pub kind: String,
    /// One sentence for people.
    pub sentence: String,
    /// Full name of the ref.
    pub reference: Option<String>,
    pub commit: Option<String>,
}

/// A kept note on a repository: why something was, or was not, made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Its event's sequence number; grows.
    pub seq: i64,
    pub at: Timestamp,
    pub kind: String,
    pub sentence: String,
    pub reference: Option<String>,
    pub commit: Option<String>,
}
