//! Which parts of a graph something needs, near or far.

use crate::base::{JobIx, StepIx};
use crate::pipeline::{JobPlan, Plan};

/// For each job of the plan, whether `job` needs it, near or far.
pub(super) fn needed_jobs(plan: &Plan, job: usize) -> Vec<bool> {
    reach(plan.jobs.len(), job as JobIx, |job| &plan.jobs[job as usize].needs)
}

/// For each step of the job, whether `step` needs it, near or far.
pub(super) fn needed_steps(job: &JobPlan, step: usize) -> Vec<bool> {
    reach(job.steps.len(), step as StepIx, |step| &job.steps[step as usize].needs)
}

fn reach<'p>(count: usize, from: u32, needs: impl Fn(u32) -> &'p Vec<u32>) -> Vec<bool> {
    let mut seen = vec![false; count];
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        for need in needs(at) {
            if !std::mem::replace(&mut seen[*need as usize], true) {
                open.push(*need);
            }
        }
    }
    seen
}
