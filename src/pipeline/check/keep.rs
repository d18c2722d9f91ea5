//! What a step leaves behind: `cache`, `artifacts`, `reports`.

use super::fields::{Field, Fields};
use super::spec::Cache;
use super::{Reader, keys};
use crate::base::limits;
use crate::pipeline::expr::Template;
use crate::pipeline::parts::ArtifactsPlan;
use crate::pipeline::report::shown;
use crate::pipeline::yaml::{Kind, Node};

const CACHE_FORM: &str = "write `cache: { key: …, paths: [target] }`";

impl Reader<'_, '_> {
    /// One cache, or a list of them.
    pub(super) fn caches(&mut self, field: &Field) -> Vec<Cache> {
        let items: Vec<&Node> = match &field.value.kind {
            Kind::List(items) => items.iter().map(AsRef::as_ref).collect(),
            Kind::Map(_) => return self.cache(field).into_iter().collect(),
            Kind::Scalar { .. } => {
                let message = format!("`cache` must be a map or a list of maps, found {}", field.value.describe());
                self.report.error_hint("type", field.place(), message, CACHE_FORM);
                return Vec::new();
            }
        };
        if items.is_empty() {
            self.report.error_hint("value", field.place(), "`cache` has no cache", CACHE_FORM);
        }
        if let Some(past) = items.get(limits::CACHES) {
            let message = format!("the step has more than {} caches", limits::CACHES);
            self.report.error_hint("too-many-caches", past.span, message, "one cache can have several paths");
        }
        let fields = items.into_iter().take(limits::CACHES);
        fields.filter_map(|item| self.cache(&Field { key: field.key, key_span: item.span, value: item })).collect()
    }

    fn cache(&mut self, field: &Field) -> Option<Cache> {
        let fields = Fields::read(field.value, field.key_span, &keys::CACHE, self)?;
        let key = match fields.get("key") {
            Some(field) => self.cache_key(field),
            None => {
                self.missing(&fields, field, "key", "for example `key: \"cargo-${{ hash('Cargo.lock') }}\"`");
                None
            }
        };
        let paths = match fields.get("paths") {
            Some(field) => self.cached_paths(field),
            None => {
                self.missing(&fields, field, "paths", "what is kept: `paths: [target]`");
                None
            }
        };
        let restore = fields.get("restore").map(|field| self.restore(field)).unwrap_or_default();
        Some(Cache { key: key?, paths: paths?, restore })
    }

    fn cache_key(&mut self, field: &Field) -> Option<Template> {
        let text = self.text(field)?;
        if text.trim().is_empty() {
            self.report.error_hint(
                "value",
                field.place(),
                format!("`{}` is empty", shown(field.key)),
                "for example `cargo-${{ hash('Cargo.lock') }}`",
            );
            return None;
        }
        if text.chars().any(char::is_control) || !self.is_short(text, field.place(), "the key", limits::TEXT_CHARS) {
            self.report.error("value", field.place(), "a key of a cache is one line of text");
            return None;
        }
        self.template(field)
    }

    /// Beginnings of keys, best first.
    fn restore(&mut self, field: &Field) -> Vec<Template> {
        let items: Vec<&Node> = match &field.value.kind {
            Kind::List(items) => items.iter().map(AsRef::as_ref).collect(),
            Kind::Scalar { .. } | Kind::Map(_) => vec![field.value],
        };
        if let Some(past) = items.get(limits::CACHES) {
            let message = format!("`restore` has more than {} keys", limits::CACHES);
            self.report.error_hint("too-many-caches", past.span, message, "a shorter beginning matches more");
        }
        let fields = items.into_iter().take(limits::CACHES);
        fields.filter_map(|item| self.cache_key(&Field { key: "restore", key_span: item.span, value: item })).collect()
    }

    /// Globs, or a map with them.
    pub(super) fn artifacts(&mut self, field: &Field) -> Option<ArtifactsPlan> {
        if !matches!(field.value.kind, Kind::Map(_)) {
            return Some(ArtifactsPlan { paths: self.globs(field)?, expire_ms: None, required: false });
        }
        let fields = Fields::read(field.value, field.key_span, &keys::ARTIFACTS, self)?;
        let paths = match fields.get("paths") {
            Some(field) => self.globs(field),
            None => {
                self.missing(&fields, field, "paths", "for example `paths: [\"dist/**\"]`");
                None
            }
        };
        let expire_ms = fields.get("expire").and_then(|field| self.bounded_duration(field, limits::EXPIRE_MAX_MS));
        let required = fields.get("required").and_then(|field| self.bool(field)).unwrap_or(false);
        Some(ArtifactsPlan { paths: paths?, expire_ms, required })
    }

    /// Globs of `reports.junit`.
    pub(super) fn reports(&mut self, field: &Field) -> Vec<String> {
        if let Kind::Scalar { text, .. } = &field.value.kind
            && !field.value.is_null()
        {
            let message = format!("`reports` must be a map, found {}", field.value.describe());
            self.report.error_hint("type", field.place(), message, format!("write `reports: {{ junit: \"{}\" }}`", shown(text)));
            return Vec::new();
        }
        let Some(fields) = Fields::read(field.value, field.key_span, &keys::REPORTS, self) else { return Vec::new() };
        let Some(junit) = fields.get("junit") else {
            self.missing(&fields, field, "junit", "for example `junit: \"target/nextest/**/*.xml\"`");
            return Vec::new();
        };
        self.globs(junit).unwrap_or_default()
    }
}
