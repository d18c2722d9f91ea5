//! Text with `${{ }}` in it.

use std::collections::BTreeMap;

use super::evaluate::Trouble;
use super::values::Values;
use super::{Expression, Library, Place, Want};
use crate::base::limits;
use crate::pipeline::plan::{Late, Text};
use crate::pipeline::report::Report;
use crate::pipeline::yaml::Span;

const OPEN: &str = "${{";
const CLOSE: &str = "}}";

/// A text whose `${{ }}` are checked.
#[derive(Debug)]
pub(in crate::pipeline) struct Template {
    pub span: Span,
    /// As written.
    source: String,
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Expression(Expression),
}

/// A part that is not compiled yet.
enum Piece<'t> {
    Text(&'t str),
    /// What is between the braces, and where that begins, in characters.
    Expression(&'t str, usize),
}

impl Template {
    /// Checks each expression; `None` when one is wrong, which is then reported.
    pub fn new(text: &str, place: &Place, report: &mut Report) -> Option<Self> {
        let mut parts = Vec::new();
        let mut sound = true;
        for piece in pieces(text) {
            match piece {
                Ok(Piece::Text(text)) => parts.push(Part::Text(text.to_owned())),
                Ok(Piece::Expression(inner, offset)) => match Expression::new(inner, place, offset, Want::Text, report) {
                    Some(expression) => parts.push(Part::Expression(expression)),
                    None => sound = false,
                },
                Err(offset) => {
                    let message = "`${{` is never closed";
                    report.error_hint("expression", place.part(offset, OPEN.len()), message, "close it with `}}`");
                    return None;
                }
            }
        }
        let source = if parts.iter().any(|part| matches!(part, Part::Expression(_))) { text.to_owned() } else { String::new() };
        sound.then_some(Self { span: place.span, source, parts })
    }

    /// Its expressions.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.parts.iter().filter_map(|part| match part {
            Part::Expression(expression) => Some(expression),
            Part::Text(_) => None,
        })
    }

    /// The text, with its values or for the run to fill; otherwise where and what went wrong.
    pub fn fill(&self, values: &dyn Values, library: &Library) -> Result<Text, (Span, String)> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Expression(expression) => match expression.text(values, library) {
                    Ok(text) => out.push_str(&text),
                    Err(Trouble::Later) => return self.later(values, library).map(Text::Late),
                    Err(Trouble::Wrong(message)) => return Err((expression.span, message)),
                },
            }
        }
        Ok(Text::Fixed(out))
    }

    /// The text for the run to fill, with what is known of it.
    fn later(&self, values: &dyn Values, library: &Library) -> Result<Late, (Span, String)> {
        let mut known = BTreeMap::new();
        for expression in self.expressions() {
            match expression.text(values, library) {
                Ok(text) => {
                    known.insert(expression.text.clone(), Text::Fixed(text));
                }
                Err(Trouble::Later) => expression.remember(values, &mut known),
                Err(Trouble::Wrong(message)) => return Err((expression.span, message)),
            }
        }
        Ok(Late { late: self.source.clone(), known })
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

/// A text that was checked before, filled: `known` says what is known of an expression already. One that grows too long ends there, longer than
/// [`limits::SCRIPT_BYTES`], for the caller to refuse.
pub(in crate::pipeline) fn fill_again(
    text: &str,
    values: &dyn Values,
    library: &Library,
    known: impl Fn(&str) -> Option<Result<String, String>>,
) -> Result<String, String> {
    let mut out = String::new();
    for piece in pieces(text) {
        match piece {
            Ok(Piece::Text(text)) => out.push_str(text),
            Ok(Piece::Expression(inner, _)) => match known(inner.trim()) {
                Some(text) => out.push_str(&text?),
                None => {
                    let filled = Expression::again(inner, Want::Text)?.text(values, library);
                    out.push_str(&filled.map_err(Trouble::sentence)?);
                }
            },
            Err(_) => return Err("`${{` is never closed".to_owned()),
        }
        // Values come from steps: a text that holds one a thousand times must not become a thousand times as long before it is refused.
        if out.len() > limits::SCRIPT_BYTES {
            break;
        }
    }
    Ok(out)
}

/// The parts of a text; `Err` is where one begins that is never closed, in characters.
fn pieces(text: &str) -> Vec<Result<Piece<'_>, usize>> {
    let mut pieces = Vec::new();
    let (mut rest, mut offset) = (text, 0);
    while let Some((before, after)) = rest.split_once(OPEN) {
        if !before.is_empty() {
            pieces.push(Ok(Piece::Text(before)));
        }
        offset += before.chars().count();
        let Some(end) = close(after) else {
            pieces.push(Err(offset));
            return pieces;
        };
        let inner = after.get(..end).unwrap_or_default();
        offset += OPEN.len();
        pieces.push(Ok(Piece::Expression(inner, offset)));
        offset += inner.chars().count() + CLOSE.len();
        rest = after.get(end + CLOSE.len()..).unwrap_or_default();
    }
    if !rest.is_empty() {
        pieces.push(Ok(Piece::Text(rest)));
    }
    pieces
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
