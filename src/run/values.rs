//! Values that steps leave for others: outputs and variables. **Invariant:** shared, since a run is copied with every turn and a step may leave many.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{JobState, Run, StepState};

/// Name → value. Cheap to copy.
pub type Values = Arc<BTreeMap<String, String>>;

/// How much room they take: names and values.
pub(super) fn size(values: &BTreeMap<String, String>) -> usize {
    values.iter().map(|(name, value)| name.len() + value.len()).sum()
}

/// What all steps and jobs of a run have left so far.
pub(super) fn size_of_run(run: &Run) -> usize {
    let of_steps = |state: &StepState| match state {
        StepState::Ended(end) => size(&end.outputs) + size(&end.env),
        StepState::Waiting
        | StepState::Parked { .. }
        | StepState::Starting { .. }
        | StepState::Running { .. }
        | StepState::Stopping { .. }
        | StepState::Backoff { .. } => 0,
    };
    let of_job = |state: &JobState| match state {
        JobState::Ended { outputs, .. } => size(outputs),
        JobState::Waiting { .. } | JobState::Preparing { .. } | JobState::Running { .. } => 0,
    };
    run.jobs.iter().map(|job| of_job(&job.state) + job.steps.iter().map(|step| of_steps(&step.state)).sum::<usize>()).sum()
}
