//! Reading runs: whole ones, with their jobs and steps as of one moment, and pages of summaries.

use std::collections::HashMap;

use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, Transaction};

use super::listing::{Facts, Page, RunFilter, RunSummary};
use super::row::{Fields, plain};
use super::{Error, Store, sql};
use crate::base::limits::PAGE_ROWS;
use crate::base::{JobIx, RunId, StepIx};
use crate::run::{Job, JobState, Outcome, Run, StepState};

impl Store {
    /// Runs that have not ended, oldest first, exactly as they were committed.
    pub async fn unfinished(&self) -> Result<Vec<Run>, Error> {
        let mut reading = self.begin_reading().await?;
        let rows = self.rows(&mut reading, sql::OPEN, None).await?;
        let mut runs = rows.iter().map(run_of).collect::<Result<Vec<_>, _>>()?;
        let jobs = self.rows(&mut reading, sql::OPEN_JOBS, None).await?;
        let steps = self.rows(&mut reading, sql::OPEN_STEPS, None).await?;
        put_states(&mut runs, &jobs, &steps)?;
        Ok(runs)
    }

    /// The run with that id.
    pub async fn run(&self, id: &RunId) -> Result<Option<Run>, Error> {
        let mut reading = self.begin_reading().await?;
        let rows = self.rows(&mut reading, sql::RUN, Some(id)).await?;
        let mut runs = rows.iter().map(run_of).collect::<Result<Vec<_>, _>>()?;
        if !runs.is_empty() {
            let jobs = self.rows(&mut reading, sql::RUN_JOBS, Some(id)).await?;
            let steps = self.rows(&mut reading, sql::RUN_STEPS, Some(id)).await?;
            put_states(&mut runs, &jobs, &steps)?;
        }
        Ok(runs.pop())
    }

    /// Whether there is a run with that id.
    pub async fn has_run(&self, id: &RunId) -> Result<bool, Error> {
        let found = sqlx::query(sql::RUN_KNOWN).bind(id.as_str()).fetch_optional(&self.inner.read).await;
        Ok(found.map_err(|error| self.error("a run cannot be looked for", error))?.is_some())
    }

    /// A page of runs, newest first. After a run that is gone there is nothing.
    pub async fn runs(&self, filter: &RunFilter) -> Result<Page<RunSummary>, Error> {
        let RunFilter { repo, branch, outcome, before, limit } = filter;
        let limit = if *limit == 0 { PAGE_ROWS } else { PAGE_ROWS.min(*limit) };
        let before = match before {
            None => i64::MAX,
            Some(before) => {
                let row = sqlx::query(sql::RUN_MADE).bind(before.as_str()).fetch_optional(&self.inner.read).await;
                match row.map_err(|error| self.error("the runs cannot be read", error))? {
                    Some(row) => Fields::new(&row, "the order of a run:", "made").int("made")?,
                    None => {
                        return Ok(Page { items: Vec::new(), next: None });
                    }
                }
            }
        };
        let mut query = sqlx::query(if repo.is_some() { sql::RUN_PAGE_OF_REPO } else { sql::RUN_PAGE })
            .bind(before)
            .bind(branch.as_deref().map(plain))
            .bind(outcome.map(Outcome::as_str))
            // One more, to know whether there is another page.
            .bind(i64::from(limit) + 1);
        if let Some(repo) = repo {
            query = query.bind(plain(repo));
        }
        let rows = query.fetch_all(&self.inner.read).await.map_err(|error| self.error("the runs cannot be read", error))?;
        let shown = rows.iter().take(limit as usize);
        let items = shown.map(summary_of).collect::<Result<Vec<_>, _>>()?;
        let next = (rows.len() > items.len()).then(|| items.last().map(|run| run.id.to_string())).flatten();
        Ok(Page { items, next })
    }

    async fn begin_reading(&self) -> Result<Transaction<'static, Any>, Error> {
        let begun = self.inner.read.begin_with(self.inner.engine.begin_reading()).await;
        begun.map_err(|error| self.error("the runs cannot be read", error))
    }

    async fn rows(&self, reading: &mut AnyConnection, sql: &'static str, run: Option<&RunId>) -> Result<Vec<AnyRow>, Error> {
        let mut query = sqlx::query(sql);
        if let Some(run) = run {
            query = query.bind(run.as_str());
        }
        query.fetch_all(reading).await.map_err(|error| self.error("the runs cannot be read", error))
    }
}

/// The run of a row, its jobs and steps as they were when it was made.
fn run_of(row: &AnyRow) -> Result<Run, Error> {
    let fields = Fields::new(row, "run", "id");
    let mut run = Run::new(
        fields.parse("id")?,
        fields.parse("repo_id")?,
        fields.text("repo_name")?,
        fields.count("number")?,
        fields.json("trigger_json")?,
        fields.json("plan_json")?,
        fields.time("queued_at")?,
    );
    run.problems = fields.json("problems_json")?;
    run.life = fields.json("life_json")?;
    run.stop = fields.json_or_null("stop_json")?;
    Ok(run)
}

/// The summary of a row.
pub(super) fn summary_of(row: &AnyRow) -> Result<RunSummary, Error> {
    let fields = Fields::new(row, "run", "id");
    Ok(RunSummary::from(Facts {
        id: fields.parse("id")?,
        number: fields.count("number")?,
        repo: fields.text("repo_name")?,
        pipeline: fields.text("pipeline")?,
        trigger: fields.json("trigger_json")?,
        life: fields.json("life_json")?,
        stop: fields.json_or_null("stop_json")?,
        queued_at: fields.time("queued_at")?,
    }))
}

/// Puts the kept states of jobs and steps in their places.
fn put_states(runs: &mut [Run], jobs: &[AnyRow], steps: &[AnyRow]) -> Result<(), Error> {
    let mut places: HashMap<String, &mut Run> = runs.iter_mut().map(|run| (run.id.to_string(), run)).collect();
    for row in jobs {
        let fields = Fields::new(row, "a job of run", "run_id");
        let job = job_of(&mut places, &fields)?;
        job.state = fields.json::<JobState>("state_json")?;
        job.decision = fields.json_or_null("decision_json")?;
        job.stop = fields.json_or_null("stop_json")?;
        job.engine = fields.text_or_null("engine")?;
    }
    for row in steps {
        let fields = Fields::new(row, "a step of run", "run_id");
        let ix: StepIx = fields.count("step")?;
        let step = job_of(&mut places, &fields)?.steps.get_mut(ix as usize);
        step.ok_or_else(|| fields.unreadable("step", &format!("the plan has no step {ix} there")))?.state =
            fields.json::<StepState>("state_json")?;
    }
    Ok(())
}

fn job_of<'a>(runs: &'a mut HashMap<String, &mut Run>, fields: &Fields<'_>) -> Result<&'a mut Job, Error> {
    let ix: JobIx = fields.count("job")?;
    let job = runs.get_mut(&fields.text("run_id")?).and_then(|run| run.jobs.get_mut(ix as usize));
    job.ok_or_else(|| fields.unreadable("job", &format!("the plan has no job {ix}")))
}
