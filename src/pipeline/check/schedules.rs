//! `on.cron`: schedules with their names.

use super::fields::{Field, Fields};
use super::spec::Schedule;
use super::{Reader, keys};
use crate::base::limits;
use crate::pipeline::cron::{known_zone, schedule_fault};
use crate::pipeline::report::{nearest, shown};
use crate::pipeline::yaml::{Kind, Span};

/// The name of a schedule that has none.
const UNNAMED: &str = "cron";

impl Reader<'_, '_> {
    /// One text, or names with their schedules; a `timezone` beside them holds for all that have none of their own.
    pub(super) fn schedules(&mut self, field: &Field) -> Vec<Schedule> {
        match &field.value.kind {
            Kind::Scalar { .. } => {
                let expression = self.text(field).and_then(|text| self.expression(text, field));
                expression.map(|expression| schedule(UNNAMED, expression, None)).into_iter().collect()
            }
            Kind::List(_) => {
                let hint = "give each schedule a name: `cron: { nightly: \"0 3 * * *\" }`";
                self.report.error_hint("type", field.place(), "`on.cron` must be a map, found a list", hint);
                Vec::new()
            }
            Kind::Map(_) => self.named_schedules(field),
        }
    }

    fn named_schedules(&mut self, field: &Field) -> Vec<Schedule> {
        let Some(fields) = Fields::read(field.value, field.key_span, &keys::CRON, self) else { return Vec::new() };
        let timezone = fields.get("timezone").and_then(|field| self.timezone(field));
        if fields.others.is_empty() && !fields.refused {
            let hint = "for example `cron: { nightly: \"0 3 * * *\" }`";
            self.report.error_hint("value", field.place(), "`on.cron` has no schedule", hint);
        }
        if let Some(past) = fields.others.get(limits::SCHEDULES) {
            let message = format!("the pipeline has more than {} schedules", limits::SCHEDULES);
            self.report.error_hint(
                "too-many-schedules",
                past.key_span,
                message,
                "one schedule can name several times: `0 3,15 * * *`",
            );
        }
        let mut schedules = Vec::new();
        for entry in fields.others.iter().take(limits::SCHEDULES) {
            let named = self.check_name(entry.key, entry.key_span, "a schedule");
            if let (Some((expression, own)), true) = (self.entry(entry), named) {
                schedules.push(schedule(entry.key, expression, own.or_else(|| timezone.clone())));
            }
        }
        schedules
    }

    /// A schedule, or a map of it and its `timezone`.
    fn entry(&mut self, entry: &Field) -> Option<(String, Option<String>)> {
        if !matches!(entry.value.kind, Kind::Map(_)) {
            let text = self.text(entry)?;
            if let (Some(_), true) = (nearest(entry.key, ["timezone"]), text.split_whitespace().count() == 1) {
                let message = format!("`{}` is no schedule", shown(text));
                self.report.error_hint("schedule", entry.key_span, message, "did you mean `timezone`?");
                return None;
            }
            return Some((self.expression(text, entry)?, None));
        }
        let fields = Fields::read(entry.value, entry.key_span, &keys::SCHEDULE, self)?;
        let timezone = fields.get("timezone").map(|field| self.timezone(field));
        let Some(field) = fields.get("schedule") else {
            self.missing(&fields, entry, "schedule", "for example `schedule: \"0 3 * * *\"`");
            return None;
        };
        let expression = self.text(field).and_then(|text| self.expression(text, field))?;
        match timezone {
            Some(timezone) => Some((expression, Some(timezone?))),
            None => Some((expression, None)),
        }
    }

    fn expression(&mut self, text: &str, field: &Field) -> Option<String> {
        if !self.is_short(text, field.place(), "the schedule", limits::SCHEDULE_CHARS) {
            return None;
        }
        let Some(fault) = schedule_fault(text) else { return Some(text.split_whitespace().collect::<Vec<_>>().join(" ")) };
        let span: Span = self.place(field).part(fault.at.start, fault.at.len());
        self.report.error_hint("schedule", span, fault.message, fault.hint);
        None
    }

    fn timezone(&mut self, field: &Field) -> Option<String> {
        let text = self.text(field)?;
        match known_zone(text) {
            Ok(name) => Some(name),
            Err(hint) => {
                self.report.error_hint("timezone", field.place(), format!("there is no time zone `{}`", shown(text)), hint);
                None
            }
        }
    }
}

fn schedule(name: &str, expression: String, timezone: Option<String>) -> Schedule {
    Schedule { name: name.to_owned(), expression, timezone: timezone.unwrap_or_else(|| "UTC".to_owned()) }
}
