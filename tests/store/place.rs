//! Where a story plays: a database of its own, and the values that stories are made of.

use std::collections::BTreeMap;
use std::sync::Arc;

use gantry::base::{Clock, RepoId, RunId, Timestamp};
use gantry::pipeline::{Action, AllowFailure, Event, JobPlan, Need, Plan, StepPlan, Trigger, When};
use gantry::store::{Database, Intake, NewRun, Repo, RepoStatus, Store, StoreConfig};
use sqlx::any::AnyPoolOptions;
use tempfile::TempDir;

/// A database of a story's own; it goes with the place.
pub struct Place {
    pub config: StoreConfig,
    /// How a person reaches the same database, past the store.
    url: String,
    _dir: TempDir,
}

impl Place {
    /// The logs, and a database that is a file, are in `dir`.
    pub fn new(dir: TempDir, database: Database, url: String) -> Self {
        Self { config: StoreConfig { database, logs: dir.path().join("logs") }, url, _dir: dir }
    }

    /// Opens the store, as a start of the server does.
    pub async fn open(&self) -> Store {
        Store::open(&self.config).await.unwrap()
    }

    /// Executes a statement past the store. The store must have been open once.
    pub async fn tamper(&self, sql: &'static str) {
        let pool = AnyPoolOptions::new().max_connections(1).connect(&self.url).await.unwrap();
        sqlx::query(sql).execute(&pool).await.unwrap();
        pool.close().await;
    }

    /// Asks the database to prepare every statement, without values.
    pub async fn prepare_all(&self) {
        use sqlx::Executor;
        let pool = AnyPoolOptions::new().max_connections(1).connect(&self.url).await.unwrap();
        for sql in gantry::store::sql::ALL {
            if let Err(error) = pool.prepare(sqlx::SqlStr::from_static(sql)).await {
                panic!("{sql}\n{error}");
            }
        }
        pool.close().await;
    }
}

pub fn at(ms: i64) -> Timestamp {
    Timestamp(ms)
}

pub fn repo(name: &str) -> Repo {
    Repo {
        id: RepoId::new(&Clock::System),
        name: name.to_owned(),
        url: format!("/srv/git/{name}.git"),
        poll_ms: 30_000,
        hook_secret: "correct horse".to_owned(),
        added_at: at(1),
        default_branch: None,
        status: RepoStatus { ok: true, sentence: "not looked at yet".to_owned(), at: at(1) },
    }
}

pub fn trigger(branch: &str) -> Trigger {
    Trigger {
        event: Event::Push,
        branch: branch.to_owned(),
        tag: None,
        commit: "5d6e7f85d6e7f85d6e7f85d6e7f85d6e7f85d6e7".to_owned(),
        message: "Mend the roof\n\nIt let the rain in: \"ü\" \u{0} 🦀".to_owned(),
        author: "Ada <ada@example.org>".to_owned(),
        default_branch: "main".to_owned(),
        repo: "roof".to_owned(),
        url: "/srv/git/roof.git".to_owned(),
        because: format!("{branch} moved"),
        inputs: Default::default(),
        schedule: None,
        pull_request: None,
    }
}

/// `jobs` jobs of two steps, the second after the first.
pub fn plan(jobs: u32) -> Arc<Plan> {
    let text = "echo 'hi' \\ $X\n".to_owned();
    let action = || Action::Script { shell: vec!["/bin/sh".to_owned(), "-e".to_owned()], text: text.clone() };
    let step = |name: &str, needs: Vec<u32>| StepPlan {
        needs,
        need: Need::Position,
        image: Some("busybox".into()),
        env: BTreeMap::from([("X".to_owned(), "1".into())]),
        timeout_ms: Some(5_000),
        allow_failure: AllowFailure::Codes(vec![3]),
        ..StepPlan::new(name, action())
    };
    let job = |n: u32| JobPlan {
        needs: (0..n).collect(),
        when: When::Always,
        timeout_ms: 60_000,
        ..JobPlan::new(format!("job {n}"), vec![step("first", vec![]), step("second", vec![0])])
    };
    Arc::new(Plan::new("Build", ".gantry.yml", (0..jobs).map(job).collect()))
}

pub fn new_run(repo: &Repo, branch: &str) -> NewRun {
    NewRun {
        id: RunId::new(&Clock::System),
        repo_name: repo.name.clone(),
        trigger: trigger(branch),
        plan: plan(2),
        problems: Vec::new(),
        ended: None,
        rerun_of: None,
        begun: Vec::new(),
    }
}

pub fn intake(repo: &Repo, now: i64) -> Intake {
    Intake::new(repo.id.clone(), at(now))
}

/// An open store with one repository `roof`.
pub async fn with_repo(place: &Place) -> (Store, Repo) {
    let (store, repo) = (place.open().await, repo("roof"));
    store.add_repo(&repo).await.unwrap();
    (store, repo)
}

/// Makes a run of the repository.
pub async fn make_run(store: &Store, repo: &Repo, branch: &str, now: i64) -> gantry::run::Run {
    let runs = store.take_in(Intake { runs: vec![new_run(repo, branch)], ..intake(repo, now) }).await.unwrap();
    runs.into_iter().next().unwrap()
}
