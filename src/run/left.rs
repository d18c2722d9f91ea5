//! A job whose engine is given up: it begins anew elsewhere, or ends.
//!
//! Its workspace is gone with the engine, so what has ended there cannot be built upon. Therefore it begins anew only if nothing in it has ended yet, and
//! if whatever ran may be tried again (`retry: { when: [infrastructure] }`); otherwise all that has not ended is lost.
//!
//! **Invariants:** an attempt is never made twice: on another engine the next one is; what has ended stays as it is.

use crate::base::{AttemptKey, JobIx, JobKey, StepIx, Timestamp};
use crate::pipeline::StepPlan;

use super::compare::may_have_begun;
use super::reducer::Done;
use super::verdict::Verdict;
use super::{Command, Exit, JobState, Observed, Outcome, Run, StepEnd, StepState, StopReason, Wait};

/// The engine that the job is on is given up, because of `message`.
pub(super) fn engine_lost(run: &mut Run, job: JobIx, message: &str, now: Timestamp, commands: &mut Vec<Command>) -> Done {
    let goes_on = run.stop.is_none();
    let plan = std::sync::Arc::clone(&run.plan);
    let job_key = JobKey { run: run.id.clone(), job };
    let (job_plan, job) = plan.jobs.get(job as usize).zip(run.jobs.get_mut(job as usize)).ok_or("no such job")?;
    match job.state {
        JobState::Waiting { .. } => return Err("the job is on no engine"),
        JobState::Ended { .. } => return Err("the job has ended"),
        JobState::Preparing { .. } | JobState::Running { .. } => {}
    }
    for (step, state) in (0..).zip(&job.steps) {
        if let Some(attempt) = state.state.held_attempt() {
            let AttemptKey { run, job, step, attempt } = key_of(&job_key, step, attempt);
            commands.push(Command::RemoveStep(AttemptKey { run, job, step, attempt }));
        }
    }
    let steps = || job_plan.steps.iter().zip(&job.steps);
    let was_running = matches!(job.state, JobState::Running { .. });
    let ended: Vec<bool> = job.steps.iter().map(|step| step.state.is_ended()).collect();
    let again: Option<Vec<StepState>> = (0..)
        .zip(steps())
        .map(|(ix, (plan, step))| {
            let may_have_begun = was_running && may_have_begun(job_plan, ix, &ended);
            elsewhere(plan, &step.state, may_have_begun, message, now)
        })
        .collect();
    match again.filter(|_| goes_on && job.stop.is_none()) {
        Some(states) => {
            for (step, state) in job.steps.iter_mut().zip(states) {
                step.state = state;
            }
            job.state = JobState::Waiting { why: Wait::Admission };
            job.engine = None;
            commands.push(Command::ReleaseJob(job_key));
        }
        None => {
            for (plan, step) in job_plan.steps.iter().zip(&mut job.steps) {
                step.state = lost(plan, &step.state, message, now);
            }
            // Its end, and the release, follow from the ends of its steps once it counts as running.
            if let JobState::Preparing { since } = job.state {
                job.state = JobState::Running { since };
            }
        }
    }
    Ok(())
}

fn key_of(job: &JobKey, step: StepIx, attempt: u32) -> AttemptKey {
    AttemptKey { run: job.run.clone(), job: job.job, step, attempt }
}

fn verdict(why: Option<&StopReason>, message: &str) -> Verdict {
    Verdict::of(&Exit::Lost(message.to_owned()), (&Observed::default(), None), why, None)
}

/// The step when its job begins anew on another engine; `None` when it cannot.
fn elsewhere(plan: &StepPlan, state: &StepState, may_have_begun: bool, message: &str, now: Timestamp) -> Option<StepState> {
    match state {
        // The same, of a first attempt.
        StepState::Waiting if may_have_begun => Some(StepState::Backoff { attempt: 2, until: now, reason: message.to_owned() }),
        StepState::Waiting | StepState::Parked { .. } => Some(StepState::Waiting),
        StepState::Starting { attempt, .. } | StepState::Running { attempt, .. } => {
            let verdict = verdict(None, message);
            let wait = verdict.retry_after_ms(plan, *attempt)?;
            Some(StepState::Backoff { attempt: attempt + 1, until: now.plus_ms(wait), reason: verdict.reason })
        }
        // Its start may have been answered by a silence: then that attempt is spent.
        StepState::Backoff { attempt, until, reason } => {
            Some(StepState::Backoff { attempt: attempt + 1, until: *until, reason: reason.clone() })
        }
        // It never ran, and nobody waits for files of it.
        StepState::Ended(end) if end.attempt == 0 => Some(state.clone()),
        StepState::Stopping { .. } | StepState::Ended(_) => None,
    }
}

/// The step when its job ends with its engine.
fn lost(plan: &StepPlan, state: &StepState, message: &str, now: Timestamp) -> StepState {
    let (attempt, started_at, why) = match state {
        StepState::Ended(_) => return state.clone(),
        StepState::Waiting | StepState::Parked { .. } => (0, None, None),
        StepState::Backoff { attempt, .. } => (attempt.saturating_sub(1), None, None),
        StepState::Starting { attempt, .. } => (*attempt, None, None),
        StepState::Running { attempt, since } => (*attempt, Some(*since), None),
        StepState::Stopping { attempt, started_at, why, .. } => (*attempt, *started_at, Some(why)),
    };
    let (outcome, reason) = if attempt == 0 {
        (Outcome::Lost, format!("not started: {message}"))
    } else {
        let Verdict { outcome, reason, .. } = verdict(why, message).allowed(plan);
        (outcome, reason)
    };
    StepState::Ended(StepEnd { attempt, started_at, ..StepEnd::never_made(outcome, reason, now) })
}
