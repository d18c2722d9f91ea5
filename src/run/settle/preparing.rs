//! A job that is being prepared, which may take minutes where images are pulled and services start: a stop does not wait for that, and
//! neither does the job's timeout.

use crate::base::{JobIx, JobKey, Timestamp};
use crate::pipeline::{Plan, When};
use crate::run::{Command, JobState, Outcome, Run, StepEnd, StepState, StopReason};

/// Ends the job when it is told to stop, unless it has steps that run all the same: those need what is being prepared. True when it ended.
pub(super) fn settle_preparing(
    run: &mut Run,
    plan: &Plan,
    job: usize,
    since: Timestamp,
    now: Timestamp,
    commands: &mut Vec<Command>,
) -> bool {
    let timeout = (now >= since.plus_ms(plan.jobs[job].timeout_ms))
        .then_some(StopReason::JobTimeout { after_ms: plan.jobs[job].timeout_ms });
    let spares_some = plan.jobs[job].steps.iter().any(|step| step.when == When::Always);
    let stop = match (&run.stop, &run.jobs[job].stop) {
        (Some(kill @ StopReason::Killed { .. }), _) => kill,
        (Some(stop), _) | (None, Some(stop)) if !spares_some => stop,
        (Some(_) | None, _) => match &timeout {
            // As in a running job, it spares nobody.
            Some(timeout) => timeout,
            None => return false,
        },
    };
    let outcome = if stop.is_timeout() { Outcome::TimedOut } else { Outcome::Cancelled };
    let reason = if stop.is_timeout() { format!("{stop} before it was prepared") } else { stop.before_start() };
    let state = &mut run.jobs[job];
    for step in state.steps.iter_mut().filter(|step| !step.state.is_ended()) {
        step.state = StepState::Ended(StepEnd::never_made(outcome, reason.clone(), now));
    }
    let outputs = Default::default();
    let started_at = Some(since);
    state.state =
        JobState::Ended { outcome, reason, started_at, at: now, outputs, held_back: false, taken: None, kept_until: None };
    commands.push(Command::ReleaseJob(JobKey { run: run.id.clone(), job: job as JobIx }));
    true
}
