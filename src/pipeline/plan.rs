//! The plan: a pipeline for one trigger, frozen. Stored with the run, so a later Gantry must still read an earlier one's.
//!
//! **Invariants:** every index in `needs` is within bounds and the graphs have no cycle; names are unique within their list; a plan has at least
//! one job and every job at least one step; `image` is there for every step unless the executor is the host.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::{JobIx, StepIx};

/// The pipeline for this trigger: a frozen graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// `name`, or the file's stem.
    pub name: String,
    /// Path of the file in the repository.
    pub file: String,
    pub jobs: Vec<JobPlan>,
}

/// One job: its own workspace and network; its steps form a graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobPlan {
    pub name: String,
    /// Jobs that must have ended before this one starts.
    pub needs: Vec<JobIx>,
    pub when: When,
    /// The sentence that says why `if` does not want this job; `None` when it does.
    pub skip: Option<String>,
    pub timeout_ms: u64,
    /// A job that fails ends as a warning.
    pub allow_failure: bool,
    pub steps: Vec<StepPlan>,
}

/// One step: one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepPlan {
    pub name: String,
    pub needs: Vec<StepIx>,
    /// Where `needs` comes from: an order that was not asked for is no dependency on what was skipped.
    pub need: Need,
    pub when: When,
    /// The sentence that says why `if` does not want this step; `None` when it does.
    pub skip: Option<String>,
    /// Reference of the image, as written; `None` only when no executor needs one.
    pub image: Option<String>,
    pub action: Action,
    /// Pipeline, job and step `env` merged, the nearer one winning. Gantry's own `CI_*` variables come on top at the start.
    pub env: BTreeMap<String, String>,
    /// `None`: only the job's timeout holds.
    pub timeout_ms: Option<u64>,
    pub retry: Retry,
    pub allow_failure: AllowFailure,
}

/// Whether a step's needs were written or follow from its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// `needs: [a]`: a skipped `a` skips this step too.
    Explicit,
    /// Every step listed before: one that `if` or `when` left out does not hold this one up.
    Position,
}

/// What a step's container runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// `run`: `shell` is an argument list to which the path of a file holding `text` is appended (`["/bin/sh", "-e"]` by default).
    Script { shell: Vec<String>, text: String },
    /// No `run`: the image's own entry point and command.
    EntryPoint,
}

/// On which fate of its needs something starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// All passed; a warning counts as passed.
    #[default]
    Success,
    /// At least one did not pass.
    Failure,
    /// However they ended, cancelled included.
    Always,
}

/// Which failures of a step are only a warning.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AllowFailure {
    #[default]
    No,
    Any,
    /// Only these exit codes.
    Codes(Vec<i32>),
}

/// Why an attempt did not pass, as far as `retry.when` tells causes apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Image pull, lost container, engine unreachable, out of disk: never the script's own exit.
    Infrastructure,
    /// The script's own exit.
    Failure,
    Timeout,
}

/// When a step is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Further attempts after the first; 0 is none.
    pub max: u32,
    pub when: Vec<Cause>,
    /// Not empty: a failure is tried again only with one of these exit codes.
    pub exit_codes: Vec<i32>,
    /// Wait before the second attempt; doubles with each further one.
    pub backoff_ms: u64,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max: 0,
            when: vec![Cause::Infrastructure, Cause::Failure, Cause::Timeout],
            exit_codes: Vec::new(),
            backoff_ms: crate::base::limits::RETRY_BACKOFF_MS,
        }
    }
}

impl Plan {
    /// The job of that name, with its position.
    #[must_use]
    pub fn job_named(&self, name: &str) -> Option<(JobIx, &JobPlan)> {
        (0..).zip(&self.jobs).find(|(_, job)| job.name == name)
    }
}

impl JobPlan {
    /// The step of that name, with its position.
    #[must_use]
    pub fn step_named(&self, name: &str) -> Option<(StepIx, &StepPlan)> {
        (0..).zip(&self.steps).find(|(_, step)| step.name == name)
    }
}
