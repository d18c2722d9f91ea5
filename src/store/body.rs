//! What an event says: the new state in the words of the API.

use serde::Serialize;

use crate::base::Timestamp;
use crate::run::{JobState, Outcome, StepEnd, StepState, Wait};

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
    /// 0 when none was made.
    attempt: u32,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
}

impl JobBody {
    pub(super) fn of(state: &JobState) -> Self {
        let body = |state, reason, started_at| Self {
            state,
            outcome: None,
            reason,
            started_at,
            ended_at: None,
        };
        match state {
            JobState::Waiting {
                why: Wait::Needs { jobs },
            } if jobs.is_empty() => body("waiting", None, None),
            JobState::Waiting { why } => body("waiting", Some(why.to_string()), None),
            JobState::Preparing { since } => body("preparing", None, Some(*since)),
            JobState::Running { since } => body("running", None, Some(*since)),
            JobState::Ended {
                outcome,
                reason,
                started_at,
                at,
            } => Self {
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
            StepState::Waiting => body("waiting", 0, None, None),
            StepState::Starting { attempt, since: _ } => body("starting", *attempt, None, None),
            StepState::Running { attempt, since } => body("running", *attempt, None, Some(*since)),
            StepState::Stopping {
                attempt,
                started_at,
                why,
                since: _,
            } => body("stopping", *attempt, Some(why.to_string()), *started_at),
            StepState::Backoff {
                attempt,
                until: _,
                reason,
            } => body("backoff", *attempt, Some(reason.clone()), None),
            StepState::Ended(StepEnd {
                outcome,
                reason,
                exit_code,
                attempt,
                started_at,
                at,
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
