//! The promises, checked on the world and not by the code under test: from what is stored, and from what the engine really did.

use std::collections::{BTreeMap, BTreeSet};

use gantry::base::{AttemptKey, JobIx, JobKey, RunId, StepIx};
use gantry::pipeline::When;
use gantry::run::{Event, Exit, JobState, Life, Outcome, Step, StepState, StopReason, Written};
use gantry::schedule::{Change, Input};

use super::world::{KEEP_MS, World};

/// A start or stop that is older than this, without a disturbance since, was lost. Above every delay of the world, and above the minute after which
/// the server compares by itself.
const BOUND_MS: u64 = 130_000;

/// What the invariants remember.
#[derive(Default)]
pub struct Watch {
    /// Every attempt that ever ran.
    executed: BTreeSet<AttemptKey>,
    /// How each container that ended by itself or was stopped did so.
    pub exited: BTreeMap<AttemptKey, Exit>,
    /// What each container left to others, or would have.
    pub wrote: BTreeMap<AttemptKey, Written>,
    /// Jobs that someone said yes to.
    pub approved: BTreeSet<JobKey>,
    /// What was ready when a process died, or came to be afterwards: nobody but a comparison knows of it.
    pub stray: BTreeSet<AttemptKey>,
    /// The last status told of each run.
    last_status: BTreeMap<RunId, Life>,
}

/// The id of the `n`th run; sorts by `n`.
pub fn run_id(n: u64) -> RunId {
    format!("{n:026}").parse().unwrap()
}

/// **Needs done before start · at most one live execution per step · nothing runs twice · nothing starts after cancel.**
pub fn on_start(world: &mut World, key: &AttemptKey) {
    let run = &world.stored[&key.run];
    let step_plan = &run.plan.jobs[key.job as usize].steps[key.step as usize];
    let job_plan = &run.plan.jobs[key.job as usize];
    let job = &run.jobs[key.job as usize];
    for need in &step_plan.needs {
        if !job.steps[*need as usize].state.is_ended() {
            world.fail(&format!("{key} started before step {need}, which it needs, had ended"));
        }
    }
    for need in &job_plan.needs {
        if !run.jobs[*need as usize].state.is_ended() {
            world.fail(&format!("{key} started before job {need}, which its job needs, had ended"));
        }
    }
    match &run.stop {
        Some(StopReason::Killed { .. }) => world.fail(&format!("{key} started after a kill")),
        Some(_) if step_plan.when != When::Always => world.fail(&format!("{key} started after a cancel")),
        Some(_) | None => {}
    }
    let same = |other: &AttemptKey| (&other.run, other.job, other.step) == (&key.run, key.job, key.step);
    if let Some((other, _)) = world.containers.iter().find(|(other, container)| same(other) && container.running) {
        world.fail(&format!("{key} started while {other} still runs"));
    }
    if !world.watch.executed.insert(key.clone()) {
        world.fail(&format!("{key} ran twice"));
    }
}

/// **What failed after it ran is kept for as long as is said, and nothing else is.**
pub fn on_last(world: &mut World, key: &JobKey, is_kept: bool) {
    let job = &world.stored[&key.run].jobs[key.job as usize];
    let JobState::Ended { outcome, at, kept_until, .. } = &job.state else {
        world.fail(&format!("{key} is over and has not ended"));
    };
    let ran = |step: &Step| matches!(&step.state, StepState::Ended(end) if end.started_at.is_some() && end.taken.is_none());
    let failed = matches!(outcome, Outcome::Failed | Outcome::TimedOut | Outcome::Lost | Outcome::Error);
    let wanted = failed && job.steps.iter().any(ran);
    if is_kept != wanted || *kept_until != wanted.then(|| at.plus_ms(KEEP_MS)) {
        world.fail(&format!("{key} ended as {outcome:?} and is kept: {is_kept}, until {kept_until:?}"));
    }
}

/// **An exit moves only its own attempt · a stronger reason is never replaced · an end is final · outcomes tell the truth.**
pub fn on_changes(world: &mut World, input: &Input, changes: &[Change]) {
    for change in changes {
        match change {
            Change::Step { run, job, step, state } => {
                let old = &world.stored[run].jobs[*job as usize].steps[*step as usize].state;
                exit_moves_its_own(world, input, (run, *job, *step), (old, state));
                match (old, state) {
                    (StepState::Ended(_), _) => world.fail(&format!("an ended step moved: {run} {job} {step}")),
                    (StepState::Stopping { why: old, .. }, StepState::Stopping { why: new, .. })
                        if new.strength() < old.strength() =>
                    {
                        world.fail(&format!("a weaker reason ({new}) replaced a stronger ({old})"));
                    }
                    (_, StepState::Ended(end)) if end.outcome == Outcome::Passed => {
                        let key = AttemptKey { run: run.clone(), job: *job, step: *step, attempt: end.attempt };
                        if world.watch.exited.get(&key) != Some(&Exit::Code(0)) {
                            world.fail(&format!("{key} is told as passed, and did not exit with 0"));
                        }
                        if world.watch.wrote.get(&key).is_none_or(|wrote| wrote.problem.is_some()) {
                            world.fail(&format!("{key} is told as passed, and what it wrote cannot be read"));
                        }
                    }
                    _ => {}
                }
            }
            Change::Run { run, life, stop } => {
                let old = &world.stored[run];
                let weaker = |new: &StopReason, old: &StopReason| new.strength() < old.strength();
                match (&old.stop, stop) {
                    (Some(_), None) => world.fail("a cancel was taken back"),
                    (Some(old), Some(new)) if weaker(new, old) => world.fail("a weaker stop replaced a stronger"),
                    _ => {}
                }
                if matches!(old.life, Life::Ended { .. }) {
                    world.fail("an ended run moved");
                }
                world.watch.last_status.insert(run.clone(), life.clone());
            }
            Change::Job { run, job, .. } => {
                if world.stored[run].jobs[*job as usize].state.is_ended() {
                    world.fail("an ended job moved");
                }
            }
        }
    }
}

fn exit_moves_its_own(
    world: &World,
    input: &Input,
    (run, job, step): (&RunId, JobIx, StepIx),
    (old, new): (&StepState, &StepState),
) {
    if let Input::Run(of, Event::StepExited { job: j, step: s, attempt, .. }) = input
        && (of, *j, *s) == (run, job, step)
        && old.live_attempt() != Some(*attempt)
        && !matches!(old, StepState::Waiting | StepState::Parked { .. } | StepState::Backoff { .. })
        // A timeout that is due comes to its own in the same turn.
        && !matches!(new, StepState::Stopping { .. })
    {
        world.fail(&format!("the exit of attempt {attempt} moved a step whose state was {old:?}"));
    }
}

/// **What was made ready is started or removed, and no more of it than is allowed.**
pub fn after_each_turn(world: &mut World) {
    let unwanted = |key: &&AttemptKey| !world.watch.stray.contains(*key) && !world.expected(key);
    if let Some(key) = world.parked().chain(&world.parking).find(unwanted) {
        let state = &world.stored[&key.run].jobs[key.job as usize].steps[key.step as usize].state;
        world.fail(&format!("{key} is ready though its step is {state:?}"));
    }
    for (run, job) in world.stored.values().flat_map(|run| run.jobs.iter().map(move |job| (run, job))) {
        let parked = job.steps.iter().filter(|step| matches!(step.state, StepState::Parked { .. })).count();
        if parked > world.park as usize {
            world.fail(&format!("{parked} steps of a job of {} are parked, and {} may be", run.id, world.park));
        }
    }
}

/// **Slots are never exceeded · starts and stops take effect within a bound.**
pub fn after_each_step(world: &mut World) {
    let taken = world.jobs_with_slots();
    if taken > world.slots as usize {
        world.fail(&format!("{taken} jobs hold one of {} slots", world.slots));
    }
    if !world.engine_up {
        return;
    }
    for run in world.stored.values().filter(|run| !run.is_ended()) {
        for step in run.jobs.iter().flat_map(|job| &job.steps) {
            let since = match &step.state {
                StepState::Starting { since, .. } | StepState::Stopping { since, .. } => *since,
                _ => continue,
            };
            if world.now.ms_since(since.max(world.disturbed_at)) > BOUND_MS {
                world.fail(&format!("a start or stop was lost: {:?}", step.state));
            }
        }
    }
}

/// **Every run ends · the last status told equals the outcome · nothing runs when all runs are done.**
pub fn at_the_end(world: &mut World) {
    for run in world.stored.values() {
        if !run.is_ended() {
            world.fail(&format!("run {} never ended: {:?} {:?}", run.id, run.life, run.jobs));
        }
        if world.watch.last_status.get(&run.id) != Some(&run.life) {
            world.fail(&format!("run {}: the last status told is not its outcome", run.id));
        }
    }
    if let Some(key) = world.containers.keys().next() {
        world.fail(&format!("{key} is left over though all runs are done"));
    }
}
