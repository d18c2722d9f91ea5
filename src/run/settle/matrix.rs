//! Combinations of a matrix that stop each other.

use crate::pipeline::Plan;
use crate::run::{JobState, Outcome, Run, StopReason};

/// A combination that ended badly stops the others of a matrix with `fail_fast`. True when it stopped any.
pub(super) fn fail_fast(run: &mut Run, plan: &Plan) -> bool {
    let mut stopped = false;
    for (failed, failed_plan) in plan.jobs.iter().enumerate() {
        let Some(cell) = failed_plan.matrix.as_ref().filter(|cell| cell.fail_fast) else { continue };
        let JobState::Ended { outcome, .. } = run.jobs[failed].state else { continue };
        if !is_failure(outcome) {
            continue;
        }
        for (job, plan) in run.jobs.iter_mut().zip(&plan.jobs) {
            let is_sibling = plan.matrix.as_ref().is_some_and(|other| other.of == cell.of);
            if is_sibling && !job.state.is_ended() && job.stop.is_none() {
                job.stop = Some(StopReason::FailFast { job: failed_plan.name.clone(), outcome });
                stopped = true;
            }
        }
    }
    stopped
}

/// A cancel is somebody's wish, not a failure, and concerns nothing else.
pub(super) fn is_failure(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Failed | Outcome::TimedOut | Outcome::Lost | Outcome::Error => true,
        Outcome::Passed | Outcome::Warning | Outcome::Cancelled | Outcome::Skipped => false,
    }
}
