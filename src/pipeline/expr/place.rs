//! Where the characters of a scalar's text stand in the file.

use crate::pipeline::yaml::{Kind, Node, Source, Span};

/// A text of the file, with the way back to its place.
#[derive(Debug, Clone, Copy)]
pub(in crate::pipeline) struct Place {
    pub span: Span,
    /// Characters before the text begins (the quote), when the text stands in the file as it is; `None` when escapes or folding changed it.
    exact: Option<usize>,
}

impl Place {
    /// The place of a scalar's text.
    pub fn of(node: &Node, source: &Source) -> Self {
        let Kind::Scalar { text, .. } = &node.kind else { return Self { span: node.span, exact: None } };
        if node.span.length == usize::MAX || text.is_empty() {
            return Self { span: node.span, exact: None };
        }
        let written = source.under(node.span);
        let exact = if written == *text {
            Some(0)
        } else {
            let inner = written.strip_prefix(['"', '\'']).and_then(|rest| rest.strip_suffix(['"', '\'']));
            (inner == Some(text.as_str())).then_some(1)
        };
        Self { span: node.span, exact }
    }

    /// The place of `length` characters, `offset` characters into the text: exact where that is known, the whole text elsewhere.
    pub fn part(&self, offset: usize, length: usize) -> Span {
        match self.exact {
            Some(quote) => self.span.part(quote + offset, length),
            None => self.span,
        }
    }
}
