//! The test results of one run.

use sqlx::any::AnyRow;

use super::values::{Place, ReportProblem, RunTest, RunTests, TestPick};
use crate::base::RunId;
use crate::base::limits::PAGE_ROWS;
use crate::run::{TestOutcome, TestSummary};
use crate::store::row::{Fields, plain};
use crate::store::{Error, Page, Store, sql};

impl Store {
    /// A run's tests in numbers; `None` when no step left reports.
    pub async fn test_summary(&self, run: &RunId) -> Result<Option<TestSummary>, Error> {
        let row = sqlx::query(sql::RUN_TEST_COUNTS).bind(run.as_str()).fetch_one(&self.inner.read).await;
        let row = row.map_err(|error| self.error("the test results cannot be read", error))?;
        let fields = Fields::new(&row, "the reports of a run, counted:", "reports");
        let summary = TestSummary {
            total: fields.count("total")?,
            failed: fields.count("failed")?,
            skipped: fields.count("skipped")?,
            flaky: fields.count("flaky")?,
        };
        Ok((fields.int("reports")? > 0).then_some(summary))
    }

    /// What could not be read of a run's reports.
    pub async fn report_problems(&self, run: &RunId) -> Result<Vec<ReportProblem>, Error> {
        let rows = sqlx::query(sql::RUN_REPORT_PROBLEMS).bind(run.as_str()).fetch_all(&self.inner.read).await;
        let rows = rows.map_err(|error| self.error("the test results cannot be read", error))?;
        let mut problems = Vec::new();
        for row in &rows {
            let fields = Fields::new(row, "reports", "n");
            for sentence in fields.json::<Vec<String>>("problems_json")? {
                let (job, step, attempt) = (fields.text("job_name")?, fields.text("step_name")?, fields.count("attempt")?);
                problems.push(ReportProblem { job, step, attempt, sentence });
            }
        }
        Ok(problems)
    }

    /// A page of a run's results: those that did not pass first, then the flaky, the skipped and the passed ones.
    pub async fn run_tests(&self, run: &RunId, which: &RunTests) -> Result<Page<RunTest>, Error> {
        let RunTests { pick, q, before, limit } = which;
        let limit = if *limit == 0 { PAGE_ROWS } else { PAGE_ROWS.min(*limit) };
        let Place([rank, report, ix]) = before.unwrap_or(Place([-1, 0, 0]));
        let (outcome, worst, flaky) = match pick {
            None => (None, 3, 0),
            Some(TestPick::Failed) => (None, 0, 0),
            Some(TestPick::Flaky) => (None, 1, 1),
            Some(TestPick::Passed) => (Some(TestOutcome::Passed), 3, 0),
            Some(TestPick::Error) => (Some(TestOutcome::Error), 0, 0),
            Some(TestPick::Skipped) => (Some(TestOutcome::Skipped), 2, 0),
        };
        let statement = match (q, worst) {
            (Some(_), _) => sql::RUN_TESTS_LIKE,
            // The few that are to be seen have an index of their own.
            (None, 0 | 1) => sql::RUN_TESTS_TO_SEE,
            (None, _) => sql::RUN_TESTS,
        };
        let mut query = sqlx::query(statement)
            .bind(run.as_str())
            // One more, to know whether there is another page.
            .bind(i64::from(limit) + 1)
            .bind(rank)
            .bind(report)
            .bind(ix)
            .bind(outcome.map(TestOutcome::as_str))
            .bind(worst)
            .bind(flaky);
        if let Some(q) = q {
            query = query.bind(like(q));
        }
        let rows = query.fetch_all(&self.inner.read).await;
        let rows = rows.map_err(|error| self.error("the test results cannot be read", error))?;
        let next = match rows.get(limit as usize - 1) {
            Some(last) if rows.len() > limit as usize => {
                let fields = Fields::new(last, "a result of report", "report");
                Some(Place([fields.int("rank")?, fields.int("report")?, fields.int("ix")?]).text())
            }
            _ => None,
        };
        let mut items = Vec::with_capacity(rows.len());
        for row in rows.iter().take(limit as usize) {
            items.push(self.with_earlier(run, row).await?);
        }
        Ok(Page { items, next })
    }

    /// The results that took longest.
    pub async fn slowest_tests(&self, run: &RunId, limit: u32) -> Result<Vec<RunTest>, Error> {
        let rows =
            sqlx::query(sql::RUN_TESTS_SLOWEST).bind(run.as_str()).bind(i64::from(limit)).fetch_all(&self.inner.read).await;
        let rows = rows.map_err(|error| self.error("the test results cannot be read", error))?;
        rows.iter().map(result_of).collect()
    }

    /// One that passed in a later attempt is explained by the earlier one.
    async fn with_earlier(&self, run: &RunId, row: &AnyRow) -> Result<RunTest, Error> {
        let mut result = result_of(row)?;
        if result.flaky && result.message.is_none() {
            let test = Fields::new(row, "a result of report", "report").int("test")?;
            let earlier = sqlx::query(sql::RUN_TEST_EARLIER).bind(run.as_str()).bind(test).fetch_optional(&self.inner.read).await;
            if let Some(earlier) = earlier.map_err(|error| self.error("the test results cannot be read", error))? {
                let fields = Fields::new(&earlier, "a result of report", "report");
                result.message = fields.text_or_null("message")?;
                result.details = fields.text_or_null("details")?;
            }
        }
        Ok(result)
    }
}

fn result_of(row: &AnyRow) -> Result<RunTest, Error> {
    let fields = Fields::new(row, "a result of report", "report");
    Ok(RunTest {
        id: fields.text("id")?,
        suite: fields.text("suite")?,
        name: fields.text("name")?,
        file: fields.text_or_null("file")?,
        outcome: fields.parse("outcome")?,
        flaky: fields.int("flaky")? != 0,
        duration_ms: fields.count_or_null("duration_ms")?,
        message: fields.text_or_null("message")?,
        details: fields.text_or_null("details")?,
        job: fields.text("job_name")?,
        step: fields.text("step_name")?,
        attempt: fields.count("attempt")?,
    })
}

/// The pattern of texts that contain this one; the statement makes both small. `!` is the character that takes the meaning from the others.
pub(super) fn like(q: &str) -> String {
    let mut pattern = String::from("%");
    for char in plain(q).chars() {
        if matches!(char, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(char);
    }
    pattern.push('%');
    pattern
}
