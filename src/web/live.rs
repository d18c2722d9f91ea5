//! Server-sent events. The live channel carries only a nudge; what is sent are rows after a number, so that a stream taken up again with
//! `Last-Event-ID` has neither a hole nor a double.
//!
//! **Invariants:** a stream ends when the server ends; it holds no rows while it waits; comments keep it alive through quiet times.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use futures_util::stream::{self, StreamExt};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::app::App;
use crate::base::RunId;

/// Rows read at once.
const BATCH: u32 = 500;
/// Between two signs of life, so that a dead connection is noticed and a proxy does not cut a quiet one.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// A stream as an answer.
pub(super) fn answer(events: impl Stream<Item = Event> + Send + 'static) -> Response {
    let events = events.map(Ok::<_, Infallible>);
    Sse::new(events).keep_alive(KeepAlive::new().interval(SIGN_OF_LIFE)).into_response()
}

/// The word that nothing follows: a reader that takes streams up again by itself (`EventSource`) stops here.
pub(super) fn end() -> Event {
    Event::default().event("end").data("{}")
}

/// A batch of events and, while there may be more, the state to go on with.
pub(super) type Turn<S> = (Vec<Event>, Option<S>);

/// Repeats `turn` until it gives no state to go on with, or the server ends. A turn waits for news by itself when it has none.
pub(super) fn turns<S, F>(
    app: &App,
    first: S,
    turn: impl Fn(S) -> F + Send + 'static,
) -> impl Stream<Item = Event> + Send + 'static
where
    S: Send + 'static,
    F: Future<Output = Turn<S>> + Send,
{
    let ending = app.options.tasks.ending.clone();
    stream::unfold((Some(first), turn, ending), |(state, turn, ending)| async move {
        let (events, state) = unless_ending(&ending, turn(state?)).await??;
        Some((stream::iter(events), (state, turn, ending)))
    })
    .flatten()
}

/// `None` when the server ends first.
async fn unless_ending<T>(ending: &CancellationToken, work: impl Future<Output = T>) -> Option<Option<T>> {
    tokio::select! {
        () = ending.cancelled() => None,
        done = work => Some(Some(done)),
    }
}

/// The record after `seq`, of all or of one run, row by row. The stream of a run that has ended ends after its last row.
pub(super) fn record(app: &App, run: Option<RunId>, seq: i64) -> impl Stream<Item = Event> + Send + 'static {
    let first = Reader { app: app.clone(), nudges: app.handle.changes(), run, seq };
    turns(app, first, Reader::turn)
}

struct Reader {
    app: App,
    nudges: watch::Receiver<i64>,
    run: Option<RunId>,
    seq: i64,
}

impl Reader {
    async fn turn(mut self) -> Turn<Self> {
        loop {
            self.nudges.mark_unchanged();
            let has_ended = self.run_has_ended().await;
            let rows = match self.app.store().events_after(self.seq, self.run.as_ref(), BATCH).await {
                Ok(rows) => rows,
                Err(error) => {
                    tracing::error!("a live stream cannot read the record and is closed: {error}");
                    return (Vec::new(), None);
                }
            };
            if let Some(last) = rows.last() {
                self.seq = last.seq;
                let events =
                    rows.iter().map(|row| Event::default().id(row.seq.to_string()).event(row.kind.as_str()).data(as_json(row)));
                return (events.collect(), Some(self));
            }
            if has_ended {
                return (vec![end()], None);
            }
            if self.nudges.changed().await.is_err() {
                return (Vec::new(), None);
            }
        }
    }

    /// Asked before the rows are read, so that the last of them is not missed.
    async fn run_has_ended(&self) -> bool {
        match &self.run {
            Some(run) => !matches!(self.app.store().run(run).await, Ok(Some(run)) if !run.is_ended()),
            None => false,
        }
    }
}

/// The row with its body as JSON in place.
fn as_json(row: &crate::store::StoredEvent) -> String {
    let body: serde_json::Value = serde_json::from_str(&row.body).unwrap_or_default();
    let mut row = serde_json::to_value(row).unwrap_or_default();
    row["body"] = body;
    row.to_string()
}
