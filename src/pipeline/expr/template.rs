//! Text with `${{ }}` in it.

use super::{Expression, Facts, Place, Want};
use crate::pipeline::report::Report;
use crate::pipeline::yaml::Span;

const OPEN: &str = "${{";
const CLOSE: &str = "}}";

/// A text whose `${{ }}` are checked.
#[derive(Debug)]
pub(in crate::pipeline) struct Template {
    pub span: Span,
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Expression(Expression),
}

impl Template {
    /// Checks each expression; `None` when one is wrong, which is then reported.
    pub fn new(text: &str, place: &Place, report: &mut Report) -> Option<Self> {
        let mut parts = Vec::new();
        let mut sound = true;
        let (mut rest, mut offset) = (text, 0);
        while let Some((before, after)) = rest.split_once(OPEN) {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            offset += before.chars().count();
            let Some(end) = close(after) else {
                report.error_hint("expression", place.part(offset, OPEN.len()), "`${{` is never closed", "close it with `}}`");
                return None;
            };
            let inner = after.get(..end).unwrap_or_default();
            offset += OPEN.len();
            match Expression::new(inner, place, offset, Want::Text, report) {
                Some(expression) => parts.push(Part::Expression(expression)),
                None => sound = false,
            }
            offset += inner.chars().count() + CLOSE.len();
            rest = after.get(end + CLOSE.len()..).unwrap_or_default();
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        sound.then_some(Self { span: place.span, parts })
    }

    /// The text for a trigger; otherwise where and what went wrong.
    pub fn fill(&self, facts: &Facts) -> Result<String, (Span, String)> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Expression(expression) => out.push_str(&expression.text(facts).map_err(|error| (expression.span, error))?),
            }
        }
        Ok(out)
    }

    /// The text when it is the same for each trigger.
    pub fn fixed(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}

/// Where the first `${{` stands, in characters, if there is one.
pub(in crate::pipeline) fn braces(text: &str) -> Option<usize> {
    text.split_once(OPEN).map(|(before, _)| before.chars().count())
}

/// The byte at which the expression ends: the first `}}` outside of quotes.
fn close(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if text.get(at..).is_some_and(|rest| rest.starts_with(CLOSE)) => return Some(at),
            None => {}
        }
    }
    None
}
