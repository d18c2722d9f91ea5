//! What people do: push, cancel, answer.

use gantry::base::{JobKey, RepoId, RunId};
use gantry::run::{Event, JobState, Run, StopReason, Wait};
use gantry::schedule::Input;

use super::invariants;
use super::plans::{plan, trigger};
use super::world::{Due, World};

impl World {
    pub fn new_run(&mut self) {
        let plan = plan(&mut self.dice);
        let number = self.counts.of("runs") + 1;
        let id = invariants::run_id(number);
        // Mostly of one repository, so that they meet; each counts its own runs.
        let repo: RepoId =
            if self.dice.chance(85) { "00000000000000000000000000" } else { "00000000000000000000000001" }.parse().unwrap();
        self.counts.one("runs");
        let run = Run::new(id.clone(), repo, "repo".to_owned(), number, trigger(), plan, self.now);
        self.stored.insert(id, run.clone());
        // A crash right here is the one between intake and loop.
        if !self.calm && self.dice.chance(5) {
            return self.crash();
        }
        self.turn(Input::Queued(Box::new(run)));
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
