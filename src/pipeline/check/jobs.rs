//! Jobs: several under `jobs`, or the file itself as one.

use std::rc::Rc;

use super::fields::{Field, Fields};
use super::graph::{self, Draft};
use super::spec::{Defaults, Envs, Job};
use super::{Reader, keys, steps};
use crate::base::limits;
use crate::pipeline::plan::When;
use crate::pipeline::yaml::{Kind, Span};

/// `jobs: { name: { … } }`.
pub(super) fn jobs(field: &Field, envs: &Envs, defaults: &Defaults, reader: &mut Reader) -> Vec<Job> {
    let Kind::Map(entries) = &field.value.kind else {
        let message = format!("`jobs` must be a map, found {}", field.value.describe());
        reader.report.error_hint(
            "type",
            field.place(),
            message,
            "write the job's name as a key: `jobs: { test: { steps: […] } }`",
        );
        return Vec::new();
    };
    if entries.is_empty() {
        reader.report.error_hint("no-jobs", field.place(), "`jobs` has no job", "a job has a name and `steps`");
    }
    if let Some(entry) = entries.get(limits::JOBS) {
        let message = format!("the pipeline has more than {} jobs", limits::JOBS);
        reader.report.error_hint(
            "too-many-jobs",
            entry.key_span,
            message,
            "split it: each file in `.gantry/` is a pipeline of its own",
        );
    }
    let mut jobs = Vec::new();
    let mut drafts = Vec::new();
    for entry in entries.iter().take(limits::JOBS) {
        reader.check_name(&entry.key, entry.key_span, "a job");
        let fields = if entry.value.is_null() {
            reader.report.error_hint("no-steps", entry.key_span, "the job has no `steps`", "a job has a list of `steps`");
            None
        } else {
            Fields::read(&entry.value, entry.key_span, &keys::JOB, reader)
        };
        let needs = fields.as_ref().and_then(|fields| fields.get("needs")).and_then(|field| reader.needs(field));
        drafts.push(Draft { name: entry.key.clone(), span: entry.key_span, needs: Some(needs.unwrap_or_default()) });
        // One that is wrong is a job all the same, for those who refer to it.
        let fields = fields.unwrap_or_else(Fields::refused);
        jobs.push(job(entry.key.clone(), entry.key_span, &fields, envs, defaults, reader));
    }
    let needs = graph::resolve(&drafts, "job", reader);
    for (job, needs) in jobs.iter_mut().zip(needs) {
        job.needs = needs;
    }
    jobs
}

/// The file as one job: its `env` and its `concurrency` are the pipeline's.
pub(super) fn only(name: String, fields: &Fields, envs: &Envs, defaults: &Defaults, reader: &mut Reader) -> Job {
    body(name, Span::FILE, fields, envs.clone(), defaults, reader)
}

fn job(name: String, span: Span, fields: &Fields, envs: &Envs, defaults: &Defaults, reader: &mut Reader) -> Job {
    let mut envs = envs.clone();
    envs.extend(fields.get("env").map(|field| reader.env(field)));
    let when = fields.get("when").map_or(When::default(), |field| reader.when(field));
    let concurrency = fields.get("concurrency").and_then(|field| reader.concurrency(field));
    Job { when, concurrency, ..body(name, span, fields, envs, defaults, reader) }
}

/// What a job of its own and the file as a job have in common.
fn body(name: String, span: Span, fields: &Fields, envs: Envs, defaults: &Defaults, reader: &mut Reader) -> Job {
    let condition = fields.get("if").and_then(|field| reader.condition(field));
    let timeout_ms = fields.get("timeout").and_then(|field| reader.timeout(field));
    let allow_failure = fields.get("allow_failure").and_then(|field| reader.bool(field)).unwrap_or(false);
    let image = fields.get("image").and_then(|field| reader.image(field)).map(Rc::new);
    let retry = fields.get("retry").and_then(|field| reader.retry(field));
    let shell = fields.get("shell").and_then(|field| reader.shell(field));
    let network = fields.get("network").and_then(|field| reader.network(field));
    let default = defaults.clone();
    let defaults = Defaults {
        image: image.or(default.image),
        timeout_ms: default.timeout_ms,
        retry: retry.or(default.retry),
        shell: shell.or(default.shell),
        network: network.or(default.network),
    };
    let runs_on = fields.get("runs_on").map(|field| reader.runs_on(field)).unwrap_or_default();
    let errors = reader.report.errors();
    let matrix = fields.get("matrix").and_then(|field| reader.matrix(field).filter(|_| errors == reader.report.errors()));
    let axes_are_known = errors == reader.report.errors();
    let services = fields.get("services").map(|field| reader.services(field)).unwrap_or_default();
    let resources = fields.get("resources").map(|field| reader.resources(field)).unwrap_or_default();
    let checkout = fields.get("checkout").map(|field| reader.checkout(field)).unwrap_or_default();
    let approval = fields.get("approval").and_then(|field| reader.approval(field));
    let environment = fields.get("environment").and_then(|field| reader.environment(field));
    let outputs = fields.get("outputs").map(|field| reader.outputs(field)).unwrap_or_default();
    let steps = match fields.get("steps") {
        Some(field) => steps::steps(field, &envs, &defaults, reader),
        None if fields.refused => Vec::new(),
        None => {
            reader.report.error_hint("no-steps", span, "the job has no `steps`", "a job has a list of `steps`");
            Vec::new()
        }
    };
    Job {
        name,
        span,
        envs,
        needs: Vec::new(),
        when: When::default(),
        condition,
        timeout_ms,
        allow_failure,
        runs_on,
        matrix,
        axes_are_known,
        services,
        resources,
        checkout,
        approval,
        environment,
        concurrency: None,
        outputs,
        steps,
    }
}
