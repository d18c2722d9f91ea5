//! Schedules: read with the default branch, due at a time, answered together with their run.

use std::collections::BTreeMap;

use sqlx::any::AnyRow;

use super::row::{Fields, plain};
use super::schedule::{LastFired, LastRun, NewSchedule, Schedule, ScheduleMove};
use super::write::Write;
use super::{Error, Store, sql};
use crate::base::{RepoId, RunId, Timestamp};
use crate::run::Outcome;

impl Store {
    /// The schedules of a repository, by file and name.
    pub async fn schedules(&self, repo: &RepoId) -> Result<Vec<Schedule>, Error> {
        let rows = sqlx::query(sql::SCHEDULES_OF_REPO).bind(repo.as_str()).fetch_all(&self.inner.read).await;
        let rows = rows.map_err(|error| self.error("the schedules cannot be read", error))?;
        let mut schedules = rows.iter().map(schedule_of).collect::<Result<Vec<_>, _>>()?;
        // Not by the database, whose idea of the alphabet may be another.
        schedules.sort_by(|a, b| (&a.file, &a.name).cmp(&(&b.file, &b.name)));
        Ok(schedules)
    }

    /// The schedules that are due at `now`, the longest due first; not more than can be answered in one go.
    pub async fn due_schedules(&self, now: Timestamp) -> Result<Vec<Schedule>, Error> {
        let rows = sqlx::query(sql::SCHEDULES_DUE).bind(now.0).fetch_all(&self.inner.read).await;
        let rows = rows.map_err(|error| self.error("the schedules cannot be read", error))?;
        rows.iter().map(schedule_of).collect()
    }

    /// When the next schedule is due; the past when one is due already.
    pub async fn next_schedule(&self) -> Result<Option<Timestamp>, Error> {
        let row = sqlx::query(sql::SCHEDULE_NEXT).fetch_optional(&self.inner.read).await;
        let row = row.map_err(|error| self.error("the schedules cannot be read", error))?;
        row.map(|row| Fields::new(&row, "the next schedule", "next_at").time("next_at")).transpose()
    }
}

/// Moves the repository's schedules. `run` is the first that the same intake makes.
pub(super) async fn move_schedules(
    write: &mut Write<'_>,
    repo: &RepoId,
    name: &str,
    moved: &ScheduleMove,
    run: Option<&RunId>,
    now: Timestamp,
) -> Result<(), Error> {
    let news = match moved {
        ScheduleMove::Read { schedules, unreadable } => keep_read(write, repo, schedules, unreadable).await?,
        ScheduleMove::Fired { file, name, due_at, next_at } => {
            let query = sqlx::query(sql::SCHEDULE_FIRED)
                .bind(repo.as_str())
                .bind(plain(file))
                .bind(plain(name))
                .bind(due_at.0)
                .bind(next_at.map(|at| at.0))
                .bind(now.0)
                .bind(run.map(RunId::as_str));
            if write.execute("the schedule cannot be kept", query).await? == 0 {
                return Err(Error::Gone(format!("the time of schedule {name} of {file}")));
            }
            true
        }
    };
    if news {
        write.repo_event(repo, name, "schedules", true.into()).await?;
    }
    Ok(())
}

/// Makes the rows what was read. One that stays as it is keeps its next time, also when that has passed. Tells whether something changed.
async fn keep_read(
    write: &mut Write<'_>,
    repo: &RepoId,
    schedules: &[NewSchedule],
    unreadable: &[String],
) -> Result<bool, Error> {
    let rows = sqlx::query(sql::SCHEDULE_KEYS).bind(repo.as_str()).fetch_all(write.connection()).await;
    let rows = rows.map_err(|error| write.error("the schedules cannot be read", error))?;
    let mut known = BTreeMap::new();
    for row in &rows {
        let fields = Fields::new(row, "schedule", "name");
        known.insert((fields.text("file")?, fields.text("name")?), (fields.text("expression")?, fields.text("timezone")?));
    }
    let mut news = false;
    for NewSchedule { file, name, expression, timezone, next_at } in schedules {
        let (file, name, expression, timezone) = (plain(file), plain(name), plain(expression), plain(timezone));
        let before = known.remove(&(file.clone(), name.clone()));
        if before.is_some_and(|(e, t)| e == expression && t == timezone) {
            continue;
        }
        let query = sqlx::query(sql::SCHEDULE_SET)
            .bind(repo.as_str())
            .bind(file)
            .bind(name)
            .bind(expression)
            .bind(timezone)
            .bind(next_at.map(|at| at.0));
        write.execute("the schedule cannot be kept", query).await?;
        news = true;
    }
    for (file, name) in known.into_keys().filter(|(file, _)| !unreadable.contains(file)) {
        let query = sqlx::query(sql::SCHEDULE_REMOVE).bind(repo.as_str()).bind(file).bind(name);
        write.execute("the schedule cannot be removed", query).await?;
        news = true;
    }
    Ok(news)
}

fn schedule_of(row: &AnyRow) -> Result<Schedule, Error> {
    let fields = Fields::new(row, "schedule", "name");
    let last = match (fields.time_or_null("due_at")?, fields.time_or_null("fired_at")?) {
        (Some(due_at), Some(at)) => Some(LastFired { due_at, at, run: last_run(&fields)? }),
        (_, _) => None,
    };
    Ok(Schedule {
        repo: fields.parse("repo_id")?,
        file: fields.text("file")?,
        name: fields.text("name")?,
        expression: fields.text("expression")?,
        timezone: fields.text("timezone")?,
        next_at: fields.time_or_null("next_at")?,
        last,
    })
}

fn last_run(fields: &Fields<'_>) -> Result<Option<LastRun>, Error> {
    let (Some(id), Some(number), Some(state)) =
        (fields.parse_or_null("last_run")?, fields.count_or_null("last_number")?, fields.text_or_null("last_state")?)
    else {
        return Ok(None);
    };
    let outcome: Option<Outcome> = fields
        .text_or_null("last_outcome")?
        .map(|word| serde_json::from_value(word.into()).map_err(|error| fields.unreadable("last_outcome", &error)))
        .transpose()?;
    Ok(Some(LastRun { id, number, state, outcome }))
}
