//! The variables that every step finds (`PIPELINE.md`, "Environment of every step").

use std::collections::BTreeMap;

use crate::base::{JobIx, StepIx};

use super::Run;

/// The step's own `env` with Gantry's variables on top, but for `CI_WORKSPACE`, which the executor knows. `repo_url` must carry no credentials;
/// `run_url` is empty where there is no dashboard.
#[must_use]
pub fn environment(run: &Run, job: JobIx, step: StepIx, repo_url: &str, run_url: &str) -> BTreeMap<String, String> {
    let Some(job_plan) = run.plan.jobs.get(job as usize) else {
        return BTreeMap::new();
    };
    let Some(step_plan) = job_plan.steps.get(step as usize) else {
        return BTreeMap::new();
    };
    let trigger = &run.trigger;
    let mut env: BTreeMap<String, String> =
        step_plan.env.iter().map(|(name, value)| (name.clone(), value.shown().to_owned())).collect();
    let number = run.number.to_string();
    let own: [(&str, &str); 17] = [
        ("CI", "true"),
        ("GANTRY", "true"),
        ("CI_COMMIT_SHA", &trigger.commit),
        ("CI_COMMIT_BRANCH", &trigger.branch),
        ("CI_COMMIT_TAG", trigger.tag.as_deref().unwrap_or_default()),
        ("CI_COMMIT_MESSAGE", &trigger.message),
        ("CI_COMMIT_AUTHOR", &trigger.author),
        ("CI_DEFAULT_BRANCH", &trigger.default_branch),
        ("CI_REPO_NAME", &run.repo_name),
        ("CI_REPO_URL", repo_url),
        ("CI_EVENT", trigger.event.as_str()),
        ("CI_PULL_REQUEST", ""),
        ("CI_RUN_ID", run.id.as_str()),
        ("CI_RUN_NUMBER", &number),
        ("CI_RUN_URL", run_url),
        ("CI_JOB_NAME", &job_plan.name),
        ("CI_STEP_NAME", &step_plan.name),
    ];
    for (name, value) in own {
        // No NUL can stand in an environment; a commit message may hold one.
        env.insert(name.to_owned(), value.replace('\0', ""));
    }
    env
}
