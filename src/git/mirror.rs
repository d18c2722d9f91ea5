//! A bare mirror: a cache of one remote on this machine. **Invariants:** its directory belongs to Gantry alone, it is whole at every moment
//! (made aside and put in place by one rename), and objects once fetched stay, so that running jobs that borrow them are never disturbed.

use std::fs;
use std::path::{Path, PathBuf};

use git2::{ErrorCode, Oid, Repository, RepositoryInitOptions};

use super::error::told;
use super::{Error, directory, library};
use crate::base::Timestamp;

/// A bare mirror. Cheap to make; each call opens the repository anew, so one value may be used by many threads.
#[derive(Debug, Clone)]
pub struct Mirror {
    /// Absolute.
    pub(super) dir: PathBuf,
}

/// What a commit says about itself. Nothing in it is proven: for showing only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Full hexadecimal object id.
    pub id: String,
    /// The whole message, as UTF-8 with replacements.
    pub message: String,
    /// `Name <email>`.
    pub author: String,
    /// When it was committed.
    pub at: Timestamp,
}

impl Mirror {
    /// Opens the mirror at `dir`; makes an empty one when there is nothing yet.
    ///
    /// # Errors
    /// What is there is not a repository ([`Error::Damaged`]), or the directory cannot be made.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        library::ready()?;
        let fresh = match fs::read_dir(dir) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
            Err(error) => return Err(Error::io("read the directory", dir)(error)),
        };
        if fresh {
            make(dir)?;
        }
        let mirror = Self { dir: dir.canonicalize().map_err(Error::io("find the directory", dir))? };
        mirror.repository().map(drop)?;
        Ok(mirror)
    }

    /// The commit `id`.
    ///
    /// # Errors
    /// [`Error::NoCommit`], or the mirror is damaged.
    pub fn commit(&self, id: &str) -> Result<Commit, Error> {
        let repository = self.repository()?;
        self.find(&repository, id).map(|commit| Commit::of(&commit))
    }

    /// Whether `old` is `new` or one of its ancestors. False when `old` is not in the mirror (any more): then history was rewritten, or forgotten.
    ///
    /// # Errors
    /// [`Error::NoCommit`] for `new`, or the mirror is damaged.
    pub fn is_ancestor(&self, old: &str, new: &str) -> Result<bool, Error> {
        let repository = self.repository()?;
        let new = self.find(&repository, new)?.id();
        match self.find(&repository, old) {
            Ok(old) if old.id() == new => Ok(true),
            Ok(old) => repository.graph_descendant_of(new, old.id()).map_err(Error::damaged(&self.dir)),
            Err(Error::NoCommit { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The mirror's objects, absolute: work trees made of it borrow from here, so it must be visible at the same path where they are used.
    #[must_use]
    pub fn objects_dir(&self) -> PathBuf {
        self.dir.join("objects")
    }

    pub(super) fn repository(&self) -> Result<Repository, Error> {
        Repository::open_bare(&self.dir).map_err(Error::damaged(&self.dir))
    }

    /// The commit with this full id; a name or an abbreviation is not taken.
    pub(super) fn find<'r>(&self, repository: &'r Repository, id: &str) -> Result<git2::Commit<'r>, Error> {
        let none = || Error::NoCommit { id: told(id) };
        let oid = Oid::from_str(id).ok().filter(|oid| oid.to_string() == id).ok_or_else(none)?;
        repository.find_commit(oid).map_err(|error| match error.code() {
            ErrorCode::NotFound | ErrorCode::InvalidSpec => none(),
            _ => Error::damaged(&self.dir)(error),
        })
    }
}

impl Commit {
    pub(super) fn of(commit: &git2::Commit<'_>) -> Self {
        let author = commit.author();
        let lossy = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Self {
            id: commit.id().to_string(),
            message: lossy(commit.message_bytes()),
            author: format!("{} <{}>", lossy(author.name_bytes()), lossy(author.email_bytes())),
            at: Timestamp(commit.time().seconds().saturating_mul(1_000)),
        }
    }
}

/// Makes an empty mirror beside `dir` and puts it in place; if another call was faster, its mirror stays.
fn make(dir: &Path) -> Result<(), Error> {
    let parent = dir
        .parent()
        .ok_or_else(|| Error::Damaged { dir: dir.to_owned(), why: "a mirror cannot be the root directory".to_owned() })?;
    fs::create_dir_all(parent).map_err(Error::io("make the directory", parent))?;
    let aside =
        tempfile::Builder::new().prefix(".new-mirror-").tempdir_in(parent).map_err(Error::io("make a directory in", parent))?;
    let mut options = RepositoryInitOptions::new();
    // No template: no hooks, no description, nothing that is not ours.
    options.bare(true).external_template(false).no_reinit(true);
    let made = Repository::init_opts(aside.path(), &options).and_then(|repository| {
        let mut config = repository.config()?;
        // A power cut must not leave refs to objects that never reached the disk.
        config.set_bool("core.fsyncObjectFiles", true)?;
        // A second lock behind the option given at each fetch: credentials do not travel.
        config.set_bool("http.followRedirects", false)
    });
    made.map_err(Error::damaged(dir))?;
    // The library puts a sample there even without a template.
    directory::removed(&aside.path().join("hooks"))?;
    match fs::rename(aside.path(), dir) {
        Err(error) if error.kind() != std::io::ErrorKind::DirectoryNotEmpty => {
            Err(Error::io("put the new mirror at", dir)(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
