//! Words that must fit somewhere: identifiers, variables, labels; how long a text may be, and how many of them.

use super::Reader;
use super::fields::{Field, Fields};
use super::values::{is_variable, name_fault};
use crate::base::{Span as Duration, limits};
use crate::pipeline::expr::braces;
use crate::pipeline::report::shown;
use crate::pipeline::yaml::{Kind, Span};

impl Reader<'_, '_> {
    /// Tells that a map lacks a key, unless some key was refused that may have been meant.
    pub(super) fn missing(&mut self, fields: &Fields, of: &Field, key: &str, hint: &str) {
        if !fields.refused {
            let message = format!("`{}` needs `{key}`", shown(of.key));
            self.report.error_hint("missing-key", of.key_span, message, hint);
        }
    }

    /// Whether expressions can name it: `inputs.NAME`, `matrix.NAME`, `outputs.NAME`.
    pub(super) fn is_identifier(&mut self, text: &str, span: Span, of: &str) -> bool {
        if is_variable(text) && text.len() <= limits::NAME_CHARS {
            return true;
        }
        let message = format!("`{}` cannot be the name of {of}", shown(text));
        let plain: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let hint = match is_variable(&plain) && plain.len() <= limits::NAME_CHARS {
            true => format!("expressions must be able to name it: `{plain}`"),
            false => format!("letters, digits and `_`, not beginning with a digit, at most {} characters", limits::NAME_CHARS),
        };
        self.report.error_hint("name", span, message, hint);
        false
    }

    /// Whether a shell can read a variable of this name.
    pub(super) fn is_variable_name(&mut self, text: &str, span: Span) -> bool {
        if is_variable(text) {
            return true;
        }
        let message = format!("`{}` is no name of a variable", shown(text));
        self.report.error_hint("env-name", span, message, "letters, digits and `_`, not beginning with a digit");
        false
    }

    /// A name without `${{ }}` that is compared, not shown in a URL.
    pub(super) fn check_label(&mut self, text: &str, span: Span, of: &str) -> bool {
        if !self.is_literal(text, span, of) {
            return false;
        }
        match name_fault(text) {
            None => true,
            Some(fault) => {
                self.report.error("name", span, format!("{of} is not usable: {fault}"));
                false
            }
        }
    }

    /// Tells `${{ }}` where text is taken as it stands.
    pub(super) fn is_literal(&mut self, text: &str, span: Span, what: &str) -> bool {
        if braces(text).is_none() {
            return true;
        }
        let message = format!("{what} cannot hold `${{{{ }}}}`");
        self.report.error_hint("expression-not-allowed", span, message, "write it out");
        false
    }

    /// Whether a value is text with `${{ }}` in it.
    pub(super) fn braces_in(&self, field: &Field) -> Option<usize> {
        match &field.value.kind {
            Kind::Scalar { text, .. } => braces(text),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }

    pub(super) fn is_short(&mut self, text: &str, span: Span, what: &str, most: usize) -> bool {
        if text.chars().count() <= most {
            return true;
        }
        self.report.error("too-long", span, format!("{what} is longer than {most} characters"));
        false
    }

    /// Text without `${{ }}` that says something.
    pub(super) fn words(&mut self, field: &Field) -> Option<String> {
        let text = self.text(field)?;
        let what = format!("`{}`", shown(field.key));
        if text.trim().is_empty() {
            self.report.error_hint("value", field.place(), format!("{what} is empty"), "write a value, or leave the key out");
            return None;
        }
        let fits = self.is_literal(text, field.place(), &what) && self.is_short(text, field.place(), &what, limits::TEXT_CHARS);
        fits.then(|| text.to_owned())
    }

    /// A list of texts that has an end.
    pub(super) fn bounded<'n>(&mut self, field: &Field<'n>, most: usize, noun: &str) -> Option<Vec<(&'n str, Span)>> {
        let mut texts = self.texts(field)?;
        if let Some((_, span)) = texts.get(most) {
            self.report.error("too-many-values", *span, format!("`{}` has more than {most} {noun}", shown(field.key)));
        }
        texts.truncate(most);
        Some(texts)
    }

    /// A duration that is longer than nothing and not longer than `most`.
    pub(super) fn bounded_duration(&mut self, field: &Field, most: u64) -> Option<u64> {
        let ms = self.duration(field)?;
        if (1..=most).contains(&ms) {
            return Some(ms);
        }
        let most = match most / 86_400_000 {
            0 => Duration(most).to_string(),
            days => format!("{days} days"),
        };
        let message = format!("`{}` must be longer than nothing and at most {most}", shown(field.key));
        self.report.error("out-of-range", field.place(), message);
        None
    }
}
