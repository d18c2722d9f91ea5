//! The dashboard. Every page reads without JavaScript; its forms post and are answered with a redirect.
//!
//! | File | Page |
//! |---|---|
//! | `runs` | `/`, all runs |
//! | `repos`, `repo` | `/repos`, `/repos/{name}` |
//! | `run`, `pane` | `/runs/{id}` with the log of the step or service that is looked at |
//! | `run_tests` | `/runs/{id}/tests`; `run_summary`: `/runs/{id}/summary` |
//! | `repo_tests`, `test` | `/repos/{name}/tests`, `/repos/{name}/tests/{id}` |
//! | `results`, `strip` | results of tests; what a test did last, as small pictures |
//! | `engines` | `/engines` |
//! | `secrets` | a repository's secrets, on its page |
//! | `terminal` | `/runs/{id}/steps/{job}/{step}/terminal` |
//! | `terminals` | who had a terminal in one of a run's steps |
//! | `artifacts`, `tree` | what a run has kept, and a repository's caches |
//! | `docs` | `/docs`, the manual |
//! | `lines` | lines of a log as HTML |
//! | `nudges` | `/live`: when to look again |
//! | `actions` | what the forms do |
//! | `start`, `schedules` | parts of a repository's page: the form that runs pipelines by hand, what runs by itself |
//! | `shell` | what surrounds every page |
//! | `face`, `moment`, `words` | states, times and sentences as people read them |

mod actions;
mod artifacts;
mod docs;
mod engines;
mod face;
mod lines;
mod moment;
mod nudges;
mod pane;
mod repo;
mod repo_tests;
mod repos;
mod results;
mod row;
mod run;
mod run_summary;
mod run_tests;
mod runs;
mod schedules;
mod secrets;
mod shell;
mod start;
mod strip;
mod terminal;
mod terminals;
mod test;
mod tree;
mod words;

use askama::Template;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};

use super::app::App;
use super::problem::Problem;
use crate::base::limits;
use shell::Shell;
use words::Words;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(runs::page))
        .route("/live", get(nudges::stream))
        .route("/repos", get(repos::page).post(actions::add_repo))
        .route("/repos/{name}", get(repo::page))
        .route("/repos/{name}/tests", get(repo_tests::page))
        .route("/repos/{name}/tests/{id}", get(test::page))
        .route("/repos/{name}/sync", post(actions::sync_repo))
        .route("/repos/{name}/caches/{id}/remove", post(actions::remove_cache))
        .route("/repos/{name}/runs", post(actions::run_now))
        .route("/repos/{name}/remove", get(repo::removal).post(actions::remove_repo))
        .route("/repos/{name}/secrets", post(secrets::set))
        .route("/repos/{repo}/secrets/{name}/remove", post(secrets::remove))
        .route("/engines", get(engines::page))
        .route("/docs", get(docs::first))
        .route("/docs/{name}", get(docs::page))
        .route("/runs/{id}", get(run::page))
        .route("/runs/{id}/tests", get(run_tests::page))
        .route("/runs/{id}/summary", get(run_summary::page))
        .route("/runs/{id}/cancel", post(actions::cancel))
        .route("/runs/{id}/rerun", post(actions::rerun))
        .route("/runs/{id}/rerun-failed", post(actions::rerun_failed))
        .route("/runs/{id}/rerun-from", post(actions::rerun_from))
        .route("/runs/{id}/approve", post(actions::approve))
        .route("/runs/{id}/steps/{job}/{step}/lines", get(lines::of_step))
        .route("/runs/{id}/steps/{job}/{step}/terminal", get(terminal::page))
        .route("/runs/{id}/services/{job}/{service}/lines", get(lines::of_service))
        .layer(DefaultBodyLimit::max(limits::REQUEST_BYTES))
}

/// As a part of an address.
fn encoded(text: &str) -> String {
    askama::filters::urlencode_strict(text).map(|text| text.to_string()).unwrap_or_default()
}

/// A page as an answer.
fn html(page: &impl Template) -> Result<Response, Problem> {
    page.render().map(|text| Html(text).into_response()).map_err(Problem::internal)
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    shell: Shell,
    problem: &'a Problem,
    request_id: &'a str,
}

/// A refusal for people.
pub(super) fn problem(app: &App, problem: &Problem, request_id: &str) -> Response {
    let shell = Shell::still(app, problem.title());
    let page = ProblemPage { shell, problem, request_id };
    match page.render() {
        Ok(text) => (problem.status, Html(text)).into_response(),
        Err(_) => (problem.status, problem.detail.clone()).into_response(),
    }
}
