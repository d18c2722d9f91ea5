//! Single values: text, numbers, lists of text, names, images, conditions.

use super::Reader;
use super::fields::Field;
use crate::base::{limits, parse_duration_ms};
use crate::pipeline::expr::{Expression, Place, Template, Want, braces};
use crate::pipeline::plan::When;
use crate::pipeline::report::{nearest, shown};
use crate::pipeline::yaml::{Kind, Node, Span};

impl Reader<'_, '_> {
    pub(super) fn place(&self, field: &Field) -> Place {
        Place::of(field.value, self.report.source)
    }

    /// Text, as written: numbers and `no` stay text. Never empty of meaning: nothing, lists and maps are told.
    pub(super) fn text<'n>(&mut self, field: &Field<'n>) -> Option<&'n str> {
        self.scalar(field.value, field.place(), &format!("`{}`", shown(field.key)))
    }

    /// The text of one value; `what` names it in a message.
    pub(super) fn scalar<'n>(&mut self, node: &'n Node, span: Span, what: &str) -> Option<&'n str> {
        match &node.kind {
            Kind::Scalar { text, .. } if !node.is_null() => {
                if text.contains('\0') {
                    self.report.error("nul", span, format!("{what} has a NUL character"));
                    return None;
                }
                Some(text)
            }
            Kind::Scalar { text, .. } => {
                let hint =
                    if text.is_empty() { "write a value, or leave the key out" } else { "put it in quotes if the text is meant" };
                self.report.error_hint("type", span, format!("{what} has no value"), hint);
                None
            }
            Kind::List(_) | Kind::Map(_) => {
                self.report.error("type", span, format!("{what} must be text, found {}", node.describe()));
                None
            }
        }
    }

    /// A list of texts with their places; one text stands for a list of one.
    pub(super) fn texts<'n>(&mut self, field: &Field<'n>) -> Option<Vec<(&'n str, Span)>> {
        let what = format!("`{}`", shown(field.key));
        match &field.value.kind {
            Kind::List(items) => {
                let item = format!("an item of {what}");
                Some(items.iter().filter_map(|node| Some((self.scalar(node, node.span, &item)?, node.span))).collect())
            }
            Kind::Scalar { .. } => self.scalar(field.value, field.place(), &what).map(|text| vec![(text, field.value.span)]),
            Kind::Map(_) => {
                self.report.error("type", field.place(), format!("{what} must be a list, found a map"));
                None
            }
        }
    }

    /// A name that can stand in labels, URLs and `needs`.
    pub(super) fn name(&mut self, node: &Node, key_span: Span, of: &str) -> Option<String> {
        let span = if node.is_null() || !matches!(node.kind, Kind::Scalar { .. }) { key_span } else { node.span };
        let text = self.scalar(node, span, &format!("the name of {of}"))?;
        self.check_name(text, span, of).then(|| text.to_owned())
    }

    /// The name of a step as written, and what it becomes when it has `${{ }}` in it.
    pub(super) fn title(&mut self, field: &Field) -> Option<(String, Option<Template>)> {
        if self.braces_in(field).is_none() {
            return Some((self.name(field.value, field.key_span, "a step")?, None));
        }
        let text = self.text(field)?;
        if !self.is_short(text, field.place(), "the name of a step", limits::TEXT_CHARS) {
            return None;
        }
        Some((text.to_owned(), Some(self.template(field)?)))
    }

    pub(super) fn check_name(&mut self, text: &str, span: Span, of: &str) -> bool {
        if let Some(fault) = name_fault(text) {
            self.report.error("name", span, format!("the name of {of} is not usable: {fault}"));
            return false;
        }
        if braces(text).is_some() {
            self.report.error_hint(
                "expression-not-allowed",
                span,
                format!("the name of {of} cannot hold `${{{{ }}}}`"),
                "write the name out",
            );
            return false;
        }
        true
    }

    /// Text with `${{ }}` in it.
    pub(super) fn template(&mut self, field: &Field) -> Option<Template> {
        let text = self.text(field)?;
        Template::new(text, &self.place(field), self.report)
    }

    pub(super) fn image(&mut self, field: &Field) -> Option<Template> {
        if let Kind::Map(entries) = &field.value.kind {
            let named = entries.iter().find(|entry| entry.key == "name").map(|entry| &entry.value.kind);
            let name = if let Some(Kind::Scalar { text, .. }) = named { shown(text) } else { "debian:12".to_owned() };
            let hint = format!("write the reference alone: `{}: {name}`", shown(field.key));
            self.report.error_hint("type", field.place(), "`image` must be text, found a map", hint);
            return None;
        }
        let template = self.template(field)?;
        if let Some(fault) = template.fixed().and_then(image_fault) {
            self.report.error_hint("image", field.place(), format!("`image` is not usable: {fault}"), "for example `debian:12`");
            return None;
        }
        Some(template)
    }

    pub(super) fn bool(&mut self, field: &Field) -> Option<bool> {
        let value = field.value.as_bool();
        if value.is_none() {
            let message = format!("`{}` must be true or false, found {}", shown(field.key), field.value.describe());
            self.report.error_hint("type", field.place(), message, "write `true` or `false`, without quotes");
        }
        value
    }

    /// A whole number within bounds.
    pub(super) fn int(&mut self, node: &Node, span: Span, what: &str, min: i64, max: i64) -> Option<i64> {
        match node.as_int() {
            Some(value) if (min..=max).contains(&value) => Some(value),
            Some(value) => {
                self.report.error("out-of-range", span, format!("{what} must be between {min} and {max}, found {value}"));
                None
            }
            None => {
                self.report.error("type", span, format!("{what} must be a whole number, found {}", node.describe()));
                None
            }
        }
    }

    /// A duration in milliseconds.
    pub(super) fn duration(&mut self, field: &Field) -> Option<u64> {
        let text = self.text(field)?;
        match parse_duration_ms(text) {
            Ok(ms) => Some(ms),
            Err(hint) => {
                self.report.error_hint("duration", field.place(), format!("`{}` is no duration", shown(text)), hint);
                None
            }
        }
    }

    /// `timeout` (or its synonym that counts minutes), in milliseconds.
    pub(super) fn timeout(&mut self, field: &Field) -> Option<u64> {
        let ms = if field.key == "timeout" {
            self.duration(field)?
        } else {
            let minutes = self.int(field.value, field.place(), &format!("`{}`", shown(field.key)), 1, 7 * 24 * 60)?;
            u64::try_from(minutes).ok()? * 60_000
        };
        if (1..=limits::TIMEOUT_MAX_MS).contains(&ms) {
            return Some(ms);
        }
        let days = limits::TIMEOUT_MAX_MS / 86_400_000;
        self.report.error(
            "out-of-range",
            field.place(),
            format!("`timeout` must be longer than nothing and at most {days} days"),
        );
        None
    }

    pub(super) fn when(&mut self, field: &Field) -> When {
        if let Kind::Map(_) = field.value.kind {
            self.report.error_hint(
                "type",
                field.place(),
                "`when` must be success, failure or always, found a map",
                "a condition on the event or branch is an `if`",
            );
            return When::default();
        }
        let Some(text) = self.text(field) else { return When::default() };
        match text {
            "success" => When::Success,
            "failure" => When::Failure,
            "always" => When::Always,
            "on_success" | "on_failure" => {
                let word = text.trim_start_matches("on_");
                self.report.warning(
                    "synonym",
                    field.place(),
                    format!("`{text}` is understood as `{word}`"),
                    format!("write `{word}`"),
                );
                if word == "success" { When::Success } else { When::Failure }
            }
            other => {
                let hint = match nearest(other, ["success", "failure", "always"]) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "a condition is an `if`".to_owned(),
                };
                self.report.error_hint(
                    "value",
                    field.place(),
                    format!("`when` must be success, failure or always, found `{}`", shown(other)),
                    hint,
                );
                When::default()
            }
        }
    }

    /// `if`; wrapping all of it in `${{ }}` is accepted.
    pub(super) fn condition(&mut self, field: &Field) -> Option<Expression> {
        let text = self.text(field)?;
        let place = self.place(field);
        let trimmed = text.trim();
        let inner = trimmed.strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}")).filter(|inner| !inner.contains("}}"));
        if let Some(inner) = inner {
            let lead = text.chars().take_while(|c| c.is_whitespace()).count();
            self.report.warning("braces", field.place(), "`if` is an expression by itself", "leave `${{ }}` out");
            return Expression::new(inner, &place, lead + 3, Want::Condition, self.report);
        }
        if let Some(at) = braces(text) {
            self.report.error_hint(
                "expression",
                place.part(at, 3),
                "`if` is an expression by itself and has no `${{ }}` in it",
                "write the names alone: `branch == \"main\"`",
            );
            return None;
        }
        Expression::new(text, &place, 0, Want::Condition, self.report)
    }
}

/// Why a text is no name; `None` when it is one.
pub(super) fn name_fault(text: &str) -> Option<String> {
    if text.trim().is_empty() {
        Some("it is empty".to_owned())
    } else if text.chars().count() > limits::NAME_CHARS {
        Some(format!("it is longer than {} characters", limits::NAME_CHARS))
    } else if text.chars().any(|c| c.is_control() || crate::pipeline::report::visible(c) != c) {
        Some("it has a control character".to_owned())
    } else if text.contains('/') {
        Some("it has a `/`".to_owned())
    } else if matches!(text, "." | "..") {
        Some("it would be a folder".to_owned())
    } else if text.trim() != text {
        Some("it begins or ends with a blank".to_owned())
    } else {
        None
    }
}

/// Why a text is no reference of an image; `None` when it may be one. The engine has the last word.
pub(in crate::pipeline) fn image_fault(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("it is empty")
    } else if text.starts_with('-') {
        Some("it begins with `-`")
    } else if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Some("it has a blank in it")
    } else if text.chars().count() > 512 {
        Some("it is longer than 512 characters")
    } else {
        None
    }
}

/// Whether a shell can read a variable of this name.
pub(super) fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_') && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
