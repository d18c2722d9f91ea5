//! A run's view, made of its state.

use crate::base::{JobIx, StepIx};
use crate::pipeline::{JobPlan, ServicePlan, StepPlan};
use crate::run::fill::{fill_step, job_environment};
use crate::run::{Job, JobState, Run, Step, StepState, Taken, Values};

use super::beside::{view_approval, view_inputs, view_job_concurrency, view_run_concurrency};
use super::facts::{job_times, step_times, usage};
use super::seen::{see_job, see_run, see_step};
use super::{JobView, RunView, ServiceView, StepView, TakenView};

/// Shows a run.
#[must_use]
pub fn view(run: &Run) -> RunView {
    let seen = see_run(run);
    let trigger = &run.trigger;
    RunView {
        id: run.id.to_string(),
        number: run.number,
        repo: run.repo_name.clone(),
        pipeline: run.plan.name.clone(),
        event: trigger.event.as_str(),
        branch: trigger.branch.clone(),
        tag: trigger.tag.clone(),
        commit: trigger.commit.clone(),
        message: trigger.message.clone(),
        author: trigger.author.clone(),
        state: seen.state,
        outcome: seen.outcome,
        reason: seen.reason,
        because: trigger.because.clone(),
        queued_at: run.queued_at,
        started_at: seen.started_at,
        ended_at: seen.ended_at,
        stopping: run.stop.is_some() && !run.is_ended(),
        problems: run.problems.clone(),
        tests: None,
        inputs: view_inputs(run),
        concurrency: view_run_concurrency(run),
        jobs: (0..).zip(run.plan.jobs.iter().zip(&run.jobs)).map(|(ix, (plan, job))| view_job(run, ix, plan, job)).collect(),
    }
}

fn view_job(run: &Run, ix: JobIx, plan: &JobPlan, job: &Job) -> JobView {
    let seen = see_job(plan, job);
    let times = job_times(run, job, &seen);
    let (outputs, taken) = match &job.state {
        JobState::Ended { outputs, taken, .. } => (outputs.clone(), taken.as_ref()),
        JobState::Waiting { .. } | JobState::Preparing { .. } | JobState::Running { .. } => (Values::default(), None),
    };
    JobView {
        name: plan.name.clone(),
        state: seen.state,
        outcome: seen.outcome,
        reason: seen.reason,
        needs: plan.needs.iter().map(|need| run.plan.jobs[*need as usize].name.clone()).collect(),
        started_at: seen.started_at,
        ended_at: seen.ended_at,
        matrix: plan.matrix.as_ref().map(|cell| cell.values.clone()).unwrap_or_default(),
        environment: job_environment(run, ix as usize).unwrap_or_default(),
        approval: view_approval(run, ix, plan, job),
        concurrency: view_job_concurrency(plan, job),
        outputs,
        taken_from: taken.map(view_taken),
        engine: job.engine.clone(),
        kept_until: job.state.kept_until(),
        services: plan
            .services
            .iter()
            .map(|ServicePlan { name, image, .. }| ServiceView { name: name.clone(), image: image.clone() })
            .collect(),
        times: times.filter(|_| taken.is_none()),
        steps: (0..)
            .zip(plan.steps.iter().zip(&job.steps))
            .map(|(step_ix, (step_plan, step))| {
                let image = image_of(run, (ix, step_ix), step_plan, step);
                view_step(plan, step_plan, job, step, image)
            })
            .collect(),
    }
}

/// The image, as written until what it is made of is known.
fn image_of(run: &Run, (job, step): (JobIx, StepIx), plan: &StepPlan, state: &Step) -> Option<String> {
    let image = plan.image.as_ref()?;
    let filled = match (image.fixed(), &state.state) {
        (Some(_), _) | (None, StepState::Waiting | StepState::Parked { .. }) => None,
        (None, _) => fill_step(run, job, step).ok().and_then(|filled| filled.image),
    };
    Some(filled.unwrap_or_else(|| image.shown().to_owned()))
}

fn view_step(job_plan: &JobPlan, plan: &StepPlan, job: &Job, step: &Step, image: Option<String>) -> StepView {
    let seen = see_step(plan, job_plan, job, step);
    let ended = match &step.state {
        StepState::Ended(end) => Some(end),
        _ => None,
    };
    let (attempt, exit_code, taken) = match &step.state {
        StepState::Ended(end) => (end.attempt, end.exit_code, end.taken.as_ref()),
        StepState::Backoff { attempt, .. } => (attempt.saturating_sub(1), None, None),
        other => (other.live_attempt().unwrap_or(0), None, None),
    };
    StepView {
        name: plan.name.clone(),
        image,
        state: seen.state,
        outcome: seen.outcome,
        exit_code,
        reason: seen.reason,
        needs: plan.needs.iter().map(|need| job_plan.steps[*need as usize].name.clone()).collect(),
        attempt,
        started_at: seen.started_at,
        ended_at: seen.ended_at,
        taken_from: taken.map(view_taken),
        image_digest: ended.and_then(|end| end.observed.image.clone()),
        times: ended.filter(|end| end.taken.is_none()).and_then(|end| step_times(&see_job(job_plan, job), end)),
        usage: ended.and_then(|end| usage(job_plan, &end.observed)),
    }
}

fn view_taken(Taken { run, number }: &Taken) -> TakenView {
    TakenView { id: run.to_string(), number: *number }
}
