//! Each name of an expression looked up: is it there, and may it be looked at from here?

use super::reach::reach;
use super::variables::{Level, variable};
use super::{Checking, Late, Place, Waits};
use crate::pipeline::expr::{End, Expression, Name, Reference};
use crate::pipeline::report::{nearest, shown};

impl Checking<'_, '_, '_> {
    pub(super) fn reference(&mut self, reference: &Reference, expression: &Expression, place: &Place, around: &[&Level]) {
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
            Name::Input(_) if !self.inputs_are_known => {}
            Name::Matrix(_) if place.job.is_some_and(|(_, job)| !job.axes_are_known) => {}
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

    fn variable(&mut self, name: &str, reference: &Reference, expression: &Expression, place: &Place, around: &[&Level]) {
        let Some(variable) = variable(name, around) else {
            let names = around.iter().rev().flat_map(|level| level.keys().copied());
            let none = "an `env` sees those of the job and the pipeline around it, not itself; a script sees all";
            let hint = suggestion(name, names, "variables are", none);
            self.unknown(reference, expression, 1, format!("there is no variable `{}` around", shown(name)), hint);
            return;
        };
        if variable.matrix && place.job.is_none() {
            let message = format!("`env.{}` depends on the matrix of a job", shown(name));
            let hint = "what stands outside of jobs is the same for all";
            self.report.error_hint("unknown-name", reference.place(1, expression), message, hint);
        } else if variable.late && matches!(place.late, Late::No) {
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
        if job.steps.get(at).is_some_and(|step| step.title.is_some()) {
            let message = format!("the name of `{}` is known only when the plan is made", shown(name));
            self.unknown(reference, expression, 1, message, "give the step a name without `${{ }}`".to_owned());
            return;
        }
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

/// What might have been meant.
fn suggestion<'n>(word: &str, names: impl Iterator<Item = &'n str> + Clone, known: &str, none: &str) -> String {
    if let Some(near) = nearest(word, names.clone()) {
        return format!("did you mean `{}`?", shown(near));
    }
    let names: Vec<String> = names.take(8).map(|name| format!("`{}`", shown(name))).collect();
    if names.is_empty() { none.to_owned() } else { format!("{known} {}", names.join(", ")) }
}
