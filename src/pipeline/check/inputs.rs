//! `on.manual.inputs`: what a person who starts the pipeline may say.

use std::collections::HashMap;

use super::fields::{Field, Fields};
use super::spec::{Input, InputKind};
use super::{Reader, keys};
use crate::base::limits;
use crate::pipeline::parts::InputValue;
use crate::pipeline::report::{nearest, shown};
use crate::pipeline::yaml::{Kind, Node, Span};

const KINDS: [&str; 4] = ["string", "number", "boolean", "choice"];
/// What other systems call them.
const SYNONYMS: [(&str, &str); 6] =
    [("text", "string"), ("bool", "boolean"), ("integer", "number"), ("int", "number"), ("enum", "choice"), ("select", "choice")];

impl Reader<'_, '_> {
    /// Names with their declarations.
    pub(super) fn inputs(&mut self, field: &Field) -> Vec<Input> {
        let Kind::Map(entries) = &field.value.kind else {
            let message = format!("`inputs` must be a map, found {}", field.value.describe());
            self.report.error_hint("type", field.place(), message, "each input is a name: `inputs: { level: { type: string } }`");
            return Vec::new();
        };
        if let Some(past) = entries.get(limits::INPUTS) {
            let message = format!("the pipeline has more than {} inputs", limits::INPUTS);
            self.report.error_hint("too-many-inputs", past.key_span, message, "nobody fills in a longer form");
        }
        let mut inputs = Vec::new();
        let mut variables: HashMap<String, &str> = HashMap::new();
        for entry in entries.iter().take(limits::INPUTS) {
            let field = Field { key: &entry.key, key_span: entry.key_span, value: &entry.value };
            let mut usable = self.is_identifier(field.key, field.key_span, "an input");
            let variable = format!("INPUT_{}", field.key.to_ascii_uppercase());
            if let (Some(other), true) = (variables.get(&variable), usable) {
                let message = format!("the inputs `{}` and `{}` would be the same variable", shown(other), shown(field.key));
                self.report.error_hint("duplicate-name", field.key_span, message, format!("`{variable}` can hold only one"));
                usable = false;
            }
            variables.insert(variable, field.key);
            if let (Some(input), true) = (self.input(&field), usable) {
                inputs.push(input);
            }
        }
        inputs
    }

    fn input(&mut self, field: &Field) -> Option<Input> {
        let name = field.key.to_owned();
        if field.is_missing() {
            return Some(Input { name, kind: InputKind::String, default: None, description: String::new(), required: false });
        }
        let fields = Fields::read(field.value, field.key_span, &keys::INPUT, self)?;
        let options = fields.get("options").map(|field| self.options(field));
        let kind = match fields.get("type") {
            Some(field) => self.input_kind(field),
            None if options.is_some() => Some("choice"),
            None => Some("string"),
        };
        let kind = match (kind, fields.get("options"), options) {
            (None, _, _) => None,
            (Some("choice"), Some(_), Some(options)) => options.map(InputKind::Choice),
            (Some("choice"), _, _) => {
                self.missing(&fields, field, "options", "what can be chosen: `options: [fast, full]`");
                None
            }
            (Some(kind), Some(options), _) => {
                let message = format!("an input of type {kind} has no `options`");
                self.report.error_hint("conflict", options.key_span, message, "write `type: choice`");
                None
            }
            (Some("number"), None, _) => Some(InputKind::Number),
            (Some("boolean"), None, _) => Some(InputKind::Boolean),
            (Some(_), None, _) => Some(InputKind::String),
        };
        let required = fields.get("required").and_then(|field| self.bool(field)).unwrap_or(false);
        let description = fields.get("description").and_then(|field| self.words(field)).unwrap_or_default();
        let default = match (fields.get("default"), &kind) {
            (Some(field), Some(kind)) => Some(self.input_default(field, kind)?),
            (Some(_), None) | (None, _) => None,
        };
        Some(Input { name, kind: kind?, default, description, required })
    }

    fn input_kind(&mut self, field: &Field) -> Option<&'static str> {
        let text = self.text(field)?;
        if let Some(kind) = KINDS.iter().find(|kind| **kind == text) {
            return Some(kind);
        }
        if let Some((_, kind)) = SYNONYMS.iter().find(|(word, _)| *word == text) {
            let message = format!("`{text}` is understood as `{kind}`");
            self.report.warning("synonym", field.place(), message, format!("write `{kind}`"));
            return Some(kind);
        }
        let hint = match nearest(text, KINDS) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("types are {}", KINDS.join(", ")),
        };
        self.report.error_hint("value", field.place(), format!("`{}` is no type of an input", shown(text)), hint);
        None
    }

    fn options(&mut self, field: &Field) -> Option<Vec<String>> {
        let errors = self.report.errors();
        let mut options: Vec<String> = Vec::new();
        let texts = self.bounded(field, limits::INPUT_OPTIONS, "options")?;
        if texts.is_empty() && errors == self.report.errors() {
            self.report.error_hint("value", field.place(), "`options` has no option", "for example `options: [fast, full]`");
        }
        for (text, span) in texts {
            if options.iter().any(|option| option == text) {
                self.report.error("duplicate-name", span, format!("the option `{}` stands twice", shown(text)));
            } else if self.is_literal(text, span, "an option") && self.is_short(text, span, "the option", limits::TEXT_CHARS) {
                options.push(text.to_owned());
            }
        }
        (errors == self.report.errors()).then_some(options)
    }

    fn input_default(&mut self, field: &Field, kind: &InputKind) -> Option<InputValue> {
        let node: &Node = field.value;
        let wrong = |reader: &mut Self, what: &str, hint: String| {
            reader.report.error_hint("type", field.place(), format!("`default` must be {what}, found {}", node.describe()), hint);
            None
        };
        match kind {
            InputKind::Boolean => match node.as_bool() {
                Some(value) => Some(InputValue::Boolean(value)),
                None => wrong(self, "true or false", "write it without quotes".to_owned()),
            },
            InputKind::Number => match &node.kind {
                Kind::Scalar { text, plain: true } if is_number(text) => Some(InputValue::Number(text.clone())),
                Kind::Scalar { .. } | Kind::List(_) | Kind::Map(_) => {
                    wrong(self, "a number", "for example `3` or `-0.5`, without quotes".to_owned())
                }
            },
            InputKind::String => {
                let text = if field.is_missing() { "" } else { self.text(field)? };
                let fits = self.is_literal(text, field.place(), "a default")
                    && self.is_short(text, field.place(), "the default", limits::TEXT_CHARS);
                fits.then(|| InputValue::Text(text.to_owned()))
            }
            InputKind::Choice(options) => {
                let text = self.text(field)?;
                if options.iter().any(|option| option == text) {
                    return Some(InputValue::Text(text.to_owned()));
                }
                let hint = match nearest(text, options.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{}`?", shown(near)),
                    None => "a default is one of the `options`".to_owned(),
                };
                let span: Span = field.place();
                self.report.error_hint("unknown-value", span, format!("`{}` is none of the options", shown(text)), hint);
                None
            }
        }
    }
}

/// A decimal number, such as `3` and `-0.5`: what JSON, CEL and shells all read alike.
pub(super) fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let leading = whole.len() > 1 && whole.starts_with('0');
    text.len() <= 32 && digits(whole) && digits(fraction) && !leading
}
