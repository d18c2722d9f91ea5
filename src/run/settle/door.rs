//! The door of a job: what it waits for until only the board is left, and how it ends when it does not get through.
//!
//! **Invariants:** `if` is evaluated once, when everything it may ask for has ended; nothing passes without the approval that it needs.

use crate::base::{Span, Timestamp};
use crate::pipeline::{Approval, Need, Plan, When};
use crate::run::fill::{approval_message, job_condition, job_environment};
use crate::run::gate::{Gate, NeedEnd, gate};
use crate::run::reach::needed_jobs;
use crate::run::{Decision, JobState, Outcome, Run, StepEnd, StepState, StopReason, Wait};

/// What a waiting job comes to.
enum Door {
    /// It waits for this.
    Shut(Wait),
    /// It ends without having run.
    Ended { outcome: Outcome, reason: String, held_back: bool },
}

/// A waiting job: skip it, cancel it, or let it wait for the right thing. True when it ended.
pub(super) fn settle_waiting(run: &mut Run, plan: &Plan, job: usize, now: Timestamp) -> bool {
    let door = match stopped(run, plan, job) {
        Some(ended) => ended,
        None => door(run, plan, job, now),
    };
    let (outcome, reason, held_back) = match door {
        Door::Shut(why) => {
            run.jobs[job].state = JobState::Waiting { why };
            return false;
        }
        Door::Ended { outcome, reason, held_back } => (outcome, reason, held_back),
    };
    let state = &mut run.jobs[job];
    for step in state.steps.iter_mut().filter(|step| !step.state.is_ended()) {
        step.state = StepState::Ended(StepEnd { held_back, ..StepEnd::never_made(outcome, reason.clone(), now) });
    }
    let outputs = Default::default();
    state.state =
        JobState::Ended { outcome, reason, started_at: None, at: now, outputs, held_back, taken: None, kept_until: None };
    true
}

/// Its own stop spares nothing: it was not begun. The run's spares jobs with `when: always`, unless it is a kill.
fn stopped(run: &Run, plan: &Plan, job: usize) -> Option<Door> {
    let spared = plan.jobs[job].when == When::Always;
    let stop = match (&run.stop, &run.jobs[job].stop) {
        (Some(kill @ StopReason::Killed { .. }), _) => kill,
        (Some(stop), _) if !spared => stop,
        (_, Some(own)) => own,
        (Some(_), None) | (None, None) => return None,
    };
    Some(Door::Ended { outcome: Outcome::Cancelled, reason: stop.before_start(), held_back: false })
}

fn door(run: &Run, plan: &Plan, job: usize, now: Timestamp) -> Door {
    let job_plan = &plan.jobs[job];
    let (since, until) = match &run.jobs[job].state {
        // The run has said all it has to say; what it needs has ended for good.
        JobState::Waiting { why } if why.is_ready() => return Door::Shut(why.clone()),
        JobState::Waiting { why: Wait::Approval { since, until, .. } } => (*since, *until),
        JobState::Waiting { .. } | JobState::Preparing { .. } | JobState::Running { .. } | JobState::Ended { .. } => {
            let timeout_ms = job_plan.approval.as_ref().and_then(|approval| approval.timeout_ms);
            (now, timeout_ms.map(|ms| now.plus_ms(ms)))
        }
    };
    let open = open_needs(run, plan, job);
    if !open.is_empty() {
        return Door::Shut(Wait::Needs { jobs: open });
    }
    let ended = |outcome, reason, held_back| Door::Ended { outcome, reason, held_back };
    if let Some(reason) = &job_plan.skip {
        return ended(Outcome::Skipped, format!("skipped: {reason}"), false);
    }
    let needs: Vec<NeedEnd<'_>> = job_plan.needs.iter().filter_map(|need| need_end(run, plan, *need as usize)).collect();
    if let Gate::Shut { reason, held_back } = gate(job_plan.when, Need::Explicit, &needs) {
        return ended(Outcome::Skipped, reason, held_back);
    }
    match job_condition(run, job) {
        Ok(None) => {}
        Ok(Some(sentence)) => return ended(Outcome::Skipped, format!("skipped: {sentence}"), false),
        Err(why) => return ended(Outcome::Error, why, false),
    }
    if let Err(why) = job_environment(run, job) {
        return ended(Outcome::Error, why, false);
    }
    match (&job_plan.approval, &run.jobs[job].decision) {
        (None, _) | (Some(_), Some(Decision::Approved { .. })) => Door::Shut(Wait::Admission),
        (Some(_), Some(Decision::Rejected { by, .. })) => ended(Outcome::Cancelled, format!("rejected by {by}"), false),
        (Some(approval), None) => match until {
            Some(until) if now >= until => {
                let reason = format!("nobody approved it within {}", Span(approval.timeout_ms.unwrap_or_default()));
                ended(Outcome::TimedOut, reason, false)
            }
            Some(_) | None => ask(run, job, approval, since, until),
        },
    }
}

fn ask(run: &Run, job: usize, approval: &Approval, since: Timestamp, until: Option<Timestamp>) -> Door {
    match approval_message(run, job, approval) {
        Ok(message) => Door::Shut(Wait::Approval { message, by: approval.by.clone(), since, until }),
        Err(why) => Door::Ended { outcome: Outcome::Error, reason: why, held_back: false },
    }
}

/// Names of the jobs that it needs and that have not ended: the near ones, and once those have, the far ones, which a cancel may leave behind.
fn open_needs(run: &Run, plan: &Plan, job: usize) -> Vec<String> {
    let is_open = |need: &usize| !run.jobs[*need].state.is_ended();
    let name = |need: usize| plan.jobs[need].name.clone();
    let near: Vec<String> = plan.jobs[job].needs.iter().map(|need| *need as usize).filter(is_open).map(name).collect();
    if !near.is_empty() {
        return near;
    }
    let far = needed_jobs(plan, job).into_iter().enumerate().filter(|(_, needed)| *needed).map(|(need, _)| need);
    far.filter(is_open).map(name).collect()
}

/// How a job ended, for those that need it.
fn need_end<'a>(run: &Run, plan: &'a Plan, job: usize) -> Option<NeedEnd<'a>> {
    match &run.jobs[job].state {
        JobState::Ended { outcome, held_back, .. } => {
            Some(NeedEnd { name: plan.jobs[job].name.as_str(), outcome: *outcome, held_back: *held_back })
        }
        JobState::Waiting { .. } | JobState::Preparing { .. } | JobState::Running { .. } => None,
    }
}
