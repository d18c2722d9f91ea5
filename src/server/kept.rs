//! Work trees of jobs that failed, kept for whoever wants to look into them or go on in them.
//!
//! **Invariants:** until when a tree is kept stands in its job's state, and that it is there is said by a mark in the job's directory, so both survive a
//! crash; one of an earlier boot of the machine, whose files may never have reached the disk, counts as gone; none goes while somebody is in it; all
//! together take at most half of what kept work trees may take, the oldest go first, and those that jobs stand on have the rest.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::engine::jobs_on_disk;
use super::fleet::Engine;
use super::handle::{Refusal, Shared};
use super::keep::disk::size;
use crate::base::{JobIx, JobKey, RunId, Size, Timestamp};
use crate::git::this_boot;
use crate::run::Run;

/// In a job's directory: [`Mark`], as JSON.
const MARK: &str = "kept";
/// The same of a tree that went over to a job which goes on in it.
const HANDED: &str = "handed-over";

/// That the work tree is there, and nothing else of its job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    /// The boot of the machine during which it was last written in.
    boot: String,
    at: Timestamp,
    bytes: u64,
    /// It is being removed: what is left of it is no work tree.
    going: bool,
}

impl Mark {
    fn read(root: &Path) -> Option<Self> {
        Self::read_as(root, MARK)
    }

    fn read_as(root: &Path, name: &str) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(root.join(name)).ok()?).ok()
    }

    /// In one step, so that no half of it is ever read.
    fn write(&self, root: &Path) -> io::Result<()> {
        let mut draft = tempfile::NamedTempFile::new_in(root)?;
        serde_json::to_writer(&mut draft, self)?;
        draft.persist(root.join(MARK)).map(drop).map_err(|error| error.error)
    }

    fn stands(&self) -> bool {
        !self.going && self.boot == this_boot()
    }
}

/// Who is in which of them.
#[derive(Default)]
pub(super) struct Kept {
    uses: Mutex<BTreeMap<JobKey, Use>>,
    /// What all of them take, as it was last reckoned.
    bytes: AtomicU64,
}

enum Use {
    /// So many are in it.
    Held(u32),
    /// It is being made, moved or removed.
    Claimed,
}

/// A kept work tree stays as it is for as long as this lives.
pub(super) struct Hold {
    kept: Arc<Kept>,
    key: JobKey,
}

impl Kept {
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// For one more to be in it; `None` while it is claimed.
    fn hold(self: &Arc<Self>, key: &JobKey) -> Option<Hold> {
        let mut uses = self.uses();
        match uses.entry(key.clone()).or_insert(Use::Held(0)) {
            Use::Held(count) => *count += 1,
            Use::Claimed => return None,
        }
        Some(Hold { kept: Arc::clone(self), key: key.clone() })
    }

    /// For one alone; `None` while anybody else has to do with it.
    pub fn claim(self: &Arc<Self>, key: &JobKey) -> Option<Hold> {
        let mut uses = self.uses();
        if uses.contains_key(key) {
            return None;
        }
        uses.insert(key.clone(), Use::Claimed);
        Some(Hold { kept: Arc::clone(self), key: key.clone() })
    }

    /// Whether anybody has to do with it.
    pub fn is_used(&self, key: &JobKey) -> bool {
        self.uses().contains_key(key)
    }

    fn uses(&self) -> MutexGuard<'_, BTreeMap<JobKey, Use>> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut uses = self.kept.uses();
        match uses.get_mut(&self.key) {
            Some(Use::Held(count)) if *count > 1 => *count -= 1,
            Some(Use::Held(_) | Use::Claimed) | None => drop(uses.remove(&self.key)),
        }
    }
}

/// Until when the work tree of a job is kept; `None` when it is not, or not any more.
pub(super) fn until(shared: &Shared, run: &Run, job: JobIx) -> Option<Timestamp> {
    let until = run.jobs.get(job as usize)?.state.kept_until()?;
    let root = shared.layout.job_root(&JobKey { run: run.id.clone(), job });
    (until > shared.clock.now() && Mark::read(&root).is_some_and(|mark| mark.stands())).then_some(until)
}

/// The kept work tree of a job, for somebody to be in it. `None` when there is none.
pub(super) fn hold(shared: &Shared, run: &Run, job: JobIx) -> Option<Hold> {
    let hold = shared.kept.hold(&JobKey { run: run.id.clone(), job })?;
    until(shared, run, job).map(|_| hold)
}

/// A work tree that is a new run's.
pub(super) struct HandedOver {
    from: JobKey,
    to: JobKey,
    /// Until the run is stored nobody may take it for left over.
    _claims: [Hold; 2],
}

/// Hands the kept work tree of a job over to the same job of a run that is about to be made. `None` when it is not there.
pub(super) async fn hand_over(shared: &Shared, old: &Run, job: JobIx, new: &RunId) -> Result<Option<HandedOver>, Refusal> {
    let [from, to] = [&old.id, new].map(|run| JobKey { run: run.clone(), job });
    let (Some(claim), Some(new_claim)) = (shared.kept.claim(&from), shared.kept.claim(&to)) else {
        let name = &old.plan.jobs[job as usize].name;
        let why = format!("a terminal is open in the work tree that `{name}` of run #{} left: leave it first", old.number);
        return Err(Refusal::Conflict(why));
    };
    if until(shared, old, job).is_none() {
        return Ok(None);
    }
    let [old_root, new_root] = [&from, &to].map(|key| shared.layout.job_root(key));
    // Nothing may be mounted that knows it by its old place. One that is not in the settings any more has nothing to say.
    if let Some(engine) = shared.fleet.of(old, job) {
        engine.executor.keep(&from, &old_root).await.map_err(|failure| Refusal::Unavailable(failure.to_string()))?;
    }
    let moved = shared.tasks.spawn_blocking(move || {
        // A crash in between leaves a tree without a mark, which gets one again.
        std::fs::rename(old_root.join(MARK), old_root.join(HANDED))?;
        std::fs::rename(&old_root, &new_root)
    });
    let moved = moved.await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
    moved.map_err(|error| Refusal::Unavailable(format!("the kept work tree cannot be moved: {error}")))?;
    Ok(Some(HandedOver { from, to, _claims: [claim, new_claim] }))
}

impl HandedOver {
    /// The run was not made after all.
    pub async fn give_back(self, shared: &Shared) {
        let [old_root, new_root] = [&self.from, &self.to].map(|key| shared.layout.job_root(key));
        let back = shared.tasks.spawn_blocking(move || {
            std::fs::rename(&new_root, &old_root)?;
            std::fs::rename(old_root.join(HANDED), old_root.join(MARK))
        });
        if let Ok(Err(error)) = back.await {
            tracing::warn!(job = %self.from, %error, "a kept work tree could not be given back; it is swept");
        }
    }
}

/// Whether a job that goes on in an older one's work tree has it: blocking.
///
/// # Errors
/// The sentence that says why not.
pub(super) fn was_handed_over(root: &Path) -> Result<(), String> {
    match Mark::read_as(root, HANDED) {
        Some(mark) if mark.stands() => Ok(()),
        Some(_) => Err("the machine was restarted since the work tree was kept in which it was to go on".to_owned()),
        None => Err("the work tree in which it was to go on is gone".to_owned()),
    }
}

/// Keeps the work tree of a job that has failed; all else of the job goes.
pub(super) async fn keep(shared: &Shared, engine: &Engine, key: &JobKey) {
    if keep_once(shared, engine, key).await {
        evict(shared).await;
    }
}

async fn keep_once(shared: &Shared, engine: &Engine, key: &JobKey) -> bool {
    // Somebody is in it already.
    let Some(_claim) = shared.kept.claim(key) else { return false };
    let root = shared.layout.job_root(key);
    match engine.executor.keep(key, &root).await {
        Ok(true) => {}
        Ok(false) => {
            shared.release(Some(engine), key).await;
            return false;
        }
        Err(error) => {
            tracing::warn!(job = %key, %error, "the work tree of a failed job is not kept yet; the next comparison tries again");
            return false;
        }
    }
    if let Err(error) = shared.store.forget_attempt_secrets(key).await {
        tracing::warn!(job = %key, %error, "what the job's steps were given is forgotten at the next start");
    }
    let at = shared.clock.now();
    let marked = shared.tasks.spawn_blocking(move || mark(&root, at)).await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
    if let Err(error) = &marked {
        tracing::warn!(job = %key, %error, "the work tree of a failed job cannot be marked as kept");
    }
    marked.is_ok()
}

/// Measures the tree and says that it is there. One that was kept before stays as old as it is.
fn mark(root: &Path, at: Timestamp) -> io::Result<()> {
    let at = Mark::read(root).filter(Mark::stands).map_or(at, |before| before.at);
    Mark { boot: this_boot(), at, bytes: size(root)?, going: false }.write(root)
}

/// What an ended job has left whose work tree is kept `until` then: what a crash left beside the tree goes, and the tree when its time is over.
pub(super) async fn look_after(shared: &Shared, engine: &Engine, (key, until): (&JobKey, Timestamp), is_in_engine: bool) {
    let mark = Mark::read(&shared.layout.job_root(key));
    if until <= shared.clock.now() || mark.as_ref().is_some_and(|mark| !mark.stands()) {
        if remove(shared, Some(engine), key).await {
            tracing::info!(job = %key, "the work tree of a failed job went: it was kept for as long as it should be");
        }
    } else if is_in_engine || mark.is_none() {
        keep(shared, engine, key).await;
    }
}

/// Removes a kept tree, unless somebody is in it. Whether it did.
async fn remove(shared: &Shared, engine: Option<&Engine>, key: &JobKey) -> bool {
    let Some(_claim) = shared.kept.claim(key) else { return false };
    let root = shared.layout.job_root(key);
    let going = shared.tasks.spawn_blocking(move || match Mark::read(&root) {
        Some(mark) => Mark { going: true, ..mark }.write(&root),
        None => Ok(()),
    });
    if let Ok(Err(error)) = going.await {
        tracing::debug!(job = %key, %error, "a work tree that goes could not be marked");
    }
    shared.release(engine, key).await;
    true
}

/// Removes the oldest while all together take more than they may.
pub(super) async fn evict(shared: &Shared) {
    let work = shared.layout.work();
    let found = shared.tasks.spawn_blocking(move || marks(&work)).await.unwrap_or_default();
    let mut total: u64 = found.iter().map(|(_, mark)| mark.bytes).sum();
    for (key, mark) in found {
        if total <= shared.config.keep.workspaces / 2 {
            break;
        }
        let run = shared.store.run(&key.run).await.ok().flatten();
        let engine = run.as_ref().and_then(|run| shared.fleet.of(run, key.job));
        if remove(shared, engine.map(|engine| &**engine), &key).await {
            tracing::info!(job = %key, bytes = %Size(mark.bytes), "the work tree of a failed job went: there is room for so many");
            total -= mark.bytes;
        }
    }
    shared.kept.bytes.store(total, Ordering::Relaxed);
}

/// Whoever is in one may have written in it.
pub(super) async fn measure(shared: &Shared) {
    let (work, now) = (shared.layout.work(), shared.clock.now());
    let measured = shared.tasks.spawn_blocking(move || {
        for (key, mark) in marks(&work) {
            // One that goes in this moment cannot be written in any more.
            if mark.stands() && self::mark(&work.join(key.to_string()), now).is_err() {
                tracing::debug!(job = %key, "a kept work tree could not be measured");
            }
        }
    });
    // It only ends with the server.
    let _ = measured.await;
}

/// All that are there, the oldest first.
fn marks(work: &Path) -> Vec<(JobKey, Mark)> {
    let jobs = jobs_on_disk(work).into_iter();
    let mut found: Vec<_> = jobs.filter_map(|key| Some((key.clone(), Mark::read(&work.join(key.to_string()))?))).collect();
    found.sort_by_key(|(_, mark)| mark.at);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Clock;

    fn key() -> JobKey {
        JobKey { run: RunId::new(&Clock::System), job: 0 }
    }

    #[test]
    fn many_may_be_in_a_kept_tree_and_it_goes_only_when_nobody_is() {
        let (kept, key) = (Arc::new(Kept::default()), key());
        let (one, two) = (kept.hold(&key), kept.hold(&key));
        assert!(one.is_some() && two.is_some() && kept.claim(&key).is_none());
        drop(one);
        assert!(kept.claim(&key).is_none(), "one is still in it");
        drop(two);
        let claim = kept.claim(&key);
        assert!(claim.is_some() && kept.hold(&key).is_none() && kept.claim(&key).is_none());
        drop(claim);
        assert!(kept.hold(&key).is_some());
        assert!(kept.claim(&self::key()).is_some(), "another one has nothing to do with it");
    }

    #[test]
    fn a_tree_of_another_boot_or_half_removed_is_none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Mark::read(dir.path()), None);
        std::fs::write(dir.path().join("file"), vec![1; 20_000]).unwrap();
        mark(dir.path(), Timestamp(5)).unwrap();
        let first = Mark::read(dir.path()).unwrap();
        assert!(first.stands() && first.bytes >= 20_000 && first.at == Timestamp(5), "{first:?}");
        mark(dir.path(), Timestamp(9)).unwrap();
        assert_eq!(Mark::read(dir.path()).unwrap().at, Timestamp(5), "it is as old as it was");
        assert!(!Mark { going: true, ..first.clone() }.stands());
        assert!(!Mark { boot: "another".to_owned(), ..first }.stands());
        std::fs::write(dir.path().join(MARK), "{").unwrap();
        assert_eq!(Mark::read(dir.path()), None);
    }

    #[test]
    fn the_oldest_comes_first() {
        let work = tempfile::tempdir().unwrap();
        let keys = [key(), key(), key()];
        for (key, at) in keys.iter().zip([30, 10, 20]) {
            let root = work.path().join(key.to_string());
            std::fs::create_dir(&root).unwrap();
            mark(&root, Timestamp(at)).unwrap();
        }
        std::fs::create_dir(work.path().join(key().to_string())).unwrap();
        let found: Vec<_> = marks(work.path()).into_iter().map(|(key, _)| key).collect();
        assert_eq!(found, [keys[1].clone(), keys[2].clone(), keys[0].clone()]);
    }
}
