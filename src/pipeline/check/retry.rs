//! `retry: 2`, or `{ max, when, exit_codes, backoff }`.

use super::fields::{Field, Fields};
use super::{Reader, keys};
use crate::base::limits;
use crate::pipeline::plan::{Cause, Retry};
use crate::pipeline::report::{nearest, shown};
use crate::pipeline::yaml::{Kind, Node, Span};

const CAUSES: [(&str, Cause); 3] =
    [("infrastructure", Cause::Infrastructure), ("failure", Cause::Failure), ("timeout", Cause::Timeout)];

impl Reader<'_, '_> {
    pub(super) fn retry(&mut self, field: &Field) -> Option<Retry> {
        if !matches!(field.value.kind, Kind::Map(_)) {
            let max = self.attempts(field.value, field.place(), "`retry`")?;
            return Some(Retry { max, ..Retry::default() });
        }
        let fields = Fields::read(field.value, field.key_span, &keys::RETRY, self)?;
        let default = Retry::default();
        let max = match fields.get("max") {
            Some(max) => self.attempts(max.value, max.place(), "`max`"),
            None => {
                self.report.error_hint(
                    "missing-key",
                    field.key_span,
                    "`retry` needs `max`",
                    "how many further attempts there are: `retry: { max: 2 }`",
                );
                None
            }
        };
        let when = fields.get("when").and_then(|field| self.causes(field));
        let exit_codes = fields.get("exit_codes").and_then(|field| self.exit_codes(field));
        let backoff_ms = fields.get("backoff").and_then(|field| self.backoff(field));
        Some(Retry {
            max: max?,
            when: when.unwrap_or(default.when),
            exit_codes: exit_codes.unwrap_or(default.exit_codes),
            backoff_ms: backoff_ms.unwrap_or(default.backoff_ms),
        })
    }

    fn attempts(&mut self, node: &Node, span: Span, what: &str) -> Option<u32> {
        let max = self.int(node, span, what, 0, i64::from(limits::ATTEMPTS) - 1)?;
        u32::try_from(max).ok()
    }

    fn causes(&mut self, field: &Field) -> Option<Vec<Cause>> {
        let mut causes = Vec::new();
        for (text, span) in self.texts(field)? {
            match CAUSES.iter().find(|(word, _)| *word == text) {
                Some((_, cause)) if causes.contains(cause) => {}
                Some((_, cause)) => causes.push(*cause),
                None => {
                    let hint = match nearest(text, CAUSES.map(|(word, _)| word)) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "causes are infrastructure, failure, timeout".to_owned(),
                    };
                    self.report.error_hint("value", span, format!("`{}` is no cause of a retry", shown(text)), hint);
                }
            }
        }
        Some(causes)
    }

    fn backoff(&mut self, field: &Field) -> Option<u64> {
        let ms = self.duration(field)?;
        if ms > 3_600_000 {
            self.report.error("out-of-range", field.place(), "`backoff` must be at most one hour");
            return None;
        }
        Some(ms)
    }

    /// A list of exit codes of failures, or one.
    pub(super) fn exit_codes(&mut self, field: &Field) -> Option<Vec<i32>> {
        let what = "an exit code";
        let codes: Vec<Option<i64>> = match &field.value.kind {
            Kind::List(items) => items.iter().map(|node| self.int(node, node.span, what, 1, 255)).collect(),
            Kind::Scalar { .. } | Kind::Map(_) => vec![self.int(field.value, field.place(), what, 1, 255)],
        };
        let codes: Option<Vec<i64>> = codes.into_iter().collect();
        Some(codes?.into_iter().filter_map(|code| i32::try_from(code).ok()).collect())
    }
}
