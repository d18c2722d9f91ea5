//! A schedule of a repository, as it is kept: an entry of `on.cron` in a file of its default branch, and when it is due.

use crate::base::{RepoId, RunId, Timestamp};
use crate::run::Outcome;

/// A schedule, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    pub repo: RepoId,
    /// Path of the pipeline file.
    pub file: String,
    /// Unique in its file.
    pub name: String,
    /// Five fields, as written.
    pub expression: String,
    /// An IANA name.
    pub timezone: String,
    /// `None`: it has no next time.
    pub next_at: Option<Timestamp>,
    /// `None`: it was never due yet.
    pub last: Option<LastFired>,
}

/// The last time that a schedule was due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastFired {
    pub due_at: Timestamp,
    /// When it was answered.
    pub at: Timestamp,
    /// `None`: it made no run (a note says why), or the run is gone.
    pub run: Option<LastRun>,
}

/// The run that came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRun {
    pub id: RunId,
    pub number: u64,
    /// `queued`, `running` or `ended`.
    pub state: String,
    /// `None` while it is under way.
    pub outcome: Option<Outcome>,
}

/// A schedule as it was read from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSchedule {
    pub file: String,
    pub name: String,
    pub expression: String,
    pub timezone: String,
    /// Its first time, if it is new or was changed.
    pub next_at: Option<Timestamp>,
}

/// What becomes of a repository's schedules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScheduleMove {
    /// The default branch was read. All others are forgotten, but for those of `unreadable` files: a broken file must show itself when it is due.
    Read { schedules: Vec<NewSchedule>, unreadable: Vec<String> },
    /// One was due and is answered by this intake, with its first run or with a note. When it is not due at that time (any more), someone else was
    /// faster and the whole intake fails.
    Fired { file: String, name: String, due_at: Timestamp, next_at: Option<Timestamp> },
}
