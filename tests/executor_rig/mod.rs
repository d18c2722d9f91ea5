//! What the executors' tests share: a job of its own in a directory of its own, and a sink that remembers like the server's log does.
#![allow(dead_code, reason = "each test binary uses its part")]

pub mod docker;
pub mod packed;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use gantry::base::{AttemptKey, Clock, InstanceId, JobKey, RunId};
use gantry::executor::{Ended, Executor, Failure, JobDirs, JobSpec, Live, Sink, StepSpec};
use gantry::pipeline::Action;
use gantry::run::{Exit, Stream};
use tokio_util::sync::CancellationToken;

pub const IMAGE: &str = "gantry-test/busybox:1";

/// What a log holds.
#[derive(Default, Clone, PartialEq, Eq)]
pub struct Kept {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub system: Vec<u8>,
    /// Stream and bytes of each write, in order.
    pub writes: Vec<(Stream, Vec<u8>)>,
    pub times: Vec<i64>,
    pub finished: bool,
}

impl Kept {
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    pub fn system(&self) -> String {
        String::from_utf8_lossy(&self.system).into_owned()
    }
}

/// A log that outlives its sinks.
#[derive(Default, Clone)]
pub struct Log {
    kept: Arc<Mutex<Kept>>,
    changed: Arc<tokio::sync::Notify>,
}

impl Log {
    pub fn kept(&self) -> Kept {
        self.kept.lock().unwrap().clone()
    }

    /// A sink as the server opens it, also after a crash: what came after the last newline is lost.
    pub fn sink(&self) -> Box<dyn Sink> {
        let mut kept = self.kept.lock().unwrap();
        let Kept { stdout, stderr, .. } = &mut *kept;
        for bytes in [stdout, stderr] {
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            bytes.truncate(whole);
        }
        Box::new(Writer(self.clone()))
    }

    /// Waits until the log satisfies the condition.
    pub async fn until(&self, what: &str, condition: impl Fn(&Kept) -> bool) {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                if condition(&self.kept.lock().unwrap()) {
                    return;
                }
                changed.await;
            }
        };
        if tokio::time::timeout(std::time::Duration::from_secs(60), wait).await.is_err() {
            let kept = self.kept();
            panic!("the log never said {what}; stdout: {} stderr: {} system: {}", kept.stdout(), kept.stderr(), kept.system());
        }
    }
}

struct Writer(Log);

impl Sink for Writer {
    fn write(&mut self, at_ns: i64, stream: Stream, bytes: &[u8]) -> std::io::Result<()> {
        let mut kept = self.0.kept.lock().unwrap();
        assert!(!kept.finished, "written after it was finished");
        let into = match stream {
            Stream::Stdout => &mut kept.stdout,
            Stream::Stderr => &mut kept.stderr,
            Stream::System => &mut kept.system,
        };
        into.extend_from_slice(bytes);
        kept.writes.push((stream, bytes.to_vec()));
        kept.times.push(at_ns);
        drop(kept);
        self.0.changed.notify_waiters();
        Ok(())
    }

    fn received(&self, stream: Stream) -> u64 {
        let kept = self.0.kept.lock().unwrap();
        let bytes = match stream {
            Stream::Stdout => &kept.stdout,
            Stream::Stderr => &kept.stderr,
            Stream::System => &kept.system,
        };
        bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at as u64 + 1)
    }

    fn finish(&mut self) -> std::io::Result<()> {
        self.0.kept.lock().unwrap().finished = true;
        self.0.changed.notify_waiters();
        Ok(())
    }
}

/// A job with its directories.
pub struct TestJob {
    pub dir: tempfile::TempDir,
    pub spec: JobSpec,
}

impl TestJob {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("job");
        let workspace = root.join("workspace");
        std::fs::create_dir_all(&workspace).unwrap();
        let spec = JobSpec {
            key: JobKey { run: RunId::new(&Clock::System), job: 0 },
            title: "1 / test".to_owned(),
            dirs: JobDirs { root, workspace, shared: Vec::new(), layers: None },
            services: Vec::new(),
            is_single: false,
            fill: Vec::new(),
        };
        Self { dir, spec }
    }

    pub fn workspace(&self) -> &Path {
        &self.spec.dirs.workspace
    }

    pub fn root(&self) -> &PathBuf {
        &self.spec.dirs.root
    }

    /// A step of this job that runs `text` by `/bin/sh -e`.
    pub fn script(&self, step: u32, text: &str) -> StepSpec {
        let shell = ["/bin/sh", "-e"].map(str::to_owned).to_vec();
        self.step(step, Action::Script { shell, text: text.to_owned() })
    }

    pub fn step(&self, step: u32, action: Action) -> StepSpec {
        StepSpec {
            key: AttemptKey { run: self.spec.key.run.clone(), job: self.spec.key.job, step, attempt: 1 },
            title: format!("test / {step}"),
            dirs: self.spec.dirs.clone(),
            image: Some(IMAGE.to_owned()),
            pull: None,
            action,
            env: BTreeMap::new(),
            grace_ms: 5_000,
            resources: gantry::pipeline::Resources::default(),
            network: gantry::pipeline::Network::default(),
            before: Vec::new(),
        }
    }
}

pub fn new_instance() -> InstanceId {
    InstanceId::new(&Clock::System)
}

/// Starts a step and waits for its end.
pub async fn run(executor: &dyn Executor, step: &StepSpec) -> (Result<Exit, Failure>, Kept) {
    let (ended, kept) = run_to_end(executor, step).await;
    (ended.map(|ended| ended.exit), kept)
}

/// The same, with what it wrote into its files.
pub async fn run_to_end(executor: &dyn Executor, step: &StepSpec) -> (Result<Ended, Failure>, Kept) {
    let log = Log::default();
    let ended = match executor.start(step, log.sink(), CancellationToken::new()).await {
        Ok(live) => live.exit.await,
        Err(failure) => Err(failure),
    };
    (ended, log.kept())
}

/// Drives a started attempt in the background, as the server does. Aborting the handle is what a crash is to the executor.
pub fn drive(live: Live) -> tokio::task::JoinHandle<Result<Exit, Failure>> {
    #[expect(clippy::disallowed_methods, reason = "a test has no tasks to wait for")]
    tokio::spawn(async { live.exit.await.map(|ended| ended.exit) })
}

/// A log for each service; opened again, it is the same.
#[derive(Default, Clone)]
pub struct ServiceLogs(Arc<Mutex<BTreeMap<String, Log>>>);

impl ServiceLogs {
    pub fn of(&self, service: &str) -> Log {
        self.0.lock().unwrap().entry(service.to_owned()).or_default().clone()
    }
}

impl gantry::executor::ServiceSinks for ServiceLogs {
    fn open(&self, service: &str) -> std::io::Result<Box<dyn Sink>> {
        let log = self.of(service);
        // As the server's: a log that is taken up again is not complete.
        log.kept.lock().unwrap().finished = false;
        Ok(log.sink())
    }
}

/// For jobs without services.
pub struct NoServices;

impl gantry::executor::ServiceSinks for NoServices {
    fn open(&self, service: &str) -> std::io::Result<Box<dyn Sink>> {
        panic!("the job has no service `{service}`");
    }
}
