//! One commit and one reason to look at it. Blocking.

use std::collections::BTreeMap;

use super::files::{Planned, Unmeant, plan_files};
use crate::git::{self, Commit, Mirror};
use crate::pipeline::{Event, ReadOptions, Trigger};
use crate::server::handle::Shared;
use crate::store::Repo;

/// A reason to read the pipelines of a commit.
pub(super) struct Asked<'a> {
    pub event: Event,
    pub branch: Option<String>,
    pub tag: Option<String>,
    pub schedule: Option<String>,
    pub default_branch: Option<&'a str>,
    /// Why, as a sentence.
    pub because: String,
    /// The commit that the branch was at before, if it moved from one that is known.
    pub from: Option<&'a str>,
    /// Only this pipeline.
    pub pipeline: Option<&'a str>,
    pub inputs: BTreeMap<String, String>,
}

/// The trigger, and what each pipeline file of the commit says to it.
pub(super) fn read_commit(
    shared: &Shared,
    repo: &Repo,
    mirror: &Mirror,
    id: &str,
    asked: Asked<'_>,
) -> Result<(Trigger, Result<Vec<Planned>, Unmeant>), git::Error> {
    let Asked { event, branch, tag, schedule, default_branch, because, from, pipeline, inputs } = asked;
    let Commit { id, message, author, at: _ } = mirror.commit(id)?;
    let trigger = Trigger {
        event,
        repo: repo.name.clone(),
        url: git::public_url(&repo.url),
        branch: branch.unwrap_or_default(),
        tag,
        commit: id,
        message,
        author,
        default_branch: default_branch.unwrap_or_default().to_owned(),
        because,
        inputs,
        schedule,
        pull_request: None,
    };
    let pipelines = mirror.pipeline_files(&trigger.commit)?;
    let changes = match from {
        Some(from) => mirror.changed_paths(from, &trigger.commit)?,
        None => None,
    };
    let files = mirror.files(&trigger.commit);
    let options = ReadOptions {
        image_needed: shared.fleet.needs_image(),
        changes: changes.as_deref(),
        files: Some(&files),
        ..ReadOptions::default()
    };
    let planned = plan_files(&pipelines, pipeline, &trigger, &options);
    Ok((trigger, planned))
}
