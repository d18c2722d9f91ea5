//! Finding the log that is meant: run, job and step or service by name, attempt by number.

use super::app::App;
use super::problem::Problem;
use crate::base::{AttemptKey, JobIx, JobKey};
use crate::pipeline::JobPlan;
use crate::run::{Run, StepState};
use crate::store::{LogKey, LogPage};
use tokio::sync::watch;

/// A log, found.
pub(super) struct Log {
    pub key: LogKey,
    /// Of a step; 0 for a service.
    pub attempt: u32,
    /// Nothing more will be written to it.
    pub is_over: bool,
}

/// Whose log is meant, by names.
#[derive(Debug, Clone)]
pub(super) enum Of {
    /// Of a step; the latest attempt, if none is named.
    Step {
        job: String,
        step: String,
        attempt: Option<u32>,
    },
    Service {
        job: String,
        service: String,
    },
}

impl Of {
    /// The log. `None` when the step has not been tried yet.
    pub(super) fn find(&self, run: &Run) -> Result<Option<Log>, Problem> {
        match self {
            Of::Step { job, step, attempt } => of_step(run, job, step, *attempt),
            Of::Service { job, service } => of_service(run, job, service).map(Some),
        }
    }

    /// What the file is called when it is saved.
    pub(super) fn name(&self) -> String {
        match self {
            Of::Step { job, step, .. } => format!("{job}-{step}"),
            Of::Service { job, service } => format!("{job}-{service}"),
        }
    }
}

fn job_named<'a>(run: &'a Run, job: &str) -> Result<(JobIx, &'a JobPlan), Problem> {
    run.plan.job_named(job).ok_or_else(|| Problem::not_found(format!("This run has no job `{job}`.")))
}

/// The log of `attempt` (default: the latest) at a step.
fn of_step(run: &Run, job: &str, step: &str, attempt: Option<u32>) -> Result<Option<Log>, Problem> {
    let step_missing = || Problem::not_found(format!("The job `{job}` has no step `{step}`."));
    let (job_ix, job_plan) = job_named(run, job)?;
    let (step_ix, _) = job_plan.step_named(step).ok_or_else(step_missing)?;
    let steps = run.jobs.get(job_ix as usize).map(|job| &job.steps);
    let state = steps.and_then(|steps| steps.get(step_ix as usize)).map(|step| &step.state).ok_or_else(step_missing)?;
    let latest = latest_attempt(state);
    let attempt = attempt.unwrap_or(latest);
    if attempt > latest || (attempt == 0 && latest > 0) {
        return Err(Problem::not_found(format!("This step has no attempt {attempt}; the latest is {latest}.")));
    }
    let key = AttemptKey { run: run.id.clone(), job: job_ix, step: step_ix, attempt }.into();
    let is_over = attempt < latest || state.live_attempt().is_none();
    Ok((attempt > 0).then_some(Log { key, attempt, is_over }))
}

fn of_service(run: &Run, job: &str, service: &str) -> Result<Log, Problem> {
    let (ix, plan) = job_named(run, job)?;
    let found = (0..).zip(&plan.services).find(|(_, found)| found.name == service);
    let (number, _) = found.ok_or_else(|| Problem::not_found(format!("The job `{job}` has no service `{service}`.")))?;
    let is_over = run.jobs.get(ix as usize).is_none_or(|job| job.state.is_ended());
    let key = LogKey::Service { job: JobKey { run: run.id.clone(), job: ix }, service: number };
    Ok(Log { key, attempt: 0, is_over })
}

/// The last attempt that was made; 0 when there was none.
pub(super) fn latest_attempt(state: &StepState) -> u32 {
    match state {
        StepState::Waiting | StepState::Parked { .. } => 0,
        StepState::Starting { attempt, .. } | StepState::Running { attempt, .. } | StepState::Stopping { attempt, .. } => {
            *attempt
        }
        StepState::Backoff { attempt, .. } => attempt.saturating_sub(1),
        StepState::Ended(end) => end.attempt,
    }
}

impl App {
    /// Lines from number `from`, or those of them that contain `q`.
    pub(super) async fn log_page(&self, log: &Log, from: u64, limit: usize, q: Option<String>) -> Result<LogPage, Problem> {
        let (key, is_search) = (log.key.clone(), q.is_some());
        let read = move |logs: &crate::store::Logs| match &q {
            Some(q) => logs.search(&key, q, from, limit),
            None => logs.read(&key, from, limit),
        };
        let mut page = self.reading(read).await?;
        // The step or job has ended, so there will be no more, whether or not anybody ever began to write.
        page.end |= log.is_over && !is_search && page.lines.is_empty();
        Ok(page)
    }

    /// The bytes from line `from` on, a page of them, and the line to ask for next.
    pub(super) async fn log_bytes(&self, log: &Log, from: u64) -> Result<(Vec<u8>, u64), Problem> {
        let key = log.key.clone();
        self.reading(move |logs| logs.raw(&key, from)).await
    }

    /// How many lines there are so far.
    pub(super) async fn log_lines(&self, log: &Log) -> Result<u64, Problem> {
        let key = log.key.clone();
        self.reading(move |logs| Ok(*logs.watch(&key).borrow())).await
    }
}

/// What a reader of a live log waits for: lines, and changes of the record (a step is tried, a step ends).
pub(super) struct Watched {
    record: watch::Receiver<i64>,
    /// Once there is a log; closed when it is complete.
    lines: Option<watch::Receiver<u64>>,
    lines_closed: bool,
    /// The record may say something new.
    pub record_moved: bool,
}

impl Watched {
    pub(super) fn new(app: &App) -> Self {
        Self { record: app.handle.changes(), lines: None, lines_closed: false, record_moved: true }
    }

    /// Called before reading, so that what comes during the read is news afterwards.
    pub(super) fn mark_seen(&mut self) {
        self.record_moved |= self.record.has_changed().unwrap_or(false);
        self.record.mark_unchanged();
        if let Some(lines) = &mut self.lines {
            lines.mark_unchanged();
        }
    }

    /// Watches this log's lines too.
    pub(super) fn follow(&mut self, app: &App, log: &Log) {
        if self.lines.is_none() {
            self.lines = Some(app.store().logs().watch(&log.key));
        }
    }

    /// Waits for news; `false` when there can be none any more.
    pub(super) async fn news(&mut self) -> bool {
        let lines_closed = self.lines_closed;
        let lines = async {
            match &mut self.lines {
                Some(lines) if !lines_closed => lines.changed().await.is_err(),
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            closed = lines => {
                self.lines_closed = closed;
                self.record_moved |= closed;
                true
            }
            moved = self.record.changed() => {
                self.record_moved = true;
                moved.is_ok()
            }
        }
    }
}
