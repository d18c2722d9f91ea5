//! What late expressions may look at, made of the run's state.
//!
//! **Invariants:** only what is needed, near or far, and has ended: what an expression sees never changes afterwards, so whoever evaluates it again
//! gets the same answer. A matrix is seen as one job: its outcome is the worst, an output that of the last combination that wrote it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::pipeline::{JobPlan, KnownEnd, Scope};

use super::reach::{needed_jobs, needed_steps};
use super::{JobState, Outcome, Run, StepState};

/// The ends that an expression of one job or step may ask for.
pub(super) struct Known<'r> {
    run: &'r Run,
    plan: &'r JobPlan,
    jobs: BTreeMap<&'r str, End<'r>>,
    steps: BTreeMap<&'r str, End<'r>>,
}

struct End<'r> {
    outcome: Outcome,
    outputs: Cow<'r, BTreeMap<String, String>>,
}

impl<'r> Known<'r> {
    /// For what stands at a job itself: the jobs that it needs.
    pub(super) fn of_job(run: &'r Run, job: usize) -> Self {
        let mut jobs: BTreeMap<&str, End<'_>> = BTreeMap::new();
        for ((plan, needed), job) in run.plan.jobs.iter().zip(needed_jobs(&run.plan, job)).zip(&run.jobs) {
            let JobState::Ended { outcome, outputs, .. } = &job.state else { continue };
            if needed {
                let name = plan.matrix.as_ref().map_or(plan.name.as_str(), |cell| cell.of.as_str());
                match jobs.get_mut(name) {
                    None => {
                        jobs.insert(name, End { outcome: *outcome, outputs: Cow::Borrowed(outputs) });
                    }
                    Some(end) => end.add(*outcome, outputs),
                }
            }
        }
        Self { run, plan: &run.plan.jobs[job], jobs, steps: BTreeMap::new() }
    }

    /// For what stands at a step: also the steps that it needs.
    pub(super) fn of_step(run: &'r Run, job: usize, step: usize) -> Self {
        let needed = needed_steps(&run.plan.jobs[job], step);
        Self::of_job(run, job).with_steps(job, |step| needed[step])
    }

    /// For a job's outputs: also all of its steps.
    pub(super) fn of_outputs(run: &'r Run, job: usize) -> Self {
        Self::of_job(run, job).with_steps(job, |_| true)
    }

    fn with_steps(mut self, job: usize, wanted: impl Fn(usize) -> bool) -> Self {
        for (ix, (plan, step)) in self.plan.steps.iter().zip(&self.run.jobs[job].steps).enumerate() {
            if let StepState::Ended(end) = &step.state
                && wanted(ix)
            {
                self.steps.insert(&plan.name, End { outcome: end.outcome, outputs: Cow::Borrowed(&end.outputs) });
            }
        }
        self
    }

    /// As expressions take it. `env` are the variables whose values are known.
    pub(super) fn scope<'a>(&'a self, env: BTreeMap<&'a str, Cow<'a, str>>) -> Scope<'a> {
        let ends = |ends: &'a BTreeMap<&'r str, End<'r>>| ends.iter().map(|(name, end)| (*name, end.known())).collect();
        Scope {
            trigger: &self.run.trigger,
            run_id: self.run.id.as_str(),
            run_number: self.run.number,
            inputs: &self.run.plan.inputs,
            matrix: self.plan.matrix.as_ref().map(|cell| &cell.values),
            env,
            jobs: ends(&self.jobs),
            steps: ends(&self.steps),
        }
    }
}

impl<'r> End<'r> {
    /// Adds a further combination.
    fn add(&mut self, outcome: Outcome, outputs: &'r BTreeMap<String, String>) {
        if badness(outcome) > badness(self.outcome) {
            self.outcome = outcome;
        }
        if self.outputs.is_empty() {
            self.outputs = Cow::Borrowed(outputs);
        } else if !outputs.is_empty() {
            self.outputs.to_mut().extend(outputs.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
    }

    fn known(&self) -> KnownEnd<'_> {
        KnownEnd { outcome: self.outcome.as_str(), outputs: &self.outputs }
    }
}

/// For the worst of several: whatever did not pass is worse than what did, and what nobody can answer for is the worst.
fn badness(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Passed => 0,
        Outcome::Skipped => 1,
        Outcome::Warning => 2,
        Outcome::Cancelled => 3,
        Outcome::TimedOut => 4,
        Outcome::Failed => 5,
        Outcome::Lost => 6,
        Outcome::Error => 7,
    }
}
