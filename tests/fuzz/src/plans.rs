//! What must hold of every plan.
//!
//! **Invariant:** what `Plan` promises to the rooms that carry it out: bounds, graphs without cycles, unique names, and JSON that is read as what was
//! written.

use std::collections::HashSet;

use crate::base::limits;
use crate::pipeline::{Action, JobPlan, Late, Plan, StepPlan, Text};

/// Panics at the first promise that is broken.
pub fn sound(plan: &Plan, image_needed: bool) {
    assert_eq!(plan.file, crate::FILE);
    name(&plan.name);
    assert!((1..=limits::JOBS).contains(&plan.jobs.len()), "{} jobs", plan.jobs.len());
    graph("job", plan.jobs.iter().map(|job| (job.name.as_str(), job.needs.as_slice())));
    assert!(plan.inputs.len() <= limits::INPUTS);
    let steps: usize = plan.jobs.iter().map(|job| job.steps.len()).sum();
    assert!(steps <= limits::PLANNED_STEPS, "{steps} steps");
    let size: usize = plan.jobs.iter().flat_map(|job| &job.steps).map(size).sum();
    assert!(size <= limits::PLAN_BYTES, "{size} bytes");
    for job in &plan.jobs {
        one_job(job, image_needed);
    }
    let json = serde_json::to_string(plan).expect("a plan is JSON");
    let again: Plan = serde_json::from_str(&json).expect("a plan is read again");
    assert_eq!(&again, plan);
}

fn one_job(job: &JobPlan, image_needed: bool) {
    let JobPlan { skip, timeout_ms, runs_on, matrix, services, resources, approval, outputs, steps, .. } = job;
    name(&job.name);
    skip.iter().for_each(|why| crate::problems::sentence(why));
    assert!((1..=limits::TIMEOUT_MAX_MS).contains(timeout_ms), "{timeout_ms} ms");
    assert!(runs_on.len() <= limits::LABELS);
    assert!(services.len() <= limits::SERVICES);
    let names: HashSet<&str> = services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names.len(), services.len(), "services of one name");
    for service in services {
        assert!((1..=limits::SERVICE_READY_MAX_MS).contains(&service.ready_timeout_ms));
        assert!(!service.image.is_empty());
        service.env.values().for_each(|value| fits(value));
    }
    assert!(outputs.len() <= limits::OUTPUTS);
    assert!(resources.memory_bytes.is_none_or(|bytes| (limits::MEMORY_MIN_BYTES..=limits::MEMORY_MAX_BYTES).contains(&bytes)));
    assert!(resources.cpu_millis.is_none_or(|cpu| (limits::CPU_MIN_MILLIS..=limits::CPU_MAX_MILLIS).contains(&cpu)));
    if let Some(cell) = matrix {
        assert!(!cell.of.is_empty() && cell.max_parallel != Some(0));
    }
    if let Some(approval) = approval {
        assert!(approval.by.len() <= limits::LABELS);
        assert!(approval.timeout_ms.is_none_or(|ms| ms <= limits::APPROVAL_MAX_MS));
    }
    assert!(!steps.is_empty(), "a job without steps");
    graph("step", steps.iter().map(|step| (step.name.as_str(), step.needs.as_slice())));
    for step in steps {
        one_step(step, image_needed);
    }
}

fn one_step(step: &StepPlan, image_needed: bool) {
    name(&step.name);
    step.skip.iter().for_each(|why| crate::problems::sentence(why));
    assert!(step.image.is_some() || !image_needed, "a step without an image");
    for text in step.image.iter().chain(step.env.values()) {
        text.fixed().into_iter().for_each(fits);
    }
    for variable in step.env.keys().chain(step.secrets.keys()) {
        assert!(!variable.is_empty() && !variable.contains(['=', '\0']), "{variable:?}");
    }
    if let Action::Script { shell, text } = &step.action {
        assert!(!shell.is_empty());
        fits(text);
    }
    assert!(step.secrets.len() <= limits::SECRETS && step.cache.len() <= limits::CACHES && step.junit.len() <= limits::PATHS);
    assert!(step.timeout_ms.is_none_or(|ms| (1..=limits::TIMEOUT_MAX_MS).contains(&ms)));
    assert!(step.retry.max < limits::ATTEMPTS);
    for cache in &step.cache {
        assert!((1..=limits::PATHS).contains(&cache.paths.len()) && cache.restore.len() <= limits::CACHES);
    }
    if let Some(artifacts) = &step.artifacts {
        assert!((1..=limits::PATHS).contains(&artifacts.paths.len()));
        assert!(artifacts.expire_ms.is_none_or(|ms| ms <= limits::EXPIRE_MAX_MS));
    }
}

/// What a step puts into the plan's one row.
fn size(step: &StepPlan) -> usize {
    let script = match &step.action {
        Action::Script { text, .. } => text.len(),
        Action::EntryPoint => 0,
    };
    let late = |late: &Late| late.late.len();
    let text = |text: &Text| match text {
        Text::Fixed(text) => text.len(),
        Text::Late(text) => late(text),
    };
    script + step.env.iter().map(|(name, value)| name.len() + text(value)).sum::<usize>()
}

/// A name that a label, a page and an address can have.
fn name(name: &str) {
    assert!((1..=limits::NAME_CHARS).contains(&name.chars().count()), "{name:?}");
    assert!(!name.contains(|c: char| c.is_control() || c == '/'), "{name:?}");
}

/// A value that the system takes for a variable or a file.
fn fits(text: &str) {
    assert!(text.len() <= limits::SCRIPT_BYTES && !text.contains('\0'), "{} bytes: {text:?}", text.len());
}

/// Names are unique, needs within bounds, each once, and whoever waits for what it needs gets there.
fn graph<'p>(noun: &str, nodes: impl Iterator<Item = (&'p str, &'p [u32])>) {
    let nodes: Vec<(&str, &[u32])> = nodes.collect();
    let names: HashSet<&str> = nodes.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), nodes.len(), "{noun}s of one name");
    let mut missing: Vec<usize> = nodes.iter().map(|(_, needs)| needs.len()).collect();
    let mut needed_by = vec![Vec::new(); nodes.len()];
    for (at, (name, needs)) in nodes.iter().enumerate() {
        assert_eq!(needs.iter().collect::<HashSet<_>>().len(), needs.len(), "{noun} `{name}` needs one twice");
        for need in *needs {
            let need = *need as usize;
            assert!(need < nodes.len(), "{noun} `{name}` needs number {need} of {}", nodes.len());
            needed_by[need].push(at);
        }
    }
    let mut ready: Vec<usize> = (0..nodes.len()).filter(|at| missing[*at] == 0).collect();
    let mut ended = 0;
    while let Some(at) = ready.pop() {
        ended += 1;
        for next in &needed_by[at] {
            missing[*next] -= 1;
            if missing[*next] == 0 {
                ready.push(*next);
            }
        }
    }
    assert_eq!(ended, nodes.len(), "{noun}s need each other in a circle");
}
