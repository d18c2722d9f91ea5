//! A repository's schedules, as its page shows them.

use super::face::Face;
use super::moment::{Ago, Ahead};
use crate::base::Timestamp;
use crate::store::{LastFired, LastRun, Schedule};

/// One schedule, ready to be shown.
pub(super) struct ScheduleRow {
    pub schedule: Schedule,
    /// When it is due next.
    pub next: Option<Ahead>,
    pub last: Option<Last>,
}

/// Its last time.
pub(super) struct Last {
    pub at: Ago,
    /// The run that came of it, and how that stands.
    pub run: Option<(LastRun, Face)>,
}

impl ScheduleRow {
    pub(super) fn new(schedule: Schedule, now: Timestamp) -> Self {
        let next = schedule.next_at.map(|at| Ahead { at, now });
        let last = schedule.last.clone().map(|LastFired { due_at: _, at, run }| Last {
            at: Ago { at, now },
            run: run.map(|run| {
                let face = Face::of(&run.state, run.outcome);
                (run, face)
            }),
        });
        Self { schedule, next, last }
    }
}
