//! `on`: which events, of which branches, tags and paths.

use super::fields::{Field, Fields};
use super::paths::REPOSITORY;
use super::spec::{Commits, Filter, On};
use super::{Reader, keys};
use crate::base::limits;
use crate::pipeline::pattern::Pattern;
use crate::pipeline::report::{nearest, shown};
use crate::pipeline::yaml::{Kind, Span};

/// Reads `on`; without it, pushes and pull requests are wanted.
pub(super) fn on(field: Option<&Field>, reader: &mut Reader) -> On {
    let Some(field) = field else {
        return On { push: Some(Commits::default()), pull_request: Some(Commits::default()), ..On::default() };
    };
    match &field.value.kind {
        Kind::Map(entries) if !entries.is_empty() => {
            let Some(fields) = Fields::read(field.value, field.key_span, &keys::ON, reader) else { return On::default() };
            On {
                push: fields.get("push").map(|field| event(field, &keys::PUSH, reader)),
                tag: fields.get("tag").map(|field| reader.filter(field)),
                pull_request: fields.get("pull_request").map(|field| event(field, &keys::PULL_REQUEST, reader)),
                cron: fields.get("cron").map(|field| reader.schedules(field)).unwrap_or_default(),
                inputs: fields.get("manual").map(|field| manual(field, reader)).unwrap_or_default(),
            }
        }
        Kind::List(items) if items.is_empty() => nothing(field, reader),
        Kind::Map(_) => nothing(field, reader),
        Kind::List(_) | Kind::Scalar { .. } => {
            let mut on = On::default();
            for (word, span) in reader.texts(field).unwrap_or_default() {
                named(word, span, &mut on, reader);
            }
            on
        }
    }
}

fn nothing(field: &Field, reader: &mut Reader) -> On {
    let hint = "for what a person starts alone, write `on: manual`";
    reader.report.error_hint("value", field.place(), "`on` names no event", hint);
    On::default()
}

/// `push: { branches: …, paths: … }`, or `push:` alone.
fn event(field: &Field, level: &'static keys::Level, reader: &mut Reader) -> Commits {
    if field.value.is_null() {
        return Commits::default();
    }
    if let Kind::List(_) = field.value.kind {
        let hint = format!("write `{}: {{ branches: […] }}`", shown(field.key));
        reader.report.error_hint("type", field.place(), format!("{} must be a map, found a list", level.noun), hint);
        return Commits::default();
    }
    let Some(fields) = Fields::read(field.value, field.key_span, level, reader) else { return Commits::default() };
    Commits {
        branches: fields.get("branches").map(|field| reader.filter(field)).unwrap_or_default(),
        paths: fields.get("paths").map(|field| reader.path_filter(field)).unwrap_or_default(),
    }
}

/// `manual:` alone, or with its inputs.
fn manual(field: &Field, reader: &mut Reader) -> Vec<super::spec::Input> {
    if field.value.is_null() {
        return Vec::new();
    }
    let fields = Fields::read(field.value, field.key_span, &keys::MANUAL, reader);
    fields.as_ref().and_then(|fields| fields.get("inputs")).map(|field| reader.inputs(field)).unwrap_or_default()
}

/// An event in `on: push` and `on: [push, tag]`.
fn named(word: &str, span: Span, on: &mut On, reader: &mut Reader) {
    let plain = word.replace('-', "_");
    let synonym = keys::ON.synonyms.iter().find(|(synonym, _)| *synonym == plain);
    let event = synonym.map_or(plain.as_str(), |(_, key)| key);
    if event != word && event != "cron" && keys::ON.keys.contains(&event) {
        reader.report.warning(
            "synonym",
            span,
            format!("`{}` is understood as `{event}`", shown(word)),
            format!("write `{event}`"),
        );
    }
    match event {
        "push" => on.push = Some(Commits::default()),
        "tag" => on.tag = Some(Filter::default()),
        "pull_request" => on.pull_request = Some(Commits::default()),
        "manual" => {}
        "cron" => {
            let hint = "write `on: { cron: { nightly: \"0 3 * * *\" } }`";
            reader.report.error_hint("value", span, format!("`{}` needs a schedule", shown(word)), hint);
        }
        _ => {
            let hint = match nearest(word, keys::ON.keys.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("events are {}", keys::ON.keys.join(", ")),
            };
            reader.report.error_hint("unknown-event", span, format!("`{}` is not an event", shown(word)), hint);
        }
    }
}

impl Reader<'_, '_> {
    /// A list of patterns, or `include` and `exclude`; nothing stands for all names.
    fn filter(&mut self, field: &Field) -> Filter {
        self.filter_of(field, |_, text, _| Some(text.to_owned()))
    }

    /// The same, for paths of the repository.
    fn path_filter(&mut self, field: &Field) -> Filter {
        self.filter_of(field, |reader, text, span| reader.relative(text, span, REPOSITORY))
    }

    fn filter_of(&mut self, field: &Field, read: fn(&mut Self, &str, Span) -> Option<String>) -> Filter {
        if field.value.is_null() {
            return Filter::default();
        }
        if !matches!(field.value.kind, Kind::Map(_)) {
            return Filter { include: Some(self.patterns(field, read)), exclude: Vec::new() };
        }
        let Some(fields) = Fields::read(field.value, field.key_span, &keys::FILTER, self) else { return Filter::default() };
        Filter {
            include: fields.get("include").map(|field| self.patterns(field, read)),
            exclude: fields.get("exclude").map(|field| self.patterns(field, read)).unwrap_or_default(),
        }
    }

    fn patterns(&mut self, field: &Field, read: fn(&mut Self, &str, Span) -> Option<String>) -> Vec<Pattern> {
        let mut patterns = Vec::new();
        let texts = self.texts(field).unwrap_or_default();
        if texts.is_empty() && matches!(&field.value.kind, Kind::List(items) if items.is_empty()) {
            self.report.error_hint(
                "value",
                field.place(),
                format!("`{}` has no pattern", shown(field.key)),
                "leave the key out for all names",
            );
        }
        if let Some((_, span)) = texts.get(limits::PATTERNS) {
            let message = format!("`{}` has more than {} patterns", shown(field.key), limits::PATTERNS);
            self.report.error_hint("too-many-patterns", *span, message, "one pattern with `*` or `{a,b}` can stand for many");
        }
        for (text, span) in texts.into_iter().take(limits::PATTERNS) {
            if let Some(rest) = text.strip_prefix('!') {
                let hint = format!("write `exclude: [\"{}\"]`", shown(rest));
                self.report.error_hint("pattern", span, "a pattern cannot be negated with `!`", hint);
                continue;
            }
            if let Some(pattern) = read(self, text, span).and_then(|text| self.pattern(&text, span)) {
                patterns.push(pattern);
            }
        }
        patterns
    }

    /// The glob of a text.
    pub(super) fn pattern(&mut self, text: &str, span: Span) -> Option<Pattern> {
        match Pattern::new(text) {
            Ok(pattern) => Some(pattern),
            Err(message) => {
                self.report.error_hint("pattern", span, message, "`*` stays within a `/`, `**` goes across");
                None
            }
        }
    }
}
