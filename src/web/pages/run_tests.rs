//! `/runs/{id}/tests`: the results of a run's tests, those that did not pass first; and what of them the run's own page shows.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::face::Face;
use super::html;
use super::results::{Counts, ResultRow};
use super::row::first_line;
use super::shell::Shell;
use super::words::Words;
use crate::run::{Run, RunView, view};
use crate::store::{Page, ReportProblem, RunTests, TestPick};
use crate::web::api::OfRun;
use crate::web::app::App;
use crate::web::extract::{Asked, At};
use crate::web::problem::Problem;

/// Failed tests on the run's own page.
const FAILED: u32 = 5;
/// Flaky tests on the run's own page.
const FLAKY: u32 = 3;
/// Results in the list of those that took longest.
const SLOWEST: u32 = 10;

/// What the run's page shows of its tests.
pub(super) struct TestsPart {
    pub counts: Option<Counts>,
    pub failed: Vec<ResultRow>,
    pub flaky: Vec<ResultRow>,
    /// Failed tests that are only on the page of their own.
    pub more: u64,
    pub problems: Vec<ReportProblem>,
}

impl TestsPart {
    /// `None` when no step left reports.
    pub(super) async fn read(app: &App, run: &Run) -> Result<Option<Self>, Problem> {
        let store = app.store();
        let (summary, problems) = (store.test_summary(&run.id).await?, store.report_problems(&run.id).await?);
        if summary.is_none() && problems.is_empty() {
            return Ok(None);
        }
        let id = run.id.as_str();
        let read = async |pick, limit| -> Result<Vec<ResultRow>, Problem> {
            let page = store.run_tests(&run.id, &RunTests { pick: Some(pick), limit, ..RunTests::default() }).await?;
            Ok(page.items.into_iter().map(|test| ResultRow::new(test, &run.repo_name, id)).collect())
        };
        let failed = read(TestPick::Failed, FAILED).await?;
        let mut flaky = read(TestPick::Flaky, FLAKY + FAILED).await?;
        // Those that failed are shown above.
        flaky.retain(|row| !row.test.outcome.is_bad());
        flaky.truncate(FLAKY as usize);
        let all = summary.map_or(0, |summary| summary.failed);
        let more = all.saturating_sub(failed.len() as u64);
        Ok(Some(Self { counts: summary.map(Counts), failed, flaky, more, problems }))
    }
}

#[derive(Template)]
#[template(path = "run_tests.html")]
struct RunTestsPage {
    shell: Shell,
    run: RunView,
    face: Face,
    counts: Option<Counts>,
    problems: Vec<ReportProblem>,
    rows: Vec<ResultRow>,
    slowest: Vec<ResultRow>,
    picks: [(TestPick, &'static str); 5],
    outcome: String,
    q: String,
    next: Option<String>,
    is_later: bool,
}

impl RunTestsPage {
    fn title(&self) -> &str {
        first_line(&self.run.message)
    }

    fn is_narrowed(&self) -> bool {
        !self.outcome.is_empty() || !self.q.is_empty()
    }
}

pub(super) async fn page(State(app): State<App>, At(id): At<String>, Asked(asked): Asked<OfRun>) -> Result<Response, Problem> {
    let which = asked.read()?;
    let mut shell = Shell::live(&app, "runs", "").await?;
    let run = app.run(&id).await?;
    let store = app.store();
    let summary = store.test_summary(&run.id).await?;
    let Page { items, next } = store.run_tests(&run.id, &which).await?;
    let is_first = which.pick.is_none() && which.q.is_none() && which.before.is_none();
    let slowest = if is_first { store.slowest_tests(&run.id, SLOWEST).await? } else { Vec::new() };
    let row = |test| ResultRow::new(test, &run.repo_name, run.id.as_str());
    let shown = view(&run);
    let face = Face::of(shown.state, shown.outcome);
    shell.title = format!("Tests of #{} – {}", shown.number, shown.repo);
    shell.live = format!("{}&run={}", shell.live, run.id);
    html(&RunTestsPage {
        shell: shell.of(summary.map_or(face, |summary| Counts(summary).face())),
        face,
        counts: summary.map(Counts),
        problems: store.report_problems(&run.id).await?,
        rows: items.into_iter().map(row).collect(),
        // One or two are seen in the list itself.
        slowest: if slowest.len() > 2 { slowest.into_iter().map(row).collect() } else { Vec::new() },
        picks: TestPick::ALL,
        outcome: which.pick.map(|pick| pick.as_str().to_owned()).unwrap_or_default(),
        q: which.q.unwrap_or_default(),
        next,
        is_later: which.before.is_some(),
        run: shown,
    })
}
