//! Lines of a log as HTML: for the page itself, and for its module as JSON `{ html, first, next, total, end }`.

use askama::Template;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::run::Stream;
use crate::store::LogLine;
use crate::web::ansi;
use crate::web::app::App;
use crate::web::extract::{Asked, At};
use crate::web::log::{Log, Of};
use crate::web::problem::Problem;

/// Lines in one answer, at most. More would only make the page slow.
const MOST: usize = 1_000;

/// One line, ready to be shown.
pub(super) struct Line {
    pub n: u64,
    /// Unix milliseconds.
    pub at: i64,
    /// `14:03:59.123`, in UTC; the page's module shows the reader's own.
    pub clock: String,
    pub class: &'static str,
    /// The line that the address names.
    pub is_marked: bool,
    /// The next line goes on with it.
    pub is_cut: bool,
    /// Escaped.
    pub html: String,
}

impl Line {
    pub(super) fn new(line: &LogLine) -> Self {
        let ms = line.at.rem_euclid(86_400_000);
        let class = match line.stream {
            Stream::Stdout => "l",
            Stream::Stderr => "l err",
            Stream::System => "l sys",
        };
        let clock = format!("{:02}:{:02}:{:02}.{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000);
        Self { n: line.n, at: line.at, clock, class, is_marked: false, is_cut: line.more, html: ansi::to_html(&line.text) }
    }
}

/// Some lines of a log, ready to be shown.
pub(super) struct Lines {
    pub lines: Vec<Line>,
    /// The first line that was asked for.
    pub first: u64,
    /// The line to ask for next.
    pub next: u64,
    /// Lines there are so far.
    pub total: u64,
    /// Nothing comes after the last of all lines.
    pub end: bool,
}

impl Lines {
    pub(super) async fn read(app: &App, log: &Log, from: u64, limit: usize, q: Option<String>) -> Result<Self, Problem> {
        let total = app.log_lines(log).await?;
        let page = app.log_page(log, from, limit, q).await?;
        let lines: Vec<Line> = page.lines.iter().map(Line::new).collect();
        // Lines may have come between the two reads.
        let total = total.max(lines.last().map_or(0, |line| line.n));
        Ok(Self { lines, first: from, next: page.next, total, end: page.end })
    }

    /// Lines around this one, which is marked.
    pub(super) async fn around(app: &App, log: &Log, line: u64, limit: usize) -> Result<Self, Problem> {
        let mut lines = Self::read(app, log, line.saturating_sub(limit as u64 / 2).max(1), limit, None).await?;
        if let Some(found) = lines.lines.iter_mut().find(|found| found.n == line) {
            found.is_marked = true;
        }
        Ok(lines)
    }

    /// The last lines.
    pub(super) async fn tail(app: &App, log: &Log, limit: usize) -> Result<Self, Problem> {
        let total = app.log_lines(log).await?;
        let from = total.saturating_sub(limit as u64) + 1;
        Self::read(app, log, from, limit, None).await
    }
}

#[derive(Template)]
#[template(path = "lines.html")]
struct LinesPart<'a> {
    lines: &'a [Line],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    from: Option<u64>,
    limit: Option<usize>,
    attempt: Option<u32>,
    q: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Answer {
    html: String,
    first: u64,
    next: u64,
    total: u64,
    end: bool,
    /// Lines in `html`.
    count: usize,
}

pub(super) async fn of_step(
    State(app): State<App>,
    At((id, job, step)): At<(String, String, String)>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Answer>, Problem> {
    let of = Of::Step { job, step, attempt: wanted.attempt };
    answer(app, &id, &of, wanted).await
}

pub(super) async fn of_service(
    State(app): State<App>,
    At((id, job, service)): At<(String, String, String)>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Answer>, Problem> {
    answer(app, &id, &Of::Service { job, service }, wanted).await
}

async fn answer(app: App, id: &str, of: &Of, wanted: Wanted) -> Result<Json<Answer>, Problem> {
    let limit = wanted.limit.unwrap_or(MOST);
    if limit == 0 || limit > MOST {
        return Err(Problem::invalid(format!("`limit` must be from 1 to {MOST}.")));
    }
    let run = app.run(id).await?;
    let Some(log) = of.find(&run)? else {
        return Err(Problem::not_found("This step has no log yet."));
    };
    let q = wanted.q.filter(|q| !q.is_empty());
    let Lines { lines, first, next, total, end } = Lines::read(&app, &log, wanted.from.unwrap_or(1).max(1), limit, q).await?;
    let html = LinesPart { lines: &lines }.render().map_err(Problem::internal)?;
    Ok(Json(Answer { html, first, next, total, end, count: lines.len() }))
}
