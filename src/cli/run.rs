//! `gantry run`: the pipeline of the current work tree, here and now. The same reader, plan, board, store (in memory) and executor as the server's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};

use crate::base::{Clock, JobIx, RepoId, RunId, Tasks, limits};
use crate::git::{Credentials, WorkTree};
use crate::pipeline::{self, Event, Plan, Problem, ReadOptions, Reading, Trigger};
use crate::run::RunView;
use crate::server::{Config, KeepConfig, Server, Source};
use crate::store::{Database, NewRun, Repo, RepoStatus, Store, StoreConfig};

use super::approvals::answered;
use super::caches::Caches;
use super::engine::{self, Kind};
use super::follow::Follower;
use super::progress::Progress;
use super::secrets::{self, SecretArgs};
use super::serve::slots;
use super::signals::Signals;
use super::{Ended, INVALID, OK, RUN_FAILED, check, out};

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
    /// Says yes to every job that asks for approval; without it those are skipped
    #[arg(long)]
    approve: bool,
    /// Image of steps that name none
    #[arg(long)]
    image: Option<String>,
    #[command(flatten)]
    secrets: SecretArgs,
    /// Writes the artifacts here, those of each job into a directory of its own; the directory must be empty or not there yet
    #[arg(long, value_name = "DIR")]
    artifacts: Option<PathBuf>,
    /// Where caches are kept from one run to the next [default: gantry in $XDG_CACHE_HOME, else ~/.cache/gantry]
    #[arg(long, value_name = "DIR", env = "GANTRY_CACHE")]
    cache_dir: Option<PathBuf>,
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
    let plans = match plans(&args, &trigger)? {
        Ok(plans) => plans,
        Err(problems) => {
            if json {
                out::json(&problems)?;
            }
            return Ok(INVALID);
        }
    };
    if plans.is_empty() {
        if json {
            out::json(&Vec::<RunView>::new())?;
        }
        return Ok(OK);
    }
    let given = args.secrets.read()?;
    if let Some(dir) = &args.artifacts {
        make_empty(dir).map_err(Ended::usage)?;
    }
    let mut signals = Signals::new()?;
    let here = tempfile::Builder::new().prefix("gantry-run-").tempdir().context("no temporary directory can be made")?;
    let data = here.path().canonicalize()?;
    let store = Store::open(&StoreConfig { database: Database::Memory, logs: data.join("logs") }).await?;
    let tasks = Tasks::default();
    let executor = engine::make(args.executor, None, store.instance().await?, &data.join("host"), &tasks)?;
    executor.health().await.with_context(|| format!("steps cannot run with `--executor {}`", executor.name()))?;
    let mut repo = repo(&trigger);
    let caches = Caches::for_plans(&plans, args.cache_dir.as_deref(), tree.root(), &tasks).await;
    let mut keep = KeepConfig::default();
    if let Some(caches) = &caches {
        repo.id = caches.repo().clone();
        keep.caches = Some(caches.blobs().clone());
    }
    store.add_repo(&repo).await?;
    let config = Config {
        data: data.clone(),
        slots: slots(),
        grace_ms: limits::GRACE_MS,
        url: String::new(),
        credentials: Credentials::default(),
        watch: false,
        keep,
    };
    let server = Server::start(config, store, executor, Source::WorkTree(Arc::new(tree)), Clock::System).await?;
    secrets::give(server.handle(), given).await?;
    let runs = server.handle().make_runs(&repo.id, plans.into_iter().map(|plan| new_run(&trigger, plan)).collect()).await?;
    let ids = runs.into_iter().map(|run| run.id).collect();
    let progress = Progress::new(json);
    let ends = Follower::new(server.handle().clone(), ids, &progress).follow(&mut signals).await;
    progress.close();
    let written = match &args.artifacts {
        Some(dir) => write_artifacts(&server, &ends, dir).await,
        None => Ok(()),
    };
    server.stop().await;
    if let Some(caches) = caches {
        caches.close().await;
    }
    tasks.end().await;
    let ends = ends?;
    written?;
    if json {
        out::json(&ends)?;
    }
    let good =
        ends.iter().all(|run| run.outcome.is_some_and(|outcome| outcome.is_good() || outcome == crate::run::Outcome::Skipped));
    Ok(if good { OK } else { RUN_FAILED })
}

/// Makes the directory; what is in it already could be mistaken for artifacts, or lead them elsewhere.
fn make_empty(dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    let mut entries = std::fs::read_dir(dir).with_context(|| format!("{} cannot be read", dir.display()))?;
    if entries.next().is_some() {
        bail!("{} is not empty: artifacts are written into a directory of their own", dir.display());
    }
    Ok(())
}

/// Those of each run into a directory of its own when there are several.
async fn write_artifacts(server: &Server, ends: &anyhow::Result<Vec<RunView>>, dir: &Path) -> anyhow::Result<()> {
    let Ok(ends) = ends else { return Ok(()) };
    let mut written = 0;
    for run in ends {
        let into = if ends.len() == 1 { dir.to_owned() } else { dir.join(run.number.to_string()) };
        written += server.handle().write_artifacts(&run.id.parse()?, &into).await?;
    }
    eprintln!("artifacts: {written}, in {}", dir.display());
    Ok(())
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
        inputs: Default::default(),
        schedule: None,
        pull_request: None,
    }
}

/// The plans of the files that want the trigger; the problems when one is not valid, which have been told then.
fn plans(args: &Args, trigger: &Trigger) -> Result<Result<Vec<Plan>, Vec<Problem>>, Ended> {
    use std::io::IsTerminal;
    let named: Vec<PathBuf> = args.file.iter().cloned().collect();
    let options = ReadOptions {
        image_needed: args.executor == Kind::Docker,
        default_image: args.image.as_deref(),
        ..ReadOptions::default()
    };
    let (mut plans, mut invalid) = (Vec::new(), Vec::new());
    for (path, text) in check::read_files(&named)? {
        match pipeline::read(&path, &text, trigger, &options) {
            Reading::Planned { plan, warnings } => {
                eprint!("{}", pipeline::render(&warnings, std::io::stderr().is_terminal()));
                plans.push(answered(plan, args.approve));
            }
            Reading::NotWanted(why) => eprintln!("{path} does not run: {why} (`--event manual` runs it all the same)"),
            Reading::Refused(why) => eprintln!("{path} does not run: {why}"),
            Reading::Invalid(problems) => {
                eprint!("{}", pipeline::render(&problems, std::io::stderr().is_terminal()));
                eprintln!("{path}: {}", pipeline::summary(&problems));
                invalid.extend(problems);
            }
        }
    }
    if !invalid.is_empty() {
        return Ok(Err(invalid));
    }
    if let Some(job) = &args.job {
        plans = only_job(plans, job)?;
    }
    Ok(Ok(plans))
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
