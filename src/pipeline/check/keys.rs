//! Which keys exist where: the one table of the language's words.

/// The keys of one kind of map.
pub(super) struct Level {
    /// With its article: `a step`.
    pub noun: &'static str,
    pub keys: &'static [&'static str],
    /// Words that other systems use for a key, and the key.
    pub synonyms: &'static [(&'static str, &'static str)],
    /// Words that belong elsewhere or do not exist, and what to do.
    pub hints: &'static [(&'static str, &'static str)],
    /// Keys of the language that this version has not.
    pub later: &'static [&'static str],
}

/// Keys of pipelines, jobs and steps that this version has not: refused, since a run without them would do something else.
const LATER: &[&str] = &[
    "matrix",
    "services",
    "cache",
    "artifacts",
    "reports",
    "secrets",
    "with",
    "outputs",
    "approval",
    "environment",
    "concurrency",
    "resources",
    "network",
    "runs_on",
    "inputs",
    "cron",
];

const FAILURE: (&str, &str) = ("continue-on-error", "allow_failure");
const MINUTES: (&str, &str) = ("timeout-minutes", "timeout");

/// The file, when it has `jobs`.
pub(super) static PIPELINE: Level = Level {
    noun: "a pipeline",
    keys: &["name", "on", "env", "defaults", "jobs", "steps"],
    synonyms: &[("variables", "env"), ("triggers", "on")],
    hints: &[
        ("image", "in a pipeline with `jobs` it belongs into `defaults`, or into a job"),
        ("timeout", "in a pipeline with `jobs` it belongs into `defaults`, or into a job"),
        ("retry", "in a pipeline with `jobs` it belongs into `defaults`, or into a job"),
        ("if", "in a pipeline with `jobs` it belongs into a job"),
        ("stages", "the order follows from `needs`"),
        ("run", "commands stand in a list under `steps`"),
        ("when", "which events start a pipeline stands in `on`"),
    ],
    later: LATER,
};

/// The file, when it has no `jobs`: pipeline and job in one.
pub(super) static ONE_JOB: Level = Level {
    noun: "a pipeline",
    keys: &["name", "on", "env", "defaults", "jobs", "steps", "image", "if", "timeout", "allow_failure", "retry"],
    synonyms: &[("variables", "env"), ("triggers", "on"), FAILURE, MINUTES],
    hints: &[
        ("needs", "a pipeline with `steps` is one job, so there is nothing to need"),
        ("stages", "the order follows from `needs`"),
        ("run", "commands stand in a list under `steps`"),
        ("script", "commands stand in a list under `steps`"),
        ("when", "which events start a pipeline stands in `on`"),
    ],
    later: LATER,
};

pub(super) static DEFAULTS: Level = Level {
    noun: "`defaults`",
    keys: &["image", "timeout", "retry"],
    synonyms: &[MINUTES],
    hints: &[("env", "`env` stands beside `defaults`"), ("shell", "`shell` belongs to a step")],
    later: LATER,
};

pub(super) static JOB: Level = Level {
    noun: "a job",
    keys: &["if", "needs", "when", "image", "env", "timeout", "allow_failure", "retry", "steps"],
    synonyms: &[("depends_on", "needs"), ("variables", "env"), FAILURE, MINUTES],
    hints: &[
        ("name", "a job is named by its key under `jobs`"),
        ("run", "commands stand in a list under `steps`"),
        ("script", "commands stand in a list under `steps`"),
        ("stage", "the order follows from `needs`"),
        ("shell", "`shell` belongs to a step"),
        ("runs-on", "a job runs in containers: say `image`"),
        ("strategy", "a matrix is written as `matrix`, which this version does not have yet"),
    ],
    later: LATER,
};

pub(super) static STEP: Level = Level {
    noun: "a step",
    keys: &["name", "run", "image", "env", "needs", "when", "if", "timeout", "allow_failure", "retry", "shell"],
    synonyms: &[
        ("commands", "run"),
        ("script", "run"),
        ("depends_on", "needs"),
        ("environment", "env"),
        ("variables", "env"),
        FAILURE,
        MINUTES,
    ],
    hints: &[
        ("steps", "steps do not nest"),
        ("uses", "there are no actions: a step runs a command in an `image`"),
        ("id", "a step is known by its `name`"),
        ("working-directory", "begin the script with `cd`"),
        ("settings", "settings of an image are written as `with`, which this version does not have yet"),
    ],
    later: LATER,
};

pub(super) static ON: Level = Level {
    noun: "`on`",
    keys: &["push", "pull_request", "tag", "manual"],
    synonyms: &[("tags", "tag"), ("workflow_dispatch", "manual"), ("merge_request", "pull_request")],
    hints: &[("branches", "branches belong to an event: `on: { push: { branches: [main] } }`")],
    later: &["cron", "schedule"],
};

pub(super) static PUSH: Level = Level {
    noun: "`on.push`",
    keys: &["branches"],
    synonyms: &[("branch", "branches")],
    hints: &[
        ("tags", "tags have an event of their own: `on: { tag: [\"v*\"] }`"),
        ("branches-ignore", "write `branches: { exclude: […] }`"),
    ],
    later: &["paths", "paths-ignore"],
};

pub(super) static PULL_REQUEST: Level = Level {
    noun: "`on.pull_request`",
    keys: &["branches"],
    synonyms: &[("branch", "branches")],
    hints: &[("branches-ignore", "write `branches: { exclude: […] }`")],
    later: &["paths", "paths-ignore", "types"],
};

pub(super) static MANUAL: Level = Level { noun: "`on.manual`", keys: &[], synonyms: &[], hints: &[], later: &["inputs"] };

pub(super) static FILTER: Level =
    Level { noun: "a filter of names", keys: &["include", "exclude"], synonyms: &[], hints: &[], later: &[] };

pub(super) static RETRY: Level = Level {
    noun: "`retry`",
    keys: &["max", "when", "exit_codes", "backoff"],
    synonyms: &[],
    hints: &[("attempts", "`max` counts the further attempts")],
    later: &[],
};

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
    let levels = [&JOB, &STEP, &ONE_JOB, &ON, &PUSH, &RETRY];
    levels.into_iter().find(|level| level.keys.contains(&key)).map(|level| level.noun)
}
