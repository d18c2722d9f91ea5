//! Tree → checked pipeline.
//!
//! Files: `spec` is the checked pipeline, `keys` says which keys exist where, `fields` reads a map by them, `values` and `words` read single values, `paths`
//! those of files. `on` reads the events with their `schedules` and `inputs`; `jobs` the jobs with their `matrix`, `services` and what else stands `around`
//! them; `steps` the steps with their `script`, `retry`, `settings` and what they `keep`; `graph` the order. This file reads the whole.
//!
//! **Invariants:** reading goes on after a problem, so that all are told at once; what is left out because it was wrong has been reported; no key is
//! ignored silently.

mod around;
mod fields;
mod graph;
mod inputs;
mod jobs;
mod keep;
pub(super) mod keys;
mod matrix;
mod on;
mod paths;
mod references;
mod retry;
mod schedules;
mod script;
mod services;
mod settings;
pub(super) mod spec;
mod steps;
mod values;
mod words;

use std::collections::BTreeMap;
use std::rc::Rc;

use super::report::Report;
use super::yaml::{Kind, Node, Span};
use crate::base::limits;
use fields::{Field, Fields};
use spec::{Defaults, Env, Envs, Pipeline};
pub(super) use values::image_fault;

/// What reading hands down: the report, and how many steps there were.
pub(super) struct Reader<'r, 's> {
    pub report: &'r mut Report<'s>,
    steps: usize,
}

/// Reads the whole file; `None` when a part was wrong beyond use. Only a pipeline without reported errors may be planned.
pub(super) fn pipeline(file: &str, root: &Node, report: &mut Report) -> Option<Pipeline> {
    let mut reader = Reader { report, steps: 0 };
    let several = matches!(&root.kind, Kind::Map(entries) if entries.iter().any(|entry| entry.key == "jobs"));
    let level = if several { &keys::PIPELINE } else { &keys::ONE_JOB };
    let fields = Fields::read(root, root.span, level, &mut reader)?;
    let name = match fields.get("name") {
        Some(field) => reader.name(field.value, field.key_span, "the pipeline"),
        None => reader.file_name(file),
    };
    let errors = reader.report.errors();
    let on = on::on(fields.get("on"), &mut reader);
    let inputs_are_known = errors == reader.report.errors();
    let envs: Envs = fields.get("env").map(|field| reader.env(field)).into_iter().collect();
    let defaults = fields.get("defaults").map(|field| reader.defaults(field)).unwrap_or_default();
    let concurrency = fields.get("concurrency").and_then(|field| reader.concurrency(field));
    let jobs = match (fields.get("jobs"), fields.get("steps")) {
        (Some(jobs), steps) => {
            if let Some(steps) = steps {
                let hint = "put the steps into a job, or leave `jobs` out";
                reader.report.error_hint("conflict", steps.key_span, "a pipeline has `jobs` or `steps`, not both", hint);
            }
            jobs::jobs(jobs, &envs, &defaults, &mut reader)
        }
        (None, Some(_)) => {
            let job_name = name.clone().unwrap_or_else(|| "default".to_owned());
            vec![jobs::only(job_name, &fields, &envs, &defaults, &mut reader)]
        }
        (None, None) if fields.refused => Vec::new(),
        (None, None) => {
            let hint = "begin with `steps:` and a list of commands";
            reader.report.error_hint("no-steps", root.span, "the pipeline has neither `steps` nor `jobs`", hint);
            Vec::new()
        }
    };
    let pipeline = Pipeline { name: name?, on, envs, concurrency, jobs };
    references::check(&pipeline, inputs_are_known, reader.report);
    Some(pipeline)
}

impl Reader<'_, '_> {
    /// The name that a file gives to its pipeline: its stem, without a leading dot.
    fn file_name(&mut self, file: &str) -> Option<String> {
        let last = file.rsplit('/').next().unwrap_or(file);
        let stem = last.strip_suffix(".yml").or_else(|| last.strip_suffix(".yaml")).unwrap_or(last);
        let stem = stem.strip_prefix('.').unwrap_or(stem);
        match values::name_fault(stem) {
            None => Some(stem.to_owned()),
            Some(fault) => {
                self.report.error_hint(
                    "name",
                    Span::FILE,
                    format!("the file's name is no name for a pipeline: {fault}"),
                    "give the pipeline a `name`",
                );
                None
            }
        }
    }

    /// `defaults`.
    fn defaults(&mut self, field: &Field) -> Defaults {
        let Some(fields) = Fields::read(field.value, field.key_span, &keys::DEFAULTS, self) else { return Defaults::default() };
        Defaults {
            image: fields.get("image").and_then(|field| self.image(field)).map(Rc::new),
            timeout_ms: fields.get("timeout").and_then(|field| self.timeout(field)),
            retry: fields.get("retry").and_then(|field| self.retry(field)),
            shell: fields.get("shell").and_then(|field| self.shell(field)),
            network: fields.get("network").and_then(|field| self.network(field)),
            pull: fields.get("pull").and_then(|field| self.pull(field)),
        }
    }

    /// `env` of steps: variables with their templates.
    fn env(&mut self, field: &Field) -> Rc<Env> {
        self.variables(field, &keys::OWN_VARIABLES, "")
    }

    /// `env` of a service, which gets one variable of Gantry's own.
    fn service_env(&mut self, field: &Field) -> Rc<Env> {
        self.variables(field, &["CI"], "services get no secrets")
    }

    /// `own` are Gantry's; `no_secrets` says why there are no `secrets` beside it.
    fn variables(&mut self, field: &Field, own: &[&str], no_secrets: &str) -> Rc<Env> {
        let Kind::Map(entries) = &field.value.kind else {
            let message = format!("`env` must be a map, found {}", field.value.describe());
            self.report.error_hint("type", field.place(), message, "write `env: { NAME: value }`");
            return Rc::default();
        };
        let mut env = BTreeMap::new();
        for entry in entries {
            if self.is_variable_name(&entry.key, entry.key_span) && own.contains(&entry.key.as_str()) {
                let message = format!("`{}` is set by Gantry itself, and Gantry's value wins", entry.key);
                self.report.warning("own-variable", entry.key_span, message, "remove it, or choose another name");
            }
            let value = Field { key: &entry.key, key_span: entry.key_span, value: &entry.value };
            if let Kind::Map(inner) = &entry.value.kind
                && inner.iter().any(|entry| entry.key == "from_secret")
            {
                self.misplaced_secret(&entry.value, value.place(), &entry.key, no_secrets);
                continue;
            }
            let template = match value.is_missing() {
                true => super::expr::Template::new("", &self.place(&value), self.report),
                false => self.template(&value),
            };
            // One that is wrong is a variable all the same, for those who refer to it.
            if let Some(template) = template.or_else(|| super::expr::Template::new("", &self.place(&value), self.report)) {
                env.insert(entry.key.clone(), template);
            }
        }
        Rc::new(env)
    }

    /// Counts one more step; false, and told once, when there are too many.
    fn one_more_step(&mut self, span: Span) -> bool {
        self.steps += 1;
        if self.steps == limits::STEPS + 1 {
            let message = format!("the pipeline has more than {} steps", limits::STEPS);
            self.report.error_hint("too-many-steps", span, message, "split it: each file in `.gantry/` is a pipeline of its own");
        }
        self.steps <= limits::STEPS
    }
}
