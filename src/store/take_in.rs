//! Intake: refs, runs, notes, moved schedules and the answered delivery, in one transaction. Run numbers are given here, without gaps.

use serde_json::json;

use super::intake::{Intake, NewNote, NewRun, RefMove};
use super::listing::{Listed, RunSummary};
use super::row::{Fields, plain, to_int, to_json};
use super::schedules::move_schedules;
use super::write::{About, Write};
use super::{Error, Store, sql};
use crate::base::{RepoId, RunId, Timestamp};
use crate::run::{Life, Outcome, Run, StepEnd, StepState};
use crate::schedule::diff;

impl Store {
    /// Takes in what a poll or delivery brought, in one transaction; answers the runs it made.
    pub async fn take_in(&self, intake: Intake) -> Result<Vec<Run>, Error> {
        let Intake { repo, refs, runs, notes, deliveries, schedules, now } = intake;
        let mut write = Write::begin(self, now).await?;
        let name = self.repo_inside(&mut write, &repo).await?.name;
        for moved in &refs {
            move_ref(&mut write, &repo, moved).await?;
        }
        let mut made = Vec::with_capacity(runs.len());
        for run in runs {
            made.push(self.make_run(&mut write, &repo, run, now).await?);
        }
        for note in &notes {
            keep_note(&mut write, &repo, &name, note, now).await?;
        }
        let first = made.first().map(|run: &Run| run.id.clone());
        for moved in &schedules {
            move_schedules(&mut write, &repo, &name, moved, first.as_ref(), now).await?;
        }
        for delivery in deliveries {
            let done = sqlx::query(sql::DELIVERY_DONE).bind(now.0).bind(delivery.as_str()).bind(repo.as_str());
            if write.execute("the delivery cannot be marked done", done).await? == 0 {
                return Err(Error::Gone(format!("delivery {delivery}")));
            }
        }
        write.commit().await?;
        Ok(made)
    }

    async fn make_run(&self, write: &mut Write<'_>, repo: &RepoId, new: NewRun, now: Timestamp) -> Result<Run, Error> {
        let NewRun { id, repo_name, trigger, plan, problems, ended, rerun_of, begun } = new;
        let row = sqlx::query(sql::REPO_NUMBER).bind(repo.as_str()).fetch_optional(write.connection()).await;
        let row = row.map_err(|error| self.error("the run cannot be numbered", error))?;
        let row = row.ok_or_else(|| Error::Gone(format!("repository {repo}")))?;
        let number = Fields::new(&row, "the number of repository", "last_number").count("last_number")?;
        let mut run = Run::new(id, repo.clone(), repo_name, number, trigger, plan, now);
        run.problems = problems;
        if let Some((outcome, reason)) = ended {
            run.life = Life::Ended { outcome, reason, started_at: None, at: now };
        }
        let fresh = run.clone();
        for (job, state) in begun {
            let place = run.jobs.get_mut(job as usize);
            *place.ok_or_else(|| Error::Value(format!("a run takes over job {job}, which its plan does not have")))? = state;
        }
        let Listed { state, outcome, started_at, ended_at } = Listed::of(&run.life);
        let query = sqlx::query(sql::RUN_ADD)
            .bind(run.id.as_str())
            .bind(write.next_seq())
            .bind(repo.as_str())
            .bind(plain(&run.repo_name))
            .bind(to_int("a run's number", number)?)
            .bind(plain(&run.plan.name))
            .bind(plain(&run.trigger.branch))
            .bind(now.0)
            .bind(to_json(&run.trigger)?)
            .bind(to_json(&run.plan)?)
            .bind(to_json(&run.problems)?)
            .bind(rerun_of.as_ref().map(|id| id.as_str().to_owned()))
            .bind(to_json(&run.life)?)
            .bind(None::<String>)
            .bind(state)
            .bind(outcome.map(Outcome::as_str))
            .bind(started_at.map(|at| at.0))
            .bind(ended_at.map(|at| at.0));
        write.execute("the run cannot be kept", query).await?;
        write.event(About::Run(&run.id), to_json(&RunSummary::of(&run))?).await?;
        for change in diff(&fresh, &run) {
            self.change(write, &change).await?;
        }
        if let Some(old) = &rerun_of {
            self.take_artifacts(write, old, &run).await?;
        }
        Ok(run)
    }
}

/// Of the steps that were taken over, from the run that is done again: it has them, wherever they were made.
impl Store {
    async fn take_artifacts(&self, write: &mut Write<'_>, old: &RunId, run: &Run) -> Result<(), Error> {
        for (job, state) in (0..).zip(&run.jobs) {
            for (step, state) in (0..).zip(&state.steps) {
                if let StepState::Ended(StepEnd { taken: Some(_), .. }) = &state.state {
                    let (job, step): (i64, i64) = (job, step);
                    let take = sqlx::query(sql::ARTIFACTS_TAKE).bind(run.id.as_str()).bind(old.as_str()).bind(job).bind(step);
                    write.execute("artifacts cannot be taken over", take).await?;
                }
            }
        }
        Ok(())
    }
}

async fn move_ref(write: &mut Write<'_>, repo: &RepoId, moved: &RefMove) -> Result<(), Error> {
    let RefMove { name, to } = moved;
    let query = match to {
        Some(commit) => sqlx::query(sql::REF_SET).bind(repo.as_str()).bind(plain(name)).bind(plain(commit)),
        None => sqlx::query(sql::REF_REMOVE).bind(repo.as_str()).bind(plain(name)),
    };
    write.execute("the refs cannot be kept", query).await?;
    Ok(())
}

async fn keep_note(write: &mut Write<'_>, repo: &RepoId, name: &str, note: &NewNote, now: Timestamp) -> Result<(), Error> {
    let NewNote { kind, sentence, reference, commit } = note;
    let body = json!({ "kind": kind, "sentence": sentence, "reference": reference, "commit": commit });
    let seq = write.repo_event(repo, name, "note", body).await?;
    let query = sqlx::query(sql::NOTE_ADD)
        .bind(seq)
        .bind(repo.as_str())
        .bind(now.0)
        .bind(plain(kind))
        .bind(plain(sentence))
        .bind(reference.as_deref().map(plain))
        .bind(commit.as_deref().map(plain));
    write.execute("the note cannot be kept", query).await?;
    Ok(())
}
