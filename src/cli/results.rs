//! What `gantry run` says of tests when its runs have ended: those that failed with their messages, then all in numbers.

use anyhow::Context;

use crate::run::{Outcome, RunView, TestSummary};
use crate::store::{RunTest, RunTests, Store, TestPick};

use super::client;
use super::progress::Progress;

/// Failed tests that are named; more nobody reads in a terminal.
const NAMED: u32 = 30;
/// Lines of each one's message.
const LINES: usize = 12;

/// The tests of ended runs.
pub(super) struct Results {
    failed: Vec<RunTest>,
    flaky: Vec<RunTest>,
    summary: TestSummary,
}

/// Reads them, and fills the numbers into the runs. `None` when no step left reports.
pub(super) async fn read(store: &Store, runs: &mut [RunView]) -> anyhow::Result<Option<Results>> {
    let mut all: Option<Results> = None;
    for run in runs {
        let id = run.id.parse().context("a run's id")?;
        run.tests = store.test_summary(&id).await?;
        let Some(summary) = run.tests else { continue };
        let read = async |pick| store.run_tests(&id, &RunTests { pick: Some(pick), limit: NAMED, ..RunTests::default() }).await;
        let (failed, flaky) = (read(TestPick::Failed).await?.items, read(TestPick::Flaky).await?.items);
        let results =
            all.get_or_insert_with(|| Results { failed: Vec::new(), flaky: Vec::new(), summary: TestSummary::default() });
        results.failed.extend(failed);
        results.flaky.extend(flaky.into_iter().filter(|test| !test.outcome.is_bad()));
        let TestSummary { total, failed, skipped, flaky } = &mut results.summary;
        *total += summary.total;
        *failed += summary.failed;
        *skipped += summary.skipped;
        *flaky += summary.flaky;
    }
    Ok(all)
}

impl Results {
    /// Says them.
    pub(super) fn tell(&self, progress: &Progress) {
        let Self { failed, flaky, summary } = self;
        for test in failed.iter().take(NAMED as usize) {
            progress.test(
                Outcome::Failed,
                &title(test),
                &client::message(test.message.as_deref().unwrap_or_default(), LINES, progress.has_colour()),
            );
        }
        for test in flaky.iter().take(NAMED as usize) {
            progress.test(Outcome::Warning, &format!("{}, flaky", title(test)), "");
        }
        let named = failed.len().min(NAMED as usize) as u64;
        if summary.failed > named {
            progress.test(Outcome::Failed, &format!("and {} more", summary.failed - named), "");
        }
        let outcome = match (summary.failed, summary.flaky) {
            (0, 0) => Outcome::Passed,
            (0, _) => Outcome::Warning,
            (_, _) => Outcome::Failed,
        };
        progress.test(outcome, &summary.to_string(), "");
    }
}

fn title(test: &RunTest) -> String {
    format!("{} {} ({} / {})", test.suite, test.name, test.job, test.step).trim_start().to_owned()
}
