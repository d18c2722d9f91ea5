//! What expressions refer to, over the whole pipeline: inputs, axes, variables, steps and jobs must be there, and what only the run will know may stand
//! only where it is evaluated then.
//!
//! **Invariant:** after this an expression that the planner or the run evaluates finds each of its names; only a step's output may be missing, since
//! nothing declares it.

use std::collections::BTreeMap;

use super::spec::{Cache, Env, Envs, Input, InputKind, Job, Nested, Pipeline, Setting, Step};
use crate::pipeline::expr::{End, Expression, Name, Reference, Template, Type};
use crate::pipeline::planning;
use crate::pipeline::report::{Report, nearest, shown};

/// Looks through all expressions, and at the size of the plan.
pub(super) fn check(pipeline: &Pipeline, report: &mut Report) {
    let mut checking = Checking { pipeline, report, reach: None };
    let nowhere = Place::new("`concurrency.group` of a pipeline", None);
    let around = checking.levels(&pipeline.envs, &nowhere);
    if let Some(concurrency) = &pipeline.concurrency {
        checking.template(&concurrency.group, &nowhere, &around);
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

/// Variables of one `env`, and whether only the run knows their values.
type Level<'p> = BTreeMap<&'p str, bool>;

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
            services,
            resources: _,
            approval,
            environment,
            concurrency,
            outputs,
            steps,
        } = job;
        let place = Place::new("a job", Some((at, job)));
        let inherited = place.late("`env` outside of a step", Late::Jobs);
        let around = self.levels(envs, &inherited);
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

    fn step(&mut self, step: &'p Step, place: &Place, around: &[Level<'p>], inherited: usize) {
        let own = self.level(step.envs.get(inherited..).unwrap_or_default().first().map(AsRef::as_ref), place, around);
        let around: Vec<Level> = around.iter().cloned().chain([own]).collect();
        let Step { condition, image, settings, cache, .. } = step;
        if let Some(condition) = condition {
            self.expression(condition, place, &around);
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

    fn nested(&mut self, nested: &'p Nested, place: &Place, around: &[Level<'p>]) {
        match nested {
            Nested::Null | Nested::Bool(_) | Nested::Number(_) => {}
            Nested::Text(template) => self.template(template, place, around),
            Nested::List(items) => items.iter().for_each(|item| self.nested(item, place, around)),
            Nested::Map(entries) => entries.iter().for_each(|(_, value)| self.nested(value, place, around)),
        }
    }

    /// Each `env` sees those around it.
    fn levels(&mut self, envs: &'p Envs, place: &Place) -> Vec<Level<'p>> {
        let mut levels: Vec<Level> = Vec::new();
        for env in envs {
            let level = self.level(Some(env), place, &levels);
            levels.push(level);
        }
        levels
    }

    fn level(&mut self, env: Option<&'p Env>, place: &Place, around: &[Level<'p>]) -> Level<'p> {
        let mut level = Level::new();
        for (name, template) in env.into_iter().flatten() {
            self.template(template, place, around);
            let is_late = template.expressions().flat_map(Expression::references).any(|found| late(&found.name, around));
            level.insert(name, is_late);
        }
        level
    }

    fn template(&mut self, template: &'p Template, place: &Place, around: &[Level<'p>]) {
        for expression in template.expressions() {
            self.expression(expression, place, around);
        }
    }

    fn expression(&mut self, expression: &'p Expression, place: &Place, around: &[Level<'p>]) {
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

    fn reference(&mut self, reference: &'p Reference, expression: &Expression, place: &Place, around: &[Level<'p>]) {
        let name = &reference.name;
        if name.is_late() && !self.may_stand(name, place) {
            let message = format!("`{}` is not known in {}", shown(&name.to_string()), place.noun);
            let hint = match (place.late, name) {
                (Late::No, _) => "it is known only while the run is under way, and this when the plan is made",
                (_, Name::Need(..) | Name::Job(..)) => "it belongs to no job",
                (Late::Jobs | Late::Steps(_), _) => "steps are known inside of their job's steps, and in its `outputs`",
            };
            self.report.error_hint("late-name", reference.place(0, expression), message, hint);
            return;
        }
        match name {
            Name::Fact(_) | Name::Changes | Name::Pr(_) | Name::Run(_) => {}
            Name::Input(input) => self.input(input, reference, expression),
            Name::Matrix(axis) => self.axis(axis, reference, expression, place),
            Name::Env(variable) => self.variable(variable, reference, expression, place, around),
            Name::Step(step, _) => self.step_named(step, reference, expression, place),
            Name::Need(job, end) => self.job_named(job, end, true, reference, expression, place),
            Name::Job(job, end) => self.job_named(job, end, false, reference, expression, place),
        }
    }

    fn may_stand(&self, name: &Name, place: &Place) -> bool {
        match place.late {
            Late::No => false,
            Late::Jobs => place.job.is_some() && !matches!(name, Name::Step(..)),
            Late::Steps(_) => true,
        }
    }

    fn unknown(&mut self, reference: &Reference, expression: &Expression, at: usize, message: String, hint: String) {
        self.report.error_hint("unknown-name", reference.place(at, expression), message, hint);
    }

    fn input(&mut self, name: &str, reference: &Reference, expression: &Expression) {
        let inputs = &self.pipeline.on.inputs;
        if inputs.iter().any(|input| input.name == name) {
            return;
        }
        let names = inputs.iter().map(|input| input.name.as_str());
        let hint = suggestion(name, names, "inputs are", "inputs are declared in `on.manual.inputs`");
        self.unknown(reference, expression, 1, format!("there is no input `{}`", shown(name)), hint);
    }

    fn axis(&mut self, name: &str, reference: &Reference, expression: &Expression, place: &Place) {
        let Some(matrix) = place.job.and_then(|(_, job)| job.matrix.as_ref()) else {
            let (message, hint) = match place.job {
                Some((_, job)) => (format!("the job `{}` has no matrix", shown(&job.name)), "a matrix is declared in the job"),
                None => (format!("`matrix.{}` belongs to a job", shown(name)), "what stands outside of jobs is the same for all"),
            };
            self.unknown(reference, expression, 0, message, hint.to_owned());
            return;
        };
        let axes = matrix.axes.iter().map(|(axis, _)| axis.as_str());
        let names = axes.chain(matrix.include.iter().flatten().map(|(key, _)| key.as_str()));
        if names.clone().any(|known| known == name) {
            return;
        }
        let mut known: Vec<&str> = Vec::new();
        for name in names {
            if !known.contains(&name) {
                known.push(name);
            }
        }
        let hint = suggestion(name, known.into_iter(), "it has", "the matrix has no axes");
        self.unknown(reference, expression, 1, format!("the matrix has no `{}`", shown(name)), hint);
    }

    fn variable(&mut self, name: &str, reference: &Reference, expression: &Expression, place: &Place, around: &[Level<'p>]) {
        let Some(is_late) = around.iter().rev().find_map(|level| level.get(name)) else {
            let names = around.iter().rev().flat_map(|level| level.keys().copied());
            let none = "an `env` sees those of the job and the pipeline around it, not itself; a script sees all";
            let hint = suggestion(name, names, "variables are", none);
            self.unknown(reference, expression, 1, format!("there is no variable `{}` around", shown(name)), hint);
            return;
        };
        if *is_late && matches!(place.late, Late::No) {
            let message = format!("`env.{}` is not known in {}", shown(name), place.noun);
            let hint = "its value names outputs, outcomes or the run, which come later";
            self.report.error_hint("late-name", reference.place(0, expression), message, hint);
        }
    }

    fn step_named(&mut self, name: &str, reference: &Reference, expression: &Expression, place: &Place) {
        let (Some((_, job)), Late::Steps(waits)) = (place.job, place.late) else { return };
        let steps = job.steps.iter().map(|step| step.name.as_str());
        let Some(at) = steps.clone().position(|known| known == name) else {
            let message = format!("the job has no step `{}`", shown(name));
            self.unknown(reference, expression, 1, message, suggestion(name, steps, "steps are", "it has no other step"));
            return;
        };
        let Waits::Before(own, ended) = waits else { return };
        if own == at {
            let message = "a step knows nothing of its own end".to_owned();
            let hint = "a later step knows it".to_owned();
            self.unknown(reference, expression, 1, message, hint);
        } else if ended.get(own).and_then(|ended| ended.get(at)) != Some(&true) {
            let message = format!("this step does not wait for `{}`", shown(name));
            self.unknown(reference, expression, 1, message, format!("add it: `needs: [{}]`", shown(name)));
        }
    }

    fn job_named(&mut self, name: &str, end: &End, near: bool, reference: &Reference, expression: &Expression, place: &Place) {
        let Some((own, job)) = place.job else { return };
        let jobs = &self.pipeline.jobs;
        let names = jobs.iter().map(|job| job.name.as_str());
        let Some(at) = names.clone().position(|known| known == name) else {
            let others = names.filter(|other| *other != job.name);
            let hint = suggestion(name, others, "jobs are", "there is no other job");
            self.unknown(reference, expression, 1, format!("there is no job `{}`", shown(name)), hint);
            return;
        };
        let needed = match near {
            true => job.needs.iter().any(|need| usize::try_from(*need) == Ok(at)),
            false => {
                let reach = self.reach.get_or_insert_with(|| reach(jobs.iter().map(|job| job.needs.as_slice())));
                reach.get(own).and_then(|reached| reached.get(at)) == Some(&true)
            }
        };
        if !needed {
            let message = format!("the job `{}` does not need `{}`", shown(&job.name), shown(name));
            self.unknown(reference, expression, 1, message, format!("add it: `needs: [{}]`", shown(name)));
            return;
        }
        let (End::Output(key), Some(of)) = (end, jobs.get(at)) else { return };
        let outputs = of.outputs.iter().map(|(key, _)| key.as_str());
        if !outputs.clone().any(|known| known == key) {
            let message = format!("the job `{}` declares no output `{}`", shown(name), shown(key));
            let hint = suggestion(key, outputs, "it declares", "a job gives what its `outputs` declare");
            self.unknown(reference, expression, 3, message, hint);
        }
    }
}

/// Whether only the run will know it.
fn late(name: &Name, around: &[Level]) -> bool {
    match name {
        Name::Env(name) => around.iter().rev().find_map(|level| level.get(name.as_str())).is_some_and(|is_late| *is_late),
        name => name.is_late(),
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

/// What might have been meant.
fn suggestion<'n>(word: &str, names: impl Iterator<Item = &'n str> + Clone, known: &str, none: &str) -> String {
    if let Some(near) = nearest(word, names.clone()) {
        return format!("did you mean `{}`?", shown(near));
    }
    let names: Vec<String> = names.take(8).map(|name| format!("`{}`", shown(name))).collect();
    if names.is_empty() { none.to_owned() } else { format!("{known} {}", names.join(", ")) }
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

/// Which others each one needs, near or far. There are no cycles, or they have been told: then the answer does not matter.
fn reach<'n>(needs: impl Iterator<Item = &'n [u32]>) -> Vec<Vec<bool>> {
    let needs: Vec<&[u32]> = needs.collect();
    let mut reach: Vec<Option<Vec<bool>>> = vec![None; needs.len()];
    for start in 0..needs.len() {
        // Each one once: what it needs comes first.
        let mut path = vec![start];
        let mut on_path = vec![false; needs.len()];
        while let Some(at) = path.last().copied() {
            if let Some(mark) = on_path.get_mut(at) {
                *mark = true;
            }
            if reach.get(at).is_some_and(Option::is_some) {
                path.pop();
                continue;
            }
            let open = |need: &usize| reach.get(*need).is_some_and(Option::is_none) && on_path.get(*need) == Some(&false);
            let of = |at: usize| needs.get(at).copied().unwrap_or_default().iter().filter_map(|need| usize::try_from(*need).ok());
            let next = of(at).find(open);
            if let Some(next) = next {
                path.push(next);
                continue;
            }
            let mut reached = vec![false; needs.len()];
            for need in of(at) {
                if let Some(Some(far)) = reach.get(need) {
                    reached.iter_mut().zip(far).for_each(|(reached, far)| *reached |= far);
                }
                if let Some(reached) = reached.get_mut(need) {
                    *reached = true;
                }
            }
            if let Some(place) = reach.get_mut(at) {
                *place = Some(reached);
            }
            path.pop();
        }
    }
    reach.into_iter().map(Option::unwrap_or_default).collect()
}
