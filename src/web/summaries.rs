//! A run's summaries: of each step the last attempt that wrote one, under the names of the plan.

use crate::base::AttemptKey;
use crate::run::Run;
use crate::store::Summary;

/// Of each step only the last, in the same order.
pub(super) fn latest(summaries: Vec<Summary>) -> Vec<Summary> {
    let mut latest: Vec<Summary> = Vec::with_capacity(summaries.len());
    for summary in summaries {
        // They come in the order of the attempts.
        let is_next = |before: &Summary| before.key.job == summary.key.job && before.key.step == summary.key.step;
        latest.pop_if(|before| is_next(before));
        latest.push(summary);
    }
    latest
}

/// Names of job and step.
pub(super) fn names<'r>(run: &'r Run, key: &AttemptKey) -> (&'r str, &'r str) {
    let job = run.plan.jobs.get(key.job as usize);
    let step = job.and_then(|job| job.steps.get(key.step as usize));
    (job.map_or("?", |job| &job.name), step.map_or("?", |step| &step.name))
}
