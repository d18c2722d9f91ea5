//! Runs: list, one, ask for one, cancel, run again, approve.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::BY;
use crate::base::{RunId, limits};
use crate::run::{Outcome, RunView};
use crate::server::{Answer, ByHand, Part};
use crate::store::{Page, RunFilter, RunSummary};
use crate::web::app::App;
use crate::web::extract::{Asked, At, Given, GivenOrNone};
use crate::web::problem::Problem;

/// Which runs a list holds.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Filter {
    pub repo: Option<String>,
    pub branch: Option<String>,
    pub outcome: Option<String>,
    pub before: Option<String>,
    pub limit: Option<u32>,
}

impl Filter {
    /// As the store takes it. A page's form sends empty fields: they filter nothing.
    pub(in crate::web) fn read(&self, default_limit: u32) -> Result<RunFilter, Problem> {
        let Self { repo, branch, outcome, before, limit } = self;
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let outcome = given(outcome).map(|word| outcome_of(&word)).transpose()?;
        let not_an_id = |_| Problem::invalid("`before` must be the id of a run: take it from `next` of the page before.");
        let before = given(before).map(|id| id.parse::<RunId>()).transpose().map_err(not_an_id)?;
        let limit = limit.unwrap_or(default_limit);
        if limit == 0 || limit > limits::PAGE_ROWS {
            return Err(Problem::invalid(format!("`limit` must be from 1 to {}.", limits::PAGE_ROWS)));
        }
        Ok(RunFilter { repo: given(repo), branch: given(branch), outcome, before, limit })
    }
}

fn outcome_of(word: &str) -> Result<Outcome, Problem> {
    let invalid =
        |_| Problem::invalid("`outcome` must be one of passed, warning, failed, timed_out, cancelled, skipped, lost and error.");
    serde_json::from_value(Value::from(word)).map_err(invalid)
}

pub(super) async fn list(State(app): State<App>, Asked(filter): Asked<Filter>) -> Result<Json<Page<RunSummary>>, Problem> {
    Ok(Json(app.store().runs(&filter.read(50)?).await?))
}

pub(super) async fn show(State(app): State<App>, At(id): At<String>) -> Result<Json<RunView>, Problem> {
    let run = app.run(&id).await?;
    Ok(Json(RunView { tests: app.store().test_summary(&run.id).await?, ..app.handle.view(&run) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRun {
    branch: Option<String>,
    pipeline: Option<String>,
    #[serde(default)]
    inputs: BTreeMap<String, Value>,
}

impl NewRun {
    fn read(self) -> Result<ByHand, Problem> {
        let Self { branch, pipeline, inputs } = self;
        let inputs = inputs.into_iter().map(|(name, value)| match value {
            Value::String(text) => Ok((name, text)),
            Value::Number(number) => Ok((name, number.to_string())),
            Value::Bool(bool) => Ok((name, bool.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                let shown: String = name.chars().take(80).collect();
                let detail = format!("The input `{shown}` must be a text, a number, true or false.");
                Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail))
            }
        });
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(ByHand { branch: given(branch), pipeline: given(pipeline), inputs: inputs.collect::<Result<_, _>>()? })
    }
}

pub(super) async fn create(
    State(app): State<App>,
    At(repo): At<String>,
    Given(new): Given<NewRun>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let runs = app.handle.trigger(&repo, &new.read()?, BY).await?;
    let items: Vec<_> = runs.iter().map(|id| json!({ "id": id })).collect();
    Ok((StatusCode::CREATED, Json(json!({ "items": items, "next": null }))))
}

pub(super) async fn cancel(State(app): State<App>, At(id): At<String>) -> Result<(StatusCode, Json<Value>), Problem> {
    let run = app.run(&id).await?;
    app.handle.cancel(&run.id, BY).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "id": run.id }))))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Again {
    /// Only what did not pass.
    #[serde(default)]
    failed: bool,
    /// `JOB` or `JOB/STEP`: all from there on.
    from: Option<String>,
}

pub(super) async fn rerun(
    State(app): State<App>,
    At(id): At<String>,
    again: GivenOrNone<Again>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let run = app.run(&id).await?;
    let part = match again.0 {
        Again { failed: false, from: None } => Part::Whole,
        Again { failed: true, from: None } => Part::Failed,
        Again { failed: false, from: Some(from) } => Part::From(from),
        Again { failed: true, from: Some(_) } => {
            return Err(Problem::invalid("`failed` and `from` are two ways to run again: give one of them."));
        }
    };
    let id = app.handle.rerun(&run.id, part, BY).await?;
    Ok((StatusCode::CREATED, Json(json!({ "id": id }))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answered {
    /// The job that waits.
    job: String,
    /// Who says so.
    by: Option<String>,
    #[serde(default)]
    decision: Decision,
}

/// As forms and bodies write it.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::web) enum Decision {
    #[default]
    Approve,
    Reject,
}

impl From<Decision> for Answer {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Approve => Answer::Approve,
            Decision::Reject => Answer::Reject,
        }
    }
}

pub(super) async fn approve(
    State(app): State<App>,
    At(id): At<String>,
    Given(answered): Given<Answered>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let run = app.run(&id).await?;
    let Answered { job, by, decision } = answered;
    app.handle.approve(&run.id, &job, by.as_deref().unwrap_or(BY), decision.into()).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "id": run.id, "job": job }))))
}
