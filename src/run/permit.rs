//! What the world outside of a run allows it at this moment.

use super::Job;

/// What may be begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permit {
    /// The engine answers, so that something could start now.
    pub start: bool,
    /// How many steps of a job may be made ready ahead of their start at the same time.
    pub park: u32,
    /// How long the work tree of a job that fails is kept, in milliseconds; 0 for not at all.
    pub keep_ms: u64,
}

/// What each job is allowed: it depends on the engine that the job is on.
pub trait Permits {
    /// For this job, now.
    fn of(&self, job: &Job) -> Permit;
}

/// The same for all.
impl Permits for Permit {
    fn of(&self, _job: &Job) -> Permit {
        *self
    }
}

impl Permit {
    /// The engine does not answer.
    pub const NOTHING: Self = Self { start: false, park: 0, keep_ms: 0 };
    /// Everything but making ready ahead.
    pub const START: Self = Self { start: true, park: 0, keep_ms: 0 };
}
