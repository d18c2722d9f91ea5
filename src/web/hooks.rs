//! `/hooks/{forge}/{repo}`: somebody says that a repository has news.
//!
//! **Invariants:** verified over the raw bytes before anything is parsed or written; an unknown repository and a wrong signature cannot be told
//! apart; accepted means stored.

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::json;

use super::app::App;
use super::extract::{At, too_large};
use super::problem::Problem;
use crate::base::limits;
use crate::forge::generic;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/hooks/{forge}/{repo}", post(deliver)).layer(DefaultBodyLimit::max(limits::HOOK_BYTES))
}

async fn deliver(State(app): State<App>, At((forge, name)): At<(String, String)>, request: Request) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    let body = Bytes::from_request(request, &()).await.map_err(|_| too_large())?;
    if forge != "generic" {
        return Err(Problem::not_found("There is no such kind of hook; the one that works with any Git is `generic`."));
    }
    let repo = app.store().repo(&name).await?;
    let signature = headers.get(generic::SIGNATURE_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // Verified with no one's secret when there is no such repository, so that both answers take the same way.
    let secret = repo.as_ref().map_or("there is no such repository", |repo| repo.hook_secret.as_str());
    let verified = generic::verify(secret, &body, signature);
    let Some(repo) = repo.filter(|_| verified) else {
        let detail =
            format!("The signature in `{}` is missing or wrong, or there is no such repository.", generic::SIGNATURE_HEADER);
        return Err(Problem::new(StatusCode::UNAUTHORIZED, detail));
    };
    let delivery = app.handle.deliver(&repo, &forge, as_json(&headers), body.to_vec()).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "delivery": delivery }))).into_response())
}

/// The headers as a JSON object, kept with the delivery. The signature stays out: it is spent.
fn as_json(headers: &HeaderMap) -> String {
    let kept = headers
        .iter()
        .filter(|(name, _)| *name != generic::SIGNATURE_HEADER && !matches!(name.as_str(), "authorization" | "cookie"));
    let pairs =
        kept.map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned().into()));
    serde_json::Value::Object(pairs.collect()).to_string()
}
