//! Artifacts as files, for `gantry run --artifacts`.
//!
//! **Invariants:** the directory was empty, and nothing but plain files with names that were checked is written into it: so no link can lead out of it.

use std::io;
use std::path::Path;

use futures_util::TryStreamExt;
use tokio::io::AsyncWriteExt;

use super::Keep;
use super::names::as_part;
use crate::base::Timestamp;
use crate::run::Run;
use crate::store::ArtifactQuery;

/// Artifacts looked up at once.
const PAGE: u32 = 500;

/// Writes the run's artifacts into `dir`, those of each job in a directory of its own; answers how many.
pub(in crate::server) async fn write_out(keep: &Keep, run: &Run, dir: &Path, now: Timestamp) -> io::Result<u64> {
    let mut query = ArtifactQuery { limit: PAGE, ..ArtifactQuery::default() };
    let mut written = 0;
    loop {
        let page = keep.artifacts.store().artifacts(&run.id, &query, now).await.map_err(io::Error::other)?;
        let Some(last) = page.last() else { return Ok(written) };
        query.after = Some((last.job, last.path.clone()));
        for artifact in &page {
            let job = run.plan.jobs.get(artifact.job as usize).map_or("", |job| job.name.as_str());
            let path = dir.join(as_part(job)).join(&artifact.path);
            if let Some(parent) = path.parent() {
                tokio::fs::create_dir_all(parent).await?;
            }
            let blob = keep.artifacts.find(&artifact.hash).await.map_err(io::Error::other)?;
            let blob = blob.ok_or_else(|| io::Error::other(format!("the content of `{}` is gone", artifact.path)))?;
            let mode = artifact.mode & 0o777 | 0o200;
            let mut file = tokio::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path).await?;
            let mut content = keep.artifacts.read(&blob);
            while let Some(piece) = content.try_next().await? {
                file.write_all(&piece).await?;
            }
            file.flush().await?;
            written += 1;
        }
    }
}
