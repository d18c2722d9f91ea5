//! `services`: what stands beside a job's steps.

use std::rc::Rc;

use super::fields::{Field, Fields};
use super::spec::Service;
use super::{Reader, keys};
use crate::base::limits;
use crate::pipeline::parts::Ready;
use crate::pipeline::report::shown;
use crate::pipeline::yaml::{Kind, Span};

const FORM: &str = "write `services: { db: { image: \"postgres:17\" } }`";
/// A label of DNS.
const HOST_CHARS: usize = 63;

impl Reader<'_, '_> {
    pub(super) fn services(&mut self, field: &Field) -> Vec<Service> {
        let Kind::Map(entries) = &field.value.kind else {
            let message = format!("`services` must be a map, found {}", field.value.describe());
            self.report.error_hint("type", field.place(), message, FORM);
            return Vec::new();
        };
        if let Some(past) = entries.get(limits::SERVICES) {
            let message = format!("the job has more than {} services", limits::SERVICES);
            self.report.error_hint(
                "too-many-services",
                past.key_span,
                message,
                "each is a container that stands beside every step",
            );
        }
        let mut services = Vec::new();
        for entry in entries.iter().take(limits::SERVICES) {
            let field = Field { key: &entry.key, key_span: entry.key_span, value: &entry.value };
            let usable = self.is_host(field.key, field.key_span);
            if let (Some(service), true) = (self.service(&field), usable) {
                services.push(service);
            }
        }
        services
    }

    /// Whether steps can reach a service by this name.
    fn is_host(&mut self, name: &str, span: Span) -> bool {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let sound = name.len() <= HOST_CHARS && name.chars().all(inner) && edge(name.chars().next()) && edge(name.chars().last());
        if sound && name != "localhost" {
            return true;
        }
        let message = format!("`{}` cannot be the name of a service", shown(name));
        let hint = if name == "localhost" {
            "that is the job itself, where its services can be reached as well".to_owned()
        } else {
            format!("it is a host name: lower-case letters, digits, `-` and `_`, at most {HOST_CHARS} characters")
        };
        self.report.error_hint("name", span, message, hint);
        false
    }

    fn service(&mut self, field: &Field) -> Option<Service> {
        let name = field.key.to_owned();
        if let Kind::Scalar { .. } = field.value.kind {
            let message = format!("a service must be a map, found {}", field.value.describe());
            self.report.error_hint("type", field.place(), message, FORM);
            return None;
        }
        let fields = Fields::read(field.value, field.key_span, &keys::SERVICE, self)?;
        let image = match fields.get("image") {
            Some(field) => self.image(field),
            None => {
                self.missing(&fields, field, "image", FORM);
                None
            }
        };
        let env = fields.get("env").map(|field| self.service_env(field)).unwrap_or_default();
        let pull = fields.get("pull").and_then(|field| self.pull(field));
        let command = fields.get("command").and_then(|field| self.command(field));
        let own = fields.get("timeout");
        let (ready, inner) = fields.get("ready").map_or((Some(Ready::default()), None), |field| self.ready(field));
        let timeout = own.and_then(|field| self.ready_timeout(field));
        if let (Some(own), Some(_)) = (own, inner) {
            let hint = "both say how long it may take to become ready: keep the one in `ready`";
            self.report.error_hint("conflict", own.key_span, "the service has two `timeout`", hint);
        }
        let ready_timeout_ms = inner.or(timeout).unwrap_or(limits::SERVICE_READY_MS);
        Some(Service { name, image: image?, pull, env: Rc::clone(&env), command, ready: ready?, ready_timeout_ms })
    }

    /// Arguments for the image's entry point; a text is one argument.
    fn command(&mut self, field: &Field) -> Option<Vec<String>> {
        let errors = self.report.errors();
        let texts = self.texts(field)?;
        let words: Vec<String> = texts.iter().map(|(text, _)| (*text).to_owned()).collect();
        for (text, span) in &texts {
            self.is_literal(text, *span, "a command");
        }
        if words.is_empty() && errors == self.report.errors() {
            self.report.error_hint(
                "value",
                field.place(),
                "`command` has no argument",
                "leave it out for the image's own command",
            );
        }
        if let (Kind::Scalar { .. }, Some((text, _))) = (&field.value.kind, texts.first())
            && text.split_whitespace().nth(1).is_some()
        {
            let several: Vec<&str> = text.split_whitespace().collect();
            let hint = format!("for several, write a list: `[{}]`", shown(&several.join(", ")));
            self.report.warning("one-argument", field.place(), "a `command` that is text is one single argument", hint);
        }
        (errors == self.report.errors()).then_some(words)
    }

    /// How it shows that it is ready, and the `timeout` in it.
    fn ready(&mut self, field: &Field) -> (Option<Ready>, Option<u64>) {
        let form = "write `{ port: 5432 }`, `{ command: pg_isready }` or `{ log: \"ready to accept\" }`";
        if !matches!(field.value.kind, Kind::Map(_)) {
            let message = format!("`ready` must be a map, found {}", field.value.describe());
            self.report.error_hint("type", field.place(), message, form);
            return (None, None);
        }
        let Some(fields) = Fields::read(field.value, field.key_span, &keys::READY, self) else { return (None, None) };
        let timeout = fields.get("timeout").and_then(|field| self.ready_timeout(field));
        let ways: Vec<&Field> = ["port", "command", "log"].into_iter().filter_map(|key| fields.get(key)).collect();
        if let [_, second, ..] = ways.as_slice() {
            let hint = "keep one: a port, a command or a text of the log";
            self.report.error_hint("conflict", second.key_span, "`ready` says two ways to be ready", hint);
            return (None, timeout);
        }
        if fields.is_empty() {
            self.report.error_hint("value", field.place(), "`ready` says nothing", format!("{form}, or leave it out"));
        }
        let ready = match (fields.get("port"), fields.get("command"), fields.get("log")) {
            (Some(port), _, _) => {
                let port = self.int(port.value, port.place(), "`port`", 1, 65_535);
                port.and_then(|port| u16::try_from(port).ok()).map(Ready::Port)
            }
            (None, Some(command), _) => self.words(command).map(Ready::Command),
            (None, None, Some(log)) => self.words(log).map(Ready::Log),
            (None, None, None) => Some(Ready::Health),
        };
        (ready, timeout)
    }

    fn ready_timeout(&mut self, field: &Field) -> Option<u64> {
        self.bounded_duration(field, limits::SERVICE_READY_MAX_MS)
    }
}
