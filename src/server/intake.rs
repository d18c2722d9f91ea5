//! From moved refs to runs and notes.
//!
//! **Invariants:** ref moves, the runs they lead to, and the notes on what was not made are stored in one transaction, so a crash neither loses nor
//! doubles a commit; every trigger leads to a run or to a sentence; identity and content come from the fetched repository alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{RunId, limits};
use crate::git::{self, Commit, Mirror, PipelineFile, Snapshot};
use crate::pipeline::{self, Event, Plan, ReadOptions, Reading, Severity, Trigger};
use crate::run::{Outcome, Run};
use crate::store::{self, Intake, NewNote, NewRun, RefMove, Repo, RepoStatus};

use super::handle::{Refusal, Shared};

/// Stands among the stored refs once a repository was polled: only then does a new branch make a trigger.
const POLLED: &str = "polled";

/// What one look at a repository found: all that is needed to store it.
struct Found {
    snapshot: Snapshot,
    refs: Vec<RefMove>,
    runs: Vec<NewRun>,
    notes: Vec<NewNote>,
}

/// Fetches a repository and takes in what changed. An error is the store's; what the remote does wrong is recorded.
pub(super) async fn poll_once(shared: &Arc<Shared>, repo: &Repo) -> Result<(), store::Error> {
    let deliveries = shared.store.open_deliveries().await?;
    let deliveries = deliveries.into_iter().filter(|delivery| delivery.repo == repo.id).map(|delivery| delivery.id).collect();
    let known = shared.store.refs(&repo.id).await?;
    let (look, of) = (Arc::clone(shared), repo.clone());
    let found = shared.tasks.spawn_blocking(move || look_at(&look, &of, &known)).await;
    let found = match found {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return record_status(shared, repo, false, error.to_string(), None).await,
        Err(panic) => return record_status(shared, repo, false, format!("the fetch broke: {panic}"), None).await,
    };
    let Found { snapshot, refs, runs, notes } = found;
    let sentence = summary(&snapshot);
    let intake = Intake { repo: repo.id.clone(), refs, runs, notes, deliveries, now: shared.clock.now() };
    if !intake.is_empty() {
        shared.take_in(intake).await?;
    }
    record_status(shared, repo, true, sentence, snapshot.default_branch.as_deref()).await
}

/// Runs every pipeline of a branch's head, since a person asked for it.
pub(super) async fn by_hand(shared: &Arc<Shared>, repo: &Repo, branch: Option<&str>, by: &str) -> Result<Vec<Run>, Refusal> {
    let mirror = shared.watchers.mirror(&repo.id);
    let _mirror = mirror.lock().await;
    let (look, of, branch, by) = (Arc::clone(shared), repo.clone(), branch.map(ToOwned::to_owned), by.to_owned());
    let looked = shared.tasks.spawn_blocking(move || look_by_hand(&look, &of, branch.as_deref(), &by)).await;
    let looked = looked.map_err(|panic| Refusal::Unavailable(format!("the fetch broke: {panic}")))?;
    let (runs, notes) = looked?;
    if runs.is_empty() {
        let why = notes.into_iter().map(|note| note.sentence).collect::<Vec<_>>().join("; ");
        return Err(Refusal::Conflict(why));
    }
    let now = shared.clock.now();
    let intake = Intake { repo: repo.id.clone(), refs: Vec::new(), runs, notes, deliveries: Vec::new(), now };
    Ok(shared.take_in(intake).await?)
}

fn look_by_hand(shared: &Shared, repo: &Repo, branch: Option<&str>, by: &str) -> Result<(Vec<NewRun>, Vec<NewNote>), Refusal> {
    let unavailable = |error: git::Error| Refusal::Unavailable(error.to_string());
    let mirror = Mirror::open(&shared.layout.mirror(&repo.id)).map_err(unavailable)?;
    let snapshot = mirror.fetch(&repo.url, &shared.config.credentials).map_err(unavailable)?;
    let branch = branch.map(ToOwned::to_owned).or_else(|| snapshot.default_branch.clone());
    let branch = branch.ok_or_else(|| Refusal::Conflict(format!("`{}` has no branch yet: push a commit first", repo.name)))?;
    let id = snapshot.refs.get(&format!("refs/heads/{branch}"));
    let id = id.ok_or_else(|| Refusal::NotFound(format!("`{}` has no branch `{branch}`", repo.name)))?;
    let asked = Asked { event: Event::Manual, branch: Some(branch), tag: None, because: format!("{by} asked for it") };
    read_commit(shared, repo, &mirror, &snapshot, id, &asked).map_err(unavailable)
}

/// Writes the status when it changed, with a note when it turned.
async fn record_status(
    shared: &Shared,
    repo: &Repo,
    ok: bool,
    sentence: String,
    branch: Option<&str>,
) -> Result<(), store::Error> {
    let status = RepoStatus { ok, sentence, at: shared.clock.now() };
    if shared.store.set_repo_status(&repo.id, &status, branch).await? {
        if !ok {
            tracing::warn!(repo = %repo.name, why = %status.sentence, "a repository cannot be polled");
            let note = NewNote { kind: "poll-failed".to_owned(), sentence: status.sentence, reference: None, commit: None };
            shared.take_in(Intake::notes(repo.id.clone(), vec![note], shared.clock.now())).await?;
        }
        shared.nudge().await?;
    }
    Ok(())
}

fn summary(snapshot: &Snapshot) -> String {
    let count = |prefix: &str| snapshot.refs.keys().filter(|name| name.starts_with(prefix)).count();
    let plural = |n: usize, one: &str, many: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {many}") };
    match (count("refs/heads/"), count("refs/tags/")) {
        (0, 0) => "it is empty: the first push to it will make a run".to_owned(),
        (heads, 0) => format!("watching {}", plural(heads, "branch", "branches")),
        (heads, tags) => format!("watching {} and {}", plural(heads, "branch", "branches"), plural(tags, "tag", "tags")),
    }
}

/// A reason to read the pipelines of a commit.
struct Asked {
    event: Event,
    branch: Option<String>,
    tag: Option<String>,
    because: String,
}

/// Fetches, compares with what is known, and reads the pipelines of what moved. Blocking.
fn look_at(shared: &Shared, repo: &Repo, known: &BTreeMap<String, String>) -> Result<Found, git::Error> {
    let mirror = Mirror::open(&shared.layout.mirror(&repo.id))?;
    let snapshot = mirror.fetch(&repo.url, &shared.config.credentials)?;
    let first = !known.contains_key(POLLED);
    let (mut refs, mut runs, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    if first {
        refs.push(RefMove { name: POLLED.to_owned(), to: Some("yes".to_owned()) });
    }
    let mut left_out = 0;
    for (name, to) in &snapshot.refs {
        let from = known.get(name);
        if from == Some(to) {
            continue;
        }
        refs.push(RefMove { name: name.clone(), to: Some(to.clone()) });
        if first
            && Some(name.as_str()) != snapshot.default_branch.as_ref().map(|branch| format!("refs/heads/{branch}")).as_deref()
        {
            continue;
        }
        if runs.len() >= limits::RUNS_PER_POLL {
            left_out += 1;
            continue;
        }
        let asked = moved(&mirror, name, from.map(String::as_str), to, first, &mut notes);
        match read_commit(shared, repo, &mirror, &snapshot, to, &asked) {
            Ok((new_runs, new_notes)) => {
                runs.extend(new_runs);
                notes.extend(new_notes);
            }
            // This ref's trouble is its own: the others are taken in all the same.
            Err(error) => notes.push(note("unreadable", format!("{}: {error}", shown(name)), name, Some(to))),
        }
    }
    for (name, old) in known.iter().filter(|(name, _)| name.as_str() != POLLED && !snapshot.refs.contains_key(*name)) {
        refs.push(RefMove { name: name.clone(), to: None });
        notes.push(note(
            "ref-gone",
            format!("{} is gone from the remote; it was at {}", shown(name), short(old)),
            name,
            Some(old),
        ));
    }
    if left_out > 0 {
        let why = format!(
            "{left_out} more refs moved at once and made no run: one poll makes at most {}; run them by hand",
            limits::RUNS_PER_POLL
        );
        notes.push(NewNote { kind: "too-many".to_owned(), sentence: why, reference: None, commit: None });
    }
    Ok(Found { snapshot, refs, runs, notes })
}

/// Why a ref's move is a trigger; a rewritten history is told besides.
fn moved(mirror: &Mirror, name: &str, from: Option<&str>, to: &str, first: bool, notes: &mut Vec<NewNote>) -> Asked {
    let tag = name.strip_prefix("refs/tags/").map(ToOwned::to_owned);
    let branch = name.strip_prefix("refs/heads/").map(ToOwned::to_owned);
    let event = if tag.is_some() { Event::Tag } else { Event::Push };
    let because = match from {
        None if first => format!("the repository was added: this is the head of its default {}", shown(name)),
        None => format!("{} is new at {}", shown(name), short(to)),
        Some(from) => {
            // A commit that cannot be compared (the mirror was made anew) counts as not rewritten: nothing is claimed that is not known.
            let rewritten = tag.is_none() && !mirror.is_ancestor(from, to).unwrap_or(true);
            let how = if rewritten { "was rewritten" } else { "moved" };
            let sentence = format!("{} {how} from {} to {}", shown(name), short(from), short(to));
            if rewritten {
                notes.push(note("rewritten", sentence.clone(), name, Some(to)));
            }
            sentence
        }
    };
    Asked { event, branch, tag, because }
}

/// Reads all pipelines of a commit for one trigger.
fn read_commit(
    shared: &Shared,
    repo: &Repo,
    mirror: &Mirror,
    snapshot: &Snapshot,
    id: &str,
    asked: &Asked,
) -> Result<(Vec<NewRun>, Vec<NewNote>), git::Error> {
    let Asked { event, branch, tag, because } = asked;
    let Commit { id, message, author, at: _ } = mirror.commit(id)?;
    let trigger = Trigger {
        event: *event,
        repo: repo.name.clone(),
        url: git::public_url(&repo.url),
        branch: branch.clone().unwrap_or_default(),
        tag: tag.clone(),
        commit: id,
        message,
        author,
        default_branch: snapshot.default_branch.clone().unwrap_or_default(),
        because: because.clone(),
        inputs: BTreeMap::new(),
        schedule: None,
        pull_request: None,
    };
    let files = mirror.pipeline_files(&trigger.commit)?;
    Ok(plan_files(shared, &repo.name, &trigger, &files))
}

/// One run for each file that wants the trigger; a note for each that does not.
pub(super) fn plan_files(
    shared: &Shared,
    repo_name: &str,
    trigger: &Trigger,
    files: &[PipelineFile],
) -> (Vec<NewRun>, Vec<NewNote>) {
    let place = match &trigger.tag {
        Some(tag) => format!("tag `{tag}`"),
        None => format!("branch `{}`", trigger.branch),
    };
    let reference =
        trigger.tag.as_ref().map_or_else(|| format!("refs/heads/{}", trigger.branch), |tag| format!("refs/tags/{tag}"));
    let (mut runs, mut notes) = (Vec::new(), Vec::new());
    if files.is_empty() {
        let why =
            format!("{place} at {} has no pipeline file: add `.gantry.yml`, or files in `.gantry/`", short(&trigger.commit));
        notes.push(note("no-pipeline", why, &reference, Some(&trigger.commit)));
    }
    let options = ReadOptions { image_needed: shared.executor.needs_image(), ..ReadOptions::default() };
    for file in files {
        let (plan, problems, ended) = match pipeline::read(&file.path, &file.text, trigger, &options) {
            Reading::Planned { plan, warnings } => (plan, warnings, None),
            Reading::NotWanted(why) => {
                let why = format!("`{}` does not want {place} at {}: {why}", file.path, short(&trigger.commit));
                notes.push(note("not-wanted", why, &reference, Some(&trigger.commit)));
                continue;
            }
            Reading::Refused(why) => {
                let why = format!("`{}` cannot run for {place} at {}: {why}", file.path, short(&trigger.commit));
                notes.push(note("refused", why, &reference, Some(&trigger.commit)));
                continue;
            }
            Reading::Invalid(problems) => {
                let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
                let plural = if errors == 1 { "problem" } else { "problems" };
                let why = format!("`{}` is not a valid pipeline: {errors} {plural}", file.path);
                let plan = Plan::new(stem(&file.path), file.path.clone(), Vec::new());
                (plan, problems, Some((Outcome::Error, why)))
            }
        };
        runs.push(NewRun {
            id: RunId::new(&shared.clock),
            repo_name: repo_name.to_owned(),
            trigger: trigger.clone(),
            plan: Arc::new(plan),
            problems,
            ended,
            rerun_of: None,
        });
    }
    (runs, notes)
}

fn note(kind: &str, sentence: String, reference: &str, commit: Option<&str>) -> NewNote {
    NewNote { kind: kind.to_owned(), sentence, reference: Some(reference.to_owned()), commit: commit.map(ToOwned::to_owned) }
}

/// `branch `main``, `tag `v1``.
fn shown(reference: &str) -> String {
    match (reference.strip_prefix("refs/heads/"), reference.strip_prefix("refs/tags/")) {
        (Some(branch), _) => format!("branch `{branch}`"),
        (_, Some(tag)) => format!("tag `{tag}`"),
        _ => format!("`{reference}`"),
    }
}

fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// The pipeline's name when the file does not say: `ci` for `.gantry/ci.yml`, `gantry` for `.gantry.yml`.
fn stem(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path).trim_start_matches('.');
    file.rsplit_once('.').map_or(file, |(stem, _)| stem).to_owned()
}
