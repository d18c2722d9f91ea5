//! Repositories: adding, finding, removing, and how watching them goes.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sqlx::any::AnyRow;

use super::row::{Fields, plain, to_int};
use super::write::Write;
use super::{Error, Note, Repo, RepoStatus, Store, sql};
use crate::base::{RepoId, RunId, Timestamp};

impl Store {
    /// Adds a repository; [`Error::NameTaken`].
    pub async fn add_repo(&self, repo: &Repo) -> Result<(), Error> {
        let Repo { id, name, url, poll_ms, hook_secret, added_at, default_branch, status } = repo;
        let mut write = Write::begin(self, *added_at).await?;
        let query = sqlx::query(sql::REPO_ADD)
            .bind(id.as_str())
            .bind(name)
            .bind(url)
            .bind(to_int("an interval", *poll_ms)?)
            .bind(hook_secret)
            .bind(added_at.0)
            .bind(default_branch.as_deref())
            .bind(i64::from(status.ok))
            .bind(plain(&status.sentence))
            .bind(status.at.0);
        query.execute(write.connection()).await.map_err(|error| match error.as_database_error() {
            Some(e) if e.is_unique_violation() => Error::NameTaken(name.clone()),
            _ => self.error("the repository cannot be kept", error),
        })?;
        write.repo_event(id, name, "added", Value::Bool(true)).await?;
        write.commit().await?;
        Ok(())
    }

    /// All repositories, by name.
    pub async fn repos(&self) -> Result<Vec<Repo>, Error> {
        let rows = sqlx::query(sql::REPOS).fetch_all(&self.inner.read).await;
        let rows = rows.map_err(|error| self.error("the repositories cannot be read", error))?;
        let mut repos = rows.iter().map(repo_of).collect::<Result<Vec<_>, _>>()?;
        // Not by the database, whose idea of the alphabet may be another.
        repos.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(repos)
    }

    /// The repository of that name.
    pub async fn repo(&self, name: &str) -> Result<Option<Repo>, Error> {
        let row = sqlx::query(sql::REPO_BY_NAME).bind(plain(name)).fetch_optional(&self.inner.read).await;
        row.map_err(|error| self.error("the repository cannot be read", error))?.as_ref().map(repo_of).transpose()
    }

    /// The repository with that id.
    pub async fn repo_by_id(&self, id: &RepoId) -> Result<Option<Repo>, Error> {
        let row = sqlx::query(sql::REPO_BY_ID).bind(id.as_str()).fetch_optional(&self.inner.read).await;
        row.map_err(|error| self.error("the repository cannot be read", error))?.as_ref().map(repo_of).transpose()
    }

    /// Removes a repository with its runs, refs, notes and deliveries; tells which runs went, so that their logs can go too.
    pub async fn remove_repo(&self, id: &RepoId, now: Timestamp) -> Result<Vec<RunId>, Error> {
        let mut write = Write::begin(self, now).await?;
        let repo = self.repo_inside(&mut write, id).await?;
        let rows = sqlx::query(sql::RUNS_OF_REPO).bind(id.as_str()).fetch_all(write.connection()).await;
        let rows = rows.map_err(|error| self.error("the repository's runs cannot be read", error))?;
        let runs = rows.iter().map(|row| Fields::new(row, "run", "id").parse("id")).collect::<Result<Vec<_>, _>>()?;
        write.execute("the repository cannot be removed", sqlx::query(sql::REPO_REMOVE).bind(id.as_str())).await?;
        write.repo_event(id, &repo.name, "removed", Value::Bool(true)).await?;
        write.commit().await?;
        Ok(runs)
    }

    /// Keeps how watching goes, and the default branch where it is known. Tells whether that is news; when it is not, the older status and its time
    /// stay.
    pub async fn set_repo_status(&self, id: &RepoId, status: &RepoStatus, default_branch: Option<&str>) -> Result<bool, Error> {
        let mut write = Write::begin(self, status.at).await?;
        let old = self.repo_inside(&mut write, id).await?;
        let sentence = plain(&status.sentence);
        let branch = default_branch.map(plain).or_else(|| old.default_branch.clone());
        let same_status = old.status.ok == status.ok && old.status.sentence == sentence;
        if same_status && branch == old.default_branch {
            return Ok(false);
        }
        let at = if same_status { old.status.at } else { status.at };
        let query = sqlx::query(sql::REPO_STATUS)
            .bind(i64::from(status.ok))
            .bind(sentence.as_str())
            .bind(at.0)
            .bind(branch)
            .bind(id.as_str());
        write.execute("the repository's status cannot be kept", query).await?;
        write.repo_event(id, &old.name, "status", json!({ "ok": status.ok, "sentence": sentence, "at": at })).await?;
        write.commit().await?;
        Ok(true)
    }

    /// What was last taken in: full ref name to commit.
    pub async fn refs(&self, repo: &RepoId) -> Result<BTreeMap<String, String>, Error> {
        let rows = sqlx::query(sql::REFS).bind(repo.as_str()).fetch_all(&self.inner.read).await;
        let rows = rows.map_err(|error| self.error("the refs cannot be read", error))?;
        let read = |row: &AnyRow| {
            let fields = Fields::new(row, "ref", "name");
            Ok((fields.text("name")?, fields.text("target")?))
        };
        rows.iter().map(read).collect()
    }

    /// The newest notes first.
    pub async fn notes(&self, repo: &RepoId, limit: u32) -> Result<Vec<Note>, Error> {
        let rows = sqlx::query(sql::NOTES).bind(repo.as_str()).bind(i64::from(limit)).fetch_all(&self.inner.read).await;
        let rows = rows.map_err(|error| self.error("the notes cannot be read", error))?;
        let read = |row: &AnyRow| {
            let fields = Fields::new(row, "note", "seq");
            Ok(Note {
                seq: fields.int("seq")?,
                at: fields.time("at")?,
                kind: fields.text("kind")?,
                sentence: fields.text("sentence")?,
                reference: fields.text_or_null("reference")?,
                commit: fields.text_or_null("commit_id")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// The repository as it is inside the transaction; [`Error::Gone`].
    pub(super) async fn repo_inside(&self, write: &mut Write<'_>, id: &RepoId) -> Result<Repo, Error> {
        let row = sqlx::query(sql::REPO_BY_ID).bind(id.as_str()).fetch_optional(write.connection()).await;
        let row = row.map_err(|error| self.error("the repository cannot be read", error))?;
        repo_of(&row.ok_or_else(|| Error::Gone(format!("repository {id}")))?)
    }
}

fn repo_of(row: &AnyRow) -> Result<Repo, Error> {
    let fields = Fields::new(row, "repository", "id");
    Ok(Repo {
        id: fields.parse("id")?,
        name: fields.text("name")?,
        url: fields.text("url")?,
        poll_ms: fields.count("poll_ms")?,
        hook_secret: fields.text("hook_secret")?,
        added_at: fields.time("added_at")?,
        default_branch: fields.text_or_null("default_branch")?,
        status: RepoStatus {
            ok: fields.int("status_ok")? != 0,
            sentence: fields.text("status_sentence")?,
            at: fields.time("status_at")?,
        },
    })
}
