//! `gantry run`: the pipeline of the current work tree, here and now. The same reader, plan, board, store (in memory) and executor as the server's.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};

use crate::base::{Clock, JobIx, RepoId, RunId, Tasks, limits};
use crate::executor::{Ahead, EngineAt, ImageRules};
use crate::git::{Credentials, WorkTree};
use crate::pipeline::{self, Plan, Problem, Reading, Trigger};
use crate::run::RunView;
use crate::schedule::EngineInfo;
use crate::server::{Config, Fleet, KeepConfig, Planned, Server, Source};
use crate::store::{Database, NewRun, Repo, RepoStatus, Store, StoreConfig};

use super::approvals::answered;
use super::asked::{Answered, Asked, CHANGED, How};
use super::caches::Caches;
use super::engine::{self, Kind};
use super::follow::Follower;
use super::progress::Progress;
use super::secrets::{self, SecretArgs};
use super::serve::slots;
use super::signals::Signals;
use super::{Ended, INVALID, OK, RUN_FAILED, out, results};

#[derive(clap::Args)]
#[command(after_help = CHANGED)]
pub(super) struct Args {
    #[command(flatten)]
    asked: Asked,
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

/// Runs the pipelines and shows them; 1 when one did not pass.
pub(super) async fn run(args: Args, json: bool) -> Result<u8, Ended> {
    let tree = WorkTree::discover(Path::new(".")).map_err(Ended::usage)?;
    let how = How {
        image_needed: args.executor == Kind::Docker,
        default_image: args.image.as_deref(),
        by_person: true,
        because: "`gantry run` was called",
    };
    let Answered { trigger, changes: _, planned } = args.asked.answer(&tree, &how)?;
    let plans = match plans(planned, &args)? {
        Ok(plans) => plans,
        Err(problems) => {
            if json {
                out::json(&problems)?;
            }
            return Ok(INVALID);
        }
    };
    let plans = match &args.job {
        Some(job) => only_job(plans, job)?,
        None => plans,
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
    let ahead = Ahead { park: None, sandboxes: 0, home: data.clone() };
    let docker = (EngineAt::default(), ahead, ImageRules::default());
    let executor = engine::make(args.executor, docker, store.instance().await?, &data.join("host"), &tasks)?;
    executor.health().await.with_context(|| format!("steps cannot run with `--executor {}`", executor.name()))?;
    let mut repo = repo(&trigger);
    let caches = Caches::for_plans(plans.iter().map(|(_, plan)| plan), args.cache_dir.as_deref(), tree.root(), &tasks).await;
    let mut keep = KeepConfig::default();
    if let Some(caches) = &caches {
        repo.id = caches.repo().clone();
        keep.caches = Some(caches.blobs().clone());
    }
    store.add_repo(&repo).await?;
    let config = Config {
        data: data.clone(),
        grace_ms: limits::GRACE_MS,
        engine_timeout_ms: limits::ENGINE_SILENCE_MS,
        url: String::new(),
        credentials: Credentials::default(),
        watch: false,
        keep,
        shell_secrets: false,
    };
    // Whatever a job asks for, there is nothing here but this machine.
    let labels: BTreeSet<&String> = plans.iter().flat_map(|(_, plan)| &plan.jobs).flat_map(|job| &job.runs_on).collect();
    let labels = labels.into_iter().cloned().collect();
    let fleet = Fleet::new(vec![(EngineInfo { labels, ..EngineInfo::local(slots(), executor.parks()) }, executor)]);
    let server = Server::start(config, store, fleet, Source::WorkTree(Arc::new(tree)), Clock::System).await?;
    secrets::give(server.handle(), given).await?;
    let runs = server.handle().make_runs(&repo.id, plans.into_iter().map(new_run).collect()).await?;
    let ids = runs.into_iter().map(|run| run.id).collect();
    let progress = Progress::new(json);
    let ends = Follower::new(server.handle().clone(), ids, &progress).follow(&mut signals).await;
    progress.close();
    let (ends, results) = match ends {
        Ok(mut ends) => {
            let results = results::read(server.handle().store(), &mut ends).await;
            (Ok(ends), results)
        }
        Err(error) => (Err(error), Ok(None)),
    };
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
    if let Some(results) = results? {
        results.tell(&progress);
    }
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

/// A pipeline that runs, with its own trigger.
type Wanted = (Trigger, Plan);

/// The plans of the files that want the trigger; the problems when one is not valid, which have been told then. As on the server, inputs that one file
/// does not take are a refusal of all.
fn plans(planned: Vec<Planned>, args: &Args) -> Result<Result<Vec<Wanted>, Vec<Problem>>, Ended> {
    let (mut plans, mut invalid, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for Planned { file, trigger, reading } in planned {
        match reading {
            Reading::Planned { plan, warnings } => {
                eprint!("{}", pipeline::render(&warnings, std::io::stderr().is_terminal()));
                plans.push((trigger, answered(plan, args.approve)));
            }
            Reading::NotWanted(why) => eprintln!("{file} does not run: {why} (`--event manual` runs it all the same)"),
            Reading::Refused(why) => refused.push(format!("{file} cannot run: {why}")),
            Reading::Invalid(problems) => {
                eprint!("{}", pipeline::render(&problems, std::io::stderr().is_terminal()));
                eprintln!("{file}: {}", pipeline::summary(&problems));
                invalid.extend(problems);
            }
        }
    }
    if !invalid.is_empty() {
        return Ok(Err(invalid));
    }
    if !refused.is_empty() {
        return Err(Ended::usage(anyhow!("{}", refused.join("; "))));
    }
    Ok(Ok(plans))
}

/// Leaves out every job but this one and those it needs, near or far.
fn only_job(plans: Vec<Wanted>, name: &str) -> Result<Vec<Wanted>, Ended> {
    let names: Vec<String> = plans.iter().flat_map(|(_, plan)| plan.jobs.iter().map(|job| format!("`{}`", job.name))).collect();
    let left: Vec<Wanted> = plans.into_iter().filter_map(|(trigger, plan)| Some((trigger, keep_job(plan, name)?))).collect();
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

fn new_run((trigger, plan): Wanted) -> NewRun {
    NewRun {
        id: RunId::new(&Clock::System),
        repo_name: trigger.repo.clone(),
        trigger,
        plan: Arc::new(plan),
        problems: Vec::new(),
        ended: None,
        rerun_of: None,
        begun: Vec::new(),
    }
}
