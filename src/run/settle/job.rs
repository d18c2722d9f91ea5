//! Running jobs: how they go on, and how they end.

use crate::base::{JobIx, JobKey, Timestamp};
use crate::pipeline::Plan;
use crate::run::fill::job_outputs;
use crate::run::{Command, JobState, Outcome, Permit, Run, StepEnd, StepState, StopReason};

use super::matrix::is_failure;
use super::park::park;
use super::step::settle_step;
use super::whole::sum_up;

/// A running job: stop what is over time or cancelled, start what may start, end it when all its steps have ended. True when it ended.
pub(super) fn settle_running(
    run: &mut Run,
    plan: &Plan,
    job: usize,
    since: Timestamp,
    now: Timestamp,
    permit: Permit,
    commands: &mut Vec<Command>,
) -> bool {
    let job_plan = &plan.jobs[job];
    let job_over =
        (now >= since.plus_ms(job_plan.timeout_ms)).then_some(StopReason::JobTimeout { after_ms: job_plan.timeout_ms });
    loop {
        let mut moved = false;
        for step in 0..run.jobs[job].steps.len() {
            moved |= settle_step(run, plan, (job, step), job_over.as_ref(), now, permit.start, commands);
        }
        if !moved {
            break;
        }
    }
    if !run.jobs[job].steps.iter().all(|step| step.state.is_ended()) {
        park(run, plan, job, now, permit, commands);
        return false;
    }
    let ends: Vec<(&str, &StepEnd)> = (job_plan.steps.iter().zip(&run.jobs[job].steps))
        .filter_map(|(plan, step)| match &step.state {
            StepState::Ended(end) => Some((plan.name.as_str(), end)),
            _ => None,
        })
        .collect();
    let (mut outcome, mut reason) =
        sum_up("step", ends.iter().map(|(name, end)| (*name, end.outcome, end.reason.as_str(), end.at)));
    let (outputs, problem) = job_outputs(run, job);
    // A job that did not pass has worse to tell than what it could not leave.
    if let Some(why) = problem.filter(|_| outcome.is_good()) {
        (outcome, reason) = (Outcome::Error, why);
    }
    if let (Outcome::Cancelled, Some(stop)) = (outcome, run.stop.as_ref().or(run.jobs[job].stop.as_ref())) {
        // Not by the first step that was cut short: that may be one that never began.
        reason = stop.to_string();
    }
    if job_plan.allow_failure && !outcome.is_good() && !matches!(outcome, Outcome::Cancelled | Outcome::Skipped) {
        outcome = Outcome::Warning;
        reason = format!("{reason}; `allow_failure` makes it a warning");
    }
    // Where no step ran, the work tree is what was checked out.
    let has_run = ends.iter().any(|(_, end)| end.started_at.is_some() && end.taken.is_none());
    let kept_until = (permit.keep_ms > 0 && has_run && is_failure(outcome)).then(|| now.plus_ms(permit.keep_ms));
    let started_at = Some(since);
    run.jobs[job].state =
        JobState::Ended { outcome, reason, started_at, at: now, outputs, held_back: false, taken: None, kept_until };
    let key = JobKey { run: run.id.clone(), job: job as JobIx };
    commands.push(if kept_until.is_some() { Command::KeepJob(key) } else { Command::ReleaseJob(key) });
    true
}
