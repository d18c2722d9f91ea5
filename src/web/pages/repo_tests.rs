//! `/repos/{name}/tests`: a repository's tests, the flaky ones first.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::face::Face;
use super::html;
use super::moment::Ago;
use super::shell::Shell;
use super::strip::Strip;
use crate::base::took;
use crate::run::TestOutcome;
use crate::store::{RepoTest, TestOrder};
use crate::web::api::OfRepo;
use crate::web::app::App;
use crate::web::extract::{Asked, At};
use crate::web::problem::Problem;

/// Orders as people choose them: value and words.
const ORDERS: [(TestOrder, &str); 3] =
    [(TestOrder::Flaky, "Flaky first"), (TestOrder::Failing, "Failing most"), (TestOrder::Slow, "Slowest")];

#[derive(Template)]
#[template(path = "repo_tests.html")]
struct RepoTestsPage {
    shell: Shell,
    repo: String,
    /// All that the repository ever had.
    count: u64,
    rows: Vec<TestRow>,
    orders: [(TestOrder, &'static str); 3],
    order: TestOrder,
    q: String,
    next: Option<String>,
    is_later: bool,
}

/// One test in the list.
struct TestRow {
    test: RepoTest,
    face: Face,
    strip: Strip,
    usual: String,
    at: Ago,
}

impl TestRow {
    /// `flaky 3 times`, `failed 12 of 50`.
    fn words(&self) -> Vec<(&'static str, String)> {
        let RepoTest { flakes, failures, recent, .. } = &self.test;
        let times = |count: &u32| if *count == 1 { "once".to_owned() } else { format!("{count} times") };
        let mut words = Vec::new();
        if *flakes > 0 {
            words.push(("flaky", format!("flaky {}", times(flakes))));
        }
        if *failures > 0 {
            words.push(("failed", format!("failed {failures} of {}", recent.len())));
        }
        words
    }
}

pub(super) async fn page(State(app): State<App>, At(name): At<String>, Asked(asked): Asked<OfRepo>) -> Result<Response, Problem> {
    let which = asked.read()?;
    let shell = Shell::live(&app, "repos", format!("Tests – {name}")).await?;
    let repo = app.repo(&name).await?;
    let now = app.now();
    let found = app.store().repo_tests(&repo.id, &which).await?;
    let row = |test: RepoTest| TestRow {
        face: test
            .recent
            .first()
            .map_or(Face::of_test(TestOutcome::Skipped, false), |last| Face::of_test(last.outcome, last.flaky)),
        strip: Strip(test.recent.clone()),
        usual: test.usual_ms.map(took).unwrap_or_default(),
        at: Ago { at: test.last_at, now },
        test,
    };
    html(&RepoTestsPage {
        shell,
        count: app.store().repo_test_count(&repo.id).await?,
        rows: found.items.into_iter().map(row).collect(),
        orders: ORDERS,
        order: which.order,
        q: which.q.unwrap_or_default(),
        next: found.next,
        is_later: which.before.is_some(),
        repo: repo.name,
    })
}
