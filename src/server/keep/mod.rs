//! What steps leave behind: artifacts, for people and for the jobs that need theirs; caches, for later runs.
//!
//! | File | What |
//! |---|---|
//! | `attempt` | what an attempt finds before it starts, and leaves when it has ended |
//! | `collect`, `entries` | artifacts out of a container's archive |
//! | `wanted`, `names`, `kind` | which files, what they may be called, what they may be shown as |
//! | `tarball` | artifacts as an archive: into a job's workspace, or for whoever asks |
//! | `cache`, `restore`, `save` | whose caches a step may read and write; into a container, and out of it |
//! | `janitor` | what is over goes |
//! | `disk` | files that no row stands for; mirrors that have grown too large |
//! | `images` | images that were pulled, within their budget |
//! | `pack` | logs that are complete are compressed |
//! | `write_out` | artifacts as files, for `gantry run --artifacts` |
//! | `asks` | what others may ask for |
//!
//! **Invariants:** no archive is unpacked on this machine; names that users chose are values of rows and nothing else; artifacts that cannot be kept
//! fail their step, caches never do; what a pull request may read and write is decided here, by its trigger, never by its pipeline.

mod asks;
mod attempt;
mod cache;
mod collect;
pub(super) mod disk;
mod entries;
mod images;
mod janitor;
mod kind;
mod names;
mod pack;
mod restore;
mod save;
mod tarball;
#[cfg(test)]
mod tests;
mod wanted;
mod write_out;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) use self::attempt::{Left, StepFiles};
pub(super) use self::images::record_pulls;
pub(super) use self::janitor::tidy;
pub(super) use self::pack::pack_logs;
pub(super) use self::save::{save, wants_container};
pub(super) use self::tarball::for_job;
use super::Layout;
use crate::base::{Clock, JobKey, Tasks, limits};
use crate::store::{self, Blobs, BlobsAt, Store};

/// How artifacts and caches are kept.
pub struct KeepConfig {
    /// `None`: in the data directory.
    pub blobs: Option<BlobsAt>,
    /// Where caches are, if not beside the artifacts. Whoever brings them tidies them.
    pub caches: Option<Blobs>,
    /// Compressed bytes of all caches of one repository.
    pub quota: u64,
    /// How long artifacts are kept when the pipeline does not say.
    pub expire_ms: u64,
    /// Bytes of all work trees that are kept: for jobs to stand on, and of jobs that failed.
    pub workspaces: u64,
    /// How long the work tree of a job that failed is kept; 0 for not at all.
    pub failed_ms: u64,
    /// Bytes of the mirrors of all repositories.
    pub mirrors: u64,
    /// Bytes of the images of one engine that were pulled.
    pub images: u64,
}

impl Default for KeepConfig {
    fn default() -> Self {
        let (quota, expire_ms) = (limits::CACHE_QUOTA_BYTES, limits::ARTIFACT_EXPIRE_MS);
        Self {
            blobs: None,
            caches: None,
            quota,
            expire_ms,
            workspaces: limits::BASES_BYTES,
            failed_ms: 0,
            mirrors: limits::MIRRORS_BYTES,
            images: limits::IMAGES_BYTES,
        }
    }
}

/// Artifacts and caches of one server.
pub(super) struct Keep {
    pub artifacts: Blobs,
    pub caches: Blobs,
    /// Caches are ours to tidy.
    tidies_caches: bool,
    pub quota: u64,
    pub expire_ms: u64,
    /// Jobs whose caches are being saved: their containers are still needed.
    saving: Mutex<BTreeSet<JobKey>>,
}

impl Keep {
    pub async fn open(
        config: &KeepConfig,
        layout: &Layout,
        store: &Store,
        tasks: &Tasks,
        clock: &Clock,
    ) -> Result<Self, store::Error> {
        // Work trees are kept by whoever makes them, mirrors and images are tidied with them all.
        let KeepConfig { blobs, caches, quota, expire_ms, workspaces: _, failed_ms: _, mirrors: _, images: _ } = config;
        let at = blobs.clone().unwrap_or_else(|| BlobsAt::Directory(layout.blobs()));
        let artifacts = Blobs::open(&at, store, tasks.clone(), clock.clone()).await?;
        Ok(Self {
            caches: caches.clone().unwrap_or_else(|| artifacts.clone()),
            tidies_caches: caches.is_none(),
            artifacts,
            quota: *quota,
            expire_ms: *expire_ms,
            saving: Mutex::default(),
        })
    }

    /// Whether the job's containers are still needed, though it has ended.
    pub fn is_saving(&self, job: &JobKey) -> bool {
        self.saving().contains(job)
    }

    /// Its containers are needed for as long as the answer lives.
    pub fn begin_saving(self: &Arc<Self>, job: &JobKey) -> Saving {
        self.saving().insert(job.clone());
        Saving { keep: Arc::clone(self), job: job.clone() }
    }

    fn saving(&self) -> MutexGuard<'_, BTreeSet<JobKey>> {
        self.saving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Keep::begin_saving`].
pub(super) struct Saving {
    keep: Arc<Keep>,
    job: JobKey,
}

impl Drop for Saving {
    fn drop(&mut self) {
        self.keep.saving().remove(&self.job);
    }
}
