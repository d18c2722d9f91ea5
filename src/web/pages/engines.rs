//! `/engines`: where jobs run, and which do now.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::html;
use super::repos::Nothing;
use super::shell::Shell;
use super::words::Words;
use crate::server::EngineStatus;
use crate::web::app::App;
use crate::web::extract::Asked;
use crate::web::problem::Problem;

/// An engine in the list.
struct EngineRow {
    engine: EngineStatus,
    jobs: Vec<JobOn>,
}

/// A job that holds one of its slots.
struct JobOn {
    run: String,
    repo: String,
    number: u64,
    name: String,
}

#[derive(Template)]
#[template(path = "engines.html")]
struct EnginesPage {
    shell: Shell,
    rows: Vec<EngineRow>,
}

pub(super) async fn page(State(app): State<App>, Asked(Nothing {}): Asked<Nothing>) -> Result<Response, Problem> {
    let shell = Shell::live(&app, "engines", "Engines – Gantry").await?;
    let row = |(engine, jobs): (EngineStatus, Vec<(crate::run::Run, u32)>)| {
        let jobs = jobs.into_iter().map(|(run, ix)| JobOn {
            run: run.id.to_string(),
            repo: run.repo_name.clone(),
            number: run.number,
            name: run.plan.jobs.get(ix as usize).map_or_else(|| "?".to_owned(), |job| job.name.clone()),
        });
        EngineRow { jobs: jobs.collect(), engine }
    };
    let rows = app.handle.engines().await?.into_iter().map(row).collect();
    html(&EnginesPage { shell, rows })
}
