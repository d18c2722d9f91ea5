//! Caches of `gantry run`, kept from one call to the next: rows and blobs in a directory of the user's.
//!
//! **Invariants:** whoever uses the directory holds its lock, shared; what nobody needs is removed only by one who has it alone. A work tree is known by
//! its path, so one repository never sees another's caches. Nothing here fails a run.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::base::{Clock, RepoId, Tasks, limits};
use crate::pipeline::Plan;
use crate::store::{Blobs, BlobsAt, Database, Error, Repo, RepoStatus, Store, StoreConfig};

/// The caches of one work tree.
pub(super) struct Caches {
    blobs: Blobs,
    repo: RepoId,
    /// Held, shared.
    lock: File,
}

impl Caches {
    /// Opens them if one of the plans has any; `None` also when they cannot be opened, which is told.
    pub async fn for_plans(plans: &[Plan], dir: Option<&Path>, tree: &Path, tasks: &Tasks) -> Option<Self> {
        let mut steps = plans.iter().flat_map(|plan| &plan.jobs).flat_map(|job| &job.steps);
        if !steps.any(|step| !step.cache.is_empty()) {
            return None;
        }
        let opened = match dir.map(Path::to_owned).or_else(usual) {
            Some(dir) => Self::open(&dir, tree, tasks).await.with_context(|| format!("with the caches in {}", dir.display())),
            None => Err(anyhow::anyhow!("there is no home directory to keep them in; say where by --cache-dir")),
        };
        opened.inspect_err(|error| eprintln!("gantry: caches are not kept: {error:#}")).ok()
    }

    async fn open(dir: &Path, tree: &Path, tasks: &Tasks) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(dir.join("lock"))?;
        // Waits for one who tidies, which is short.
        lock.lock_shared()?;
        let database = Database::File(dir.join("caches.db"));
        let store = Store::open(&StoreConfig { database, logs: dir.join("logs") }).await?;
        let blobs = Blobs::open(&BlobsAt::Directory(dir.join("blobs")), &store, tasks.clone(), Clock::System).await?;
        let name = tree.display().to_string();
        let repo = match store.repo(&name).await? {
            Some(repo) => repo.id,
            None => match store.add_repo(&row(&name)).await {
                // Another call was faster.
                Ok(()) | Err(Error::NameTaken(_)) => store.repo(&name).await?.context("its row is gone")?.id,
                Err(error) => return Err(error.into()),
            },
        };
        Ok(Self { blobs, repo, lock })
    }

    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// The work tree's row; a run of the same id finds its caches.
    pub fn repo(&self) -> &RepoId {
        &self.repo
    }

    /// Removes what nobody needs, if nobody else is here.
    pub async fn close(self) {
        let Self { blobs, repo: _, lock } = self;
        let alone = lock.unlock().is_ok() && lock.try_lock().is_ok();
        if alone {
            let tidied = async {
                blobs.collect().await?;
                blobs.sweep().await
            };
            if let Err(error) = tidied.await {
                tracing::debug!(%error, "the caches could not be tidied; the next run tries again");
            }
        }
        blobs.store().close().await;
    }
}

/// Where programs of this user keep what they can make again.
fn usual() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache"))).map(|dir| dir.join("gantry"))
}

fn row(name: &str) -> Repo {
    let now = Clock::System.now();
    Repo {
        id: RepoId::new(&Clock::System),
        name: name.to_owned(),
        url: name.to_owned(),
        poll_ms: limits::POLL_DEFAULT_MS,
        hook_secret: String::new(),
        added_at: now,
        default_branch: None,
        status: RepoStatus { ok: true, sentence: "a work tree of `gantry run`".to_owned(), at: now },
    }
}
