//! What pages, API and command line may ask of a running server. Reading goes to the store directly; what changes something goes through here.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, Semaphore, oneshot, watch};

use crate::base::{Clock, DeliveryId, JobIx, JobKey, RepoId, RunId, Span, Tasks, limits, random_hex};
use crate::git::{self, Bases};
use crate::run::{Event, Job, Run};
use crate::schedule::Input;
use crate::store::{self, Delivery, Intake, NewRun, Repo, RepoStatus, Store};

use super::core::{Config, Message, Refused};
use super::fleet::{Engine, EngineStatus, Fleet};
use super::keep::Keep;
use super::kept::Kept;
use super::outlines::{self, FileOutline, Outlines};
use super::{ByHand, Layout, Source, intake, poll};

/// What all parts of a server share.
pub(super) struct Shared {
    pub store: Store,
    pub clock: Clock,
    pub fleet: Fleet,
    pub layout: Layout,
    pub keep: Arc<Keep>,
    pub source: Source,
    /// Work trees that jobs stand on.
    pub bases: Arc<Bases>,
    /// Work trees of jobs that failed.
    pub kept: Arc<Kept>,
    pub config: Config,
    pub tell: UnboundedSender<Message>,
    /// Highest sequence number of the events: the nudge for whoever follows them.
    pub changes: watch::Sender<i64>,
    pub watchers: poll::Watchers,
    pub outlines: Outlines,
    /// Wakes whoever waits for the next schedule.
    pub timer: Notify,
    /// Places for terminals.
    pub terminals: Arc<Semaphore>,
    pub tasks: Tasks,
}

impl Shared {
    /// Releases what an engine holds for a job. What fails is told and swept later.
    pub async fn release_in(&self, engine: &Engine, key: &JobKey) {
        if let Err(error) = engine.executor.release(key).await {
            tracing::warn!(job = %key, engine = engine.info.name, %error, "a job could not be released; it is swept later");
        }
    }

    /// Releases a job in its engine, unless that is none of ours any more, then its directories. What fails is told and swept later.
    pub async fn release(&self, engine: Option<&Engine>, key: &JobKey) {
        if let Some(engine) = engine {
            self.release_in(engine, key).await;
        }
        let root = self.layout.job_root(key);
        let removed = match engine {
            Some(engine) => engine.executor.remove_dir(&root).await.map_err(|failure| failure.to_string()),
            None => remove_dir(&root).await.map_err(|error| error.to_string()),
        };
        if let Err(error) = removed {
            tracing::warn!(job = %key, %error, "a job's directory could not be removed; it is swept later");
        }
        if let Err(error) = self.store.forget_attempt_secrets(key).await {
            tracing::warn!(job = %key, %error, "what the job's steps were given is forgotten at the next start");
        }
    }

    /// Stores what a trigger leads to and puts the new runs on the board.
    pub async fn take_in(&self, intake: Intake) -> Result<Vec<Run>, store::Error> {
        let runs = self.store.take_in(intake).await?;
        for run in &runs {
            tracing::info!(run = %run.id, repo = %run.repo_name, number = run.number, because = %run.trigger.because, "run made");
            if !run.is_ended() {
                // The loop only ever goes away with the server; then the next start finds the run in the store.
                let _ = self.tell.send(Message::Input(Input::Queued(Box::new(run.clone()))));
            }
        }
        self.nudge().await?;
        Ok(runs)
    }

    /// Tells followers that there are new events.
    pub async fn nudge(&self) -> Result<(), store::Error> {
        let seq = self.store.last_event().await?;
        self.changes.send_modify(|known| *known = seq.max(*known));
        Ok(())
    }
}

/// None is fine.
async fn remove_dir(dir: &Path) -> std::io::Result<()> {
    match tokio::fs::remove_dir_all(dir).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// The server's door. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(super) shared: Arc<Shared>,
}

/// Why something was not done: a sentence for whoever asked, but for what is Gantry's own trouble.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Invalid(String),
    /// What was asked for is understood and cannot be done so: an input that is not declared, or of another type.
    #[error("{0}")]
    Unprocessable(String),
    /// Whoever asked may not.
    #[error("{0}")]
    Forbidden(String),
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    Unavailable(String),
    #[error("the store failed: {0}")]
    Internal(#[from] store::Error),
}

/// Whether the server can do its work.
#[derive(Debug, Clone)]
pub struct Readiness {
    /// `docker`, `host` or `fake`.
    pub executor: &'static str,
    /// In the order of the settings.
    pub engines: Vec<EngineStatus>,
}

impl Readiness {
    /// Why runs wait, or some of them: what the engines that do not answer say. `None` when all answer.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let silent = |engine: &EngineStatus| {
            let problem = engine.problem.clone()?;
            Some(if self.engines.len() == 1 { problem } else { format!("{}: {problem}", engine.info.name) })
        };
        let silent: Vec<String> = self.engines.iter().filter_map(silent).collect();
        (!silent.is_empty()).then(|| silent.join("; "))
    }

    /// Whether any engine answers.
    #[must_use]
    pub fn any_answers(&self) -> bool {
        self.engines.iter().any(|engine| engine.problem.is_none())
    }
}

impl Handle {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The store, for reading.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// The nudge: the highest sequence number of the events.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<i64> {
        self.shared.changes.subscribe()
    }

    #[must_use]
    pub fn readiness(&self) -> Readiness {
        Readiness { executor: self.shared.fleet.kind(), engines: self.shared.fleet.status() }
    }

    /// The engines, each with the jobs that hold a slot of it.
    pub async fn engines(&self) -> Result<Vec<(EngineStatus, Vec<(Run, JobIx)>)>, Refusal> {
        let unfinished = self.store().unfinished().await?;
        let on = |engine: &EngineStatus| {
            let jobs = unfinished.iter().flat_map(|run| (0..).zip(&run.jobs).map(move |(ix, job)| (run, ix, job)));
            let is_here = |job: &Job| job.state.holds_slot() && job.engine.as_ref() == Some(&engine.info.name);
            jobs.filter(|(_, _, job)| is_here(job)).map(|(run, ix, _)| (run.clone(), ix)).collect()
        };
        Ok(self.shared.fleet.status().into_iter().map(|engine| (engine.clone(), on(&engine))).collect())
    }

    /// Cancels a run; the second time at once.
    pub async fn cancel(&self, run: &RunId, by: &str) -> Result<(), Refusal> {
        let found = self.find_run(run).await?;
        if found.is_ended() {
            return Err(Refusal::Conflict(format!("run #{} has ended already, so there is nothing to cancel", found.number)));
        }
        let event = Event::CancelRequested { by: by.to_owned() };
        match self.ask(Input::Run(run.clone(), event)).await {
            Ok(()) => Ok(()),
            Err(Refused::Ignored(why)) => Err(Refusal::Conflict(format!("run #{} was not cancelled: {why}", found.number))),
            Err(Refused::Store(error)) => Err(error.into()),
        }
    }

    /// Stores runs that were asked for, outside of any poll, and queues them.
    pub async fn make_runs(&self, repo: &RepoId, runs: Vec<NewRun>) -> Result<Vec<Run>, Refusal> {
        let now = self.shared.clock.now();
        let intake = Intake { runs, ..Intake::new(repo.clone(), now) };
        Ok(self.shared.take_in(intake).await?)
    }

    /// Starts to watch a repository. The answer holds the webhook's secret, this once.
    pub async fn add_repo(&self, name: &str, url: &str, poll_ms: Option<u64>) -> Result<Repo, Refusal> {
        check_name(name)?;
        git::check_url(url).map_err(|error| Refusal::Invalid(error.to_string()))?;
        let poll_ms = poll_ms.unwrap_or(limits::POLL_DEFAULT_MS);
        if poll_ms < limits::POLL_MIN_MS {
            let (asked, least) = (Span(poll_ms), Span(limits::POLL_MIN_MS));
            let why = format!("a poll every {asked} is too often: the shortest interval is {least}");
            return Err(Refusal::Invalid(why));
        }
        let now = self.shared.clock.now();
        let status = RepoStatus { ok: true, sentence: "waits for its first poll".to_owned(), at: now };
        let repo = Repo {
            id: RepoId::new(&self.shared.clock),
            name: name.to_owned(),
            url: url.to_owned(),
            poll_ms,
            hook_secret: random_hex(32),
            added_at: now,
            default_branch: None,
            status,
        };
        match self.shared.store.add_repo(&repo).await {
            Ok(()) => {}
            Err(error @ store::Error::NameTaken { .. }) => return Err(Refusal::Conflict(error.to_string())),
            Err(error) => return Err(error.into()),
        }
        self.shared.nudge().await?;
        poll::watch_one(&self.shared, repo.clone());
        Ok(repo)
    }

    /// Stops watching a repository and forgets it with its runs. Refused while one of them is under way.
    pub async fn remove_repo(&self, name: &str) -> Result<(), Refusal> {
        let repo = self.find_repo(name).await?;
        let unfinished = self.shared.store.unfinished().await?;
        if let Some(run) = unfinished.iter().find(|run| run.repo == repo.id) {
            let why = format!("run #{} of `{name}` is under way: cancel it, or wait until it has ended", run.number);
            return Err(Refusal::Conflict(why));
        }
        poll::unwatch(&self.shared, &repo.id).await;
        let runs = self.shared.store.remove_repo(&repo.id, self.shared.clock.now()).await?;
        self.shared.outlines.forget(&repo.id);
        let (logs, mirror) = (self.shared.store.logs().clone(), self.shared.layout.mirror(&repo.id));
        let modules = [true, false].map(|trusted| self.shared.layout.submodules(&repo.id, trusted));
        let bases = Arc::clone(&self.shared.bases);
        let cleaned = self.shared.tasks.spawn_blocking(move || {
            for run in runs {
                logs.remove_run(&run)?;
            }
            bases.forget(repo.id.as_str()).map_err(std::io::Error::other)?;
            for modules in modules.iter().filter(|modules| modules.exists()) {
                std::fs::remove_dir_all(modules)?;
            }
            if mirror.exists() { std::fs::remove_dir_all(mirror) } else { Ok(()) }
        });
        if let Ok(Err(error)) = cleaned.await {
            tracing::warn!(repo = name, %error, "files of a removed repository are left over");
        }
        self.shared.nudge().await?;
        Ok(())
    }

    /// Polls a repository at once.
    pub async fn sync_repo(&self, name: &str) -> Result<(), Refusal> {
        let repo = self.find_repo(name).await?;
        self.shared.watchers.poke(&repo.id);
        Ok(())
    }

    /// Runs the pipelines of a branch's head, whatever their `on` says: someone asked for it.
    pub async fn trigger(&self, repo: &str, asked: &ByHand, by: &str) -> Result<Vec<RunId>, Refusal> {
        let repo = self.find_repo(repo).await?;
        let runs = intake::by_hand(&self.shared, &repo, asked, by).await?;
        Ok(runs.into_iter().map(|run| run.id).collect())
    }

    /// Keeps a delivery whose signature was verified, and polls at once.
    pub async fn deliver(&self, repo: &Repo, forge: &str, headers: String, body: Vec<u8>) -> Result<DeliveryId, Refusal> {
        let id = DeliveryId::new(&self.shared.clock);
        let received_at = self.shared.clock.now();
        let delivery = Delivery { id: id.clone(), repo: repo.id.clone(), forge: forge.to_owned(), headers, body, received_at };
        self.shared.store.keep_delivery(&delivery).await?;
        self.shared.watchers.poke(&repo.id);
        Ok(id)
    }

    /// The pipeline files of a branch, or of the default one, as they were last fetched: what can be started, and with which inputs.
    pub async fn outlines(&self, repo: &Repo, branch: Option<&str>) -> Result<Arc<Vec<FileOutline>>, Refusal> {
        outlines::of_branch(&self.shared, repo, branch).await
    }

    /// Whoever waits for a time looks at the clock anew: it was set by hand.
    pub fn clock_was_set(&self) {
        // The loop only ever goes away with the server.
        let _ = self.shared.tell.send(Message::Input(Input::Woken));
        self.shared.timer.notify_one();
    }

    pub(super) async fn ask(&self, input: Input) -> Result<(), Refused> {
        let (answer, answered) = oneshot::channel();
        let gone = Refused::Ignored("the server is ending");
        if self.shared.tell.send(Message::Ask { input, answer }).is_err() {
            return Err(gone);
        }
        answered.await.unwrap_or(Err(gone))
    }

    pub(super) async fn find_run(&self, run: &RunId) -> Result<Run, Refusal> {
        self.shared.store.run(run).await?.ok_or_else(|| Refusal::NotFound(format!("there is no run `{run}`")))
    }

    pub(super) async fn find_repo(&self, name: &str) -> Result<Repo, Refusal> {
        let found = self.shared.store.repo(name).await?;
        found.ok_or_else(|| {
            Refusal::NotFound(format!("there is no repository `{name}`: `gantry repo list` shows which there are"))
        })
    }
}

/// Names stand in URLs and on the command line.
fn check_name(name: &str) -> Result<(), Refusal> {
    let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let fits = !name.is_empty() && name.len() <= limits::NAME_CHARS && name.chars().all(ok) && !name.starts_with(['-', '.']);
    if fits {
        return Ok(());
    }
    let why = "use 1 to 100 letters, digits, `-`, `_` and `.`, beginning with a letter, digit or `_`";
    Err(Refusal::Invalid(format!("`{}` cannot be a repository's name: {why}", name.chars().take(100).collect::<String>())))
}
