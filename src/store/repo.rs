//! A watched repository, as it is kept.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::{RepoId, Timestamp};

/// A watched repository. **Invariant:** its `Debug` form never shows the webhook's secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Repo {
    pub id: RepoId,
    /// Unique among the repositories of this database.
    pub name: String,
    /// Where it is fetched from, as it was given.
    pub url: String,
    /// Between two polls.
    pub poll_ms: u64,
    /// Key of the webhook's HMAC.
    pub hook_secret: String,
    pub added_at: Timestamp,
    /// Short name; `None` until the first fetch, or when the remote has none.
    pub default_branch: Option<String>,
    pub status: RepoStatus,
}

/// How watching a repository goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepoStatus {
    pub ok: bool,
    /// One sentence for people.
    pub sentence: String,
    /// Since when it has been so.
    pub at: Timestamp,
}

impl fmt::Debug for Repo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, name, url, poll_ms, hook_secret: _, added_at, default_branch, status } = self;
        f.debug_struct("Repo")
            .field("id", id)
            .field("name", name)
            .field("url", url)
            .field("poll_ms", poll_ms)
            .field("hook_secret", &"hidden")
            .field("added_at", added_at)
            .field("default_branch", default_branch)
            .field("status", status)
            .finish()
    }
}
