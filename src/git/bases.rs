//! Kept base checkouts: work trees of commits that were made once and that jobs then stand on, each with a layer of its own above (`layer`).
//!
//! **Invariants:**
//! * A base is complete or not there: it is made aside and put in place by one rename. What a crash left aside is removed at the next start, and a base
//!   of an earlier boot of the machine, whose files may never have reached the disk, is not used.
//! * Nothing is ever written into one. Containers see it through the kernel's overlay alone, whose writes go elsewhere.
//! * None is removed while a job stands on it: the job's directory says on which, before the base is used, and goes with the job.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::checkout::Told;
use super::lay::{Access, Times};
use super::{Checkout, Error, Mirror, directory, entries, lay};
use crate::base::{Timestamp, random_hex};

/// In a base's directory: its work tree, with the `.git` that the first job had which wanted it.
const TREE: &str = "tree";
/// In a base's directory: [`About`], as JSON; its modification time is when the base was last used.
const ABOUT: &str = "about";
/// In a job's directory: the base that it stands on, as `REPO/COMMIT`.
const STANDS_ON: &str = "base";

/// All kept bases of a server.
#[derive(Debug)]
pub struct Bases {
    /// Below it `REPO/COMMIT`.
    root: PathBuf,
    /// The directories of all jobs are in it.
    jobs: PathBuf,
    /// One at a time for each repository: finds, makes, removes.
    gates: Mutex<HashMap<String, Arc<Mutex<()>>>>,
}

/// What is known of a base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct About {
    /// The boot of the machine during which it was made.
    boot: String,
    told: Told,
    /// Its files are not byte for byte those of the commit.
    converted: bool,
}

/// A base that a job may stand on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    pub commit: String,
    pub tree: PathBuf,
    pub told: Told,
    pub converted: bool,
}

/// Added to the commit in the name of a base in which everybody may write: what is in it has other modes.
const OPEN: &str = "open";

/// The name of a base.
fn key(commit: &str, access: Access) -> String {
    match access {
        Access::Owner => commit.to_owned(),
        Access::Everyone => format!("{commit}{OPEN}"),
    }
}

impl Base {
    /// Its own `.git`, of which a layer shows what it has not otherwise.
    pub fn dot_git(&self) -> PathBuf {
        self.tree.join(".git")
    }
}

impl Bases {
    /// Bases in `root`; `jobs` is where each job has its directory.
    #[must_use]
    pub fn new(root: &Path, jobs: &Path) -> Self {
        Self { root: root.to_owned(), jobs: jobs.to_owned(), gates: Mutex::default() }
    }

    /// What an earlier life of this server left half made or half removed, to be removed at leisure. To be asked before this one makes anything.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub fn leftovers(&self) -> Result<Vec<PathBuf>, Error> {
        let mut left = Vec::new();
        for repo in names(&self.root)? {
            let dir = self.root.join(&repo);
            left.extend(names(&dir)?.into_iter().filter(|name| name.starts_with('.')).map(|name| dir.join(name)));
        }
        Ok(left)
    }

    /// The base on which the job with this directory stands, if it does: its work tree.
    #[must_use]
    pub fn under(&self, job: &Path) -> Option<PathBuf> {
        let (repo, commit) = stands_on(job)?;
        Some(self.root.join(repo).join(commit).join(TREE))
    }

    /// A base of this commit, or one that is `near`, or else a new one of this commit; from now on the job with the directory `job` stands on it.
    pub(super) fn take(
        &self,
        mirror: &Mirror,
        repo: &str,
        at: &Checkout,
        job: &Path,
        now: Timestamp,
        near: impl Fn(&Base) -> Result<bool, Error>,
    ) -> Result<(Base, bool), Error> {
        let gate = self.gate(repo);
        let _one_at_a_time = held(&gate);
        let found = match self.find(repo, &key(&at.commit, at.access)) {
            Some(base) => Some(base),
            None => self.nearest(repo, at.access, near)?,
        };
        let is_new = found.is_none();
        let base = found.map_or_else(|| self.make(mirror, repo, at), Ok)?;
        let name = key(&base.commit, at.access);
        let mark = job.join(STANDS_ON);
        fs::write(&mark, format!("{repo}/{name}")).map_err(Error::io("write", &mark))?;
        self.was_used(repo, &name, now);
        Ok((base, is_new))
    }

    /// The job with this directory stands on none (any more).
    ///
    /// # Errors
    /// The mark cannot be removed.
    pub fn leave(&self, job: &Path) -> Result<(), Error> {
        directory::removed(&job.join(STANDS_ON))
    }

    /// Removes the least recently used bases until all together are no larger than `budget`; those that jobs stand on stay. Gives how many bytes went.
    ///
    /// # Errors
    /// A directory cannot be read or removed.
    pub fn evict(&self, budget: u64) -> Result<u64, Error> {
        let mut kept = Vec::new();
        for repo in names(&self.root)? {
            for commit in names(&self.root.join(&repo))?.into_iter().filter(|name| !name.starts_with('.')) {
                let about = self.root.join(&repo).join(&commit).join(ABOUT);
                let used = fs::metadata(&about).and_then(|found| found.modified()).ok();
                let bytes = self.find(&repo, &commit).map(|base| base.told.bytes);
                kept.push((used, repo.clone(), commit, bytes));
            }
        }
        kept.sort();
        let mut total: u64 = kept.iter().map(|(_, _, _, bytes)| bytes.unwrap_or(0)).sum();
        let mut gone = 0;
        for (_, repo, commit, bytes) in kept {
            // One without a size is of an earlier boot, or damaged: of no use to anyone.
            if (total > budget || bytes.is_none()) && self.remove(&repo, &commit)? {
                total -= bytes.unwrap_or(0);
                gone += bytes.unwrap_or(0);
            }
        }
        Ok(gone)
    }

    /// Removes all bases of a repository, which is not watched any more.
    ///
    /// # Errors
    /// A directory cannot be removed.
    pub fn forget(&self, repo: &str) -> Result<(), Error> {
        directory::removed(&self.root.join(repo))
    }

    /// Removes a base, unless a job stands on it. Whether it did.
    fn remove(&self, repo: &str, commit: &str) -> Result<bool, Error> {
        let aside = {
            let gate = self.gate(repo);
            let _one_at_a_time = held(&gate);
            let mark = (repo.to_owned(), commit.to_owned());
            if self.in_use()?.contains(&mark) {
                return Ok(false);
            }
            self.set_aside(repo, commit)?
        };
        directory::removed(&aside)?;
        Ok(true)
    }

    /// Takes a base out of its place, in one step.
    fn set_aside(&self, repo: &str, commit: &str) -> Result<PathBuf, Error> {
        let (place, aside) = (self.root.join(repo).join(commit), self.root.join(repo).join(format!(".gone-{}", random_hex(8))));
        fs::rename(&place, &aside).map_err(Error::io("move aside", &place))?;
        Ok(aside)
    }

    fn in_use(&self) -> Result<HashSet<(String, String)>, Error> {
        Ok(names(&self.jobs)?.iter().filter_map(|job| stands_on(&self.jobs.join(job))).collect())
    }

    fn find(&self, repo: &str, name: &str) -> Option<Base> {
        let dir = self.root.join(repo).join(name);
        let about: About = serde_json::from_slice(&fs::read(dir.join(ABOUT)).ok()?).ok()?;
        let About { boot, told, converted } = about;
        let commit = name.strip_suffix(OPEN).unwrap_or(name).to_owned();
        (boot == this_boot()).then(|| Base { commit, tree: dir.join(TREE), told, converted })
    }

    /// The most recently used base that is near enough.
    fn nearest(&self, repo: &str, access: Access, near: impl Fn(&Base) -> Result<bool, Error>) -> Result<Option<Base>, Error> {
        /// Each costs a comparison of two trees.
        const LOOKED_AT: usize = 3;
        let dir = self.root.join(repo);
        let alike = names(&dir)?.into_iter().filter(|name| name.ends_with(OPEN) == (access == Access::Everyone));
        let mut found: Vec<_> = alike.filter_map(|name| self.find(repo, &name)).collect();
        found.sort_by_cached_key(|base| {
            std::cmp::Reverse(
                fs::metadata(dir.join(key(&base.commit, access)).join(ABOUT)).and_then(|about| about.modified()).ok(),
            )
        });
        for base in found.into_iter().filter(|base| !base.converted).take(LOOKED_AT) {
            if near(&base)? {
                return Ok(Some(base));
            }
        }
        Ok(None)
    }

    /// Makes the base of a commit, which has none that can be used.
    fn make(&self, mirror: &Mirror, repo: &str, at: &Checkout) -> Result<Base, Error> {
        let name = key(&at.commit, at.access);
        let place = self.root.join(repo).join(&name);
        if fs::symlink_metadata(&place).is_ok() {
            directory::removed(&self.set_aside(repo, &name)?)?;
        }
        let dir = self.root.join(repo);
        fs::create_dir_all(&dir).map_err(Error::io("make the directory", &dir))?;
        let aside = tempfile::Builder::new().prefix(".making-").tempdir_in(&dir);
        let aside = aside.map_err(Error::io("make a directory in", &dir))?;
        let about = make_tree(mirror, at, aside.path())?;
        let text = serde_json::to_vec(&about).map_err(|error| Error::io("describe", &place)(error.into()))?;
        fs::write(aside.path().join(ABOUT), text).map_err(Error::io("write", &place))?;
        fs::rename(aside.path(), &place).map_err(Error::io("put a work tree at", &place))?;
        self.find(repo, &name).ok_or_else(|| Error::Workspace { dir: place, why: "it is gone again".to_owned() })
    }

    /// What cannot be noted only makes the base older than it is.
    fn was_used(&self, repo: &str, commit: &str, now: Timestamp) {
        let about = self.root.join(repo).join(commit).join(ABOUT);
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(now.0.unsigned_abs());
        if let Err(error) = fs::File::options().write(true).open(&about).and_then(|file| file.set_modified(at)) {
            tracing::debug!(path = %about.display(), %error, "the last use of a base could not be noted");
        }
    }

    fn gate(&self, repo: &str) -> Arc<Mutex<()>> {
        Arc::clone(held(&self.gates).entry(repo.to_owned()).or_default())
    }
}

/// Makes the work tree of a commit below `dir`, with all of its history.
fn make_tree(mirror: &Mirror, at: &Checkout, dir: &Path) -> Result<About, Error> {
    let (tree, damaged) = (dir.join(TREE), Error::damaged(&mirror.dir));
    let repository = mirror.repository()?;
    let id = mirror.find(&repository, &at.commit)?.tree_id();
    let seen = entries::check(&repository, &at.commit, (b"", id), &damaged)?;
    let converted = seen.converts(&repository).map_err(&damaged)?;
    let at = Checkout { depth: None, times: Times::Settled, ..at.clone() };
    lay::make_dir(&tree, at.access)?;
    let dot_git = mirror.dot_git(&repository, &at, &tree, None)?;
    let told = mirror.write_tree(&repository, &seen, id, &tree, &dot_git, &at)?;
    Ok(About { boot: this_boot(), told, converted })
}

/// Which boot of the machine this is; empty where the system does not say. What was written during an earlier one may never have reached the disk.
#[must_use]
pub fn this_boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// The mark in a job's directory. It is ours, but one that was tampered with shall not lead anywhere.
fn stands_on(job: &Path) -> Option<(String, String)> {
    let text = fs::read_to_string(job.join(STANDS_ON)).ok()?;
    let (repo, commit) = text.split_once('/')?;
    let plain = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (plain(repo) && plain(commit)).then(|| (repo.to_owned(), commit.to_owned()))
}

/// The names in a directory; none when it is not there.
fn names(dir: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io("read the directory", dir))?,
    };
    Ok(entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
