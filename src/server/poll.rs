//! Watching: one task a repository, which polls at its interval or when poked.
//!
//! **Invariants:** at most one fetch per repository, and [`limits::FETCHES`] in all, at a time; whatever goes wrong is recorded as a sentence and the
//! watching goes on; a delivery stays open until a poll after it has succeeded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::base::{RepoId, limits};
use crate::store::{self, Repo};

use super::handle::Shared;
use super::intake;

/// The watched repositories.
pub(super) struct Watchers {
    by_repo: Mutex<HashMap<RepoId, Watcher>>,
    fetches: Arc<Semaphore>,
}

struct Watcher {
    poke: Arc<Notify>,
    end: CancellationToken,
    task: JoinHandle<()>,
    /// Held while the mirror is fetched or read from.
    mirror: Arc<tokio::sync::Mutex<()>>,
}

impl Default for Watchers {
    fn default() -> Self {
        Self { by_repo: Mutex::default(), fetches: Arc::new(Semaphore::new(limits::FETCHES)) }
    }
}

impl Watchers {
    fn by_repo(&self) -> MutexGuard<'_, HashMap<RepoId, Watcher>> {
        // Nothing that holds the lock can leave the map half changed.
        self.by_repo.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a repository be polled now, or once more when it is being polled already.
    pub fn poke(&self, repo: &RepoId) {
        if let Some(watcher) = self.by_repo().get(repo) {
            watcher.poke.notify_one();
        }
    }

    /// The lock on a repository's mirror.
    pub fn mirror(&self, repo: &RepoId) -> Arc<tokio::sync::Mutex<()>> {
        self.by_repo().get(repo).map(|watcher| Arc::clone(&watcher.mirror)).unwrap_or_default()
    }
}

/// Starts to watch every stored repository.
pub(super) async fn watch_all(shared: &Arc<Shared>) -> Result<(), store::Error> {
    for repo in shared.store.repos().await? {
        watch_one(shared, repo);
    }
    Ok(())
}

/// Starts to watch a repository; its first poll is now.
pub(super) fn watch_one(shared: &Arc<Shared>, repo: Repo) {
    let (poke, end, mirror) = (Arc::new(Notify::new()), CancellationToken::new(), Arc::default());
    let id = repo.id.clone();
    let work = watch(Arc::clone(shared), repo, Arc::clone(&poke), end.clone(), Arc::clone(&mirror));
    let task = shared.tasks.spawn(work);
    shared.watchers.by_repo().insert(id, Watcher { poke, end, task, mirror });
}

/// Stops watching a repository; a poll under way ends first.
pub(super) async fn unwatch(shared: &Shared, repo: &RepoId) {
    let watcher = shared.watchers.by_repo().remove(repo);
    if let Some(Watcher { end, task, .. }) = watcher {
        end.cancel();
        // A watcher that broke has ended too.
        let _ = task.await;
    }
}

async fn watch(shared: Arc<Shared>, repo: Repo, poke: Arc<Notify>, end: CancellationToken, mirror: Arc<tokio::sync::Mutex<()>>) {
    let ending = shared.tasks.ending.clone();
    let interval = Duration::from_millis(repo.poll_ms);
    let mut scheduled = None;
    loop {
        {
            let Ok(_turn) = Arc::clone(&shared.watchers.fetches).acquire_owned().await else { return };
            let _mirror = mirror.lock().await;
            if let Err(error) = intake::poll_once(&shared, &repo, &mut scheduled).await {
                tracing::error!(repo = %repo.name, %error, "what a poll found could not be stored; the next one finds it again");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = poke.notified() => {}
            () = end.cancelled() => return,
            () = ending.cancelled() => return,
        }
    }
}
