//! The whole by its parts: a run's life, and the sentence that explains an end.

use crate::base::Timestamp;
use crate::pipeline::Plan;
use crate::run::gate::did;
use crate::run::{JobState, Life, Outcome, Run, StepState};

/// Queued → running with the first job that starts → ended with the last one that ends.
pub(super) fn settle_life(run: &mut Run, plan: &Plan, now: Timestamp) {
    let first_start = run.jobs.iter().filter_map(|job| match &job.state {
        JobState::Preparing { since } | JobState::Running { since } => Some(*since),
        JobState::Ended { started_at, taken: None, .. } => *started_at,
        // What ran elsewhere is no beginning here.
        JobState::Ended { taken: Some(_), .. } => None,
        JobState::Waiting { .. } => None,
    });
    let started_at = match run.life {
        Life::Running { since } => Some(since),
        Life::Queued | Life::Ended { .. } => first_start.min(),
    };
    if run.jobs.iter().all(|job| job.state.is_ended()) {
        let ends = plan.jobs.iter().zip(&run.jobs).filter_map(|(plan, job)| match &job.state {
            JobState::Ended { outcome, reason, at, .. } => Some((plan.name.as_str(), *outcome, reason.as_str(), *at)),
            _ => None,
        });
        let (mut outcome, mut reason) = sum_up("job", ends);
        if let Some(stop) = &run.stop {
            // Whoever cancelled a run wants to read that, whatever its jobs made of it, unless nothing was left to cancel.
            let cut_short = run.jobs.iter().any(|job| {
                matches!(job.state, JobState::Ended { outcome: Outcome::Cancelled, .. })
                    || job
                        .steps
                        .iter()
                        .any(|step| matches!(&step.state, StepState::Ended(end) if end.outcome == Outcome::Cancelled))
            });
            if cut_short {
                (outcome, reason) = (Outcome::Cancelled, stop.to_string());
            }
        }
        run.life = Life::Ended { outcome, reason, started_at, at: now };
    } else if let (Life::Queued, Some(since)) = (&run.life, started_at) {
        run.life = Life::Running { since };
    }
}

/// The end of a whole by the ends of its parts: the first bad end explains it.
pub(super) fn sum_up<'a>(
    what: &str,
    ends: impl Iterator<Item = (&'a str, Outcome, &'a str, Timestamp)> + Clone,
) -> (Outcome, String) {
    let is_bad = |outcome: Outcome| !outcome.is_good() && outcome != Outcome::Skipped;
    let count = |wanted: fn(Outcome) -> bool| ends.clone().filter(|end| wanted(end.1)).count();
    if let Some((name, outcome, reason, _)) = ends.clone().filter(|end| is_bad(end.1)).min_by_key(|end| end.3) {
        return (outcome, format!("{what} `{name}` {}: {reason}", did(outcome)));
    }
    if let Some((name, _, reason, _)) = ends.clone().find(|end| end.1 == Outcome::Warning) {
        return (Outcome::Warning, format!("{what} `{name}` ended with a warning: {reason}"));
    }
    let (passed, skipped) = (count(|outcome| outcome == Outcome::Passed), count(|outcome| outcome == Outcome::Skipped));
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    match (passed, skipped) {
        (0, 1) => (Outcome::Skipped, format!("its one {what} was skipped")),
        (0, _) => (Outcome::Skipped, format!("all {skipped} {what}s were skipped")),
        (_, 0) => (Outcome::Passed, format!("{passed} {what}{} passed", plural(passed))),
        _ => (Outcome::Passed, format!("{passed} {what}{} passed, {skipped} skipped", plural(passed))),
    }
}
