//! What people do: push, cancel, answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use gantry::base::{JobKey, RepoId, RunId};
use gantry::pipeline::Plan;
use gantry::run::{Event, Job, JobState, Run, StopReason, Wait, goes_on, resumed, taken_over};
use gantry::schedule::Input;

use super::invariants;
use super::plans::{plan, trigger};
use super::world::{Due, World};

impl World {
    pub fn new_run(&mut self) {
        let plan = plan(&mut self.dice);
        self.make_run(plan, None);
    }

    /// Someone wants what failed of an ended run again.
    pub fn do_again(&mut self) {
        if let Some((old, taken)) = self.run_to_do_again() {
            self.make_run(Arc::clone(&old.plan), Some((old, taken)));
        }
    }

    fn make_run(&mut self, plan: Arc<Plan>, again: Option<(Run, Vec<(u32, Job)>)>) {
        let number = self.counts.of("runs") + 1;
        let id = invariants::run_id(number);
        // Mostly of one repository, so that they meet; each counts its own runs.
        let repo: RepoId =
            if self.dice.chance(85) { "00000000000000000000000000" } else { "00000000000000000000000001" }.parse().unwrap();
        let repo = again.as_ref().map_or(repo, |(old, _)| old.repo.clone());
        self.counts.one("runs");
        let mut run = Run::new(id.clone(), repo, "repo".to_owned(), number, trigger(), plan, self.now);
        for (job, taken) in again.into_iter().flat_map(|(_, taken)| taken) {
            let what = if goes_on(&taken) { "jobs that went on from a step" } else { "jobs that were taken over" };
            self.counts.one(what);
            run.jobs[job as usize] = taken;
        }
        self.stored.insert(id, run.clone());
        // A crash right here is the one between intake and loop.
        if !self.calm && self.dice.chance(5) {
            return self.crash();
        }
        self.turn(Input::Queued(Box::new(run)));
    }

    /// An ended run of which something failed, with what a new one takes over.
    fn run_to_do_again(&mut self) -> Option<(Run, Vec<(u32, Job)>)> {
        let mut again: Vec<_> = self
            .stored
            .values()
            .filter_map(|old| {
                // Now and then the artifacts of its first job are gone.
                let lost = if old.number % 4 == 0 { BTreeSet::from([0]) } else { BTreeSet::new() };
                Some((old.clone(), taken_over(old, &lost).ok()?))
            })
            .collect();
        if self.dice.chance(50) {
            // From some job or step on. One that cannot begin there is left out.
            let dice = &mut self.dice;
            again = (self.stored.values())
                .filter(|old| !old.jobs.is_empty())
                .filter_map(|old| {
                    let job = dice.below(old.jobs.len() as u64);
                    let step = dice.below(old.jobs[job as usize].steps.len() as u64);
                    let step = dice.chance(80).then_some(step as u32);
                    Some((old.clone(), resumed(old, (job as u32, step), &BTreeSet::new()).ok()?))
                })
                .collect();
        }
        let count = again.len() as u64;
        (count > 0).then(|| again.swap_remove(self.dice.below(count) as usize))
    }

    pub fn cancel(&mut self) {
        let open: Vec<RunId> = self.stored.values().filter(|run| !run.is_ended()).map(|run| run.id.clone()).collect();
        if open.is_empty() {
            return;
        }
        // A second cancel is meant for the same run.
        let run = self.again.pop().filter(|run| open.contains(run)).unwrap_or_else(|| self.dice.pick(&open));
        if matches!(self.stored[&run].stop, Some(StopReason::Cancelled { .. })) {
            self.counts.one("kills");
        }
        self.counts.one("cancels");
        if self.dice.chance(40) {
            self.again.push(run.clone());
            self.at_random(20_000, Due::Cancel);
        }
        self.turn(Input::Run(run, Event::CancelRequested { by: "a person".to_owned() }));
    }

    /// Someone answers a question for approval; now and then one that was not asked. Once all is calm, every question gets an answer some day.
    pub fn answer(&mut self) {
        let open: Vec<JobKey> = (self.stored.values().filter(|run| !run.is_ended()))
            .flat_map(|run| (0..).zip(&run.jobs).map(|(job, state)| (JobKey { run: run.id.clone(), job }, state)))
            .filter(|(_, job)| matches!(job.state, JobState::Waiting { why: Wait::Approval { .. } }))
            .map(|(key, _)| key)
            .collect();
        // The clock and the person come at the same time.
        let until = |key: &JobKey| match &self.stored[&key.run].jobs[key.job as usize].state {
            JobState::Waiting { why: Wait::Approval { until, .. } } => *until,
            _ => None,
        };
        let over = open.iter().find(|key| until(key).is_some_and(|until| self.now >= until)).cloned();
        if self.calm && self.stored.values().any(|run| !run.is_ended()) {
            self.after(7_000, Due::Answer);
        }
        let jobs = |run: &Run| run.jobs.len() as u64;
        let key = match open.is_empty() || self.dice.chance(10) {
            true => {
                let runs: Vec<RunId> = self.stored.keys().cloned().collect();
                if runs.is_empty() {
                    return;
                }
                let run = self.dice.pick(&runs);
                let job = self.dice.below(jobs(&self.stored[&run])) as u32;
                JobKey { run, job }
            }
            false => over.unwrap_or_else(|| self.dice.pick(&open)),
        };
        let (JobKey { run, job }, by, at) = (key.clone(), "a person".to_owned(), self.now);
        let event = if self.dice.chance(65) {
            self.watch.approved.insert(key);
            Event::Approved { job, by, at }
        } else {
            Event::Rejected { job, by, at }
        };
        self.turn(Input::Run(run, event));
    }
}
