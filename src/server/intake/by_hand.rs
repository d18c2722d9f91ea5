//! Someone asks for a run: the pipelines of a branch's head run, whatever their `on` says. All that was asked for is made, or nothing is.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::commit::{Asked, read_commit};
use super::files::Planned;
use super::made::{Made, made};
use crate::git::{self, Mirror};
use crate::pipeline::{Event, Reading};
use crate::run::Run;
use crate::server::handle::{Refusal, Shared};
use crate::store::{Intake, Repo};

/// What someone asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ByHand {
    /// The repository's own, if none is named.
    pub branch: Option<String>,
    /// All of them, if none is named.
    pub pipeline: Option<String>,
    /// By name, as text.
    pub inputs: BTreeMap<String, String>,
}

/// Runs the pipelines of a branch's head, since a person asked for it.
pub(in crate::server) async fn by_hand(shared: &Arc<Shared>, repo: &Repo, asked: &ByHand, by: &str) -> Result<Vec<Run>, Refusal> {
    let mirror = shared.watchers.mirror(&repo.id);
    let _mirror = mirror.lock().await;
    let (with, of, asked, by) = (Arc::clone(shared), repo.clone(), asked.clone(), by.to_owned());
    let looked = shared.tasks.spawn_blocking(move || look(&with, &of, &asked, &by)).await;
    let Made { runs, notes } = looked.map_err(|panic| Refusal::Unavailable(format!("the fetch broke: {panic}")))??;
    if runs.is_empty() {
        let why = notes.into_iter().map(|note| note.sentence).collect::<Vec<_>>().join("; ");
        return Err(Refusal::Conflict(why));
    }
    let intake = Intake { runs, notes, ..Intake::new(repo.id.clone(), shared.clock.now()) };
    Ok(shared.take_in(intake).await?)
}

/// Fetches and reads. Blocking.
fn look(shared: &Shared, repo: &Repo, asked: &ByHand, by: &str) -> Result<Made, Refusal> {
    let unavailable = |error: git::Error| Refusal::Unavailable(error.to_string());
    let mirror = Mirror::open(&shared.layout.mirror(&repo.id)).map_err(unavailable)?;
    let snapshot = mirror.fetch(&repo.url, &shared.config.credentials).map_err(unavailable)?;
    let branch = asked.branch.clone().or_else(|| snapshot.default_branch.clone());
    let branch = branch.ok_or_else(|| Refusal::Conflict(format!("`{}` has no branch yet: push a commit first", repo.name)))?;
    let id = snapshot.refs.get(&format!("refs/heads/{branch}"));
    let id = id.ok_or_else(|| Refusal::NotFound(format!("`{}` has no branch `{branch}`", repo.name)))?;
    let asked = Asked {
        event: Event::Manual,
        branch: Some(branch),
        tag: None,
        schedule: None,
        default_branch: snapshot.default_branch.as_deref(),
        because: format!("{by} asked for it"),
        from: None,
        pipeline: asked.pipeline.as_deref(),
        inputs: asked.inputs.clone(),
    };
    let (trigger, planned) = read_commit(shared, repo, &mirror, id, asked).map_err(unavailable)?;
    let planned = planned.map_err(|unmeant| Refusal::Unprocessable(unmeant.sentence().to_owned()))?;
    let refused: Vec<String> = planned.iter().filter_map(refusal).collect();
    if refused.is_empty() {
        Ok(made(shared, &repo.name, &trigger, planned))
    } else {
        Err(Refusal::Unprocessable(refused.join("; ")))
    }
}

/// Why a file does not take the inputs, if it does not.
fn refusal(planned: &Planned) -> Option<String> {
    match &planned.reading {
        Reading::Refused(why) => Some(format!("`{}`: {why}", planned.file)),
        Reading::Planned { .. } | Reading::NotWanted(_) | Reading::Invalid(_) => None,
    }
}
