//! Steps: a command, or a map of keys.

use std::collections::BTreeMap;

use super::fields::{Field, Fields};
use super::graph::{self, Draft};
use super::spec::{Defaults, Envs, Step};
use super::{Reader, keys};
use crate::base::limits;
use crate::pipeline::expr::{Place, braces};
use crate::pipeline::parts::Network;
use crate::pipeline::plan::{Action, AllowFailure, Need, When};
use crate::pipeline::report::shown;
use crate::pipeline::yaml::{Kind, Node, Span};

/// `steps: [ … ]`.
pub(super) fn steps(field: &Field, envs: &Envs, defaults: &Defaults, reader: &mut Reader) -> Vec<Step> {
    let Kind::List(items) = &field.value.kind else {
        let message = format!("`steps` must be a list, found {}", field.value.describe());
        reader.report.error_hint("type", field.place(), message, "begin each step with `- `");
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
        drafts.push(draft);
        steps.extend(step);
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
            let action = reader.run(&field, None);
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
    if let Some(field) = fields.get("name") {
        if let Some(name) = reader.name(field.value, field.key_span, "a step") {
            draft.name = name;
        }
        draft.span = if field.value.is_null() { field.key_span } else { field.value.span };
    }
    draft.needs = fields.get("needs").map(|field| reader.needs(field).unwrap_or_default());
    let step = mapped(&draft, item.span, &fields, envs, defaults, reader);
    (draft, step)
}

fn plain(draft: &Draft, span: Span, action: Action, envs: &Envs, defaults: &Defaults) -> Step {
    let Defaults { image, timeout_ms, retry } = defaults.clone();
    Step {
        name: draft.name.clone(),
        span,
        needs: Vec::new(),
        need: if draft.needs.is_some() { Need::Explicit } else { Need::Position },
        when: When::default(),
        condition: None,
        image,
        action,
        envs: envs.clone(),
        settings: Vec::new(),
        secrets: BTreeMap::new(),
        network: Network::default(),
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
    let shell = fields.get("shell");
    let action = match fields.get("run") {
        Some(run) => reader.run(run, shell)?,
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
            Action::EntryPoint
        }
    };
    let mut step = plain(draft, span, action, envs, defaults);
    step.when = when;
    step.condition = condition;
    step.image = own_image.flatten().map(std::rc::Rc::new).or(step.image);
    step.envs.extend(own_env);
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

    /// `run` with its `shell`.
    fn run(&mut self, field: &Field, shell: Option<&Field>) -> Option<Action> {
        let own = match shell {
            Some(shell) => Some(self.shell(shell)?),
            None => None,
        };
        let list = matches!(field.value.kind, Kind::List(_));
        let nodes: Vec<&Node> = match &field.value.kind {
            Kind::List(items) => items.iter().map(AsRef::as_ref).collect(),
            Kind::Scalar { .. } | Kind::Map(_) => vec![field.value],
        };
        let mut commands = Vec::new();
        let mut sound = true;
        for node in &nodes {
            let span = if list { node.span } else { field.place() };
            match self.scalar(node, span, if list { "a command" } else { "`run`" }) {
                Some(text) => {
                    sound &= self.uninterpolated(text, node);
                    commands.push(text);
                }
                None => sound = false,
            }
        }
        if sound && commands.iter().all(|command| command.trim().is_empty()) {
            self.report.error_hint("empty-run", field.place(), "`run` has no command", "for example `run: make test`");
            return None;
        }
        let custom = own.as_ref().is_some_and(|(_, posix)| !posix);
        if list && custom {
            let hint = "write the script as one text: `run: |`";
            self.report.error_hint("conflict", field.key_span, "a list of commands needs a shell that is sh or bash", hint);
            return None;
        }
        let text = if list { announced(&commands) } else { commands.concat() };
        if text.len() > limits::SCRIPT_BYTES {
            let message = format!("the script is larger than {} KiB", limits::SCRIPT_BYTES / 1024);
            self.report.error_hint("script-too-large", field.key_span, message, "put it into a file of the repository");
            return None;
        }
        let shell = own.map_or_else(|| vec!["/bin/sh".to_owned(), "-e".to_owned()], |(shell, _)| shell);
        sound.then_some(Action::Script { shell, text })
    }

    /// Tells `${{ }}` in a script: text from outside must never become code.
    fn uninterpolated(&mut self, text: &str, node: &Node) -> bool {
        let Some(at) = braces(text) else { return true };
        let inner: String = text.chars().skip(at + 3).collect();
        let length = inner.find("}}").map_or(3, |end| inner.get(..end).map_or(3, |inner| inner.chars().count() + 5));
        let span = Place::of(node, self.report.source).part(at, length);
        let hint = "give it to the script by `env: { NAME: \"${{ … }}\" }` and use \"$NAME\"";
        self.report.error_hint("expression-in-run", span, "`${{ }}` is not replaced in `run`", hint);
        false
    }

    /// The shell's argument list, and whether it is a POSIX shell.
    fn shell(&mut self, field: &Field) -> Option<(Vec<String>, bool)> {
        let argv = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        if let Kind::List(items) = &field.value.kind {
            let words = self.texts(field)?;
            if words.len() < items.len() {
                return None;
            }
            if words.first().is_none_or(|(word, _)| word.is_empty()) {
                self.report.error_hint("value", field.place(), "`shell` names no program", "for example `shell: [python3, -u]`");
                return None;
            }
            return Some((words.into_iter().map(|(word, _)| word.to_owned()).collect(), false));
        }
        match self.text(field)? {
            "sh" => Some((argv(&["/bin/sh", "-e"]), true)),
            "bash" => Some((argv(&["bash", "-eo", "pipefail"]), true)),
            other => {
                let hint = format!("write another program as a list: `shell: [{}]`", shown(other));
                self.report.error_hint(
                    "value",
                    field.place(),
                    format!("`shell` must be sh, bash or a list, found `{}`", shown(other)),
                    hint,
                );
                None
            }
        }
    }
}

/// The commands as one script that prints each before running it.
fn announced(commands: &[&str]) -> String {
    let mut script = String::new();
    for command in commands {
        let command = command.trim_end();
        let quoted = format!("$ {command}").replace('\'', "'\\''");
        script.push_str(&format!("printf '%s\\n' '{quoted}'\n{command}\n"));
    }
    script
}
