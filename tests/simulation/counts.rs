//! How often what happened, to know that it did.

use std::collections::BTreeMap;

/// Everything that must happen often enough in some hundred worlds.
pub const KINDS: [&str; 39] = [
    "crashes",
    "silences of the engine",
    "cancels",
    "kills",
    "retries",
    "timeouts",
    "lost steps",
    "stale exits",
    "attachments after a crash",
    "runs",
    "passed runs",
    "replaced runs",
    "replaced jobs",
    "combinations stopped by fail_fast",
    "waits for a group of runs",
    "waits for a group of jobs",
    "waits for a turn in a group",
    "waits for other combinations",
    "questions for approval",
    "approvals",
    "rejections",
    "approvals that nobody gave",
    "answers that came too late",
    "values read by later steps",
    "values read by later jobs",
    "steps that missed a value",
    "jobs that missed a value",
    "outputs of jobs",
    "parts that a late condition skipped",
    "files that cannot be read",
    "variables left to later steps",
    "starts of what was ready",
    "what was ready and not wanted",
    "jobs that began anew on another engine",
    "jobs that ended with their engine",
    "words of an engine that a job has left",
    "jobs that were taken over",
    "jobs that went on from a step",
    "work trees that were kept",
];

/// Counts by kind.
#[derive(Debug, Default)]
pub struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    pub fn one(&mut self, kind: &'static str) {
        self.more(kind, 1);
    }

    pub fn more(&mut self, kind: &'static str, count: u64) {
        assert!(KINDS.contains(&kind), "{kind} is not on the list");
        *self.0.entry(kind).or_default() += count;
    }

    pub fn of(&self, kind: &str) -> u64 {
        self.0.get(kind).copied().unwrap_or_default()
    }

    pub fn add(&mut self, other: &Counts) {
        for (kind, count) in &other.0 {
            self.more(kind, *count);
        }
    }
}
