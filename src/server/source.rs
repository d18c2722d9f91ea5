//! Where a workspace's content comes from: the mirror of a watched repository, or the work tree that `gantry run` stands in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::git::{self, Checkout, Mirror, WorkTree};
use crate::run::Run;

use super::Layout;

/// Where the content comes from.
#[derive(Clone)]
pub enum Source {
    Mirrors(Layout),
    WorkTree(Arc<WorkTree>),
}

impl Source {
    /// Puts the run's commit into `workspace`, which is made anew. Blocking.
    pub(super) fn fill(&self, run: &Run, url: &str, workspace: &Path) -> Result<(), git::Error> {
        match self {
            Source::Mirrors(layout) => {
                let trigger = &run.trigger;
                let branch = (!trigger.branch.is_empty()).then(|| trigger.branch.clone());
                let at = Checkout { commit: trigger.commit.clone(), branch, url: url.to_owned() };
                Mirror::open(&layout.mirror(&run.repo))?.checkout(&at, workspace)
            }
            Source::WorkTree(work_tree) => {
                for note in work_tree.copy_into(workspace)? {
                    tracing::warn!("{note}");
                }
                Ok(())
            }
        }
    }

    /// Directories that steps must see under the same path: the objects that the workspace's `.git` borrows.
    pub(super) fn shared(&self, run: &Run) -> Vec<PathBuf> {
        match self {
            Source::Mirrors(layout) => vec![layout.mirror(&run.repo).join("objects")],
            Source::WorkTree(work_tree) => work_tree.objects_dir().into_iter().collect(),
        }
    }
}
