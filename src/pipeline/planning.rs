//! Checked pipeline + trigger → plan: expressions get their values, and every step its image.

use std::collections::BTreeMap;

use super::check::image_fault;
use super::check::spec::{Envs, Job, Pipeline, Step};
use super::expr::{Expression, Facts, Template};
use super::parts::{Network, Resources};
use super::plan::{Action, JobPlan, Plan, StepPlan, Text};
use super::read::ReadOptions;
use super::report::{Report, shown};
use super::trigger::Trigger;
use crate::base::limits;

/// What a variable costs beside its name and value.
const VARIABLE_BYTES: usize = 64;

/// The plan; only to be used when nothing was reported on the way.
pub(super) fn plan(file: &str, pipeline: Pipeline, trigger: &Trigger, options: &ReadOptions<'_>, report: &mut Report) -> Plan {
    let Pipeline { name, on: _, concurrency: _, jobs } = pipeline;
    let mut planning = Planning { facts: Facts::new(trigger), options, report, bytes: 0 };
    let jobs = jobs.into_iter().map(|job| planning.job(job)).collect();
    Plan { name, file: file.to_owned(), jobs, inputs: BTreeMap::new(), concurrency: None }
}

struct Planning<'a, 'r, 's> {
    facts: Facts,
    options: &'a ReadOptions<'a>,
    report: &'r mut Report<'s>,
    /// Scripts and variables so far.
    bytes: usize,
}

impl Planning<'_, '_, '_> {
    fn job(&mut self, job: Job) -> JobPlan {
        let Job { name, needs, when, condition, timeout_ms, allow_failure, runs_on, steps, .. } = job;
        let skip = self.skip(condition.as_ref());
        let steps = steps.into_iter().map(|step| self.step(step)).collect();
        JobPlan {
            name,
            needs,
            when,
            skip,
            condition: None,
            timeout_ms: timeout_ms.unwrap_or(limits::JOB_TIMEOUT_MS),
            allow_failure,
            runs_on,
            matrix: None,
            services: Vec::new(),
            resources: Resources::default(),
            approval: None,
            environment: None,
            concurrency: None,
            outputs: BTreeMap::new(),
            steps,
        }
    }

    fn step(&mut self, step: Step) -> StepPlan {
        let Step { name, span, needs, need, when, condition, image, action, envs, timeout_ms, retry, allow_failure, .. } = step;
        let image = match (image, &self.options.default_image) {
            (Some(image), _) => self.image(&image),
            (None, Some(default)) => Some((*default).to_owned()),
            (None, None) if self.options.image_needed => {
                let hint = "say `image` here, in the job or in `defaults`";
                self.report.error_hint("no-image", span, format!("the step `{}` has no image", shown(&name)), hint);
                None
            }
            (None, None) => None,
        };
        let skip = self.skip(condition.as_ref());
        let before = self.bytes;
        self.bytes += if let Action::Script { shell: _, text } = &action { text.len() } else { 0 };
        let env = self.env(&envs);
        if before <= limits::PLAN_BYTES && self.bytes > limits::PLAN_BYTES {
            let message =
                format!("scripts and variables of all steps together are larger than {} MiB", limits::PLAN_BYTES / (1024 * 1024));
            self.report.error_hint("plan-too-large", span, message, "each step counts with the variables that it inherits");
        }
        StepPlan {
            name,
            needs,
            need,
            when,
            skip,
            condition: None,
            image: image.map(Text::Fixed),
            action,
            env,
            secrets: BTreeMap::new(),
            network: Network::default(),
            cache: Vec::new(),
            artifacts: None,
            junit: Vec::new(),
            timeout_ms,
            retry,
            allow_failure,
        }
    }

    fn skip(&mut self, condition: Option<&Expression>) -> Option<String> {
        let condition = condition?;
        match condition.holds(&self.facts) {
            Ok(true) => None,
            Ok(false) => Some(format!("its `if` is false: {}", condition.because(&self.facts))),
            Err(message) => {
                self.report.error("expression", condition.span, message);
                None
            }
        }
    }

    fn image(&mut self, template: &Template) -> Option<String> {
        let image = self.fill(template)?;
        if let Some(fault) = image_fault(&image) {
            self.report.error("image", template.span, format!("`image` is not usable for this trigger: {fault}"));
        }
        Some(image)
    }

    /// The variables merged, the nearest `env` winning. Past the plan's limit nothing more is made: the plan is refused anyway.
    fn env(&mut self, envs: &Envs) -> BTreeMap<String, Text> {
        let mut merged = BTreeMap::new();
        for (name, template) in envs.iter().rev().flat_map(|env| env.iter()) {
            if self.bytes > limits::PLAN_BYTES {
                return BTreeMap::new();
            }
            if merged.contains_key(name) {
                continue;
            }
            if let Some(value) = self.fill(template) {
                self.bytes += name.len() + value.len() + VARIABLE_BYTES;
                merged.insert(name.clone(), Text::Fixed(value));
            }
        }
        merged
    }

    fn fill(&mut self, template: &Template) -> Option<String> {
        match template.fill(&self.facts) {
            Ok(text) if text.contains('\0') => {
                self.report.error("nul", template.span, "the value has a NUL character");
                None
            }
            Ok(text) if text.len() > limits::SCRIPT_BYTES => {
                self.report.error(
                    "value-too-large",
                    template.span,
                    format!("the value is larger than {} KiB", limits::SCRIPT_BYTES / 1024),
                );
                None
            }
            Ok(text) => Some(text),
            Err((span, message)) => {
                self.report.error("expression", span, message);
                None
            }
        }
    }
}
