//! Where a workspace's content comes from: the mirror of a watched repository, or the work tree that `gantry run` stands in.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use crate::base::{JobKey, Size, Timestamp};
use crate::executor::{Executor, JobDirs, Layers, Users};
use crate::git::{self, Access, Bases, Checkout, Credentials, Mirror, Submodules, Times, Told, WorkTree};
use crate::pipeline::CheckoutPlan;
use crate::run::{Run, goes_on};

use super::handle::Shared;
use super::{Layout, kept};

/// Where the content comes from.
#[derive(Clone)]
pub enum Source {
    Mirrors(Layout),
    WorkTree(Arc<WorkTree>),
}

impl Source {
    /// Directories that steps must see under the same path: the objects that the workspace's `.git` borrows.
    fn shared(&self, run: &Run, key: &JobKey) -> Vec<PathBuf> {
        match self {
            Source::Mirrors(layout) => {
                let modules = checkout_of(run, key).submodules.then(|| layout.submodules(&run.repo, is_trusted(run)));
                [layout.mirror(&run.repo).join("objects")].into_iter().chain(modules).collect()
            }
            Source::WorkTree(work_tree) => work_tree.objects_dir().into_iter().collect(),
        }
    }
}

/// What there is to say about a job's work tree, in the job's directory until a step's log has it.
const NOTES: &str = "notes";
const NOTES_SAID: &str = "notes.said";
const GOES_ON: &str = "the job goes on in the work tree that it left in an earlier run; the steps before are taken over";
const LFS: &str =
    "some files are pointers of Git LFS and are left as they are; a step that needs what they stand for runs `git lfs pull`";

impl Shared {
    /// A job's directories as they are: with layers where its work tree was made of them.
    pub fn dirs(&self, run: &Run, key: &JobKey) -> JobDirs {
        let base = self.bases.under(&self.layout.job_root(key));
        self.layout.job(key, self.source.shared(run, key), base)
    }

    /// What makes the work tree of a job.
    pub async fn filling(&self, executor: &dyn Executor, run: &Run, key: &JobKey) -> Filling {
        let restores = restores(run, key);
        let users = self.users(executor, run, key).await;
        let layered = match &self.source {
            Source::WorkTree(_) => false,
            // What is in a kept work tree may be older than the cache, and a build that goes by times would take what was built of another commit for
            // up to date.
            Source::Mirrors(_) if restores => false,
            // It would be kept with modes that it may not need.
            Source::Mirrors(_) if users == Users::Unknown => false,
            // Each submodule has a mirror of its own, and a kept work tree is of one.
            Source::Mirrors(_) if checkout_of(run, key).submodules => false,
            // An engine that does not answer says so when it is asked for the network.
            Source::Mirrors(_) => matches!(executor.layers(&self.layout.work()).await, Ok(Ok(()))),
        };
        Filling {
            source: self.source.clone(),
            bases: Arc::clone(&self.bases),
            dirs: self.layout.job(key, Vec::new(), layered.then(PathBuf::new)),
            checkout: checkout_of(run, key),
            access: match users {
                Users::Owner => Access::Owner,
                Users::Others | Users::Unknown => Access::Everyone,
            },
            own_url: self.own_url(run).await,
            credentials: is_trusted(run).then(|| self.config.credentials.clone()),
            times: if restores { Times::Now } else { Times::Settled },
            now: self.clock.now(),
            goes_on: run.jobs.get(key.job as usize).is_some_and(goes_on),
            budget: self.config.keep.workspaces.saturating_sub(self.kept.bytes()),
        }
    }

    /// As whom the job's steps run. Where that is not known everybody may write: the alternative is a step that cannot work.
    async fn users(&self, executor: &dyn Executor, run: &Run, key: &JobKey) -> Users {
        let steps = run.plan.jobs.get(key.job as usize).map_or(&[][..], |job| &job.steps);
        let images = steps.iter().filter_map(|step| step.image.as_ref());
        match images.map(|image| image.fixed().map(str::to_owned)).collect::<Option<BTreeSet<String>>>() {
            Some(images) => executor.users(&images).await.unwrap_or(Users::Unknown),
            // One that only the run knows.
            None => Users::Unknown,
        }
    }

    /// One that is not watched any more has no secrets left.
    async fn own_url(&self, run: &Run) -> String {
        let found = self.store.repo_by_id(&run.repo).await;
        found.ok().flatten().map_or_else(|| run.trigger.url.clone(), |repo| repo.url)
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

fn checkout_of(run: &Run, key: &JobKey) -> CheckoutPlan {
    run.plan.jobs.get(key.job as usize).map(|job| job.checkout).unwrap_or_default()
}

/// Whether what this run is of may ask for what only the server's credentials show.
fn is_trusted(run: &Run) -> bool {
    !run.trigger.pull_request.as_ref().is_some_and(|pull_request| pull_request.fork)
}

/// A work tree to be made.
pub(super) struct Filling {
    source: Source,
    bases: Arc<Bases>,
    /// With layers, whose base is not known yet, if it shall have them.
    dirs: JobDirs,
    checkout: CheckoutPlan,
    access: Access,
    /// The repository's address as it was added, with what may be secret in it.
    own_url: String,
    /// None: what everybody may see.
    credentials: Option<Credentials>,
    times: Times,
    now: Timestamp,
    /// It is there, as an older run's job left it.
    goes_on: bool,
    budget: u64,
}

impl Filling {
    /// Makes it anew, whatever was there, or sees that it is there where the job goes on in it. Blocking.
    ///
    /// # Errors
    /// A sentence.
    pub fn make(&self, run: &Run) -> Result<(), String> {
        let JobDirs { root, workspace, shared: _, layers } = &self.dirs;
        if self.goes_on {
            kept::was_handed_over(root).map_err(|why| format!("{why}: run it again from its first step on"))?;
            return self.note(GOES_ON);
        }
        std::fs::create_dir_all(root).map_err(|error| format!("{} cannot be made: {error}", root.display()))?;
        match &self.source {
            Source::Mirrors(layout) => {
                let told = self.check_out(layout, run).map_err(|error| error.to_string())?;
                if told.lfs_pointers > 0 { self.note(LFS) } else { Ok(()) }
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

    fn note(&self, sentence: &str) -> Result<(), String> {
        let notes = self.dirs.root.join(NOTES);
        std::fs::write(&notes, sentence).map_err(|error| format!("{} cannot be written: {error}", notes.display()))
    }

    fn check_out(&self, layout: &Layout, run: &Run) -> Result<Told, git::Error> {
        let JobDirs { root, workspace, shared: _, layers } = &self.dirs;
        let trigger = &run.trigger;
        let branch = (!trigger.branch.is_empty()).then(|| trigger.branch.clone());
        let (times, access, depth) = (self.times, self.access, self.checkout.depth);
        let at = Checkout { times, access, depth, ..Checkout::of(trigger.commit.clone(), branch, trigger.url.clone()) };
        let mirror = Mirror::open(&layout.mirror(&run.repo))?;
        let Some(Layers { base: _, upper, work }) = layers else {
            self.bases.leave(root)?;
            let told = mirror.checkout(&at, workspace)?;
            if !self.checkout.submodules {
                return Ok(told);
            }
            let mirrors = &layout.submodules(&run.repo, is_trusted(run));
            git::make_dir(mirrors)?;
            let from = Submodules { url: &self.own_url, credentials: self.credentials.as_ref(), mirrors };
            return Ok(told.and(mirror.checkout_submodules(&at, workspace, &from)?));
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
