//! The JSON API: the routes, by subject. `web/assets/openapi.json` describes them; a test holds the two together.

mod artifacts;
mod caches;
mod engines;
mod events;
mod health;
mod logs;
mod range;
mod repos;
mod results;
mod runs;
mod secrets;
mod summary;
mod terminals;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, post, put};

use super::app::App;
use super::{assets, terminal};
use crate::base::limits;
pub(super) use caches::id_of as cache_id;
pub(super) use repos::interval_ms;
pub(super) use results::{OfRepo, OfRun, OfTest};
pub(super) use runs::{Decision, Filter};

/// Who asked, as a run's reason says it.
const BY: &str = "the API";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/repos", get(repos::list).post(repos::add))
        .route("/api/v1/repos/{repo}", delete(repos::remove).get(repos::show))
        .route("/api/v1/repos/{repo}/tests", get(results::of_repo))
        .route("/api/v1/repos/{repo}/tests/{id}", get(results::of_test))
        .route("/api/v1/repos/{repo}/sync", post(repos::sync))
        .route("/api/v1/repos/{repo}/runs", post(runs::create))
        .route("/api/v1/repos/{repo}/secrets", get(secrets::list_of_repo))
        .route("/api/v1/repos/{repo}/secrets/{name}", put(secrets::set_of_repo).delete(secrets::remove_of_repo))
        .route("/api/v1/secrets", get(secrets::list))
        .route("/api/v1/secrets/{name}", put(secrets::set).delete(secrets::remove))
        .route("/api/v1/repos/{repo}/caches", get(caches::list))
        .route("/api/v1/repos/{repo}/caches/{id}", delete(caches::remove))
        .route("/api/v1/repos/{repo}/schedules", get(repos::schedules))
        .route("/api/v1/engines", get(engines::list))
        .route("/api/v1/runs", get(runs::list))
        .route("/api/v1/runs/{id}", get(runs::show))
        .route("/api/v1/runs/{id}/tests", get(results::of_run))
        .route("/api/v1/runs/{id}/summary", get(summary::of_run))
        .route("/api/v1/runs/{id}/cancel", post(runs::cancel))
        .route("/api/v1/runs/{id}/rerun", post(runs::rerun))
        .route("/api/v1/runs/{id}/approve", post(runs::approve))
        .route("/api/v1/runs/{id}/terminals", get(terminals::list))
        .route("/api/v1/runs/{id}/steps/{job}/{step}/terminal", get(terminal::open))
        .route("/api/v1/runs/{id}/events", get(events::of_run))
        .route("/api/v1/events", get(events::all))
        .route("/api/v1/runs/{id}/steps/{job}/{step}/log", get(logs::page))
        .route("/api/v1/runs/{id}/steps/{job}/{step}/log/raw", get(logs::raw))
        .route("/api/v1/runs/{id}/steps/{job}/{step}/log/stream", get(logs::stream))
        .route("/api/v1/runs/{id}/artifacts", get(artifacts::list))
        .route("/api/v1/runs/{id}/artifacts.tar", get(artifacts::tar))
        .route("/api/v1/runs/{id}/artifacts/{job}/{*path}", get(artifacts::file))
        .route("/api/v1/runs/{id}/services/{job}/{service}/log", get(logs::service_page))
        .route("/api/v1/runs/{id}/services/{job}/{service}/log/raw", get(logs::service_raw))
        .route("/api/v1/runs/{id}/services/{job}/{service}/log/stream", get(logs::service_stream))
        .route("/api/openapi.json", get(assets::openapi))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .layer(DefaultBodyLimit::max(limits::REQUEST_BYTES))
}
