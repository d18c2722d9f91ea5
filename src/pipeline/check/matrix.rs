//! `matrix`: axes, and which of their combinations are left out or added.

use super::fields::{Field, Fields};
use super::spec::{Matrix, Values};
use super::{Reader, keys};
use crate::base::limits;
use crate::pipeline::report::{nearest, shown};
use crate::pipeline::yaml::{Kind, Node, Span};

/// An axis with its values.
type Axis = (String, Vec<String>);

impl Reader<'_, '_> {
    pub(super) fn matrix(&mut self, field: &Field) -> Option<Matrix> {
        if let (Kind::Scalar { text, .. }, Some(_)) = (&field.value.kind, self.braces_in(field)) {
            let message = format!("`matrix` is written out, found `{}`", shown(text));
            self.report.error_hint("expression-not-allowed", field.place(), message, "jobs are known before anything runs");
            return None;
        }
        let fields = Fields::read(field.value, field.key_span, &keys::MATRIX, self)?;
        let errors = self.report.errors();
        if let Some(past) = fields.others.get(limits::MATRIX_AXES) {
            let message = format!("the matrix has more than {} axes", limits::MATRIX_AXES);
            self.report.error_hint("matrix-too-large", past.key_span, message, "`include` adds single combinations");
        }
        let axes: Vec<Axis> = fields.others.iter().take(limits::MATRIX_AXES).filter_map(|axis| self.axis(axis)).collect();
        let product = axes.iter().try_fold(1_usize, |product, (_, values)| product.checked_mul(values.len().max(1)));
        if product.is_none_or(|product| product > limits::MATRIX_PRODUCT) {
            let message = format!("the matrix has more than {} combinations", limits::MATRIX_PRODUCT);
            let hint = format!("a pipeline has at most {} jobs, combinations included", limits::JOBS);
            self.report.error_hint("matrix-too-large", field.key_span, message, hint);
        }
        let exclude = fields.get("exclude").map(|list| self.combinations(list, Some(&axes))).unwrap_or_default();
        let include = fields.get("include").map(|list| self.combinations(list, None)).unwrap_or_default();
        let fail_fast = fields.get("fail_fast").and_then(|field| self.bool(field)).unwrap_or(false);
        let max_parallel = fields.get("max_parallel").and_then(|field| {
            let max =
                self.int(field.value, field.place(), "`max_parallel`", 1, i64::try_from(limits::JOBS).unwrap_or(i64::MAX))?;
            u32::try_from(max).ok()
        });
        if fields.others.is_empty() && include.is_empty() && !fields.refused && errors == self.report.errors() {
            let hint = "an axis is a name with a list of values: `matrix: { rust: [\"1.85\", \"1.95\"] }`";
            self.report.error_hint("value", field.place(), "`matrix` has no axis", hint);
        }
        Some(Matrix { axes, exclude, include, fail_fast, max_parallel, span: field.key_span })
    }

    fn axis(&mut self, field: &Field) -> Option<Axis> {
        let usable = self.is_identifier(field.key, field.key_span, "an axis");
        let Kind::List(items) = &field.value.kind else {
            let meant = nearest(field.key, keys::MATRIX.keys.iter().copied());
            let hint = match (meant, field.value.is_null()) {
                (Some(key), _) => format!("did you mean `{key}`?"),
                (None, true) => "for example `[\"1.85\", \"1.95\"]`".to_owned(),
                (None, false) => "a single value is a list too: `[\"1.95\"]`".to_owned(),
            };
            let message = format!("the axis `{}` must be a list of values, found {}", shown(field.key), field.value.describe());
            self.report.error_hint("type", field.place(), message, hint);
            return None;
        };
        if let (Some(Kind::Map(_)), Some(key)) =
            (items.first().map(|item| &item.kind), nearest(field.key, ["include", "exclude"]))
        {
            let message = format!("a value of the axis `{}` must be text, found a map", shown(field.key));
            self.report.error_hint("type", field.key_span, message, format!("did you mean `{key}`?"));
            return None;
        }
        if items.is_empty() {
            let message = format!("the axis `{}` has no value", shown(field.key));
            self.report.error_hint("value", field.place(), message, "leave the axis out, or give it a value");
            return None;
        }
        if let Some(past) = items.get(limits::JOBS) {
            let message = format!("the axis `{}` has more than {} values", shown(field.key), limits::JOBS);
            self.report.error("matrix-too-large", past.span, message);
            return None;
        }
        let mut values: Vec<String> = Vec::new();
        for item in items {
            let Some(text) = self.cell_value(item, item.span, field.key) else { continue };
            if values.contains(&text) {
                let message = format!("the axis `{}` has `{}` twice", shown(field.key), shown(&text));
                self.report.error_hint("duplicate-name", item.span, message, "each combination is one job");
            } else {
                values.push(text);
            }
        }
        (usable && !values.is_empty()).then(|| (field.key.to_owned(), values))
    }

    /// A value as written: `1.20` stays `1.20`.
    fn cell_value(&mut self, node: &Node, span: Span, axis: &str) -> Option<String> {
        let what = format!("a value of `{}`", shown(axis));
        let text = self.scalar(node, span, &what)?;
        let fits = self.is_literal(text, span, &what) && self.is_short(text, span, &what, limits::TEXT_CHARS);
        fits.then(|| text.to_owned())
    }

    /// `include` and `exclude`: maps from axes to values. Those of `exclude` name what there is.
    fn combinations(&mut self, field: &Field, known: Option<&[Axis]>) -> Vec<Values> {
        let key = shown(field.key);
        let Kind::List(items) = &field.value.kind else {
            let message = format!("`{key}` must be a list of combinations, found {}", field.value.describe());
            self.report.error_hint(
                "type",
                field.place(),
                message,
                format!("for example `{key}: [{{ rust: \"1.85\", db: sqlite }}]`"),
            );
            return Vec::new();
        };
        if let Some(past) = items.get(limits::JOBS) {
            let message = format!("`{key}` has more than {} combinations", limits::JOBS);
            self.report.error("matrix-too-large", past.span, message);
        }
        let mut combinations = Vec::new();
        for item in items.iter().take(limits::JOBS) {
            let Kind::Map(entries) = &item.kind else {
                let message = format!("a combination must be a map, found {}", item.describe());
                self.report.error_hint("type", item.span, message, "each axis with its value: `{ rust: \"1.85\" }`");
                continue;
            };
            if entries.is_empty() {
                self.report.error_hint(
                    "value",
                    item.span,
                    "the combination is empty",
                    "each axis with its value: `{ rust: \"1.85\" }`",
                );
            }
            let mut combination = Values::new();
            for entry in entries {
                let span = if entry.value.is_null() { entry.key_span } else { entry.value.span };
                let value = self.cell_value(&entry.value, span, &entry.key);
                let sound = match known {
                    Some(axes) => self.is_excludable(&entry.key, entry.key_span, value.as_deref(), span, axes),
                    None => self.is_identifier(&entry.key, entry.key_span, "an axis"),
                };
                if let (Some(value), true) = (value, sound) {
                    combination.push((entry.key.clone(), value));
                }
            }
            combinations.push(combination);
        }
        combinations
    }

    /// Whether `exclude` can match: an axis, and one of its values.
    fn is_excludable(&mut self, name: &str, name_span: Span, value: Option<&str>, value_span: Span, axes: &[Axis]) -> bool {
        let Some((_, values)) = axes.iter().find(|(axis, _)| axis == name) else {
            let names = axes.iter().map(|(axis, _)| axis.as_str());
            let hint = match nearest(name, names.clone()) {
                Some(near) => format!("did you mean `{}`?", shown(near)),
                None if axes.is_empty() => "the matrix has no axis, so there is nothing to leave out".to_owned(),
                None => format!("axes are {}", names.map(shown).collect::<Vec<_>>().join(", ")),
            };
            self.report.error_hint("unknown-axis", name_span, format!("there is no axis `{}`", shown(name)), hint);
            return false;
        };
        let Some(value) = value else { return false };
        if values.iter().any(|known| known == value) {
            return true;
        }
        let hint = match nearest(value, values.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{}`?", shown(near)),
            None => format!("values are {}", values.iter().take(8).map(|value| shown(value)).collect::<Vec<_>>().join(", ")),
        };
        let message = format!("the axis `{}` has no value `{}`", shown(name), shown(value));
        self.report.error_hint("unknown-value", value_span, message, hint);
        false
    }
}
