//! What a turn changes: the state rows that differ. **Invariant:** made by comparing the run before and after, so that no change can be forgotten.

use crate::base::{JobIx, RunId, StepIx};
use crate::run::{Decision, JobState, Life, Run, StepState, StopReason};

/// One state row that has a new value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Run { run: RunId, life: Life, stop: Option<StopReason> },
    Job { run: RunId, job: JobIx, state: JobState, engine: Option<String>, decision: Option<Decision>, stop: Option<StopReason> },
    Step { run: RunId, job: JobIx, step: StepIx, state: StepState },
}

/// The rows of `after` that differ from `before`.
#[must_use]
pub fn diff(before: &Run, after: &Run) -> Vec<Change> {
    let mut changes = Vec::new();
    for (job, (old, new)) in (0..).zip(before.jobs.iter().zip(&after.jobs)) {
        for (step, (old, new)) in (0..).zip(old.steps.iter().zip(&new.steps)) {
            if old.state != new.state {
                changes.push(Change::Step { run: after.id.clone(), job, step, state: new.state.clone() });
            }
        }
        if (&old.state, &old.engine, &old.decision, &old.stop) != (&new.state, &new.engine, &new.decision, &new.stop) {
            let (state, engine) = (new.state.clone(), new.engine.clone());
            let (decision, stop) = (new.decision.clone(), new.stop.clone());
            changes.push(Change::Job { run: after.id.clone(), job, state, engine, decision, stop });
        }
    }
    if before.life != after.life || before.stop != after.stop {
        changes.push(Change::Run { run: after.id.clone(), life: after.life.clone(), stop: after.stop.clone() });
    }
    changes
}
