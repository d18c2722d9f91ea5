//! The keys of a pipeline, of its jobs and of their steps.

use super::{Level, PLAIN, PRIVILEGED, VOLUMES};

const FAILURE: (&str, &str) = ("continue-on-error", "allow_failure");
const MINUTES: (&str, &str) = ("timeout-minutes", "timeout");

const STAGES: &str = "the order follows from `needs`";
const COMMANDS: &str = "commands stand in a list under `steps`";
const IN_A_JOB: &str = "in a pipeline with `jobs` it belongs into a job";
const IN_DEFAULTS: &str = "in a pipeline with `jobs` it belongs into `defaults`, or into a job";
const EVENTS: &str = "which events start a pipeline stands in `on`";
const PERMISSIONS: &str = "a run has no token of the forge; secrets are named by the steps that need them";
const STRATEGY: &str = "write the axes as `matrix` of the job, and `fail_fast` and `max_parallel` beside them";
const INCLUDE: &str = "files do not include others; within one, anchors (`&name`, `*name`, `<<: *name`) repeat a part";

/// The file, when it has `jobs`.
pub(in crate::pipeline) static PIPELINE: Level = Level {
    noun: "a pipeline",
    keys: &["name", "on", "env", "defaults", "concurrency", "jobs", "steps"],
    synonyms: &[("variables", "env"), ("triggers", "on")],
    hints: &[
        ("image", IN_DEFAULTS),
        ("timeout", IN_DEFAULTS),
        ("retry", IN_DEFAULTS),
        ("shell", IN_DEFAULTS),
        ("network", IN_DEFAULTS),
        ("if", IN_A_JOB),
        ("matrix", IN_A_JOB),
        ("services", IN_A_JOB),
        ("resources", IN_A_JOB),
        ("checkout", IN_A_JOB),
        ("approval", IN_A_JOB),
        ("runs_on", IN_A_JOB),
        ("stages", STAGES),
        ("run", COMMANDS),
        ("when", EVENTS),
        ("rules", EVENTS),
        ("workflow", EVENTS),
        ("include", INCLUDE),
        ("permissions", PERMISSIONS),
        ("run-name", "a run is shown with its commit's message"),
    ],
    ..PLAIN
};

/// The file, when it has no `jobs`: pipeline and job in one.
pub(in crate::pipeline) static ONE_JOB: Level = Level {
    noun: "a pipeline",
    keys: &[
        "name",
        "on",
        "env",
        "defaults",
        "concurrency",
        "jobs",
        "steps",
        "image",
        "if",
        "timeout",
        "allow_failure",
        "retry",
        "shell",
        "network",
        "runs_on",
        "matrix",
        "services",
        "resources",
        "checkout",
        "approval",
        "environment",
        "outputs",
    ],
    synonyms: &[("variables", "env"), ("triggers", "on"), FAILURE, MINUTES],
    hints: &[
        ("needs", "a pipeline with `steps` is one job, so there is nothing to need"),
        ("depends_on", "a pipeline with `steps` is one job, so there is nothing to need"),
        ("stages", STAGES),
        ("run", COMMANDS),
        ("script", COMMANDS),
        ("when", EVENTS),
        ("rules", EVENTS),
        ("workflow", EVENTS),
        ("include", INCLUDE),
        ("permissions", PERMISSIONS),
        ("strategy", STRATEGY),
        ("labels", "labels of an executor stand in `runs_on`"),
        ("clone", "the work tree is there before the first step; `checkout` says how much of it"),
        ("workspace", "the work tree is at `/workspace`"),
        ("volumes", VOLUMES),
    ],
    ..PLAIN
};

pub(in crate::pipeline) static DEFAULTS: Level = Level {
    noun: "`defaults`",
    keys: &["image", "timeout", "retry", "shell", "network"],
    synonyms: &[MINUTES],
    hints: &[("env", "`env` stands beside `defaults`"), ("run", "the `shell` stands in `defaults` itself")],
    ..PLAIN
};

pub(in crate::pipeline) static JOB: Level = Level {
    noun: "a job",
    keys: &[
        "if",
        "needs",
        "when",
        "image",
        "env",
        "timeout",
        "allow_failure",
        "retry",
        "shell",
        "network",
        "runs_on",
        "matrix",
        "services",
        "resources",
        "checkout",
        "approval",
        "environment",
        "concurrency",
        "outputs",
        "steps",
    ],
    synonyms: &[("depends_on", "needs"), ("variables", "env"), FAILURE, MINUTES],
    hints: &[
        ("name", "a job is named by its key under `jobs`"),
        ("run", COMMANDS),
        ("script", COMMANDS),
        ("commands", COMMANDS),
        ("before_script", COMMANDS),
        ("after_script", "a step with `when: always` runs however the others ended"),
        ("stage", STAGES),
        ("runs-on", "a job runs in containers: say `image`; labels of an executor stand in `runs_on`"),
        ("tags", "labels of an executor stand in `runs_on`"),
        ("labels", "labels of an executor stand in `runs_on`"),
        ("container", "say `image`"),
        ("strategy", STRATEGY),
        ("parallel", "a job of several combinations is written as `matrix`"),
        ("rules", "a condition is written as `if`"),
        ("only", "a condition is written as `if`"),
        ("except", "a condition is written as `if`"),
        ("uses", "there are no reusable workflows; anchors (`&name`, `<<: *name`) repeat a part"),
        ("extends", "anchors do this: `<<: *name`"),
        ("permissions", PERMISSIONS),
        ("dependencies", "the artifacts of the jobs in `needs` are in the work tree"),
        ("volumes", VOLUMES),
        ("privileged", PRIVILEGED),
    ],
    ..PLAIN
};

pub(in crate::pipeline) static STEP: Level = Level {
    noun: "a step",
    keys: &[
        "name",
        "run",
        "shell",
        "image",
        "with",
        "env",
        "secrets",
        "network",
        "needs",
        "when",
        "if",
        "timeout",
        "allow_failure",
        "retry",
        "cache",
        "artifacts",
        "reports",
    ],
    synonyms: &[
        ("commands", "run"),
        ("script", "run"),
        ("depends_on", "needs"),
        ("environment", "env"),
        ("variables", "env"),
        ("settings", "with"),
        FAILURE,
        MINUTES,
    ],
    hints: &[
        ("steps", "steps do not nest"),
        (
            "uses",
            "there are no actions: a step runs a command in an `image`, or the image's own entry point with the settings in `with`",
        ),
        ("id", "a step is known by its `name`"),
        ("working-directory", "begin the script with `cd`"),
        ("directory", "begin the script with `cd`"),
        ("outputs", "a step writes `KEY=VALUE` lines to the file `$GANTRY_OUTPUT`"),
        ("failure", "a step whose failure is only a warning has `allow_failure: true`"),
        ("detach", "what runs beside the steps is one of the job's `services`"),
        ("entrypoint", "without `run` the image's own entry point is run"),
        ("user", "steps run as the image's user"),
        ("network_mode", "`network: none` takes the network away"),
        ("pull", "an image is pulled when it is not there"),
        ("volumes", VOLUMES),
        ("privileged", PRIVILEGED),
    ],
    ..PLAIN
};
