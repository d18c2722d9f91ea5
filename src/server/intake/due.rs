//! A schedule's time has come: its file, as the default branch was last taken in, makes a run. The run and the schedule's next time are one
//! transaction, so no time is answered twice, and one that a crash swallowed is still due.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::commit::{Asked, read_commit};
use super::made::{Made, made};
use super::note;
use crate::base::Timestamp;
use crate::git::{self, Mirror};
use crate::pipeline::{self, Event};
use crate::server::handle::Shared;
use crate::store::{self, Intake, Repo, Schedule, ScheduleMove};

/// Answers a schedule that was due at `due_at`, with a run or with a note. `away`: the server did not run then.
pub(in crate::server) async fn fire(
    shared: &Arc<Shared>,
    schedule: Schedule,
    due_at: Timestamp,
    away: bool,
) -> Result<(), store::Error> {
    let Some(repo) = shared.store.repo_by_id(&schedule.repo).await? else { return Ok(()) };
    let refs = shared.store.refs(&repo.id).await?;
    let head = repo.default_branch.as_ref().and_then(|branch| refs.get(&format!("refs/heads/{branch}"))).cloned();
    let because = because(&schedule, due_at, away);
    let made = match head {
        None => Err("the repository has no default branch any more".to_owned()),
        Some(head) => {
            let (look, of, what, why) = (Arc::clone(shared), repo.clone(), schedule.clone(), because.clone());
            let looked = shared.tasks.spawn_blocking(move || look_at(&look, &of, &what, &head, why)).await;
            match looked {
                Ok(looked) => looked.unwrap_or_else(|error| Err(error.to_string())),
                Err(panic) => Err(format!("reading its file broke: {panic}")),
            }
        }
    };
    let Made { runs, notes } = made.unwrap_or_else(|why| {
        let reference = repo.default_branch.as_ref().map_or_else(String::new, |branch| format!("refs/heads/{branch}"));
        let sentence = format!("{because}; it made no run: {why}");
        Made { runs: Vec::new(), notes: vec![note("no-scheduled-run", sentence, &reference, None)] }
    });
    let now = shared.clock.now();
    let Schedule { repo, file, name, expression, timezone, .. } = schedule;
    // From now on, not from when it was due: times that were missed meanwhile are answered by this one.
    let next_at = pipeline::next_after(&expression, &timezone, now.max(due_at));
    let fired = ScheduleMove::Fired { file, name, due_at, next_at };
    let intake = Intake { runs, notes, schedules: vec![fired], ..Intake::new(repo, now) };
    match shared.take_in(intake).await {
        // The schedule or the whole repository is gone or was changed meanwhile: then this time is nobody's any more.
        Ok(_) | Err(store::Error::Gone(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// What the schedule's file says. Blocking.
fn look_at(
    shared: &Shared,
    repo: &Repo,
    schedule: &Schedule,
    head: &str,
    because: String,
) -> Result<Result<Made, String>, git::Error> {
    let mirror = Mirror::open(&shared.layout.mirror(&repo.id))?;
    let asked = Asked {
        event: Event::Cron,
        branch: repo.default_branch.clone(),
        tag: None,
        schedule: Some(schedule.name.clone()),
        default_branch: repo.default_branch.as_deref(),
        because,
        from: None,
        pipeline: Some(&schedule.file),
        inputs: BTreeMap::new(),
    };
    let (trigger, planned) = read_commit(shared, repo, &mirror, head, asked)?;
    Ok(planned.map(|planned| made(shared, &repo.name, &trigger, planned)).map_err(|unmeant| unmeant.sentence().to_owned()))
}

/// Why there is a run now, as a sentence.
fn because(schedule: &Schedule, due_at: Timestamp, away: bool) -> String {
    let Schedule { name, expression, timezone, .. } = schedule;
    if away {
        let due = moment(due_at, timezone);
        return format!("schedule `{name}` (`{expression}`) was due at {due}, when the server was away");
    }
    format!("schedule `{name}` (`{expression}`) was due at {}", moment(due_at, timezone))
}

/// `2026-11-25 03:00 CET`: in the schedule's own time zone.
fn moment(at: Timestamp, timezone: &str) -> String {
    let zoned = jiff::Timestamp::from_millisecond(at.0).and_then(|at| at.in_tz(timezone));
    zoned.map_or_else(|_| format!("{} ms after 1970", at.0), |at| at.strftime("%Y-%m-%d %H:%M %Z").to_string())
}
