//! Whether something may start, by how its needs ended.

use crate::pipeline::{Need, When};

use super::Outcome;

/// How one need ended, as far as its dependents care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NeedEnd<'a> {
    pub name: &'a str,
    pub outcome: Outcome,
    /// Skipped because of a failure before it, not because it was not wanted.
    pub held_back: bool,
}

/// What is to become of something whose needs have all ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Gate {
    Open,
    /// Skipped, with the sentence.
    Shut(String),
}

/// Decides by `when`. A need that was skipped since nobody wanted it holds back only those that named it.
pub(super) fn gate(when: When, need: Need, needs: &[NeedEnd<'_>]) -> Gate {
    let bad = needs.iter().find(|end| !end.outcome.is_good() && (end.outcome != Outcome::Skipped || end.held_back));
    let unwanted = needs.iter().find(|end| end.outcome == Outcome::Skipped && !end.held_back);
    match (when, bad, unwanted, need) {
        (When::Always, ..) => Gate::Open,
        (When::Success, Some(bad), ..) => Gate::Shut(format!("skipped: `{}` {}", bad.name, did(bad.outcome))),
        (When::Success, None, Some(unwanted), Need::Explicit) => {
            Gate::Shut(format!("skipped: `{}`, which it needs, was skipped", unwanted.name))
        }
        (When::Success, None, ..) => Gate::Open,
        (When::Failure, Some(_), ..) => Gate::Open,
        (When::Failure, None, ..) => Gate::Shut("skipped: it runs only after a failure, and nothing before it failed".to_owned()),
    }
}

/// `failed`, `was cancelled`, …: what a need did, as part of a sentence.
pub(super) fn did(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Warning => "ended with a warning",
        Outcome::Failed => "failed",
        Outcome::TimedOut => "timed out",
        Outcome::Cancelled => "was cancelled",
        Outcome::Skipped => "was skipped",
        Outcome::Lost => "was lost",
        Outcome::Error => "could not be run",
    }
}
