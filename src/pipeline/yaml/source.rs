//! Bytes → text and lines. A byte order mark and CRLF are fine; bytes that are no UTF-8, NUL and a file past the limit are faults.

use super::{Fault, Span};
use crate::base::limits;

/// A file's text. Always there, so that places can be shown even when the bytes are wrong.
#[derive(Debug)]
pub(in crate::pipeline) struct Source {
    pub text: String,
    /// Where each line begins and ends in `text`, without its break.
    lines: Vec<(usize, usize)>,
    /// Set when the text must not be parsed.
    pub fault: Option<Fault>,
}

impl Source {
    /// Total: takes anything.
    pub fn new(bytes: &[u8]) -> Self {
        if bytes.len() > limits::PIPELINE_FILE_BYTES {
            let fault = Fault::new(
                "file-too-large",
                Span::FILE,
                format!("the file is larger than {} KiB", limits::PIPELINE_FILE_BYTES / 1024),
            )
            .hint("split it: each file in `.gantry/` is a pipeline of its own");
            return Self { text: String::new(), lines: vec![(0, 0)], fault: Some(fault) };
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let (text, fault_at) = match std::str::from_utf8(bytes) {
            Ok(text) => (text.to_owned(), None),
            Err(error) => (String::from_utf8_lossy(bytes).into_owned(), Some(error.valid_up_to())),
        };
        let lines = lines(&text);
        let mut source = Self { text, lines, fault: None };
        if let Some(at) = fault_at {
            let fault = Fault::new(
                "not-utf8",
                source.span_at(at),
                format!("byte {:#04x} is no UTF-8 text", bytes.get(at).copied().unwrap_or_default()),
            );
            source.fault = Some(fault.hint("save the file as UTF-8"));
        } else if let Some(at) = source.text.find('\0') {
            let fault = Fault::new("nul", source.span_at(at), "the file has a NUL character".to_owned());
            source.fault = Some(fault.hint("a pipeline is a text file"));
        } else if source.text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            source.fault = Some(Fault::empty());
        }
        source
    }

    /// The line's text; empty past the end.
    pub fn line(&self, line: usize) -> &str {
        let (start, end) = line.checked_sub(1).and_then(|at| self.lines.get(at)).copied().unwrap_or_default();
        self.text.get(start..end).unwrap_or_default()
    }

    /// The place nearest to `span` that is in the file: the end of the last line with something on it, for a place past the end.
    pub fn clamp(&self, span: Span) -> Span {
        if span.line == 0 {
            return Span::FILE;
        }
        let mut line = span.line.min(self.lines.len()).max(1);
        let mut column = if line == span.line { span.column.max(1) } else { usize::MAX };
        let past_the_end = (line..=self.lines.len()).all(|after| self.line(after).trim().is_empty());
        if past_the_end {
            column = usize::MAX;
            while line > 1 && self.line(line).trim().is_empty() {
                line -= 1;
            }
        }
        let characters = self.line(line).chars().count();
        let column = column.min(characters + 1);
        Span { line, column, length: span.length.min((characters + 1).saturating_sub(column)).max(1) }
    }

    /// The text under `span`.
    pub fn under(&self, span: Span) -> String {
        self.line(span.line).chars().skip(span.column.saturating_sub(1)).take(span.length).collect()
    }

    fn span_at(&self, byte: usize) -> Span {
        let line = self.lines.partition_point(|(start, _)| *start <= byte).max(1);
        let start = self.lines.get(line - 1).map_or(0, |(start, _)| *start);
        let column = self.text.get(start..byte).map_or(1, |before| before.chars().count() + 1);
        Span { line, column, length: 1 }
    }
}

/// Line breaks as YAML has them: LF, CRLF, and CR alone.
fn lines(text: &str) -> Vec<(usize, usize)> {
    let mut lines = Vec::new();
    let mut start = 0;
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        let next = match byte {
            b'\n' => at + 1,
            b'\r' if bytes.peek().is_some_and(|(_, b)| *b == b'\n') => {
                bytes.next();
                at + 2
            }
            b'\r' => at + 1,
            _ => continue,
        };
        lines.push((start, at));
        start = next;
    }
    lines.push((start, text.len()));
    lines
}
