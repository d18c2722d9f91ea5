//! `apply`: one event, one new state. The moves that follow from a state by themselves (starts, skips, deadlines, ends) are in `settle`.
//!
//! **Invariants:** total; an exit moves only its own attempt; a stronger stop reason is never replaced; every attempt that is told to start, or to be
//! parked, is followed by exactly one `RemoveStep`.

use crate::base::{AttemptKey, JobIx, JobKey, StepIx, Timestamp};

use super::compare::compared;
use super::fill::room_for;
use super::left::engine_lost;
use super::settle::settle;
use super::taken::goes_on;
use super::verdict::Verdict;
use super::{
    Applied, Command, Decision, Event, Exit, Job, JobState, Observed, Outcome, Permits, Run, StepEnd, StepState, StopReason,
    Wait, Written,
};

/// Applies one event.
pub fn apply(run: &mut Run, event: &Event, now: Timestamp, permits: &dyn Permits) -> Applied {
    if run.is_ended() {
        return Applied::Ignored("the run has ended");
    }
    let mut commands = Vec::new();
    let done = match event {
        Event::JobAdmitted { job, engine } => admit(run, (*job, engine), now, &mut commands),
        Event::JobPrepared { job, engine } => prepared(run, (*job, engine)),
        Event::JobNotPrepared { job, engine, message, again } => {
            not_prepared(run, (*job, engine), message, *again, now, &mut commands)
        }
        Event::StepStarted { job, step, attempt, at } => started(run, (*job, *step, *attempt), *at),
        Event::StepNotStarted { job, step, attempt } => not_started(run, (*job, *step, *attempt), now),
        Event::StepExited { job, step, attempt, exit, wrote, observed } => {
            exited(run, (*job, *step, *attempt), (exit, wrote, observed), now, &mut commands)
        }
        Event::Approved { job, by, at } => decide(run, *job, Decision::Approved { by: by.clone(), at: *at }, now),
        Event::Rejected { job, by, at } => decide(run, *job, Decision::Rejected { by: by.clone(), at: *at }, now),
        Event::Replaced { by } => replace(run, *by),
        Event::JobReplaced { job, by } => replace_job(run, *job, *by),
        Event::CancelRequested { by } => cancel(run, by),
        Event::EngineLost { job, message } => engine_lost(run, *job, message, now, &mut commands),
        Event::Compared { engine, known, asked_at } => {
            compared(run, (engine, known), *asked_at, now, &mut commands);
            Ok(())
        }
        Event::Woken => Ok(()),
    };
    match done {
        Ok(()) => {
            settle(run, now, permits, &mut commands);
            Applied::Applied { commands }
        }
        Err(why) => Applied::Ignored(why),
    }
}

pub(super) type Done = Result<(), &'static str>;
/// Job, step, attempt.
pub(super) type Place = (JobIx, StepIx, u32);

fn admit(run: &mut Run, (job, engine): (JobIx, &str), now: Timestamp, commands: &mut Vec<Command>) -> Done {
    let key = JobKey { run: run.id.clone(), job };
    let job = run.jobs.get_mut(job as usize).ok_or("no such job")?;
    match job.state {
        JobState::Waiting { .. } => {
            job.state = JobState::Preparing { since: now };
            job.engine = Some(engine.to_owned());
            commands.push(Command::PrepareJob(key));
            Ok(())
        }
        JobState::Preparing { .. } | JobState::Running { .. } => Err("the job has its slot already"),
        JobState::Ended { .. } => Err("the job has ended"),
    }
}

/// The job, if it is on that engine: what is said of another one is of a time before it was given up.
fn job_on<'r>(run: &'r mut Run, (job, engine): (JobIx, &str)) -> Result<&'r mut Job, &'static str> {
    let job = run.jobs.get_mut(job as usize).ok_or("no such job")?;
    match job.state {
        JobState::Preparing { .. } if job.engine.as_deref() != Some(engine) => Err("the job is on another engine meanwhile"),
        JobState::Waiting { .. } | JobState::Preparing { .. } | JobState::Running { .. } | JobState::Ended { .. } => Ok(job),
    }
}

fn prepared(run: &mut Run, on: (JobIx, &str)) -> Done {
    let state = &mut job_on(run, on)?.state;
    match state {
        JobState::Preparing { since } => {
            *state = JobState::Running { since: *since };
            Ok(())
        }
        JobState::Waiting { .. } => Err("the job gave its slot back meanwhile"),
        JobState::Running { .. } => Err("the job runs already"),
        JobState::Ended { .. } => Err("the job has ended"),
    }
}

fn not_prepared(
    run: &mut Run,
    on: (JobIx, &str),
    message: &str,
    again: bool,
    now: Timestamp,
    commands: &mut Vec<Command>,
) -> Done {
    let key = JobKey { run: run.id.clone(), job: on.0 };
    let job = job_on(run, on)?;
    match job.state {
        JobState::Preparing { .. } if again => {
            job.state = JobState::Waiting { why: Wait::Engine { message: message.to_owned() } };
            if !goes_on(job) {
                job.engine = None;
            }
            Ok(())
        }
        JobState::Preparing { since } => {
            // On an engine before this one some may have ended without an attempt.
            for step in job.steps.iter_mut().filter(|step| !step.state.is_ended()) {
                let reason = "not started: the job could not be prepared";
                step.state = StepState::Ended(StepEnd { held_back: true, ..StepEnd::never_made(Outcome::Skipped, reason, now) });
            }
            job.state = JobState::ended(Outcome::Error, message, Some(since), now);
            commands.push(Command::ReleaseJob(key));
            Ok(())
        }
        JobState::Waiting { .. } => Err("the job gave its slot back meanwhile"),
        JobState::Running { .. } => Err("the job runs already"),
        JobState::Ended { .. } => Err("the job has ended"),
    }
}

/// The step at `place`, if that very attempt is in the executor's hands.
fn live_step(run: &mut Run, (job, step, attempt): Place) -> Result<&mut StepState, &'static str> {
    let job = run.jobs.get_mut(job as usize).ok_or("no such job")?;
    let state = &mut job.steps.get_mut(step as usize).ok_or("no such step")?.state;
    match state.live_attempt() {
        Some(live) if live == attempt => Ok(state),
        Some(_) => Err("it speaks of another attempt"),
        None => Err("no attempt of this step is live"),
    }
}

fn started(run: &mut Run, place: Place, at: Timestamp) -> Done {
    let state = live_step(run, place)?;
    match state {
        StepState::Starting { attempt, .. } => {
            *state = StepState::Running { attempt: *attempt, since: at };
            Ok(())
        }
        StepState::Stopping { started_at: seen @ None, .. } => {
            *seen = Some(at);
            Ok(())
        }
        StepState::Running { .. } | StepState::Stopping { .. } => Err("it is known to run"),
        StepState::Waiting | StepState::Parked { .. } | StepState::Backoff { .. } | StepState::Ended(_) => {
            Err("no attempt of this step is live")
        }
    }
}

fn not_started(run: &mut Run, place: Place, now: Timestamp) -> Done {
    let state = live_step(run, place)?;
    match state {
        StepState::Starting { attempt: 1, .. } => {
            *state = StepState::Waiting;
            Ok(())
        }
        StepState::Starting { attempt, .. } => {
            *state = StepState::Backoff { attempt: *attempt, until: now, reason: "the engine did not answer".to_owned() };
            Ok(())
        }
        // Whether a container was made is not known: the comparison, once the engine answers, will tell.
        StepState::Stopping { .. } => Err("it is being stopped; the comparison with the engine decides"),
        StepState::Running { .. } => Err("it is known to run"),
        StepState::Waiting | StepState::Parked { .. } | StepState::Backoff { .. } | StepState::Ended(_) => {
            Err("no attempt of this step is live")
        }
    }
}

pub(super) fn exited(
    run: &mut Run,
    place: Place,
    (exit, wrote, observed): (&Exit, &Written, &Observed),
    now: Timestamp,
    commands: &mut Vec<Command>,
) -> Done {
    let (job, step, attempt) = place;
    let stopping = run.stop.is_some() || run.jobs.get(job as usize).is_some_and(|job| job.stop.is_some());
    let state = live_step(run, place)?.clone();
    let (started_at, why) = match state {
        StepState::Stopping { started_at, why, .. } => (started_at, Some(why)),
        StepState::Running { since, .. } => (Some(since), None),
        StepState::Starting { .. }
        | StepState::Waiting
        | StepState::Parked { .. }
        | StepState::Backoff { .. }
        | StepState::Ended(_) => (None, None),
    };
    let plan = std::sync::Arc::clone(&run.plan);
    let step_plan = &plan.jobs[job as usize].steps[step as usize];
    let no_room = room_for(run, wrote).err();
    let (outputs, env) = if no_room.is_none() { (wrote.outputs.clone(), wrote.env.clone()) } else { Default::default() };
    let verdict = Verdict::of(
        exit,
        (observed, plan.jobs[job as usize].resources.memory_bytes),
        why.as_ref(),
        wrote.problem.as_deref().or(no_room.as_deref()),
    );
    let job_over = why.as_ref().is_some_and(|why| why.strength() > 0);
    let again = if stopping || job_over { None } else { verdict.retry_after_ms(step_plan, attempt) };
    let next = match again {
        Some(wait) => StepState::Backoff { attempt: attempt + 1, until: now.plus_ms(wait), reason: verdict.reason },
        None => {
            let Verdict { outcome, reason, exit_code, .. } = verdict.allowed(step_plan);
            let held_back = false;
            StepState::Ended(StepEnd {
                outcome,
                reason,
                exit_code,
                attempt,
                started_at,
                at: now,
                outputs,
                env,
                held_back,
                observed: Box::new(observed.clone()),
                taken: None,
            })
        }
    };
    run.jobs[job as usize].steps[step as usize].state = next;
    commands.push(Command::RemoveStep(AttemptKey { run: run.id.clone(), job, step, attempt }));
    Ok(())
}

/// Someone answered. What follows from the answer is drawn by `settle`.
fn decide(run: &mut Run, job: JobIx, decision: Decision, now: Timestamp) -> Done {
    let job = run.jobs.get_mut(job as usize).ok_or("no such job")?;
    match &job.state {
        JobState::Waiting { why: Wait::Approval { until: Some(until), .. } } if now >= *until => {
            Err("the time for its approval is over")
        }
        JobState::Waiting { why: Wait::Approval { .. } } => {
            job.decision = Some(decision);
            Ok(())
        }
        JobState::Waiting { .. } if job.decision.is_none() => Err("the job does not wait for approval yet"),
        JobState::Waiting { .. } | JobState::Preparing { .. } | JobState::Running { .. } => {
            Err("the job does not wait for approval")
        }
        JobState::Ended { .. } => Err("the job has ended"),
    }
}

fn replace(run: &mut Run, by: u64) -> Done {
    match &run.stop {
        None => {
            run.stop = Some(StopReason::Replaced { by });
            Ok(())
        }
        Some(_) => Err("it is being stopped already"),
    }
}

fn replace_job(run: &mut Run, job: JobIx, by: u64) -> Done {
    let job = run.jobs.get_mut(job as usize).ok_or("no such job")?;
    if job.state.is_ended() {
        return Err("the job has ended");
    }
    match &job.stop {
        None => {
            job.stop = Some(StopReason::Replaced { by });
            Ok(())
        }
        Some(_) => Err("it is being stopped already"),
    }
}

fn cancel(run: &mut Run, by: &str) -> Done {
    run.stop = Some(match &run.stop {
        None => StopReason::Cancelled { by: by.to_owned() },
        Some(StopReason::Killed { .. }) => return Err("it is being cancelled at once already"),
        Some(_) => StopReason::Killed { by: by.to_owned() },
    });
    Ok(())
}
