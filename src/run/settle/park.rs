//! Parking: the next steps of a job are made ready while the ones before them run, so that only their command is missing when their time comes.
//!
//! **Invariants:** a parked step is a waiting one, it holds nothing up and nothing waits for it; only first attempts are parked, since a retry is no
//! step that one can foresee; never more at once in a job than is allowed, and none before the job's first step runs, which is not to share the
//! machine with those after it; what is parked ends in a start or in a removal.

use crate::base::{AttemptKey, JobIx, StepIx, Timestamp};
use crate::pipeline::{Plan, When};
use crate::run::gate::{Gate, NeedEnd, gate};
use crate::run::{Command, Permit, Run, StepState};

/// Parks the steps of a running job whose turn comes next.
pub(super) fn park(run: &mut Run, plan: &Plan, job: usize, now: Timestamp, permit: Permit, commands: &mut Vec<Command>) {
    if !permit.start || run.stop.is_some() || run.jobs[job].stop.is_some() {
        return;
    }
    let is_parked = |state: &StepState| matches!(state, StepState::Parked { .. });
    let mut room =
        (permit.park as usize).saturating_sub(run.jobs[job].steps.iter().filter(|step| is_parked(&step.state)).count());
    if !run.jobs[job].steps.iter().any(|step| has_run(&step.state)) {
        return;
    }
    for step in 0..run.jobs[job].steps.len() {
        if room == 0 {
            return;
        }
        if is_next(run, plan, job, step) {
            let key = AttemptKey { run: run.id.clone(), job: job as JobIx, step: step as StepIx, attempt: 1 };
            run.jobs[job].steps[step].state = StepState::Parked { attempt: 1, since: now };
            commands.push(Command::ParkStep(key));
            room -= 1;
        }
    }
}

fn has_run(state: &StepState) -> bool {
    match state {
        StepState::Running { .. } | StepState::Backoff { .. } => true,
        StepState::Stopping { started_at, .. } => started_at.is_some(),
        StepState::Ended(end) => end.started_at.is_some() && end.taken.is_none(),
        StepState::Waiting | StepState::Parked { .. } | StepState::Starting { .. } => false,
    }
}

/// Whether a step waits for nothing but steps that are under way or have ended so that it may still run.
fn is_next(run: &Run, plan: &Plan, job: usize, step: usize) -> bool {
    let (job_plan, steps) = (&plan.jobs[job], &run.jobs[job].steps);
    let step_plan = &job_plan.steps[step];
    let has_image = step_plan.image.as_ref().is_some_and(|image| image.fixed().is_some());
    let is_waiting = matches!(steps[step].state, StepState::Waiting);
    // One for failures is hardly ever wanted.
    if !is_waiting || !has_image || step_plan.skip.is_some() || step_plan.when == When::Failure {
        return false;
    }
    let mut ended = Vec::with_capacity(step_plan.needs.len());
    for need in &step_plan.needs {
        match &steps[*need as usize].state {
            StepState::Ended(end) => {
                let name = &job_plan.steps[*need as usize].name;
                ended.push(NeedEnd { name, outcome: end.outcome, held_back: end.held_back });
            }
            StepState::Parked { .. } | StepState::Starting { .. } | StepState::Running { .. } => {}
            StepState::Waiting | StepState::Stopping { .. } | StepState::Backoff { .. } => return false,
        }
    }
    matches!(gate(step_plan.when, step_plan.need, &ended), Gate::Open)
}
