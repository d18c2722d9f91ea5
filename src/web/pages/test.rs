//! `/repos/{name}/tests/{id}`: one test, what it did in every run, and how long it took.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::face::Face;
use super::html;
use super::moment::Ago;
use super::results::HistoryRow;
use super::shell::Shell;
use super::strip::Bars;
use crate::base::took;
use crate::run::TestOutcome;
use crate::store::RepoTest;
use crate::web::api::OfTest;
use crate::web::app::App;
use crate::web::extract::{Asked, At};
use crate::web::problem::Problem;

#[derive(Template)]
#[template(path = "test.html")]
struct TestPage {
    shell: Shell,
    repo: String,
    test: RepoTest,
    face: Face,
    usual: String,
    at: Ago,
    rows: Vec<HistoryRow>,
    next: Option<String>,
    is_later: bool,
}

impl TestPage {
    /// The picture of the results on this page.
    fn bars(&self) -> Bars<'_> {
        Bars(&self.rows)
    }

    /// The longest of them, for the picture's scale.
    fn longest(&self) -> Option<String> {
        self.rows.iter().filter_map(|row| row.result.duration_ms).max().map(took)
    }

    /// What its newest results say of it, in one sentence.
    fn verdict(&self) -> String {
        let RepoTest { flakes, failures, recent, .. } = &self.test;
        let of = match recent.len() {
            1 => "its one result".to_owned(),
            count => format!("its last {count} results"),
        };
        match (flakes, failures) {
            (0, 0) => format!("Steady: it failed in none of {of}."),
            (0, failures) => format!("It failed in {failures} of {of}, and never passed and failed on the same commit."),
            (1, failures) => {
                format!("Flaky: once it passed and failed on the same commit. It failed in {failures} of {of}.")
            }
            (flakes, failures) => {
                format!("Flaky: {flakes} times it passed and failed on the same commit. It failed in {failures} of {of}.")
            }
        }
    }
}

pub(super) async fn page(
    State(app): State<App>,
    At((name, id)): At<(String, String)>,
    Asked(asked): Asked<OfTest>,
) -> Result<Response, Problem> {
    let which = asked.read()?;
    let mut shell = Shell::live(&app, "repos", "").await?;
    let (repo, test) = app.test(&name, &id).await?;
    let now = app.now();
    let history = app.store().test_history(&test, &which).await?;
    let last = test.recent.first();
    let face = last.map_or(Face::of_test(TestOutcome::Skipped, false), |last| Face::of_test(last.outcome, last.flaky));
    shell.title = format!("{} {} – {}", face.sign, test.name, repo.name);
    html(&TestPage {
        shell: shell.of(face),
        repo: repo.name,
        face,
        usual: test.usual_ms.map(took).unwrap_or_default(),
        at: Ago { at: test.last_at, now },
        rows: history.items.into_iter().map(|result| HistoryRow::new(result, now)).collect(),
        next: history.next,
        is_later: which.before.is_some(),
        test,
    })
}
