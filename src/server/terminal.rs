//! Terminals in running steps, and in kept work trees: who may have one, and that each is written down.
//!
//! **Invariants:** a running step that was given secrets has none unless the settings say so, since whoever is in its container can read them out of its
//! process; the row is there before the terminal is, and tells its end whatever becomes of whoever had it; never more than so many at the same time.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::approve::check_name;
use super::fresh::{self, FreshStep};
use super::handle::{Handle, Refusal, Shared};
use super::kept::Hold;
use crate::base::{AttemptKey, JobIx, RunId, StepIx, TerminalId, limits};
use crate::executor::{Executor, Failure, Terminal, TerminalAt, TerminalSize};
use crate::run::{JobState, Run, StepState, environment, fill_step};
use crate::store::{ClosedTerminal, KeptTerminal};

/// What somebody asks for.
#[derive(Debug, Clone)]
pub struct TerminalAsked {
    pub job: String,
    pub step: String,
    /// Who they say they are.
    pub by: String,
    /// Where they ask from.
    pub address: String,
    pub size: TerminalSize,
}

/// A terminal that could be opened at this moment, as whoever might open it should know it.
#[derive(Debug, Clone)]
pub struct TerminalOffer {
    /// What it is, as a sentence.
    pub about: &'static str,
    /// The step has secrets, which whoever is in the terminal can read: the settings allow that.
    pub sees_secrets: bool,
    /// They are its variables: nothing of the step runs any more.
    pub has_secrets: bool,
}

/// A terminal that was given out. Dropped, it is ended and its end is written down all the same.
pub struct OpenTerminal {
    /// `None` once it is closed.
    open: Option<Open>,
    shared: Arc<Shared>,
}

struct Open {
    id: TerminalId,
    terminal: Terminal,
    _place: OwnedSemaphorePermit,
    /// The kept work tree that it is in.
    _tree: Option<Hold>,
}

/// Where a terminal can be.
enum Where {
    /// In the container of an attempt that runs.
    Beside(AttemptKey),
    /// In one of its own.
    Fresh(FreshStep),
}

impl Handle {
    /// What [`Self::open_terminal`] would open there, or why it would refuse.
    ///
    /// # Errors
    /// When there is no such step, when it does not run and has left no work tree, when it was given secrets that nobody may see.
    pub fn terminal_offer(&self, run: &Run, job: &str, step: &str) -> Result<TerminalOffer, Refusal> {
        let (job, step) = place(run, job, step)?;
        self.executor_of(run, job)?;
        let at = self.find_where(run, job, step)?;
        let about = match &at {
            Where::Beside(_) => {
                "A shell beside the step, in its container: with its user, its limits, its work tree and its variables. The step goes on meanwhile; when it ends, the terminal ends too."
            }
            Where::Fresh(_) => {
                "A shell in a fresh container of the step's image, in the work tree that its failed job has left. What is changed there is still there for the next one, and for a run that goes on from this step."
            }
        };
        let plan = &run.plan.jobs[job as usize].steps[step as usize];
        let sees_secrets = !plan.secrets.is_empty() && self.shared.config.shell_secrets;
        Ok(TerminalOffer { about, sees_secrets, has_secrets: sees_secrets && matches!(at, Where::Fresh(_)) })
    }

    /// What opens terminals in this job's steps.
    fn executor_of(&self, run: &Run, job: JobIx) -> Result<Arc<dyn Executor>, Refusal> {
        let engine = self.shared.fleet.of(run, job);
        let gone = || Refusal::Conflict("its engine is not in the settings any more".to_owned());
        let executor = Arc::clone(&engine.ok_or_else(gone)?.executor);
        if executor.has_terminals() {
            return Ok(executor);
        }
        Err(Refusal::Conflict(format!("there are no terminals in steps that run by `{}`", executor.name())))
    }

    /// Opens a terminal in a running step's container, or in a fresh one where the work tree of a failed job is kept.
    pub async fn open_terminal(&self, run: &RunId, asked: TerminalAsked) -> Result<OpenTerminal, Refusal> {
        let TerminalAsked { job, step, by, address, size } = asked;
        let who = check_name(&by, "asks")?.to_owned();
        check_size(size)?;
        let found = self.find_run(run).await?;
        let (job, step) = place(&found, &job, &step)?;
        let executor = self.executor_of(&found, job)?;
        let at = match self.find_where(&found, job, step)? {
            Where::Fresh(fresh) => Where::Fresh(fresh.given(&self.shared, &found).await?),
            beside @ Where::Beside(_) => beside,
        };
        let place = Arc::clone(&self.shared.terminals).try_acquire_owned().map_err(|_| {
            Refusal::Unavailable(format!("{} terminals are open, and there may be no more: close one", limits::TERMINALS))
        })?;
        let key = match &at {
            Where::Beside(key) => key.clone(),
            Where::Fresh(fresh) => fresh.spec.key.clone(),
        };
        let id = TerminalId::new(self.clock());
        let opened_at = self.clock().now();
        let kept = KeptTerminal { id: id.clone(), key, who, address, opened_at, closed: None };
        self.store().keep_terminal(&kept).await?;
        tracing::info!(run = %kept.key.run, attempt = %kept.key, who = kept.who, address = kept.address, "a terminal is opened");
        let shared = Arc::clone(&self.shared);
        // Whoever asked may be gone before it is open: then it is dropped in the moment in which it is.
        let opening = self.shared.tasks.spawn(async move {
            let (opened, tree) = match at {
                Where::Beside(key) => {
                    let at = TerminalAt { key, env: variables(&shared, &found, job, step), size };
                    (executor.terminal(&at).await, None)
                }
                Where::Fresh(FreshStep { spec, tree }) => (executor.fresh_terminal(&spec, size).await, Some(tree)),
            };
            match opened {
                Ok(terminal) => Ok(OpenTerminal { open: Some(Open { id, terminal, _place: place, _tree: tree }), shared }),
                Err(failure) => {
                    close(&shared, &id, format!("not opened: {failure}"), None).await;
                    Err(match failure {
                        Failure::Gone | Failure::Stopped => Refusal::Conflict("the step has just ended".to_owned()),
                        Failure::Unreachable(why) | Failure::Infrastructure(why) => Refusal::Unavailable(why),
                    })
                }
            }
        });
        opening.await.unwrap_or_else(|panic| Err(Refusal::Unavailable(format!("the terminal broke: {panic}"))))
    }

    fn find_where(&self, run: &Run, job: JobIx, step: StepIx) -> Result<Where, Refusal> {
        let why = match running(run, job, step) {
            Ok(attempt) => {
                self.check_secrets(run, job, step)?;
                return Ok(Where::Beside(AttemptKey { run: run.id.clone(), job, step, attempt }));
            }
            Err(why) => why,
        };
        let fresh = fresh::find(&self.shared, run, (job, step))?;
        let and = match &run.jobs[job as usize].state {
            JobState::Ended { kept_until: None, .. } => "; the work tree of its job was not kept",
            JobState::Ended { kept_until: Some(_), .. } => "; the work tree of its job is not kept any more",
            JobState::Waiting { .. } | JobState::Preparing { .. } | JobState::Running { .. } => "",
        };
        fresh.map(Where::Fresh).ok_or_else(|| Refusal::Conflict(format!("{why}{and}")))
    }

    fn check_secrets(&self, run: &Run, job: JobIx, step: StepIx) -> Result<(), Refusal> {
        let plan = &run.plan.jobs[job as usize].steps[step as usize];
        if plan.secrets.is_empty() || self.shared.config.shell_secrets {
            return Ok(());
        }
        let why =
            "was given secrets, which a terminal in it could read; `shell: { secrets: true }` in the server's settings allows it";
        Err(Refusal::Forbidden(format!("`{}` {why}", plan.name)))
    }
}

/// The step's variables but for its secrets.
pub(super) fn variables(shared: &Shared, run: &Run, job: JobIx, step: StepIx) -> BTreeMap<String, String> {
    // One that runs was filled in before.
    let filled = fill_step(run, job, step).unwrap_or_default();
    let base = &shared.config.url;
    let page = if base.is_empty() { String::new() } else { format!("{base}/runs/{}", run.id) };
    environment(run, job, step, filled.env, &run.trigger.url, &page)
}

impl OpenTerminal {
    /// The terminal itself.
    pub fn terminal(&mut self) -> Option<&mut Terminal> {
        self.open.as_mut().map(|open| &mut open.terminal)
    }

    /// Ends it and writes down why, with the exit code of its shell if that ended by itself.
    pub async fn close(mut self, reason: String, exit_code: Option<i64>) {
        if let Some(open) = self.open.take() {
            end(&self.shared, open, reason, exit_code).await;
        }
    }
}

impl Drop for OpenTerminal {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            let shared = Arc::clone(&self.shared);
            self.shared.tasks.spawn(async move { end(&shared, open, "the connection broke".to_owned(), None).await });
        }
    }
}

async fn end(shared: &Shared, open: Open, reason: String, exit_code: Option<i64>) {
    let Open { id, terminal, _place, _tree } = open;
    if exit_code.is_none() {
        terminal.control.end().await;
    }
    close(shared, &id, reason, exit_code).await;
}

async fn close(shared: &Shared, id: &TerminalId, reason: String, exit_code: Option<i64>) {
    tracing::info!(terminal = %id, reason, "a terminal is closed");
    let closed = ClosedTerminal { at: shared.clock.now(), reason, exit_code };
    if let Err(error) = shared.store.close_terminal(id, &closed).await {
        tracing::warn!(terminal = %id, %error, "the end of a terminal is not written down; the next start says that it ended");
    }
}

/// Names become numbers.
pub(super) fn place(run: &Run, job: &str, step: &str) -> Result<(JobIx, StepIx), Refusal> {
    let number = run.number;
    let missing = || Refusal::NotFound(format!("run #{number} has no job `{job}`"));
    let (job_ix, plan) = run.plan.job_named(job).ok_or_else(missing)?;
    let missing = || Refusal::NotFound(format!("the job `{job}` of run #{number} has no step `{step}`"));
    let (step_ix, _) = plan.step_named(step).ok_or_else(missing)?;
    Ok((job_ix, step_ix))
}

/// The attempt that runs; else the sentence that says why there is none.
fn running(run: &Run, job: JobIx, step: StepIx) -> Result<u32, String> {
    let name = &run.plan.jobs[job as usize].steps[step as usize].name;
    let why = match &run.jobs[job as usize].steps[step as usize].state {
        StepState::Running { attempt, .. } => return Ok(*attempt),
        StepState::Waiting | StepState::Parked { .. } | StepState::Starting { .. } => "has not started yet",
        StepState::Backoff { .. } => "waits for its next attempt",
        StepState::Stopping { .. } => "is being stopped",
        StepState::Ended(_) => "has ended",
    };
    Err(format!("there is no terminal in `{name}` of run #{}: it {why}", run.number))
}

fn check_size(size: TerminalSize) -> Result<(), Refusal> {
    let fits = |n: u16| (1..=limits::TERMINAL_SIDE).contains(&n);
    if fits(size.columns) && fits(size.rows) {
        return Ok(());
    }
    Err(Refusal::Invalid(format!("a terminal has from 1 to {} columns and rows", limits::TERMINAL_SIDE)))
}
