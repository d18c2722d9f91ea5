//! What there is to say of a job, a step or a service of a plan, in a few words each: order, conditions, what it waits for, what it may use and keeps.
//!
//! **Invariant:** what is as everywhere (no needs in the first place, the default timeout) is not said.

use crate::base::{JobIx, Span, StepIx, limits};
use crate::pipeline::{
    Action, AllowFailure, Cell, Concurrency, JobPlan, Late, Need, Network, Plan, Policy, Pull, Ready, ServicePlan, StepPlan,
    Text, When,
};
use crate::run::{Forecast, JobForecast};

/// More names than these are counted.
const NAMES: usize = 6;

/// Of a job. The first says whether it runs, where that is not certain.
pub(super) fn of_job(plan: &Plan, job: &JobPlan, forecast: &JobForecast) -> Vec<String> {
    let mut notes = Vec::new();
    let needs = job_names(plan, &job.needs);
    notes.extend(fate(&forecast.job, &needs));
    if matches!(forecast.job, Forecast::Skipped(_)) {
        return notes;
    }
    if !needs.is_empty() && !says_needs(&forecast.job, &needs) {
        notes.push(after(job.when, &needs));
    }
    if let Some(cell) = &job.matrix {
        notes.push(matrix(plan, cell));
    }
    if let Some(approval) = &job.approval {
        let by = if approval.by.is_empty() { String::new() } else { format!(" by {}", listed(&approval.by)) };
        let within = approval.timeout_ms.map_or_else(String::new, |ms| format!(" within {}", Span(ms)));
        let message = approval.message.as_ref().map_or_else(String::new, |text| format!(": {}", flat(text.shown())));
        notes.push(format!("waits for approval{by}{within}{message}"));
    }
    notes.extend(job.environment.as_ref().map(|name| format!("environment `{}`", name.shown())));
    notes.extend(job.concurrency.as_ref().map(concurrency));
    if job.timeout_ms != limits::JOB_TIMEOUT_MS {
        notes.push(format!("at most {}", Span(job.timeout_ms)));
    }
    if job.allow_failure {
        notes.push("may fail".to_owned());
    }
    let resources = job.resources;
    notes.extend(resources.cpu_millis.map(|millis| format!("{} processors", millis as f64 / 1000.0)));
    notes.extend(resources.memory_bytes.map(|bytes| format!("{} MiB of memory", bytes / (1024 * 1024))));
    notes.extend(resources.pids.map(|pids| format!("{pids} processes")));
    notes
}

/// Of a step.
pub(super) fn of_step(job: &JobPlan, step: &StepPlan, position: usize, forecast: &Forecast) -> Vec<String> {
    let mut notes = Vec::new();
    let needs = step_names(job, &step.needs);
    notes.extend(fate(forecast, &needs));
    if matches!(forecast, Forecast::Skipped(_)) {
        return notes;
    }
    match (step.need, needs.as_slice()) {
        (Need::Explicit, []) if position > 0 => notes.push("starts at once".to_owned()),
        (Need::Explicit, [_, ..]) if !says_needs(forecast, &needs) => notes.push(after(step.when, &needs)),
        (Need::Position, _) if step.when == When::Always => notes.push("whatever happened before it".to_owned()),
        (Need::Explicit | Need::Position, _) => {}
    }
    match &step.action {
        Action::Script { .. } => {}
        Action::EntryPoint => notes.push("the image's own program".to_owned()),
    }
    match &step.allow_failure {
        AllowFailure::No => {}
        AllowFailure::Any => notes.push("may fail".to_owned()),
        AllowFailure::Codes(codes) => {
            let codes: Vec<String> = codes.iter().map(ToString::to_string).collect();
            notes.push(format!("may exit with {}", codes.join(", ")));
        }
    }
    if step.retry.max > 0 {
        notes.push(format!("up to {} attempts", step.retry.max + 1));
    }
    notes.extend(step.timeout_ms.map(|ms| format!("at most {}", Span(ms))));
    match step.network {
        Network::Default => {}
        Network::None => notes.push("without network".to_owned()),
    }
    notes.extend(step.pull.and_then(pulled));
    if !step.secrets.is_empty() {
        let names: Vec<String> = step.secrets.values().cloned().collect();
        notes.push(format!("secrets {}", quoted(&names)));
    }
    notes.extend(step.cache.iter().map(|cache| format!("cache `{}`", cache.key.shown())));
    notes.extend(step.artifacts.as_ref().map(|artifacts| format!("keeps {}", quoted(&artifacts.paths))));
    if !step.junit.is_empty() {
        notes.push(format!("test results {}", quoted(&step.junit)));
    }
    notes
}

/// Of a service: when it counts as ready.
pub(super) fn of_service(service: &ServicePlan) -> Vec<String> {
    let within = Span(service.ready_timeout_ms);
    let ready = match &service.ready {
        Ready::Health => "its image's health check passes".to_owned(),
        Ready::Port(port) => format!("port {port} listens"),
        Ready::Command(command) => format!("`{}` passes", flat(command)),
        Ready::Log(text) => format!("its log says `{}`", flat(text)),
    };
    let mut notes = vec![format!("service, ready when {ready}, within {within}")];
    notes.extend(service.pull.and_then(pulled));
    notes
}

/// When its image is pulled, where that is worth a word.
fn pulled(pull: Pull) -> Option<String> {
    match pull {
        Pull::Always => Some("image pulled in each run".to_owned()),
        Pull::Missing => None,
        Pull::Never => Some("image never pulled".to_owned()),
    }
}

/// Of the pipeline as a whole.
pub(super) fn concurrency(concurrency: &Concurrency) -> String {
    let Concurrency { group, policy } = concurrency;
    let does = match policy {
        Policy::Queue => "waits for its turn",
        Policy::CancelRunning => "cancels those before it",
        Policy::CancelPending => "cancels those that wait",
    };
    format!("in group `{group}` {does}")
}

/// The image, as far as it is known.
pub(super) fn image(image: Option<&Text>) -> String {
    image.map(|image| image.shown().to_owned()).unwrap_or_default()
}

/// Whether it runs, if that is not certain. `needs` are the names of what it waits for.
fn fate(forecast: &Forecast, needs: &[String]) -> Option<String> {
    match forecast {
        Forecast::Runs => None,
        Forecast::Skipped(why) => Some(format!("skipped: {why}")),
        Forecast::AfterFailure => Some("only after a failure".to_owned()),
        Forecast::Decided(Late { late, known: _ }) => {
            let late = flat(late);
            let have = if needs.len() == 1 { "has" } else { "have" };
            Some(if needs.is_empty() {
                format!("decided when it is its turn: `{late}`")
            } else {
                format!("decided when {} {have} ended: `{late}`", listed(needs))
            })
        }
        Forecast::Follows(names) => Some(format!("only if {} {}", quoted(names), if names.len() == 1 { "runs" } else { "run" })),
    }
}

/// Whether what was said of its fate names all that it needs.
fn says_needs(forecast: &Forecast, needs: &[String]) -> bool {
    match forecast {
        Forecast::Decided(_) => true,
        Forecast::Follows(names) => names.len() == needs.len(),
        Forecast::Runs | Forecast::Skipped(_) | Forecast::AfterFailure => false,
    }
}

/// On one line.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn after(when: When, needs: &[String]) -> String {
    let needs = listed(needs);
    match when {
        When::Success | When::Failure => format!("after {needs}"),
        When::Always => format!("after {needs}, however they end"),
    }
}

fn matrix(plan: &Plan, cell: &Cell) -> String {
    let all = cells(plan, &cell.of);
    let most = cell.max_parallel.map_or_else(String::new, |most| format!(", at most {most} at a time"));
    let fast = if cell.fail_fast { ", and one that fails cancels the others" } else { "" };
    format!("one of {all} of `{}`{most}{fast}", cell.of)
}

fn cells(plan: &Plan, of: &str) -> usize {
    plan.jobs.iter().filter(|job| job.matrix.as_ref().is_some_and(|cell| cell.of == of)).count()
}

/// Names of jobs; all combinations of a matrix together are one.
fn job_names(plan: &Plan, needs: &[JobIx]) -> Vec<String> {
    let jobs: Vec<&JobPlan> = needs.iter().filter_map(|need| plan.jobs.get(*need as usize)).collect();
    let mut names: Vec<String> = Vec::new();
    for job in &jobs {
        let whole = job.matrix.as_ref().filter(|cell| {
            let named = jobs.iter().filter(|job| job.matrix.as_ref().is_some_and(|other| other.of == cell.of)).count();
            named > 1 && named == cells(plan, &cell.of)
        });
        let name = whole.map_or_else(|| format!("`{}`", job.name), |cell| format!("every `{}`", cell.of));
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn step_names(job: &JobPlan, needs: &[StepIx]) -> Vec<String> {
    needs.iter().filter_map(|need| job.steps.get(*need as usize)).map(|step| format!("`{}`", step.name)).collect()
}

fn quoted(names: &[String]) -> String {
    listed(&names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>())
}

/// `a`, `b` and `c`; many are counted.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] if names.len() <= NAMES => format!("{} and {last}", first.join(", ")),
        _ => format!("{} and {} more", names[..NAMES - 1].join(", "), names.len() - (NAMES - 1)),
    }
}
