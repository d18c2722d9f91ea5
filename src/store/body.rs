//! What an event says: the new state in the words of the run's own JSON (`run::view`), as far as one row knows them.

use serde::Serialize;

use crate::base::Timestamp;
use crate::run::{JobState, Outcome, StepEnd, StepState};

/// The body of a job's event.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct JobBody {
    state: &'static str,
    outcome: Option<Outcome>,
    reason: Option<String>,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
}

/// The body of a step's event.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct StepBody {
    state: &'static str,
    outcome: Option<Outcome>,
    reason: Option<String>,
    exit_code: Option<i32>,
    /// The latest; 0 before the first.
    attempt: u32,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
}

impl JobBody {
    pub(super) fn of(state: &JobState) -> Self {
        let body =
            |state, reason: String, started_at| Self { state, outcome: None, reason: Some(reason), started_at, ended_at: None };
        match state {
            JobState::Waiting { why } => body("waiting", why.to_string(), None),
            JobState::Preparing { since } => body("preparing", "making its workspace and network".to_owned(), Some(*since)),
            JobState::Running { since } => body("running", "running".to_owned(), Some(*since)),
            JobState::Ended { outcome, reason, started_at, at, outputs: _, held_back: _, taken: _, kept_until: _ } => Self {
                state: "ended",
                outcome: Some(*outcome),
                reason: Some(reason.clone()),
                started_at: *started_at,
                ended_at: Some(*at),
            },
        }
    }
}

impl StepBody {
    pub(super) fn of(state: &StepState) -> Self {
        let body = |state, attempt, reason, started_at| Self {
            state,
            outcome: None,
            reason,
            exit_code: None,
            attempt,
            started_at,
            ended_at: None,
        };
        match state {
            // What it waits for is other rows' state.
            StepState::Waiting | StepState::Parked { .. } => body("waiting", 0, None, None),
            StepState::Starting { attempt, since: _ } => {
                body("starting", *attempt, Some("its container is being made".to_owned()), None)
            }
            StepState::Running { attempt: 1, since } => body("running", 1, Some("running".to_owned()), Some(*since)),
            StepState::Running { attempt, since } => {
                body("running", *attempt, Some(format!("running, attempt {attempt}")), Some(*since))
            }
            StepState::Stopping { attempt, started_at, why, since: _ } => {
                body("stopping", *attempt, Some(format!("stopping: {why}")), *started_at)
            }
            StepState::Backoff { attempt, until: _, reason } => {
                let last = attempt.saturating_sub(1);
                body("backoff", last, Some(format!("attempt {last} {reason}; waits for attempt {attempt}")), None)
            }
            // What it left may be a lot, and is nobody's but its dependents'.
            StepState::Ended(StepEnd {
                outcome,
                reason,
                exit_code,
                attempt,
                started_at,
                at,
                outputs: _,
                env: _,
                held_back: _,
                observed: _,
                taken: _,
            }) => Self {
                state: "ended",
                outcome: Some(*outcome),
                reason: Some(reason.clone()),
                exit_code: *exit_code,
                attempt: *attempt,
                started_at: *started_at,
                ended_at: Some(*at),
            },
        }
    }
}
