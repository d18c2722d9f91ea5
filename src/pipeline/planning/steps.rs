//! Steps, each with what it inherits.

use std::collections::{BTreeMap, HashSet};

use super::names::usable;
use super::{Planning, variables};
use crate::base::StepIx;
use crate::pipeline::check::spec::{Cache, Env, Job, Setting, Step};
use crate::pipeline::expr::{Expression, Facts, Level, Name, Template};
use crate::pipeline::parts::CachePlan;
use crate::pipeline::plan::{Action, StepPlan, Text};
use crate::pipeline::report::shown;

/// What a step finds around it.
pub(super) struct Around<'a> {
    facts: &'a Facts<'a>,
    /// The variables of pipeline and job, the nearer one winning.
    inherited: Level,
    bytes: usize,
    /// How many of a step's environments these were; what it has more is its own.
    levels: usize,
}

impl<'a> Around<'a> {
    pub fn new<'l>(levels: impl Iterator<Item = &'l Level>, count: usize, facts: &'a Facts<'a>) -> Self {
        let mut inherited = Level::new();
        for level in levels {
            inherited.extend(level.iter().map(|(name, text)| (name.clone(), text.clone())));
        }
        let bytes = variables::bytes_of(inherited.iter());
        Self { facts, inherited, bytes, levels: count }
    }
}

/// Steps that are the same for each combination, once they are made.
pub(super) struct Planned {
    /// By position; `None` for one that is not made yet, or that looks at the matrix.
    made: Vec<Option<(StepPlan, usize)>>,
    same: Vec<bool>,
}

impl Planned {
    pub fn of(job: &Job) -> Self {
        let several = job.matrix.is_some();
        let inherits = job.envs.iter().any(|env| env_varies(env));
        let same = job.steps.iter().map(|step| several && !inherits && !varies(step)).collect();
        Self { made: job.steps.iter().map(|_| None).collect(), same }
    }
}

/// Whether a step is another one for another combination.
fn varies(step: &Step) -> bool {
    let Step { name: _, title, span: _, needs: _, need: _, when: _, condition, image, action: _, envs, settings, .. } = step;
    let texts = step.cache.iter().flat_map(|cache| [&cache.key].into_iter().chain(&cache.restore));
    condition.as_ref().is_some_and(looks_at_matrix)
        || image.as_deref().into_iter().chain(title).chain(texts).any(template_varies)
        || envs.iter().any(|env| env_varies(env))
        || settings.iter().any(|(_, setting)| match setting {
            Setting::Text(template) => template_varies(template),
            // Rare, and not worth a walk of its own.
            Setting::Nested(_) => true,
        })
}

fn env_varies(env: &Env) -> bool {
    env.values().any(template_varies)
}

fn template_varies(template: &Template) -> bool {
    template.expressions().any(looks_at_matrix)
}

fn looks_at_matrix(expression: &Expression) -> bool {
    expression.references().iter().any(|reference| matches!(reference.name, Name::Matrix(_)))
}

impl Planning<'_, '_, '_> {
    /// The step at a position: made, or copied from another combination's.
    pub(super) fn step_of(&mut self, at: usize, step: &Step, around: &Around, planned: &mut Planned) -> StepPlan {
        if let Some(Some((made, bytes))) = planned.made.get(at) {
            self.takes(*bytes, step.span);
            return made.clone();
        }
        let before = self.bytes;
        let made = self.step(step, around);
        if planned.same.get(at) == Some(&true)
            && let Some(place) = planned.made.get_mut(at)
        {
            *place = Some((made.clone(), self.bytes - before));
        }
        made
    }

    fn step(&mut self, step: &Step, around: &Around) -> StepPlan {
        let Step {
            name,
            title,
            span,
            needs,
            need,
            when,
            condition,
            image,
            pull,
            action,
            envs,
            settings,
            secrets,
            network,
            cache,
            artifacts,
            junit,
            timeout_ms,
            retry,
            allow_failure,
        } = step;
        let own = envs.get(around.levels..).unwrap_or_default().first();
        let own = own.filter(|_| !self.is_lost()).map(|env| self.level(env, around.facts)).unwrap_or_default();
        let facts = around.facts.with(&own);
        let image = match (image, self.options.default_image) {
            (Some(image), _) => self.image(image, &facts),
            (None, Some(default)) => Some(Text::Fixed(default.to_owned())),
            (None, None) => {
                if self.options.image_needed {
                    let hint = "say `image` here, in the job or in `defaults`";
                    self.report.error_hint("no-image", *span, format!("the step `{}` has no image", shown(name)), hint);
                }
                None
            }
        };
        let name = match title {
            Some(title) => self.title(title, &facts).unwrap_or_else(|| name.clone()),
            None => name.clone(),
        };
        let (skip, condition) = self.condition(condition.as_ref(), &facts);
        let mut more = BTreeMap::new();
        for (variable, setting) in settings {
            let value = match setting {
                Setting::Text(template) => self.fill(template, &facts),
                Setting::Nested(nested) => self.json(nested, &facts).map(Text::Fixed),
            };
            more.extend(value.map(|value| (variable.clone(), value)));
        }
        let cache: Vec<CachePlan> = cache.iter().filter_map(|cache| self.cache(cache, &facts)).collect();
        let script = if let Action::Script { shell: _, text } = action { text.len() } else { 0 };
        let late = condition.as_ref().map_or(0, variables::late_bytes) + image.as_ref().map_or(0, variables::bytes);
        let texts = cache.iter().flat_map(|cache| [&cache.key].into_iter().chain(&cache.restore));
        let late = late + texts.map(variables::bytes).sum::<usize>();
        let kept: usize = cache.iter().map(|cache| cache.paths.iter().map(String::len).sum::<usize>()).sum();
        let globs = artifacts.iter().flat_map(|artifacts| &artifacts.paths).chain(junit).map(String::len).sum::<usize>();
        let variables = around.bytes + variables::bytes_of(own.iter()) + variables::bytes_of(more.iter());
        self.takes(script + variables + late + kept + globs + needs.len() * size_of::<StepIx>(), *span);
        let mut env = BTreeMap::new();
        if !self.is_lost() {
            env = around.inherited.clone();
            env.extend(own);
            env.extend(more);
        }
        StepPlan {
            name,
            needs: needs.clone(),
            need: *need,
            when: *when,
            skip,
            condition,
            image,
            pull: *pull,
            action: action.clone(),
            env,
            secrets: secrets.clone(),
            network: *network,
            cache,
            artifacts: artifacts.clone(),
            junit: junit.clone(),
            timeout_ms: *timeout_ms,
            retry: retry.clone(),
            allow_failure: allow_failure.clone(),
        }
    }

    /// The name that a step gets for this trigger and combination.
    fn title(&mut self, title: &Template, facts: &Facts) -> Option<String> {
        let text = self.fill_now(title, facts)?;
        let name = usable(&text);
        if name.is_none() {
            let message = format!("the name of the step is not usable for this trigger: it is `{}`", shown(&text));
            self.report.error("name", title.span, message);
        }
        name
    }

    /// Tells names that are the same once they are known.
    pub(super) fn distinct(&mut self, steps: &[Step], planned: &[StepPlan]) {
        if steps.iter().all(|step| step.title.is_none()) {
            return;
        }
        let mut seen = HashSet::new();
        for (step, made) in steps.iter().zip(planned) {
            if !seen.insert(made.name.as_str()) {
                let span = step.title.as_ref().map_or(step.span, |title| title.span);
                let message = format!("two steps are named `{}`", shown(&made.name));
                self.report.error_hint("duplicate-name", span, message, "names with `${{ }}` must differ once they are known");
            }
        }
    }

    fn cache(&mut self, cache: &Cache, facts: &Facts) -> Option<CachePlan> {
        let Cache { key, paths, restore } = cache;
        let restore = restore.iter().filter_map(|prefix| self.fill(prefix, facts)).collect();
        Some(CachePlan { key: self.fill(key, facts)?, paths: paths.clone(), restore })
    }
}
