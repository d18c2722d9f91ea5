//! What asked for a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The kind of trigger, as `on`, `if` and `CI_EVENT` name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Push,
    Tag,
    /// A change that is proposed for a branch.
    PullRequest,
    /// A schedule of a file of the default branch.
    Cron,
    /// A person asked for it, by page, command line or API.
    Manual,
}

impl Event {
    /// The word in pipelines, JSON and `CI_EVENT`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Event::Push => "push",
            Event::Tag => "tag",
            Event::PullRequest => "pull_request",
            Event::Cron => "cron",
            Event::Manual => "manual",
        }
    }
}

/// What asks for a run: facts about the commit, read from Git itself, never from a payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    pub event: Event,
    /// Short name; empty for a tag.
    pub branch: String,
    /// Short name, for a tag.
    pub tag: Option<String>,
    /// Full hexadecimal object id.
    pub commit: String,
    /// The commit's whole message.
    pub message: String,
    /// `Name <email>` as the commit claims. For showing only, never for deciding.
    pub author: String,
    pub default_branch: String,
    /// The repository's name in Gantry; the directory's name for `gantry run`.
    #[serde(default)]
    pub repo: String,
    /// Where it is fetched from, without credentials; empty where there is no remote.
    #[serde(default)]
    pub url: String,
    /// Why this trigger came, as a sentence: `main moved from 1a2b3c4 to 5d6e7f8`.
    pub because: String,
    /// The values that someone gave to the inputs, as text.
    #[serde(default)]
    pub inputs: BTreeMap<String, String>,
    /// The name of the schedule, for a cron trigger.
    #[serde(default)]
    pub schedule: Option<String>,
    #[serde(default)]
    pub pull_request: Option<PullRequest>,
}

/// A change that is proposed: facts that the forge vouches for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequest {
    pub number: u64,
    pub title: String,
    /// The account that proposed it, by the forge's word.
    pub author: String,
    /// The branch that it comes from.
    pub source: String,
    /// The branch that it is meant for.
    pub target: String,
    /// It comes from another repository.
    pub fork: bool,
}
