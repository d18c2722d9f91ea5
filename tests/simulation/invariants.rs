//! The promises, checked on the world and not by the code under test: from what is stored, and from what the engine really did.

use std::collections::{BTreeMap, BTreeSet};

use gantry::base::{AttemptKey, JobIx, JobKey, RunId, StepIx};
use gantry::pipeline::When;
use gantry::run::{Event, Exit, Job, JobState, Life, Outcome, Step, StepEnd, StepState, StopReason, Written};
use gantry::schedule::{Change, Input};

use super::world::{Container, KEEP_MS, PATIENCE_MS, Place, World};

/// A start or stop that is older than this, without a disturbance since, was lost. Above every delay of the world, and above the minute after which
/// the server compares by itself.
const BOUND_MS: u64 = 130_000;

/// What the invariants remember.
#[derive(Default)]
pub struct Watch {
    /// Every attempt that ever ran.
    executed: BTreeSet<Place>,
    /// Those of them that were known to run.
    answered: BTreeSet<AttemptKey>,
    /// What jobs have left behind with an engine that was given up.
    given_up: BTreeSet<(String, JobKey)>,
    /// Where jobs were prepared.
    pub prepared: BTreeSet<(String, JobKey)>,
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

impl Watch {
    pub fn is_given_up(&self, (engine, key): &Place) -> bool {
        self.given_up.contains(&(engine.clone(), JobKey { run: key.run.clone(), job: key.job }))
    }
}

/// The id of the `n`th run; sorts by `n`.
pub fn run_id(n: u64) -> RunId {
    format!("{n:026}").parse().unwrap()
}

/// **Needs done before start · at most one live execution per step · nothing runs twice · nothing starts after cancel.**
pub fn on_start(world: &mut World, place: &Place) {
    let key = &place.1;
    let run = &world.stored[&key.run];
    let step_plan = &run.plan.jobs[key.job as usize].steps[key.step as usize];
    let job_plan = &run.plan.jobs[key.job as usize];
    let job = &run.jobs[key.job as usize];
    if !world.watch.prepared.contains(&(place.0.clone(), JobKey { run: key.run.clone(), job: key.job })) {
        world.fail(&format!("{key} started on {}, where its job was not prepared", place.0));
    }
    if job_plan.runs_on.iter().any(|label| !world.engine(&place.0).info.labels.contains(label)) {
        world.fail(&format!("{key} started on {}, which has not the labels {:?}", place.0, job_plan.runs_on));
    }
    let is_taken = |step: &Step| matches!(&step.state, StepState::Ended(StepEnd { taken: Some(_), .. }));
    if let Some(StepState::Ended(StepEnd { taken: Some(from), .. })) =
        job.steps.iter().find(|step| is_taken(step)).map(|s| &s.state)
        && world.stored[&from.run].jobs[key.job as usize].engine.as_ref() != Some(&place.0)
    {
        world.fail(&format!("{key} goes on on {}, and its work tree is elsewhere", place.0));
    }
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
    // What runs on an engine that was given up cannot be known.
    let runs = |(place, container): &(&Place, &Container)| container.running && !world.watch.is_given_up(place);
    if let Some(((_, other), _)) = world.containers.iter().filter(runs).find(|((_, other), _)| same(other)) {
        world.fail(&format!("{key} started while {other} still runs"));
    }
    // On another engine only if nobody could know that it ran on the one that was given up.
    let ran = world.watch.executed.iter().any(|(_, other)| other == key) && world.watch.answered.contains(key);
    if !world.watch.executed.insert(place.clone()) || ran {
        world.fail(&format!("{key} ran twice"));
    }
}

/// **What failed after it ran is kept for as long as is said, and nothing else is.**
pub fn on_last(world: &mut World, key: &JobKey, is_kept: bool) {
    let job = &world.stored[&key.run].jobs[key.job as usize];
    let JobState::Ended { outcome, at, kept_until, .. } = &job.state else {
        // It left its engine and begins anew elsewhere.
        assert!(!is_kept, "{key} is kept and has not ended");
        return;
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
                if let StepState::Running { attempt, .. } = state {
                    let key = AttemptKey { run: run.clone(), job: *job, step: *step, attempt: *attempt };
                    world.watch.answered.insert(key);
                }
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
            Change::Job { run, job, state, engine, .. } => {
                let old = &world.stored[run].jobs[*job as usize];
                if old.state.is_ended() {
                    world.fail("an ended job moved");
                }
                let (old_state, old_engine) = (old.state.clone(), old.engine.clone());
                leaves_only_a_dead_engine(world, (run, *job), (&old_state, state), (old_engine, engine.as_ref()));
            }
        }
    }
}

/// **A job stays on its engine, unless that is silent for long.**
fn leaves_only_a_dead_engine(
    world: &mut World,
    (run, job): (&RunId, JobIx),
    (old, new): (&JobState, &JobState),
    (left, engine): (Option<String>, Option<&String>),
) {
    let key = JobKey { run: run.clone(), job };
    // Where it is now counts, also when it has been there before.
    if let Some(engine) = engine.filter(|engine| left.as_ref() != Some(engine)) {
        world.watch.given_up.remove(&(engine.clone(), key.clone()));
    }
    let Some(left) = left else { return };
    // The word of one that answers again in this very moment is under way to the board.
    let is_silent = world.engine(&left).silent.is_some() || world.disturbed_at == world.now;
    let is_dead = world.engines.len() > 1 && is_silent;
    if engine == Some(&left) {
        if let (JobState::Ended { reason, .. }, true) = (new, is_dead) {
            if reason.contains("has not answered for") {
                world.counts.one("jobs that ended with their engine");
            }
            // Whether a start that was never answered has made something there cannot be known.
            world.watch.given_up.insert((left, key));
        }
        return;
    }
    match old {
        // It could not be prepared: it has left nothing that runs.
        JobState::Preparing { .. } => return,
        _ if is_dead => world.counts.one("jobs that began anew on another engine"),
        _ => world.fail(&format!("{key} left {left}, which answers")),
    }
    let steps = &world.stored[run].jobs[job as usize].steps;
    if steps.iter().any(|step| matches!(&step.state, StepState::Ended(end) if end.attempt > 0)) {
        world.fail(&format!("{key} leaves {left} though a step of it has ended there"));
    }
    world.watch.given_up.insert((left, key));
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
    let is_up = |place: &&Place| world.is_up(&place.0);
    let unwanted =
        |place: &&Place| !world.watch.stray.contains(&place.1) && !world.watch.is_given_up(place) && !world.expected(place);
    let parking: Vec<Place> = world.parking.iter().map(|(key, engine)| (engine.clone(), key.clone())).collect();
    if let Some((_, key)) = world.parked().chain(&parking).filter(is_up).find(unwanted) {
        let state = &world.stored[&key.run].jobs[key.job as usize].steps[key.step as usize].state;
        world.fail(&format!("{key} is ready though its step is {state:?}"));
    }
    for (run, job) in world.stored.values().flat_map(|run| run.jobs.iter().map(move |job| (run, job))) {
        let parked = job.steps.iter().filter(|step| matches!(step.state, StepState::Parked { .. })).count();
        let most = job.engine.as_ref().map_or(0, |engine| world.engine(engine).info.park);
        if parked > most as usize {
            world.fail(&format!("{parked} steps of a job of {} are parked, and {most} may be", run.id));
        }
    }
}

/// **Slots are never exceeded · starts and stops take effect within a bound · no job stays on an engine that is dead.**
pub fn after_each_step(world: &mut World) {
    for engine in &world.engines {
        let (name, slots) = (&engine.info.name, engine.info.slots);
        let taken = world.jobs_with_slots(name);
        if taken > slots as usize {
            world.fail(&format!("{taken} jobs hold one of {slots} slots of {name}"));
        }
        let dead = engine.silent.is_some_and(|since| world.now.ms_since(since.max(world.disturbed_at)) > PATIENCE_MS + 10_000);
        if dead && taken > 0 && world.engines.len() > 1 {
            world.fail(&format!("{taken} jobs stay on {name}, which is dead"));
        }
    }
    for run in world.stored.values().filter(|run| !run.is_ended()) {
        let heard = |job: &&Job| job.engine.as_ref().is_some_and(|engine| world.is_up(engine));
        for step in run.jobs.iter().filter(heard).flat_map(|job| &job.steps) {
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
    if let Some((_, key)) = world.containers.keys().next() {
        world.fail(&format!("{key} is left over though all runs are done"));
    }
}
