//! What a run's jobs have kept, as a part of its page.

use super::encoded;
use super::moment::Ago;
use super::tree::{Leaf, Tree};
use crate::base::{Size, Timestamp};
use crate::run::Run;
use crate::store::{ArtifactQuery, ArtifactSum};
use crate::web::app::App;
use crate::web::problem::Problem;

/// Files of one job that the page has; the archive has all of them.
const SHOWN: u32 = 500;
/// Up to so many files directories begin open.
const FEW: u64 = 30;

/// The artifacts of one job.
pub(super) struct JobArtifacts {
    pub job: String,
    pub files: u64,
    pub size: Size,
    /// The day on which the first of them goes.
    pub until: String,
    /// Address of all of them as an archive.
    pub tar: String,
    base: String,
    leaves: Vec<Leaf>,
}

impl JobArtifacts {
    pub fn tree(&self) -> Tree<'_> {
        Tree { base: &self.base, leaves: &self.leaves, open: self.files <= FEW }
    }

    /// Files that are not shown.
    pub fn more(&self) -> u64 {
        self.files.saturating_sub(self.leaves.len() as u64)
    }
}

/// Those of all jobs of the run that kept any.
pub(super) async fn read(app: &App, run: &Run, now: Timestamp) -> Result<Vec<JobArtifacts>, Problem> {
    let mut all = Vec::new();
    for ArtifactSum { job, files, bytes, expires_at } in app.store().artifact_sums(&run.id, now).await? {
        let query = ArtifactQuery { job: Some(job), limit: SHOWN, ..ArtifactQuery::default() };
        let found = app.store().artifacts(&run.id, &query, now).await?;
        let mut leaves: Vec<Leaf> = found.into_iter().map(|artifact| Leaf { path: artifact.path, size: artifact.size }).collect();
        // Not by the database, whose idea of the alphabet may be another; directory by directory.
        leaves.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
        let name = run.plan.jobs.get(job as usize).map(|job| job.name.clone()).unwrap_or_default();
        let at = format!("/api/v1/runs/{}", run.id);
        let (tar, base) = (format!("{at}/artifacts.tar?job={}", encoded(&name)), format!("{at}/artifacts/{}", encoded(&name)));
        all.push(JobArtifacts { job: name, files, size: Size(bytes), until: day(expires_at), tar, base, leaves });
    }
    Ok(all)
}

/// `2026-12-25`.
fn day(at: Timestamp) -> String {
    super::moment::Date(at).to_string().chars().take(10).collect()
}

/// A cache of a repository, as a row of its page.
pub(super) struct CacheRow {
    pub id: String,
    pub key: String,
    pub scope: String,
    pub paths: String,
    pub size: Size,
    pub stored: Size,
    pub made: Ago,
    pub used: Ago,
}

/// The caches of a repository, and how much of the quota they take.
pub(super) async fn read_caches(app: &App, repo: &crate::base::RepoId, now: Timestamp) -> Result<(Vec<CacheRow>, Size), Problem> {
    let caches = app.store().caches(repo).await?;
    let used = Size(caches.iter().map(|cache| cache.stored).sum());
    let row = |cache: crate::store::Cache| CacheRow {
        id: cache.id.to_string(),
        key: cache.key,
        scope: cache.scope,
        paths: cache.paths.join(", "),
        size: Size(cache.size),
        stored: Size(cache.stored),
        made: Ago { at: cache.made_at, now },
        used: Ago { at: cache.used_at, now },
    };
    Ok((caches.into_iter().map(row).collect(), used))
}
