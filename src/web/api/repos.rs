//! Repositories: list, add, remove, poll now, their schedules.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::base::parse_duration_ms;
use crate::store::{LastFired, LastRun, Repo, Schedule};
use crate::web::app::App;
use crate::web::extract::{At, Given};
use crate::web::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct NewRepo {
    name: String,
    url: String,
    poll: Option<Poll>,
}

/// `"30s"`, or a number of milliseconds.
#[derive(Deserialize)]
#[serde(untagged)]
enum Poll {
    Ms(u64),
    Text(String),
}

pub(super) async fn list(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let repos = app.store().repos().await?;
    Ok(Json(json!({ "items": repos.iter().map(as_json).collect::<Vec<_>>(), "next": null })))
}

pub(super) async fn show(State(app): State<App>, At(name): At<String>) -> Result<Json<Value>, Problem> {
    Ok(Json(as_json(&app.repo(&name).await?)))
}

pub(super) async fn add(State(app): State<App>, Given(new): Given<NewRepo>) -> Result<(StatusCode, Json<Value>), Problem> {
    let poll_ms = match new.poll {
        None => None,
        Some(Poll::Ms(ms)) => Some(ms),
        Some(Poll::Text(text)) => Some(interval_ms(&text)?),
    };
    let repo = app.handle.add_repo(&new.name, &new.url, poll_ms).await?;
    let mut answer = as_json(&repo);
    // This once: no later answer holds the secret.
    answer["webhook"]["secret"] = repo.hook_secret.into();
    Ok((StatusCode::CREATED, Json(answer)))
}

pub(super) async fn remove(State(app): State<App>, At(name): At<String>) -> Result<StatusCode, Problem> {
    app.handle.remove_repo(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn sync(State(app): State<App>, At(name): At<String>) -> Result<(StatusCode, Json<Value>), Problem> {
    app.handle.sync_repo(&name).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "name": name }))))
}

pub(super) async fn schedules(State(app): State<App>, At(name): At<String>) -> Result<Json<Value>, Problem> {
    let repo = app.repo(&name).await?;
    let schedules = app.store().schedules(&repo.id).await?;
    Ok(Json(json!({ "items": schedules.iter().map(schedule_as_json).collect::<Vec<_>>(), "next": null })))
}

fn schedule_as_json(schedule: &Schedule) -> Value {
    let Schedule { repo: _, file, name, expression, timezone, next_at, last } = schedule;
    let last = last.as_ref().map(|LastFired { due_at, at, run }| {
        let run = run.as_ref().map(
            |LastRun { id, number, state, outcome }| json!({ "id": id, "number": number, "state": state, "outcome": outcome }),
        );
        json!({ "due_at": due_at, "at": at, "run": run })
    });
    json!({ "file": file, "name": name, "expression": expression, "timezone": timezone, "next_at": next_at, "last": last })
}

fn as_json(repo: &Repo) -> Value {
    let Repo { id: _, name, url, poll_ms, hook_secret: _, added_at, default_branch, status } = repo;
    let webhook = json!({ "path": format!("/hooks/generic/{name}") });
    json!({
        "name": name, "url": url, "poll_ms": poll_ms, "added_at": added_at, "default_branch": default_branch, "status": status,
        "webhook": webhook,
    })
}

/// `500ms`, `30s`, `5m`, `2h` in milliseconds.
pub(in crate::web) fn interval_ms(text: &str) -> Result<u64, Problem> {
    let shown: String = text.chars().take(40).collect();
    parse_duration_ms(text).map_err(|why| Problem::invalid(format!("`{shown}` is no interval: {why}.")))
}
