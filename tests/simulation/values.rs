//! The promises about values: what steps and jobs leave, and who finds it. Checked by what the containers really wrote.

use std::collections::BTreeMap;

use gantry::base::{AttemptKey, JobIx, RunId, StepIx};
use gantry::pipeline::{JobPlan, Text};
use gantry::run::{Filled, JobState, Outcome, Run, StepState, Values};
use gantry::schedule::Change;

use super::world::World;

/// **A step finds what the steps and jobs that it needs left, and nothing else.**
pub fn on_start(world: &mut World, key: &AttemptKey, filled: &Filled) {
    let run = &world.stored[&key.run];
    let own = own_env(world, run, key);
    let late = own.len() as u64 - 1;
    let far = own.keys().filter(|name| name.starts_with("FAR_")).count() as u64;
    let left = left_env(world, run, key);
    let (more, expected) = (left.len() as u64, own.into_iter().chain(left).collect::<BTreeMap<_, _>>());
    if filled.env != expected {
        world.fail(&format!("{key} finds {:?}, and {expected:?} was left to it", filled.env));
    }
    world.counts.more("variables left to later steps", more);
    world.counts.more("values read by later steps", late - far);
    world.counts.more("values read by later jobs", far);
}

/// Its own variables, by the names that `plans` gives them. One without a value is left out.
fn own_env(world: &World, run: &Run, key: &AttemptKey) -> BTreeMap<String, String> {
    let plan = &run.plan.jobs[key.job as usize].steps[key.step as usize];
    let value = |(name, text): (&String, &Text)| match (text, name.split_once('_')) {
        (Text::Fixed(text), _) => Some((name.clone(), text.clone())),
        (Text::Late(_), Some(("SEEN", step))) => {
            let attempt = last_attempt(run, key.job, step.parse().unwrap())?;
            Some((name.clone(), world.watch.wrote.get(&attempt)?.outputs.get("v")?.clone()))
        }
        (Text::Late(_), Some(("FAR", job))) => Some((name.clone(), output_of(run, &format!("job{job}"))?)),
        (Text::Late(_), other) => panic!("{other:?} is no variable of `plans`"),
    };
    plan.env.iter().filter_map(value).collect()
}

/// The output of a job, or of the last combination that has it.
fn output_of(run: &Run, name: &str) -> Option<String> {
    let of_it = |plan: &JobPlan| plan.matrix.as_ref().map_or(plan.name.as_str(), |cell| cell.of.as_str()) == name;
    let mut ends = run.plan.jobs.iter().zip(&run.jobs).filter(|(plan, _)| of_it(plan)).rev();
    ends.find_map(|(_, job)| outputs(&job.state)?.get("v").cloned())
}

fn outputs(state: &JobState) -> Option<&Values> {
    match state {
        JobState::Ended { outputs, .. } => Some(outputs),
        JobState::Waiting { .. } | JobState::Preparing { .. } | JobState::Running { .. } => None,
    }
}

/// The attempt whose exit ended the step; only an exit of its own tells what was written.
fn last_attempt(run: &Run, job: JobIx, step: StepIx) -> Option<AttemptKey> {
    match &run.jobs[job as usize].steps[step as usize].state {
        StepState::Ended(end) if end.exit_code.is_some() => {
            // What was taken over was written elsewhere.
            let at = end.taken.as_ref().map_or(&run.id, |taken| &taken.run);
            Some(AttemptKey { run: at.clone(), job, step, attempt: end.attempt })
        }
        _ => None,
    }
}

/// What was left by `GANTRY_ENV`.
fn left_env(world: &World, run: &Run, key: &AttemptKey) -> BTreeMap<String, String> {
    let wanted = (0..key.step).filter(|step| needs(&run.plan.jobs[key.job as usize], key.step, *step));
    let wrote = wanted.filter_map(|step| world.watch.wrote.get(&last_attempt(run, key.job, step)?));
    wrote.flat_map(|wrote| wrote.env.iter().map(|(name, value)| (name.clone(), value.clone()))).collect()
}

fn needs(job: &JobPlan, step: u32, other: u32) -> bool {
    let near = &job.steps[step as usize].needs;
    near.contains(&other) || near.iter().any(|near| needs(job, *near, other))
}

/// **What a job leaves is what its step wrote · only a value that is missing is missed.**
pub fn on_changes(world: &mut World, changes: &[Change]) {
    // Steps of the same turn come before their job, and its dependents may ask for both.
    let mut after: BTreeMap<RunId, Run> = BTreeMap::new();
    for change in changes {
        let id = match change {
            Change::Run { run, .. } | Change::Job { run, .. } | Change::Step { run, .. } => run,
        };
        let run = after.entry(id.clone()).or_insert_with(|| world.stored[id].clone());
        match change {
            Change::Run { .. } => {}
            Change::Job { job, state, .. } => run.jobs[*job as usize].state = state.clone(),
            Change::Step { job, step, state, .. } => run.jobs[*job as usize].steps[*step as usize].state = state.clone(),
        }
    }
    for change in changes {
        match change {
            Change::Run { .. } => {}
            Change::Job { run, job, state, .. } => on_job(world, &after[run], *job, state),
            Change::Step { run, job, step, state } => on_step(world, &after[run], (*job, *step), state),
        }
    }
}

fn on_job(world: &mut World, run: &Run, job: JobIx, state: &JobState) {
    let JobState::Ended { outcome, reason, outputs, .. } = state else { return };
    let wrote = last_attempt(run, job, 0).and_then(|attempt| world.watch.wrote.get(&attempt)?.outputs.get("v").cloned());
    let wanted = !run.plan.jobs[job as usize].outputs.is_empty();
    let ran = matches!(state, JobState::Ended { started_at: Some(_), .. });
    // One that goes on from a step and could not be prepared leaves nothing, whatever was taken over.
    let began = run.jobs[job as usize].steps.iter().any(|step| match &step.state {
        StepState::Ended(end) => end.taken.is_none() && end.attempt > 0,
        other => other.held_attempt().is_some(),
    });
    let may_be_without = !began && outputs.is_empty();
    if outputs.get("v") != wrote.as_ref().filter(|_| wanted && ran) && !may_be_without {
        world.fail(&format!("job {job} of {} leaves {outputs:?}, and its step wrote {wrote:?}", run.id));
    }
    world.counts.more("outputs of jobs", outputs.len() as u64);
    if reason.starts_with("its `outputs.v` has no value") {
        if *outcome == Outcome::Passed || wrote.is_some() {
            world.fail(&format!("job {job} of {} missed a value that was there: {reason}", run.id));
        }
        world.counts.one("jobs that missed a value");
    }
    world.counts.more("parts that a late condition skipped", u64::from(reason.starts_with("skipped: its `if` is false: ")));
}

fn on_step(world: &mut World, run: &Run, (job, step): (JobIx, StepIx), state: &StepState) {
    let StepState::Ended(end) = state else { return };
    if end.reason.starts_with("its `env.") {
        let key = AttemptKey { run: run.id.clone(), job, step, attempt: 1 };
        let plan = &run.plan.jobs[job as usize].steps[step as usize];
        if end.outcome != Outcome::Error || own_env(world, run, &key).len() == plan.env.len() {
            world.fail(&format!("{key} missed a value that was there: {}", end.reason));
        }
        world.counts.one("steps that missed a value");
    }
    world.counts.more("parts that a late condition skipped", u64::from(end.reason.starts_with("skipped: its `if` is false: ")));
    world.counts.more("files that cannot be read", u64::from(end.reason == "line 1 of GANTRY_OUTPUT is odd"));
}
