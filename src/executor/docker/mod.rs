//! Steps in Docker containers.
//!
//! | File | What it is |
//! |---|---|
//! | `engine`, `address` | The connection: made when needed, forgotten when it breaks; where to |
//! | `tls`, `ssh` | Engines on other machines |
//! | `trouble` | What the engine refuses, and its absence, told apart |
//! | `names` | Container names and labels |
//! | `container`, `allowance` | What a step's container is made of: the hardening; what it may use |
//! | `overlay` | A job's work tree as a layer over a kept base |
//! | `carried` | Jobs on engines that do not see this machine's directories |
//! | `archive`, `fill` | Archives out of containers and into them; into a job's workspace |
//! | `sandbox`, `network`, `pause`, `elf` | A job's network namespace, held by a container that waits |
//! | `service`, `ready`, `listeners`, `hearing`, `followed` | A job's services: started, waited for, followed |
//! | `image`, `pull`, `rootfs` | Images: pulled, imported, made |
//! | `create`, `start`, `live` | Pull, create, start, open the gate or attach; taking up again; to the end |
//! | `park`, `gate`, `opening`, `files` | Containers that wait for their step, and what is said to them |
//! | `init/`, `program`, `wire` | Their first process: a program of its own, which goes into this binary; what it and we say to each other |
//! | `record`, `segment` | From the record that it writes into the sink, and to the exit |
//! | `output`, `resume` | From the engine's stream and log into the sink, exactly once |
//! | `ending`, `seen` | Stopping, and the exit |
//! | `release` | Removing what is over |

mod address;
mod allowance;
mod archive;
mod carried;
mod container;
mod create;
mod elf;
mod ending;
mod engine;
mod files;
mod fill;
mod followed;
mod gate;
mod hearing;
mod image;
mod listeners;
mod live;
mod moment;
mod names;
mod network;
mod opening;
mod output;
mod overlay;
mod park;
mod pause;
mod program;
mod pull;
mod ready;
mod record;
mod release;
mod resume;
mod rootfs;
mod sandbox;
mod seen;
mod segment;
mod service;
mod ssh;
mod start;
mod tls;
mod trouble;
#[path = "init/wire.rs"]
#[allow(dead_code, reason = "the server and the init program need a half of it each")]
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

pub use self::address::{EngineAt, TlsFiles};
use self::container::Form;
use self::engine::Engine;
use self::followed::Followed;
use self::names::Labels;
use self::network::SharedNetwork;
use self::opening::EntryPoints;
use self::park::{Parked, Starts};
use self::trouble::Trouble;
use super::{ByteStream, Executor, Failure, JobSpec, Live, ServiceSinks, Sink, StepSpec, Survivor};
use crate::base::{AttemptKey, Clock, InstanceId, JobKey, Tasks};

/// The image that [`Docker::demo_image`] makes.
const DEMO_IMAGE: &str = "gantry-demo:1";

/// Runs steps in the containers of one Docker engine. Cheap to clone.
#[derive(Clone)]
pub struct Docker {
    inner: Arc<Inner>,
}

/// What each step may use at most; `None` is no limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Memory, swap included.
    pub memory_bytes: Option<i64>,
    /// Billionths of a processor: 1,500,000,000 is one and a half.
    pub nano_cpus: Option<i64>,
}

struct Inner {
    engine: Engine,
    instance: InstanceId,
    tasks: Tasks,
    clock: Clock,
    limits: Limits,
    network: SharedNetwork,
    followed: Followed,
    starts: Starts,
    parked: Parked,
    entry_points: EntryPoints,
    /// Nobody listened at a gate: the engine shares directories with us but no sockets.
    is_deaf: AtomicBool,
    /// Whether it mounts overlays; asked once.
    layers: tokio::sync::OnceCell<Result<(), String>>,
    /// Of jobs that this process has seen; after a restart the labels know.
    jobs: Mutex<BTreeMap<JobKey, Known>>,
}

#[derive(Default, Clone)]
struct Known {
    root: PathBuf,
    images: BTreeSet<String>,
}

impl Docker {
    /// The engine at `host` (`unix:///path`, `/path`, `tcp://host:port`); `None` is `DOCKER_HOST`, or the usual socket. Does not connect yet: the
    /// engine may be down, which [`Executor::health`] tells.
    #[must_use]
    pub fn connect(host: Option<&str>, instance: InstanceId, tasks: Tasks, clock: Clock) -> Self {
        Self::connect_with(host, instance, tasks, clock, Limits::default())
    }

    /// The same, with limits for each step.
    #[must_use]
    pub fn connect_with(host: Option<&str>, instance: InstanceId, tasks: Tasks, clock: Clock, limits: Limits) -> Self {
        Self::at(EngineAt { host: host.map(str::to_owned), ..EngineAt::default() }, instance, tasks, clock, limits)
    }

    /// The engine at an address of any kind.
    #[must_use]
    pub fn at(at: EngineAt, instance: InstanceId, tasks: Tasks, clock: Clock, limits: Limits) -> Self {
        Self {
            inner: Arc::new(Inner {
                engine: Engine::new(at),
                instance,
                tasks,
                clock,
                limits,
                network: SharedNetwork::default(),
                followed: Followed::default(),
                starts: Starts::default(),
                parked: Parked::default(),
                entry_points: EntryPoints::default(),
                is_deaf: AtomicBool::new(false),
                layers: tokio::sync::OnceCell::new(),
                jobs: Mutex::default(),
            }),
        }
    }

    /// Whether the engine has this image.
    ///
    /// # Errors
    /// The engine does not answer or refuses.
    pub async fn has_image(&self, name: &str) -> Result<bool, Failure> {
        image::has(&self.inner.engine, name).await.map_err(|trouble| trouble.into_failure("could not be asked for the image"))
    }

    /// Makes an image out of the archive (tar) of a root file system.
    ///
    /// # Errors
    /// The engine does not answer or refuses.
    pub async fn import_image(&self, name: &str, tar: Vec<u8>) -> Result<(), Failure> {
        let cannot = |trouble: Trouble| trouble.into_failure("could not make the image");
        image::import(&self.inner.engine, name, tar).await.map_err(cannot)
    }

    /// The name of an image with a shell that needs no registry: made of this machine's static busybox. `None` if there is none.
    ///
    /// # Errors
    /// The engine does not answer or refuses; busybox cannot be read.
    pub async fn demo_image(&self) -> Result<Option<String>, Failure> {
        if self.has_image(DEMO_IMAGE).await? {
            return Ok(Some(DEMO_IMAGE.to_owned()));
        }
        let packed =
            self.inner.tasks.spawn_blocking(rootfs::from_busybox).await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        let Some(tar) =
            packed.map_err(|error| Failure::Infrastructure(format!("/bin/busybox cannot be packed into an image: {error}")))?
        else {
            return Ok(None);
        };
        self.import_image(DEMO_IMAGE, tar).await?;
        Ok(Some(DEMO_IMAGE.to_owned()))
    }
}

impl Inner {
    fn is_ours(&self, labels: &Labels) -> bool {
        labels.get(names::INSTANCE).is_some_and(|instance| instance == self.instance.as_str())
    }

    /// Whether a step's container waits at a gate here.
    async fn has_gates(&self, step: &StepSpec) -> Result<bool, Failure> {
        let link = self.engine.link().await.map_err(|trouble| trouble.into_failure("could not be asked"))?;
        let shares = self.engine.is_local() && !self.is_deaf.load(Ordering::Relaxed);
        Ok(shares && !carried::is_carried(&step.dirs.root) && program::fits(&link) && program::may_run_in(&step.dirs.root))
    }

    /// How a step's container is made here, with the directory of its record.
    async fn form(&self, step: &StepSpec, is_parked: bool) -> Result<Form, Failure> {
        match self.has_gates(step).await? {
            true => Ok(Form::Gate { record: files::record(self, step).await?, is_parked }),
            false if carried::is_carried(&step.dirs.root) => Ok(Form::Carried),
            false => Ok(Form::Log),
        }
    }

    fn remember(&self, job: &JobKey, root: &Path, image: Option<&str>) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let known = jobs.entry(job.clone()).or_default();
        root.clone_into(&mut known.root);
        known.images.extend(image.map(str::to_owned));
    }

    fn knows(&self, job: &JobKey) -> bool {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).contains_key(job)
    }

    /// What is known of a job that is to be released; put back if the release fails.
    fn forget(&self, job: &JobKey) -> Known {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).remove(job).unwrap_or_default()
    }

    async fn remove_dir(&self, dir: PathBuf, images: &BTreeSet<String>) -> Result<(), Failure> {
        let cannot = |error: &dyn std::fmt::Display| {
            Failure::Infrastructure(format!("the job's directory {} cannot be removed: {error}", dir.display()))
        };
        let remove = |dir: PathBuf| async move {
            let removed = self.tasks.spawn_blocking(move || release::remove_tree(&dir)).await;
            removed.unwrap_or_else(|panic| Err(io::Error::other(panic)))
        };
        match remove(dir.clone()).await {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let images: Vec<_> = images.iter().cloned().collect();
                let emptied = release::empty_by_container(&self.engine, &dir, &images).await;
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

#[async_trait]
impl Executor for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn needs_image(&self) -> bool {
        true
    }

    async fn health(&self) -> Result<(), Failure> {
        self.inner.engine.ping().await.map_err(|trouble| trouble.into_failure("is not well"))
    }

    async fn carries(&self, job: &JobSpec) -> Result<bool, Failure> {
        carried::decide(&self.inner, job).await
    }

    async fn prepare(&self, job: &JobSpec, services: &dyn ServiceSinks) -> Result<(), Failure> {
        let inner = &self.inner;
        inner.remember(&job.key, &job.dirs.root, None);
        let hosts = service::hosts(job.services.iter().map(|service| service.name.as_str()));
        let wanted = sandbox::Job { instance: &inner.instance, key: &job.key, title: &job.title, root: &job.dirs.root, hosts };
        let (made, removed) = tokio::join!(
            sandbox::ensure(&inner.engine, &inner.network, &wanted),
            overlay::remove_earlier(&inner.engine, &inner.instance, &job.key)
        );
        made.map_err(|trouble| trouble.into_failure("could not make the job's network"))?;
        removed.map_err(|trouble| trouble.into_failure("could not remove what an earlier preparation left"))?;
        fill::fill(inner, job).await?;
        service::start_all(inner, job, services).await
    }

    async fn follow_services(&self, job: &JobKey, services: &dyn ServiceSinks) -> Result<(), Failure> {
        service::follow_all(&self.inner, job, services).await
    }

    fn parks(&self) -> u32 {
        park::PARKS
    }

    async fn park(&self, step: &StepSpec) -> Result<bool, Failure> {
        park::park(&self.inner, step).await
    }

    async fn start(&self, step: &StepSpec, sink: Box<dyn Sink>, stop: CancellationToken) -> Result<Live, Failure> {
        start::start(&self.inner, step, sink, stop).await
    }

    async fn attach(&self, key: &AttemptKey, sink: Box<dyn Sink>, stop: CancellationToken) -> Result<Live, Failure> {
        let name = names::container_name(&self.inner.instance, key);
        start::attach(&self.inner, name, sink, stop).await
    }

    async fn collect(&self, key: &AttemptKey, path: &str) -> Result<Option<ByteStream>, Failure> {
        let name = names::container_name(&self.inner.instance, key);
        archive::collect(&self.inner.engine, &name, path).await
    }

    async fn remove(&self, key: &AttemptKey) -> Result<(), Failure> {
        let name = names::container_name(&self.inner.instance, key);
        self.inner.parked.take(key);
        let removed = release::remove_container(&self.inner.engine, &name).await;
        removed.map_err(|trouble| trouble.into_failure("could not remove the step's container"))
    }

    async fn survivors(&self) -> Result<Vec<Survivor>, Failure> {
        let labels = [(names::INSTANCE, Some(self.inner.instance.as_str())), (names::KEY, None)];
        let listed = release::list(&self.inner.engine, &labels).await;
        let listed = listed.map_err(|trouble| trouble.into_failure("could not list its containers"))?;
        let found = move || {
            let survivors = listed.into_iter().filter_map(|found| park::survivor(&found.labels.unwrap_or_default(), found.state));
            Ok(survivors.collect())
        };
        let found = self.inner.tasks.spawn_blocking(found).await;
        found.unwrap_or_else(|panic| Err(Failure::Infrastructure(format!("its containers could not be looked through: {panic}"))))
    }

    async fn layers(&self, dir: &Path) -> Result<Result<(), String>, Failure> {
        let tried = self.inner.layers.get_or_try_init(|| async {
            let tried = overlay::probe(&self.inner, dir).await?;
            match &tried {
                Ok(()) => tracing::info!("work trees are layers over kept ones, which the engine mounts"),
                Err(why) => {
                    tracing::info!(%why, "work trees are checked out for each job: the engine mounts no overlay for them")
                }
            }
            Ok(tried)
        });
        tried.await.cloned()
    }

    async fn release(&self, job: &JobKey) -> Result<(), Failure> {
        let inner = &self.inner;
        let known = inner.forget(job);
        inner.parked.forget(|key| key.job_key() == *job);
        let released = async {
            let removed = release::remove_job(&inner.engine, &inner.instance, job).await;
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
                inner.remove_dir(root, &images).await?;
            }
            Ok(())
        };
        let released = released.await;
        if released.is_err() {
            let mut jobs = inner.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            jobs.entry(job.clone()).or_insert(known);
        }
        released
    }

    async fn jobs(&self) -> Result<Vec<JobKey>, Failure> {
        let inner = &self.inner;
        let ours = [(names::INSTANCE, Some(inner.instance.as_str()))];
        let cannot = |trouble: Trouble| trouble.into_failure("could not list what it holds");
        let containers = release::list(&inner.engine, &ours).await.map_err(cannot)?;
        let networks = network::list(&inner.engine, &ours).await.map_err(cannot)?;
        let volumes = overlay::list(&inner.engine, &ours).await.map_err(cannot)?;
        let labels = containers.into_iter().filter_map(|found| found.labels);
        let labels = labels.chain(networks.into_iter().filter_map(|found| found.labels));
        let labels = labels.chain(volumes.into_iter().map(|(_, labels)| labels));
        let jobs: BTreeSet<JobKey> = labels.filter_map(|labels| names::job_of(&labels)).collect();
        Ok(jobs.into_iter().collect())
    }
}
