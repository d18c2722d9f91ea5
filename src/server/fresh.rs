//! Terminals in kept work trees: the step's container made once more for a shell, once its job has failed.
//!
//! **Invariants:** only in a tree that is there, which stays for as long as the terminal does; the step's secrets are not given, unless the settings say
//! that terminals may have them.

use super::handle::{Refusal, Shared};
use super::kept::{self, Hold};
use super::secrets::{self, Asked};
use super::terminal::variables;
use crate::base::{AttemptKey, JobIx, StepIx};
use crate::executor::StepSpec;
use crate::run::{Exit, Run, StepState, fill_step};

/// What a terminal in a kept work tree is opened with.
pub(super) struct FreshStep {
    pub spec: Box<StepSpec>,
    pub tree: Hold,
}

/// The step of an ended job, if the work tree of that is kept. It has no secrets yet.
pub(super) fn find(shared: &Shared, run: &Run, (job, step): (JobIx, StepIx)) -> Result<Option<FreshStep>, Refusal> {
    let StepState::Ended(end) = &run.jobs[job as usize].steps[step as usize].state else { return Ok(None) };
    let Some(tree) = kept::hold(shared, run, job) else { return Ok(None) };
    let job_plan = &run.plan.jobs[job as usize];
    let plan = &job_plan.steps[step as usize];
    let filled = fill_step(run, job, step).map_err(Refusal::Conflict)?;
    let key = AttemptKey { run: run.id.clone(), job, step, attempt: end.attempt };
    let spec = StepSpec {
        title: format!("{} / {}", job_plan.name, plan.name),
        dirs: shared.dirs(run, &key.job_key()),
        key,
        image: filled.image,
        pull: plan.pull,
        resources: job_plan.resources,
        network: plan.network,
        before: Vec::new(),
        action: plan.action.clone(),
        env: variables(shared, run, job, step),
        grace_ms: shared.config.grace_ms,
    };
    Ok(Some(FreshStep { spec: Box::new(spec), tree }))
}

impl FreshStep {
    /// With the step's secrets, where the settings say that terminals may have them.
    pub async fn given(mut self, shared: &Shared, run: &Run) -> Result<Self, Refusal> {
        if shared.config.shell_secrets {
            let secrets = given(shared, run, &self.spec.key).await?;
            self.spec.env.extend(secrets);
        }
        Ok(self)
    }
}

/// The step's secrets, as it would be given them now.
async fn given(shared: &Shared, run: &Run, key: &AttemptKey) -> Result<Vec<(String, String)>, Refusal> {
    let Some(asked) = Asked::of(run, key) else { return Ok(Vec::new()) };
    match secrets::give(shared, &asked, true).await {
        Ok(given) => Ok(given.env.into_iter().map(|(name, value)| (name, value.reveal().to_owned())).collect()),
        Err(Exit::Refused(why)) => Err(Refusal::Forbidden(why)),
        Err(Exit::Infrastructure(why) | Exit::Lost(why)) => Err(Refusal::Unavailable(why)),
        Err(Exit::Code(_) | Exit::NeverRan) => Ok(Vec::new()),
    }
}
