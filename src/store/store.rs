//! The store itself: its connections, and how their errors are told.

use std::sync::Arc;

use sqlx::AnyPool;

use super::row::Fields;
use super::write::Write;
use super::{Error, Logs, sql};
use crate::base::{Clock, InstanceId};

/// Rows and logs. Cheap to clone; all clones are the same store.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    /// One connection: writers come one after another.
    pub(super) write: AnyPool,
    /// Several connections; for a database in memory the same one.
    pub(super) read: AnyPool,
    pub(super) engine: Engine,
    /// How people call the database: its path, or its address without the password.
    pub(super) name: String,
    pub(super) logs: Logs,
}

/// The few things that differ between databases and are no statements on rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// Begins a transaction whose reads all see the same moment.
    pub(super) fn begin_reading(self) -> &'static str {
        match self {
            Engine::Sqlite => "BEGIN",
            Engine::Postgres => "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }
}

impl Store {
    /// Closes the connections once nobody uses them any more. Not needed for safety: what was committed stays.
    pub async fn close(&self) {
        self.inner.read.close().await;
        self.inner.write.close().await;
    }

    /// The log files.
    #[must_use]
    pub fn logs(&self) -> &Logs {
        &self.inner.logs
    }

    /// The id of this database: made once, then always the same.
    pub async fn instance(&self) -> Result<InstanceId, Error> {
        let clock = Clock::System;
        let mut write = Write::begin(self, clock.now()).await?;
        let new = InstanceId::new(&clock);
        let add = sqlx::query(sql::SETTING_ADD).bind("instance").bind(new.as_str());
        write.execute("the instance's id cannot be kept", add).await?;
        let row = sqlx::query(sql::SETTING).bind("instance").fetch_one(write.connection()).await;
        let row = row.map_err(|error| self.error("the instance's id cannot be read", error))?;
        let instance = Fields::new(&row, "the setting `instance`:", "value").parse("value")?;
        write.commit().await?;
        Ok(instance)
    }

    /// Tells an error of the database: `what` is what did not work, as the beginning of a sentence.
    pub(super) fn error(&self, what: &str, error: sqlx::Error) -> Error {
        tell(self.inner.engine, &self.inner.name, what, error)
    }
}

/// Tells an error of the database called `name`.
pub(super) fn tell(engine: Engine, name: &str, what: &str, error: sqlx::Error) -> Error {
    let code = error.as_database_error().and_then(|e| e.code()).map(|code| code.into_owned());
    // https://www.sqlite.org/rescode.html: the low byte is the primary code, 11 is SQLITE_CORRUPT, 26 SQLITE_NOTADB, 5 SQLITE_BUSY.
    let primary = match engine {
        Engine::Sqlite => code.as_deref().and_then(|code| code.parse::<i32>().ok()).map(|code| code & 0xff),
        Engine::Postgres => None,
    };
    if matches!(primary, Some(11 | 26)) {
        return Error::Damaged {
            database: name.to_owned(),
            detail: error.as_database_error().map_or_else(String::new, |e| e.message().to_owned()),
        };
    }
    // https://www.postgresql.org/docs/current/errcodes-appendix.html: class 08 connection, 40 rollback, 53 resources, 57 operator intervention.
    let class = code.as_deref().filter(|_| engine == Engine::Postgres).and_then(|code| code.get(..2));
    let transient = primary == Some(5)
        || matches!(class, Some("08" | "40" | "53" | "57"))
        || matches!(error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed);
    Error::Database { what: what.to_owned(), transient, source: Box::new(error) }
}
