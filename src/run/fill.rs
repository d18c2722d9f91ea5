//! What a plan leaves open, filled in when the run knows it.
//!
//! **Invariants:** pure; the reducer asks when it decides and the performer when it acts, and both get the same, since needs that have ended never
//! change; no filled text is longer than a variable may be.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::base::limits::{RUN_VALUES_BYTES, VALUE_BYTES};
use crate::base::{JobIx, StepIx};
use crate::pipeline::{Approval, Scope, StepPlan, Text};

use super::known::Known;
use super::reach::needed_steps;
use super::values::{size, size_of_run};
use super::{Run, StepState, Values};

/// What one step of a run is made of, beside what its plan says for certain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filled {
    pub image: Option<String>,
    /// The plan's variables, with those on top that earlier steps left by `GANTRY_ENV`. Gantry's own are in [`environment()`](super::environment()).
    pub env: BTreeMap<String, String>,
    /// As many as the plan's step has.
    pub cache: Vec<FilledCache>,
}

/// The keys of one cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilledCache {
    pub key: String,
    /// Beginnings of keys that will do, best first.
    pub restore: Vec<String>,
}

/// Fills in a step whose needs have all ended.
///
/// # Errors
/// The sentence of the first expression that has no value.
pub fn fill_step(run: &Run, job: JobIx, step: StepIx) -> Result<Filled, String> {
    let (job, step) = (job as usize, step as usize);
    let Some(plan) = run.plan.jobs.get(job).and_then(|job| job.steps.get(step)) else {
        return Err("the plan has no such step".to_owned());
    };
    let known = Known::of_step(run, job, step);
    let scope = known.scope(fixed(plan));
    let mut env = BTreeMap::new();
    for (name, text) in &plan.env {
        env.insert(name.clone(), filled(&format!("env.{name}"), text, &scope)?);
    }
    let scope = known.scope(env.iter().map(|(name, value)| (name.as_str(), Cow::Borrowed(value.as_str()))).collect());
    let image = plan.image.as_ref().map(|image| filled("image", image, &scope)).transpose()?;
    let mut cache = Vec::with_capacity(plan.cache.len());
    for entry in &plan.cache {
        let restore = entry.restore.iter().map(|text| filled("cache.restore", text, &scope)).collect::<Result<_, _>>()?;
        cache.push(FilledCache { key: filled("cache.key", &entry.key, &scope)?, restore });
    }
    env.extend(left_env(run, job, step));
    Ok(Filled { image, env, cache })
}

/// The variables whose values are known for certain: what the others may be made of.
fn fixed(plan: &StepPlan) -> BTreeMap<&str, Cow<'_, str>> {
    plan.env.iter().filter_map(|(name, text)| Some((name.as_str(), Cow::Borrowed(text.fixed()?)))).collect()
}

/// What earlier steps left by `GANTRY_ENV`: the later in the file wins.
fn left_env(run: &Run, job: usize, step: usize) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for (needed, step) in needed_steps(&run.plan.jobs[job], step).into_iter().zip(&run.jobs[job].steps) {
        if let StepState::Ended(end) = &step.state
            && needed
        {
            env.extend(end.env.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
    }
    env
}

/// Whether a step's `if` holds: `None` when it does, else the sentence that says why not.
///
/// # Errors
/// The sentence of an expression that has no value.
pub(super) fn step_condition(run: &Run, job: usize, step: usize) -> Result<Option<String>, String> {
    let plan = &run.plan.jobs[job].steps[step];
    let Some(condition) = &plan.condition else { return Ok(None) };
    let known = Known::of_step(run, job, step);
    // A variable that has no value matters to the condition only if it asks for it.
    let scope = known.scope(fixed(plan));
    let late = plan.env.iter().filter(|(_, text)| text.fixed().is_none());
    let filled = late.filter_map(|(name, text)| Some((name.as_str(), Cow::Owned(filled("env", text, &scope).ok()?))));
    let env = fixed(plan).into_iter().chain(filled).collect();
    condition.holds(&known.scope(env)).map_err(|why| format!("its `if` has no value: {why}"))
}

/// The same of a job.
///
/// # Errors
/// The sentence of an expression that has no value.
pub(super) fn job_condition(run: &Run, job: usize) -> Result<Option<String>, String> {
    let Some(condition) = &run.plan.jobs[job].condition else { return Ok(None) };
    condition.holds(&Known::of_job(run, job).scope(BTreeMap::new())).map_err(|why| format!("its `if` has no value: {why}"))
}

/// The environment that a job works on, if it names one.
///
/// # Errors
/// The sentence of an expression that has no value.
pub(super) fn job_environment(run: &Run, job: usize) -> Result<Option<String>, String> {
    let Some(text) = &run.plan.jobs[job].environment else { return Ok(None) };
    filled("environment", text, &Known::of_job(run, job).scope(BTreeMap::new())).map(Some)
}

/// What is asked of those who may approve.
///
/// # Errors
/// The sentence of an expression that has no value.
pub(super) fn approval_message(run: &Run, job: usize, approval: &Approval) -> Result<Option<String>, String> {
    let Some(text) = &approval.message else { return Ok(None) };
    filled("approval.message", text, &Known::of_job(run, job).scope(BTreeMap::new())).map(Some)
}

/// What a job whose steps have ended leaves to others; with the sentence of the first output that has no value.
pub(super) fn job_outputs(run: &Run, job: usize) -> (Values, Option<String>) {
    let known = Known::of_outputs(run, job);
    let scope = known.scope(BTreeMap::new());
    let mut room = RUN_VALUES_BYTES.saturating_sub(size_of_run(run));
    let mut problem = None;
    let mut outputs = BTreeMap::new();
    for (name, text) in &run.plan.jobs[job].outputs {
        match filled(&format!("outputs.{name}"), text, &scope) {
            Ok(value) if name.len() + value.len() <= room => {
                room -= name.len() + value.len();
                outputs.insert(name.clone(), value);
            }
            Ok(_) => problem = problem.or_else(|| Some(too_much())),
            Err(why) => problem = problem.or(Some(why)),
        }
    }
    (Values::new(outputs), problem)
}

/// Whether a run has room for what a step wrote; else the sentence.
pub(super) fn room_for(run: &Run, written: &super::Written) -> Result<(), String> {
    let more = size(&written.outputs) + size(&written.env);
    if more == 0 || size_of_run(run) + more <= RUN_VALUES_BYTES { Ok(()) } else { Err(too_much()) }
}

fn too_much() -> String {
    format!("the run's steps leave more than {} MiB of values", RUN_VALUES_BYTES / 1024 / 1024)
}

fn filled(place: &str, text: &Text, scope: &Scope<'_>) -> Result<String, String> {
    let value = text.fill(scope).map_err(|why| format!("its `{place}` has no value: {why}"))?;
    if value.len() > VALUE_BYTES && text.fixed().is_none() {
        return Err(format!("its `{place}` would be longer than {} KiB", VALUE_BYTES / 1024));
    }
    Ok(value.into_owned())
}
