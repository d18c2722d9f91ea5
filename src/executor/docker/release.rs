//! Removing: containers, networks, volumes and directories. **Invariants:** only what bears our instance's label; nothing that is not there is an error.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use bollard::models::{ContainerCreateBody, ContainerSummary, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptions, ListContainersOptionsBuilder, ListImagesOptions, RemoveContainerOptionsBuilder,
    StartContainerOptions, WaitContainerOptions,
};
use futures_util::StreamExt;
use futures_util::future::join_all;

use super::engine::Engine;
use super::trouble::Trouble;
use super::{Inner, container, names, network, overlay};
use crate::base::{InstanceId, JobKey};
use crate::executor::Failure;

/// Kills and removes a container, with its anonymous volumes; none of that name is fine, as is one that is being removed.
pub(super) async fn remove_container(engine: &Engine, name: &str) -> Result<(), Trouble> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    match engine.ask(|client| async move { client.remove_container(name, Some(options)).await }).await {
        Err(trouble) if !trouble.is(404) && !trouble.is(409) => Err(trouble),
        _ => Ok(()),
    }
}

/// Containers that bear these labels, in any state.
pub(super) async fn list(engine: &Engine, labels: &[(&str, Option<&str>)]) -> Result<Vec<ContainerSummary>, Trouble> {
    let options = ListContainersOptionsBuilder::new().all(true).filters(&names::label_filter(labels)).build();
    engine.ask(|client| async move { client.list_containers(Some(options)).await }).await
}

/// What was removed of a job, since labels tell more.
pub(super) struct Removed {
    pub containers: Vec<ContainerSummary>,
    /// The job's directory, by the labels of what was no container.
    pub roots: BTreeSet<PathBuf>,
}

/// Removes all containers, networks and volumes of a job, in the order in which they hold each other.
pub(super) async fn remove_job(engine: &Engine, instance: &InstanceId, job: &JobKey) -> Result<Removed, Trouble> {
    let number = job.job.to_string();
    let labels =
        [(names::INSTANCE, Some(instance.as_str())), (names::RUN, Some(job.run.as_str())), (names::JOB, Some(number.as_str()))];
    let containers = list(engine, &labels).await?;
    let is_sandbox =
        |container: &&ContainerSummary| container.labels.as_ref().is_some_and(|labels| labels.contains_key(names::SANDBOX));
    let (sandboxes, steps): (Vec<_>, Vec<_>) = containers.iter().partition(is_sandbox);
    for group in [steps, sandboxes] {
        let ids = group.iter().filter_map(|container| container.id.as_deref());
        for removed in join_all(ids.map(|id| remove_container(engine, id))).await {
            removed?;
        }
    }
    // One that came from the pool has the job's name and not its labels.
    remove_container(engine, &names::sandbox_name(instance, job)).await?;
    for network in network::list(engine, &labels).await? {
        if let Some(id) = network.id {
            network::remove(engine, &id).await?;
        }
    }
    let roots = overlay::remove_all(engine, &labels).await?;
    Ok(Removed { containers, roots })
}

/// Jobs of this instance of which there is something: a container, a network, a work tree.
pub(super) async fn jobs(engine: &Engine, instance: &InstanceId) -> Result<Vec<JobKey>, Trouble> {
    let ours = [(names::INSTANCE, Some(instance.as_str()))];
    let containers = list(engine, &ours).await?;
    // A sandbox of the pool says by its name alone whose it is.
    let named = containers.iter().filter_map(|found| names::job_of_sandbox(instance, &names::name_of(found)?));
    let named: Vec<JobKey> = named.collect();
    let containers = containers.into_iter().filter_map(|found| found.labels);
    let networks = network::list(engine, &ours).await?.into_iter().filter_map(|found| found.labels);
    let volumes = overlay::list(engine, &ours).await?.into_iter().map(|(_, labels)| labels);
    let labels = containers.chain(networks).chain(volumes);
    let jobs: BTreeSet<JobKey> = labels.filter_map(|labels| names::job_of(&labels)).chain(named).collect();
    Ok(jobs.into_iter().collect())
}

impl Inner {
    /// Removes all of a job but for its work tree. What steps wrote down of themselves goes too: their output is in it as it came, unmasked.
    pub(super) async fn keep(&self, job: &JobKey, root: &Path) -> Result<(), Failure> {
        let images = self.forget(job).images;
        self.fresh.forget(job).await;
        self.parked.forget(|key| key.job_key() == *job);
        let removed = remove_job(&self.engine, &self.instance, job).await;
        removed.map_err(|trouble| trouble.into_failure("could not remove what the job left beside its work tree"))?;
        self.remove_dir(container::private_dirs(root), &images).await
    }

    /// Removes all of a job, its directory included.
    pub(super) async fn release(&self, job: &JobKey) -> Result<(), Failure> {
        let known = self.forget(job);
        self.parked.forget(|key| key.job_key() == *job);
        let released = async {
            let removed = remove_job(&self.engine, &self.instance, job).await;
            let removed = removed.map_err(|trouble| trouble.into_failure("could not remove what the job left"))?;
            let mut images = known.images.clone();
            let mut roots = BTreeSet::new();
            if !known.root.as_os_str().is_empty() {
                roots.insert(known.root.clone());
            }
            roots.extend(removed.roots);
            for container in removed.containers {
                let labels = container.labels.unwrap_or_default();
                roots.extend(names::root_of(&labels).map(Path::to_owned));
                images.extend(container.image_id.filter(|_| names::key_of(&labels).is_some()));
            }
            for root in roots {
                self.remove_dir(root, &images).await?;
            }
            Ok(())
        };
        let released = released.await;
        if released.is_err() {
            let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            jobs.entry(job.clone()).or_insert(known);
        }
        released
    }

    /// Removes a job's directory, whoever its files belong to.
    pub(super) async fn remove_dir(&self, dir: PathBuf, images: &BTreeSet<String>) -> Result<(), Failure> {
        let cannot = |error: &dyn std::fmt::Display| {
            Failure::Infrastructure(format!("the job's directory {} cannot be removed: {error}", dir.display()))
        };
        let remove = |dir: PathBuf| async move {
            let removed = self.tasks.spawn_blocking(move || remove_tree(&dir)).await;
            removed.unwrap_or_else(|panic| Err(io::Error::other(panic)))
        };
        match remove(dir.clone()).await {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let images: Vec<_> = images.iter().cloned().collect();
                let emptied = empty_by_container(&self.engine, &dir, &images).await;
                emptied.map_err(|trouble| trouble.into_failure("could not empty the job's directory"))?;
                let why = |_| {
                    cannot(
                        &"steps wrote in it as root, this server is not root, and no image here has `rm` to do it in a container",
                    )
                };
                remove(dir.clone()).await.map_err(why)
            }
            done => done.map_err(|error| cannot(&error)),
        }
    }
}

/// Removes a directory tree; none is fine.
pub(super) fn remove_tree(dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Empties a directory that this server may not empty itself, since steps wrote in it as root: by a container, which may. `images` are tried in turn,
/// and then others that the engine has; what is needed of one is `rm`. The image may be anybody's, so it sees that directory and nothing else.
pub(super) async fn empty_by_container(engine: &Engine, dir: &Path, images: &[String]) -> Result<(), Trouble> {
    let link = engine.link().await?;
    let mut others = engine.ask(|client| async move { client.list_images(None::<ListImagesOptions>).await }).await?;
    others.sort_by_key(|image| image.size);
    let others = others.into_iter().map(|image| image.id);
    for image in images.iter().cloned().chain(others).take(8) {
        let body = ContainerCreateBody {
            image: Some(image),
            entrypoint: Some(vec!["rm".to_owned()]),
            cmd: Some(vec!["-rf".to_owned(), "/gantry-release".to_owned()]),
            user: Some("0:0".to_owned()),
            host_config: Some(HostConfig {
                network_mode: Some("none".to_owned()),
                readonly_rootfs: Some(true),
                mounts: Some(vec![container::bind(dir, "/gantry-release", false)]),
                ..container::hardened(&["DAC_OVERRIDE", "FOWNER"])
            }),
            ..ContainerCreateBody::default()
        };
        let made = engine.ask(|client| async move { client.create_container(None::<CreateContainerOptions>, body).await }).await;
        let Ok(made) = made else { continue };
        let id = &made.id;
        let started = engine.ask(|client| async move { client.start_container(id, None::<StartContainerOptions>).await }).await;
        if started.is_ok() {
            // Its code says nothing: `rm` cannot remove the mount itself. Whether the directory is empty is seen from outside.
            let _ = link.client.wait_container(id, None::<WaitContainerOptions>).next().await;
        }
        remove_container(engine, id).await?;
        if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none()) {
            return Ok(());
        }
    }
    Ok(())
}
