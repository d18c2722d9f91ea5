//! Checked pipeline + trigger → plan.
//!
//! Files: `inputs` gives the declared inputs their values, `matrix` writes out combinations, `names` calls them something, `jobs` and `steps` make
//! the plan's, `surroundings` what stands around the steps, `variables` are their environments, `settings` is `with` as JSON. This file is the way
//! through them.
//!
//! **Invariants:** a plan is made only of what was checked, so what goes wrong here is what this trigger's values bring about, each with its place;
//! past the plan's size nothing more is made, since it is refused anyway.

mod inputs;
mod jobs;
mod matrix;
mod names;
mod settings;
mod steps;
mod surroundings;
mod variables;

use super::check::image_fault;
use super::check::spec::Pipeline;
use super::expr::{Expression, Facts, Library, Shared, Template, Trouble};
use super::plan::{Late, Plan, Text};
use super::read::ReadOptions;
use super::report::Report;
use super::trigger::Trigger;
use super::yaml::Span;
use crate::base::limits;
pub(super) use matrix::check as check_size;

/// The plan, only to be used when nothing was reported on the way. `Err` is the sentence that refuses what was asked for: nothing is wrong with the
/// file then.
pub(super) fn plan(
    file: &str,
    pipeline: &Pipeline,
    trigger: &Trigger,
    options: &ReadOptions<'_>,
    report: &mut Report,
) -> Result<Plan, String> {
    let inputs = inputs::resolve(&pipeline.on.inputs, trigger)?;
    let library = Library::new(limits::EXPRESSIONS_COST);
    let shared = Shared::new(trigger, &inputs, options.changes.unwrap_or_default());
    let mut planning = Planning { shared: &shared, library: &library, options, report, bytes: 0, told: false };
    let jobs = planning.jobs(&pipeline.jobs);
    let concurrency = planning.group_of_pipeline(pipeline);
    Ok(Plan { name: pipeline.name.clone(), file: file.to_owned(), jobs, inputs, concurrency })
}

struct Planning<'a, 'r, 's> {
    shared: &'a Shared<'a>,
    library: &'a Library,
    options: &'a ReadOptions<'a>,
    report: &'r mut Report<'s>,
    /// What the plan takes so far: scripts, variables, needs.
    bytes: usize,
    /// It was told that this is too much.
    told: bool,
}

impl Planning<'_, '_, '_> {
    /// Counts what a part takes; told once, at the part that is one too many.
    fn takes(&mut self, bytes: usize, span: Span) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > limits::PLAN_BYTES && !self.told {
            self.told = true;
            let message =
                format!("scripts and variables of all steps together are larger than {} MiB", limits::PLAN_BYTES / (1024 * 1024));
            let hint =
                "each step counts with the variables that it inherits, and each combination of a matrix with all its steps";
            self.report.error_hint("plan-too-large", span, message, hint);
        }
    }

    /// Whether there is no use in going on: the plan is refused.
    fn is_lost(&self) -> bool {
        self.told || self.report.is_full()
    }

    /// The commit's files are listed when the first expression wants them.
    fn ready(&self, expression: &Expression) {
        if expression.hashes {
            self.library.offer(self.options.files);
        }
    }

    /// Why `if` does not want it, or what the run has to decide.
    fn condition(&mut self, condition: Option<&Expression>, facts: &Facts) -> (Option<String>, Option<Late>) {
        let Some(condition) = condition else { return (None, None) };
        self.ready(condition);
        match condition.holds(facts, self.library) {
            Ok(true) => (None, None),
            Ok(false) => (Some(format!("its `if` is false: {}", condition.because(facts))), None),
            Err(Trouble::Later) => (None, Some(condition.later(facts))),
            Err(Trouble::Wrong(message)) => {
                self.report.error("expression", condition.span, message);
                (None, None)
            }
        }
    }

    /// A text; nothing after telling what is wrong with it.
    fn fill(&mut self, template: &Template, facts: &Facts) -> Option<Text> {
        if let Some(text) = template.fixed() {
            return self.usable(text, template.span).then(|| Text::Fixed(text.to_owned()));
        }
        for expression in template.expressions() {
            self.ready(expression);
        }
        match template.fill(facts, self.library) {
            Ok(Text::Fixed(text)) => self.usable(&text, template.span).then_some(Text::Fixed(text)),
            Ok(Text::Late(late)) => Some(Text::Late(late)),
            Err((span, message)) => {
                self.report.error("expression", span, message);
                None
            }
        }
    }

    /// A text that the plan must know.
    fn fill_now(&mut self, template: &Template, facts: &Facts) -> Option<String> {
        match self.fill(template, facts)? {
            Text::Fixed(text) => Some(text),
            Text::Late(_) => {
                let message = "this must be known when the plan is made";
                let hint = "it names outputs, outcomes or the run, which come later";
                self.report.error_hint("late-name", template.span, message, hint);
                None
            }
        }
    }

    fn usable(&mut self, text: &str, span: Span) -> bool {
        if text.contains('\0') {
            self.report.error("nul", span, "the value has a NUL character");
            return false;
        }
        if text.len() > limits::SCRIPT_BYTES {
            let message = format!("the value is larger than {} KiB", limits::SCRIPT_BYTES / 1024);
            self.report.error("value-too-large", span, message);
            return false;
        }
        true
    }

    /// A reference of an image; a late one is looked at when it is known.
    fn image(&mut self, template: &Template, facts: &Facts) -> Option<Text> {
        let image = self.fill(template, facts)?;
        if let Some(fault) = image.fixed().and_then(image_fault) {
            self.report.error("image", template.span, format!("`image` is not usable for this trigger: {fault}"));
        }
        Some(image)
    }
}
