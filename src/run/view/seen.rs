//! State, outcome, times and the sentence that explains, of anything with a life.

use crate::base::Timestamp;
use crate::pipeline::{JobPlan, StepPlan};
use crate::run::{Job, JobState, Life, Outcome, Run, Step, StepState, Wait};

/// State, outcome, reason and times of anything with a life.
pub(super) struct Seen {
    pub state: &'static str,
    pub outcome: Option<Outcome>,
    pub reason: String,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
}

pub(super) fn see_run(run: &Run) -> Seen {
    match &run.life {
        Life::Queued => {
            let waits = run.jobs.iter().find_map(|job| match &job.state {
                JobState::Waiting { why } => Some(why.to_string()),
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
        if let JobState::Waiting { why: why @ Wait::Engine { .. } } = &job.state {
            return why.to_string();
        }
        for (step_plan, step) in plan.steps.iter().zip(&job.steps) {
            if step.state.live_attempt().is_some() {
                busy.push(format!("`{} / {}`", plan.name, step_plan.name));
            }
        }
    }
    match busy.len() {
        0 => idle_sentence(run),
        1..=3 => format!("running {}", busy.join(", ")),
        n => format!("running {} and {} more", busy[..2].join(", "), n - 2),
    }
}

/// What a run waits for in which nothing runs.
fn idle_sentence(run: &Run) -> String {
    let waits = run.plan.jobs.iter().zip(&run.jobs).find_map(|(plan, job)| match &job.state {
        JobState::Waiting { why: Wait::Needs { .. } } => None,
        JobState::Waiting { why } => Some(format!("`{}` {why}", plan.name)),
        JobState::Preparing { .. } | JobState::Running { .. } | JobState::Ended { .. } => None,
    });
    waits.unwrap_or_else(|| "running".to_owned())
}

pub(super) fn see_job(plan: &JobPlan, job: &Job) -> Seen {
    match &job.state {
        JobState::Waiting { why } => {
            Seen { state: "waiting", outcome: None, reason: why.to_string(), started_at: None, ended_at: None }
        }
        JobState::Preparing { since } => {
            let services: Vec<String> = plan.services.iter().map(|service| format!("`{}`", service.name)).collect();
            let reason = match services.as_slice() {
                [] => "making its workspace and network".to_owned(),
                names => format!("making its workspace and network, and starting {}", names.join(", ")),
            };
            Seen { state: "preparing", outcome: None, reason, started_at: Some(*since), ended_at: None }
        }
        JobState::Running { since } => {
            Seen { state: "running", outcome: None, reason: "running".to_owned(), started_at: Some(*since), ended_at: None }
        }
        JobState::Ended { outcome, reason, started_at, at, outputs: _, held_back: _, taken: _, kept_until: _ } => {
            Seen { state: "ended", outcome: Some(*outcome), reason: reason.clone(), started_at: *started_at, ended_at: Some(*at) }
        }
    }
}

pub(super) fn see_step(plan: &StepPlan, job_plan: &JobPlan, job: &Job, step: &Step) -> Seen {
    let going = |state, reason: String, started_at| Seen { state, outcome: None, reason, started_at, ended_at: None };
    match &step.state {
        StepState::Waiting | StepState::Parked { .. } => {
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
