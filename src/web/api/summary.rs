//! What steps wrote for the run's page.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::web::app::App;
use crate::web::extract::At;
use crate::web::markdown;
use crate::web::problem::Problem;
use crate::web::summaries;

pub(super) async fn of_run(State(app): State<App>, At(id): At<String>) -> Result<Json<Value>, Problem> {
    let run = app.run(&id).await?;
    let summaries = summaries::latest(app.store().summaries(&run.id).await?);
    let items: Vec<Value> = summaries
        .iter()
        .map(|summary| {
            let (job, step) = summaries::names(&run, &summary.key);
            json!({ "job": job, "step": step, "attempt": summary.key.attempt, "text": summary.text, "html": markdown::to_html(&summary.text) })
        })
        .collect();
    Ok(Json(json!({ "items": items, "next": null })))
}
