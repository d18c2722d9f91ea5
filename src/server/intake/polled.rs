//! A fetched repository: what moved since it was last taken in, and the schedules of its default branch.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::commit::{Asked, read_commit};
use super::made::{Made, made};
use super::{note, short, shown};
use crate::base::{Timestamp, limits};
use crate::git::{self, Mirror, Snapshot};
use crate::pipeline::{self, Event};
use crate::server::handle::Shared;
use crate::store::{self, Intake, NewNote, NewSchedule, RefMove, Repo, RepoStatus, ScheduleMove};

/// Stands among the stored refs once a repository was polled: only then does a new branch make a trigger.
const POLLED: &str = "polled";

/// What one look at a repository found: all that is needed to store it.
struct Found {
    snapshot: Snapshot,
    refs: Vec<RefMove>,
    made: Made,
    /// The default branch's commit, if its schedules were read.
    scheduled: Option<(String, ScheduleMove)>,
}

/// Fetches a repository and takes in what changed. An error is the store's; what the remote does wrong is recorded.
///
/// `scheduled` is the commit whose schedules were read last, since the start.
pub(in crate::server) async fn poll_once(
    shared: &Arc<Shared>,
    repo: &Repo,
    scheduled: &mut Option<String>,
) -> Result<(), store::Error> {
    let deliveries = shared.store.open_deliveries().await?;
    let deliveries = deliveries.into_iter().filter(|delivery| delivery.repo == repo.id).map(|delivery| delivery.id).collect();
    let known = shared.store.refs(&repo.id).await?;
    let (look, of, read) = (Arc::clone(shared), repo.clone(), scheduled.clone());
    let found = shared.tasks.spawn_blocking(move || look_at(&look, &of, &known, read.as_deref())).await;
    let found = match found {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return record_status(shared, repo, false, error.to_string(), None).await,
        Err(panic) => return record_status(shared, repo, false, format!("the fetch broke: {panic}"), None).await,
    };
    let Found { snapshot, refs, made: Made { runs, notes }, scheduled: read } = found;
    let sentence = summary(&snapshot);
    let (commit, schedules) = read.unzip();
    let schedules = schedules.into_iter().collect();
    let intake = Intake { refs, runs, notes, deliveries, schedules, ..Intake::new(repo.id.clone(), shared.clock.now()) };
    // The default branch first: a schedule may be due as soon as it is stored.
    record_status(shared, repo, true, sentence, snapshot.default_branch.as_deref()).await?;
    if !intake.is_empty() {
        shared.take_in(intake).await?;
    }
    if commit.is_some() {
        *scheduled = commit;
        shared.timer.notify_one();
    }
    Ok(())
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

/// Fetches, compares with what is known, and reads the pipelines of what moved. Blocking.
fn look_at(shared: &Shared, repo: &Repo, known: &BTreeMap<String, String>, scheduled: Option<&str>) -> Result<Found, git::Error> {
    let mirror = Mirror::open(&shared.layout.mirror(&repo.id))?;
    let snapshot = mirror.fetch(&repo.url, &shared.config.credentials)?;
    let first = !known.contains_key(POLLED);
    let (mut refs, mut all) = (Vec::new(), Made::default());
    if first {
        refs.push(RefMove { name: POLLED.to_owned(), to: Some("yes".to_owned()) });
    }
    let default = snapshot.default_branch.as_ref().map(|branch| format!("refs/heads/{branch}"));
    let mut left_out = 0;
    for (name, to) in &snapshot.refs {
        let from = known.get(name);
        if from == Some(to) {
            continue;
        }
        refs.push(RefMove { name: name.clone(), to: Some(to.clone()) });
        if first && Some(name) != default.as_ref() {
            continue;
        }
        if all.runs.len() >= limits::RUNS_PER_POLL {
            left_out += 1;
            continue;
        }
        let asked = moved(&mirror, &snapshot, name, from.map(String::as_str), to, first, &mut all.notes);
        match read_commit(shared, repo, &mirror, to, asked) {
            Ok((trigger, Ok(planned))) => all.add(made(shared, &repo.name, &trigger, planned)),
            Ok((_, Err(unmeant))) => all.notes.push(note("unreadable", unmeant.sentence().to_owned(), name, Some(to))),
            // This ref's trouble is its own: the others are taken in all the same.
            Err(error) => all.notes.push(note("unreadable", format!("{}: {error}", shown(name)), name, Some(to))),
        }
    }
    for (name, old) in known.iter().filter(|(name, _)| name.as_str() != POLLED && !snapshot.refs.contains_key(*name)) {
        refs.push(RefMove { name: name.clone(), to: None });
        let why = format!("{} is gone from the remote; it was at {}", shown(name), short(old));
        all.notes.push(note("ref-gone", why, name, Some(old)));
    }
    if left_out > 0 {
        let why = format!(
            "{left_out} more refs moved at once and made no run: one poll makes at most {}; run them by hand",
            limits::RUNS_PER_POLL
        );
        all.notes.push(NewNote { kind: "too-many".to_owned(), sentence: why, reference: None, commit: None });
    }
    let head = default.and_then(|name| snapshot.refs.get(&name)).map_or("", String::as_str);
    let scheduled = if scheduled == Some(head) { None } else { schedules(&mirror, head, shared.clock.now()) };
    Ok(Found { snapshot, refs, made: all, scheduled })
}

/// Why a ref's move is a trigger; a rewritten history is told besides.
fn moved<'a>(
    mirror: &Mirror,
    snapshot: &'a Snapshot,
    name: &str,
    from: Option<&'a str>,
    to: &str,
    first: bool,
    notes: &mut Vec<NewNote>,
) -> Asked<'a> {
    let tag = name.strip_prefix("refs/tags/").map(ToOwned::to_owned);
    let branch = name.strip_prefix("refs/heads/").map(ToOwned::to_owned);
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
    Asked {
        event: if tag.is_some() { Event::Tag } else { Event::Push },
        // What a branch brought is known; a tag brings nothing by itself.
        from: from.filter(|_| branch.is_some()),
        branch,
        tag,
        schedule: None,
        default_branch: snapshot.default_branch.as_deref(),
        because,
        pipeline: None,
        inputs: BTreeMap::new(),
    }
}

/// The schedules of the default branch's files at `head`, which is empty when there is no such branch. None when its files cannot be listed:
/// then those that are known stay, and the next poll looks again.
fn schedules(mirror: &Mirror, head: &str, now: Timestamp) -> Option<(String, ScheduleMove)> {
    let files = if head.is_empty() { Vec::new() } else { mirror.pipeline_files(head).ok()? };
    let (mut schedules, mut unreadable) = (Vec::new(), Vec::new());
    for file in files {
        let Some(outline) = pipeline::outline(&file.path, &file.text) else {
            unreadable.push(file.path);
            continue;
        };
        schedules.extend(outline.schedules.into_iter().map(|schedule| NewSchedule {
            file: file.path.clone(),
            next_at: pipeline::next_after(&schedule.expression, &schedule.timezone, now),
            name: schedule.name,
            expression: schedule.expression,
            timezone: schedule.timezone,
        }));
    }
    Some((head.to_owned(), ScheduleMove::Read { schedules, unreadable }))
}
