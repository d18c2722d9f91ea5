//! Committing a turn: changed state rows and their events, all or nothing.

use sqlx::Any;
use sqlx::any::AnyArguments;
use sqlx::query::Query;

use super::body::{JobBody, StepBody};
use super::listing::Listed;
use super::row::to_json;
use super::runs::summary_of;
use super::write::{About, Write};
use super::{Error, Store, sql};
use crate::base::{RunId, Timestamp};
use crate::run::{Life, Outcome, StopReason};
use crate::schedule::Change;

impl Store {
    /// Writes changed states and their events in one transaction; answers the highest sequence number. [`Error::Gone`] when one of the runs was
    /// removed: then nothing was written.
    pub async fn commit(&self, changes: &[Change], now: Timestamp) -> Result<i64, Error> {
        if changes.is_empty() {
            return self.last_event().await;
        }
        let mut write = Write::begin(self, now).await?;
        for change in changes {
            self.change(&mut write, change).await?;
        }
        write.commit().await
    }

    /// One row and its event.
    pub(super) async fn change(&self, write: &mut Write<'_>, change: &Change) -> Result<(), Error> {
        match change {
            Change::Run { run, life, stop } => self.change_run(write, run, life, stop.as_ref()).await?,
            Change::Job { run, job, state, engine, decision, stop } => {
                let query = sqlx::query(sql::JOB_SET)
                    .bind(run.as_str())
                    .bind(i64::from(*job))
                    .bind(to_json(state)?)
                    .bind(decision.as_ref().map(to_json).transpose()?)
                    .bind(stop.as_ref().map(to_json).transpose()?)
                    .bind(engine.as_deref());
                self.change_part(write, run, query).await?;
                write.event(About::Job(run, *job), to_json(&JobBody::of(state))?).await?;
            }
            Change::Step { run, job, step, state } => {
                let query = sqlx::query(sql::STEP_SET)
                    .bind(run.as_str())
                    .bind(i64::from(*job))
                    .bind(i64::from(*step))
                    .bind(to_json(state)?);
                self.change_part(write, run, query).await?;
                write.event(About::Step(run, *job, *step), to_json(&StepBody::of(state))?).await?;
            }
        }
        Ok(())
    }

    async fn change_run(&self, write: &mut Write<'_>, run: &RunId, life: &Life, stop: Option<&StopReason>) -> Result<(), Error> {
        let Listed { state, outcome, started_at, ended_at } = Listed::of(life);
        let query = sqlx::query(sql::RUN_SET)
            .bind(run.as_str())
            .bind(to_json(life)?)
            .bind(stop.map(to_json).transpose()?)
            .bind(state)
            .bind(outcome.map(Outcome::as_str))
            .bind(started_at.map(|at| at.0))
            .bind(ended_at.map(|at| at.0));
        let row = query.fetch_optional(write.connection()).await;
        let row = row.map_err(|error| self.error("a run's state cannot be kept", error))?;
        let summary = summary_of(&row.ok_or_else(|| Error::Gone(format!("run {run}")))?)?;
        write.event(About::Run(run), to_json(&summary)?).await?;
        Ok(())
    }

    async fn change_part(&self, write: &mut Write<'_>, run: &RunId, query: Query<'_, Any, AnyArguments>) -> Result<(), Error> {
        query.execute(write.connection()).await.map_err(|error| match error.as_database_error() {
            Some(e) if e.is_foreign_key_violation() => Error::Gone(format!("run {run}")),
            _ => self.error("a state cannot be kept", error),
        })?;
        Ok(())
    }
}
