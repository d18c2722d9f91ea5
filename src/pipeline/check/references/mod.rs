//! What expressions refer to, over the whole pipeline: inputs, axes, variables, steps and jobs must be there, and what only the run will know may stand
//! only where it is evaluated then.
//!
//! Files: `variables` says what each `env` depends on, `reach` who needs whom, `names` looks single names up. This file goes through all expressions.
//!
//! **Invariant:** after this an expression that the planner or the run evaluates finds each of its names; only a step's output may be missing, since
//! nothing declares it.

mod names;
mod reach;
mod variables;

use super::spec::{Cache, Input, InputKind, Job, Nested, Pipeline, Setting, Step};
use crate::pipeline::expr::{Expression, Name, Reference, Template, Type};
use crate::pipeline::planning;
use crate::pipeline::report::{Report, shown};
use reach::reach;
use variables::{Level, late, level, levels};

/// Looks through all expressions, and at the size of the plan. What was wrong with declarations has been reported, and is not told once more by those
/// who refer to them.
pub(super) fn check(pipeline: &Pipeline, inputs_are_known: bool, report: &mut Report) {
    let mut checking = Checking { pipeline, inputs_are_known, report, reach: None };
    if let Some(concurrency) = &pipeline.concurrency {
        // The pipeline's variables themselves are looked at in each job that inherits them.
        let levels = levels(&pipeline.envs);
        let around: Vec<&Level> = levels.iter().collect();
        let place = Place::new("`concurrency.group` of a pipeline", None);
        checking.template(&concurrency.group, &place, &around);
    }
    for (at, job) in pipeline.jobs.iter().enumerate() {
        if checking.report.is_full() {
            return;
        }
        checking.job(at, job);
    }
    if checking.report.errors() == 0 {
        planning::check_size(pipeline, checking.report);
    }
}

/// Where an expression stands.
#[derive(Clone, Copy)]
struct Place<'p> {
    /// For messages: "… is not known in {noun}".
    noun: &'static str,
    job: Option<(usize, &'p Job)>,
    late: Late<'p>,
}

/// Which late names may stand somewhere.
#[derive(Clone, Copy)]
enum Late<'p> {
    No,
    /// Jobs that have ended, and the run.
    Jobs,
    /// Besides, steps of the same job: all, when the job has ended.
    Steps(Waits<'p>),
}

/// Which steps have ended.
#[derive(Clone, Copy)]
enum Waits<'p> {
    All,
    /// Those that this one needs, near or far.
    Before(usize, &'p [Vec<bool>]),
}

impl<'p> Place<'p> {
    fn new(noun: &'static str, job: Option<(usize, &'p Job)>) -> Self {
        Self { noun, job, late: Late::No }
    }

    fn late(self, noun: &'static str, late: Late<'p>) -> Self {
        Self { noun, late, ..self }
    }
}

struct Checking<'p, 'r, 's> {
    pipeline: &'p Pipeline,
    /// Every input that is written is in the pipeline.
    inputs_are_known: bool,
    report: &'r mut Report<'s>,
    /// Which jobs each job needs, near or far; made when it is first asked for.
    reach: Option<Vec<Vec<bool>>>,
}

impl<'p> Checking<'p, '_, '_> {
    fn job(&mut self, at: usize, job: &'p Job) {
        let Job {
            name: _,
            needs: _,
            when: _,
            condition,
            timeout_ms: _,
            allow_failure: _,
            span: _,
            runs_on: _,
            envs,
            matrix: _,
            axes_are_known: _,
            services,
            resources: _,
            checkout: _,
            approval,
            environment,
            concurrency,
            outputs,
            steps,
        } = job;
        let place = Place::new("a job", Some((at, job)));
        let inherited = place.late("`env` outside of a step", Late::Jobs);
        let levels = levels(envs);
        let around: Vec<&Level> = levels.iter().collect();
        for (at, env) in envs.iter().enumerate() {
            let outside = around.get(..at).unwrap_or_default();
            env.values().for_each(|template| self.template(template, &inherited, outside));
        }
        if let Some(condition) = condition {
            self.expression(condition, &place.late("`if` of a job", Late::Jobs), &around);
        }
        for service in services {
            let place = place.late("a service", Late::No);
            self.template(&service.image, &place, &around);
            service.env.values().for_each(|template| self.template(template, &place, &around));
        }
        if let Some(message) = approval.as_ref().and_then(|approval| approval.message.as_ref()) {
            self.template(message, &place.late("`approval.message`", Late::Jobs), &around);
        }
        if let Some(environment) = environment {
            self.template(environment, &place.late("`environment`", Late::Jobs), &around);
        }
        if let Some(concurrency) = concurrency {
            self.template(&concurrency.group, &place.late("`concurrency.group`", Late::No), &around);
        }
        for (_, template) in outputs {
            self.template(template, &place.late("`outputs`", Late::Steps(Waits::All)), &around);
        }
        let looks = steps.iter().any(|step| expressions_of(step).any(looks_at_steps));
        let ended = if looks { reach(steps.iter().map(|step| step.needs.as_slice())) } else { Vec::new() };
        for (at, step) in steps.iter().enumerate() {
            let place = place.late("a step", Late::Steps(Waits::Before(at, &ended)));
            self.step(step, &place, &around, envs.len());
        }
    }

    fn step(&mut self, step: &'p Step, place: &Place, around: &[&Level], inherited: usize) {
        let own = step.envs.get(inherited..).unwrap_or_default().first();
        own.into_iter().flat_map(|env| env.values()).for_each(|template| self.template(template, place, around));
        let own = own.map(|env| level(env, around)).unwrap_or_default();
        let around: Vec<&Level> = around.iter().copied().chain([&own]).collect();
        let Step { title, condition, image, settings, cache, .. } = step;
        if let Some(condition) = condition {
            self.expression(condition, place, &around);
        }
        if let Some(title) = title {
            self.template(title, &place.late("the name of a step", Late::No), &around);
        }
        if let Some(image) = image {
            self.template(image, place, &around);
        }
        for (_, setting) in settings {
            match setting {
                Setting::Text(template) => self.template(template, place, &around),
                Setting::Nested(nested) => self.nested(nested, &place.late("a list or map of `with`", Late::No), &around),
            }
        }
        for Cache { key, paths: _, restore } in cache {
            self.template(key, place, &around);
            restore.iter().for_each(|prefix| self.template(prefix, place, &around));
        }
    }

    fn nested(&mut self, nested: &'p Nested, place: &Place, around: &[&Level]) {
        match nested {
            Nested::Null | Nested::Bool(_) | Nested::Number(_) => {}
            Nested::Text(template) => self.template(template, place, around),
            Nested::List(items) => items.iter().for_each(|item| self.nested(item, place, around)),
            Nested::Map(entries) => entries.iter().for_each(|(_, value)| self.nested(value, place, around)),
        }
    }

    fn template(&mut self, template: &'p Template, place: &Place, around: &[&Level]) {
        for expression in template.expressions() {
            self.expression(expression, place, around);
        }
    }

    fn expression(&mut self, expression: &'p Expression, place: &Place, around: &[&Level]) {
        let before = self.report.errors();
        for reference in expression.references() {
            self.reference(reference, expression, place, around);
        }
        if self.report.errors() > before {
            return;
        }
        let inputs = &self.pipeline.on.inputs;
        let references = expression.references();
        if references.iter().any(|reference| matches!(reference.name, Name::Input(_))) {
            let types: Vec<Type> = references.iter().map(|reference| type_of(reference, inputs)).collect();
            expression.check_types(&types, self.report);
        }
        let late_name = references.iter().find(|reference| late(&reference.name, around));
        let planned = expression.hashes || references.iter().any(|reference| reference.name == Name::Changes);
        if let (Some(late), true) = (late_name, planned) {
            let planned = if expression.hashes { "hash" } else { "changes" };
            let message = format!(
                "`{planned}` is known only when the plan is made, and `{}` only while the run is under way",
                shown(&late.name.to_string())
            );
            let hint = "write two expressions: `${{ … }}-${{ … }}`, or two conditions at a job and a step";
            self.report.error_hint("late-name", late.place(0, expression), message, hint);
        }
    }
}

fn type_of(reference: &Reference, inputs: &[Input]) -> Type {
    let Name::Input(name) = &reference.name else { return reference.type_of() };
    let kind = inputs.iter().find(|input| input.name == *name).map(|input| &input.kind);
    match (reference.test, kind) {
        (true, _) | (false, Some(InputKind::Boolean)) => Type::Bool,
        (false, Some(InputKind::Number)) => Type::Number,
        (false, Some(InputKind::String | InputKind::Choice(_))) => Type::Text,
        (false, None) => Type::Any,
    }
}

/// Expressions of a step's own keys.
fn expressions_of(step: &Step) -> impl Iterator<Item = &Expression> {
    let texts = step.image.as_deref().into_iter();
    let texts = texts.chain(step.envs.iter().flat_map(|env| env.values()));
    let texts = texts.chain(step.settings.iter().filter_map(|(_, setting)| match setting {
        Setting::Text(template) => Some(template),
        Setting::Nested(_) => None,
    }));
    let texts = texts.chain(step.cache.iter().flat_map(|cache| [&cache.key].into_iter().chain(&cache.restore)));
    step.condition.iter().chain(texts.flat_map(Template::expressions))
}

fn looks_at_steps(expression: &Expression) -> bool {
    expression.references().iter().any(|reference| matches!(reference.name, Name::Step(..)))
}
