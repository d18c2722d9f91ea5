//! The plan: a pipeline for one trigger, frozen. Stored with the run, so a later Gantry must still read an earlier one's.
//!
//! **Invariants:** every index in `needs` is within bounds and the graphs have no cycle; names are unique within their list; a plan has at least
//! one job and every job at least one step; `image` is there for every step unless the executor is the host.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::parts::{
    Approval, ArtifactsPlan, CachePlan, Cell, CheckoutPlan, Concurrency, InputValue, Network, Pull, Resources, ServicePlan,
};
use crate::base::{JobIx, StepIx};

/// The pipeline for this trigger: a frozen graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// `name`, or the file's stem.
    pub name: String,
    /// Path of the file in the repository.
    pub file: String,
    pub jobs: Vec<JobPlan>,
    /// What `on.manual.inputs` declares, with the values given or their defaults.
    #[serde(default)]
    pub inputs: BTreeMap<String, InputValue>,
    #[serde(default)]
    pub concurrency: Option<Concurrency>,
}

/// One job: its own workspace and network; its steps form a graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobPlan {
    pub name: String,
    /// Jobs that must have ended before this one starts.
    pub needs: Vec<JobIx>,
    pub when: When,
    /// The sentence that says why `if` does not want this job; `None` when it does, or when that is known only later.
    pub skip: Option<String>,
    /// An `if` that looks at what other jobs did: decided when they have ended.
    #[serde(default)]
    pub condition: Option<Late>,
    pub timeout_ms: u64,
    /// A job that fails ends as a warning.
    pub allow_failure: bool,
    /// Labels that an engine must have; empty is any.
    #[serde(default)]
    pub runs_on: Vec<String>,
    #[serde(default)]
    pub matrix: Option<Cell>,
    #[serde(default)]
    pub services: Vec<ServicePlan>,
    #[serde(default)]
    pub resources: Resources,
    #[serde(default)]
    pub checkout: CheckoutPlan,
    #[serde(default)]
    pub approval: Option<Approval>,
    #[serde(default)]
    pub environment: Option<Text>,
    #[serde(default)]
    pub concurrency: Option<Concurrency>,
    /// What jobs that need this one may read.
    #[serde(default)]
    pub outputs: BTreeMap<String, Text>,
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
    /// The sentence that says why `if` does not want this step; `None` when it does, or when that is known only later.
    pub skip: Option<String>,
    /// An `if` that looks at what other steps or jobs did: decided when they have ended.
    #[serde(default)]
    pub condition: Option<Late>,
    /// Reference of the image, as written; `None` only when no executor needs one.
    pub image: Option<Text>,
    /// `None`: as the server is set up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<Pull>,
    pub action: Action,
    /// Pipeline, job and step `env` merged, the nearer one winning, and `with` as `PLUGIN_…`. Gantry's own variables come on top at the start.
    pub env: BTreeMap<String, Text>,
    /// Variable → name of the secret.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    #[serde(default)]
    pub network: Network,
    #[serde(default)]
    pub cache: Vec<CachePlan>,
    #[serde(default)]
    pub artifacts: Option<ArtifactsPlan>,
    /// Globs of JUnit files, relative to the work tree.
    #[serde(default)]
    pub junit: Vec<String>,
    /// `None`: only the job's timeout holds.
    pub timeout_ms: Option<u64>,
    pub retry: Retry,
    pub allow_failure: AllowFailure,
}

/// Text whose value the plan knows, or that waits for what the run will tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    Fixed(String),
    /// With `${{ }}` that name outputs, outcomes or the run itself.
    Late(Late),
}

/// An expression, or a text with `${{ }}` in it, that can be evaluated only while the run is under way. Checked when the plan was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Late {
    pub late: String,
    /// What the plan knew of it: the variables (`env.NAME`) and whole expressions in it, as they are written.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub known: BTreeMap<String, Text>,
}

impl Late {
    /// One of which the plan knew nothing.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { late: text.into(), known: BTreeMap::new() }
    }
}

impl Text {
    /// The value, if the plan knows it.
    #[must_use]
    pub fn fixed(&self) -> Option<&str> {
        match self {
            Text::Fixed(text) => Some(text),
            Text::Late(_) => None,
        }
    }

    /// As people may see it: the value, or what was written.
    #[must_use]
    pub fn shown(&self) -> &str {
        match self {
            Text::Fixed(text) => text,
            Text::Late(late) => &late.late,
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text::Fixed(text.to_owned())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text::Fixed(text)
    }
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
    /// One with nothing beside its jobs; none of them: of a file that is not valid.
    #[must_use]
    pub fn new(name: impl Into<String>, file: impl Into<String>, jobs: Vec<JobPlan>) -> Self {
        Self { name: name.into(), file: file.into(), jobs, inputs: BTreeMap::new(), concurrency: None }
    }

    /// The job of that name, with its position.
    #[must_use]
    pub fn job_named(&self, name: &str) -> Option<(JobIx, &JobPlan)> {
        (0..).zip(&self.jobs).find(|(_, job)| job.name == name)
    }
}

impl JobPlan {
    /// One that only has steps.
    #[must_use]
    pub fn new(name: impl Into<String>, steps: Vec<StepPlan>) -> Self {
        Self {
            name: name.into(),
            needs: Vec::new(),
            when: When::default(),
            skip: None,
            condition: None,
            timeout_ms: crate::base::limits::JOB_TIMEOUT_MS,
            allow_failure: false,
            runs_on: Vec::new(),
            matrix: None,
            services: Vec::new(),
            resources: Resources::default(),
            checkout: CheckoutPlan::default(),
            approval: None,
            environment: None,
            concurrency: None,
            outputs: BTreeMap::new(),
            steps,
        }
    }

    /// The step of that name, with its position.
    #[must_use]
    pub fn step_named(&self, name: &str) -> Option<(StepIx, &StepPlan)> {
        (0..).zip(&self.steps).find(|(_, step)| step.name == name)
    }
}

impl StepPlan {
    /// One that needs nothing and only acts.
    #[must_use]
    pub fn new(name: impl Into<String>, action: Action) -> Self {
        Self {
            name: name.into(),
            needs: Vec::new(),
            need: Need::Explicit,
            when: When::default(),
            skip: None,
            condition: None,
            image: None,
            pull: None,
            action,
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
            network: Network::default(),
            cache: Vec::new(),
            artifacts: None,
            junit: Vec::new(),
            timeout_ms: None,
            retry: Retry::default(),
            allow_failure: AllowFailure::No,
        }
    }
}
