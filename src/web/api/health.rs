//! Whether the process lives, and whether it can do its work.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::web::app::App;

/// The process answers.
pub(super) async fn healthz() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// The store answers (else 503). The engine is told of, but does not count: without it runs wait, and nothing is lost.
pub(super) async fn readyz(State(app): State<App>) -> (StatusCode, Json<Value>) {
    let store = app.store().last_event().await;
    if let Err(error) = &store {
        tracing::error!("not ready: {error}");
    }
    let (status, word, sentence) = match &store {
        Ok(_) => (StatusCode::OK, "ok", "answers"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the database does not answer; the server's log says why"),
    };
    let readiness = app.handle.readiness();
    let engine = json!({
        "ok": readiness.any_answers(),
        "executor": readiness.executor,
        "sentence": readiness.problem().unwrap_or_else(|| format!("{} answers", readiness.executor)),
    });
    (status, Json(json!({ "status": word, "store": { "ok": store.is_ok(), "sentence": sentence }, "engine": engine })))
}
