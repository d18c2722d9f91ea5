//! What follows from a state by itself: deadlines, stops, starts, skips and ends, until nothing more follows.
//!
//! **Invariants:** nothing starts after a cancel but what says `when: always`, and nothing at all after a kill; a stop that is due is in the
//! commands of the same turn in which it became due; a job ends once all its steps have, a run once all its jobs have.

use crate::base::{AttemptKey, JobIx, JobKey, StepIx, Timestamp};
use crate::pipeline::{Need, Plan, When};

use super::gate::{Gate, NeedEnd, did, gate};
use super::{Command, JobState, Life, Outcome, Run, StepEnd, StepState, StopReason, Wait};

/// Brings a run to rest at `now`.
pub(super) fn settle(run: &mut Run, now: Timestamp, may_start: bool, commands: &mut Vec<Command>) {
    let plan = std::sync::Arc::clone(&run.plan);
    // Jobs only wait for jobs, so a pass that changes no job's end is the last one.
    loop {
        let mut moved = false;
        for job in 0..run.jobs.len() {
            moved |= match run.jobs[job].state {
                JobState::Waiting { .. } => settle_waiting(run, &plan, job, now),
                JobState::Running { since } => settle_running(run, &plan, job, since, now, may_start, commands),
                JobState::Preparing { .. } | JobState::Ended { .. } => false,
            };
        }
        if !moved {
            break;
        }
    }
    settle_life(run, &plan, now);
}

/// A waiting job: skip it, cancel it, or let it wait for the right thing. True when it ended.
fn settle_waiting(run: &mut Run, plan: &Plan, job: usize, now: Timestamp) -> bool {
    let job_plan = &plan.jobs[job];
    let end = |run: &mut Run, outcome: Outcome, reason: String| {
        for step in &mut run.jobs[job].steps {
            if !step.state.is_ended() {
                step.state = never_made(outcome, &reason, now);
            }
        }
        run.jobs[job].state = JobState::Ended { outcome, reason, started_at: None, at: now };
        true
    };
    if let Some(stop) = &run.stop
        && (job_plan.when != When::Always || matches!(stop, StopReason::Killed { .. }))
    {
        let reason = format!("{stop} before it started");
        return end(run, Outcome::Cancelled, reason);
    }
    let open: Vec<String> = (job_plan.needs.iter())
        .filter(|need| !run.jobs[**need as usize].state.is_ended())
        .map(|need| plan.jobs[*need as usize].name.clone())
        .collect();
    if !open.is_empty() {
        run.jobs[job].state = JobState::Waiting { why: Wait::Needs { jobs: open } };
        return false;
    }
    if let Some(reason) = &job_plan.skip {
        return end(run, Outcome::Skipped, format!("skipped: {reason}"));
    }
    let needs: Vec<NeedEnd<'_>> = job_plan.needs.iter().map(|need| job_end(run, plan, *need)).collect();
    match gate(job_plan.when, Need::Explicit, &needs) {
        Gate::Shut(reason) => end(run, Outcome::Skipped, reason),
        Gate::Open => {
            // Ready: the board says what it waits for, a slot or the engine.
            if matches!(&run.jobs[job].state, JobState::Waiting { why: Wait::Needs { jobs } } if !jobs.is_empty()) {
                run.jobs[job].state = JobState::Waiting { why: Wait::Needs { jobs: Vec::new() } };
            }
            false
        }
    }
}

/// How a job ended, for those that need it. Only asked of ended ones.
fn job_end<'a>(run: &Run, plan: &'a Plan, job: JobIx) -> NeedEnd<'a> {
    let name = plan.jobs[job as usize].name.as_str();
    match &run.jobs[job as usize].state {
        JobState::Ended { outcome, .. } => {
            let held_back =
                *outcome == Outcome::Skipped && plan.jobs[job as usize].skip.is_none() && has_bad_need(run, plan, job);
            NeedEnd { name, outcome: *outcome, held_back }
        }
        JobState::Waiting { .. } | JobState::Preparing { .. } | JobState::Running { .. } => {
            NeedEnd { name, outcome: Outcome::Lost, held_back: false }
        }
    }
}

/// Whether anything this job needs, near or far, did not pass.
fn has_bad_need(run: &Run, plan: &Plan, job: JobIx) -> bool {
    plan.jobs[job as usize].needs.iter().any(|need| match &run.jobs[*need as usize].state {
        JobState::Ended { outcome: Outcome::Skipped, .. } => has_bad_need(run, plan, *need),
        JobState::Ended { outcome, .. } => !outcome.is_good(),
        JobState::Waiting { .. } | JobState::Preparing { .. } | JobState::Running { .. } => false,
    })
}

/// A running job: stop what is over time or cancelled, start what may start, end it when all its steps have ended. True when it ended.
fn settle_running(
    run: &mut Run,
    plan: &Plan,
    job: usize,
    since: Timestamp,
    now: Timestamp,
    may_start: bool,
    commands: &mut Vec<Command>,
) -> bool {
    let job_plan = &plan.jobs[job];
    let job_over =
        (now >= since.plus_ms(job_plan.timeout_ms)).then_some(StopReason::JobTimeout { after_ms: job_plan.timeout_ms });
    loop {
        let mut moved = false;
        for step in 0..run.jobs[job].steps.len() {
            moved |= settle_step(run, plan, (job, step), job_over.as_ref(), now, may_start, commands);
        }
        if !moved {
            break;
        }
    }
    if !run.jobs[job].steps.iter().all(|step| step.state.is_ended()) {
        return false;
    }
    let ends: Vec<(&str, &StepEnd)> = (job_plan.steps.iter().zip(&run.jobs[job].steps))
        .filter_map(|(plan, step)| match &step.state {
            StepState::Ended(end) => Some((plan.name.as_str(), end)),
            _ => None,
        })
        .collect();
    let (mut outcome, mut reason) =
        sum_up("step", ends.iter().map(|(name, end)| (*name, end.outcome, end.reason.as_str(), end.at)));
    if job_plan.allow_failure && !outcome.is_good() && !matches!(outcome, Outcome::Cancelled | Outcome::Skipped) {
        outcome = Outcome::Warning;
        reason = format!("{reason}; `allow_failure` makes it a warning");
    }
    run.jobs[job].state = JobState::Ended { outcome, reason, started_at: Some(since), at: now };
    commands.push(Command::ReleaseJob(JobKey { run: run.id.clone(), job: job as JobIx }));
    true
}

/// One step of a running job. True when its end may move others.
fn settle_step(
    run: &mut Run,
    plan: &Plan,
    (job, step): (usize, usize),
    job_over: Option<&StopReason>,
    now: Timestamp,
    may_start: bool,
    commands: &mut Vec<Command>,
) -> bool {
    let step_plan = &plan.jobs[job].steps[step];
    let spared = step_plan.when == When::Always;
    // The strongest reason why this step should not run, if any.
    let stop = match &run.stop {
        Some(kill @ StopReason::Killed { .. }) => Some(kill.clone()),
        Some(cancel) if !spared => Some(cancel.clone()),
        Some(_) | None => job_over.cloned(),
    };
    let key = |attempt| AttemptKey { run: run.id.clone(), job: job as JobIx, step: step as StepIx, attempt };
    let state = run.jobs[job].steps[step].state.clone();
    match (state, stop) {
        (StepState::Ended(_), _) => false,
        (StepState::Waiting, Some(why)) => {
            let outcome = if why.is_timeout() { Outcome::TimedOut } else { Outcome::Cancelled };
            let reason = format!("{why} before it started");
            run.jobs[job].steps[step].state = never_made(outcome, &reason, now);
            true
        }
        (StepState::Waiting, None) => match step_gate(run, plan, job, step) {
            None => false,
            Some(Gate::Shut(reason)) => {
                run.jobs[job].steps[step].state = never_made(Outcome::Skipped, &reason, now);
                true
            }
            Some(Gate::Open) => {
                if may_start {
                    commands.push(Command::StartStep(key(1)));
                    run.jobs[job].steps[step].state = StepState::Starting { attempt: 1, since: now };
                }
                false
            }
        },
        (StepState::Backoff { attempt, reason, .. }, Some(why)) => {
            let outcome = if why.is_timeout() { Outcome::TimedOut } else { Outcome::Cancelled };
            let end = StepEnd {
                outcome,
                reason: format!("{why} before attempt {attempt}; the one before {reason}"),
                exit_code: None,
                attempt: attempt - 1,
                started_at: None,
                at: now,
            };
            run.jobs[job].steps[step].state = StepState::Ended(end);
            true
        }
        (StepState::Backoff { attempt, until, .. }, None) => {
            if may_start && now >= until {
                commands.push(Command::StartStep(key(attempt)));
                run.jobs[job].steps[step].state = StepState::Starting { attempt, since: now };
            }
            false
        }
        (StepState::Starting { attempt, .. }, Some(why)) => {
            stop_step(run, (job, step), (attempt, None), why, now, commands);
            false
        }
        (StepState::Starting { .. }, None) => false,
        (StepState::Running { attempt, since }, stop) => {
            let own =
                step_plan.timeout_ms.filter(|ms| now >= since.plus_ms(*ms)).map(|after_ms| StopReason::StepTimeout { after_ms });
            if let Some(why) = stop.or(own) {
                stop_step(run, (job, step), (attempt, Some(since)), why, now, commands);
            }
            false
        }
        (StepState::Stopping { attempt, started_at, why, .. }, Some(stronger)) if stronger.strength() > why.strength() => {
            stop_step(run, (job, step), (attempt, started_at), stronger, now, commands);
            false
        }
        (StepState::Stopping { .. }, _) => false,
    }
}

fn stop_step(
    run: &mut Run,
    (job, step): (usize, usize),
    (attempt, started_at): (u32, Option<Timestamp>),
    why: StopReason,
    now: Timestamp,
    commands: &mut Vec<Command>,
) {
    let key = AttemptKey { run: run.id.clone(), job: job as JobIx, step: step as StepIx, attempt };
    let at_once = matches!(why, StopReason::Killed { .. });
    commands.push(Command::StopStep { key, at_once });
    run.jobs[job].steps[step].state = StepState::Stopping { attempt, started_at, why, since: now };
}

/// `None` while a need is open.
fn step_gate(run: &Run, plan: &Plan, job: usize, step: usize) -> Option<Gate> {
    let (job_plan, steps) = (&plan.jobs[job], &run.jobs[job].steps);
    let step_plan = &job_plan.steps[step];
    let mut needs = Vec::with_capacity(step_plan.needs.len());
    for need in &step_plan.needs {
        let StepState::Ended(end) = &steps[*need as usize].state else {
            return None;
        };
        let held_back = end.outcome == Outcome::Skipped
            && job_plan.steps[*need as usize].skip.is_none()
            && bad_step_before(run, plan, job, *need);
        needs.push(NeedEnd { name: &job_plan.steps[*need as usize].name, outcome: end.outcome, held_back });
    }
    match &step_plan.skip {
        Some(reason) => Some(Gate::Shut(format!("skipped: {reason}"))),
        None => Some(gate(step_plan.when, step_plan.need, &needs)),
    }
}

/// Whether anything this step needs, near or far, did not pass.
fn bad_step_before(run: &Run, plan: &Plan, job: usize, step: StepIx) -> bool {
    plan.jobs[job].steps[step as usize].needs.iter().any(|need| match &run.jobs[job].steps[*need as usize].state {
        StepState::Ended(end) if end.outcome == Outcome::Skipped => bad_step_before(run, plan, job, *need),
        StepState::Ended(end) => !end.outcome.is_good(),
        _ => false,
    })
}

fn never_made(outcome: Outcome, reason: &str, now: Timestamp) -> StepState {
    StepState::Ended(StepEnd { outcome, reason: reason.to_owned(), exit_code: None, attempt: 0, started_at: None, at: now })
}

/// Queued → running with the first job that starts → ended with the last one that ends.
fn settle_life(run: &mut Run, plan: &Plan, now: Timestamp) {
    let first_start = run.jobs.iter().filter_map(|job| match job.state {
        JobState::Preparing { since } | JobState::Running { since } => Some(since),
        JobState::Ended { started_at, .. } => started_at,
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
fn sum_up<'a>(what: &str, ends: impl Iterator<Item = (&'a str, Outcome, &'a str, Timestamp)> + Clone) -> (Outcome, String) {
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
