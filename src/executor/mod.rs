//! The port through which steps run, and its adapters. **Invariants of every adapter:**
//!
//! * Every call is idempotent by its key: after a crash it may come twice. A [`Executor::start`] of an attempt that already has a container
//!   attaches to that one; it never makes a second.
//! * Nothing is removed by itself: an ended attempt stays, with its exit and output, until [`Executor::remove`], which comes only after the exit
//!   is stored.
//! * Output reaches the [`Sink`] complete and once, also after a crash of the server: the sink says how much it already has.
//! * What is not of this instance is never touched.

mod docker;
mod fake;
mod host;
mod not_ready;
mod pack;
mod stock;
mod terminal;
mod workspace;
mod wrote;

pub use docker::{Ahead, Docker, EngineAt, EngineFacts, ImageRules, Limits, Registries, TlsFiles};
pub use fake::{Fake, Put};
pub use host::Host;
pub use stock::{Layer, PulledImage, Stock, StockedImage};
pub use terminal::{Terminal, TerminalAt, TerminalControl, TerminalSize};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::base::{AttemptKey, JobKey, Timestamp};
use crate::pipeline::{Action, Network, Pull, Resources, ServicePlan};
use crate::run::{self, Exit, Observed};

/// Where steps run.
#[async_trait]
pub trait Executor: Send + Sync + 'static {
    /// `docker`, `host` or `fake`.
    fn name(&self) -> &'static str;

    /// Whether steps need an `image`.
    fn needs_image(&self) -> bool;

    /// Asks the engine for a sign of life. Cheap: called about once a second while there is work.
    async fn health(&self) -> Result<(), Failure>;

    /// Whether the work tree of this job is carried to where its steps run, so that it has to be complete, with objects of its own, before
    /// [`Self::prepare`]. To be asked before that; holds until the job's release.
    async fn carries(&self, job: &JobSpec) -> Result<bool, Failure> {
        let _ = job;
        Ok(false)
    }

    /// Makes what the steps of a job share: the network, the services (ready when this returns), and in the workspace what [`JobSpec::fill`] holds
    /// beside the commit. A service that does not become ready is [`Failure::Infrastructure`], with its last words.
    async fn prepare(&self, job: &JobSpec, services: &dyn ServiceSinks) -> Result<(), Failure>;

    /// Goes on with the logs of a job's services that nobody follows: after a crash, and when the engine is back. Cheap when there is nothing to do.
    async fn follow_services(&self, job: &JobKey, services: &dyn ServiceSinks) -> Result<(), Failure>;

    /// Makes sure that an image is there, ahead of the steps and services of a job's run that want it. Each image is pulled once at a time, whoever wants it;
    /// dropping the future gives up this part in it.
    async fn pull(&self, job: &JobKey, image: &str, pull: Option<Pull>) -> Result<(), Failure> {
        let _ = (job, image, pull);
        Ok(())
    }

    /// What is being pulled now; one for each engine.
    fn pulls(&self) -> Vec<watch::Receiver<Pulls>> {
        Vec::new()
    }

    /// The next image that was pulled; each is told of once, to whoever asks.
    async fn pulled(&self) -> PulledImage {
        std::future::pending().await
    }

    /// What the engine holds of the images with these ids, and whether one of the `wanted` names means them; `None` where there are no images.
    async fn stock(&self, ids: &BTreeSet<String>, wanted: &BTreeSet<String>) -> Result<Option<Stock>, Failure> {
        let _ = (ids, wanted);
        Ok(None)
    }

    /// Removes an image that has none but these names, never by force; `false` when it stays, because it has others or is needed.
    async fn remove_image(&self, id: &str, names: &BTreeSet<String>) -> Result<bool, Failure> {
        let _ = (id, names);
        Ok(false)
    }

    /// How many steps of a job it wants to be told of ahead of their start, at most: what [`Self::park`] is called for.
    fn parks(&self) -> u32 {
        0
    }

    /// Makes an attempt ready ahead of its start, so that only its command, its environment and its secrets are missing: [`StepSpec::action`], `env`
    /// and `before` may be other ones when it is started. `false` where this executor, or this step, has nothing to gain: [`Self::start`] then makes it
    /// from nothing. A parked attempt that is not started is removed by [`Self::remove`]. It is among [`Self::survivors`], and to
    /// [`Self::attach`] to one is [`Failure::Stopped`]: it never ran. Never waits for an image.
    async fn park(&self, step: &StepSpec) -> Result<bool, Failure> {
        let _ = step;
        Ok(false)
    }

    /// Starts one attempt: pull, create, attach, start. Returns once it runs. `stop` may be cancelled before, during and after: then the attempt
    /// ends by SIGTERM and, after the grace, SIGKILL; before its start, by [`Failure::Stopped`] with nothing left behind.
    async fn start(&self, step: &StepSpec, sink: Box<dyn Sink>, stop: CancellationToken) -> Result<Live, Failure>;

    /// Takes up an attempt again that [`Self::survivors`] told of, running or exited: goes on with its output where the sink's
    /// [`Sink::received`] says it was left.
    async fn attach(&self, key: &AttemptKey, sink: Box<dyn Sink>, stop: CancellationToken) -> Result<Live, Failure>;

    /// Reads a file or directory of an ended attempt as an archive (tar) whose names begin with the last part of `path`. `path` is absolute in the
    /// container (a work tree's begins with `/workspace`). `None` when there is no such file. What is in the archive is untrusted.
    async fn collect(&self, key: &AttemptKey, path: &str) -> Result<Option<ByteStream>, Failure>;

    /// Whether there are terminals in its steps at all.
    fn has_terminals(&self) -> bool {
        false
    }

    /// Opens a terminal in a running attempt's container.
    async fn terminal(&self, at: &TerminalAt) -> Result<Terminal, Failure> {
        let _ = at;
        Err(Failure::Infrastructure(format!("there are no terminals in steps that run by `{}`", self.name())))
    }

    /// Removes what [`Self::prepare`] made and what steps and terminals left, but for the work tree in the job's directory `root`. Comes again when
    /// something is found of a job whose work tree is kept. `false` where no work tree can be kept: all of the job is released then.
    async fn keep(&self, job: &JobKey, root: &Path) -> Result<bool, Failure> {
        let _ = root;
        self.release(job).await?;
        Ok(false)
    }

    /// Opens a terminal in a fresh container of a step whose job's work tree is kept: all is as for the step, but that a shell runs in it. The
    /// container goes with the terminal.
    async fn fresh_terminal(&self, step: &StepSpec, size: TerminalSize) -> Result<Terminal, Failure> {
        let _ = (step, size);
        Err(Failure::Infrastructure(format!("there are no terminals in steps that run by `{}`", self.name())))
    }

    /// Removes a directory in which steps may have written, whoever its files belong to. No error when there is none.
    async fn remove_dir(&self, dir: &Path) -> Result<(), Failure> {
        match tokio::fs::remove_dir_all(dir).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Failure::Infrastructure(format!("the directory {} cannot be removed: {error}", dir.display())))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Removes an ended attempt's container; kills it if it still runs. No error when there is none.
    async fn remove(&self, key: &AttemptKey) -> Result<(), Failure>;

    /// Whether work trees below `dir`, a directory of this machine, can be layers over a kept base ([`JobDirs::layers`]): `Ok(Err(why))` where they
    /// cannot be. Tried once, then remembered.
    async fn layers(&self, dir: &Path) -> Result<Result<(), String>, Failure> {
        let _ = dir;
        Ok(Err(format!("the executor `{}` has none", self.name())))
    }

    /// As whom containers of these images run, as far as it can be told now.
    async fn users(&self, images: &BTreeSet<String>) -> Result<Users, Failure> {
        let _ = images;
        Ok(Users::Owner)
    }

    /// Every attempt of this instance that the engine knows of, running or exited.
    async fn survivors(&self) -> Result<Vec<Survivor>, Failure>;

    /// Jobs of this instance that the engine still holds something for: what a crash left behind.
    async fn jobs(&self) -> Result<Vec<JobKey>, Failure>;

    /// Removes what [`Self::prepare`] made, its directory included. No error when there is none.
    async fn release(&self, job: &JobKey) -> Result<(), Failure>;
}

/// Images that are being pulled, each with how far that is: `43 of 120 MB`, or nothing yet.
pub type Pulls = BTreeMap<String, String>;

/// A started attempt. Its end comes through `exit`, output complete by then.
pub struct Live {
    /// When it started, by the engine's word where it has one.
    pub started_at: Timestamp,
    pub exit: Pin<Box<dyn Future<Output = Result<Ended, Failure>> + Send>>,
}

/// An ended attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub exit: Exit,
    pub wrote: Wrote,
    pub observed: Observed,
}

impl Ended {
    /// One that wrote nothing.
    #[must_use]
    pub fn with(exit: Exit) -> Self {
        Self { exit, wrote: Wrote::default(), observed: Observed::default() }
    }
}

/// What an attempt wrote into the files behind `GANTRY_OUTPUT`, `GANTRY_ENV` and `GANTRY_SUMMARY`: raw, untrusted, each at most
/// [`STEP_FILE_BYTES`](crate::base::limits::STEP_FILE_BYTES) and one byte more, so that a longer one is seen to be longer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wrote {
    pub output: Vec<u8>,
    pub env: Vec<u8>,
    pub summary: Vec<u8>,
}

/// Bytes as they come.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// An archive (tar) to be put into a container.
#[async_trait]
pub trait Archive: Send + Sync + std::fmt::Debug {
    /// The directory, absolute in the container, that its names are relative to; made if it is not there.
    fn into(&self) -> &str;

    /// Opens it from the beginning; may be called again.
    async fn open(&self) -> io::Result<ByteStream>;
}

/// Where the output of a job's services goes.
pub trait ServiceSinks: Send + Sync {
    /// The log of one service; opened again after a crash.
    fn open(&self, service: &str) -> io::Result<Box<dyn Sink>>;
}

/// What the steps of a job share.
#[derive(Debug, Clone)]
pub struct JobSpec {
    pub key: JobKey,
    /// `run number / job name`, for labels that people read.
    pub title: String,
    pub dirs: JobDirs,
    pub services: Vec<ServicePlan>,
    /// It has one step and no services, so that nobody shares a network.
    pub is_single: bool,
    /// What goes into the workspace beside the commit: artifacts of the jobs that this one needs.
    pub fill: Vec<Arc<dyn Archive>>,
}

/// Directories of a job on this machine. The server makes them before [`Executor::prepare`] and fills `workspace` with the commit.
#[derive(Debug, Clone)]
pub struct JobDirs {
    /// Everything of this job; goes away with [`Executor::release`].
    pub root: PathBuf,
    /// The work tree, inside `root`. Steps see it as `/workspace` in a container, under its own path on the host.
    pub workspace: PathBuf,
    /// Directories that steps may read under the same path (the mirror's objects, which the workspace's `.git` borrows).
    pub shared: Vec<PathBuf>,
    /// The work tree is not `workspace` but these; only where [`Executor::layers`] says that it can be.
    pub layers: Option<Layers>,
}

/// As whom the steps of a job run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Users {
    /// As root in a container, or as this server's own user: nothing in a work tree keeps them from writing.
    Owner,
    /// Some as another user.
    Others,
    /// Some image is not there yet.
    Unknown,
}

/// A work tree that is an overlay: a base that is only read, a layer that takes what is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layers {
    pub base: PathBuf,
    pub upper: PathBuf,
    /// The kernel's own.
    pub work: PathBuf,
}

/// All that one attempt needs. Its `Debug` tells no value of a variable: there are secrets among them.
#[derive(Clone)]
pub struct StepSpec {
    pub key: AttemptKey,
    /// For labels and messages: `job / step`.
    pub title: String,
    pub dirs: JobDirs,
    pub image: Option<String>,
    /// `None`: as the executor is set up.
    pub pull: Option<Pull>,
    pub action: Action,
    /// Complete but for `CI_WORKSPACE`, which the executor knows.
    pub env: BTreeMap<String, String>,
    /// From SIGTERM to SIGKILL.
    pub grace_ms: u64,
    pub resources: Resources,
    pub network: Network,
    /// Put into the container before it starts: caches.
    pub before: Vec<Arc<dyn Archive>>,
}

impl fmt::Debug for StepSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, title, dirs: _, image, pull: _, action: _, env, grace_ms: _, resources: _, network: _, before: _ } = self;
        let variables: Vec<&String> = env.keys().collect();
        f.debug_struct("StepSpec")
            .field("key", key)
            .field("title", title)
            .field("image", image)
            .field("variables", &variables)
            .finish()
    }
}

/// An attempt that the engine knows of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survivor {
    pub key: AttemptKey,
    pub running: bool,
    /// It waits for its start.
    pub parked: bool,
}

/// Where output goes. Calls are short and do not wait for readers: a slow reader never blocks a container.
pub trait Sink: Send {
    /// Takes bytes as they came, in any cut. `at_ns` is the time of the bytes in nanoseconds since 1970.
    fn write(&mut self, at_ns: i64, stream: run::Stream, bytes: &[u8]) -> io::Result<()>;

    /// Bytes of this stream that are stored for good: where to go on after a crash. Only whole lines count, each with its newline; what came
    /// after the last newline was lost with the server and is to be sent again.
    fn received(&self, stream: run::Stream) -> u64;

    /// The output is complete: a last line without newline becomes a line.
    fn finish(&mut self) -> io::Result<()>;
}

/// Why the engine did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The engine does not answer. The work waits until it does.
    #[error("{0}")]
    Unreachable(String),
    /// This attempt cannot go on for a reason that is not its script's: the image cannot be pulled, no disk. Counts as `infrastructure`.
    #[error("{0}")]
    Infrastructure(String),
    /// It was told to stop before it ran.
    #[error("it was stopped before it started")]
    Stopped,
    /// The engine knows of no such attempt.
    #[error("its container is gone")]
    Gone,
}

impl Failure {
    /// Whether the same call makes sense again once the engine answers.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Failure::Unreachable(_))
    }
}
