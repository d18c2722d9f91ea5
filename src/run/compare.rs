//! The comparison of a run's jobs with what their engine has: after a start, after a silence, and now and then.
//!
//! **Invariant:** what is younger than the question is left alone: the answer could not know it.

use crate::base::{AttemptKey, JobKey, StepIx, Timestamp};
use crate::pipeline::JobPlan;

use super::reach::needed_steps;
use super::reducer::exited;
use super::{Command, Exit, JobState, Observed, Run, StepState, StopReason, Written};

/// Compares each live attempt of the jobs on that engine with what it has.
pub(super) fn compared(
    run: &mut Run,
    (engine, known): (&str, &[AttemptKey]),
    asked_at: Timestamp,
    now: Timestamp,
    commands: &mut Vec<Command>,
) {
    let mut vanished = Vec::new();
    let run_goes_on = run.stop.is_none();
    let plan = std::sync::Arc::clone(&run.plan);
    for (job, job_state) in (0..).zip(&mut run.jobs) {
        if job_state.engine.as_deref() != Some(engine) {
            continue;
        }
        let goes_on = run_goes_on && job_state.stop.is_none() && matches!(job_state.state, JobState::Running { .. });
        let ended: Vec<bool> = job_state.steps.iter().map(|step| step.state.is_ended()).collect();
        let job_key = JobKey { run: run.id.clone(), job };
        match job_state.state {
            JobState::Preparing { .. } => commands.push(Command::PrepareJob(job_key)),
            JobState::Waiting { .. } | JobState::Running { .. } | JobState::Ended { .. } => {}
        }
        for (step, step_state) in (0..).zip(&mut job_state.steps) {
            let key = |attempt| AttemptKey { run: run.id.clone(), job, step, attempt };
            match &step_state.state {
                StepState::Starting { attempt, .. } => commands.push(Command::StartStep(key(*attempt))),
                // It may have died, or never come to be.
                StepState::Parked { attempt, .. } => commands.push(Command::ParkStep(key(*attempt))),
                StepState::Running { attempt, .. } if known.contains(&key(*attempt)) => {
                    commands.push(Command::AttachStep(key(*attempt)));
                }
                StepState::Running { attempt, since } if *since < asked_at => {
                    vanished.push(((job, step, *attempt), Exit::Lost("its container vanished while it ran".to_owned())));
                }
                StepState::Stopping { attempt, why, .. } if known.contains(&key(*attempt)) => {
                    commands.push(Command::AttachStep(key(*attempt)));
                    let at_once = matches!(why, StopReason::Killed { .. });
                    commands.push(Command::StopStep { key: key(*attempt), at_once });
                }
                StepState::Stopping { attempt, since, .. } if *since < asked_at => {
                    vanished.push(((job, step, *attempt), Exit::NeverRan));
                }
                // A start whose answer was lost with the engine: what it made is taken up, not made twice. What was only made ready is no start.
                StepState::Waiting
                    if goes_on && known.contains(&key(1)) && may_have_begun(&plan.jobs[job as usize], step, &ended) =>
                {
                    step_state.state = StepState::Starting { attempt: 1, since: now };
                    commands.push(Command::StartStep(key(1)));
                }
                StepState::Backoff { attempt, .. } if goes_on && known.contains(&key(*attempt)) => {
                    let attempt = *attempt;
                    step_state.state = StepState::Starting { attempt, since: now };
                    commands.push(Command::StartStep(key(attempt)));
                }
                StepState::Running { .. }
                | StepState::Stopping { .. }
                | StepState::Waiting
                | StepState::Backoff { .. }
                | StepState::Ended(_) => {}
            }
        }
    }
    for (place, exit) in vanished {
        // Lawful by construction: the attempt was live a moment ago.
        let _ = exited(run, place, (&exit, &Written::default(), &Observed::default()), now, commands);
    }
}

/// Whether all that the step needs has ended: nothing before that starts it.
pub(super) fn may_have_begun(plan: &JobPlan, step: StepIx, ended: &[bool]) -> bool {
    needed_steps(plan, step as usize).into_iter().zip(ended).all(|(needed, ended)| !needed || *ended)
}
