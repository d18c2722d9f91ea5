//! An executor without an engine, always compiled: tests of the whole program steer it by the pipeline's own `env`.
//!
//! | Variable | Meaning |
//! |---|---|
//! | `FAKE_OUTPUT` | what it writes to stdout; default: a line with the step's name |
//! | `FAKE_STDERR` | what it writes to stderr |
//! | `FAKE_MS` | how long it runs, default 0; `hang`: until it is stopped |
//! | `FAKE_EXIT` | its exit code, default 0; a list `1,1,0` is one for each attempt, the last for all further ones |
//! | `FAKE_STUBBORN` | set: ignores SIGTERM |
//! | `FAKE_WRITES_OUTPUT`, `FAKE_WRITES_ENV`, `FAKE_WRITES_SUMMARY` | what it writes into the file behind `GANTRY_OUTPUT`, … |
//! | `FAKE_FILES` | the files that it leaves, see [`files`] |
//! | `FAKE_OBSERVED` | what is seen of it from outside, as JSON ([`Observed`](crate::run::Observed)) |
//! | `FAKE_NO_IMAGE` | set: the image cannot be pulled |
//! | `FAKE_PARK` | how its parking goes: `fails`, `dies` (it is ready, and gone before it starts), or how many milliseconds it takes; default 0 |
//!
//! Services are steered in the same way, see [`services`].
//!
//! A terminal is steered by what is typed, see [`terminal`].
//!
//! **Invariant:** clones share one engine, which outlives a server: that is what lets a test kill the server and start another.

mod container;
mod files;
mod images;
mod services;
mod terminal;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::container::Container;
use self::files::Files;
pub use self::files::Put;
use self::images::Images;
use self::services::Service;
use super::workspace::WORKSPACE;
use super::{
    Archive, ByteStream, Ended, Executor, Failure, JobSpec, Live, Pulls, ServiceSinks, Sink, StepSpec, Survivor, Terminal,
    TerminalAt, TerminalSize,
};
use crate::base::{AttemptKey, Clock, JobKey, Timestamp};
use crate::pipeline::Pull;
use crate::run::{Exit, Stream};

/// The fake executor; clones share its engine.
#[derive(Clone)]
pub struct Fake {
    engine: Arc<Mutex<Engine>>,
    /// Changes whenever the engine comes or goes.
    reachable: watch::Sender<bool>,
    images: Arc<Images>,
    clock: Clock,
}

#[derive(Default)]
struct Engine {
    containers: BTreeMap<AttemptKey, Container>,
    jobs: BTreeSet<JobKey>,
    /// The work trees, as far as steps and archives wrote in them.
    trees: BTreeMap<JobKey, Files>,
    services: BTreeMap<(JobKey, String), Service>,
    /// Every start of a service, in order.
    service_starts: Vec<(JobKey, String)>,
    /// Every archive that was put somewhere, in order.
    puts: Vec<Put>,
    /// Every start that made a container, in order: a test sees here that nothing ran twice.
    starts: Vec<AttemptKey>,
    /// What waits for its start.
    parked: BTreeSet<AttemptKey>,
    /// Jobs whose work trees are kept.
    kept: BTreeSet<JobKey>,
    /// Every start of an attempt that was parked, in order.
    opened: Vec<AttemptKey>,
}

impl Fake {
    /// A new engine without containers.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { engine: Arc::default(), reachable: watch::Sender::new(true), images: Arc::default(), clock }
    }

    /// Lets the engine go silent, or answer again. Containers live on.
    pub fn set_reachable(&self, reachable: bool) {
        self.reachable.send_replace(reachable);
    }

    /// The engine dies with its containers, as Docker's does.
    pub fn kill_containers(&self) {
        let now = self.clock.now();
        let mut engine = self.engine();
        engine.parked.clear();
        for container in engine.containers.values_mut().filter(|container| container.runs_at(now)) {
            container.ends = Some(now);
            container.exit = Exit::Lost("the engine was stopped while it ran".to_owned());
        }
    }

    /// Every attempt that was started, in order.
    #[must_use]
    pub fn starts(&self) -> Vec<AttemptKey> {
        self.engine().starts.clone()
    }

    /// Every attempt that was ready when it was started, in order.
    #[must_use]
    pub fn opened(&self) -> Vec<AttemptKey> {
        self.engine().opened.clone()
    }

    /// What waits for its start.
    #[must_use]
    pub fn parked(&self) -> Vec<AttemptKey> {
        self.engine().parked.iter().cloned().collect()
    }

    /// Every service that was started, in order.
    #[must_use]
    pub fn service_starts(&self) -> Vec<(JobKey, String)> {
        self.engine().service_starts.clone()
    }

    /// Every archive that was put somewhere, in order.
    #[must_use]
    pub fn puts(&self) -> Vec<Put> {
        self.engine().puts.clone()
    }

    /// Containers, jobs and services that are still there.
    #[must_use]
    pub fn leftovers(&self) -> Vec<String> {
        let engine = self.engine();
        let services = engine.services.keys().map(|(job, name)| format!("{job} {name}"));
        let jobs = engine.jobs.iter().map(ToString::to_string);
        let containers = engine.containers.keys().chain(&engine.parked).map(ToString::to_string);
        containers.chain(jobs).chain(services).collect()
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        // A test that panicked elsewhere must not hide its own message behind a poisoned lock.
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self) -> Result<(), Failure> {
        if *self.reachable.borrow() { Ok(()) } else { Err(Failure::Unreachable("the fake engine does not answer".to_owned())) }
    }

    /// Puts an archive where it belongs, and remembers that it was.
    async fn put(&self, job: &JobKey, attempt: Option<&AttemptKey>, archive: &dyn Archive) -> Result<(), Failure> {
        let into = archive.into().to_owned();
        let cannot = |error| Failure::Infrastructure(format!("an archive cannot be put into `{into}`: {error}"));
        let files = files::unpack(archive).await.map_err(cannot)?;
        let names = files.keys().cloned().collect();
        self.engine().puts.push(Put { job: job.clone(), attempt: attempt.cloned(), into, files: names });
        match attempt {
            Some(attempt) => self.keep(attempt, files),
            None => self.engine().trees.entry(job.clone()).or_default().extend(files),
        }
        Ok(())
    }

    /// Files that an attempt has: those in the work tree are all its job's.
    fn keep(&self, key: &AttemptKey, files: Files) {
        let mut engine = self.engine();
        let (tree, own): (Files, Files) = files.into_iter().partition(|(name, _)| name.starts_with(&format!("{WORKSPACE}/")));
        engine.trees.entry(key.job_key()).or_default().extend(tree);
        if let Some(container) = engine.containers.get_mut(key) {
            container.files.extend(own);
        }
    }

    /// Follows a container to its end; `stop` ends it by SIGTERM, grace and SIGKILL.
    async fn follow(self, key: AttemptKey, mut sink: Box<dyn Sink>, stop: CancellationToken) -> Result<Ended, Failure> {
        let container = self.engine().containers.get(&key).cloned().ok_or(Failure::Gone)?;
        for (stream, bytes) in [(Stream::Stdout, &container.stdout), (Stream::Stderr, &container.stderr)] {
            let from = usize::try_from(sink.received(stream)).unwrap_or(usize::MAX).min(bytes.len());
            write(&mut *sink, container.started_ns, stream, &bytes[from..])?;
        }
        let mut reachable = self.reachable.subscribe();
        loop {
            let container = self.engine().containers.get(&key).cloned().ok_or(Failure::Gone)?;
            let now = self.clock.now();
            if !container.runs_at(now) {
                sink.finish().map_err(|error| Failure::Infrastructure(error.to_string()))?;
                let Container { exit, wrote, observed, .. } = container;
                return Ok(Ended { exit, wrote, observed });
            }
            let rest = container.ends.map_or(Duration::from_millis(20), |ends| ends.until(now).min(Duration::from_millis(20)));
            tokio::select! {
                () = stop.cancelled(), if container.ends.is_none_or(|ends| ends > now.plus_ms(container.grace_ms)) => {
                    let (after, code) = if container.stubborn { (container.grace_ms, 137) } else { (0, 143) };
                    if let Some(container) = self.engine().containers.get_mut(&key) {
                        container.ends = Some(now.plus_ms(after));
                        container.exit = Exit::Code(code);
                    }
                }
                _ = reachable.wait_for(|up| !up) => {
                    return Err(Failure::Unreachable("the fake engine went silent".to_owned()));
                }
                () = tokio::time::sleep(rest) => {}
            }
        }
    }
}

fn write(sink: &mut dyn Sink, at_ns: i64, stream: Stream, bytes: &[u8]) -> Result<(), Failure> {
    if bytes.is_empty() {
        return Ok(());
    }
    sink.write(at_ns, stream, bytes).map_err(|error| Failure::Infrastructure(format!("the log cannot be written: {error}")))
}

#[async_trait]
impl Executor for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn needs_image(&self) -> bool {
        false
    }

    async fn health(&self) -> Result<(), Failure> {
        self.ask()
    }

    async fn prepare(&self, job: &JobSpec, services: &dyn ServiceSinks) -> Result<(), Failure> {
        self.ask()?;
        self.engine().jobs.insert(job.key.clone());
        for archive in &job.fill {
            self.put(&job.key, None, &**archive).await?;
        }
        self.start_services(job, services).await
    }

    async fn follow_services(&self, _job: &JobKey, _services: &dyn ServiceSinks) -> Result<(), Failure> {
        Ok(())
    }

    async fn pull(&self, job: &JobKey, image: &str, pull: Option<Pull>) -> Result<(), Failure> {
        self.ask()?;
        self.images.pull(job, image, pull);
        Ok(())
    }

    fn pulls(&self) -> Vec<watch::Receiver<Pulls>> {
        vec![self.images.going()]
    }

    fn parks(&self) -> u32 {
        2
    }

    async fn park(&self, step: &StepSpec) -> Result<bool, Failure> {
        self.ask()?;
        match step.env.get("FAKE_PARK").map(String::as_str) {
            Some("fails") => return Err(Failure::Infrastructure("there is no room for it".to_owned())),
            Some("dies") => return Ok(true),
            ms => tokio::time::sleep(Duration::from_millis(ms.and_then(|ms| ms.parse().ok()).unwrap_or(0))).await,
        }
        self.ask()?;
        let mut engine = self.engine();
        if !engine.containers.contains_key(&step.key) {
            engine.parked.insert(step.key.clone());
        }
        Ok(true)
    }

    async fn start(&self, step: &StepSpec, mut sink: Box<dyn Sink>, stop: CancellationToken) -> Result<Live, Failure> {
        self.ask()?;
        let exists = self.engine().containers.contains_key(&step.key);
        if !exists {
            if stop.is_cancelled() {
                return Err(Failure::Stopped);
            }
            if step.env.contains_key("FAKE_NO_IMAGE") {
                write(&mut *sink, self.clock.now_ns(), Stream::System, b"pulling\n")?;
                return Err(Failure::Infrastructure("the image cannot be pulled: there is none".to_owned()));
            }
            let container = Container::of(step, &self.clock);
            {
                let mut engine = self.engine();
                if engine.parked.remove(&step.key) {
                    engine.opened.push(step.key.clone());
                }
                engine.containers.insert(step.key.clone(), container);
                engine.starts.push(step.key.clone());
            }
            for archive in &step.before {
                if let Err(Failure::Infrastructure(why)) = self.put(&step.key.job_key(), Some(&step.key), &**archive).await {
                    write(&mut *sink, self.clock.now_ns(), Stream::System, format!("{why}\n").as_bytes())?;
                }
            }
            self.keep(&step.key, files::wanted(step.env.get("FAKE_FILES").map_or("", String::as_str)));
        }
        self.attach(&step.key, sink, stop).await
    }

    async fn attach(&self, key: &AttemptKey, sink: Box<dyn Sink>, stop: CancellationToken) -> Result<Live, Failure> {
        self.ask()?;
        let started_ns = {
            let engine = self.engine();
            let never_ran = if engine.parked.contains(key) { Failure::Stopped } else { Failure::Gone };
            engine.containers.get(key).map(|container| container.started_ns).ok_or(never_ran)?
        };
        let exit = Box::pin(self.clone().follow(key.clone(), sink, stop));
        Ok(Live { started_at: Timestamp(started_ns / 1_000_000), exit })
    }

    async fn collect(&self, key: &AttemptKey, path: &str) -> Result<Option<ByteStream>, Failure> {
        self.ask()?;
        let packed = {
            let engine = self.engine();
            let container = engine.containers.get(key).ok_or(Failure::Gone)?;
            let mut files = container.files.clone();
            files.extend(engine.trees.get(&key.job_key()).cloned().unwrap_or_default());
            files::pack(&files, path)
        };
        let packed = packed.map_err(|error| Failure::Infrastructure(format!("`{path}` cannot be packed: {error}")))?;
        Ok(packed.map(|bytes| Box::pin(futures_util::stream::once(async { Ok(bytes.into()) })) as ByteStream))
    }

    fn has_terminals(&self) -> bool {
        true
    }

    async fn terminal(&self, at: &TerminalAt) -> Result<Terminal, Failure> {
        self.ask()?;
        let engine = self.engine();
        let runs = engine.containers.get(&at.key).is_some_and(|container| container.runs_at(self.clock.now()));
        if runs { Ok(terminal::open(at)) } else { Err(Failure::Gone) }
    }

    async fn keep(&self, job: &JobKey, _root: &Path) -> Result<bool, Failure> {
        self.ask()?;
        let mut engine = self.engine();
        let tree = engine.trees.remove(job);
        engine.forget(job);
        engine.trees.extend(tree.map(|tree| (job.clone(), tree)));
        engine.kept.insert(job.clone());
        Ok(true)
    }

    async fn fresh_terminal(&self, step: &StepSpec, size: TerminalSize) -> Result<Terminal, Failure> {
        self.ask()?;
        let at = TerminalAt { key: step.key.clone(), env: step.env.clone(), size };
        if self.engine().kept.contains(&step.key.job_key()) { Ok(terminal::open(&at)) } else { Err(Failure::Gone) }
    }

    async fn remove(&self, key: &AttemptKey) -> Result<(), Failure> {
        self.ask()?;
        let mut engine = self.engine();
        engine.containers.remove(key);
        engine.parked.remove(key);
        Ok(())
    }

    async fn survivors(&self) -> Result<Vec<Survivor>, Failure> {
        self.ask()?;
        let now = self.clock.now();
        let engine = self.engine();
        let containers = engine.containers.iter().map(|(key, container)| Survivor {
            key: key.clone(),
            running: container.runs_at(now),
            parked: false,
        });
        let parked = engine.parked.iter().map(|key| Survivor { key: key.clone(), running: true, parked: true });
        Ok(containers.chain(parked).collect())
    }

    async fn jobs(&self) -> Result<Vec<JobKey>, Failure> {
        self.ask()?;
        Ok(self.engine().jobs.iter().cloned().collect())
    }

    async fn release(&self, job: &JobKey) -> Result<(), Failure> {
        self.ask()?;
        self.engine().forget(job);
        Ok(())
    }
}

impl Engine {
    /// Nothing of the job is left.
    fn forget(&mut self, job: &JobKey) {
        self.jobs.remove(job);
        self.kept.remove(job);
        self.trees.remove(job);
        self.services.retain(|(of, _), _| of != job);
        self.containers.retain(|key, _| key.job_key() != *job);
        self.parked.retain(|key| key.job_key() != *job);
    }
}
