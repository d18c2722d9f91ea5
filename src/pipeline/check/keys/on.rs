//! The keys of `on` and what stands in it.

use super::{Level, PLAIN};

pub(in crate::pipeline) static ON: Level = Level {
    noun: "`on`",
    keys: &["push", "pull_request", "tag", "cron", "manual"],
    synonyms: &[("tags", "tag"), ("workflow_dispatch", "manual"), ("merge_request", "pull_request"), ("schedule", "cron")],
    hints: &[
        ("branches", "branches belong to an event: `on: { push: { branches: [main] } }`"),
        ("paths", "paths belong to an event: `on: { push: { paths: [\"src/**\"] } }`"),
        ("release", "the event of a release is its `tag`"),
        ("deployment", "what a person starts is `manual`"),
        ("pull_request_target", "there is no such event: a change from outside never runs with the secrets of the repository"),
        ("inputs", "inputs belong to `manual`: `on: { manual: { inputs: { … } } }`"),
    ],
    ..PLAIN
};

const NO_BRANCHES: (&str, &str) = ("branches-ignore", "write `branches: { exclude: […] }`");
const NO_PATHS: (&str, &str) = ("paths-ignore", "write `paths: { exclude: […] }`");
const FILTERS: &[(&str, &str)] = &[("branch", "branches"), ("path", "paths")];
const FILTERED: &[&str] = &["branches", "paths"];

pub(in crate::pipeline) static PUSH: Level = Level {
    noun: "`on.push`",
    keys: FILTERED,
    synonyms: FILTERS,
    hints: &[
        NO_BRANCHES,
        NO_PATHS,
        ("tags", "tags have an event of their own: `on: { tag: [\"v*\"] }`"),
        ("tags-ignore", "tags have an event of their own: `on: { tag: { exclude: […] } }`"),
    ],
    ..PLAIN
};

pub(in crate::pipeline) static PULL_REQUEST: Level = Level {
    noun: "`on.pull_request`",
    keys: FILTERED,
    synonyms: FILTERS,
    hints: &[NO_BRANCHES, NO_PATHS, ("types", "a pull request runs when it is opened and with each new commit")],
    ..PLAIN
};

pub(in crate::pipeline) static FILTER: Level = Level { noun: "a filter of names", keys: &["include", "exclude"], ..PLAIN };

pub(in crate::pipeline) static CRON: Level =
    Level { noun: "`on.cron`", keys: &["timezone"], others: Some("a schedule"), ..PLAIN };

pub(in crate::pipeline) static SCHEDULE: Level = Level {
    noun: "a schedule",
    keys: &["schedule", "timezone"],
    synonyms: &[("cron", "schedule"), ("tz", "timezone")],
    hints: &[("branch", "schedules are those of the default branch"), ("branches", "schedules are those of the default branch")],
    ..PLAIN
};

pub(in crate::pipeline) static MANUAL: Level = Level { noun: "`on.manual`", keys: &["inputs"], ..PLAIN };

pub(in crate::pipeline) static INPUT: Level = Level {
    noun: "an input",
    keys: &["type", "options", "default", "description", "required"],
    synonyms: &[("choices", "options"), ("value", "default")],
    ..PLAIN
};
