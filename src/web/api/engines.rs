//! The engines that jobs run on.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::schedule::EngineInfo;
use crate::server::EngineStatus;
use crate::web::app::App;
use crate::web::problem::Problem;

pub(super) async fn list(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let engines = app.handle.engines().await?;
    let items: Vec<Value> = engines.iter().map(|(engine, jobs)| as_json(engine, jobs.len())).collect();
    Ok(Json(json!({ "items": items, "next": null })))
}

fn as_json(engine: &EngineStatus, jobs: usize) -> Value {
    let EngineStatus { info: EngineInfo { name, slots, park: _, labels }, executor, problem } = engine;
    json!({
        "name": name, "executor": executor, "labels": labels, "slots": slots, "jobs": jobs, "answers": problem.is_none(),
        "sentence": problem.clone().unwrap_or_else(|| "answers".to_owned()),
    })
}
