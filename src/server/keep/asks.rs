//! What pages, API and command line may ask of artifacts and caches. Rows are read from the store directly.

use std::path::Path;

use super::{tarball, write_out};
use crate::base::{CacheId, JobIx, RunId};
use crate::server::handle::{Handle, Refusal};
use crate::store::{Blobs, Bytestream};

impl Handle {
    /// The contents of artifacts.
    #[must_use]
    pub fn artifact_blobs(&self) -> &Blobs {
        &self.shared.keep.artifacts
    }

    /// The artifacts of a job whose path begins so, as an archive (tar).
    #[must_use]
    pub fn artifacts_tar(&self, run: &RunId, job: JobIx, prefix: &str) -> Bytestream {
        tarball::tar_of(&self.shared, run, job, prefix)
    }

    /// Writes a run's artifacts into a directory that is empty; answers how many.
    pub async fn write_artifacts(&self, run: &RunId, dir: &Path) -> Result<u64, Refusal> {
        let run = self.find_run(run).await?;
        let written = write_out::write_out(&self.shared.keep, &run, dir, self.shared.clock.now()).await;
        written.map_err(|error| Refusal::Unavailable(format!("the artifacts cannot be written into {}: {error}", dir.display())))
    }

    /// Compressed bytes that all caches of one repository may have.
    #[must_use]
    pub fn cache_quota(&self) -> u64 {
        self.shared.keep.quota
    }

    /// Removes a cache.
    pub async fn remove_cache(&self, repo: &str, id: &CacheId) -> Result<(), Refusal> {
        let repo = self.find_repo(repo).await?;
        if !self.shared.store.remove_cache(&repo.id, id, self.shared.clock.now()).await? {
            return Err(Refusal::NotFound(format!("`{}` has no cache {id}", repo.name)));
        }
        self.shared.keep.caches.collect().await?;
        Ok(())
    }
}
