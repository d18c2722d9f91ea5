//! Reading the record: events after a sequence number.

use sqlx::any::AnyRow;

use super::event::{EventKind, StoredEvent};
use super::row::Fields;
use super::{Error, Store, sql};
use crate::base::RunId;

impl Store {
    /// Events after `seq` in order, of all or of one run; at most `limit`.
    pub async fn events_after(&self, seq: i64, run: Option<&RunId>, limit: u32) -> Result<Vec<StoredEvent>, Error> {
        let mut query = sqlx::query(if run.is_some() { sql::EVENTS_AFTER_OF_RUN } else { sql::EVENTS_AFTER })
            .bind(seq)
            .bind(i64::from(limit));
        if let Some(run) = run {
            query = query.bind(run.as_str());
        }
        let rows = query.fetch_all(&self.inner.read).await;
        let rows = rows.map_err(|error| self.error("the record cannot be read", error))?;
        rows.iter().map(event_of).collect()
    }

    /// The highest sequence number given so far; 0 at first.
    pub async fn last_event(&self) -> Result<i64, Error> {
        let row = sqlx::query(sql::COUNTER).fetch_one(&self.inner.read).await;
        let row = row.map_err(|error| self.error("the record cannot be read", error))?;
        Fields::new(&row, "counter", "value").int("value")
    }
}

fn event_of(row: &AnyRow) -> Result<StoredEvent, Error> {
    let fields = Fields::new(row, "event", "seq");
    let kind = match fields.text("kind")?.as_str() {
        "run" => EventKind::Run,
        "job" => EventKind::Job,
        "step" => EventKind::Step,
        "repo" => EventKind::Repo,
        other => return Err(fields.unreadable("kind", &format!("`{other}` is no kind of event"))),
    };
    Ok(StoredEvent {
        seq: fields.int("seq")?,
        at: fields.time("at")?,
        kind,
        repo: fields.parse_or_null("repo_id")?,
        run: fields.parse_or_null("run_id")?,
        job: fields.count_or_null("job")?,
        step: fields.count_or_null("step")?,
        body: fields.text("body")?,
    })
}
