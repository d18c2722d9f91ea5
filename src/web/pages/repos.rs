//! `/repos`: what is watched, and how to add more.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::html;
use super::moment::Took;
use super::row::Row;
use super::shell::Shell;
use super::words::Words;
use crate::store::{Repo, RunFilter};
use crate::web::app::App;
use crate::web::extract::Asked;
use crate::web::problem::Problem;

/// A repository in the list, with its latest run.
pub(super) struct RepoRow {
    pub repo: Repo,
    /// How long its status has been so.
    pub since: Took,
    pub latest: Option<Row>,
}

#[derive(Template)]
#[template(path = "repos.html")]
struct ReposPage {
    shell: Shell,
    rows: Vec<RepoRow>,
}

/// A query that must be empty.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

pub(super) async fn page(State(app): State<App>, Asked(Nothing {}): Asked<Nothing>) -> Result<Response, Problem> {
    let shell = Shell::live(&app, "repos", "Repositories – Gantry").await?;
    let now = app.now();
    let mut rows = Vec::new();
    for repo in app.store().repos().await? {
        let filter = RunFilter { repo: Some(repo.name.clone()), limit: 1, ..RunFilter::default() };
        let latest = app.store().runs(&filter).await?.items.pop().map(|run| Row::new(run, now));
        rows.push(RepoRow { since: Took { from: Some(repo.status.at), to: None, now }, repo, latest });
    }
    html(&ReposPage { shell, rows })
}
