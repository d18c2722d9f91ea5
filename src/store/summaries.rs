//! What attempts wrote for the run's page. **Invariant:** kept before the exit that it came with is committed, and again after a crash: the same
//! attempt has one row.

use super::row::{Fields, plain};
use super::{Error, Store, sql};
use crate::base::{AttemptKey, RunId};

/// One attempt's Markdown: written by a step, so not to be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub key: AttemptKey,
    pub text: String,
}

impl Store {
    /// Keeps what an attempt wrote. [`Error::Gone`] when its run was removed.
    pub async fn keep_summary(&self, key: &AttemptKey, text: &str) -> Result<(), Error> {
        let query = sqlx::query(sql::SUMMARY_SET)
            .bind(key.run.as_str())
            .bind(i64::from(key.job))
            .bind(i64::from(key.step))
            .bind(i64::from(key.attempt))
            .bind(plain(text));
        query.execute(&self.inner.write).await.map_err(|error| match error.as_database_error() {
            Some(e) if e.is_foreign_key_violation() => Error::Gone(format!("run {}", key.run)),
            _ => self.error("a summary cannot be kept", error),
        })?;
        Ok(())
    }

    /// All summaries of a run, in the order of its plan, then of the attempts.
    pub async fn summaries(&self, run: &RunId) -> Result<Vec<Summary>, Error> {
        let rows = sqlx::query(sql::SUMMARIES).bind(run.as_str()).fetch_all(&self.inner.read).await;
        let rows = rows.map_err(|error| self.error("the summaries cannot be read", error))?;
        let read = |row| {
            let fields = Fields::new(row, "a summary of run", "run_id");
            let (job, step, attempt) = (fields.count("job")?, fields.count("step")?, fields.count("attempt")?);
            Ok(Summary { key: AttemptKey { run: fields.parse("run_id")?, job, step, attempt }, text: fields.text("text")? })
        };
        rows.iter().map(read).collect()
    }
}
