//! Which keys exist where: the tables of the language's words. `web/assets/schema/pipeline.json` says the same to editors, and a test holds one against
//! the other.
//!
//! Files: `pipeline` has the file, its jobs and steps, `parts` what stands in them, `on` the events.

mod on;
mod parts;
mod pipeline;

pub(in crate::pipeline) use on::{CRON, FILTER, INPUT, MANUAL, ON, PULL_REQUEST, PUSH, SCHEDULE};
pub(in crate::pipeline) use parts::{
    APPROVAL, ARTIFACTS, CACHE, CHECKOUT, CONCURRENCY, MATRIX, READY, REPORTS, RESOURCES, RETRY, SERVICE,
};
pub(in crate::pipeline) use pipeline::{DEFAULTS, JOB, ONE_JOB, PIPELINE, STEP};

/// The keys of one kind of map.
pub(in crate::pipeline) struct Level {
    /// With its article: `a step`.
    pub noun: &'static str,
    pub keys: &'static [&'static str],
    /// What a key is that is none of these (`an axis`), where the file's author chooses names.
    pub others: Option<&'static str>,
    /// Words that other systems use for a key, and the key.
    pub synonyms: &'static [(&'static str, &'static str)],
    /// Words that belong elsewhere or do not exist, and what to do.
    pub hints: &'static [(&'static str, &'static str)],
}

/// What most levels are: closed, and with nothing that deserves a hint.
pub(super) const PLAIN: Level = Level { noun: "", keys: &[], others: None, synonyms: &[], hints: &[] };

pub(super) const VOLUMES: &str =
    "steps share the work tree; what other jobs need is kept by `artifacts` or `cache`, and nothing of the machine is mounted";
pub(super) const PRIVILEGED: &str = "no container gets privileges";

/// Every level with the name of its definition in the schema. Where a key stands in several, the first is where it is most likely meant.
pub(in crate::pipeline) static LEVELS: [(&str, &Level); 25] = [
    ("job", &JOB),
    ("step", &STEP),
    ("one_job", &ONE_JOB),
    ("on", &ON),
    ("push", &PUSH),
    ("pull_request", &PULL_REQUEST),
    ("retry_map", &RETRY),
    ("cache", &CACHE),
    ("artifacts", &ARTIFACTS),
    ("reports", &REPORTS),
    ("service", &SERVICE),
    ("ready", &READY),
    ("resources", &RESOURCES),
    ("checkout", &CHECKOUT),
    ("approval", &APPROVAL),
    ("matrix", &MATRIX),
    ("concurrency", &CONCURRENCY),
    ("schedule", &SCHEDULE),
    ("manual", &MANUAL),
    ("pipeline", &PIPELINE),
    ("defaults", &DEFAULTS),
    ("cron", &CRON),
    ("input", &INPUT),
    ("filter", &FILTER),
    ("path_filter", &FILTER),
];

/// Variables that Gantry sets for every step.
pub(super) const OWN_VARIABLES: [&str; 21] = [
    "CI",
    "GANTRY",
    "CI_COMMIT_SHA",
    "CI_COMMIT_BRANCH",
    "CI_COMMIT_TAG",
    "CI_COMMIT_MESSAGE",
    "CI_COMMIT_AUTHOR",
    "CI_DEFAULT_BRANCH",
    "CI_REPO_NAME",
    "CI_REPO_URL",
    "CI_EVENT",
    "CI_PULL_REQUEST",
    "CI_RUN_ID",
    "CI_RUN_NUMBER",
    "CI_RUN_URL",
    "CI_JOB_NAME",
    "CI_STEP_NAME",
    "CI_WORKSPACE",
    "GANTRY_OUTPUT",
    "GANTRY_ENV",
    "GANTRY_SUMMARY",
];

/// Where a key belongs that is none here, when it is one elsewhere.
pub(super) fn home(key: &str) -> Option<&'static str> {
    LEVELS.iter().find(|(_, level)| level.keys.contains(&key)).map(|(_, level)| level.noun)
}
