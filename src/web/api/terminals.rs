//! The terminals that a run's steps had.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::{Value, json};

use crate::base::Timestamp;
use crate::run::Run;
use crate::store::KeptTerminal;
use crate::web::app::App;
use crate::web::extract::At;
use crate::web::problem::Problem;

/// One of them.
#[derive(Serialize)]
struct TerminalView {
    id: String,
    job: String,
    step: String,
    attempt: u32,
    who: String,
    address: String,
    opened_at: Timestamp,
    closed_at: Option<Timestamp>,
    reason: Option<String>,
    exit_code: Option<i64>,
}

pub(super) async fn list(State(app): State<App>, At(id): At<String>) -> Result<Json<Value>, Problem> {
    let run = app.run(&id).await?;
    let items: Vec<TerminalView> = app.store().terminals(&run.id).await?.into_iter().map(|kept| view(&run, kept)).collect();
    Ok(Json(json!({ "items": items, "next": null })))
}

fn view(run: &Run, kept: KeptTerminal) -> TerminalView {
    let KeptTerminal { id, key, who, address, opened_at, closed } = kept;
    let job = run.plan.jobs.get(key.job as usize);
    let step = job.and_then(|job| job.steps.get(key.step as usize));
    let (closed_at, reason, exit_code) =
        closed.map_or((None, None, None), |closed| (Some(closed.at), Some(closed.reason), closed.exit_code));
    TerminalView {
        id: id.to_string(),
        job: job.map(|job| job.name.clone()).unwrap_or_default(),
        step: step.map(|step| step.name.clone()).unwrap_or_default(),
        attempt: key.attempt,
        who,
        address,
        opened_at,
        closed_at,
        reason,
        exit_code,
    }
}
