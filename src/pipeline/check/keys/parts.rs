//! The keys of what stands in jobs and steps.

use super::{Level, PLAIN, PRIVILEGED, VOLUMES};

pub(in crate::pipeline) static RETRY: Level = Level {
    noun: "`retry`",
    keys: &["max", "when", "exit_codes", "backoff"],
    hints: &[("attempts", "`max` counts the further attempts")],
    ..PLAIN
};

pub(in crate::pipeline) static CONCURRENCY: Level = Level {
    noun: "`concurrency`",
    keys: &["group", "policy"],
    hints: &[("cancel-in-progress", "write `policy: cancel-running`"), ("limit", "one of a group runs at a time")],
    ..PLAIN
};

pub(in crate::pipeline) static MATRIX: Level = Level {
    noun: "`matrix`",
    keys: &["exclude", "include", "fail_fast", "max_parallel"],
    others: Some("an axis"),
    hints: &[("matrix", "the axes stand in `matrix` of the job itself")],
    ..PLAIN
};

pub(in crate::pipeline) static SERVICE: Level = Level {
    noun: "a service",
    keys: &["image", "env", "command", "ready", "timeout"],
    synonyms: &[("environment", "env"), ("variables", "env"), ("commands", "command")],
    hints: &[
        ("name", "a service is named by its key under `services`"),
        ("alias", "a service is reached by the name of its key"),
        ("ports", "a service is in the job's own network: steps reach every port of it, and nobody else any"),
        ("healthcheck", "when it is ready is said by `ready`: `{ port: 5432 }`, `{ command: pg_isready }` or `{ log: \"…\" }`"),
        ("options", "when it is ready is said by `ready`: `{ port: 5432 }`, `{ command: pg_isready }` or `{ log: \"…\" }`"),
        ("entrypoint", "`command` is given to the image's own entry point"),
        ("run", "`command` is given to the image's own entry point"),
        ("secrets", "only steps get secrets"),
        ("volumes", VOLUMES),
        ("privileged", PRIVILEGED),
    ],
    ..PLAIN
};

pub(in crate::pipeline) static READY: Level = Level {
    noun: "`ready`",
    keys: &["port", "command", "log", "timeout"],
    hints: &[("http", "a `command` of the service can ask: `wget -qO- localhost:8080/health`")],
    ..PLAIN
};

pub(in crate::pipeline) static RESOURCES: Level = Level {
    noun: "`resources`",
    keys: &["cpu", "memory", "pids"],
    synonyms: &[("cpus", "cpu"), ("mem", "memory"), ("mem_limit", "memory"), ("pids_limit", "pids")],
    hints: &[
        ("limits", "`cpu`, `memory` and `pids` stand in `resources` itself, and are limits"),
        ("requests", "`cpu`, `memory` and `pids` are limits; nothing is reserved"),
    ],
    ..PLAIN
};

pub(in crate::pipeline) static CHECKOUT: Level = Level {
    noun: "`checkout`",
    keys: &["depth", "submodules"],
    synonyms: &[("fetch-depth", "depth"), ("recursive", "submodules")],
    hints: &[
        ("lfs", "files of Git LFS are left as pointers: a step that needs them runs `git lfs pull`"),
        ("ref", "a run is of one commit: the one that its trigger is about"),
        ("path", "the work tree is at `/workspace`"),
    ],
    ..PLAIN
};

pub(in crate::pipeline) static APPROVAL: Level = Level {
    noun: "`approval`",
    keys: &["message", "by", "timeout"],
    synonyms: &[("reviewers", "by"), ("approvers", "by")],
    ..PLAIN
};

pub(in crate::pipeline) static CACHE: Level = Level {
    noun: "`cache`",
    keys: &["key", "paths", "restore"],
    synonyms: &[("path", "paths"), ("restore-keys", "restore"), ("fallback_keys", "restore")],
    hints: &[
        ("policy", "a cache is restored before the step, and saved when its job has passed"),
        ("when", "a cache is restored before the step, and saved when its job has passed"),
    ],
    ..PLAIN
};

pub(in crate::pipeline) static ARTIFACTS: Level = Level {
    noun: "`artifacts`",
    keys: &["paths", "expire", "required"],
    synonyms: &[("path", "paths"), ("expire_in", "expire")],
    hints: &[
        ("name", "artifacts are named by their step"),
        ("reports", "write `reports` in the step itself"),
        ("exclude", "write patterns that match only what is wanted"),
        ("retention-days", "write `expire: 30d`"),
        ("if-no-files-found", "write `required: true`"),
        ("when", "artifacts are kept however the script ended"),
    ],
    ..PLAIN
};

pub(in crate::pipeline) static REPORTS: Level = Level { noun: "`reports`", keys: &["junit"], ..PLAIN };
