//! Steps: stop, start, skip, or leave alone.

use crate::base::{AttemptKey, JobIx, StepIx, Timestamp};
use crate::pipeline::{Plan, When};
use crate::run::fill::{fill_step, step_condition};
use crate::run::gate::{Gate, NeedEnd, gate};
use crate::run::reach::needed_steps;
use crate::run::{Command, Outcome, Run, StepEnd, StepState, StopReason};

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
    let stop = match (&run.stop, &run.jobs[job].stop) {
        (Some(kill @ StopReason::Killed { .. }), _) => Some(kill.clone()),
        (Some(cancel), _) | (None, Some(cancel)) if !spared => Some(cancel.clone()),
        (Some(_) | None, _) => job_over.cloned(),
    };
    let key = |attempt| AttemptKey { run: run.id.clone(), job: job as JobIx, step: step as StepIx, attempt };
    let state = run.jobs[job].steps[step].state.clone();
    match (state, stop) {
        (StepState::Ended(_), _) => false,
        (StepState::Waiting | StepState::Parked { .. }, Some(why)) => {
            unpark(run, (job, step), commands);
            let outcome = if why.is_timeout() { Outcome::TimedOut } else { Outcome::Cancelled };
            run.jobs[job].steps[step].state = StepState::Ended(StepEnd::never_made(outcome, why.before_start(), now));
            true
        }
        (StepState::Waiting | StepState::Parked { .. }, None) => match step_door(run, plan, job, step) {
            Door::Shut => false,
            Door::Ended { outcome, reason, held_back } => {
                unpark(run, (job, step), commands);
                let end = StepEnd { held_back, ..StepEnd::never_made(outcome, reason, now) };
                run.jobs[job].steps[step].state = StepState::Ended(end);
                true
            }
            Door::Open => {
                if may_start {
                    commands.push(Command::StartStep(key(1)));
                    run.jobs[job].steps[step].state = StepState::Starting { attempt: 1, since: now };
                }
                false
            }
        },
        (StepState::Backoff { attempt, reason, .. }, Some(why)) => {
            let outcome = if why.is_timeout() { Outcome::TimedOut } else { Outcome::Cancelled };
            let reason = format!("{why} before attempt {attempt}; the one before {reason}");
            let end = StepEnd { attempt: attempt.saturating_sub(1), ..StepEnd::never_made(outcome, reason, now) };
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

/// What was made ready is not wanted.
fn unpark(run: &Run, (job, step): (usize, usize), commands: &mut Vec<Command>) {
    if let StepState::Parked { attempt, .. } = run.jobs[job].steps[step].state {
        let key = AttemptKey { run: run.id.clone(), job: job as JobIx, step: step as StepIx, attempt };
        commands.push(Command::RemoveStep(key));
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

/// What a waiting step comes to.
enum Door {
    Shut,
    Open,
    Ended { outcome: Outcome, reason: String, held_back: bool },
}

fn step_door(run: &Run, plan: &Plan, job: usize, step: usize) -> Door {
    let (job_plan, steps) = (&plan.jobs[job], &run.jobs[job].steps);
    let step_plan = &job_plan.steps[step];
    let mut needs = Vec::with_capacity(step_plan.needs.len());
    for need in &step_plan.needs {
        let StepState::Ended(end) = &steps[*need as usize].state else {
            return Door::Shut;
        };
        let name = &job_plan.steps[*need as usize].name;
        needs.push(NeedEnd { name, outcome: end.outcome, held_back: end.held_back });
    }
    // A cancel ends what is between before what is far.
    let mut far = needed_steps(job_plan, step).into_iter().zip(steps);
    if far.any(|(needed, step)| needed && !step.state.is_ended()) {
        return Door::Shut;
    }
    let ended = |outcome, reason, held_back| Door::Ended { outcome, reason, held_back };
    if let Some(reason) = &step_plan.skip {
        return ended(Outcome::Skipped, format!("skipped: {reason}"), false);
    }
    if let Gate::Shut { reason, held_back } = gate(step_plan.when, step_plan.need, &needs) {
        return ended(Outcome::Skipped, reason, held_back);
    }
    match step_condition(run, job, step) {
        Ok(None) => {}
        Ok(Some(sentence)) => return ended(Outcome::Skipped, format!("skipped: {sentence}"), false),
        Err(why) => return ended(Outcome::Error, why, false),
    }
    match fill_step(run, job as JobIx, step as StepIx) {
        Ok(_) => Door::Open,
        Err(why) => ended(Outcome::Error, why, false),
    }
}
