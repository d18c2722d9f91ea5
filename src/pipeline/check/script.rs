//! `run` and `shell`: what a step's container executes.
//!
//! **Invariant:** nothing is put into a script but what stands in it.

use super::Reader;
use super::fields::Field;
use super::spec::Shell;
use crate::base::limits;
use crate::pipeline::expr::{Place, braces};
use crate::pipeline::plan::Action;
use crate::pipeline::report::shown;
use crate::pipeline::yaml::{Kind, Node};

impl Reader<'_, '_> {
    /// `run` for the step's shell.
    pub(super) fn run(&mut self, field: &Field, shell: Option<&Shell>) -> Option<Action> {
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
        if list && shell.is_some_and(|shell| !shell.is_posix) {
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
        let shell = shell.map_or_else(|| vec!["/bin/sh".to_owned(), "-e".to_owned()], |shell| shell.argv.clone());
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

    /// `sh`, `bash`, or an argument list.
    pub(super) fn shell(&mut self, field: &Field) -> Option<Shell> {
        let posix = |words: &[&str]| Shell { argv: words.iter().map(|word| (*word).to_owned()).collect(), is_posix: true };
        if let Kind::List(items) = &field.value.kind {
            let words = self.texts(field)?;
            if words.len() < items.len() {
                return None;
            }
            if words.first().is_none_or(|(word, _)| word.is_empty()) {
                self.report.error_hint("value", field.place(), "`shell` names no program", "for example `shell: [python3, -u]`");
                return None;
            }
            if !words.iter().all(|(word, span)| self.is_literal(word, *span, "`shell`")) {
                return None;
            }
            return Some(Shell { argv: words.into_iter().map(|(word, _)| word.to_owned()).collect(), is_posix: false });
        }
        match self.text(field)? {
            "sh" => Some(posix(&["/bin/sh", "-e"])),
            "bash" => Some(posix(&["bash", "-eo", "pipefail"])),
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
