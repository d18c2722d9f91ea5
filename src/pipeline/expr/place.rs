//! Where the characters of a scalar's text stand in the file.

use crate::pipeline::yaml::{Kind, Node, Source, Span};

/// A text of the file, with the way back to its place.
#[derive(Debug, Clone)]
pub(in crate::pipeline) struct Place {
    pub span: Span,
    /// Where each line of the text stands, and its length in characters, as far as the text stands in the file as it is; empty when escapes or
    /// folding changed it.
    lines: Vec<(Option<Span>, usize)>,
}

impl Place {
    /// The place of a scalar's text.
    pub fn of(node: &Node, source: &Source) -> Self {
        let span = node.span;
        let Kind::Scalar { text, .. } = &node.kind else { return Self { span, lines: Vec::new() } };
        let lines = if text.contains('\n') { block(text, span, source) } else { single(text, span, source) };
        Self { span, lines }
    }

    /// The place of `length` characters, `offset` characters into the text: exact where that is known, the whole text elsewhere.
    pub fn part(&self, offset: usize, length: usize) -> Span {
        let mut before = offset;
        for (line, characters) in &self.lines {
            if before <= *characters {
                return line.map_or(self.span, |line| line.part(before, length));
            }
            before -= characters + 1;
        }
        self.span
    }
}

/// A text on one line, with or without quotes.
fn single(text: &str, span: Span, source: &Source) -> Vec<(Option<Span>, usize)> {
    if span.length == usize::MAX || text.is_empty() {
        return block(text, span, source);
    }
    let written = source.under(span).trim_end();
    let inner = written.strip_prefix(['"', '\'']).and_then(|rest| rest.strip_suffix(['"', '\'']));
    let quote = if written == text {
        0
    } else if inner == Some(text) {
        1
    } else {
        return Vec::new();
    };
    vec![(Some(span.part(quote, 1)), text.chars().count())]
}

/// A block: each line of the text is looked for in the file's line where it must stand.
fn block(text: &str, span: Span, source: &Source) -> Vec<(Option<Span>, usize)> {
    let lines = text.split('\n').enumerate().map(|(at, line)| {
        let number = span.line + at;
        let written = source.line(number);
        let found = written.strip_suffix(line).filter(|indent| !line.is_empty() && indent.trim().is_empty());
        let place = found.map(|indent| Span { line: number, column: indent.chars().count() + 1, length: 1 });
        (place, line.chars().count())
    });
    lines.collect()
}
