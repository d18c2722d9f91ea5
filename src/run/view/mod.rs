//! A run as people and programs see it: the JSON of the API, and what the pages show. Made from the state, holds nothing of its own.
//!
//! Here is what it looks like; `make` makes it, `seen` finds the sentences, `beside` is what stands beside jobs and steps,
//! `pulling` what a run waits for that is in no state, `facts` what is
//! known in numbers.

mod beside;
mod facts;
mod make;
mod pulling;
mod seen;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::base::Timestamp;
use crate::pipeline::{Policy, Problem};

use super::{Outcome, TestSummary, Values};

pub use facts::{Times, Usage};
pub use make::view;
pub use pulling::view_pulling;

/// The JSON of `GET /api/v1/runs/{id}`. Times are Unix milliseconds; `outcome` is null until done; `reason` is the sentence that explains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunView {
    pub id: String,
    pub number: u64,
    pub repo: String,
    pub pipeline: String,
    pub event: &'static str,
    pub branch: String,
    pub tag: Option<String>,
    pub commit: String,
    pub message: String,
    pub author: String,
    /// `queued`, `running` or `ended`.
    pub state: &'static str,
    pub outcome: Option<Outcome>,
    pub reason: String,
    /// Why the run was made.
    pub because: String,
    pub queued_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// It was told to stop and has not ended yet.
    pub stopping: bool,
    pub problems: Vec<Problem>,
    /// `None` when no step left reports. Not of the state: whoever has the store fills it in.
    pub tests: Option<TestSummary>,
    /// Values of the inputs that the pipeline declares: texts, numbers, booleans.
    pub inputs: BTreeMap<String, Value>,
    pub concurrency: Option<ConcurrencyView>,
    pub jobs: Vec<JobView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobView {
    pub name: String,
    /// `waiting`, `preparing`, `running` or `ended`.
    pub state: &'static str,
    pub outcome: Option<Outcome>,
    pub reason: String,
    pub needs: Vec<String>,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// The combination that this job is; empty without a matrix.
    pub matrix: BTreeMap<String, String>,
    /// What it works on, such as `production`; `null` while that is not known.
    pub environment: Option<String>,
    pub approval: Option<ApprovalView>,
    pub concurrency: Option<ConcurrencyView>,
    /// What it left to the jobs that need it.
    pub outputs: Values,
    /// The run in which it ran, if that is another one.
    pub taken_from: Option<TakenView>,
    /// The engine that it is or was on; `null` before it is given one.
    pub engine: Option<String>,
    /// It failed, and its work tree is kept until then. Whoever has the disk says whether it is still there.
    pub kept_until: Option<Timestamp>,
    pub services: Vec<ServiceView>,
    /// Once it has ended; `null` when it never began.
    pub times: Option<Times>,
    pub steps: Vec<StepView>,
}

/// A sidecar of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceView {
    pub name: String,
    pub image: String,
}

/// What someone must say yes to, or has answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApprovalView {
    /// As written, until what it is made of is known.
    pub message: Option<String>,
    /// Who may answer; empty is everyone.
    pub by: Vec<String>,
    /// It is asked now.
    pub asked: bool,
    /// When the question ends by itself.
    pub until: Option<Timestamp>,
    pub decision: Option<DecisionView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DecisionView {
    pub approved: bool,
    pub by: String,
    pub at: Timestamp,
}

/// The group in which a run or job is alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConcurrencyView {
    pub group: String,
    /// `queue`, `cancel-running` or `cancel-pending`.
    pub policy: Policy,
    /// Number of the run that it waits for.
    pub waits_for: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepView {
    pub name: String,
    pub image: Option<String>,
    /// `waiting`, `starting`, `running`, `stopping`, `backoff` or `ended`.
    pub state: &'static str,
    pub outcome: Option<Outcome>,
    pub exit_code: Option<i32>,
    pub reason: String,
    pub needs: Vec<String>,
    /// The latest attempt; 0 before the first.
    pub attempt: u32,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// What the image's name stood for: `name@sha256:…`, or the engine's own `sha256:…`.
    pub image_digest: Option<String>,
    /// Once it has ended; `null` when it never ran.
    pub times: Option<Times>,
    pub usage: Option<Usage>,
    /// The run in which it ran, if that is another one: its log is there.
    pub taken_from: Option<TakenView>,
}

/// An older run from which something was taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TakenView {
    pub id: String,
    pub number: u64,
}
