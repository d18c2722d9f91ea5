//! A run that takes parts of an older one over instead of doing them again: what did not pass runs, what passed stands. Or what comes before a certain
//! job or step stands, and all from there on runs.
//!
//! **Invariants:** pure; what is taken over has ended, and so has everything that it needs, near or far: nothing that ended is ever before something
//! that runs; a job of which some steps are taken over, and others not, goes on in the work tree that the older one left, and needs nothing that runs; an approval is never taken over, nor is what was waited for with it; whoever is named has really done it, over however many runs it was
//! taken.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::base::{JobIx, RunId, StepIx};

use super::reach::{needed_jobs, needed_steps};
use super::{Job, JobState, Outcome, Run, Step, StepState, Wait};

/// The run in which it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    pub run: RunId,
    pub number: u64,
}

/// The jobs that a new run of the same plan takes over instead of doing them again: those that passed, as far as nothing that they need runs again.
/// `lost` are jobs whose artifacts are not there any more: they run.
///
/// # Errors
/// The sentence that says why there is no such run.
pub fn taken_over(old: &Run, lost: &BTreeSet<JobIx>) -> Result<Vec<(JobIx, Job)>, String> {
    check_ended(old)?;
    let taken = taken_jobs(old, |ix, job| has_passed(job) && !lost.contains(&ix));
    if taken.len() == old.jobs.len() {
        return Err(format!("nothing of run #{} failed: run the whole of it again", old.number));
    }
    Ok(taken)
}

/// What a new run of the same plan begins with that does all again from a job on, or from a step of it: the jobs that passed and need nothing that runs
/// again, and with a step, that job with the steps before it as they ended. The latter needs the work tree that the job left. `lost` as above.
///
/// # Errors
/// The sentence that says why there is no such run.
pub fn resumed(old: &Run, (job, step): (JobIx, Option<StepIx>), lost: &BTreeSet<JobIx>) -> Result<Vec<(JobIx, Job)>, String> {
    check_ended(old)?;
    let mut begun = taken_jobs(old, |ix, state| ix != job && has_passed(state) && !lost.contains(&ix));
    let Some(step) = step else { return Ok(begun) };
    let plan = &old.plan.jobs[job as usize];
    let from_job = |why: String| Err(format!("{why}: `{}` has to begin at its first step", plan.name));
    for (need, is_needed) in (0..).zip(needed_jobs(&old.plan, job as usize)) {
        if is_needed && begun.iter().all(|(taken, _)| *taken != need) {
            return from_job(format!("`{}`, which `{}` needs, runs again", old.plan.jobs[need as usize].name, plan.name));
        }
    }
    let stands: Vec<bool> = (0..plan.steps.len())
        .map(|other| {
            let runs_again = other == step as usize || needed_steps(plan, other)[step as usize];
            !runs_again && has_step_passed(&old.jobs[job as usize].steps[other].state)
        })
        .collect();
    let mut state = Job { state: JobState::Waiting { why: Wait::Needs { jobs: Vec::new() } }, ..taken_job(old, job as usize) };
    for (other, step_state) in state.steps.iter_mut().enumerate() {
        let before = needed_steps(plan, other);
        let is_taken = stands[other] && before.iter().zip(&stands).all(|(is_needed, stands)| !is_needed || *stands);
        if is_taken && lost.contains(&job) && plan.steps[other].artifacts.is_some() {
            return from_job(format!("the artifacts of `{}` are not there any more", plan.steps[other].name));
        }
        if !is_taken && needed_steps(plan, step as usize)[other] {
            return Err(format!(
                "`{}` did not pass, and `{}` needs it: begin there",
                plan.steps[other].name, plan.steps[step as usize].name
            ));
        }
        if !is_taken {
            step_state.state = StepState::Waiting;
        }
    }
    // With nothing before it, it begins like any other.
    if goes_on(&state) {
        begun.push((job, state));
    }
    Ok(begun)
}

/// Whether a job goes on in the work tree that it left in an older run. What was only skipped there has left nothing.
#[must_use]
pub fn goes_on(job: &Job) -> bool {
    let is_taken = |step: &Step| matches!(&step.state, StepState::Ended(end) if end.taken.is_some() && end.attempt > 0);
    !job.state.is_ended() && job.steps.iter().any(is_taken)
}

fn check_ended(old: &Run) -> Result<(), String> {
    if old.is_ended() {
        return Ok(());
    }
    Err(format!("run #{} has not ended yet: wait for its end, or cancel it", old.number))
}

/// Those that stand, as far as all that they need does.
fn taken_jobs(old: &Run, stands: impl Fn(JobIx, &Job) -> bool) -> Vec<(JobIx, Job)> {
    let stands: Vec<bool> = (0..).zip(&old.jobs).map(|(ix, job)| stands(ix, job)).collect();
    let is_taken = |job: usize| {
        stands[job] && needed_jobs(&old.plan, job).into_iter().zip(&stands).all(|(is_needed, stands)| !is_needed || *stands)
    };
    (0..old.jobs.len()).filter(|job| is_taken(*job)).map(|job| (job as JobIx, taken_job(old, job))).collect()
}

fn has_step_passed(state: &StepState) -> bool {
    matches!(state, StepState::Ended(end) if !end.held_back && (end.outcome.is_good() || end.outcome == Outcome::Skipped))
}

/// It ended well, or was not wanted for a reason that holds as long as what it needs does.
fn has_passed(job: &Job) -> bool {
    matches!(&job.state, JobState::Ended { outcome, held_back: false, .. } if outcome.is_good() || *outcome == Outcome::Skipped)
}

fn taken(old: &Run, earlier: Option<&Taken>) -> Option<Taken> {
    Some(earlier.cloned().unwrap_or_else(|| Taken { run: old.id.clone(), number: old.number }))
}

fn taken_job(old: &Run, job: usize) -> Job {
    // Who stopped or approved it concerns the old run alone.
    let mut job = Job { decision: None, stop: None, ..old.jobs[job].clone() };
    if let JobState::Ended { taken: from, kept_until, .. } = &mut job.state {
        *from = taken(old, from.as_ref());
        *kept_until = None;
    }
    for step in &mut job.steps {
        if let StepState::Ended(end) = &mut step.state {
            end.taken = taken(old, end.taken.as_ref());
        }
    }
    job
}
