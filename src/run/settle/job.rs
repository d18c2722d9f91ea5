//! Jobs: what a waiting one waits for, and how a running one goes on and ends.

use crate::base::{JobIx, JobKey, Timestamp};
use crate::pipeline::{Need, Plan, When};
use crate::run::gate::{Gate, NeedEnd, gate};
use crate::run::{Command, JobState, Outcome, Run, StepEnd, StepState, StopReason, Wait};

use super::never_made;
use super::step::settle_step;
use super::whole::sum_up;

/// A waiting job: skip it, cancel it, or let it wait for the right thing. True when it ended.
pub(super) fn settle_waiting(run: &mut Run, plan: &Plan, job: usize, now: Timestamp) -> bool {
    let job_plan = &plan.jobs[job];
    let end = |run: &mut Run, outcome: Outcome, reason: String| {
        for step in &mut run.jobs[job].steps {
            if !step.state.is_ended() {
                step.state = never_made(outcome, &reason, now);
            }
        }
        run.jobs[job].state = JobState::Ended { outcome, reason, started_at: None, at: now };
        true
    };
    if let Some(stop) = &run.stop
        && (job_plan.when != When::Always || matches!(stop, StopReason::Killed { .. }))
    {
        let reason = format!("{stop} before it started");
        return end(run, Outcome::Cancelled, reason);
    }
    let open: Vec<String> = (job_plan.needs.iter())
        .filter(|need| !run.jobs[**need as usize].state.is_ended())
        .map(|need| plan.jobs[*need as usize].name.clone())
        .collect();
    if !open.is_empty() {
        run.jobs[job].state = JobState::Waiting { why: Wait::Needs { jobs: open } };
        return false;
    }
    if let Some(reason) = &job_plan.skip {
        return end(run, Outcome::Skipped, format!("skipped: {reason}"));
    }
    let needs: Vec<NeedEnd<'_>> = job_plan.needs.iter().map(|need| job_end(run, plan, *need)).collect();
    match gate(job_plan.when, Need::Explicit, &needs) {
        Gate::Shut(reason) => end(run, Outcome::Skipped, reason),
        Gate::Open => {
            // Ready: the board says what it waits for, a slot or the engine.
            if matches!(&run.jobs[job].state, JobState::Waiting { why: Wait::Needs { jobs } } if !jobs.is_empty()) {
                run.jobs[job].state = JobState::Waiting { why: Wait::Needs { jobs: Vec::new() } };
            }
            false
        }
    }
}

/// How a job ended, for those that need it. Only asked of ended ones.
fn job_end<'a>(run: &Run, plan: &'a Plan, job: JobIx) -> NeedEnd<'a> {
    let name = plan.jobs[job as usize].name.as_str();
    match &run.jobs[job as usize].state {
        JobState::Ended { outcome, .. } => {
            let held_back =
                *outcome == Outcome::Skipped && plan.jobs[job as usize].skip.is_none() && has_bad_need(run, plan, job);
            NeedEnd { name, outcome: *outcome, held_back }
        }
        JobState::Waiting { .. } | JobState::Preparing { .. } | JobState::Running { .. } => {
            NeedEnd { name, outcome: Outcome::Lost, held_back: false }
        }
    }
}

/// Whether anything this job needs, near or far, did not pass.
fn has_bad_need(run: &Run, plan: &Plan, job: JobIx) -> bool {
    plan.jobs[job as usize].needs.iter().any(|need| match &run.jobs[*need as usize].state {
        JobState::Ended { outcome: Outcome::Skipped, .. } => has_bad_need(run, plan, *need),
        JobState::Ended { outcome, .. } => !outcome.is_good(),
        JobState::Waiting { .. } | JobState::Preparing { .. } | JobState::Running { .. } => false,
    })
}

/// A running job: stop what is over time or cancelled, start what may start, end it when all its steps have ended. True when it ended.
pub(super) fn settle_running(
    run: &mut Run,
    plan: &Plan,
    job: usize,
    since: Timestamp,
    now: Timestamp,
    may_start: bool,
    commands: &mut Vec<Command>,
) -> bool {
    let job_plan = &plan.jobs[job];
    let job_over =
        (now >= since.plus_ms(job_plan.timeout_ms)).then_some(StopReason::JobTimeout { after_ms: job_plan.timeout_ms });
    loop {
        let mut moved = false;
        for step in 0..run.jobs[job].steps.len() {
            moved |= settle_step(run, plan, (job, step), job_over.as_ref(), now, may_start, commands);
        }
        if !moved {
            break;
        }
    }
    if !run.jobs[job].steps.iter().all(|step| step.state.is_ended()) {
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
    if let (Outcome::Cancelled, Some(stop)) = (outcome, &run.stop) {
        // Not by the first step that was cut short: that may be one that never began.
        reason = stop.to_string();
    }
    if job_plan.allow_failure && !outcome.is_good() && !matches!(outcome, Outcome::Cancelled | Outcome::Skipped) {
        outcome = Outcome::Warning;
        reason = format!("{reason}; `allow_failure` makes it a warning");
    }
    run.jobs[job].state = JobState::Ended { outcome, reason, started_at: Some(since), at: now };
    commands.push(Command::ReleaseJob(JobKey { run: run.id.clone(), job: job as JobIx }));
    true
}
