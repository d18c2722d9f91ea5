//! `/`: the runs of all repositories, newest first.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::html;
use super::row::Row;
use super::shell::Shell;
use super::words::Words;
use crate::web::api::Filter;
use crate::web::app::App;
use crate::web::extract::Asked;
use crate::web::problem::Problem;

/// As the filter offers them: value and words.
const OUTCOMES: [(&str, &str); 8] = [
    ("passed", "passed"),
    ("warning", "warning"),
    ("failed", "failed"),
    ("timed_out", "timed out"),
    ("cancelled", "cancelled"),
    ("skipped", "skipped"),
    ("lost", "lost"),
    ("error", "error"),
];

#[derive(Template)]
#[template(path = "runs.html")]
struct RunsPage {
    shell: Shell,
    rows: Vec<Row>,
    repos: Vec<String>,
    outcomes: [(&'static str, &'static str); 8],
    repo: String,
    branch: String,
    outcome: String,
    is_filtered: bool,
    /// The page that follows.
    next: Option<String>,
    /// Another page came before.
    is_later: bool,
}

pub(super) async fn page(State(app): State<App>, Asked(asked): Asked<Filter>) -> Result<Response, Problem> {
    let filter = asked.read(50)?;
    let shell = Shell::live(&app, "runs", "Runs – Gantry").await?;
    let found = app.store().runs(&filter).await?;
    let repos = app.store().repos().await?.into_iter().map(|repo| repo.name).collect();
    let now = app.now();
    let is_filtered = filter.repo.is_some() || filter.branch.is_some() || filter.outcome.is_some();
    html(&RunsPage {
        shell,
        rows: found.items.into_iter().map(|run| Row::new(run, now)).collect(),
        repos,
        outcomes: OUTCOMES,
        repo: filter.repo.unwrap_or_default(),
        branch: filter.branch.unwrap_or_default(),
        outcome: filter.outcome.map(|outcome| outcome.as_str().to_owned()).unwrap_or_default(),
        is_filtered,
        next: found.next,
        is_later: filter.before.is_some(),
    })
}
