//! Secrets of a repository and of all: list, set, remove. **Invariant:** no answer and no refusal holds a value.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::base::Secret;
use crate::pipeline::Event;
use crate::secrets::Policy;
use crate::server::SecretView;
use crate::web::app::App;
use crate::web::extract::{At, Given};
use crate::web::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSecret {
    #[serde(deserialize_with = "secret")]
    value: Secret,
    #[serde(default)]
    events: Vec<Event>,
    #[serde(default)]
    branches: Vec<String>,
}

/// Not by the type itself, whose errors would say what they found.
fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(Secret::new(text)),
        _ => Err(serde::de::Error::custom("`value` must be a text")),
    }
}

pub(super) async fn list(State(app): State<App>) -> Result<Json<Value>, Problem> {
    listed(&app, None).await
}

pub(super) async fn list_of_repo(State(app): State<App>, At(repo): At<String>) -> Result<Json<Value>, Problem> {
    listed(&app, Some(&repo)).await
}

pub(super) async fn set(
    State(app): State<App>,
    At(name): At<String>,
    Given(new): Given<NewSecret>,
) -> Result<Json<SecretView>, Problem> {
    keep(&app, None, &name, &new).await
}

pub(super) async fn set_of_repo(
    State(app): State<App>,
    At((repo, name)): At<(String, String)>,
    Given(new): Given<NewSecret>,
) -> Result<Json<SecretView>, Problem> {
    keep(&app, Some(&repo), &name, &new).await
}

pub(super) async fn remove(State(app): State<App>, At(name): At<String>) -> Result<StatusCode, Problem> {
    app.handle.remove_secret(None, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn remove_of_repo(
    State(app): State<App>,
    At((repo, name)): At<(String, String)>,
) -> Result<StatusCode, Problem> {
    app.handle.remove_secret(Some(&repo), &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn listed(app: &App, repo: Option<&str>) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "items": app.handle.secrets(repo).await?, "next": null })))
}

async fn keep(app: &App, repo: Option<&str>, name: &str, new: &NewSecret) -> Result<Json<SecretView>, Problem> {
    let policy = Policy::new(&new.events, &new.branches).map_err(Problem::invalid)?;
    Ok(Json(app.handle.set_secret(repo, name, &new.value, policy).await?))
}
