//! Rows of artifacts: what steps left to their runs.
//!
//! **Invariants:** a path is a row's value and nothing else; one path of a job is one artifact, the last that was kept; what has expired is not there
//! any more, whether or not it has been removed.

use std::collections::HashSet;
use std::sync::Arc;

use serde::Serialize;
use sqlx::any::AnyRow;

use super::blobs::{Blobs, Kept};
use super::row::{Fields, to_int};
use super::write::Write;
use super::{Error, Store, sql};
use crate::base::{JobIx, RunId, StepIx, Timestamp};

/// Files in one transaction, so that other writers get their turn.
const BATCH: usize = 500;

/// A kept file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    pub job: JobIx,
    pub step: StepIx,
    /// Relative to the work tree, `/` between its parts.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    pub kind: Kind,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the content, as hex.
    pub hash: String,
    pub made_at: Timestamp,
    pub expires_at: Timestamp,
}

/// What a file may be shown as, by its first bytes; never by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Text,
    Png,
    Jpeg,
    Gif,
    Webp,
    Other,
}

/// A file that is to be kept.
pub struct NewArtifact {
    pub path: String,
    pub mode: u32,
    pub kind: Kind,
    pub content: Arc<Kept>,
}

/// One step of a run.
#[derive(Debug, Clone, Copy)]
pub struct StepOf<'a> {
    pub run: &'a RunId,
    pub job: JobIx,
    pub step: StepIx,
}

/// Which artifacts of a run, in the order of job and path.
#[derive(Debug, Clone, Default)]
pub struct ArtifactQuery {
    pub job: Option<JobIx>,
    /// How their paths begin.
    pub prefix: String,
    /// Only those after this job and path.
    pub after: Option<(JobIx, String)>,
    pub limit: u32,
}

/// The artifacts of one job together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactSum {
    pub job: JobIx,
    pub files: u64,
    pub bytes: u64,
    /// When the first of them goes.
    pub expires_at: Timestamp,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Png => "png",
            Kind::Jpeg => "jpeg",
            Kind::Gif => "gif",
            Kind::Webp => "webp",
            Kind::Other => "other",
        }
    }

    fn read(fields: &Fields<'_>) -> Result<Self, Error> {
        let word = fields.text("kind")?;
        let all = [Kind::Text, Kind::Png, Kind::Jpeg, Kind::Gif, Kind::Webp, Kind::Other];
        let found = all.into_iter().find(|kind| kind.as_str() == word);
        found.ok_or_else(|| fields.unreadable("kind", &format!("`{word}` is no kind of file")))
    }
}

impl Blobs {
    /// Makes these files the artifacts of the step, in place of those that an earlier attempt left. [`Error::Gone`] when the run was removed.
    pub async fn keep_artifacts(
        &self,
        of: StepOf<'_>,
        files: &[NewArtifact],
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), Error> {
        let StepOf { run, job, step } = of;
        let store = self.store();
        let mut write = Write::begin(store, now).await?;
        let remove = sqlx::query(sql::ARTIFACTS_OF_STEP_REMOVE).bind(run.as_str()).bind(i64::from(job)).bind(i64::from(step));
        write.execute("a step's earlier artifacts cannot be removed", remove).await?;
        write.commit().await?;
        let mut named = HashSet::new();
        for batch in files.chunks(BATCH) {
            let mut write = Write::begin(store, now).await?;
            let mut doubles = Vec::new();
            for NewArtifact { path, mode, kind, content } in batch {
                if named.insert(content.hash.as_str()) {
                    doubles.extend(self.name_blob(&mut write, content, now).await?);
                }
                let add = sqlx::query(sql::ARTIFACT_ADD)
                    .bind(run.as_str())
                    .bind(i64::from(job))
                    .bind(i64::from(step))
                    .bind(path.as_str())
                    .bind(i64::from(*mode))
                    .bind(kind.as_str())
                    .bind(to_int("a size", content.size)?)
                    .bind(content.hash.as_str())
                    .bind(now.0)
                    .bind(expires_at.0);
                add.execute(write.connection()).await.map_err(|error| match error.as_database_error() {
                    Some(e) if e.is_foreign_key_violation() => Error::Gone(format!("run {run}")),
                    _ => store.error("an artifact cannot be kept", error),
                })?;
            }
            write.commit().await?;
            self.remove_doubles(doubles).await;
        }
        Ok(())
    }
}

impl Store {
    /// The artifact of that path.
    pub async fn artifact(&self, run: &RunId, job: JobIx, path: &str, now: Timestamp) -> Result<Option<Artifact>, Error> {
        let query = sqlx::query(sql::ARTIFACT).bind(run.as_str()).bind(i64::from(job)).bind(super::row::plain(path)).bind(now.0);
        let row = query.fetch_optional(&self.inner.read).await;
        row.map_err(|error| self.error("the artifact cannot be read", error))?.as_ref().map(artifact_of).transpose()
    }

    /// Artifacts of the run, at most as many as the query says.
    pub async fn artifacts(&self, run: &RunId, query: &ArtifactQuery, now: Timestamp) -> Result<Vec<Artifact>, Error> {
        let ArtifactQuery { job, prefix, after, limit } = query;
        let (after_job, after_path) =
            after.as_ref().map_or((-1, String::new()), |(job, path)| (i64::from(*job), super::row::plain(path)));
        let query = sqlx::query(sql::ARTIFACTS)
            .bind(run.as_str())
            .bind(now.0)
            .bind(job.map(i64::from))
            .bind(super::row::plain(prefix))
            .bind(after_job)
            .bind(after_path)
            .bind(i64::from(*limit));
        let rows = query.fetch_all(&self.inner.read).await;
        rows.map_err(|error| self.error("the artifacts cannot be read", error))?.iter().map(artifact_of).collect()
    }

    /// How much each job of the run has kept; jobs that kept nothing are left out.
    pub async fn artifact_sums(&self, run: &RunId, now: Timestamp) -> Result<Vec<ArtifactSum>, Error> {
        let rows = sqlx::query(sql::ARTIFACT_SUMS).bind(run.as_str()).bind(now.0).fetch_all(&self.inner.read).await;
        let rows = rows.map_err(|error| self.error("the artifacts cannot be read", error))?;
        let sum_of = |row: &AnyRow| {
            let fields = Fields::new(row, "artifacts of job", "job");
            Ok(ArtifactSum {
                job: fields.count("job")?,
                files: fields.count("files")?,
                bytes: fields.count("bytes")?,
                expires_at: fields.time("expires_at")?,
            })
        };
        rows.iter().map(sum_of).collect()
    }

    /// Forgets the artifacts whose time is over; answers how many.
    pub async fn expire_artifacts(&self, now: Timestamp) -> Result<u64, Error> {
        let mut write = Write::begin(self, now).await?;
        let expire = sqlx::query(sql::ARTIFACTS_EXPIRE).bind(now.0);
        let expired = write.execute("expired artifacts cannot be removed", expire).await?;
        write.commit().await?;
        Ok(expired)
    }
}

fn artifact_of(row: &AnyRow) -> Result<Artifact, Error> {
    let fields = Fields::new(row, "artifact", "path");
    Ok(Artifact {
        job: fields.count("job")?,
        step: fields.count("step")?,
        path: fields.text("path")?,
        mode: fields.count("mode")?,
        kind: Kind::read(&fields)?,
        size: fields.count("size")?,
        hash: fields.text("blob")?,
        made_at: fields.time("made_at")?,
        expires_at: fields.time("expires_at")?,
    })
}
