//! Steps in Docker containers.
//!
//! | File | What it is |
//! |---|---|
//! | `engine`, `address` | The connection: made when needed, forgotten when it breaks; where to |
//! | `tls`, `ssh` | Engines on other machines |
//! | `trouble` | What the engine refuses, and its absence, told apart |
//! | `names` | Container names and labels |
//! | `known` | What is known of jobs that are not released |
//! | `container`, `allowance` | What a step's container is made of: the hardening; what it may use |
//! | `overlay` | A job's work tree as a layer over a kept base |
//! | `carried` | Jobs on engines that do not see this machine's directories |
//! | `archive`, `fill` | Archives out of containers and into them; into a job's workspace |
//! | `sandbox`, `pool`, `network`, `pause`, `elf` | A job's network namespace, held by a container that waits; some made ahead |
//! | `service`, `ready`, `listeners`, `hearing`, `followed`, `revive` | A job's services: started, waited for, followed, started again |
//! | `image`, `pulls`, `pull`, `registries`, `rootfs`, `demo` | Images: asked for, pulled once for all, imported, made |
//! | `stock` | Images that were pulled here, told of and removed |
//! | `create`, `start`, `live` | Pull, create, start, open the gate or attach; taking up again; to the end |
//! | `park`, `gate`, `opening`, `files` | Containers that wait for their step, and what is said to them |
//! | `init/`, `program`, `wire` | Their first process: a program of its own, which goes into this binary; what it and we say to each other |
//! | `record`, `segment` | From the record that it writes into the sink, and to the exit |
//! | `output`, `resume` | From the engine's stream and log into the sink, exactly once |
//! | `ending`, `seen` | Stopping, and the exit |
//! | `terminal`, `hijack`, `fresh` | A shell beside the step, on a terminal; one in a container of its own |
//! | `release` | Removing what is over |
//! | `facts` | What the engine says of itself |

mod address;
mod allowance;
mod archive;
mod carried;
mod container;
mod create;
mod demo;
mod elf;
mod ending;
mod engine;
mod facts;
mod files;
mod fill;
mod followed;
mod fresh;
mod gate;
mod hearing;
mod hijack;
mod image;
mod known;
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
mod pool;
mod program;
mod pull;
mod pulls;
mod ready;
mod record;
mod registries;
mod release;
mod resume;
mod revive;
mod rootfs;
mod sandbox;
mod seen;
mod segment;
mod service;
mod ssh;
mod start;
mod stock;
mod terminal;
mod tls;
mod trouble;
#[path = "init/wire.rs"]
#[allow(dead_code, reason = "the server and the init program need a half of it each")]
mod wire;

pub use self::facts::EngineFacts;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use self::address::{EngineAt, TlsFiles};
use self::container::Form;
use self::engine::Engine;
use self::followed::Followed;
use self::fresh::Fresh;
use self::known::Known;
use self::names::Labels;
use self::network::SharedNetwork;
use self::opening::EntryPoints;
use self::park::{Parked, Starts};
use self::pool::Pool;
use self::pulls::{For, Images};

pub use self::pulls::ImageRules;
pub use self::registries::Registries;
use super::{
    ByteStream, Executor, Failure, JobSpec, Live, PulledImage, Pulls, ServiceSinks, Sink, StepSpec, Stock, Survivor, Terminal,
    TerminalAt, TerminalSize, Users,
};
use crate::base::{AttemptKey, Clock, InstanceId, JobKey, Tasks};
use crate::pipeline::Pull;

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

/// What is made ahead of its need.
#[derive(Debug, Clone)]
pub struct Ahead {
    /// Steps of a job that are made ready while the ones before them run; without a word, 2.
    pub park: Option<u32>,
    /// Sandboxes that wait for jobs to come, once the engine answers; without a word, none.
    pub sandboxes: u32,
    /// The directory of the server, which the labels of such sandboxes name.
    pub home: PathBuf,
}

struct Inner {
    engine: Engine,
    instance: InstanceId,
    tasks: Tasks,
    clock: Clock,
    limits: Limits,
    network: SharedNetwork,
    images: Images,
    uses: stock::Uses,
    /// For what goes on by itself.
    me: Weak<Inner>,
    followed: Followed,
    fresh: Fresh,
    starts: Starts,
    pool: Pool,
    parked: Parked,
    entry_points: EntryPoints,
    /// Nobody listened at a gate: the engine shares directories with us but no sockets.
    is_deaf: AtomicBool,
    /// Whether it mounts overlays; asked once.
    layers: tokio::sync::OnceCell<Result<(), String>>,
    /// Of jobs that this process has seen; after a restart the labels know.
    jobs: Mutex<BTreeMap<JobKey, Known>>,
}

impl Docker {
    /// The engine at `host` (`unix:///path`, `/path`, `tcp://host:port`); `None` is `DOCKER_HOST`, or the usual socket. Does not connect yet: the
    /// engine may be down, which [`Executor::health`] tells.
    #[must_use]
    pub fn connect(host: Option<&str>, instance: InstanceId, tasks: Tasks, clock: Clock) -> Self {
        Self::connect_with(host, instance, tasks, clock, Limits::default(), ImageRules::default())
    }

    /// The same, with limits for each step and rules for images.
    #[must_use]
    pub fn connect_with(
        host: Option<&str>,
        instance: InstanceId,
        tasks: Tasks,
        clock: Clock,
        limits: Limits,
        images: ImageRules,
    ) -> Self {
        let at = EngineAt { host: host.map(str::to_owned), ..EngineAt::default() };
        Self::at(at, instance, tasks, clock, limits, images)
    }

    /// The engine at an address of any kind.
    #[must_use]
    pub fn at(at: EngineAt, instance: InstanceId, tasks: Tasks, clock: Clock, limits: Limits, images: ImageRules) -> Self {
        Self {
            inner: Arc::new_cyclic(|me| Inner {
                engine: Engine::new(at),
                instance,
                tasks,
                clock,
                limits,
                network: SharedNetwork::default(),
                images: Images::new(images),
                uses: stock::Uses::default(),
                me: Weak::clone(me),
                followed: Followed::default(),
                fresh: Fresh::default(),
                starts: Starts::default(),
                pool: Pool::default(),
                parked: Parked::default(),
                entry_points: EntryPoints::default(),
                is_deaf: AtomicBool::new(false),
                layers: tokio::sync::OnceCell::new(),
                jobs: Mutex::default(),
            }),
        }
    }

    /// The same, with as much made ahead as this says.
    #[must_use]
    pub fn with_ahead(self, ahead: Ahead) -> Self {
        self.inner.pool.want(ahead);
        self
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
        self.inner.engine.ping().await.map_err(|trouble| trouble.into_failure("is not well"))?;
        pool::begin(&self.inner);
        Ok(())
    }

    async fn carries(&self, job: &JobSpec) -> Result<bool, Failure> {
        carried::decide(&self.inner, job).await
    }

    async fn prepare(&self, job: &JobSpec, services: &dyn ServiceSinks) -> Result<(), Failure> {
        let inner = &self.inner;
        inner.remember(&job.key, &job.dirs.root, None);
        let hosts = service::hosts(job.services.iter().map(|service| service.name.as_str()));
        let (instance, key, title, root) = (&inner.instance, &job.key, job.title.as_str(), job.dirs.root.as_path());
        let wanted = sandbox::Job { instance, key, title, root, hosts, is_single: job.is_single };
        let (made, removed) =
            tokio::join!(sandbox::ensure(inner, &wanted), overlay::remove_earlier(&inner.engine, &inner.instance, &job.key));
        made.map_err(|trouble| trouble.into_failure("could not make the job's network"))?;
        removed.map_err(|trouble| trouble.into_failure("could not remove what an earlier preparation left"))?;
        fill::fill(inner, job).await?;
        service::start_all(inner, job, services).await
    }

    async fn follow_services(&self, job: &JobKey, services: &dyn ServiceSinks) -> Result<(), Failure> {
        service::follow_all(&self.inner, job, services).await
    }

    async fn pull(&self, job: &JobKey, image: &str, pull: Option<Pull>) -> Result<(), Failure> {
        pulls::provide(&self.inner, For::Run(&job.run), (image, pull), None).await.map(drop)
    }

    fn pulls(&self) -> Vec<watch::Receiver<Pulls>> {
        vec![self.inner.images.going()]
    }

    async fn pulled(&self) -> PulledImage {
        self.inner.uses.pulled().await
    }

    async fn stock(&self, ids: &BTreeSet<String>, wanted: &BTreeSet<String>) -> Result<Option<Stock>, Failure> {
        let stock = stock::stock(&self.inner, ids, wanted).await;
        stock.map(Some).map_err(|trouble| trouble.into_failure("could not be asked for its images"))
    }

    async fn remove_image(&self, id: &str, names: &BTreeSet<String>) -> Result<bool, Failure> {
        let removed = stock::remove(&self.inner.engine, id, names).await;
        removed.map_err(|trouble| trouble.into_failure("could not remove an image"))
    }

    fn parks(&self) -> u32 {
        self.inner.pool.parks().unwrap_or(park::PARKS)
    }

    async fn park(&self, step: &StepSpec) -> Result<bool, Failure> {
        park::park(&self.inner, step).await
    }

    async fn start(&self, step: &StepSpec, sink: Box<dyn Sink>, stop: CancellationToken) -> Result<Live, Failure> {
        let live = start::start(&self.inner, step, sink, stop).await?;
        let image = step.image.clone();
        if let Some(image) = &image {
            self.inner.uses.note(image, self.inner.clock.now());
        }
        Ok(pulls::seen_in(&self.inner, &step.key, async { image }, live))
    }

    async fn attach(&self, key: &AttemptKey, sink: Box<dyn Sink>, stop: CancellationToken) -> Result<Live, Failure> {
        let name = names::container_name(&self.inner.instance, key);
        let live = start::attach(&self.inner, name.clone(), sink, stop).await?;
        let inner = Arc::clone(&self.inner);
        let image = async move { image::of_container(&inner.engine, &name).await.ok() };
        Ok(pulls::seen_in(&self.inner, key, image, live))
    }

    async fn collect(&self, key: &AttemptKey, path: &str) -> Result<Option<ByteStream>, Failure> {
        let name = names::container_name(&self.inner.instance, key);
        archive::collect(&self.inner.engine, &name, path).await
    }

    fn has_terminals(&self) -> bool {
        true
    }

    async fn terminal(&self, at: &TerminalAt) -> Result<Terminal, Failure> {
        terminal::open(&self.inner, at).await
    }

    async fn keep(&self, job: &JobKey, root: &Path) -> Result<bool, Failure> {
        // A tree that was carried there is in a volume that has the job's name.
        if carried::is_carried(root) {
            self.release(job).await?;
            return Ok(false);
        }
        self.inner.keep(job, root).await?;
        Ok(true)
    }

    async fn fresh_terminal(&self, step: &StepSpec, size: TerminalSize) -> Result<Terminal, Failure> {
        fresh::open(&self.inner, step, size).await
    }

    async fn remove_dir(&self, dir: &Path) -> Result<(), Failure> {
        self.inner.remove_dir(dir.to_owned(), &BTreeSet::new()).await
    }

    async fn remove(&self, key: &AttemptKey) -> Result<(), Failure> {
        let name = names::container_name(&self.inner.instance, key);
        self.inner.parked.take(key);
        let removed = release::remove_container(&self.inner.engine, &name).await;
        removed.map_err(|trouble| trouble.into_failure("could not remove the step's container"))?;
        if let Some(root) = self.inner.root_of(&key.job_key()) {
            files::forget_output(&self.inner, container::private_dir(&root, key)).await;
        }
        Ok(())
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
        self.inner.layers.get_or_try_init(|| overlay::try_once(&self.inner, dir)).await.cloned()
    }

    async fn users(&self, images: &BTreeSet<String>) -> Result<Users, Failure> {
        image::users(&self.inner.engine, images).await
    }

    async fn release(&self, job: &JobKey) -> Result<(), Failure> {
        self.inner.release(job).await
    }

    async fn jobs(&self) -> Result<Vec<JobKey>, Failure> {
        let jobs = release::jobs(&self.inner.engine, &self.inner.instance).await;
        jobs.map_err(|trouble| trouble.into_failure("could not list what it holds"))
    }
}
