//! A map read by its level's keys: synonyms are translated, and every key that is none is told.

use super::Reader;
use super::keys::{Level, home};
use crate::pipeline::report::{nearest, shown};
use crate::pipeline::yaml::{Kind, Node, Span};

/// One key with its value.
#[derive(Clone, Copy)]
pub(super) struct Field<'n> {
    /// As written: a synonym when one was used.
    pub key: &'n str,
    pub key_span: Span,
    pub value: &'n Node,
}

impl Field<'_> {
    /// Where a problem with the value is shown: the value, or the key when there is none or it is spread over lines.
    pub fn place(&self) -> Span {
        let block = matches!(self.value.kind, Kind::List(_) | Kind::Map(_)) && self.value.span.line != self.key_span.line;
        if self.value.is_null() || block { self.key_span } else { self.value.span }
    }
}

/// The keys that a map has.
pub(super) struct Fields<'n> {
    fields: Vec<(&'static str, Field<'n>)>,
    /// Some key was refused: what is missing may be what it was meant to be.
    pub refused: bool,
}

impl<'n> Fields<'n> {
    /// Reads `node` as a map of `level`; `None` when it is no map. `span` is where to say so.
    pub fn read(node: &'n Node, span: Span, level: &'static Level, reader: &mut Reader) -> Option<Self> {
        let Kind::Map(entries) = &node.kind else {
            let message = format!("{} must be a map of keys, found {}", level.noun, node.describe());
            let hint = format!("its keys are {}", level.keys.join(", "));
            reader.report.error_hint("type", span, message, hint);
            return None;
        };
        let mut fields: Vec<(&'static str, Field)> = Vec::new();
        let mut refused = false;
        for entry in entries {
            let field = Field { key: &entry.key, key_span: entry.key_span, value: &entry.value };
            let Some(key) = known(&field, level, reader) else {
                refused = true;
                continue;
            };
            if let Some((_, first)) = fields.iter().find(|(there, _)| *there == key) {
                let message = format!("`{}` and `{}` are the same key", shown(first.key), shown(field.key));
                reader.report.error_hint("duplicate-key", field.key_span, message, format!("keep `{key}` alone"));
                continue;
            }
            fields.push((key, field));
        }
        Some(Self { fields, refused })
    }

    /// The field of a key of the level.
    pub fn get(&self, key: &'static str) -> Option<&Field<'n>> {
        self.fields.iter().find(|(known, _)| *known == key).map(|(_, field)| field)
    }
}

/// The level's key that is meant; `None` after telling why there is none.
fn known(field: &Field, level: &Level, reader: &mut Reader) -> Option<&'static str> {
    let word = field.key;
    if let Some(key) = level.keys.iter().find(|key| **key == word) {
        return Some(key);
    }
    // `environment: production` is a key of the language with a meaning of its own.
    let other_meaning = word == "environment" && !matches!(field.value.kind, Kind::Map(_));
    let plain = word.replace('_', "-");
    let synonym = level.synonyms.iter().find(|(synonym, _)| synonym.replace('_', "-") == plain);
    if let (Some((_, key)), false) = (synonym, other_meaning) {
        let message = format!("`{word}` is understood as `{key}`");
        let hint = match (*key, field.value.as_int()) {
            ("timeout", Some(minutes)) => format!("write `timeout: {minutes}m`"),
            (key, _) => format!("write `{key}`"),
        };
        reader.report.warning("synonym", field.key_span, message, hint);
        return Some(key);
    }
    if level.later.contains(&word) {
        let message = format!("this version of Gantry does not have `{word}` yet");
        let hint = "it is refused rather than ignored, since the run would not do what the file says";
        reader.report.error_hint("unsupported-key", field.key_span, message, hint);
        return None;
    }
    let mut message = format!("`{}` is not a key of {}", shown(word), level.noun);
    let hint = if let Some((_, hint)) = level.hints.iter().find(|(known, _)| *known == word) {
        (*hint).to_owned()
    } else if let Some(home) = home(word) {
        format!("`{word}` is a key of {home}")
    } else {
        let synonyms = level.synonyms.iter().map(|(synonym, _)| *synonym);
        let near = nearest(word, level.keys.iter().copied().chain(synonyms).chain(level.later.iter().copied()));
        let key = near.map(|near| level.synonyms.iter().find(|(synonym, _)| *synonym == near).map_or(near, |(_, key)| *key));
        match key {
            Some(key) => format!("did you mean `{key}`?"),
            None if level.keys.is_empty() => {
                message = format!("{} has no key `{}`", level.noun, shown(word));
                "it takes no keys".to_owned()
            }
            None => format!("keys are {}", level.keys.join(", ")),
        }
    };
    reader.report.error_hint("unknown-key", field.key_span, message, hint);
    None
}
