//! Runs that do an older one again: the whole of it, what did not pass, or all from a job or step on.
//!
//! **Invariants:** the plan and the commit are those of the old run, and nothing of it changes but that a kept work tree may go over to the new one; what
//! is taken over, with its artifacts, is stored in the transaction that makes the run.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::handle::{Handle, Refusal};
use super::kept::{self, HandedOver};
use crate::base::{JobIx, RunId, StepIx};
use crate::run::{Job, JobState, Run, goes_on, resumed, taken_over};
use crate::store::NewRun;

/// How much of a run is done again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Part {
    #[default]
    Whole,
    /// The jobs that did not pass, and those that need them; the others are taken over.
    Failed,
    /// This `JOB`, or this step of it as `JOB/STEP`, with all that need it and all that did not pass; the others are taken over. From a step on the job
    /// goes on in the work tree that it left, where that is kept; else it begins at its first step.
    From(String),
}

/// How a run begins that goes on from somewhere.
struct Resumed {
    begun: Vec<(JobIx, Job)>,
    /// The work tree in which a job goes on.
    tree: Option<HandedOver>,
    /// For the sentence that says why there is the run.
    note: String,
}

/// `JOB` or `JOB/STEP`, both of which may have a `/` in them: the longest job's name wins.
fn place_of(run: &Run, text: &str) -> Result<(JobIx, Option<StepIx>), Refusal> {
    if let Some((job, _)) = run.plan.job_named(text) {
        return Ok((job, None));
    }
    let parts = text.rmatch_indices('/').map(|(at, _)| (&text[..at], &text[at + 1..]));
    let mut known = parts.filter_map(|(job, step)| Some((job, run.plan.job_named(job)?, step)));
    let Some((job, (ix, plan), step)) = known.next() else {
        let jobs: Vec<String> = run.plan.jobs.iter().map(|job| format!("`{}`", job.name)).collect();
        let why = format!("run #{} has no job `{text}`: write JOB or JOB/STEP; it has {}", run.number, jobs.join(", "));
        return Err(Refusal::NotFound(why));
    };
    match plan.step_named(step) {
        Some((step, _)) => Ok((ix, Some(step))),
        None => Err(Refusal::NotFound(format!("the job `{job}` of run #{} has no step `{step}`", run.number))),
    }
}

impl Handle {
    /// Makes a new run of the same plan for the same commit.
    pub async fn rerun(&self, run: &RunId, part: Part, by: &str) -> Result<RunId, Refusal> {
        let old = self.find_run(run).await?;
        if old.plan.jobs.is_empty() {
            let why = format!("run #{} has no plan, since its pipeline was not valid: push a corrected one", old.number);
            return Err(Refusal::Conflict(why));
        }
        let (id, number) = (RunId::new(self.clock()), old.number);
        let (begun, because, tree) = match part {
            Part::Whole => (Vec::new(), format!("{by} ran #{number} again"), None),
            Part::Failed => {
                let begun = taken_over(&old, &self.without_artifacts(&old).await?).map_err(Refusal::Conflict)?;
                (begun, format!("{by} ran what failed of #{number} again"), None)
            }
            Part::From(from) => {
                let Resumed { begun, tree, note } = self.resume(&old, &from, &id).await?;
                (begun, format!("{by} ran #{number} again from `{from}` on{note}"), tree)
            }
        };
        let mut trigger = old.trigger.clone();
        trigger.because = because;
        let new = NewRun {
            id,
            repo_name: old.repo_name.clone(),
            trigger,
            plan: Arc::clone(&old.plan),
            problems: old.problems.clone(),
            ended: None,
            rerun_of: Some(old.id.clone()),
            begun,
        };
        let runs = match (self.make_runs(&old.repo, vec![new]).await, tree) {
            (Err(error), Some(tree)) => {
                tree.give_back(self.shared()).await;
                return Err(error);
            }
            (runs, _) => runs?,
        };
        runs.first().map(|run| run.id.clone()).ok_or_else(|| Refusal::Conflict("the repository is gone".to_owned()))
    }

    /// What a run begins with that goes on from a job or step of this one.
    async fn resume(&self, old: &Run, from: &str, new: &RunId) -> Result<Resumed, Refusal> {
        let (job, step) = place_of(old, from)?;
        let lost = self.without_artifacts(old).await?;
        let begin = |step| resumed(old, (job, step), &lost).map_err(Refusal::Conflict);
        let begun = begin(step)?;
        if !begun.iter().any(|(_, job)| goes_on(job)) {
            return Ok(Resumed { begun, tree: None, note: String::new() });
        }
        if let Some(tree) = kept::hand_over(self.shared(), old, job, new).await? {
            return Ok(Resumed { begun, tree: Some(tree), note: String::new() });
        }
        let name = &old.plan.jobs[job as usize].name;
        let note = format!("; the work tree that `{name}` left is not there any more, so it begins at its first step");
        Ok(Resumed { begun: begin(None)?, tree: None, note })
    }

    /// Jobs that were to keep artifacts and have none now: their time is over, or there never were any. Who needs them would find nothing.
    async fn without_artifacts(&self, old: &Run) -> Result<BTreeSet<JobIx>, Refusal> {
        let sums = self.store().artifact_sums(&old.id, self.clock().now()).await?;
        let has_some = |job: &JobIx| sums.iter().any(|sum| sum.job == *job);
        let keeps = |job: &JobIx| old.plan.jobs[*job as usize].steps.iter().any(|step| step.artifacts.is_some());
        let ran = |job: &JobIx| matches!(old.jobs[*job as usize].state, JobState::Ended { started_at: Some(_), .. });
        Ok((0..old.plan.jobs.len() as JobIx).filter(|job| keeps(job) && ran(job) && !has_some(job)).collect())
    }
}
