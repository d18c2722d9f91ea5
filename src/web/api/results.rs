//! Test results: of a run, of a repository, of one test.

use std::str::FromStr;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::base::limits;
use crate::store::{History, Page, Place, RepoTest, RepoTests, RunTests};
use crate::web::app::App;
use crate::web::extract::{Asked, At};
use crate::web::problem::Problem;

/// Rows of a page that does not say how many.
const PAGE: u32 = 50;

/// Which results of a run. A page's form sends empty fields: they filter nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct OfRun {
    pub outcome: Option<String>,
    pub q: Option<String>,
    pub before: Option<String>,
    pub limit: Option<u32>,
}

/// Which tests of a repository.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct OfRepo {
    pub order: Option<String>,
    pub q: Option<String>,
    pub before: Option<String>,
    pub limit: Option<u32>,
}

/// Which results of a test.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct OfTest {
    pub before: Option<String>,
    pub limit: Option<u32>,
}

impl OfRun {
    pub(in crate::web) fn read(&self) -> Result<RunTests, Problem> {
        let Self { outcome, q, before, limit } = self;
        Ok(RunTests { pick: word("outcome", outcome)?, q: text(q), before: place(before)?, limit: rows(*limit)? })
    }
}

impl OfRepo {
    pub(in crate::web) fn read(&self) -> Result<RepoTests, Problem> {
        let Self { order, q, before, limit } = self;
        let order = word("order", order)?.unwrap_or_default();
        Ok(RepoTests { order, q: text(q), before: place(before)?, limit: rows(*limit)? })
    }
}

impl OfTest {
    pub(in crate::web) fn read(&self) -> Result<History, Problem> {
        let Self { before, limit } = self;
        Ok(History { before: place(before)?, limit: rows(*limit)? })
    }
}

fn text(text: &Option<String>) -> Option<String> {
    text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(ToOwned::to_owned)
}

fn word<T: FromStr<Err = String>>(name: &str, word: &Option<String>) -> Result<Option<T>, Problem> {
    text(word).map(|word| word.parse()).transpose().map_err(|why: String| Problem::invalid(format!("`{name}`: {why}.")))
}

fn place(before: &Option<String>) -> Result<Option<Place>, Problem> {
    word("before", before)
}

fn rows(limit: Option<u32>) -> Result<u32, Problem> {
    let limit = limit.unwrap_or(PAGE);
    if limit == 0 || limit > limits::PAGE_ROWS {
        return Err(Problem::invalid(format!("`limit` must be from 1 to {}.", limits::PAGE_ROWS)));
    }
    Ok(limit)
}

pub(super) async fn of_run(
    State(app): State<App>,
    At(id): At<String>,
    Asked(asked): Asked<OfRun>,
) -> Result<Json<Value>, Problem> {
    let which = asked.read()?;
    let run = app.run(&id).await?.id;
    let store = app.store();
    let Page { items, next } = store.run_tests(&run, &which).await?;
    let (summary, problems) = (store.test_summary(&run).await?, store.report_problems(&run).await?);
    Ok(Json(json!({ "items": items, "next": next, "summary": summary, "problems": problems })))
}

pub(super) async fn of_repo(
    State(app): State<App>,
    At(name): At<String>,
    Asked(asked): Asked<OfRepo>,
) -> Result<Json<Page<RepoTest>>, Problem> {
    let which = asked.read()?;
    let repo = app.repo(&name).await?;
    Ok(Json(app.store().repo_tests(&repo.id, &which).await?))
}

pub(super) async fn of_test(
    State(app): State<App>,
    At((name, id)): At<(String, String)>,
    Asked(asked): Asked<OfTest>,
) -> Result<Json<Value>, Problem> {
    let which = asked.read()?;
    let (_, test) = app.test(&name, &id).await?;
    let Page { items, next } = app.store().test_history(&test, &which).await?;
    Ok(Json(json!({ "test": test, "items": items, "next": next })))
}
