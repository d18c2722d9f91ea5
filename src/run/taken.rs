//! A run that takes parts of an older one over instead of doing them again: what did not pass runs, what passed stands.
//!
//! **Invariants:** pure; what is taken over has ended, and so has everything that it needs, near or far: nothing that ended is ever before something
//! that runs; an approval is never taken over, nor is what was waited for with it; whoever is named has really done it, over however many runs it was
//! taken.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::base::{JobIx, RunId};

use super::reach::needed_jobs;
use super::{Job, JobState, Outcome, Run, StepState};

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
    let number = old.number;
    if !old.is_ended() {
        return Err(format!("run #{number} has not ended yet: wait for its end, or cancel it"));
    }
    let stands: Vec<bool> = (0..).zip(&old.jobs).map(|(ix, job)| has_passed(job) && !lost.contains(&ix)).collect();
    let is_taken = |job: usize| {
        stands[job] && needed_jobs(&old.plan, job).into_iter().zip(&stands).all(|(is_needed, stands)| !is_needed || *stands)
    };
    let taken: Vec<_> = (0..old.jobs.len()).filter(|job| is_taken(*job)).map(|job| (job as JobIx, taken_job(old, job))).collect();
    if taken.len() == old.jobs.len() {
        return Err(format!("nothing of run #{number} failed: run the whole of it again"));
    }
    Ok(taken)
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
