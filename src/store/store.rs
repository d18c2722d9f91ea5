//! The store's door (bodies are being filled in).

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Delivery, Error, Intake, Logs, Note, Page, Repo, RepoStatus, RunFilter, RunSummary, StoredEvent};
use crate::base::{InstanceId, RepoId, RunId, Timestamp};
use crate::run::Run;
use crate::schedule::Change;

/// Where rows and logs are.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    pub database: Database,
    /// Directory of the log files; made when there is none.
    pub logs: PathBuf,
}

/// Which database.
#[derive(Clone)]
pub enum Database {
    /// SQLite, in this file; made (readable by its owner only) when there is none.
    File(PathBuf),
    /// SQLite in memory: gone with the store.
    Memory,
    /// `postgres://user:password@host/database`.
    Url(String),
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Database::File(path) => f.debug_tuple("File").field(path).finish(),
            Database::Memory => f.write_str("Memory"),
            Database::Url(_) => f.write_str("Url(hidden)"),
        }
    }
}

/// Rows and logs. Cheap to clone; all clones are the same store.
#[derive(Debug, Clone)]
pub struct Store {
    logs: Logs,
}

#[expect(
    clippy::unused_async,
    clippy::todo,
    unused_variables,
    reason = "signatures first, bodies follow"
)]
impl Store {
    /// Opens the database, making it or bringing its schema up to date.
    pub async fn open(config: &StoreConfig) -> Result<Store, Error> {
        todo!()
    }
    /// Closes the connections once nobody uses them any more. Not needed for safety: what was committed stays.
    pub async fn close(&self) {
        todo!()
    }
    /// The log files.
    #[must_use]
    pub fn logs(&self) -> &Logs {
        &self.logs
    }
    /// The id of this database: made once, then always the same.
    pub async fn instance(&self) -> Result<InstanceId, Error> {
        todo!()
    }
    /// Adds a repository; [`Error::NameTaken`].
    pub async fn add_repo(&self, repo: &Repo) -> Result<(), Error> {
        todo!()
    }
    /// All repositories, by name.
    pub async fn repos(&self) -> Result<Vec<Repo>, Error> {
        todo!()
    }
    /// The repository of that name.
    pub async fn repo(&self, name: &str) -> Result<Option<Repo>, Error> {
        todo!()
    }
    /// The repository with that id.
    pub async fn repo_by_id(&self, id: &RepoId) -> Result<Option<Repo>, Error> {
        todo!()
    }
    /// Removes a repository with its runs, refs, notes and deliveries; tells which runs went, so that their logs can go too.
    pub async fn remove_repo(&self, id: &RepoId, now: Timestamp) -> Result<Vec<RunId>, Error> {
        todo!()
    }
    /// Keeps how watching goes. Tells whether that is news; when it is not, the time of the older status stays.
    pub async fn set_repo_status(&self, id: &RepoId, status: &RepoStatus, default_branch: Option<&str>) -> Result<bool, Error> {
        todo!()
    }
    /// What was last taken in: full ref name to commit.
    pub async fn refs(&self, repo: &RepoId) -> Result<BTreeMap<String, String>, Error> {
        todo!()
    }
    /// Takes in what a poll or delivery brought, in one transaction; answers the runs it made.
    pub async fn take_in(&self, intake: Intake) -> Result<Vec<Run>, Error> {
        todo!()
    }
    /// The newest notes first.
    pub async fn notes(&self, repo: &RepoId, limit: u32) -> Result<Vec<Note>, Error> {
        todo!()
    }
    /// Keeps a webhook. After this it is not lost. No error when it is already kept.
    pub async fn keep_delivery(&self, delivery: &Delivery) -> Result<(), Error> {
        todo!()
    }
    /// Kept webhooks that no intake has answered yet, oldest first.
    pub async fn open_deliveries(&self) -> Result<Vec<Delivery>, Error> {
        todo!()
    }
    /// Writes changed states and their events in one transaction; answers the highest sequence number.
    pub async fn commit(&self, changes: &[Change], now: Timestamp) -> Result<i64, Error> {
        todo!()
    }
    /// Runs that have not ended, oldest first, exactly as they were committed.
    pub async fn unfinished(&self) -> Result<Vec<Run>, Error> {
        todo!()
    }
    /// The run with that id.
    pub async fn run(&self, id: &RunId) -> Result<Option<Run>, Error> {
        todo!()
    }
    /// A page of runs, newest first.
    pub async fn runs(&self, filter: &RunFilter) -> Result<Page<RunSummary>, Error> {
        todo!()
    }
    /// Events after `seq` in order, of all or of one run.
    pub async fn events_after(&self, seq: i64, run: Option<&RunId>, limit: u32) -> Result<Vec<StoredEvent>, Error> {
        todo!()
    }
    /// The highest sequence number given so far; 0 at first.
    pub async fn last_event(&self) -> Result<i64, Error> {
        todo!()
    }
}
