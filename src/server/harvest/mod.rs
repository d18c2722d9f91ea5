//! Test reports: found in what an ended attempt left, read, and kept.
//!
//! | File | What |
//! |---|---|
//! | `wanted` | the globs of a step: where to look, and what is a report |
//! | `archive` | an archive, looked through for reports |
//!
//! **Invariants:** it comes between an attempt's exit and the word of it, so that it is done again after a crash; what is kept already is not looked
//! for again. Nothing here makes a step fail: what cannot be read is told in the step's log and on the run's page.

mod archive;
mod wanted;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio_util::io::{StreamReader, SyncIoBridge};
use tokio_util::sync::CancellationToken;

use self::archive::Found;
use self::wanted::Wanted;
use super::handle::Shared;
use crate::base::limits::{REPORT_PROBLEMS, REPORTS_MS};
use crate::base::{AttemptKey, RepoId};
use crate::executor::{Executor, Failure};
use crate::run::{Exit, Run, TestCase, TestSummary};
use crate::secrets::Masks;
use crate::store::{self, Harvest};

/// What is looked for when an attempt has ended, and what else its rows need.
pub(super) struct Harvester {
    shared: Arc<Shared>,
    executor: Arc<dyn Executor>,
    key: AttemptKey,
    junit: Vec<String>,
    repo: RepoId,
    commit: String,
    branch: String,
    pipeline: String,
    job: String,
    step: String,
}

impl Harvester {
    /// Nothing when the step has no reports.
    pub(super) fn of(shared: &Arc<Shared>, executor: &Arc<dyn Executor>, run: &Run, key: &AttemptKey) -> Option<Self> {
        let job = run.plan.jobs.get(key.job as usize)?;
        let step = job.steps.get(key.step as usize)?;
        (!step.junit.is_empty()).then(|| Self {
            shared: Arc::clone(shared),
            executor: Arc::clone(executor),
            key: key.clone(),
            junit: step.junit.clone(),
            repo: run.repo.clone(),
            commit: run.trigger.commit.clone(),
            branch: run.trigger.tag.clone().unwrap_or_else(|| run.trigger.branch.clone()),
            pipeline: run.plan.name.clone(),
            job: job.name.clone(),
            step: step.name.clone(),
        })
    }

    /// Reads and keeps what the attempt left; answers what its log should say of it. Nothing when it did not end by itself, or when that is done.
    ///
    /// # Errors
    /// The engine does not answer: the attempt is taken up again when it does.
    pub(super) async fn at_end(&self, exit: &Exit, stop: &CancellationToken, masks: &Masks) -> Result<Vec<String>, String> {
        match exit {
            Exit::Code(_) if !stop.is_cancelled() => {}
            Exit::Code(_) | Exit::Infrastructure(_) | Exit::Lost(_) | Exit::NeverRan | Exit::Refused(_) => return Ok(Vec::new()),
        }
        match self.shared.store.has_reports(&self.key).await {
            Ok(false) => {}
            Ok(true) => return Ok(Vec::new()),
            Err(error) => return Ok(vec![self.broke(&error)]),
        }
        let found = match tokio::time::timeout(Duration::from_millis(REPORTS_MS), self.look(masks)).await {
            Ok(found) => found?,
            Err(_) => Found::failed(format!("reading the reports took longer than {} s and was given up", REPORTS_MS / 1000)),
        };
        Ok(self.keep(found, masks).await)
    }

    /// Looks through every place that a report may be in.
    async fn look(&self, masks: &Masks) -> Result<Found, String> {
        let (wanted, mut found) = Wanted::read(&self.junit);
        found.masks = masks.clone();
        let wanted = Arc::new(wanted);
        for root in wanted.roots() {
            let stream = match self.executor.collect(&self.key, &format!("/workspace/{root}")).await {
                Ok(Some(stream)) => stream,
                Ok(None) => continue,
                Err(Failure::Unreachable(why)) => return Err(why),
                Err(failure @ (Failure::Infrastructure(_) | Failure::Gone | Failure::Stopped)) => {
                    found.problem(format!("`{root}` could not be looked through for reports: {failure}"));
                    continue;
                }
            };
            // Cut off when the server ends or this takes too long: the thread that reads must not go on by itself.
            let cut = self.shared.tasks.ending.child_token();
            let _cut_when_dropped = cut.clone().drop_guard();
            let stream = Box::pin(stream.take_until(cut.cancelled_owned()));
            let reader = SyncIoBridge::new(StreamReader::new(stream));
            let (wanted, root) = (Arc::clone(&wanted), root.to_owned());
            let read = self.shared.tasks.spawn_blocking(move || {
                archive::look_through(reader, &root, &wanted, &mut found);
                found
            });
            found = match read.await {
                Ok(found) => found,
                Err(panic) => return Ok(Found::failed(format!("the reading of reports broke: {panic}"))),
            };
        }
        Ok(found)
    }

    /// Keeps it; answers what the log says.
    async fn keep(&self, found: Found, masks: &Masks) -> Vec<String> {
        let Found { reports, mut problems, more_problems, .. } = found;
        let files = reports.len();
        if more_problems > 0 {
            problems.push(format!("{more_problems} more reports could not be read"));
        }
        if files == 0 && problems.is_empty() {
            let globs: Vec<String> = self.junit.iter().map(|glob| format!("`{glob}`")).collect();
            return vec![format!("no test report: no file matches {}", globs.join(", "))];
        }
        let mut lines = problems.clone();
        let harvest = Harvest {
            key: self.key.clone(),
            repo: self.repo.clone(),
            commit: self.commit.clone(),
            branch: self.branch.clone(),
            pipeline: self.pipeline.clone(),
            job: self.job.clone(),
            step: self.step.clone(),
            cases: reports.into_values().flatten().map(|case| masked(case, masks)).collect(),
            problems: problems.iter().map(|problem| masks.text(problem)).collect(),
        };
        match self.shared.store.keep_reports(harvest, self.shared.clock.now()).await {
            Ok(_) if files == 0 => {}
            Ok(summary) => lines.push(sentence(summary, files)),
            Err(error) => lines.push(self.broke(&error)),
        }
        lines
    }

    fn broke(&self, error: &store::Error) -> String {
        tracing::warn!(attempt = %self.key, %error, "test results could not be kept");
        "the test results could not be kept; the server's log says why".to_owned()
    }
}

/// A test as it may be kept: reports hold what tests print, secrets among it.
fn masked(case: TestCase, masks: &Masks) -> TestCase {
    let text = |text: Option<String>| text.map(|text| masks.text(&text));
    let TestCase { suite, name, identity, file, outcome, flaky, duration_ms, message, details } = case;
    let (suite, name) = (masks.text(&suite), masks.text(&name));
    TestCase {
        suite,
        name,
        identity,
        file: text(file),
        outcome,
        flaky,
        duration_ms,
        message: text(message),
        details: text(details),
    }
}

/// `214 tests: 2 failed, 1 flaky, 4 skipped (3 reports)`.
fn sentence(summary: TestSummary, files: usize) -> String {
    format!("{summary} ({files} report{})", if files == 1 { "" } else { "s" })
}

impl Found {
    /// Nothing was found, because …
    fn failed(why: String) -> Self {
        let mut found = Self::default();
        found.problem(why);
        found
    }

    /// Keeps a sentence about what could not be read; past the limit it is only counted.
    fn problem(&mut self, sentence: String) {
        if self.problems.len() < REPORT_PROBLEMS { self.problems.push(sentence) } else { self.more_problems += 1 }
    }
}
