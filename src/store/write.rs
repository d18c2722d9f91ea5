//! The one writing transaction. **Invariant:** it begins by taking the counter's row, so writers come one after another, on Postgres too, and
//! sequence numbers grow in the order of commits: a reader never sees a gap that is filled later.

use serde_json::{Value, json};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, Transaction};

use super::event::EventKind;
use super::row::Fields;
use super::{Error, Store, sql};
use crate::base::{JobIx, RepoId, RunId, StepIx, Timestamp};

/// A transaction that writes. Dropped without [`Write::commit`], nothing has happened.
pub(super) struct Write<'s> {
    store: &'s Store,
    transaction: Transaction<'static, Any>,
    seq: i64,
    at: Timestamp,
}

/// What an event is about.
pub(super) enum About<'a> {
    Run(&'a RunId),
    Job(&'a RunId, JobIx),
    Step(&'a RunId, JobIx, StepIx),
    Repo(&'a RepoId),
}

impl<'s> Write<'s> {
    /// Waits until it is the only writer. Its events happen at `at`.
    pub(super) async fn begin(store: &'s Store, at: Timestamp) -> Result<Self, Error> {
        let mut transaction = store.inner.write.begin().await.map_err(|e| store.error("the database cannot be written", e))?;
        let row = sqlx::query(sql::COUNTER_TAKE).fetch_one(&mut *transaction).await;
        let row = row.map_err(|e| store.error("the database cannot be written", e))?;
        let seq = Fields::new(&row, "counter", "value").int("value")?;
        Ok(Self { store, transaction, seq, at })
    }

    /// The connection inside the transaction.
    pub(super) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.transaction
    }

    /// Executes a statement; answers how many rows it changed.
    pub(super) async fn execute(&mut self, what: &str, query: Query<'_, Any, sqlx::any::AnyArguments>) -> Result<u64, Error> {
        let done = query.execute(&mut *self.transaction).await;
        done.map(|done| done.rows_affected()).map_err(|error| self.store.error(what, error))
    }

    /// Tells an error of the database.
    pub(super) fn error(&self, what: &str, error: sqlx::Error) -> Error {
        self.store.error(what, error)
    }

    /// The sequence number that the next event will get.
    pub(super) fn next_seq(&self) -> i64 {
        self.seq + 1
    }

    /// Adds an event; answers its sequence number.
    pub(super) async fn event(&mut self, about: About<'_>, body: String) -> Result<i64, Error> {
        let (kind, repo, run, job, step) = match about {
            About::Run(run) => (EventKind::Run, None, Some(run), None, None),
            About::Job(run, job) => (EventKind::Job, None, Some(run), Some(job), None),
            About::Step(run, job, step) => (EventKind::Step, None, Some(run), Some(job), Some(step)),
            About::Repo(repo) => (EventKind::Repo, Some(repo), None, None, None),
        };
        self.seq += 1;
        let query = sqlx::query(sql::EVENT_ADD)
            .bind(self.seq)
            .bind(self.at.0)
            .bind(kind.as_str())
            .bind(repo.map(RepoId::as_str))
            .bind(run.map(RunId::as_str))
            .bind(job.map(i64::from))
            .bind(step.map(i64::from))
            .bind(body);
        self.execute("an event cannot be written", query).await?;
        Ok(self.seq)
    }

    /// Adds an event about a repository: `{"name": …, WHAT: value}`.
    pub(super) async fn repo_event(&mut self, repo: &RepoId, name: &str, what: &str, value: Value) -> Result<i64, Error> {
        let mut body = json!({ "name": name });
        body[what] = value;
        self.event(About::Repo(repo), body.to_string()).await
    }

    /// Makes it all happen; answers the highest sequence number given so far.
    pub(super) async fn commit(mut self) -> Result<i64, Error> {
        let (store, seq) = (self.store, self.seq);
        self.execute("the database cannot be written", sqlx::query(sql::COUNTER_SET).bind(seq)).await?;
        self.transaction.commit().await.map_err(|e| store.error("the database cannot be written", e))?;
        Ok(seq)
    }
}
