//! Steps: stop, start, skip, or leave alone.

use crate::base::{AttemptKey, JobIx, StepIx, Timestamp};
use crate::pipeline::{Plan, When};
use crate::run::gate::{Gate, NeedEnd, gate};
use crate::run::{Command, Outcome, Run, StepEnd, StepState, StopReason};

use super::never_made;

/// One step of a running job. True when its end may move others.
pub(super) fn settle_step(
    run: &mut Run,
    plan: &Plan,
    (job, step): (usize, usize),
    job_over: Option<&StopReason>,
    now: Timestamp,
    may_start: bool,
    commands: &mut Vec<Command>,
) -> bool {
    let step_plan = &plan.jobs[job].steps[step];
    let spared = step_plan.when == When::Always;
    // The strongest reason why this step should not run, if any.
    let stop = match &run.stop {
        Some(kill @ StopReason::Killed { .. }) => Some(kill.clone()),
        Some(cancel) if !spared => Some(cancel.clone()),
        Some(_) | None => job_over.cloned(),
    };
    let key = |attempt| AttemptKey { run: run.id.clone(), job: job as JobIx, step: step as StepIx, attempt };
    let state = run.jobs[job].steps[step].state.clone();
    match (state, stop) {
        (StepState::Ended(_), _) => false,
        (StepState::Waiting, Some(why)) => {
            let outcome = if why.is_timeout() { Outcome::TimedOut } else { Outcome::Cancelled };
            let reason = format!("{why} before it started");
            run.jobs[job].steps[step].state = never_made(outcome, &reason, now);
            true
        }
        (StepState::Waiting, None) => match step_gate(run, plan, job, step) {
            None => false,
            Some(Gate::Shut(reason)) => {
                run.jobs[job].steps[step].state = never_made(Outcome::Skipped, &reason, now);
                true
            }
            Some(Gate::Open) => {
                if may_start {
                    commands.push(Command::StartStep(key(1)));
                    run.jobs[job].steps[step].state = StepState::Starting { attempt: 1, since: now };
                }
                false
            }
        },
        (StepState::Backoff { attempt, reason, .. }, Some(why)) => {
            let outcome = if why.is_timeout() { Outcome::TimedOut } else { Outcome::Cancelled };
            let end = StepEnd {
                outcome,
                reason: format!("{why} before attempt {attempt}; the one before {reason}"),
                exit_code: None,
                attempt: attempt.saturating_sub(1),
                started_at: None,
                at: now,
            };
            run.jobs[job].steps[step].state = StepState::Ended(end);
            true
        }
        (StepState::Backoff { attempt, until, .. }, None) => {
            if may_start && now >= until {
                commands.push(Command::StartStep(key(attempt)));
                run.jobs[job].steps[step].state = StepState::Starting { attempt, since: now };
            }
            false
        }
        (StepState::Starting { attempt, .. }, Some(why)) => {
            stop_step(run, (job, step), (attempt, None), why, now, commands);
            false
        }
        (StepState::Starting { .. }, None) => false,
        (StepState::Running { attempt, since }, stop) => {
            let own =
                step_plan.timeout_ms.filter(|ms| now >= since.plus_ms(*ms)).map(|after_ms| StopReason::StepTimeout { after_ms });
            if let Some(why) = stop.or(own) {
                stop_step(run, (job, step), (attempt, Some(since)), why, now, commands);
            }
            false
        }
        (StepState::Stopping { attempt, started_at, why, .. }, Some(stronger)) if stronger.strength() > why.strength() => {
            stop_step(run, (job, step), (attempt, started_at), stronger, now, commands);
            false
        }
        (StepState::Stopping { .. }, _) => false,
    }
}

fn stop_step(
    run: &mut Run,
    (job, step): (usize, usize),
    (attempt, started_at): (u32, Option<Timestamp>),
    why: StopReason,
    now: Timestamp,
    commands: &mut Vec<Command>,
) {
    let key = AttemptKey { run: run.id.clone(), job: job as JobIx, step: step as StepIx, attempt };
    let at_once = matches!(why, StopReason::Killed { .. });
    commands.push(Command::StopStep { key, at_once });
    run.jobs[job].steps[step].state = StepState::Stopping { attempt, started_at, why, since: now };
}

/// `None` while a need is open.
fn step_gate(run: &Run, plan: &Plan, job: usize, step: usize) -> Option<Gate> {
    let (job_plan, steps) = (&plan.jobs[job], &run.jobs[job].steps);
    let step_plan = &job_plan.steps[step];
    let mut needs = Vec::with_capacity(step_plan.needs.len());
    for need in &step_plan.needs {
        let StepState::Ended(end) = &steps[*need as usize].state else {
            return None;
        };
        let held_back = end.outcome == Outcome::Skipped
            && job_plan.steps[*need as usize].skip.is_none()
            && bad_step_before(run, plan, job, *need);
        needs.push(NeedEnd { name: &job_plan.steps[*need as usize].name, outcome: end.outcome, held_back });
    }
    match &step_plan.skip {
        Some(reason) => Some(Gate::Shut(format!("skipped: {reason}"))),
        None => Some(gate(step_plan.when, step_plan.need, &needs)),
    }
}

/// Whether anything this step needs, near or far, did not pass.
fn bad_step_before(run: &Run, plan: &Plan, job: usize, step: StepIx) -> bool {
    plan.jobs[job].steps[step as usize].needs.iter().any(|need| match &run.jobs[job].steps[*need as usize].state {
        StepState::Ended(end) if end.outcome == Outcome::Skipped => bad_step_before(run, plan, job, *need),
        StepState::Ended(end) => !end.outcome.is_good(),
        _ => false,
    })
}
