//! Where things are in the data directory. **Invariant:** every path is made of ids, never of names that users chose.

use std::path::{Path, PathBuf};

use crate::base::{JobKey, RepoId};
use crate::executor::{JobDirs, Layers};

/// The data directory.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// `root` must be absolute: containers mount what is in it.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The bare mirror of a repository.
    #[must_use]
    pub fn mirror(&self, repo: &RepoId) -> PathBuf {
        self.root.join("mirrors").join(format!("{repo}.git"))
    }

    /// What seals the secrets.
    #[must_use]
    pub fn secret_key(&self) -> PathBuf {
        self.root.join("secret.key")
    }

    /// Contents of artifacts and caches, unless they are elsewhere.
    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    /// All workspaces.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// Work trees that are kept for jobs to stand on.
    #[must_use]
    pub fn bases(&self) -> PathBuf {
        self.root.join("bases")
    }

    /// Everything of a job.
    #[must_use]
    pub fn job_root(&self, key: &JobKey) -> PathBuf {
        self.work().join(key.to_string())
    }

    /// A job's directories; `shared` is what its steps may read besides, `base` the kept work tree that it stands on, if it does.
    #[must_use]
    pub fn job(&self, key: &JobKey, shared: Vec<PathBuf>, base: Option<PathBuf>) -> JobDirs {
        let root = self.job_root(key);
        let layers = base.map(|base| Layers { base, upper: root.join("upper"), work: root.join("overlay") });
        JobDirs { workspace: root.join("workspace"), shared, layers, root }
    }
}
