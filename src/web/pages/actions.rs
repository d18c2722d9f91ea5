//! What the pages' forms do. Each asks the server's handle and goes back to the page, so that a reload does nothing twice.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::shell::Shell;
use super::{html, start};
use crate::server::Part;
use crate::store::Repo;
use crate::web::api::{Decision, cache_id, interval_ms};
use crate::web::app::App;
use crate::web::extract::{At, Filled};
use crate::web::problem::Problem;

/// Who asked, as a run's reason says it.
const BY: &str = "the dashboard";

pub(super) async fn cancel(State(app): State<App>, At(id): At<String>) -> Result<Redirect, Problem> {
    let run = app.run(&id).await?;
    app.handle.cancel(&run.id, BY).await?;
    Ok(Redirect::to(&format!("/runs/{}", run.id)))
}

pub(super) async fn rerun(State(app): State<App>, At(id): At<String>) -> Result<Redirect, Problem> {
    rerun_part(&app, &id, Part::Whole).await
}

pub(super) async fn rerun_failed(State(app): State<App>, At(id): At<String>) -> Result<Redirect, Problem> {
    rerun_part(&app, &id, Part::Failed).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FromHere {
    /// `JOB` or `JOB/STEP`.
    from: String,
}

pub(super) async fn rerun_from(
    State(app): State<App>,
    At(id): At<String>,
    Filled(here): Filled<FromHere>,
) -> Result<Redirect, Problem> {
    rerun_part(&app, &id, Part::From(here.from)).await
}

async fn rerun_part(app: &App, id: &str, part: Part) -> Result<Redirect, Problem> {
    let run = app.run(id).await?;
    let new = app.handle.rerun(&run.id, part, BY).await?;
    Ok(Redirect::to(&format!("/runs/{new}")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answered {
    job: String,
    #[serde(default)]
    by: String,
    decision: Decision,
}

pub(super) async fn approve(
    State(app): State<App>,
    At(id): At<String>,
    Filled(answered): Filled<Answered>,
) -> Result<Redirect, Problem> {
    let run = app.run(&id).await?;
    let by = Some(answered.by.trim()).filter(|by| !by.is_empty()).unwrap_or(BY);
    app.handle.approve(&run.id, &answered.job, by, answered.decision.into()).await?;
    Ok(Redirect::to(&format!("/runs/{}", run.id)))
}

pub(super) async fn sync_repo(State(app): State<App>, At(name): At<String>) -> Result<Redirect, Problem> {
    let repo = app.repo(&name).await?;
    app.handle.sync_repo(&repo.name).await?;
    Ok(Redirect::to(&to_repo(&repo.name)))
}

/// To the new run when it is one; to the repository, whose notes say why, when it is none.
pub(super) async fn run_now(
    State(app): State<App>,
    At(name): At<String>,
    Filled(asked): Filled<Vec<(String, String)>>,
) -> Result<Redirect, Problem> {
    let repo = app.repo(&name).await?;
    let runs = app.handle.trigger(&repo.name, &start::read(asked)?, BY).await?;
    Ok(Redirect::to(&match runs.as_slice() {
        [run] => format!("/runs/{run}"),
        _ => to_repo(&repo.name),
    }))
}

pub(super) async fn remove_repo(State(app): State<App>, At(name): At<String>) -> Result<Redirect, Problem> {
    let repo = app.repo(&name).await?;
    app.handle.remove_repo(&repo.name).await?;
    Ok(Redirect::to("/repos"))
}

pub(super) async fn remove_cache(State(app): State<App>, At((name, id)): At<(String, String)>) -> Result<Redirect, Problem> {
    let repo = app.repo(&name).await?;
    app.handle.remove_cache(&repo.name, &cache_id(&id)?).await?;
    Ok(Redirect::to(&to_repo(&repo.name)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRepo {
    name: String,
    url: String,
    #[serde(default)]
    poll: String,
}

#[derive(Template)]
#[template(path = "added.html")]
struct AddedPage {
    shell: Shell,
    repo: Repo,
}

/// No redirect: this answer is the only one that holds the webhook's secret.
pub(super) async fn add_repo(State(app): State<App>, Filled(new): Filled<NewRepo>) -> Result<Response, Problem> {
    let poll_ms = Some(new.poll.trim()).filter(|poll| !poll.is_empty()).map(interval_ms).transpose()?;
    let repo = app.handle.add_repo(new.name.trim(), new.url.trim(), poll_ms).await?;
    let page = AddedPage { shell: Shell::still(&app, format!("{} added – Gantry", repo.name)), repo };
    Ok((StatusCode::CREATED, html(&page)?).into_response())
}

pub(super) fn to_repo(name: &str) -> String {
    let encoded = askama::filters::urlencode_strict(name).map(|name| name.to_string()).unwrap_or_default();
    format!("/repos/{encoded}")
}
