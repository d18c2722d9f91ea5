//! Follows runs to their ends and shows them: every step's log, how it began and how it ended.
//!
//! **Invariant:** a step's end is shown after the last line of its log.

use std::collections::BTreeMap;

use anyhow::Context;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::base::{AttemptKey, JobIx, RunId, StepIx, Tasks};
use crate::run::{RunView, view};
use crate::server::Handle;

use super::progress::Progress;
use super::signals::Signals;
use super::tail::{Heard, tail};

/// Follows runs to their ends.
pub(super) struct Follower<'a> {
    handle: Handle,
    runs: Vec<RunId>,
    progress: &'a Progress,
    tasks: Tasks,
    shown: BTreeMap<(usize, JobIx, StepIx), Shown>,
    /// The logs that are being followed; cancelled when their attempt has ended.
    tails: BTreeMap<AttemptKey, CancellationToken>,
    heard: (mpsc::Sender<Heard>, mpsc::Receiver<Heard>),
}

/// How far a step has been shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// Up to the beginning of this attempt.
    Attempt(u32),
    Ended,
}

impl<'a> Follower<'a> {
    pub fn new(handle: Handle, runs: Vec<RunId>, progress: &'a Progress) -> Self {
        let (shown, tails) = (BTreeMap::new(), BTreeMap::new());
        Self { handle, runs, progress, tasks: Tasks::default(), shown, tails, heard: mpsc::channel(1_000) }
    }

    /// Shows everything until all have ended. The first signal cancels, the second at once.
    pub async fn follow(mut self, signals: &mut Signals) -> anyhow::Result<Vec<RunView>> {
        let mut changes = self.handle.changes();
        loop {
            changes.mark_unchanged();
            let mut views = Vec::new();
            for id in &self.runs {
                views.push(view(&self.handle.store().run(id).await?.context("a run is gone from the store")?));
            }
            self.progress.now(&views);
            for (position, run) in views.iter().enumerate() {
                self.show(position, run).await;
            }
            if views.iter().all(|run| run.outcome.is_some()) {
                views.iter().for_each(|run| self.progress.run_ended(run));
                self.tasks.end().await;
                return Ok(views);
            }
            self.until_changed(&mut changes, signals).await;
        }
    }

    /// Prints log lines until a run changes.
    async fn until_changed(&mut self, changes: &mut watch::Receiver<i64>, signals: &mut Signals) {
        loop {
            tokio::select! {
                _ = changes.changed() => return,
                heard = self.heard.1.recv() => {
                    match heard {
                        Some(Heard::Line { title, line }) => self.progress.log(&title, line.stream, &line.text),
                        Some(Heard::End(of)) => {
                            self.tails.remove(&of);
                        }
                        None => {}
                    }
                }
                by = signals.next() => {
                    self.progress.talk("cancelling; once more ends it at once");
                    for id in &self.runs {
                        // One that ended meanwhile needs no cancelling.
                        let _ = self.handle.cancel(id, by).await;
                    }
                }
            }
        }
    }

    /// Shows what is new in a run: attempts that began, and steps that ended, after the last line of their logs.
    async fn show(&mut self, position: usize, run: &RunView) {
        let Ok(id) = run.id.parse::<RunId>() else { return };
        for (job_ix, job) in (0..).zip(&run.jobs) {
            for (step_ix, step) in (0..).zip(&job.steps) {
                let place = (position, job_ix, step_ix);
                let Shown::Attempt(shown) = self.shown.get(&place).copied().unwrap_or(Shown::Attempt(0)) else { continue };
                let title = if run.jobs.len() == 1 { step.name.clone() } else { format!("{} / {}", job.name, step.name) };
                let key = |attempt| AttemptKey { run: id.clone(), job: job_ix, step: step_ix, attempt };
                if step.attempt > shown {
                    self.drain(&key(shown)).await;
                    self.progress.began(&title, step);
                    self.tail(key(step.attempt), title.clone());
                    self.shown.insert(place, Shown::Attempt(step.attempt));
                }
                if step.outcome.is_some() {
                    self.drain(&key(step.attempt)).await;
                    self.progress.ended(&title, step);
                    self.shown.insert(place, Shown::Ended);
                }
            }
        }
    }

    fn tail(&mut self, key: AttemptKey, title: String) {
        let ended = CancellationToken::new();
        let logs = self.handle.store().logs().clone();
        self.tasks.spawn(tail(logs, key.clone(), title, self.tasks.clone(), ended.clone(), self.heard.0.clone()));
        self.tails.insert(key, ended);
    }

    /// Prints until the last line of this attempt is out.
    async fn drain(&mut self, key: &AttemptKey) {
        let Some(ended) = self.tails.remove(key) else { return };
        ended.cancel();
        while let Some(heard) = self.heard.1.recv().await {
            match heard {
                Heard::Line { title, line } => self.progress.log(&title, line.stream, &line.text),
                Heard::End(of) if of == *key => return,
                // One that ended before its step did: its own turn finds nothing more to wait for.
                Heard::End(of) => {
                    self.tails.remove(&of);
                }
            }
        }
    }
}
