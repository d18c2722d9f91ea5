//! What is known of jobs that are not released, so that a release need not ask for it. After a crash it is not, and labels tell.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use super::Inner;
use super::sandbox::Joins;
use crate::base::JobKey;

#[derive(Default, Clone)]
pub(super) struct Known {
    pub root: PathBuf,
    pub images: BTreeSet<String>,
    pub joins: Option<Joins>,
}

impl Inner {
    pub(super) fn remember(&self, job: &JobKey, root: &Path, image: Option<&str>) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let known = jobs.entry(job.clone()).or_default();
        root.clone_into(&mut known.root);
        known.images.extend(image.map(str::to_owned));
    }

    pub(super) fn remember_joins(&self, job: &JobKey, joins: Joins) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).entry(job.clone()).or_default().joins = Some(joins);
    }

    pub(super) fn joins(&self, job: &JobKey) -> Option<Joins> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).get(job)?.joins.clone()
    }

    pub(super) fn knows(&self, job: &JobKey) -> bool {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).contains_key(job)
    }

    pub(super) fn root_of(&self, job: &JobKey) -> Option<PathBuf> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.get(job).map(|known| known.root.clone()).filter(|root| root.is_absolute())
    }

    /// What is known of a job that is to be released; put back if the release fails.
    pub(super) fn forget(&self, job: &JobKey) -> Known {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).remove(job).unwrap_or_default()
    }
}
