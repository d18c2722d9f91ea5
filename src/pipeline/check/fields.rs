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

    /// Nothing is written behind the key, as against `~` or `null`.
    pub fn is_missing(&self) -> bool {
        matches!(&self.value.kind, Kind::Scalar { text, plain: true } if text.is_empty())
    }
}

/// The keys that a map has.
pub(super) struct Fields<'n> {
    fields: Vec<(&'static str, Field<'n>)>,
    /// Names that the file's author chose, where the level has such.
    pub others: Vec<Field<'n>>,
    /// Some key was refused: what is missing may be what it was meant to be.
    pub refused: bool,
}

impl<'n> Fields<'n> {
    /// Reads `node` as a map of `level`; `None` when it is no map. `span` is where to say so.
    pub fn read(node: &'n Node, span: Span, level: &'static Level, reader: &mut Reader) -> Option<Self> {
        let Kind::Map(entries) = &node.kind else {
            let message = format!("{} must be a map of keys, found {}", level.noun, node.describe());
            let hint = format!("its keys are {}", keys_of(level));
            reader.report.error_hint("type", span, message, hint);
            return None;
        };
        let mut fields: Vec<(&'static str, Field)> = Vec::new();
        let mut others = Vec::new();
        let mut refused = false;
        for entry in entries {
            let field = Field { key: &entry.key, key_span: entry.key_span, value: &entry.value };
            let key = match known(&field, level, reader) {
                Known::Key(key) => key,
                Known::Other => {
                    others.push(field);
                    continue;
                }
                Known::Refused => {
                    refused = true;
                    continue;
                }
            };
            if let Some((_, first)) = fields.iter().find(|(there, _)| *there == key) {
                let message = format!("`{}` and `{}` are the same key", shown(first.key), shown(field.key));
                reader.report.error_hint("duplicate-key", field.key_span, message, format!("keep `{key}` alone"));
                continue;
            }
            fields.push((key, field));
        }
        Some(Self { fields, others, refused })
    }

    /// Those of what is no map, which has been told.
    pub fn refused() -> Self {
        Self { fields: Vec::new(), others: Vec::new(), refused: true }
    }

    /// The field of a key of the level.
    pub fn get(&self, key: &'static str) -> Option<&Field<'n>> {
        self.fields.iter().find(|(known, _)| *known == key).map(|(_, field)| field)
    }

    /// Whether there is nothing in it that could be read.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.others.is_empty() && !self.refused
    }
}

/// The keys of a level, for a hint.
fn keys_of(level: &Level) -> String {
    let keys = level.keys.join(", ");
    match level.others {
        Some(other) => format!("{keys} and the name of {other}"),
        None => keys,
    }
}

/// What a key of a map is.
enum Known {
    Key(&'static str),
    /// A name of the author's own.
    Other,
    /// It has been told why it is none.
    Refused,
}

fn known(field: &Field, level: &Level, reader: &mut Reader) -> Known {
    let word = field.key;
    if let Some(key) = level.keys.iter().find(|key| **key == word) {
        return Known::Key(key);
    }
    let hint = level.hints.iter().find(|(known, _)| plain(known) == plain(word)).map(|(_, hint)| *hint);
    if let (None, Some(key)) = (hint, synonym(field, level)) {
        let message = format!("`{}` is understood as `{key}`", shown(word));
        let hint = match (key, field.value.as_int()) {
            ("timeout", Some(minutes)) => format!("write `timeout: {minutes}m`"),
            (key, _) => format!("write `{key}`"),
        };
        reader.report.warning("synonym", field.key_span, message, hint);
        return Known::Key(key);
    }
    if level.others.is_some() && hint.is_none() {
        return Known::Other;
    }
    let mut message = format!("`{}` is not a key of {}", shown(word), level.noun);
    let hint = if let Some(hint) = hint {
        hint.to_owned()
    } else if let Some(home) = home(word) {
        format!("`{word}` is a key of {home}")
    } else if word.starts_with("x-") || word.starts_with('.') {
        "a part that is repeated gets its anchor (`&name`) where it stands first".to_owned()
    } else if level.keys.contains(&"jobs") && is_job(field.value) {
        "jobs stand under `jobs`".to_owned()
    } else {
        let synonyms = level.synonyms.iter().map(|(synonym, _)| *synonym);
        let near = nearest(word, level.keys.iter().copied().chain(synonyms));
        let key = near.map(|near| level.synonyms.iter().find(|(synonym, _)| *synonym == near).map_or(near, |(_, key)| *key));
        match key {
            Some(key) => format!("did you mean `{key}`?"),
            None if level.keys.is_empty() => {
                message = format!("{} has no key `{}`", level.noun, shown(word));
                "it takes no keys".to_owned()
            }
            None => format!("keys are {}", keys_of(level)),
        }
    };
    reader.report.error_hint("unknown-key", field.key_span, message, hint);
    Known::Refused
}

/// Whether it looks like a job of a system that has jobs at the top of the file.
fn is_job(node: &Node) -> bool {
    let is_of_a_job = |key: &str| matches!(key, "script" | "stage" | "steps" | "run" | "commands");
    matches!(&node.kind, Kind::Map(entries) if entries.iter().any(|entry| is_of_a_job(&entry.key)))
}

/// The key that another word stands for: another system's, or its own with `-` for `_`.
fn synonym(field: &Field, level: &Level) -> Option<&'static str> {
    let word = plain(field.key);
    // `environment: production` is a key of the language with a meaning of its own.
    if word == "environment" && !matches!(field.value.kind, Kind::Map(_)) {
        return None;
    }
    let same = level.keys.iter().find(|key| plain(key) == word).copied();
    same.or_else(|| level.synonyms.iter().find(|(synonym, _)| plain(synonym) == word).map(|(_, key)| *key))
}

/// A word as `-` and `_` do not matter.
fn plain(word: &str) -> String {
    word.replace('-', "_")
}
