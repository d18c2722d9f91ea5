//! Files that no row stands for: mirrors of repositories that are gone, logs of runs that are gone. And mirrors that have grown too large.
//!
//! **Invariants:** only what is named by one of our ids is touched; names are listed before rows are read, and a row is written before its files are
//! made, so what is just being made is never taken for left over; a mirror is exchanged only while nobody reads it and no run of its repository is
//! under way, and is there again in the same moment.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::base::{RepoId, Size, Tasks};
use crate::git::{self, Mirror};
use crate::server::handle::Shared;
use crate::store::{self, Repo};

/// What a mirror is called after its repository's id; while it is made anew; and when it is over.
const MIRROR: &str = "git";
const ANEW: &str = "anew";
const OVER: &str = "over";
/// A mirror is made anew once in this time at most: it holds nothing yet that a fetch would not bring again.
const YOUNG: Duration = Duration::from_secs(24 * 60 * 60);

/// Removes mirrors that belong to no repository, and what an earlier end left beside them.
pub(super) async fn sweep_mirrors(shared: &Shared) -> Result<(), store::Error> {
    let dir = shared.layout.mirrors();
    let found = blocking(&shared.tasks, move || named(&dir)).await.unwrap_or_default();
    let repos = shared.store.repos().await?;
    for (id, kind, path) in found {
        let is_left = kind != MIRROR || repos.iter().all(|repo| repo.id != id);
        if is_left && blocking(&shared.tasks, move || remove(&path)).await.is_some() {
            tracing::info!(repo = %id, "removed a mirror that no repository needs");
        }
    }
    Ok(())
}

/// Removes logs of runs that the database does not know.
pub(super) async fn sweep_logs(shared: &Shared) -> Result<(), store::Error> {
    let logs = shared.store.logs().clone();
    let Some(runs) = blocking(&shared.tasks, move || logs.runs()).await else { return Ok(()) };
    for run in runs {
        if !shared.store.has_run(&run).await? {
            let (logs, of) = (shared.store.logs().clone(), run.clone());
            if blocking(&shared.tasks, move || logs.remove_run(&of)).await.is_some() {
                tracing::info!(%run, "removed the logs of a run that is gone");
            }
        }
    }
    Ok(())
}

/// Makes mirrors anew while all together are larger than they may be, the largest first: what forced pushes, removed branches and many small fetches
/// left in them does not come again.
pub(super) async fn renew_mirrors(shared: &Arc<Shared>) -> Result<(), store::Error> {
    let budget = shared.config.keep.mirrors;
    let repos = shared.store.repos().await?;
    let (layout, now) = (shared.layout.clone(), shared.clock.now());
    let measured = blocking(&shared.tasks, move || {
        let mut sizes = Vec::new();
        for repo in repos {
            let mirror = layout.mirror(&repo.id);
            if let Some(made) = made_ms(&mirror)? {
                let is_young = now.0.saturating_sub(made) < i64::try_from(YOUNG.as_millis()).unwrap_or(i64::MAX);
                sizes.push((size(&mirror)?, is_young, repo));
            }
        }
        Ok(sizes)
    });
    let Some(mut sizes) = measured.await else { return Ok(()) };
    let mut total: u64 = sizes.iter().map(|(size, ..)| size).sum();
    sizes.sort_by_key(|(size, ..)| std::cmp::Reverse(*size));
    for (before, is_young, repo) in sizes {
        if total <= budget {
            break;
        }
        if is_young || shared.store.unfinished().await?.iter().any(|run| run.repo == repo.id) {
            continue;
        }
        match renew(shared, repo.clone()).await? {
            Some(after) => {
                let (from, to) = (Size(before), Size(after));
                tracing::info!(repo = %repo.name, %from, %to, "a mirror was made anew, since all mirrors are larger than they may be");
                total = total.saturating_sub(before.saturating_sub(after));
            }
            None => {
                tracing::info!(repo = %repo.name, "a mirror is too large, and could not be made anew; the next round tries again")
            }
        }
    }
    Ok(())
}

/// Fetches into a new mirror and exchanges the two; answers the new one's size. `None`: the old one stays.
async fn renew(shared: &Arc<Shared>, repo: Repo) -> Result<Option<u64>, store::Error> {
    let mirror = shared.layout.mirror(&repo.id);
    let (anew, over) = (mirror.with_extension(ANEW), mirror.with_extension(OVER));
    let (dir, with, url) = (anew.clone(), Arc::clone(shared), repo.url.clone());
    let fetched = shared.tasks.spawn_blocking(move || -> Result<(), git::Error> {
        Mirror::open(&dir)?.fetch(&url, &with.config.credentials).map(drop)
    });
    let fetched = matches!(fetched.await, Ok(Ok(())));
    let lock = shared.watchers.mirror(&repo.id);
    let exchanged = {
        let _nobody_reads = lock.lock().await;
        let still = shared.store.repo_by_id(&repo.id).await?.is_some();
        let used = shared.store.unfinished().await?.iter().any(|run| run.repo == repo.id);
        let exchange = || std::fs::rename(&mirror, &over).and_then(|()| std::fs::rename(&anew, &mirror));
        fetched && still && !used && exchange().is_ok()
    };
    for left in [anew, over] {
        if left.exists() {
            blocking(&shared.tasks, move || remove(&left)).await;
        }
    }
    Ok(if exchanged { blocking(&shared.tasks, move || size(&mirror)).await } else { None })
}

/// Work that blocks. `None` when it failed, which is told, or when the server ends.
async fn blocking<T: Send + 'static>(tasks: &Tasks, work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Option<T> {
    match tasks.spawn_blocking(work).await {
        Ok(Ok(done)) => Some(done),
        Ok(Err(error)) => {
            tracing::warn!(%error, "files could not be tidied; the next round tries again");
            None
        }
        Err(_) => None,
    }
}

/// Removes a directory; one that goes meanwhile is fine.
fn remove(dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// What is named after a repository: `ID.KIND`, KIND being one of ours.
fn named(dir: &Path) -> io::Result<Vec<(RepoId, &'static str, PathBuf)>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some((id, kind)) = name.to_str().and_then(|name| name.split_once('.')) else { continue };
        let kind = [MIRROR, ANEW, OVER].into_iter().find(|known| *known == kind);
        if let (Ok(id), Some(kind), true) = (id.parse(), kind, entry.file_type()?.is_dir()) {
            found.push((id, kind, entry.path()));
        }
    }
    Ok(found)
}

/// When a mirror was made: its settings are written then and never again.
fn made_ms(mirror: &Path) -> io::Result<Option<i64>> {
    let meta = match std::fs::metadata(mirror.join("config")) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let since = meta.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Ok(i64::try_from(since.as_millis()).ok())
}

/// Bytes on the disk of everything below. What goes meanwhile, and what may not be looked into, is not counted.
pub(in crate::server) fn size(dir: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        let entries = match std::fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => continue,
            Err(error) => return Err(error),
        };
        for entry in entries.flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            bytes += meta.blocks() * 512;
            if meta.is_dir() {
                dirs.push(entry.path());
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Clock;

    #[test]
    fn only_what_bears_an_id_of_ours_is_found() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(named(&dir.path().join("none")).unwrap(), []);
        let id = RepoId::new(&Clock::System);
        for name in [format!("{id}.git"), format!("{id}.anew"), format!("{id}.mine"), format!("{id}"), "notes.git".to_owned()] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        std::fs::write(dir.path().join(format!("{}.git", RepoId::new(&Clock::System))), "a file").unwrap();
        let mut kinds: Vec<&str> = named(dir.path()).unwrap().into_iter().map(|(_, kind, _)| kind).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, ["anew", "git"]);
    }
}
