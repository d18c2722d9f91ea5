//! What the pipelines of a branch offer to whoever starts them by hand: read from the mirror as it was last fetched, and remembered, since pages
//! ask again at every change.
//!
//! **Invariant:** the answer is that of the commit which the branch was last taken in at; nothing is fetched.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::handle::{Refusal, Shared};
use crate::base::RepoId;
use crate::git::{self, Mirror};
use crate::pipeline::{self, Outline};
use crate::store::Repo;

/// A pipeline file of a branch.
#[derive(Debug)]
pub struct FileOutline {
    pub file: String,
    /// `None`: the file is not valid.
    pub outline: Option<Outline>,
}

/// A commit and its files.
type Known = (String, Arc<Vec<FileOutline>>);

/// The files of the commit that was asked for last, one commit a repository.
#[derive(Default)]
pub(super) struct Outlines {
    known: Mutex<HashMap<RepoId, Known>>,
}

impl Outlines {
    fn get(&self, repo: &RepoId, commit: &str) -> Option<Arc<Vec<FileOutline>>> {
        // Nothing that holds the lock can leave the map half changed.
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(repo).filter(|(of, _)| of == commit).map(|(_, files)| Arc::clone(files))
    }

    fn set(&self, repo: &RepoId, commit: String, files: Arc<Vec<FileOutline>>) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(repo.clone(), (commit, files));
    }

    pub(super) fn forget(&self, repo: &RepoId) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(repo);
    }
}

/// The pipeline files of a branch (the default one, if none is named), by path; none where there is no such branch.
pub(super) async fn of_branch(shared: &Arc<Shared>, repo: &Repo, branch: Option<&str>) -> Result<Arc<Vec<FileOutline>>, Refusal> {
    let Some(branch) = branch.or(repo.default_branch.as_deref()) else { return Ok(Arc::default()) };
    let mut refs = shared.store.refs(&repo.id).await?;
    let Some(commit) = refs.remove(&format!("refs/heads/{branch}")) else { return Ok(Arc::default()) };
    if let Some(known) = shared.outlines.get(&repo.id, &commit) {
        return Ok(known);
    }
    let (mirror, of) = (shared.layout.mirror(&repo.id), commit.clone());
    let read = shared.tasks.spawn_blocking(move || -> Result<Vec<FileOutline>, git::Error> {
        let files = Mirror::open(&mirror)?.pipeline_files(&of)?;
        let outlined = files.into_iter().map(|file| {
            let outline = pipeline::outline(&file.path, &file.text);
            FileOutline { file: file.path, outline }
        });
        Ok(outlined.collect())
    });
    let read = read.await.map_err(|panic| Refusal::Unavailable(format!("reading the pipelines broke: {panic}")))?;
    let files = Arc::new(read.map_err(|error| Refusal::Unavailable(error.to_string()))?);
    shared.outlines.set(&repo.id, commit, Arc::clone(&files));
    Ok(files)
}
