//! Where a workspace's content comes from: the mirror of a watched repository, or the work tree that `gantry run` stands in.

use std::path::PathBuf;
use std::sync::Arc;

use crate::base::{JobKey, Size, Timestamp};
use crate::executor::{JobDirs, Layers};
use crate::git::{self, Bases, Checkout, Mirror, Times, Told, WorkTree};
use crate::run::Run;

use super::Layout;
use super::handle::Shared;

/// Where the content comes from.
#[derive(Clone)]
pub enum Source {
    Mirrors(Layout),
    WorkTree(Arc<WorkTree>),
}

impl Source {
    /// Directories that steps must see under the same path: the objects that the workspace's `.git` borrows.
    fn shared(&self, run: &Run) -> Vec<PathBuf> {
        match self {
            Source::Mirrors(layout) => vec![layout.mirror(&run.repo).join("objects")],
            Source::WorkTree(work_tree) => work_tree.objects_dir().into_iter().collect(),
        }
    }
}

/// What there is to say about a job's work tree, in the job's directory until a step's log has it.
const NOTES: &str = "notes";
const NOTES_SAID: &str = "notes.said";
const LFS: &str =
    "some files are pointers of Git LFS and are left as they are; a step that needs what they stand for runs `git lfs pull`";

impl Shared {
    /// A job's directories as they are: with layers where its work tree was made of them.
    pub fn dirs(&self, run: &Run, key: &JobKey) -> JobDirs {
        let base = self.bases.under(&self.layout.job_root(key));
        self.layout.job(key, self.source.shared(run), base)
    }

    /// What makes the work tree of a job.
    pub async fn filling(&self, run: &Run, key: &JobKey) -> Filling {
        let restores = restores(run, key);
        let layered = match &self.source {
            Source::WorkTree(_) => false,
            // What is in a kept work tree may be older than the cache, and a build that goes by times would take what was built of another commit for
            // up to date.
            Source::Mirrors(_) if restores => false,
            // An engine that does not answer says so when it is asked for the network.
            Source::Mirrors(_) => matches!(self.executor.layers(&self.layout.work()).await, Ok(Ok(()))),
        };
        Filling {
            source: self.source.clone(),
            bases: Arc::clone(&self.bases),
            dirs: self.layout.job(key, Vec::new(), layered.then(PathBuf::new)),
            times: if restores { Times::Now } else { Times::Settled },
            now: self.clock.now(),
            budget: self.config.keep.bases,
        }
    }

    /// What there is to say about a job's work tree; said once.
    pub async fn notes(&self, key: &JobKey) -> Vec<String> {
        let root = self.layout.job_root(key);
        let said = root.join(NOTES_SAID);
        // Of steps that start at once, the one that takes the file away says it.
        match tokio::fs::rename(root.join(NOTES), &said).await {
            Ok(()) => tokio::fs::read_to_string(&said).await.unwrap_or_default().lines().map(str::to_owned).collect(),
            Err(_) => Vec::new(),
        }
    }
}

/// Removes what an earlier life left of work trees that it was making or removing. To be called before anything is made; removes in the background.
pub(super) fn sweep(shared: &Shared) {
    let removed = shared.bases.leftovers().map(|left| {
        shared.tasks.spawn_blocking(move || {
            for path in left {
                if let Err(error) = std::fs::remove_dir_all(&path) {
                    tracing::warn!(path = %path.display(), %error, "what an earlier end left half done could not be removed");
                }
            }
        })
    });
    if let Err(error) = removed {
        tracing::warn!(%error, "the kept work trees could not be looked through");
    }
}

/// Whether a step of this job may put a cache beside its work tree.
fn restores(run: &Run, key: &JobKey) -> bool {
    run.plan.jobs.get(key.job as usize).is_some_and(|job| job.steps.iter().any(|step| !step.cache.is_empty()))
}

/// A work tree to be made.
pub(super) struct Filling {
    source: Source,
    bases: Arc<Bases>,
    /// With layers, whose base is not known yet, if it shall have them.
    dirs: JobDirs,
    times: Times,
    now: Timestamp,
    budget: u64,
}

impl Filling {
    /// Makes it anew, whatever was there. Blocking.
    ///
    /// # Errors
    /// A sentence.
    pub fn make(&self, run: &Run) -> Result<(), String> {
        let JobDirs { root, workspace, shared: _, layers } = &self.dirs;
        std::fs::create_dir_all(root).map_err(|error| format!("{} cannot be made: {error}", root.display()))?;
        match &self.source {
            Source::Mirrors(layout) => {
                let told = self.from_mirror(layout, run).map_err(|error| error.to_string())?;
                if told.lfs_pointers > 0 {
                    let notes = root.join(NOTES);
                    std::fs::write(&notes, LFS).map_err(|error| format!("{} cannot be written: {error}", notes.display()))?;
                }
                Ok(())
            }
            Source::WorkTree(work_tree) => {
                debug_assert!(layers.is_none(), "a copy has no base");
                for note in work_tree.copy_into(workspace).map_err(|error| error.to_string())? {
                    tracing::warn!("{note}");
                }
                Ok(())
            }
        }
    }

    fn from_mirror(&self, layout: &Layout, run: &Run) -> Result<Told, git::Error> {
        let JobDirs { root, workspace, shared: _, layers } = &self.dirs;
        let trigger = &run.trigger;
        let branch = (!trigger.branch.is_empty()).then(|| trigger.branch.clone());
        let at = Checkout { times: self.times, ..Checkout::of(trigger.commit.clone(), branch, trigger.url.clone()) };
        let mirror = Mirror::open(&layout.mirror(&run.repo))?;
        let Some(Layers { base: _, upper, work }) = layers else {
            self.bases.leave(root)?;
            return mirror.checkout(&at, workspace);
        };
        let layer = self.bases.layer(&mirror, run.repo.as_str(), &at, (root, upper), self.now)?;
        git::make_empty(work)?;
        if layer.is_new_base {
            let gone = self.bases.evict(self.budget)?;
            if gone > 0 {
                tracing::info!(bytes = %Size(gone), "kept work trees went: there is room for so many");
            }
        }
        Ok(layer.told)
    }
}
