//! Runs that do an older one again: the whole of it, or what did not pass.
//!
//! **Invariants:** the plan and the commit are those of the old run, and nothing of it changes; what is taken over, with its artifacts, is stored in the
//! transaction that makes the run.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::handle::{Handle, Refusal};
use crate::base::{JobIx, RunId};
use crate::run::{JobState, Run, taken_over};
use crate::store::NewRun;

/// How much of a run is done again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Part {
    #[default]
    Whole,
    /// The jobs that did not pass, and those that need them; the others are taken over.
    Failed,
}

impl Handle {
    /// Makes a new run of the same plan for the same commit.
    pub async fn rerun(&self, run: &RunId, part: Part, by: &str) -> Result<RunId, Refusal> {
        let old = self.find_run(run).await?;
        if old.plan.jobs.is_empty() {
            let why = format!("run #{} has no plan, since its pipeline was not valid: push a corrected one", old.number);
            return Err(Refusal::Conflict(why));
        }
        let (begun, what) = match part {
            Part::Whole => (Vec::new(), ""),
            Part::Failed => {
                let begun = taken_over(&old, &self.without_artifacts(&old).await?);
                (begun.map_err(Refusal::Conflict)?, "what failed of ")
            }
        };
        let mut trigger = old.trigger.clone();
        trigger.because = format!("{by} ran {what}#{} again", old.number);
        let new = NewRun {
            id: RunId::new(self.clock()),
            repo_name: old.repo_name.clone(),
            trigger,
            plan: Arc::clone(&old.plan),
            problems: old.problems.clone(),
            ended: None,
            rerun_of: Some(old.id.clone()),
            begun,
        };
        let runs = self.make_runs(&old.repo, vec![new]).await?;
        runs.first().map(|run| run.id.clone()).ok_or_else(|| Refusal::Conflict("the repository is gone".to_owned()))
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
