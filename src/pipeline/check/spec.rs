//! The checked pipeline: all that can be known without a trigger.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base::{JobIx, StepIx};
use crate::pipeline::expr::{Expression, Template};
use crate::pipeline::parts::{ArtifactsPlan, CheckoutPlan, InputValue, Network, Policy, Pull, Ready, Resources};
use crate::pipeline::pattern::Pattern;
use crate::pipeline::plan::{Action, AllowFailure, Need, Retry, When};
use crate::pipeline::yaml::Span;

/// The variables of one `env` and their values.
pub(in crate::pipeline) type Env = BTreeMap<String, Template>;

/// What a step inherits and adds, the nearest `env` last: merged only in the plan, where its size is watched.
pub(in crate::pipeline) type Envs = Vec<Rc<Env>>;

/// A pipeline without problems: names are unique, needs are positions, graphs have no cycle.
#[derive(Debug)]
pub(in crate::pipeline) struct Pipeline {
    pub name: String,
    pub on: On,
    /// The pipeline's own `env`: what its own keys see.
    pub envs: Envs,
    pub concurrency: Option<Concurrency>,
    pub jobs: Vec<Job>,
}

/// Which triggers are wanted. A person's own is always.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct On {
    pub push: Option<Commits>,
    pub tag: Option<Filter>,
    pub pull_request: Option<Commits>,
    pub cron: Vec<Schedule>,
    pub inputs: Vec<Input>,
}

/// Which pushes, or which pull requests: by branch (of a pull request, the one it is meant for) and by the paths that were changed.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct Commits {
    pub branches: Filter,
    pub paths: Filter,
}

/// One entry of `on.cron`.
#[derive(Debug)]
pub struct Schedule {
    pub name: String,
    /// Five fields, as written; known to be readable.
    pub expression: String,
    /// An IANA name that is known; `UTC` when none was written.
    pub timezone: String,
}

/// One entry of `on.manual.inputs`.
#[derive(Debug)]
pub struct Input {
    pub name: String,
    pub kind: InputKind,
    /// Fits the kind.
    pub default: Option<InputValue>,
    pub description: String,
    /// Someone who starts it by hand must give a value.
    pub required: bool,
}

/// `type` of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputKind {
    String,
    Number,
    Boolean,
    /// At least one option.
    Choice(Vec<String>),
}

/// `concurrency`.
#[derive(Debug)]
pub(in crate::pipeline) struct Concurrency {
    pub group: Template,
    pub policy: Policy,
}

/// Names that are wanted: those that an `include` matches (all, when there is none) and no `exclude`.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct Filter {
    pub include: Option<Vec<Pattern>>,
    pub exclude: Vec<Pattern>,
}

/// What steps have that do not say otherwise.
#[derive(Debug, Default, Clone)]
pub(in crate::pipeline) struct Defaults {
    pub image: Option<Rc<Template>>,
    pub timeout_ms: Option<u64>,
    pub retry: Option<Retry>,
    pub shell: Option<Shell>,
    pub network: Option<Network>,
    pub pull: Option<Pull>,
}

/// `shell`.
#[derive(Debug, Clone)]
pub(in crate::pipeline) struct Shell {
    /// The path of the script is appended.
    pub argv: Vec<String>,
    /// It is `sh` or `bash`, so that a list of commands can be made into one script.
    pub is_posix: bool,
}

#[derive(Debug)]
pub(in crate::pipeline) struct Job {
    pub name: String,
    pub needs: Vec<JobIx>,
    pub when: When,
    pub condition: Option<Expression>,
    pub timeout_ms: Option<u64>,
    pub allow_failure: bool,
    /// Where a problem of the job as a whole is shown: its name.
    pub span: Span,
    /// The pipeline's and its own `env`: what its own keys see and its steps begin theirs with.
    pub envs: Envs,
    /// Labels that an engine must have.
    pub runs_on: Vec<String>,
    pub matrix: Option<Matrix>,
    /// Nothing was wrong with the matrix.
    pub axes_are_known: bool,
    pub services: Vec<Service>,
    pub resources: Resources,
    pub checkout: CheckoutPlan,
    pub approval: Option<Approval>,
    pub environment: Option<Template>,
    pub concurrency: Option<Concurrency>,
    pub outputs: Vec<(String, Template)>,
    pub steps: Vec<Step>,
}

/// `matrix`: at least one axis or `include`, at most `limits::MATRIX_PRODUCT` combinations of the axes; whether one is left after `exclude`, the planner
/// tells.
#[derive(Debug)]
pub(in crate::pipeline) struct Matrix {
    /// In the order written; each has at least one value, as text.
    pub axes: Vec<(String, Vec<String>)>,
    /// Each names axes and values that are there.
    pub exclude: Vec<Values>,
    pub include: Vec<Values>,
    pub fail_fast: bool,
    pub max_parallel: Option<u32>,
    /// Where a problem with the matrix as a whole is shown: its key.
    pub span: Span,
}

/// Axes with one value each, in the order written.
pub(in crate::pipeline) type Values = Vec<(String, String)>;

/// One of `services`.
#[derive(Debug)]
pub(in crate::pipeline) struct Service {
    pub name: String,
    pub image: Template,
    pub pull: Option<Pull>,
    pub env: Rc<Env>,
    pub command: Option<Vec<String>>,
    pub ready: Ready,
    pub ready_timeout_ms: u64,
}

/// `approval`.
#[derive(Debug)]
pub(in crate::pipeline) struct Approval {
    pub message: Option<Template>,
    pub by: Vec<String>,
    pub timeout_ms: Option<u64>,
}

/// One of a step's `cache`.
#[derive(Debug)]
pub(in crate::pipeline) struct Cache {
    pub key: Template,
    pub paths: Vec<String>,
    pub restore: Vec<Template>,
}

/// A value of `with`: text, or what becomes JSON.
#[derive(Debug)]
pub(in crate::pipeline) enum Setting {
    Text(Template),
    Nested(Nested),
}

/// A list or map of `with`, with everything in it.
#[derive(Debug)]
pub(in crate::pipeline) enum Nested {
    Null,
    Bool(bool),
    /// A number as JSON writes it.
    Number(String),
    Text(Template),
    List(Vec<Nested>),
    Map(Vec<(String, Nested)>),
}

#[derive(Debug)]
pub(in crate::pipeline) struct Step {
    /// As written: what `needs` says.
    pub name: String,
    /// What it becomes in the plan, when there is a `${{ }}` in it.
    pub title: Option<Template>,
    /// Where a problem of the step as a whole is shown: its first key, or its command.
    pub span: Span,
    pub needs: Vec<StepIx>,
    pub need: Need,
    pub when: When,
    pub condition: Option<Expression>,
    pub image: Option<Rc<Template>>,
    pub pull: Option<Pull>,
    pub action: Action,
    pub envs: Envs,
    /// The variable (`PLUGIN_…`) and its value.
    pub settings: Vec<(String, Setting)>,
    /// Variable → name of the secret.
    pub secrets: BTreeMap<String, String>,
    pub network: Network,
    pub cache: Vec<Cache>,
    pub artifacts: Option<ArtifactsPlan>,
    /// Globs of `reports.junit`.
    pub junit: Vec<String>,
    pub timeout_ms: Option<u64>,
    pub retry: Retry,
    pub allow_failure: AllowFailure,
}
