//! A repository's tests, and the history of one of them.

use sqlx::any::AnyRow;

use super::of_run::like;
use super::values::{History, Place, Recent, RepoTest, RepoTests, TestOrder, TestResult};
use crate::base::RepoId;
use crate::base::limits::PAGE_ROWS;
use crate::store::row::{Fields, plain};
use crate::store::{Error, Page, Store, sql};

/// A test that was not seen for so long before the repository's newest result is taken to be gone.
const FORGOTTEN_MS: i64 = 30 * 24 * 60 * 60 * 1000;

impl Store {
    /// How many tests a repository has ever had.
    pub async fn repo_test_count(&self, repo: &RepoId) -> Result<u64, Error> {
        let (_, tests) = self.tests_seen(repo).await?;
        Ok(tests)
    }

    /// A page of a repository's tests. Without a search, those that were last seen a month before the newest result are left out.
    pub async fn repo_tests(&self, repo: &RepoId, which: &RepoTests) -> Result<Page<RepoTest>, Error> {
        let RepoTests { order, q, before, limit } = which;
        let limit = if *limit == 0 { PAGE_ROWS } else { PAGE_ROWS.min(*limit) };
        let (newest, _) = self.tests_seen(repo).await?;
        let Place([first, second, n]) = before.unwrap_or(Place([i64::MAX, i64::MAX, 0]));
        let statement = match order {
            TestOrder::Flaky => sql::REPO_TESTS_FLAKY,
            TestOrder::Failing => sql::REPO_TESTS_FAILING,
            TestOrder::Slow => sql::REPO_TESTS_SLOW,
        };
        let query = sqlx::query(statement)
            .bind(repo.as_str())
            .bind(i64::from(limit) + 1)
            .bind(first)
            .bind(second)
            .bind(n)
            .bind(q.as_deref().map(like))
            .bind(newest.saturating_sub(FORGOTTEN_MS));
        let rows = query.fetch_all(&self.inner.read).await;
        let rows = rows.map_err(|error| self.error("the tests cannot be read", error))?;
        let items = rows.iter().take(limit as usize).map(test_of).collect::<Result<Vec<_>, _>>()?;
        let next = items.last().filter(|_| rows.len() > items.len()).map(|last| {
            let usual = last.usual_ms.and_then(|ms| i64::try_from(ms).ok()).unwrap_or(-1);
            let (failures, flakes) = (i64::from(last.failures), i64::from(last.flakes));
            Place(match order {
                TestOrder::Flaky => [flakes, failures, last.n],
                TestOrder::Failing => [failures, flakes, last.n],
                TestOrder::Slow => [usual, last.last_at.0, last.n],
            })
            .text()
        });
        Ok(Page { items, next })
    }

    /// The test of that id, if it is one of this repository.
    pub async fn repo_test(&self, repo: &RepoId, id: &str) -> Result<Option<RepoTest>, Error> {
        let row = sqlx::query(sql::REPO_TEST).bind(repo.as_str()).bind(plain(id)).fetch_optional(&self.inner.read).await;
        row.map_err(|error| self.error("the test cannot be read", error))?.as_ref().map(test_of).transpose()
    }

    /// A page of a test's results in all runs, newest first.
    pub async fn test_history(&self, test: &RepoTest, which: &History) -> Result<Page<TestResult>, Error> {
        let History { before, limit } = which;
        let limit = if *limit == 0 { PAGE_ROWS } else { PAGE_ROWS.min(*limit) };
        let Place([report, ix, _]) = before.unwrap_or(Place([i64::MAX, 0, 0]));
        let query = sqlx::query(sql::TEST_HISTORY).bind(test.n).bind(i64::from(limit) + 1).bind(report).bind(ix);
        let rows = query.fetch_all(&self.inner.read).await;
        let rows = rows.map_err(|error| self.error("the test's history cannot be read", error))?;
        let items = rows.iter().take(limit as usize).map(result_of).collect::<Result<Vec<_>, _>>()?;
        let next = match rows.get(limit as usize - 1) {
            Some(last) if rows.len() > items.len() => {
                let fields = Fields::new(last, "a result of report", "report");
                Some(Place([fields.int("report")?, fields.int("ix")?, 0]).text())
            }
            _ => None,
        };
        Ok(Page { items, next })
    }

    /// When a repository's newest result was kept, and how many tests it has.
    async fn tests_seen(&self, repo: &RepoId) -> Result<(i64, u64), Error> {
        let row = sqlx::query(sql::REPO_TESTS_SEEN).bind(repo.as_str()).fetch_one(&self.inner.read).await;
        let row = row.map_err(|error| self.error("the tests cannot be read", error))?;
        let fields = Fields::new(&row, "the tests of a repository, counted:", "tests");
        Ok((fields.int("last_at")?, fields.count("tests")?))
    }
}

fn test_of(row: &AnyRow) -> Result<RepoTest, Error> {
    let fields = Fields::new(row, "test", "id");
    Ok(RepoTest {
        id: fields.text("id")?,
        suite: fields.text("suite")?,
        name: fields.text("name")?,
        file: fields.text_or_null("file")?,
        recent: fields.text("recent")?.chars().filter_map(Recent::of).collect(),
        failures: fields.count("failures")?,
        flakes: fields.count("flakes")?,
        usual_ms: fields.count_or_null("usual_ms")?,
        last_at: fields.time("last_at")?,
        last_run: fields.parse("last_run")?,
        n: fields.int("n")?,
    })
}

fn result_of(row: &AnyRow) -> Result<TestResult, Error> {
    let fields = Fields::new(row, "a result of report", "report");
    Ok(TestResult {
        run: fields.parse("run_id")?,
        number: fields.count("number")?,
        commit: fields.text("commit_id")?,
        branch: fields.text("branch")?,
        pipeline: fields.text("pipeline")?,
        job: fields.text("job_name")?,
        step: fields.text("step_name")?,
        attempt: fields.count("attempt")?,
        at: fields.time("at")?,
        outcome: fields.parse("outcome")?,
        flaky: fields.int("flaky")? != 0,
        duration_ms: fields.count_or_null("duration_ms")?,
        message: fields.text_or_null("message")?,
        details: fields.text_or_null("details")?,
    })
}
