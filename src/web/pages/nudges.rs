//! `/live`: one channel for a page. It says that the record moved (`change`, its id the record's number) and how long the log that is looked at
//! has become (`log`); the page asks for what it shows. So nothing that is missed here is missed on the page.

use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::response::sse::Event;
use serde::Deserialize;
use serde_json::json;

use crate::base::RunId;
use crate::server::PullWatch;
use crate::web::app::App;
use crate::web::extract::{Asked, last_event_id};
use crate::web::live::{self, Turn};
use crate::web::log::{Log, Of, Watched};
use crate::web::problem::Problem;

/// Between two nudges of one page: more often nobody can read.
const PAUSE: Duration = Duration::from_millis(80);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// What the page has seen of the record.
    after: Option<i64>,
    /// Only this run's changes.
    run: Option<String>,
    job: Option<String>,
    step: Option<String>,
    service: Option<String>,
    attempt: Option<u32>,
}

pub(super) async fn stream(
    State(app): State<App>,
    Asked(wanted): Asked<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let run = match &wanted.run {
        Some(id) => Some(app.run(id).await?),
        None => None,
    };
    let job = wanted.job.unwrap_or_default();
    let of = match (wanted.step, wanted.service) {
        (Some(step), _) => Some(Of::Step { job, step, attempt: wanted.attempt }),
        (None, Some(service)) => Some(Of::Service { job, service }),
        (None, None) => None,
    };
    let log = match (&run, of) {
        (Some(run), Some(of)) => of.find(run)?,
        _ => None,
    };
    let seq = match last_event_id(&headers)?.or(wanted.after) {
        Some(seq) => seq,
        None => app.store().last_event().await?,
    };
    let watched = Watched::new(&app);
    let first = Nudger {
        app: app.clone(),
        run: run.map(|run| run.id),
        log,
        seq,
        lines: None,
        watched,
        pulls: app.handle.pulls(),
        pulls_moved: false,
    };
    Ok(live::answer(live::turns(&app, first, Nudger::turn)))
}

struct Nudger {
    app: App,
    run: Option<RunId>,
    log: Option<Log>,
    seq: i64,
    /// What the page was told last: how many lines, and whether that is all.
    lines: Option<(u64, bool)>,
    watched: Watched,
    pulls: PullWatch,
    /// Another part of some image is here.
    pulls_moved: bool,
}

impl Nudger {
    async fn turn(mut self) -> Turn<Self> {
        loop {
            self.watched.mark_seen();
            self.pulls.mark_seen();
            match self.news().await {
                Ok(events) if events.is_empty() => {}
                Ok(events) => return (events, Some(self)),
                Err(problem) => {
                    tracing::error!("a page's live channel is closed: {}", problem.detail);
                    return (Vec::new(), None);
                }
            }
            tokio::select! {
                goes_on = self.watched.news() => if !goes_on {
                    return (Vec::new(), None);
                },
                () = self.pulls.changed() => self.pulls_moved = true,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn news(&mut self) -> Result<Vec<Event>, Problem> {
        let mut events = Vec::new();
        if self.watched.record_moved {
            self.watched.record_moved = false;
            // Only whether there are any, and how far they go.
            while let Some(last) = self.app.store().events_after(self.seq, self.run.as_ref(), 500).await?.pop() {
                self.seq = last.seq;
                events.truncate(0);
                events.push(Event::default().event("change").id(self.seq.to_string()).data("{}"));
            }
        }
        // Shown on a run's page alone, and not in the record: it has no number.
        if std::mem::take(&mut self.pulls_moved) && self.run.is_some() && events.is_empty() {
            events.push(Event::default().event("change").data("{}"));
        }
        if let Some(log) = &self.log {
            self.watched.follow(&self.app, log);
            let lines = self.app.log_lines(log).await?;
            // More may have come since: then the next look tells both.
            let rest = self.app.log_page(log, lines.saturating_add(1), 1, None).await?;
            let end = rest.end && rest.lines.is_empty();
            if self.lines != Some((lines, end)) {
                self.lines = Some((lines, end));
                events.push(Event::default().event("log").data(json!({ "lines": lines, "end": end }).to_string()));
            }
        }
        Ok(events)
    }
}
