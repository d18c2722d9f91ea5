//! A run as people and programs see it: the JSON of the API, and what the pages show. Made from the state, holds nothing of its own.

use serde::Serialize;

use crate::base::Timestamp;
use crate::pipeline::Problem;

use super::{Job, JobState, Life, Outcome, Run, Step, StepState, TestSummary};

/// The JSON of `GET /api/v1/runs/{id}`. Times are Unix milliseconds; `outcome` is null until done; `reason` is the sentence that explains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunView {
    pub id: String,
    pub number: u64,
    pub repo: String,
    pub pipeline: String,
    pub event: &'static str,
    pub branch: String,
    pub tag: Option<String>,
    pub commit: String,
    pub message: String,
    pub author: String,
    /// `queued`, `running` or `ended`.
    pub state: &'static str,
    pub outcome: Option<Outcome>,
    pub reason: String,
    /// Why the run was made.
    pub because: String,
    pub queued_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// It was told to stop and has not ended yet.
    pub stopping: bool,
    pub problems: Vec<Problem>,
    /// `None` when no step left reports. Not of the state: whoever has the store fills it in.
    pub tests: Option<TestSummary>,
    pub jobs: Vec<JobView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobView {
    pub name: String,
    /// `waiting`, `preparing`, `running` or `ended`.
    pub state: &'static str,
    pub outcome: Option<Outcome>,
    pub reason: String,
    pub needs: Vec<String>,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub steps: Vec<StepView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepView {
    pub name: String,
    pub image: Option<String>,
    /// `waiting`, `starting`, `running`, `stopping`, `backoff` or `ended`.
    pub state: &'static str,
    pub outcome: Option<Outcome>,
    pub exit_code: Option<i32>,
    pub reason: String,
    pub needs: Vec<String>,
    /// The latest attempt; 0 before the first.
    pub attempt: u32,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
}

/// State, outcome, reason and times of anything with a life.
struct Seen {
    state: &'static str,
    outcome: Option<Outcome>,
    reason: String,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
}

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
        jobs: run.plan.jobs.iter().zip(&run.jobs).map(|(plan, job)| view_job(run, plan, job)).collect(),
    }
}

fn view_job(run: &Run, plan: &crate::pipeline::JobPlan, job: &Job) -> JobView {
    let seen = see_job(job);
    JobView {
        name: plan.name.clone(),
        state: seen.state,
        outcome: seen.outcome,
        reason: seen.reason,
        needs: plan.needs.iter().map(|need| run.plan.jobs[*need as usize].name.clone()).collect(),
        started_at: seen.started_at,
        ended_at: seen.ended_at,
        steps: plan.steps.iter().zip(&job.steps).map(|(step_plan, step)| view_step(plan, step_plan, job, step)).collect(),
    }
}

fn view_step(job_plan: &crate::pipeline::JobPlan, plan: &crate::pipeline::StepPlan, job: &Job, step: &Step) -> StepView {
    let seen = see_step(plan, job_plan, job, step);
    let (attempt, exit_code) = match &step.state {
        StepState::Ended(end) => (end.attempt, end.exit_code),
        StepState::Backoff { attempt, .. } => (attempt.saturating_sub(1), None),
        other => (other.live_attempt().unwrap_or(0), None),
    };
    StepView {
        name: plan.name.clone(),
        image: plan.image.as_ref().map(|image| image.shown().to_owned()),
        state: seen.state,
        outcome: seen.outcome,
        exit_code,
        reason: seen.reason,
        needs: plan.needs.iter().map(|need| job_plan.steps[*need as usize].name.clone()).collect(),
        attempt,
        started_at: seen.started_at,
        ended_at: seen.ended_at,
    }
}

fn see_run(run: &Run) -> Seen {
    match &run.life {
        Life::Queued => {
            let waits = run.jobs.iter().find_map(|job| match &job.state {
                JobState::Waiting { why } => Some(waiting_sentence(why)),
                _ => None,
            });
            let reason = waits.unwrap_or_else(|| "waits to be looked at".to_owned());
            Seen { state: "queued", outcome: None, reason, started_at: None, ended_at: None }
        }
        Life::Running { since } => {
            let reason = match &run.stop {
                Some(stop) => format!("stopping: {stop}"),
                None => running_sentence(run),
            };
            Seen { state: "running", outcome: None, reason, started_at: Some(*since), ended_at: None }
        }
        Life::Ended { outcome, reason, started_at, at } => {
            Seen { state: "ended", outcome: Some(*outcome), reason: reason.clone(), started_at: *started_at, ended_at: Some(*at) }
        }
    }
}

/// What a running run is busy with.
fn running_sentence(run: &Run) -> String {
    let mut busy = Vec::new();
    for (plan, job) in run.plan.jobs.iter().zip(&run.jobs) {
        if let JobState::Waiting { why: why @ super::Wait::Engine { .. } } = &job.state {
            return why.to_string();
        }
        for (step_plan, step) in plan.steps.iter().zip(&job.steps) {
            if step.state.live_attempt().is_some() {
                busy.push(format!("`{} / {}`", plan.name, step_plan.name));
            }
        }
    }
    match busy.len() {
        0 => "running".to_owned(),
        1..=3 => format!("running {}", busy.join(", ")),
        n => format!("running {} and {} more", busy[..2].join(", "), n - 2),
    }
}

fn waiting_sentence(why: &super::Wait) -> String {
    match why {
        super::Wait::Needs { jobs } if jobs.is_empty() => "waits to be admitted".to_owned(),
        other => other.to_string(),
    }
}

fn see_job(job: &Job) -> Seen {
    match &job.state {
        JobState::Waiting { why } => {
            Seen { state: "waiting", outcome: None, reason: waiting_sentence(why), started_at: None, ended_at: None }
        }
        JobState::Preparing { since } => {
            let reason = "making its workspace and network".to_owned();
            Seen { state: "preparing", outcome: None, reason, started_at: Some(*since), ended_at: None }
        }
        JobState::Running { since } => {
            Seen { state: "running", outcome: None, reason: "running".to_owned(), started_at: Some(*since), ended_at: None }
        }
        JobState::Ended { outcome, reason, started_at, at } => {
            Seen { state: "ended", outcome: Some(*outcome), reason: reason.clone(), started_at: *started_at, ended_at: Some(*at) }
        }
    }
}

fn see_step(plan: &crate::pipeline::StepPlan, job_plan: &crate::pipeline::JobPlan, job: &Job, step: &Step) -> Seen {
    let going = |state, reason: String, started_at| Seen { state, outcome: None, reason, started_at, ended_at: None };
    match &step.state {
        StepState::Waiting => {
            let open: Vec<String> = (plan.needs.iter())
                .filter(|need| !job.steps[**need as usize].state.is_ended())
                .map(|need| format!("`{}`", job_plan.steps[*need as usize].name))
                .collect();
            let reason = match (&job.state, open.as_slice()) {
                (JobState::Waiting { .. }, _) => "waits for its job".to_owned(),
                (JobState::Preparing { .. }, []) => "waits for the workspace".to_owned(),
                (_, []) => "waits for the engine".to_owned(),
                (_, [.., last]) if open.len() > 3 => format!("waits for {} steps, {last} the last of them", open.len()),
                (_, open) => format!("waits for {}", open.join(", ")),
            };
            going("waiting", reason, None)
        }
        StepState::Starting { .. } => going("starting", "its container is being made".to_owned(), None),
        StepState::Running { attempt: 1, since } => going("running", "running".to_owned(), Some(*since)),
        StepState::Running { attempt, since } => going("running", format!("running, attempt {attempt}"), Some(*since)),
        StepState::Stopping { why, started_at, .. } => going("stopping", format!("stopping: {why}"), *started_at),
        StepState::Backoff { attempt, reason, .. } => {
            going("backoff", format!("attempt {} {reason}; waits for attempt {attempt}", attempt.saturating_sub(1)), None)
        }
        StepState::Ended(end) => Seen {
            state: "ended",
            outcome: Some(end.outcome),
            reason: end.reason.clone(),
            started_at: end.started_at,
            ended_at: Some(end.at),
        },
    }
}
