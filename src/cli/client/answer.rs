//! What the API answers, as far as the verbs read it. **Invariant:** unknown fields are no error, since later servers add some.

use serde::Deserialize;

use super::screen::Hue;
use crate::base::Timestamp;
use crate::pipeline::Problem;
use crate::run::{TestSummary, Times, Usage};

/// A list.
#[derive(Deserialize)]
pub(super) struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

/// A watched repository.
#[derive(Deserialize)]
pub(super) struct Repo {
    pub name: String,
    pub url: String,
    pub poll_ms: u64,
    pub status: Status,
    pub webhook: Webhook,
}

#[derive(Deserialize)]
pub(super) struct Status {
    pub ok: bool,
    pub sentence: String,
    pub at: Timestamp,
}

#[derive(Deserialize)]
pub(super) struct Webhook {
    pub path: String,
    /// Only in the answer to the repository's making.
    pub secret: Option<String>,
}

/// A secret, without its value.
#[derive(Deserialize)]
pub(super) struct SecretEntry {
    pub name: String,
    pub repo: Option<String>,
    pub events: Vec<String>,
    pub branches: Option<Vec<String>>,
    pub updated_at: Timestamp,
}

/// What a refusal holds (RFC 9457).
#[derive(Deserialize)]
pub(super) struct ProblemDocument {
    pub detail: String,
    pub request_id: Option<String>,
}

/// A file that a job kept.
#[derive(Deserialize, serde::Serialize)]
pub(super) struct Artifact {
    pub job: String,
    pub path: String,
    pub size: u64,
    pub expires_at: Timestamp,
    /// Fields that are only passed on.
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

/// An engine.
#[derive(Deserialize)]
pub(super) struct Engine {
    pub name: String,
    pub executor: String,
    pub labels: Vec<String>,
    pub slots: u32,
    pub jobs: u32,
    pub answers: bool,
    pub sentence: String,
}

/// A kept cache.
#[derive(Deserialize)]
pub(super) struct Cache {
    pub id: String,
    pub scope: String,
    pub key: String,
    pub stored: u64,
    pub made_at: Timestamp,
    pub used_at: Timestamp,
}

/// A new run's id.
#[derive(Deserialize)]
pub(super) struct Made {
    pub id: String,
}

/// A run; in lists without jobs and problems.
#[derive(Deserialize)]
pub(super) struct Run {
    pub id: String,
    pub number: u64,
    pub repo: String,
    pub pipeline: String,
    pub event: String,
    pub branch: String,
    pub tag: Option<String>,
    pub commit: String,
    pub message: String,
    pub author: String,
    pub state: String,
    pub outcome: Option<String>,
    pub reason: String,
    #[serde(default)]
    pub because: String,
    #[serde(default)]
    pub stopping: bool,
    pub queued_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    #[serde(default)]
    pub problems: Vec<Problem>,
    #[serde(default)]
    pub tests: Option<TestSummary>,
    #[serde(default)]
    pub jobs: Vec<Job>,
}

#[derive(Deserialize)]
pub(super) struct Job {
    pub name: String,
    pub state: String,
    pub outcome: Option<String>,
    pub reason: String,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    #[serde(default)]
    pub times: Option<Times>,
    #[serde(default)]
    pub kept_until: Option<Timestamp>,
    pub steps: Vec<Step>,
}

#[derive(Deserialize)]
pub(super) struct Step {
    pub name: String,
    pub state: String,
    pub outcome: Option<String>,
    pub reason: String,
    /// The latest; 0 before the first.
    pub attempt: u32,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    #[serde(default)]
    pub times: Option<Times>,
    #[serde(default)]
    pub usage: Option<Usage>,
}

/// The tests of a run.
#[derive(Deserialize)]
pub(super) struct Tests {
    pub items: Vec<TestResult>,
    pub summary: Option<TestSummary>,
    #[serde(default)]
    pub problems: Vec<ReportProblem>,
}

/// One of them.
#[derive(Deserialize)]
pub(super) struct TestResult {
    pub suite: String,
    pub name: String,
    pub outcome: String,
    pub flaky: bool,
    pub duration_ms: Option<u64>,
    pub message: Option<String>,
    pub job: String,
    pub step: String,
}

/// What could not be read of a report.
#[derive(Deserialize)]
pub(super) struct ReportProblem {
    pub job: String,
    pub step: String,
    pub sentence: String,
}

/// Part of a log.
#[derive(Deserialize)]
pub(super) struct LogPage {
    pub lines: Vec<LogLine>,
    pub next: u64,
    pub end: bool,
}

#[derive(Deserialize)]
pub(super) struct LogLine {
    pub n: u64,
    pub at: i64,
    pub stream: String,
    pub text: String,
}

impl Run {
    /// `shop#12`: how people call it, and how every verb takes it.
    pub(super) fn name(&self) -> String {
        format!("{}#{}", self.repo, self.number)
    }

    pub(super) fn is_ended(&self) -> bool {
        self.state == "ended"
    }

    /// One word for how it stands.
    pub(super) fn standing(&self) -> &str {
        if self.stopping { "stopping" } else { standing(&self.state, self.outcome.as_deref()) }
    }

    /// The branch, or the tag.
    pub(super) fn reference(&self) -> &str {
        self.tag.as_deref().unwrap_or(&self.branch)
    }

    /// As much of the commit's id as people compare.
    pub(super) fn short_commit(&self) -> &str {
        self.commit.get(..8).unwrap_or(&self.commit)
    }
}

impl Step {
    /// Nothing more comes of the latest attempt.
    pub(super) fn attempt_is_over(&self) -> bool {
        matches!(self.state.as_str(), "ended" | "backoff")
    }
}

/// The outcome, or the state while there is none.
pub(super) fn standing<'a>(state: &'a str, outcome: Option<&'a str>) -> &'a str {
    outcome.unwrap_or(state)
}

/// What a state or an outcome is like.
pub(super) fn hue_of(standing: &str) -> Hue {
    match standing {
        "passed" => Hue::Good,
        "warning" | "stopping" | "backoff" => Hue::Doubtful,
        "failed" | "timed_out" | "lost" | "error" => Hue::Bad,
        "running" | "starting" | "preparing" => Hue::Live,
        _ => Hue::Quiet,
    }
}

/// Whether this outcome is a good end.
pub(super) fn is_good(outcome: Option<&str>) -> bool {
    matches!(outcome, Some("passed" | "warning"))
}

/// From start to end, or to `now`; nothing when it never started.
pub(super) fn took(started_at: Option<Timestamp>, ended_at: Option<Timestamp>, now: Timestamp) -> String {
    started_at.map(|start| crate::base::took(ended_at.unwrap_or(now).ms_since(start))).unwrap_or_default()
}
