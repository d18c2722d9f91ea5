//! Artifacts as an archive: into the workspace of a job that needs them, or for whoever asks.
//!
//! **Invariants:** made while it is read, so memory does not grow with it; plain files only, with names that were checked when they were kept.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::mpsc::{Sender, channel};

use super::Keep;
use super::cache::WORKSPACE;
use super::entries::SMALL_BYTES;
use crate::base::{Clock, JobIx, RunId, Tasks};
use crate::executor::{Archive, ByteStream};
use crate::run::Run;
use crate::server::handle::Shared;
use crate::store::{Artifact, ArtifactQuery, Blob, Blobs};

/// Artifacts looked up at once.
const PAGE: u32 = 500;
/// Small files fetched at the same time, ahead of whoever reads.
const AHEAD: usize = 8;
/// Archives consist of blocks.
const BLOCK: u64 = 512;

/// The artifacts of some jobs of a run.
#[derive(Clone)]
pub(in crate::server) struct Tarball {
    pub blobs: Blobs,
    pub tasks: Tasks,
    pub clock: Clock,
    pub run: RunId,
    pub jobs: Vec<JobIx>,
    /// How their paths begin.
    pub prefix: String,
    /// User and group of the files.
    pub owner: (u64, u64),
}

impl Tarball {
    /// Begins to make it.
    #[must_use]
    pub fn open(&self) -> ByteStream {
        let (pass, passed) = channel::<io::Result<Bytes>>(4);
        let tarball = self.clone();
        self.tasks.spawn(async move {
            if let Err(error) = tarball.make(&pass).await {
                // Whoever reads may have gone away.
                let _ = pass.send(Err(error)).await;
            }
        });
        Box::pin(stream::unfold(passed, |mut passed| async move { passed.recv().await.map(|piece| (piece, passed)) }))
    }

    async fn make(&self, pass: &Sender<io::Result<Bytes>>) -> io::Result<()> {
        for job in &self.jobs {
            let mut query = ArtifactQuery { job: Some(*job), prefix: self.prefix.clone(), after: None, limit: PAGE };
            loop {
                let page = self.blobs.store().artifacts(&self.run, &query, self.clock.now()).await.map_err(io::Error::other)?;
                let Some(last) = page.last() else { break };
                query.after = Some((last.job, last.path.clone()));
                // As tasks, since a slow reader must not hold up one that has a connection to the database.
                let loads = page.into_iter().map(|artifact| self.tasks.spawn(load(self.blobs.clone(), artifact)));
                let mut loaded = stream::iter(loads).buffered(AHEAD);
                while let Some(loading) = loaded.next().await {
                    let (artifact, content) = loading.map_err(io::Error::other)??;
                    if !self.add(&artifact, content, pass).await? {
                        return Ok(());
                    }
                }
            }
        }
        // Two empty blocks are the end.
        let _ = pass.send(Ok(Bytes::from_static(&[0; 1024]))).await;
        Ok(())
    }

    /// Whether anybody reads still.
    async fn add(&self, artifact: &Artifact, content: Content, pass: &Sender<io::Result<Bytes>>) -> io::Result<bool> {
        if pass.send(Ok(header(artifact, self.owner)?.into())).await.is_err() {
            return Ok(false);
        }
        let mut pieces = match content {
            Content::Small(pieces) => Box::pin(stream::iter(pieces.into_iter().map(Ok))) as ByteStream,
            Content::Large(blob) => self.blobs.read(&blob),
        };
        while let Some(piece) = pieces.try_next().await? {
            if pass.send(Ok(piece)).await.is_err() {
                return Ok(false);
            }
        }
        let over = artifact.size % BLOCK;
        let rest = if over == 0 { 0 } else { BLOCK - over };
        Ok(rest == 0 || pass.send(Ok(vec![0; usize::try_from(rest).unwrap_or_default()].into())).await.is_ok())
    }
}

async fn load(blobs: Blobs, artifact: Artifact) -> io::Result<(Artifact, Content)> {
    let blob = blobs.find(&artifact.hash).await.map_err(io::Error::other)?;
    let blob = blob.ok_or_else(|| io::Error::other(format!("the content of `{}` is gone", artifact.path)))?;
    if blob.size > SMALL_BYTES {
        return Ok((artifact, Content::Large(blob)));
    }
    let pieces: Vec<Bytes> = blobs.read(&blob).try_collect().await?;
    Ok((artifact, Content::Small(pieces)))
}

enum Content {
    Small(Vec<Bytes>),
    Large(Blob),
}

/// What stands before a file's content, a long name included.
fn header(artifact: &Artifact, (uid, gid): (u64, u64)) -> io::Result<Vec<u8>> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(artifact.size);
    header.set_mode(artifact.mode);
    header.set_uid(uid);
    header.set_gid(gid);
    header.set_mtime(u64::try_from(artifact.made_at.0 / 1000).unwrap_or_default());
    let mut archive = tar::Builder::new(Vec::new());
    // The content follows by itself: only what stands before it is wanted.
    archive.append_data(&mut header, &artifact.path, io::empty())?;
    Ok(std::mem::take(archive.get_mut()))
}

/// For the workspace of a job.
struct Filling(Tarball);

impl std::fmt::Debug for Filling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filling").field("run", &self.0.run).field("jobs", &self.0.jobs).finish_non_exhaustive()
    }
}

#[async_trait]
impl Archive for Filling {
    fn into(&self) -> &str {
        WORKSPACE
    }

    async fn open(&self) -> io::Result<ByteStream> {
        Ok(self.0.open())
    }
}

/// Whom the work tree will belong to: the directory around it, which is made if it is not there, does too.
async fn owner_of(root: &Path) -> io::Result<(u64, u64)> {
    tokio::fs::create_dir_all(root).await?;
    let root = tokio::fs::metadata(root).await?;
    Ok((root.uid().into(), root.gid().into()))
}

/// The artifacts of the jobs that this one needs, those of a later job over those of an earlier one; nothing when they left none.
pub(in crate::server) async fn for_job(
    keep: &Keep,
    tasks: &Tasks,
    clock: &Clock,
    run: &Run,
    job: JobIx,
    root: &Path,
) -> Result<Vec<Arc<dyn Archive>>, crate::store::Error> {
    let mut needs = run.plan.jobs.get(job as usize).map(|job| job.needs.clone()).unwrap_or_default();
    if needs.is_empty() {
        return Ok(Vec::new());
    }
    needs.sort_unstable();
    let sums = keep.artifacts.store().artifact_sums(&run.id, clock.now()).await?;
    let jobs: Vec<_> = needs.into_iter().filter(|need| sums.iter().any(|sum| sum.job == *need)).collect();
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let owner = owner_of(root).await.map_err(|source| crate::store::Error::Io { what: "make", path: root.to_owned(), source })?;
    let tarball = Tarball {
        blobs: keep.artifacts.clone(),
        tasks: tasks.clone(),
        clock: clock.clone(),
        run: run.id.clone(),
        jobs,
        prefix: String::new(),
        owner,
    };
    Ok(vec![Arc::new(Filling(tarball))])
}

/// The artifacts of one job whose path begins so, for whoever asks: files of nobody in particular.
pub(in crate::server) fn tar_of(shared: &Shared, run: &RunId, job: JobIx, prefix: &str) -> ByteStream {
    let tarball = Tarball {
        blobs: shared.keep.artifacts.clone(),
        tasks: shared.tasks.clone(),
        clock: shared.clock.clone(),
        run: run.clone(),
        jobs: vec![job],
        prefix: prefix.to_owned(),
        owner: (0, 0),
    };
    tarball.open()
}
