//! What a step is given beside its `env`: `with`, `secrets`, `network`, `pull`.

use std::collections::{BTreeMap, HashMap};

use super::fields::Field;
use super::spec::{Nested, Setting};
use super::{Reader, keys};
use crate::base::limits;
use crate::pipeline::expr::{Place, Template};
use crate::pipeline::parts::{Network, Pull};
use crate::pipeline::report::{nearest, shown};
use crate::pipeline::yaml::{Kind, Node, Span};

impl Reader<'_, '_> {
    /// `with`: variables (`PLUGIN_…`) with their values.
    pub(super) fn settings(&mut self, field: &Field) -> Vec<(String, Setting)> {
        let Kind::Map(entries) = &field.value.kind else {
            let message = format!("`{}` must be a map, found {}", shown(field.key), field.value.describe());
            self.report.error_hint("type", field.place(), message, "write `with: { files: dist/* }`");
            return Vec::new();
        };
        let mut settings = Vec::new();
        let mut variables: HashMap<String, &str> = HashMap::new();
        for entry in entries {
            let field = Field { key: &entry.key, key_span: entry.key_span, value: &entry.value };
            if !field.key.chars().any(|c| c.is_ascii_alphanumeric()) || field.key.chars().count() > limits::NAME_CHARS {
                let message = match field.key {
                    "" => "the name of a setting is empty".to_owned(),
                    key => format!("`{}` is no name of a setting", shown(key)),
                };
                let hint = format!("letters, digits, `-` and `_`, at most {} characters", limits::NAME_CHARS);
                self.report.error_hint("name", field.key_span, message, hint);
                continue;
            }
            let variable = variable_of(field.key);
            if let Some(other) = variables.insert(variable.clone(), field.key) {
                let message = format!("the settings `{}` and `{}` would be the same variable", shown(other), shown(field.key));
                self.report.error_hint(
                    "duplicate-name",
                    field.key_span,
                    message,
                    format!("`{}` can hold only one", shown(&variable)),
                );
            }
            if let Some(setting) = self.setting(&field) {
                settings.push((variable, setting));
            }
        }
        settings
    }

    fn setting(&mut self, field: &Field) -> Option<Setting> {
        match &field.value.kind {
            Kind::Scalar { .. } if field.is_missing() => Template::new("", &self.place(field), self.report).map(Setting::Text),
            Kind::Scalar { .. } => self.template(field).map(Setting::Text),
            Kind::Map(entries) if entries.iter().any(|entry| entry.key == "from_secret") => {
                self.misplaced_secret(field.value, field.place(), &variable_of(field.key), "");
                None
            }
            Kind::List(_) | Kind::Map(_) => self.nested(field.value).map(Setting::Nested),
        }
    }

    /// A list or map as it becomes JSON. Its depth is bounded by the YAML's.
    fn nested(&mut self, node: &Node) -> Option<Nested> {
        match &node.kind {
            Kind::Scalar { .. } if node.is_null() => Some(Nested::Null),
            Kind::Scalar { text, .. } => match (node.as_bool(), node.json_number()) {
                (Some(value), _) => Some(Nested::Bool(value)),
                (None, Some(number)) => Some(Nested::Number(number)),
                (None, None) => {
                    if text.contains('\0') {
                        self.report.error("nul", node.span, "a setting has a NUL character");
                        return None;
                    }
                    Template::new(text, &Place::of(node, self.report.source), self.report).map(Nested::Text)
                }
            },
            Kind::List(items) => {
                let nested: Vec<Option<Nested>> = items.iter().map(|item| self.nested(item)).collect();
                nested.into_iter().collect::<Option<Vec<_>>>().map(Nested::List)
            }
            Kind::Map(entries) => {
                let nested: Vec<Option<(String, Nested)>> =
                    entries.iter().map(|entry| Some((entry.key.clone(), self.nested(&entry.value)?))).collect();
                nested.into_iter().collect::<Option<Vec<_>>>().map(Nested::Map)
            }
        }
    }

    /// Another system's way to name a secret in the middle of values.
    pub(super) fn misplaced_secret(&mut self, node: &Node, span: Span, variable: &str, no_secrets: &str) {
        let name = match &node.kind {
            Kind::Map(entries) => entries.iter().find(|entry| entry.key == "from_secret").map(|entry| &entry.value.kind),
            Kind::List(_) | Kind::Scalar { .. } => None,
        };
        let name = match name {
            Some(Kind::Scalar { text, .. }) => shown(text),
            Some(Kind::List(_) | Kind::Map(_)) | None => "name".to_owned(),
        };
        let hint = match no_secrets {
            "" => format!("write `secrets: {{ {}: {name} }}` in the step", shown(variable)),
            why => why.to_owned(),
        };
        self.report.error_hint("type", span, "a secret is no value of a variable", hint);
    }

    /// `secrets`: a list of names, each a variable too, or variables with the names of their secrets.
    pub(super) fn secrets(&mut self, field: &Field) -> BTreeMap<String, String> {
        let named: Vec<(&str, Span, &str, Span)> = match &field.value.kind {
            Kind::Map(entries) => {
                let mut named = Vec::new();
                for entry in entries {
                    let value = Field { key: &entry.key, key_span: entry.key_span, value: &entry.value };
                    if let Some(name) = self.text(&value) {
                        named.push((entry.key.as_str(), entry.key_span, name, value.place()));
                    }
                }
                named
            }
            Kind::List(items) if items.iter().any(|item| matches!(item.kind, Kind::Map(_))) => {
                let hint = "write `secrets: { VARIABLE: name_of_the_secret }`";
                self.report.error_hint(
                    "type",
                    field.place(),
                    "`secrets` is a list of names or one map, found a list of maps",
                    hint,
                );
                Vec::new()
            }
            Kind::List(_) | Kind::Scalar { .. } => {
                let texts = self.texts(field).unwrap_or_default();
                texts.into_iter().map(|(text, span)| (text, span, text, span)).collect()
            }
        };
        if let Some((_, past, _, _)) = named.get(limits::SECRETS) {
            let message = format!("the step has more than {} secrets", limits::SECRETS);
            self.report.error_hint("too-many-secrets", *past, message, "a secret can be a file of many values");
        }
        let mut secrets = BTreeMap::new();
        for (variable, span, name, name_span) in named.into_iter().take(limits::SECRETS) {
            if !self.check_label(name, name_span, "the name of a secret") {
                continue;
            }
            if keys::OWN_VARIABLES.contains(&variable) {
                let message = format!("`{variable}` is set by Gantry itself");
                self.report.error_hint("own-variable", span, message, format!("write `{{ OTHER_NAME: {} }}`", shown(name)));
            } else if self.is_variable_name(variable, span) && secrets.insert(variable.to_owned(), name.to_owned()).is_some() {
                self.report.error("duplicate-name", span, format!("`{variable}` stands twice"));
            }
        }
        secrets
    }

    /// `network: none`.
    pub(super) fn network(&mut self, field: &Field) -> Option<Network> {
        // `none` is a word here, and nothing else means nothing.
        let text = self.text(field)?;
        match text {
            "none" => Some(Network::None),
            "default" => Some(Network::Default),
            other => {
                let hint = match nearest(other, ["none", "default"]) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if other == "host" => "no container gets the machine's own network".to_owned(),
                    None => "`none` takes the network away, `default` is the job's".to_owned(),
                };
                let message = format!("`network` must be none or default, found `{}`", shown(other));
                self.report.error_hint("value", field.place(), message, hint);
                None
            }
        }
    }
}

const PULLS: [(&str, Pull); 3] = [("always", Pull::Always), ("missing", Pull::Missing), ("never", Pull::Never)];

impl Reader<'_, '_> {
    /// `pull: always`.
    pub(super) fn pull(&mut self, field: &Field) -> Option<Pull> {
        let text = self.text(field)?;
        if let Some((_, pull)) = PULLS.iter().find(|(word, _)| *word == text) {
            return Some(*pull);
        }
        let hint = match (nearest(text, PULLS.map(|(word, _)| word)), text) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, "true") => "`always` asks the registry in each run".to_owned(),
            (None, "false" | "if-not-present" | "IfNotPresent") => "`missing` pulls what the engine does not have".to_owned(),
            (None, _) => "`missing` pulls what the engine does not have, `always` asks in each run".to_owned(),
        };
        let message = format!("`pull` must be always, missing or never, found `{}`", shown(text));
        self.report.error_hint("value", field.place(), message, hint);
        None
    }
}

/// The variable of a setting: `api-key` becomes `PLUGIN_API_KEY`.
fn variable_of(key: &str) -> String {
    let name = key.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    format!("PLUGIN_{}", name.collect::<String>())
}
