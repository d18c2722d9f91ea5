//! A job's sandbox: a container that waits for ever and holds the network namespace that the job's steps join. Joining costs a third of making a
//! namespace for each step, and lets the steps of a job meet on `localhost`.
//!
//! A job of one step has nobody to share with: where no sandbox waits in the pool, its step joins the network itself, and one container is made instead
//! of two.
//!
//! **Invariants:** it is found by its name alone, so that making it twice makes one. What is remembered of who joins what only saves time: of a job that
//! nothing is remembered of, since the server was started anew, a sandbox is looked for and, if need be, made.

use std::path::Path;

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{CreateContainerOptionsBuilder, StartContainerOptions};

use super::engine::Engine;
use super::network::{self, SharedNetwork};
use super::trouble::Trouble;
use super::{Inner, container, image, listeners, names, pause, pool, release, seen};
use crate::base::{InstanceId, JobKey};
use crate::executor::StepSpec;

/// Made on the spot out of [`pause`] and [`listeners`]; a new program gets a new tag.
const IMAGE: &str = "gantry-sandbox:2";
const PROGRAM: &str = "pause";
/// Of every container that holds a namespace.
pub(super) const HOSTNAME: &str = "gantry";

/// How the steps of a job come by their network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Joins {
    /// The sandbox of this name.
    Sandbox(String),
    /// The network of this id, which all sandboxes share: the job's only step needs nobody who holds its namespace.
    Shared(String),
}

/// What a sandbox is made for.
pub(super) struct Job<'a> {
    pub instance: &'a InstanceId,
    pub key: &'a JobKey,
    pub title: &'a str,
    pub root: &'a Path,
    /// Names beside `localhost`, as `name:address`: those of the job's services.
    pub hosts: Vec<String>,
    /// It can do without.
    pub is_single: bool,
}

/// Makes sure that the job's sandbox runs, or that its only step can do without one.
pub(super) async fn ensure(inner: &Inner, job: &Job<'_>) -> Result<(), Trouble> {
    let (engine, shared) = (&inner.engine, &inner.network);
    let name = names::sandbox_name(job.instance, job.key);
    // The names of services stand in what was made for them alone.
    let has_spare = job.hosts.is_empty() && pool::take(inner, job.key).await?;
    if !has_spare {
        if job.is_single
            && let Some(network) = shared.trusted(engine).await?
        {
            inner.remember_joins(job.key, Joins::Shared(network));
            return Ok(());
        }
        create_or_find(engine, shared, job, &name).await?;
    }
    inner.remember_joins(job.key, Joins::Sandbox(name.clone()));
    // One that waited in the pool runs already.
    let _permit = if has_spare { None } else { Some(inner.starts.permit(engine).await?) };
    match start(engine, &name).await {
        // Its network is gone: it was removed behind our back. Make both anew.
        Err(trouble) if trouble.is(404) => {
            shared.forget();
            release::remove_container(engine, &name).await?;
            create_or_find(engine, shared, job, &name).await?;
            start(engine, &name).await
        }
        done => done,
    }
}

/// What the container of a step joins. A sandbox that is not there is made when the step cannot start without it.
pub(super) async fn joined_by(inner: &Inner, step: &StepSpec) -> Result<Joins, Trouble> {
    let job = step.key.job_key();
    if matches!(inner.joins(&job), Some(Joins::Shared(_)))
        && let Some(network) = inner.network.trusted(&inner.engine).await?
    {
        // By now it may be another one.
        return Ok(Joins::Shared(network));
    }
    let sandbox = Joins::Sandbox(names::sandbox_name(&inner.instance, &job));
    inner.remember_joins(&job, sandbox.clone());
    Ok(sandbox)
}

/// Whether a step of the job that cannot start may be missing its sandbox.
pub(super) async fn is_lost(inner: &Inner, job: &JobKey) -> Result<bool, Trouble> {
    Ok(!matches!(inner.joins(job), Some(Joins::Shared(_))) && !runs(inner, job).await?)
}

/// Whether the job's sandbox runs.
async fn runs(inner: &Inner, job: &JobKey) -> Result<bool, Trouble> {
    let found = seen::look(&inner.engine, &names::sandbox_name(&inner.instance, job)).await?;
    Ok(found.is_some_and(|sandbox| sandbox.phase == seen::Phase::Running))
}

pub(super) async fn start(engine: &Engine, name: &str) -> Result<(), Trouble> {
    engine.ask(|client| async move { client.start_container(name, None::<StartContainerOptions>).await }).await
}

/// Makes it, unless there is one already, of this job's earlier start.
async fn create_or_find(engine: &Engine, shared: &SharedNetwork, job: &Job<'_>, name: &str) -> Result<(), Trouble> {
    for _ in 0..seen::MAKING {
        match create(engine, shared, job, name).await {
            Err(trouble) if trouble.is(409) => {}
            done => return done,
        }
        if seen::look(engine, name).await?.is_some() {
            return Ok(());
        }
        tokio::time::sleep(seen::MAKING_PAUSE).await;
    }
    create(engine, shared, job, name).await
}

async fn create(engine: &Engine, shared: &SharedNetwork, job: &Job<'_>, name: &str) -> Result<(), Trouble> {
    let network = match shared.trusted(engine).await? {
        Some(shared) => shared,
        None => own_network(engine, job, name).await?,
    };
    let body = ContainerCreateBody {
        hostname: Some(HOSTNAME.to_owned()),
        labels: Some(names::sandbox_labels(job.instance, job.key, job.title, job.root)),
        host_config: Some(HostConfig {
            network_mode: Some(network),
            extra_hosts: Some(job.hosts.clone()),
            readonly_rootfs: Some(true),
            ..container::hardened(&[])
        }),
        ..idle()
    };
    create_named(engine, name, &body).await
}

/// A container of our own image, which does nothing but wait.
pub(super) fn idle() -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(IMAGE.to_owned()),
        entrypoint: Some(vec![format!("/{PROGRAM}")]),
        stop_signal: Some(container::ENGINE_STOP_SIGNAL.to_owned()),
        ..ContainerCreateBody::default()
    }
}

/// Makes a container of our own image, and the image when it is missing.
pub(super) async fn create_named(engine: &Engine, name: &str, body: &ContainerCreateBody) -> Result<(), Trouble> {
    match create_once(engine, name, body).await {
        Err(trouble) if trouble.is(404) => {
            // On a new engine several jobs come here at once: another one may have made it since.
            if !image::has(engine, IMAGE).await? {
                make_image(engine).await?;
            }
            create_once(engine, name, body).await
        }
        done => done,
    }
}

async fn create_once(engine: &Engine, name: &str, body: &ContainerCreateBody) -> Result<(), Trouble> {
    let (options, body) = (CreateContainerOptionsBuilder::new().name(name).build(), body.clone());
    engine.ask(|client| async move { client.create_container(Some(options), body).await }).await?;
    Ok(())
}

/// The network of this job alone, where the shared one cannot be trusted. The engine would take a second one of the same name, so look first.
async fn own_network(engine: &Engine, job: &Job<'_>, name: &str) -> Result<String, Trouble> {
    let number = job.key.job.to_string();
    let labels = [
        (names::INSTANCE, Some(job.instance.as_str())),
        (names::RUN, Some(job.key.run.as_str())),
        (names::JOB, Some(number.as_str())),
    ];
    if let Some(id) = network::list(engine, &labels).await?.into_iter().find_map(|network| network.id) {
        return Ok(id);
    }
    let labels = names::sandbox_labels(job.instance, job.key, job.title, job.root);
    network::make(engine, name, labels, None).await
}

async fn make_image(engine: &Engine) -> Result<(), Trouble> {
    let machine = engine.link().await?.architecture;
    let unknown =
        || Trouble::Refused { status: 501, message: format!("Gantry knows no sandbox for its machine `{machine}` yet") };
    let programs = [
        (PROGRAM, pause::executable(&machine).ok_or_else(unknown)?),
        (listeners::PROGRAM, listeners::executable(&machine).ok_or_else(unknown)?),
    ];
    let broken = |error: std::io::Error| Trouble::Refused {
        status: 501,
        message: format!("the sandbox's image cannot be packed: {error}"),
    };
    let mut archive = tar::Builder::new(Vec::new());
    for (name, program) in programs {
        let mut header = tar::Header::new_gnu();
        header.set_size(program.len() as u64);
        header.set_mode(0o755);
        archive.append_data(&mut header, name, program.as_slice()).map_err(broken)?;
    }
    image::import(engine, IMAGE, archive.into_inner().map_err(broken)?).await
}
