//! Logs: a page, the whole as text, and live.

use std::io;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;

use crate::base::limits;
use crate::store::{LogLine, LogPage};
use crate::web::app::App;
use crate::web::extract::{Asked, At, last_event_id};
use crate::web::live::{self, Turn};
use crate::web::log::{Log, Of, Watched};
use crate::web::problem::Problem;

/// Lines read at once for a stream: a few MiB at worst in ordinary logs.
const CHUNK: usize = 1_000;
/// Lines of a page that does not say how many.
const PAGE: usize = 1_000;

/// Which log: run, job and step or service.
pub(super) type Which = (String, String, String);

/// Which lines of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lines {
    from: Option<u64>,
    limit: Option<usize>,
    q: Option<String>,
    attempt: Option<u32>,
}

pub(super) async fn page(
    State(app): State<App>,
    At((id, job, step)): At<Which>,
    Asked(query): Asked<Lines>,
) -> Result<Json<LogPage>, Problem> {
    let of = Of::Step { job, step, attempt: query.attempt };
    answer_page(app, &id, &of, query).await
}

pub(super) async fn service_page(
    State(app): State<App>,
    At((id, job, service)): At<Which>,
    Asked(query): Asked<Lines>,
) -> Result<Json<LogPage>, Problem> {
    answer_page(app, &id, &Of::Service { job, service }, query).await
}

async fn answer_page(app: App, id: &str, of: &Of, query: Lines) -> Result<Json<LogPage>, Problem> {
    let limit = query.limit.unwrap_or(PAGE);
    if limit == 0 || limit > limits::LOG_PAGE_LINES {
        return Err(Problem::invalid(format!("`limit` must be from 1 to {}.", limits::LOG_PAGE_LINES)));
    }
    let from = query.from.unwrap_or(1).max(1);
    let run = app.run(id).await?;
    let Some(log) = of.find(&run)? else {
        return Ok(Json(LogPage { lines: Vec::new(), next: from, end: run.is_ended() }));
    };
    let q = query.q.filter(|q| !q.is_empty());
    Ok(Json(app.log_page(&log, from, limit, q).await?))
}

/// Which attempt.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attempt {
    attempt: Option<u32>,
}

/// All bytes as they were printed, both streams, as one text; a page of it in memory at a time.
pub(super) async fn raw(
    State(app): State<App>,
    At((id, job, step)): At<Which>,
    Asked(query): Asked<Attempt>,
) -> Result<Response, Problem> {
    answer_raw(app, &id, &Of::Step { job, step, attempt: query.attempt }).await
}

pub(super) async fn service_raw(
    State(app): State<App>,
    At((id, job, service)): At<Which>,
    Asked(Nothing {}): Asked<Nothing>,
) -> Result<Response, Problem> {
    answer_raw(app, &id, &Of::Service { job, service }).await
}

async fn answer_raw(app: App, id: &str, of: &Of) -> Result<Response, Problem> {
    let run = app.run(id).await?;
    let log = of.find(&run)?;
    let text = stream::try_unfold((app, log, 1), |(app, log, from)| async move {
        let Some(log) = log else {
            return Ok(None);
        };
        let (bytes, next) = app.log_bytes(&log, from).await.map_err(|problem| io::Error::other(problem.detail))?;
        // Lines may be without a byte, at the end of a log that had no newline.
        Ok::<_, io::Error>((next > from).then(|| (Bytes::from(bytes), (app, Some(log), next))))
    });
    let kind = |char: char| if char.is_ascii_alphanumeric() { char } else { '-' };
    let name: String = format!("{}-{}-{}", run.repo_name, run.number, of.name()).chars().map(kind).collect();
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("inline; filename=\"{name}.log\"")),
    ];
    Ok((headers, Body::from_stream(text)).into_response())
}

/// A service has nothing to choose from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Where the stream begins.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    from: Option<u64>,
    attempt: Option<u32>,
}

/// Line by line, the line's number as the event's id; an `end` event after the last. A step that has not been tried yet is waited for.
pub(super) async fn stream(
    State(app): State<App>,
    At((id, job, step)): At<Which>,
    Asked(query): Asked<From>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let of = Of::Step { job, step, attempt: query.attempt };
    answer_stream(app, id, of, query.from, &headers).await
}

pub(super) async fn service_stream(
    State(app): State<App>,
    At((id, job, service)): At<Which>,
    Asked(query): Asked<From>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer_stream(app, id, Of::Service { job, service }, query.from, &headers).await
}

async fn answer_stream(app: App, id: String, of: Of, from: Option<u64>, headers: &HeaderMap) -> Result<Response, Problem> {
    let run = app.run(&id).await?;
    // A name that is not there is a 404 now, rather than a stream that ends.
    let log = of.find(&run)?;
    let seen = last_event_id(headers)?.and_then(|last| u64::try_from(last).ok());
    let from = seen.map(|last| last.saturating_add(1)).or(from).unwrap_or(1).max(1);
    let first = Follower { run: id, of, log, from, watched: None, app: app.clone() };
    Ok(live::answer(live::turns(&app, first, Follower::turn)))
}

/// Follows one log.
struct Follower {
    app: App,
    run: String,
    of: Of,
    log: Option<Log>,
    from: u64,
    watched: Option<Watched>,
}

impl Follower {
    async fn turn(mut self) -> Turn<Self> {
        match self.next().await {
            Ok(Some(events)) => (events, Some(self)),
            Ok(None) => (vec![live::end()], None),
            Err(problem) => {
                tracing::error!("a log's stream is closed: {}", problem.detail);
                (Vec::new(), None)
            }
        }
    }

    /// The next lines; `None` when there will be no more.
    async fn next(&mut self) -> Result<Option<Vec<Event>>, Problem> {
        loop {
            let watched = self.watched.get_or_insert_with(|| Watched::new(&self.app));
            watched.mark_seen();
            if self.log.as_ref().is_none_or(|log| !log.is_over) && watched.record_moved {
                let run = self.app.run(&self.run).await?;
                self.log = self.of.find(&run)?;
                watched.record_moved = false;
                if self.log.is_none() && run.is_ended() {
                    return Ok(None);
                }
            }
            if let Some(log) = &self.log {
                // The attempt stays the one that was found first, also when the step is tried again.
                if let Of::Step { attempt, .. } = &mut self.of {
                    *attempt = Some(log.attempt);
                }
                watched.follow(&self.app, log);
                let page = self.app.log_page(log, self.from, CHUNK, None).await?;
                if !page.lines.is_empty() {
                    self.from = page.next;
                    return page.lines.iter().map(as_event).collect::<Result<_, Problem>>().map(Some);
                }
                if page.end || log.is_over {
                    return Ok(None);
                }
            }
            if !watched.news().await {
                return Ok(None);
            }
        }
    }
}

fn as_event(line: &LogLine) -> Result<Event, Problem> {
    Ok(Event::default().json_data(line).map_err(Problem::internal)?.id(line.n.to_string()))
}
