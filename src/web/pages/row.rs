//! One run in a list.

use super::face::Face;
use super::moment::{Ago, Took};
use crate::base::Timestamp;
use crate::store::RunSummary;

/// One run in a list, ready to be shown.
pub(super) struct Row {
    pub run: RunSummary,
    pub face: Face,
    pub queued: Ago,
    pub took: Took,
}

impl Row {
    pub(super) fn new(run: RunSummary, now: Timestamp) -> Self {
        let face = Face::of(&run.state, run.outcome);
        let queued = Ago { at: run.queued_at, now };
        let took = Took { from: run.started_at, to: run.ended_at, now };
        Self { run, face, queued, took }
    }

    /// The message's first line.
    pub(super) fn title(&self) -> &str {
        first_line(&self.run.message)
    }

    /// Branch, or tag.
    pub(super) fn reference(&self) -> &str {
        self.run.tag.as_deref().unwrap_or(&self.run.branch)
    }

    pub(super) fn short_commit(&self) -> &str {
        short(&self.run.commit)
    }

    /// Shown where it says more than the state's word does.
    pub(super) fn reason(&self) -> Option<&str> {
        Some(self.run.reason.as_str())
            .filter(|_| self.face.class != "passed")
            .filter(|reason| !reason.is_empty() && *reason != self.face.word)
    }
}

/// The first line of a message; a message of nothing still needs something to click on.
pub(super) fn first_line(message: &str) -> &str {
    message.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("(no message)")
}

/// The first eight characters of a commit's id.
pub(super) fn short(commit: &str) -> &str {
    commit.get(..8).unwrap_or(commit)
}

/// The author's name, without the address.
pub(super) fn name_of(author: &str) -> &str {
    author.split_once('<').map_or(author, |(name, _)| name).trim()
}
