//! What stands around a job: its limits, whom it waits for, where it goes, what it tells.

use super::fields::{Field, Fields};
use super::spec::{Approval, Concurrency};
use super::{Reader, keys};
use crate::base::limits;
use crate::pipeline::expr::Template;
use crate::pipeline::parts::{CheckoutPlan, Policy, Resources};
use crate::pipeline::report::{nearest, shown};
use crate::pipeline::yaml::Kind;

const POLICIES: [(&str, Policy); 3] =
    [("queue", Policy::Queue), ("cancel-running", Policy::CancelRunning), ("cancel-pending", Policy::CancelPending)];

/// Units of memory, longer endings first: those with an `i` are powers of 1024, the others of 1000.
const UNITS: [(&str, u64); 13] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("K", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("B", 1),
];

impl Reader<'_, '_> {
    /// A group, or a map of it and what a newcomer does.
    pub(super) fn concurrency(&mut self, field: &Field) -> Option<Concurrency> {
        if !matches!(field.value.kind, Kind::Map(_)) {
            return Some(Concurrency { group: self.named_template(field)?, policy: Policy::default() });
        }
        let fields = Fields::read(field.value, field.key_span, &keys::CONCURRENCY, self)?;
        let policy = fields.get("policy").map(|field| self.policy(field));
        let Some(group) = fields.get("group") else {
            self.missing(&fields, field, "group", "for example `group: \"deploy-${{ branch }}\"`");
            return None;
        };
        let group = self.named_template(group)?;
        Some(Concurrency { group, policy: policy.unwrap_or(Some(Policy::default()))? })
    }

    fn policy(&mut self, field: &Field) -> Option<Policy> {
        let text = self.text(field)?;
        if let Some((_, policy)) = POLICIES.iter().find(|(word, _)| *word == text) {
            return Some(*policy);
        }
        let hint = match nearest(text, POLICIES.map(|(word, _)| word)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "policies are queue, cancel-running, cancel-pending".to_owned(),
        };
        self.report.error_hint("value", field.place(), format!("`{}` is no policy", shown(text)), hint);
        None
    }

    /// Text with `${{ }}` that is not empty and stays short as far as it is known.
    fn named_template(&mut self, field: &Field) -> Option<Template> {
        let text = self.text(field)?;
        if text.trim().is_empty() {
            self.report.error_hint(
                "value",
                field.place(),
                format!("`{}` is empty", shown(field.key)),
                "write a value, or leave the key out",
            );
            return None;
        }
        if !self.is_short(text, field.place(), &format!("`{}`", shown(field.key)), limits::TEXT_CHARS) {
            return None;
        }
        self.template(field)
    }

    /// `true`, a message, or a map; `false` is none.
    pub(super) fn approval(&mut self, field: &Field) -> Option<Approval> {
        match (field.value.as_bool(), &field.value.kind) {
            (Some(false), _) => None,
            (Some(true), _) => Some(Approval { message: None, by: Vec::new(), timeout_ms: None }),
            (None, Kind::Map(_)) => {
                let fields = Fields::read(field.value, field.key_span, &keys::APPROVAL, self)?;
                let message = fields.get("message").map(|field| self.named_template(field));
                let by = fields.get("by").map(|field| self.approvers(field));
                let timeout_ms = fields.get("timeout").map(|field| self.bounded_duration(field, limits::APPROVAL_MAX_MS));
                Some(Approval {
                    message: message.map_or(Some(None), |message| message.map(Some))?,
                    by: by.unwrap_or_default(),
                    timeout_ms: timeout_ms.flatten(),
                })
            }
            (None, Kind::List(_)) => {
                let hint = "who may approve is written as `approval: { by: [ops] }`";
                self.report.error_hint("type", field.place(), "`approval` must be true, a message or a map, found a list", hint);
                None
            }
            (None, Kind::Scalar { .. }) => {
                let message = self.named_template(field)?;
                Some(Approval { message: Some(message), by: Vec::new(), timeout_ms: None })
            }
        }
    }

    /// An empty list would let everyone, which nobody means who writes it.
    fn approvers(&mut self, field: &Field) -> Vec<String> {
        let errors = self.report.errors();
        let names = self.labels(field, "the name of an approver");
        if names.is_empty() && errors == self.report.errors() {
            self.report.error_hint("value", field.place(), "`by` names nobody", "leave it out when everyone may");
        }
        names
    }

    /// `environment`: the name of where a job deploys to.
    pub(super) fn environment(&mut self, field: &Field) -> Option<Template> {
        if let Kind::Map(entries) = &field.value.kind {
            let name = entries.iter().any(|entry| entry.key == "name");
            let hint = if name { "write the name alone: `environment: production`" } else { "variables are written as `env`" };
            self.report.error_hint("type", field.place(), "`environment` must be a name, found a map", hint);
            return None;
        }
        let template = self.named_template(field)?;
        match template.fixed().and_then(super::values::name_fault) {
            None => Some(template),
            Some(fault) => {
                self.report.error("name", field.place(), format!("the name of an environment is not usable: {fault}"));
                None
            }
        }
    }

    /// `outputs` of a job.
    pub(super) fn outputs(&mut self, field: &Field) -> Vec<(String, Template)> {
        let Kind::Map(entries) = &field.value.kind else {
            let message = format!("`outputs` must be a map, found {}", field.value.describe());
            let hint = "for example `outputs: { version: \"${{ steps.build.outputs.version }}\" }`";
            self.report.error_hint("type", field.place(), message, hint);
            return Vec::new();
        };
        if let Some(past) = entries.get(limits::OUTPUTS) {
            let message = format!("the job has more than {} outputs", limits::OUTPUTS);
            self.report.error_hint("too-many-outputs", past.key_span, message, "files are handed on by `artifacts`");
        }
        let mut outputs = Vec::new();
        for entry in entries.iter().take(limits::OUTPUTS) {
            let field = Field { key: &entry.key, key_span: entry.key_span, value: &entry.value };
            let usable = self.is_identifier(field.key, field.key_span, "an output");
            // One that is wrong is an output all the same, for those who refer to it.
            let template = self.template(&field).or_else(|| Template::new("", &self.place(&field), self.report));
            if let (Some(template), true) = (template, usable) {
                outputs.push((field.key.to_owned(), template));
            }
        }
        outputs
    }

    /// `runs_on`: one label or several.
    pub(super) fn runs_on(&mut self, field: &Field) -> Vec<String> {
        let errors = self.report.errors();
        let labels = self.labels(field, "a label");
        if labels.is_empty() && errors == self.report.errors() {
            self.report.error_hint("value", field.place(), "`runs_on` has no label", "leave it out for any executor");
        }
        labels
    }

    /// `checkout: { depth: 50, submodules: true }`.
    pub(super) fn checkout(&mut self, field: &Field) -> CheckoutPlan {
        let Some(fields) = Fields::read(field.value, field.key_span, &keys::CHECKOUT, self) else {
            return CheckoutPlan::default();
        };
        if fields.is_empty() {
            self.report.error_hint("value", field.place(), "`checkout` says nothing", "its keys are depth, submodules");
        }
        CheckoutPlan {
            depth: fields.get("depth").and_then(|field| {
                let depth = self.int(field.value, field.place(), "`depth`", 1, limits::DEPTH_MAX)?;
                u32::try_from(depth).ok()
            }),
            submodules: fields.get("submodules").and_then(|field| self.bool(field)).unwrap_or(false),
        }
    }

    pub(super) fn resources(&mut self, field: &Field) -> Resources {
        let Some(fields) = Fields::read(field.value, field.key_span, &keys::RESOURCES, self) else { return Resources::default() };
        if fields.is_empty() {
            self.report.error_hint("value", field.place(), "`resources` says nothing", "its keys are cpu, memory, pids");
        }
        Resources {
            cpu_millis: fields.get("cpu").and_then(|field| self.cpu(field)),
            memory_bytes: fields.get("memory").and_then(|field| self.memory(field)),
            pids: fields.get("pids").and_then(|field| {
                let pids = self.int(field.value, field.place(), "`pids`", 1, limits::PIDS_MAX)?;
                u32::try_from(pids).ok()
            }),
        }
    }

    /// Processors as a decimal number, in thousandths.
    fn cpu(&mut self, field: &Field) -> Option<u64> {
        let text = self.text(field)?;
        let Some(millis) = thousandths(text) else {
            let millis = text.strip_suffix('m').and_then(|text| text.parse::<u64>().ok());
            let hint = match millis {
                Some(millis) => format!("write `{}`", millis as f64 / 1_000.0),
                None => "processors are a number, such as `2` or `0.5`".to_owned(),
            };
            self.report.error_hint("type", field.place(), format!("`cpu` must be a number, found `{}`", shown(text)), hint);
            return None;
        };
        if (limits::CPU_MIN_MILLIS..=limits::CPU_MAX_MILLIS).contains(&millis) {
            return Some(millis);
        }
        let message = format!("`cpu` must be between 0.01 and {}, found {}", limits::CPU_MAX_MILLIS / 1_000, shown(text));
        self.report.error("out-of-range", field.place(), message);
        None
    }

    fn memory(&mut self, field: &Field) -> Option<u64> {
        let text = self.text(field)?;
        match bytes(text) {
            Ok(bytes) if (limits::MEMORY_MIN_BYTES..=limits::MEMORY_MAX_BYTES).contains(&bytes) => Some(bytes),
            Ok(_) => {
                let message = format!("`memory` must be between 6MiB and 64TiB, found {}", shown(text));
                self.report.error("out-of-range", field.place(), message);
                None
            }
            Err(hint) => {
                self.report.error_hint("size", field.place(), format!("`{}` is no amount of memory", shown(text)), hint);
                None
            }
        }
    }

    /// Names in a list, each once.
    fn labels(&mut self, field: &Field, of: &str) -> Vec<String> {
        let mut labels: Vec<String> = Vec::new();
        for (text, span) in self.bounded(field, limits::LABELS, "names").unwrap_or_default() {
            if self.check_label(text, span, of) && !labels.iter().any(|label| label == text) {
                labels.push(text.to_owned());
            }
        }
        labels
    }
}

/// A decimal number without sign and exponent, in thousandths; `None` also when it is more precise.
fn thousandths(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || text.ends_with('.') || fraction.len() > 3 {
        return None;
    }
    let fraction: u64 = format!("{fraction:0<3}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(fraction)
}

/// An amount with its unit, or what to do.
fn bytes(text: &str) -> Result<u64, String> {
    let form = "write it like `512MiB`, `4GiB` or `1G`".to_owned();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(form);
    }
    if unit.is_empty() {
        return Err(format!("say the unit: `{number}MiB`"));
    }
    if unit.starts_with(['.', ',']) {
        return Err("use whole numbers and a smaller unit: `1536MiB`, not `1.5GiB`".to_owned());
    }
    let Some((_, factor)) = UNITS.iter().find(|(known, _)| *known == unit) else {
        let near = UNITS.iter().find(|(known, _)| known.eq_ignore_ascii_case(unit.trim()));
        return Err(near.map_or(form, |(near, _)| format!("write `{number}{near}`")));
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor)).ok_or_else(|| "no machine has as much".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_of_memory_have_a_unit() {
        for (text, expected) in [
            ("512MiB", 512 << 20),
            ("4GiB", 4 << 30),
            ("1G", 1_000_000_000),
            ("1GB", 1_000_000_000),
            ("2TiB", 2 << 40),
            ("7000000B", 7_000_000),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for bad in
            ["", "4", "GiB", "4 GiB", "4gib", "1.5GiB", "-1GiB", "4Gib ", "99999999999999999999GiB", "18446744073709551615K"]
        {
            assert!(bytes(bad).is_err(), "{bad}");
        }
        assert_eq!(bytes("4gib").unwrap_err(), "write `4GiB`");
        assert_eq!(bytes("4g").unwrap_err(), "write `4G`");
    }

    #[test]
    fn processors_are_decimal_numbers() {
        for (text, expected) in [("2", 2_000), ("0.5", 500), ("1.25", 1_250), ("0.001", 1), ("007", 7_000)] {
            assert_eq!(thousandths(text), Some(expected), "{text}");
        }
        for bad in ["", ".5", "1.", "-1", "+1", "1e3", "0.0005", "2x", "٣", "99999999999999999999"] {
            assert_eq!(thousandths(bad), None, "{bad}");
        }
    }
}
