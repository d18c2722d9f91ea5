//! The record as it is written: of one run, or of everything.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

use crate::web::app::App;
use crate::web::extract::{Asked, At, last_event_id};
use crate::web::live;
use crate::web::problem::Problem;

/// Where to begin: after this sequence number.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct After {
    after: Option<i64>,
}

/// From the run's first event unless the query says otherwise; ends after the run has ended.
pub(super) async fn of_run(
    State(app): State<App>,
    At(id): At<String>,
    Asked(query): Asked<After>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let run = app.run(&id).await?;
    let seq = last_event_id(&headers)?.or(query.after).unwrap_or(0);
    Ok(live::answer(live::record(&app, Some(run.id), seq)))
}

/// From now on unless the query says otherwise.
pub(super) async fn all(State(app): State<App>, Asked(query): Asked<After>, headers: HeaderMap) -> Result<Response, Problem> {
    let seq = match last_event_id(&headers)?.or(query.after) {
        Some(seq) => seq,
        None => app.store().last_event().await?,
    };
    Ok(live::answer(live::record(&app, None, seq)))
}
