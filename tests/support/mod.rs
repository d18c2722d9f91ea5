//! Whole-app harness: a real store in a temporary directory, real git remotes, and the fake executor, whose engine outlives a server.
//!
//! **Invariant:** an [`App`] that is dropped in good order has no unfinished run and nothing left in its engine; else its test fails.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use gantry::base::{Clock, RunId, limits};
use gantry::executor::Fake;
use gantry::git::Credentials;
use gantry::run::{Run, RunView, view};
use gantry::server::{Config, Fleet, Handle, KeepConfig, Layout, Server, Source};
use gantry::store::{Database, RunFilter, Store, StoreConfig};

/// Longer than anything here takes on a busy machine; only a failing test waits so long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A Git remote made with the real `git`.
pub struct Remote {
    pub dir: tempfile::TempDir,
}

impl Remote {
    /// An empty repository.
    pub fn empty() -> Self {
        let remote = Self { dir: tempfile::tempdir().unwrap() };
        remote.git(&["init", "--quiet", "--initial-branch=main", "."]);
        remote
    }

    /// One with a first commit that holds this pipeline.
    pub fn with(pipeline: &str) -> Self {
        let remote = Self::empty();
        remote.commit(&[(".gantry.yml", pipeline)], "first");
        remote
    }

    pub fn url(&self) -> String {
        self.dir.path().to_str().unwrap().to_owned()
    }

    pub fn git(&self, args: &[&str]) -> String {
        git(self.dir.path(), args)
    }

    /// Writes files and commits them; answers the commit's id.
    pub fn commit(&self, files: &[(&str, &str)], message: &str) -> String {
        for (path, text) in files {
            let path = self.dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }
}

/// Runs git without the user's own settings; answers its trimmed output.
pub fn git(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "protocol.file.allow=always"])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A server with the fake executor.
pub struct App {
    pub data: tempfile::TempDir,
    pub fake: Fake,
    server: Option<Server>,
    slots: u32,
    clock: Clock,
    /// What all mirrors may take, from the next start on.
    pub mirrors: u64,
    /// How long work trees of failed jobs are kept, what all kept ones may take, and whether terminals may have secrets: from the next start on.
    pub failed_ms: u64,
    pub workspaces: u64,
    pub shell_secrets: bool,
}

impl App {
    pub async fn start() -> Self {
        Self::with_slots(4).await
    }

    pub async fn with_slots(slots: u32) -> Self {
        Self::with(slots, Clock::System).await
    }

    /// One whose server lives by a clock of the test's own; its steps by the machine's.
    pub async fn with_clock(clock: Clock) -> Self {
        Self::with(4, clock).await
    }

    async fn with(slots: u32, clock: Clock) -> Self {
        let fake = Fake::new(Clock::System);
        let mut app = Self {
            data: tempfile::tempdir().unwrap(),
            fake,
            server: None,
            slots,
            clock,
            mirrors: limits::MIRRORS_BYTES,
            failed_ms: 0,
            workspaces: limits::BASES_BYTES,
            shell_secrets: false,
        };
        app.boot().await;
        app
    }

    async fn boot(&mut self) {
        let data: PathBuf = self.data.path().canonicalize().unwrap();
        let kept = StoreConfig { database: Database::File(data.join("gantry.db")), logs: data.join("logs") };
        let store = Store::open(&kept).await.unwrap();
        let config = Config {
            data: data.clone(),
            grace_ms: 500,
            engine_timeout_ms: limits::ENGINE_SILENCE_MS,
            url: String::new(),
            credentials: Credentials::default(),
            watch: true,
            keep: KeepConfig {
                mirrors: self.mirrors,
                failed_ms: self.failed_ms,
                workspaces: self.workspaces,
                ..KeepConfig::default()
            },
            shell_secrets: self.shell_secrets,
        };
        let source = Source::Mirrors(Layout::new(&data));
        let fleet = Fleet::of_one(Arc::new(self.fake.clone()), self.slots);
        let server = Server::start(config, store, fleet, source, self.clock.clone()).await.unwrap();
        self.server = Some(server);
    }

    pub fn handle(&self) -> &Handle {
        self.server.as_ref().unwrap().handle()
    }

    /// Ends the server; its engine lives on.
    pub async fn stop(&mut self) {
        self.server.take().unwrap().stop().await;
    }

    /// Ends the server and starts another on the same data and engine.
    pub async fn restart(&mut self) {
        if self.server.is_some() {
            self.stop().await;
        }
        self.boot().await;
    }

    /// Watches a remote, polled only when poked.
    pub async fn watch(&self, name: &str, remote: &Remote) {
        self.handle().add_repo(name, &remote.url(), Some(limits::TIMEOUT_MAX_MS)).await.unwrap();
    }

    pub async fn run(&self, id: &RunId) -> Run {
        self.handle().store().run(id).await.unwrap().unwrap()
    }

    /// All runs of a repository, oldest first.
    pub async fn runs(&self, repo: &str) -> Vec<RunView> {
        let filter = RunFilter { repo: Some(repo.to_owned()), ..RunFilter::default() };
        let page = self.handle().store().runs(&filter).await.unwrap();
        let mut runs = Vec::new();
        for summary in page.items.iter().rev() {
            runs.push(view(&self.run(&summary.id.to_string().parse().unwrap()).await));
        }
        runs
    }

    /// Waits until what `wanted` looks for is there, looking again at every nudge.
    pub async fn until<T>(&self, what: &str, mut wanted: impl AsyncFnMut(&Self) -> Option<T>) -> T {
        let mut changes = self.handle().changes();
        let looked = tokio::time::timeout(PATIENCE, async {
            loop {
                changes.mark_unchanged();
                if let Some(found) = wanted(self).await {
                    return found;
                }
                // Notes and statuses are nudged too; the pause only bounds what no nudge tells.
                let _ = tokio::time::timeout(Duration::from_millis(200), changes.changed()).await;
            }
        });
        looked.await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
    }

    /// Waits until the repository's run of that number has ended.
    pub async fn ended(&self, repo: &str, number: u64) -> RunView {
        self.until(&format!("the end of {repo} #{number}"), async |app| {
            app.runs(repo).await.into_iter().find(|run| run.number == number && run.state == "ended")
        })
        .await
    }

    /// Waits for a note on the repository that holds this text.
    pub async fn noted(&self, repo: &str, text: &str) -> String {
        self.until(&format!("a note on {repo} that says `{text}`"), async |app| {
            let store = app.handle().store();
            let repo = store.repo(repo).await.unwrap().unwrap();
            let notes = store.notes(&repo.id, 100).await.unwrap();
            notes.into_iter().map(|note| note.sentence).find(|sentence| sentence.contains(text))
        })
        .await
    }

    /// Ends the server and fails when a run is unfinished or something is left in the engine.
    pub async fn close(mut self) {
        let unfinished = self.handle().store().unfinished().await.unwrap();
        assert!(unfinished.is_empty(), "unfinished: {unfinished:?}");
        self.stop().await;
        assert_eq!(self.fake.leftovers(), Vec::<String>::new(), "left in the engine");
        let work = self.data.path().join("work");
        let left: Vec<_> =
            std::fs::read_dir(work).map(|dir| dir.flatten().map(|entry| entry.path()).collect()).unwrap_or_default();
        assert_eq!(left, Vec::<PathBuf>::new(), "workspaces left over");
    }
}
