//! The checked pipeline: all that can be known without a trigger.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base::{JobIx, StepIx};
use crate::pipeline::expr::{Expression, Template};
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
    pub jobs: Vec<Job>,
}

/// Which triggers are wanted. A person's own is always.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct On {
    pub push: Option<Filter>,
    pub tag: Option<Filter>,
    /// Checked, and not yet triggered by anything.
    pub pull_request: Option<Filter>,
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
}

#[derive(Debug)]
pub(in crate::pipeline) struct Job {
    pub name: String,
    pub needs: Vec<JobIx>,
    pub when: When,
    pub condition: Option<Expression>,
    pub timeout_ms: Option<u64>,
    pub allow_failure: bool,
    pub steps: Vec<Step>,
}

#[derive(Debug)]
pub(in crate::pipeline) struct Step {
    pub name: String,
    /// Where a problem of the step as a whole is shown: its first key, or its command.
    pub span: Span,
    pub needs: Vec<StepIx>,
    pub need: Need,
    pub when: When,
    pub condition: Option<Expression>,
    pub image: Option<Rc<Template>>,
    pub action: Action,
    pub envs: Envs,
    pub timeout_ms: Option<u64>,
    pub retry: Retry,
    pub allow_failure: AllowFailure,
}
