//! Keeping what one attempt's reports said, in short transactions that can be cut off between any two.
//!
//! **Invariant:** how far it got is written in the same transaction as the results themselves, so a result is kept, and counted, exactly once.

use std::collections::{HashMap, HashSet};

use super::values::{Harvest, Recent, test_id};
use crate::base::limits::REPORT_CASES;
use crate::base::{AttemptKey, Timestamp};
use crate::run::{TestCase, TestOutcome, TestSummary};
use crate::store::row::{Fields, plain, to_int, to_json};
use crate::store::write::Write;
use crate::store::{Error, Store, sql};

/// Results in one transaction: some 50 ms, so that a step's start does not wait long behind them.
const CHUNK: usize = 500;

/// A row of `reports` that is being filled.
struct Report {
    n: i64,
    /// Results that are kept already.
    kept: usize,
    is_done: bool,
}

impl Store {
    /// Whether all that this attempt's reports said is kept.
    pub async fn has_reports(&self, key: &AttemptKey) -> Result<bool, Error> {
        let AttemptKey { run, job, step, attempt } = key;
        let query = sqlx::query(sql::REPORT_DONE).bind(run.as_str()).bind(i64::from(*job)).bind(i64::from(*step));
        let row = query.bind(i64::from(*attempt)).fetch_optional(&self.inner.read).await;
        Ok(row.map_err(|error| self.error("the test results cannot be read", error))?.is_some())
    }

    /// Keeps an attempt's test results, once, and tells how its tests ended. [`Error::Gone`] when its run was removed meanwhile.
    pub async fn keep_reports(&self, mut harvest: Harvest, now: Timestamp) -> Result<TestSummary, Error> {
        let mut report = self.begin_report(&mut harvest, now).await?;
        let flaky = self.flaky(&harvest, &report).await?;
        while report.kept < harvest.cases.len() {
            let mut write = Write::begin(self, now).await?;
            for (ix, case) in harvest.cases.iter().enumerate().skip(report.kept).take(CHUNK) {
                let is_flaky = flaky.get(ix).copied().unwrap_or(false);
                self.add_result(&mut write, &harvest, &report, ix, case, is_flaky, now).await?;
            }
            report.kept = harvest.cases.len().min(report.kept + CHUNK);
            let query = sqlx::query(sql::REPORT_KEPT).bind(report.n).bind(to_int("a count", report.kept as u64)?);
            write.execute("the test results cannot be kept", query).await?;
            write.commit().await?;
        }
        if !report.is_done {
            self.end_report(&harvest, &report, now).await?;
        }
        Ok(count(harvest.cases.iter().map(|case| case.outcome).zip(flaky)))
    }

    /// Makes the row, or finds the one that a crash left; leaves out what is more than a run may have.
    async fn begin_report(&self, harvest: &mut Harvest, now: Timestamp) -> Result<Report, Error> {
        let Harvest { key, repo, commit, branch, pipeline, job, step, cases, problems } = harvest;
        let mut write = Write::begin(self, now).await?;
        let query = sqlx::query(sql::REPORT_ADD)
            .bind(key.run.as_str())
            .bind(i64::from(key.job))
            .bind(i64::from(key.step))
            .bind(i64::from(key.attempt))
            .bind(repo.as_str())
            .bind(plain(commit))
            .bind(plain(pipeline))
            .bind(plain(job))
            .bind(plain(step))
            .bind(plain(branch))
            .bind(now.0);
        let row = query.fetch_one(write.connection()).await.map_err(|error| match error.as_database_error() {
            Some(e) if e.is_foreign_key_violation() => Error::Gone(format!("run {}", key.run)),
            _ => self.error("the test results cannot be kept", error),
        })?;
        let fields = Fields::new(&row, "the reports of attempt", "n");
        let is_done = fields.count_or_null::<u64>("done_at")?.is_some();
        let report = Report { n: fields.int("n")?, kept: fields.count("kept")?, is_done };

        let row = sqlx::query(sql::REPORTS_KEPT).bind(key.run.as_str()).bind(report.n).fetch_one(write.connection()).await;
        let row = row.map_err(|error| self.error("the test results cannot be read", error))?;
        let others: usize = Fields::new(&row, "the reports of run", "kept").count("kept")?;
        let room = REPORT_CASES.saturating_sub(others);
        if cases.len() > room {
            problems.push(format!("{} test results were not kept: a run may have {REPORT_CASES}", cases.len() - room));
            cases.truncate(room);
        }
        if !report.is_done {
            let query = sqlx::query(sql::REPORT_PROBLEMS).bind(report.n).bind(plain(&to_json(problems)?));
            write.execute("the test results cannot be kept", query).await?;
        }
        write.commit().await?;
        Ok(report)
    }

    /// Of each case, whether the same test also ended otherwise: as its own runner says, earlier in these reports, or in those of another attempt or
    /// run of the same commit in the same place.
    async fn flaky(&self, harvest: &Harvest, report: &Report) -> Result<Vec<bool>, Error> {
        let Harvest { key: _, repo, commit, branch: _, pipeline, job, step, cases, problems: _ } = harvest;
        let query = sqlx::query(sql::REPORTS_OF_PLACE)
            .bind(repo.as_str())
            .bind(plain(commit))
            .bind(plain(pipeline))
            .bind(plain(job))
            .bind(plain(step))
            .bind(report.n);
        let rows = query.fetch_all(&self.inner.read).await;
        let rows = rows.map_err(|error| self.error("the test results cannot be read", error))?;
        let (mut good, mut bad) = (HashSet::new(), HashSet::new());
        for row in &rows {
            let fields = Fields::new(row, "test", "id");
            let ids = if fields.parse::<TestOutcome>("outcome")?.is_bad() { &mut bad } else { &mut good };
            ids.insert(fields.text("id")?);
        }
        // Many tests have one id; it is made once.
        let mut ids: HashMap<&str, String> = HashMap::new();
        let mut flaky = Vec::with_capacity(cases.len());
        for case in cases {
            let id = ids.entry(&case.identity).or_insert_with(|| test_id(repo, &case.identity));
            flaky.push(match case.outcome {
                TestOutcome::Passed => {
                    good.insert(id.clone());
                    case.flaky || bad.contains(id)
                }
                TestOutcome::Failed | TestOutcome::Error => {
                    bad.insert(id.clone());
                    good.contains(id)
                }
                TestOutcome::Skipped => false,
            });
        }
        Ok(flaky)
    }

    #[expect(clippy::too_many_arguments, reason = "one row of two tables")]
    async fn add_result(
        &self,
        write: &mut Write<'_>,
        harvest: &Harvest,
        report: &Report,
        ix: usize,
        case: &TestCase,
        flaky: bool,
        now: Timestamp,
    ) -> Result<(), Error> {
        let TestCase { suite, name, identity, file, outcome, flaky: _, duration_ms, message, details } = case;
        let duration = duration_ms.map(|ms| to_int("a duration", ms)).transpose()?;
        let recent = Recent { outcome: *outcome, flaky };
        let usual = duration.filter(|_| *outcome != TestOutcome::Skipped);
        let query = sqlx::query(sql::TEST_SET)
            .bind(test_id(&harvest.repo, identity))
            .bind(harvest.repo.as_str())
            .bind(plain(suite))
            .bind(plain(name))
            .bind(file.as_deref().map(plain))
            .bind(recent.letter().to_string())
            .bind(i64::from(outcome.is_bad()))
            .bind(i64::from(flaky))
            .bind(usual)
            .bind(now.0)
            .bind(harvest.key.run.as_str());
        let row = query.fetch_one(write.connection()).await.map_err(|error| match error.as_database_error() {
            Some(e) if e.is_foreign_key_violation() => Error::Gone(format!("repository {}", harvest.repo)),
            _ => self.error("a test cannot be kept", error),
        })?;
        let test = Fields::new(&row, "test", "n").int("n")?;
        let rank: i64 = match (outcome, flaky) {
            (TestOutcome::Failed | TestOutcome::Error, _) => 0,
            (TestOutcome::Passed, true) => 1,
            (TestOutcome::Skipped, _) => 2,
            (TestOutcome::Passed, false) => 3,
        };
        let query = sqlx::query(sql::TEST_RESULT_ADD)
            .bind(report.n)
            .bind(to_int("a position", ix as u64)?)
            .bind(test)
            .bind(outcome.as_str())
            .bind(rank)
            .bind(i64::from(flaky))
            .bind(duration)
            .bind(message.as_deref().map(plain))
            .bind(details.as_deref().map(plain));
        query.execute(write.connection()).await.map_err(|error| match error.as_database_error() {
            Some(e) if e.is_foreign_key_violation() => Error::Gone(format!("run {}", harvest.key.run)),
            _ => self.error("a test result cannot be kept", error),
        })?;
        Ok(())
    }

    /// Earlier attempts at the step give way where this one tells of the same tests; then both are counted anew.
    async fn end_report(&self, harvest: &Harvest, report: &Report, now: Timestamp) -> Result<(), Error> {
        let AttemptKey { run, job, step, attempt } = &harvest.key;
        let mut write = Write::begin(self, now).await?;
        if *attempt > 1 {
            let query = sqlx::query(sql::TEST_RESULTS_REPLACED)
                .bind(run.as_str())
                .bind(i64::from(*job))
                .bind(i64::from(*step))
                .bind(i64::from(*attempt))
                .bind(report.n);
            write.execute("the test results cannot be kept", query).await?;
        }
        let query = sqlx::query(sql::REPORTS_COUNT).bind(run.as_str()).bind(i64::from(*job)).bind(i64::from(*step));
        write.execute("the test results cannot be counted", query).await?;
        write.execute("the test results cannot be kept", sqlx::query(sql::REPORT_END).bind(report.n).bind(now.0)).await?;
        write.commit().await?;
        Ok(())
    }
}

/// In numbers.
fn count(results: impl Iterator<Item = (TestOutcome, bool)>) -> TestSummary {
    results.fold(TestSummary::default(), |counts, (outcome, flaky)| TestSummary {
        total: counts.total + 1,
        failed: counts.failed + u64::from(outcome.is_bad()),
        skipped: counts.skipped + u64::from(outcome == TestOutcome::Skipped),
        flaky: counts.flaky + u64::from(flaky),
    })
}
