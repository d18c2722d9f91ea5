//! `gantry run`: the pipeline of the current work tree, here and now. The same reader, plan, board, store (in memory) and executor as the server's.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};

use crate::base::{Clock, JobIx, RepoId, RunId, Tasks, limits};
use crate::git::{Credentials, WorkTree};
use crate::pipeline::{self, Plan, Problem, Reading, Trigger};
use crate::run::RunView;
use crate::server::{Config, Planned, Server, Source};
use crate::store::{Database, NewRun, Repo, RepoStatus, Store, StoreConfig};

use super::asked::{Answered, Asked, CHANGED, How};
use super::engine::{self, Kind};
use super::follow::Follower;
use super::progress::Progress;
use super::serve::slots;
use super::signals::Signals;
use super::{Ended, INVALID, OK, RUN_FAILED, out};

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
    /// Image of steps that name none
    #[arg(long)]
    image: Option<String>,
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
    let plans = match plans(planned)? {
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
    let runs = server.handle().make_runs(&repo.id, plans.into_iter().map(new_run).collect()).await?;
    let ids = runs.into_iter().map(|run| run.id).collect();
    let progress = Progress::new(json);
    let ends = Follower::new(server.handle().clone(), ids, &progress).follow(&mut signals).await;
    progress.close();
    server.stop().await;
    tasks.end().await;
    let ends = ends?;
    if json {
        out::json(&ends)?;
    }
    let good =
        ends.iter().all(|run| run.outcome.is_some_and(|outcome| outcome.is_good() || outcome == crate::run::Outcome::Skipped));
    Ok(if good { OK } else { RUN_FAILED })
}

/// A pipeline that runs, with its own trigger.
type Wanted = (Trigger, Plan);

/// The plans of the files that want the trigger; the problems when one is not valid, which have been told then. As on the server, inputs that one file
/// does not take are a refusal of all.
fn plans(planned: Vec<Planned>) -> Result<Result<Vec<Wanted>, Vec<Problem>>, Ended> {
    let (mut plans, mut invalid, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for Planned { file, trigger, reading } in planned {
        match reading {
            Reading::Planned { plan, warnings } => {
                eprint!("{}", pipeline::render(&warnings, std::io::stderr().is_terminal()));
                plans.push((trigger, plan));
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
    }
}
