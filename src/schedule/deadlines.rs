//! When time alone moves a run.

use super::engines::Engines;
use crate::base::Timestamp;
use crate::run::{JobState, Run, StepState, Wait};

/// Every moment at which time alone would move this run. A retry that is due while the engine is silent is woken by the engine, not by time.
pub(super) fn deadlines(run: &Run, engines: &Engines) -> Vec<Timestamp> {
    let mut at = Vec::new();
    for (job_plan, job) in run.plan.jobs.iter().zip(&run.jobs) {
        at.extend(engines.given_up_at(job));
        let since = match &job.state {
            JobState::Running { since } => *since,
            JobState::Waiting { why: Wait::Approval { until, .. } } => {
                at.extend(*until);
                continue;
            }
            JobState::Preparing { since } => {
                at.push(since.plus_ms(job_plan.timeout_ms));
                continue;
            }
            JobState::Waiting { .. } | JobState::Ended { .. } => continue,
        };
        let mut live = false;
        for (step_plan, step) in job_plan.steps.iter().zip(&job.steps) {
            match &step.state {
                StepState::Running { since, .. } => {
                    live = true;
                    at.extend(step_plan.timeout_ms.map(|ms| since.plus_ms(ms)));
                }
                StepState::Starting { .. } | StepState::Waiting | StepState::Parked { .. } => live = true,
                StepState::Backoff { until, .. } => {
                    live = true;
                    at.extend(engines.is_up(job).then_some(*until));
                }
                // Nothing more to wait for by the clock: the exit comes from the executor.
                StepState::Stopping { .. } | StepState::Ended(_) => {}
            }
        }
        if live {
            at.push(since.plus_ms(job_plan.timeout_ms));
        }
    }
    at
}
