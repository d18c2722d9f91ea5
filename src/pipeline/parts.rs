//! Parts of a plan beside its jobs and steps: what they wait for, what stands around them, what they keep.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::plan::Text;

/// A value of an input, checked against its declaration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputValue {
    /// `string` and `choice`.
    Text(String),
    /// As written, a decimal number: `3`, `-0.5`.
    Number(String),
    Boolean(bool),
}

/// At most one run (or job) of a group at a time, within one repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concurrency {
    pub group: String,
    pub policy: Policy,
}

/// What a newcomer does to the others of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// It waits for its turn.
    #[default]
    Queue,
    /// Those before it are cancelled, running or not.
    CancelRunning,
    /// Those that wait are cancelled; the running one goes on and the newcomer waits for it.
    CancelPending,
}

/// One combination of a matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The job as it is named in the file; all its combinations have the same.
    pub of: String,
    pub values: BTreeMap<String, String>,
    /// A combination that fails cancels the others.
    pub fail_fast: bool,
    /// How many combinations hold a slot at the same time.
    pub max_parallel: Option<u32>,
}

/// Someone must say yes before the job starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    pub message: Option<Text>,
    /// Who may; empty is everyone.
    pub by: Vec<String>,
    /// `None`: it waits for ever.
    pub timeout_ms: Option<u64>,
}

/// A sidecar of a job: started before its steps, in the same network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServicePlan {
    pub name: String,
    pub image: String,
    pub env: BTreeMap<String, String>,
    /// In place of the image's own command.
    #[serde(default)]
    pub command: Option<Vec<String>>,
    pub ready: Ready,
    /// How long it may take to become ready.
    pub ready_timeout_ms: u64,
}

/// How a service shows that it is ready.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ready {
    /// The image's own HEALTHCHECK; without one, that it runs.
    #[default]
    Health,
    /// Something listens on this TCP port.
    Port(u16),
    /// `/bin/sh -c` of it exits with 0 inside the service.
    Command(String),
    /// Its output holds this text.
    Log(String),
}

/// What a job's work tree holds beside the files of its commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CheckoutPlan {
    /// Commits of the history that `.git` shows; `None`: all.
    #[serde(default)]
    pub depth: Option<u32>,
    /// Submodules are checked out too, and those in them.
    #[serde(default)]
    pub submodules: bool,
}

/// What each step of a job may use at most; `None` is the server's own limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Resources {
    /// Thousandths of a processor.
    pub cpu_millis: Option<u64>,
    pub memory_bytes: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u32>,
}

/// The network that a step has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// The job's.
    #[default]
    Default,
    /// None at all, not even the job's.
    None,
}

/// What is kept from one run to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CachePlan {
    pub key: Text,
    /// Absolute, or relative to the work tree.
    pub paths: Vec<String>,
    /// Beginnings of keys that will do when there is no cache of this very key, best first.
    pub restore: Vec<Text>,
}

/// Files that a step leaves to the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactsPlan {
    /// Globs, relative to the work tree.
    pub paths: Vec<String>,
    /// `None`: the server's default.
    pub expire_ms: Option<u64>,
    /// It is a failure when no file matches.
    pub required: bool,
}
