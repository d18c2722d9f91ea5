//! `gantry run`: the pipeline of the current work tree, here and now. The same reader, plan, board, store (in memory) and executor as the server's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::base::{AttemptKey, Clock, JobIx, RepoId, RunId, StepIx, Tasks, limits};
use crate::git::{Credentials, WorkTree};
use crate::pipeline::{self, Event, Plan, ReadOptions, Reading, Trigger};
use crate::run::{RunView, view};
use crate::server::{Config, Handle, Server, Source};
use crate::store::{Database, NewRun, Repo, RepoStatus, Store, StoreConfig};

use super::engine::{self, Kind};
use super::progress::Progress;
use super::serve::{Signals, slots};
use super::tail::{Heard, tail};
use super::{Ended, INVALID, OK, RUN_FAILED, check};

#[derive(clap::Args)]
pub(super) struct Args {
    /// Pipeline file [default: those of the work tree]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The event that the pipeline sees
    #[arg(long, value_enum, default_value = "push")]
    event: EventArg,
    /// The branch that it sees [default: the current one]
    #[arg(long)]
    branch: Option<String>,
    /// Only this job, and those that it needs
    #[arg(long)]
    job: Option<String>,
    /// What runs the steps
    #[arg(long, env = "GANTRY_EXECUTOR", default_value = "docker")]
    executor: Kind,
    /// Image of steps that name none
    #[arg(long)]
    image: Option<String>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum EventArg {
    Push,
    Manual,
}

/// Runs the pipelines and shows them; 1 when one did not pass.
pub(super) async fn run(args: Args, json: bool) -> Result<u8, Ended> {
    let tree = WorkTree::discover(Path::new(".")).map_err(Ended::usage)?;
    let trigger = trigger(&tree, &args);
    let Some(plans) = plans(&args, &trigger)? else { return Ok(INVALID) };
    if plans.is_empty() {
        return Ok(OK);
    }
    let mut signals = Signals::new()?;
    let here = tempfile::Builder::new().prefix("gantry-run-").tempdir().context("no temporary directory can be made")?;
    let data = here.path().canonicalize()?;
    let store = Store::open(&StoreConfig { database: Database::Memory, logs: data.join("logs") }).await?;
    let tasks = Tasks::default();
    let executor = engine::make(args.executor, None, store.instance().await?, &data.join("host"), &tasks)?;
    executor.health().await.with_context(|| format!("steps cannot run with `--executor {}`", executor.name()))?;
    let repo = repo(&trigger);
    store.add_repo(&repo).await?;
    let config = Config {
        data: data.clone(),
        slots: slots(),
        grace_ms: limits::GRACE_MS,
        url: String::new(),
        credentials: Credentials::default(),
        watch: false,
    };
    let server = Server::start(config, store, executor, Source::WorkTree(Arc::new(tree)), Clock::System).await?;
    let runs = server.handle().make_runs(&repo.id, plans.into_iter().map(|plan| new_run(&trigger, plan)).collect()).await?;
    let ids = runs.into_iter().map(|run| run.id).collect();
    let progress = Progress::new(json);
    let ends = Follower::new(server.handle().clone(), ids, &progress).follow(&mut signals).await;
    progress.close();
    server.stop().await;
    tasks.end().await;
    let ends = ends?;
    if json {
        println!("{}", serde_json::to_string_pretty(&ends)?);
    }
    let good =
        ends.iter().all(|run| run.outcome.is_some_and(|outcome| outcome.is_good() || outcome == crate::run::Outcome::Skipped));
    Ok(if good { OK } else { RUN_FAILED })
}

/// What the pipeline is told about the work tree.
fn trigger(tree: &WorkTree, args: &Args) -> Trigger {
    let head = tree.head();
    let event = match args.event {
        EventArg::Push => Event::Push,
        EventArg::Manual => Event::Manual,
    };
    Trigger {
        event,
        repo: tree.root().file_name().map_or_else(|| "repository".to_owned(), |name| name.to_string_lossy().into_owned()),
        url: tree.origin().unwrap_or_default(),
        branch: args.branch.clone().or_else(|| tree.branch()).unwrap_or_default(),
        tag: None,
        commit: head.as_ref().map_or_else(|| "0".repeat(40), |head| head.id.clone()),
        // What would skip a push must not skip what someone asks for here.
        message: head.as_ref().map(|head| head.message.clone()).unwrap_or_default(),
        author: head.map(|head| head.author).unwrap_or_default(),
        default_branch: tree.default_branch().unwrap_or_default(),
        because: "`gantry run` was called".to_owned(),
    }
}

/// The plans of the files that want the trigger; `None` when one is not valid, which has been told then.
fn plans(args: &Args, trigger: &Trigger) -> Result<Option<Vec<Plan>>, Ended> {
    use std::io::IsTerminal;
    let named: Vec<PathBuf> = args.file.iter().cloned().collect();
    let options = ReadOptions { image_needed: args.executor == Kind::Docker, default_image: args.image.clone() };
    let (mut plans, mut valid) = (Vec::new(), true);
    for (path, text) in check::read_files(&named)? {
        match pipeline::read(&path, &text, trigger, &options) {
            Reading::Planned { plan, warnings } => {
                eprint!("{}", pipeline::render(&warnings, std::io::stderr().is_terminal()));
                plans.push(plan);
            }
            Reading::NotWanted(why) => eprintln!("{path} does not run: {why} (`--event manual` runs it all the same)"),
            Reading::Invalid(problems) => {
                eprint!("{}", pipeline::render(&problems, std::io::stderr().is_terminal()));
                eprintln!("{path}: {}", pipeline::summary(&problems));
                valid = false;
            }
        }
    }
    if let Some(job) = &args.job {
        plans = only_job(plans, job)?;
    }
    Ok(valid.then_some(plans))
}

/// Leaves out every job but this one and those it needs, near or far.
fn only_job(plans: Vec<Plan>, name: &str) -> Result<Vec<Plan>, Ended> {
    let names: Vec<String> = plans.iter().flat_map(|plan| plan.jobs.iter().map(|job| format!("`{}`", job.name))).collect();
    let left: Vec<Plan> = plans.into_iter().filter_map(|plan| keep_job(plan, name)).collect();
    if left.is_empty() {
        return Err(Ended::usage(anyhow!("there is no job `{name}`; there are: {}", names.join(", "))));
    }
    Ok(left)
}

fn keep_job(mut plan: Plan, name: &str) -> Option<Plan> {
    let (wanted, _) = plan.job_named(name)?;
    let mut keep = BTreeSet::from([wanted]);
    let mut open = vec![wanted];
    while let Some(job) = open.pop() {
        for need in &plan.jobs[job as usize].needs {
            if keep.insert(*need) {
                open.push(*need);
            }
        }
    }
    let moved: BTreeMap<JobIx, JobIx> = keep.iter().copied().zip(0..).collect();
    let mut position: JobIx = 0;
    plan.jobs.retain(|_| {
        position += 1;
        keep.contains(&(position - 1))
    });
    for job in &mut plan.jobs {
        for need in &mut job.needs {
            *need = moved[need];
        }
    }
    Some(plan)
}

fn repo(trigger: &Trigger) -> Repo {
    let now = Clock::System.now();
    Repo {
        id: RepoId::new(&Clock::System),
        name: trigger.repo.clone(),
        url: trigger.url.clone(),
        poll_ms: limits::POLL_DEFAULT_MS,
        hook_secret: String::new(),
        added_at: now,
        default_branch: Some(trigger.default_branch.clone()),
        status: RepoStatus { ok: true, sentence: "the work tree of `gantry run`".to_owned(), at: now },
    }
}

fn new_run(trigger: &Trigger, plan: Plan) -> NewRun {
    NewRun {
        id: RunId::new(&Clock::System),
        repo_name: trigger.repo.clone(),
        trigger: trigger.clone(),
        plan: Arc::new(plan),
        problems: Vec::new(),
        ended: None,
        rerun_of: None,
    }
}

/// Follows runs to their ends.
struct Follower<'a> {
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
    fn new(handle: Handle, runs: Vec<RunId>, progress: &'a Progress) -> Self {
        let (shown, tails) = (BTreeMap::new(), BTreeMap::new());
        Self { handle, runs, progress, tasks: Tasks::default(), shown, tails, heard: mpsc::channel(1_000) }
    }

    /// Shows everything until all have ended. The first signal cancels, the second at once.
    async fn follow(mut self, signals: &mut Signals) -> anyhow::Result<Vec<RunView>> {
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
                () = signals.next() => {
                    self.progress.talk("cancelling; once more ends it at once");
                    for id in &self.runs {
                        // One that ended meanwhile needs no cancelling.
                        let _ = self.handle.cancel(id, "Ctrl-C").await;
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
