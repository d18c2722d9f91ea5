//! Steps: a command, or a map of keys.

use super::fields::{Field, Fields};
use super::graph::{self, Draft};
use super::spec::{Defaults, Envs, Step};
use super::{Reader, keys};
use crate::pipeline::plan::{Action, AllowFailure, Need, When};
use crate::pipeline::report::shown;
use crate::pipeline::yaml::{Kind, Node, Span};

/// `steps: [ … ]`.
pub(super) fn steps(field: &Field, envs: &Envs, defaults: &Defaults, reader: &mut Reader) -> Vec<Step> {
    let Kind::List(items) = &field.value.kind else {
        let message = format!("`steps` must be a list, found {}", field.value.describe());
        let hint = match &field.value.kind {
            Kind::Map(entries) if entries.iter().all(|entry| matches!(entry.value.kind, Kind::Map(_))) => {
                let name = entries.first().map_or_else(|| "build".to_owned(), |entry| shown(&entry.key));
                format!("begin each step with `- `, and give it its name: `- name: {name}`")
            }
            Kind::Map(_) | Kind::List(_) | Kind::Scalar { .. } => "begin each step with `- `".to_owned(),
        };
        reader.report.error_hint("type", field.place(), message, hint);
        return Vec::new();
    };
    if items.is_empty() {
        reader.report.error_hint("no-steps", field.place(), "`steps` has no step", "a step is a command: `- make test`");
    }
    let mut steps = Vec::new();
    let mut drafts = Vec::new();
    for (at, item) in items.iter().enumerate() {
        if !reader.one_more_step(item.span) {
            break;
        }
        let (draft, step) = step(at + 1, item, envs, defaults, reader);
        // One that is wrong is a step all the same, for those who refer to it.
        steps.push(step.unwrap_or_else(|| plain(&draft, item.span, Action::EntryPoint, envs, defaults)));
        drafts.push(draft);
    }
    let needs = graph::resolve(&drafts, "step", reader);
    for (step, needs) in steps.iter_mut().zip(needs) {
        step.needs = needs;
    }
    steps
}

/// The step at a position (from 1). The draft is always there, so that `needs` of others find their way.
fn step(position: usize, item: &Node, envs: &Envs, defaults: &Defaults, reader: &mut Reader) -> (Draft, Option<Step>) {
    let name = format!("step{position}");
    let mut draft = Draft { name, span: item.span, needs: None };
    let fields = match &item.kind {
        Kind::Scalar { .. } if item.is_null() => {
            reader.report.error_hint("type", item.span, "the step is empty", "a step is a command: `- make test`");
            return (draft, None);
        }
        Kind::Scalar { .. } => {
            let field = Field { key: "run", key_span: item.span, value: item };
            let action = reader.run(&field, defaults.shell.as_ref());
            return (draft.clone(), action.map(|action| plain(&draft, item.span, action, envs, defaults)));
        }
        Kind::List(_) => {
            reader.report.error_hint(
                "type",
                item.span,
                "a step must be a command or a map, found a list",
                "several commands are written as `- run: […]`",
            );
            return (draft, None);
        }
        Kind::Map(_) => Fields::read(item, item.span, &keys::STEP, reader),
    };
    let Some(fields) = fields else { return (draft, None) };
    let mut title = None;
    if let Some(field) = fields.get("name") {
        if let Some((name, own)) = reader.title(field) {
            draft.name = name;
            title = own;
        }
        draft.span = if field.value.is_null() { field.key_span } else { field.value.span };
    }
    draft.needs = fields.get("needs").map(|field| reader.needs(field).unwrap_or_default());
    let step = mapped(&draft, item.span, &fields, envs, defaults, reader);
    (draft, step.map(|step| Step { title, ..step }))
}

fn plain(draft: &Draft, span: Span, action: Action, envs: &Envs, defaults: &Defaults) -> Step {
    let Defaults { image, timeout_ms, retry, shell: _, network, pull } = defaults.clone();
    Step {
        name: draft.name.clone(),
        title: None,
        span,
        needs: Vec::new(),
        need: if draft.needs.is_some() { Need::Explicit } else { Need::Position },
        when: When::default(),
        condition: None,
        image,
        pull,
        action,
        envs: envs.clone(),
        settings: Vec::new(),
        secrets: std::collections::BTreeMap::new(),
        network: network.unwrap_or_default(),
        cache: Vec::new(),
        artifacts: None,
        junit: Vec::new(),
        timeout_ms,
        retry: retry.unwrap_or_default(),
        allow_failure: AllowFailure::No,
    }
}

fn mapped(draft: &Draft, span: Span, fields: &Fields, envs: &Envs, defaults: &Defaults, reader: &mut Reader) -> Option<Step> {
    let own_image = fields.get("image").map(|field| reader.image(field));
    let when = fields.get("when").map_or(When::default(), |field| reader.when(field));
    let condition = fields.get("if").and_then(|field| reader.condition(field));
    let own_env = fields.get("env").map(|field| reader.env(field));
    let timeout_ms = fields.get("timeout").and_then(|field| reader.timeout(field));
    let retry = fields.get("retry").and_then(|field| reader.retry(field));
    let allow_failure = fields.get("allow_failure").map(|field| reader.allowed(field)).unwrap_or_default();
    let settings = fields.get("with").map(|field| reader.settings(field)).unwrap_or_default();
    let secrets = fields.get("secrets").map(|field| reader.secrets(field)).unwrap_or_default();
    let network = fields.get("network").and_then(|field| reader.network(field));
    let pull = fields.get("pull").and_then(|field| reader.pull(field));
    let cache = fields.get("cache").map(|field| reader.caches(field)).unwrap_or_default();
    let artifacts = fields.get("artifacts").and_then(|field| reader.artifacts(field));
    let junit = fields.get("reports").map(|field| reader.reports(field)).unwrap_or_default();
    let shell = fields.get("shell");
    let own_shell = shell.map(|field| reader.shell(field));
    if let (Some(env), Some(field)) = (&own_env, fields.get("secrets"))
        && let Some(both) = secrets.keys().find(|variable| env.contains_key(*variable))
    {
        let message = format!("`{both}` is a variable of `env` and of `secrets`");
        reader.report.error_hint("conflict", field.key_span, message, "keep one of them");
    }
    let action = match fields.get("run") {
        // A wrong shell has been told, and nothing else can be known about the script.
        Some(run) => reader.run(run, own_shell.flatten().as_ref().or(defaults.shell.as_ref())),
        None => {
            if own_image.is_none() && defaults.image.is_none() {
                if !fields.refused {
                    let hint = "write a command as `run`, or the image whose entry point is meant as `image`";
                    reader.report.error_hint("no-run", span, "the step has neither `run` nor an `image`", hint);
                }
                return None;
            }
            if let Some(shell) = shell {
                reader.report.error_hint(
                    "conflict",
                    shell.key_span,
                    "`shell` needs a `run`",
                    "without `run` the image's own entry point is run",
                );
            }
            Some(Action::EntryPoint)
        }
    };
    let action = action?;
    let mut step = plain(draft, span, action, envs, defaults);
    step.when = when;
    step.condition = condition;
    step.image = own_image.flatten().map(std::rc::Rc::new).or(step.image);
    step.envs.extend(own_env);
    step.settings = settings;
    step.secrets = secrets;
    step.network = network.unwrap_or(step.network);
    step.pull = pull.or(step.pull);
    step.cache = cache;
    step.artifacts = artifacts;
    step.junit = junit;
    step.timeout_ms = timeout_ms.or(step.timeout_ms);
    step.retry = retry.unwrap_or(step.retry);
    step.allow_failure = allow_failure;
    Some(step)
}

impl Reader<'_, '_> {
    /// `allow_failure: true`, or exit codes.
    fn allowed(&mut self, field: &Field) -> AllowFailure {
        match &field.value.kind {
            Kind::List(items) if !items.is_empty() => AllowFailure::Codes(self.exit_codes(field).unwrap_or_default()),
            Kind::Scalar { .. } if field.value.as_int().is_some() => {
                AllowFailure::Codes(self.exit_codes(field).unwrap_or_default())
            }
            Kind::Scalar { .. } if field.value.as_bool() == Some(true) => AllowFailure::Any,
            Kind::Scalar { .. } if field.value.as_bool() == Some(false) => AllowFailure::No,
            Kind::Scalar { .. } | Kind::List(_) | Kind::Map(_) => {
                let message = format!("`{}` must be true, false or a list of exit codes", shown(field.key));
                self.report.error_hint("type", field.place(), message, "write `true`, or the codes: `[2, 3]`");
                AllowFailure::No
            }
        }
    }
}
