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
    /// Skipped, with the sentence; `held_back` when that is because of a failure.
    Shut {
        reason: String,
        held_back: bool,
    },
}

/// Decides by `when`. A need that was skipped since nobody wanted it holds back only those that named it.
pub(super) fn gate(when: When, need: Need, needs: &[NeedEnd<'_>]) -> Gate {
    let bad = needs.iter().find(|end| !end.outcome.is_good() && (end.outcome != Outcome::Skipped || end.held_back));
    let unwanted = needs.iter().find(|end| end.outcome == Outcome::Skipped && !end.held_back);
    let shut = |reason, held_back| Gate::Shut { reason, held_back };
    match (when, bad, unwanted, need) {
        (When::Always, ..) => Gate::Open,
        (When::Success, Some(bad), ..) => shut(format!("skipped: `{}` {}", bad.name, did(bad.outcome)), true),
        (When::Success, None, Some(unwanted), Need::Explicit) => {
            shut(format!("skipped: `{}`, which it needs, was skipped", unwanted.name), false)
        }
        (When::Success, None, ..) => Gate::Open,
        (When::Failure, Some(_), ..) => Gate::Open,
        (When::Failure, None, ..) => {
            shut("skipped: it runs only after a failure, and nothing before it failed".to_owned(), false)
        }
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
