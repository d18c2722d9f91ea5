//! The variables that every step finds (`PIPELINE.md`, "Environment of every step").

use std::collections::BTreeMap;

use crate::base::{JobIx, StepIx};
use crate::pipeline::InputValue;

use super::Run;

/// A step's own variables ([`Filled::env`](super::Filled)) with Gantry's on top, but for `CI_WORKSPACE` and the files to write to, which the executor
/// knows. `repo_url` must carry no credentials; `run_url` is empty where there is no dashboard.
#[must_use]
pub fn environment(
    run: &Run,
    job: JobIx,
    step: StepIx,
    own: BTreeMap<String, String>,
    repo_url: &str,
    run_url: &str,
) -> BTreeMap<String, String> {
    let mut env = own;
    let Some(job_plan) = run.plan.jobs.get(job as usize) else {
        return env;
    };
    let Some(step_plan) = job_plan.steps.get(step as usize) else {
        return env;
    };
    let trigger = &run.trigger;
    for (name, value) in &run.plan.inputs {
        env.insert(variable_of(name), text_of(value).to_owned());
    }
    let number = run.number.to_string();
    let pull_request = trigger.pull_request.as_ref().map(|pull_request| pull_request.number.to_string()).unwrap_or_default();
    let gantry: [(&str, &str); 17] = [
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
        ("CI_PULL_REQUEST", &pull_request),
        ("CI_RUN_ID", run.id.as_str()),
        ("CI_RUN_NUMBER", &number),
        ("CI_RUN_URL", run_url),
        ("CI_JOB_NAME", &job_plan.name),
        ("CI_STEP_NAME", &step_plan.name),
    ];
    for (name, value) in gantry {
        // No NUL can stand in an environment; a commit message may hold one.
        env.insert(name.to_owned(), value.replace('\0', ""));
    }
    env
}

/// `INPUT_LOG_LEVEL` of `log-level`.
fn variable_of(input: &str) -> String {
    let upper = |char: char| if char.is_ascii_alphanumeric() { char.to_ascii_uppercase() } else { '_' };
    format!("INPUT_{}", input.chars().map(upper).collect::<String>())
}

fn text_of(value: &InputValue) -> &str {
    match value {
        InputValue::Text(text) | InputValue::Number(text) => text,
        InputValue::Boolean(true) => "true",
        InputValue::Boolean(false) => "false",
    }
}
