//! Rows of terminals: who had one, when, where, and how it ended. **Invariant:** a row is there before its terminal is, and stays with its run.

use sqlx::any::AnyRow;

use super::row::{Fields, plain};
use super::{Error, Store, sql};
use crate::base::{AttemptKey, RunId, TerminalId, Timestamp};

/// A terminal, as it is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptTerminal {
    pub id: TerminalId,
    pub key: AttemptKey,
    /// What whoever asked said their name is.
    pub who: String,
    /// Where they asked from.
    pub address: String,
    pub opened_at: Timestamp,
    /// `None` while it is open.
    pub closed: Option<ClosedTerminal>,
}

/// How a terminal ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedTerminal {
    pub at: Timestamp,
    /// A sentence.
    pub reason: String,
    /// Of what ran in it; `None` when it was cut off.
    pub exit_code: Option<i64>,
}

impl Store {
    /// Writes down that a terminal is about to open. [`Error::Gone`] when its run was removed.
    pub async fn keep_terminal(&self, terminal: &KeptTerminal) -> Result<(), Error> {
        let KeptTerminal { id, key, who, address, opened_at, closed: _ } = terminal;
        let query = sqlx::query(sql::TERMINAL_ADD)
            .bind(id.as_str())
            .bind(key.run.as_str())
            .bind(i64::from(key.job))
            .bind(i64::from(key.step))
            .bind(i64::from(key.attempt))
            .bind(plain(who))
            .bind(plain(address))
            .bind(opened_at.0);
        query.execute(&self.inner.write).await.map_err(|error| match error.as_database_error() {
            Some(e) if e.is_foreign_key_violation() => Error::Gone(format!("run {}", key.run)),
            _ => self.error("the terminal cannot be written down", error),
        })?;
        Ok(())
    }

    /// Writes down how it ended; the first word counts.
    pub async fn close_terminal(&self, id: &TerminalId, closed: &ClosedTerminal) -> Result<(), Error> {
        let ClosedTerminal { at, reason, exit_code } = closed;
        let query = sqlx::query(sql::TERMINAL_CLOSE).bind(id.as_str()).bind(at.0).bind(plain(reason)).bind(*exit_code);
        let done = query.execute(&self.inner.write).await;
        done.map(drop).map_err(|error| self.error("the end of a terminal cannot be written down", error))
    }

    /// Those that an earlier life of the server left open ended with it.
    pub async fn sweep_terminals(&self, now: Timestamp) -> Result<(), Error> {
        let query = sqlx::query(sql::TERMINALS_SWEEP).bind(now.0).bind("the server ended");
        let done = query.execute(&self.inner.write).await;
        done.map(drop).map_err(|error| self.error("the ends of terminals cannot be written down", error))
    }

    /// The terminals of a run, in the order in which they were opened.
    pub async fn terminals(&self, run: &RunId) -> Result<Vec<KeptTerminal>, Error> {
        let rows = sqlx::query(sql::TERMINALS).bind(run.as_str()).fetch_all(&self.inner.read).await;
        rows.map_err(|error| self.error("the terminals cannot be read", error))?.iter().map(terminal_of).collect()
    }
}

fn terminal_of(row: &AnyRow) -> Result<KeptTerminal, Error> {
    let fields = Fields::new(row, "terminal", "id");
    let closed = match fields.time_or_null("closed_at")? {
        None => None,
        Some(at) => Some(ClosedTerminal {
            at,
            reason: fields.text_or_null("reason")?.unwrap_or_default(),
            exit_code: fields.count_or_null("exit_code")?,
        }),
    };
    Ok(KeptTerminal {
        id: fields.parse("id")?,
        key: AttemptKey {
            run: fields.parse("run_id")?,
            job: fields.count("job")?,
            step: fields.count("step")?,
            attempt: fields.count("attempt")?,
        },
        who: fields.text("who")?,
        address: fields.text("address")?,
        opened_at: fields.time("opened_at")?,
        closed,
    })
}
