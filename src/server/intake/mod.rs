//! From what happened to runs and notes.
//!
//! | File | What |
//! |---|---|
//! | `polled` | a fetched repository: moved refs, and the schedules of its default branch |
//! | `by_hand` | someone asks for a run |
//! | `due` | a schedule's time has come |
//! | `commit` | one commit and one reason to look at it: the trigger, what changed, its files |
//! | `files` | which pipeline files are meant, what each is given, and what it says: the same for server, `gantry plan` and `gantry run` |
//! | `made` | what the files said, as runs and notes |
//!
//! **Invariants:** ref moves, schedule moves, the runs they lead to, and the notes on what was not made are stored in one transaction, so a crash
//! neither loses nor doubles a commit; every trigger leads to a run or to a sentence; identity and content come from the fetched repository alone.

mod by_hand;
mod commit;
mod due;
mod files;
mod made;
mod polled;

pub use by_hand::ByHand;
pub(super) use by_hand::by_hand;
pub(super) use due::fire;
pub use files::{Planned, Unmeant, place, plan_files};
pub(super) use polled::poll_once;

use crate::store::NewNote;

fn note(kind: &str, sentence: String, reference: &str, commit: Option<&str>) -> NewNote {
    NewNote { kind: kind.to_owned(), sentence, reference: Some(reference.to_owned()), commit: commit.map(ToOwned::to_owned) }
}

/// `branch `main``, `tag `v1``.
fn shown(reference: &str) -> String {
    match (reference.strip_prefix("refs/heads/"), reference.strip_prefix("refs/tags/")) {
        (Some(branch), _) => format!("branch `{branch}`"),
        (_, Some(tag)) => format!("tag `{tag}`"),
        _ => format!("`{reference}`"),
    }
}

fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}
