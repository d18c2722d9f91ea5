//! The user's own checkout, for `gantry run`. **Invariant:** it is only read: not a byte of it, its index and its refs included, changes.

use std::path::{Path, PathBuf};

use git2::{ErrorCode, Repository};

use super::files::{self, PipelineFile};
use super::{Commit, Error, library};

/// A Git work tree of the user. Opened anew at each call.
#[derive(Debug, Clone)]
pub struct WorkTree {
    root: PathBuf,
}

impl WorkTree {
    /// The work tree that `dir` is in.
    ///
    /// # Errors
    /// [`Error::NotAWorkTree`], also in a bare repository.
    pub fn discover(dir: &Path) -> Result<Self, Error> {
        library::ready()?;
        let none = || Error::NotAWorkTree { dir: dir.to_owned() };
        let repository = Repository::discover(dir).map_err(|error| match error.code() {
            ErrorCode::NotFound => none(),
            _ => Error::work_tree(dir)(error),
        })?;
        let root = repository.workdir().ok_or_else(none)?;
        Ok(Self { root: root.canonicalize().map_err(Error::io("find the directory", root))? })
    }

    /// Its top, absolute.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Short name of the current branch, also before its first commit; none when HEAD is detached.
    #[must_use]
    pub fn branch(&self) -> Option<String> {
        self.branch_that("HEAD", "refs/heads/")
    }

    /// The commit that HEAD is at; none before the first one.
    #[must_use]
    pub fn head(&self) -> Option<Commit> {
        let repository = self.repository().ok()?;
        let head = repository.head().ok()?;
        head.peel_to_commit().ok().map(|commit| Commit::of(&commit))
    }

    /// What `origin` takes for its default branch; else `main` or `master` if there is such a branch; else the current one.
    #[must_use]
    pub fn default_branch(&self) -> Option<String> {
        let local = |name: &&str| {
            let found = self.repository().and_then(|repository| {
                repository.find_reference(&format!("refs/heads/{name}")).map(drop).map_err(Error::work_tree(&self.root))
            });
            found.is_ok()
        };
        self.branch_that("refs/remotes/origin/HEAD", "refs/remotes/origin/")
            .or_else(|| ["main", "master"].into_iter().find(local).map(str::to_owned))
            .or_else(|| self.branch())
    }

    /// The URL of `origin` without secrets, if there is one that Gantry understands.
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        let repository = self.repository().ok()?;
        let remote = repository.find_remote("origin").ok()?;
        super::address::Address::read(remote.url().ok()?).ok().map(|address| address.shown)
    }

    /// The pipeline files as they lie there now, committed or not, sorted by path.
    ///
    /// # Errors
    /// As [`super::Mirror::pipeline_files`].
    pub fn pipeline_files(&self) -> Result<Vec<PipelineFile>, Error> {
        files::on_disk(&self.root)
    }

    /// The repository's objects, absolute: copies borrow from here. A linked work tree has its main one's.
    ///
    /// # Errors
    /// The repository is not readable any more.
    pub fn objects_dir(&self) -> Result<PathBuf, Error> {
        let dir = self.repository()?.commondir().join("objects");
        dir.canonicalize().map_err(Error::io("find the directory", &dir))
    }

    pub(super) fn repository(&self) -> Result<Repository, Error> {
        Repository::open(&self.root).map_err(Error::work_tree(&self.root))
    }

    fn branch_that(&self, symbolic: &str, prefix: &str) -> Option<String> {
        let repository = self.repository().ok()?;
        let reference = repository.find_reference(symbolic).ok()?;
        reference.symbolic_target().ok().flatten()?.strip_prefix(prefix).map(str::to_owned)
    }
}
