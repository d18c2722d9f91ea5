//! Bytes → text and lines. A byte order mark and CRLF are fine; bytes that are no UTF-8, control characters and a file past the limit are faults.

use super::{Fault, Span};
use crate::base::limits;

/// A file's text. Always there, so that places can be shown even when the bytes are wrong.
#[derive(Debug)]
pub(in crate::pipeline) struct Source {
    pub text: String,
    lines: Vec<Line>,
    /// The byte at which each character begins; `None` when each is one byte.
    starts: Option<Vec<usize>>,
    /// Set when the text must not be parsed.
    pub fault: Option<Fault>,
}

/// Where a line stands, without its break.
#[derive(Debug, Clone, Copy)]
struct Line {
    /// Bytes of the text.
    start: usize,
    end: usize,
    /// Characters of the text before it, and in it.
    before: usize,
    characters: usize,
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
            return Self { text: String::new(), lines: lines(""), starts: None, fault: Some(fault) };
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let (text, fault_at) = match std::str::from_utf8(bytes) {
            Ok(text) => (text.to_owned(), None),
            Err(error) => (String::from_utf8_lossy(bytes).into_owned(), Some(error.valid_up_to())),
        };
        let lines = lines(&text);
        let starts = (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).collect());
        let mut source = Self { text, lines, starts, fault: None };
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
        } else if let Some((at, found)) = source.text.char_indices().find(|(_, c)| is_unprintable(*c)) {
            let message = format!("the file has a control character (U+{:04X})", u32::from(found));
            let fault = Fault::new("control-character", source.span_at(at), message);
            source.fault = Some(fault.hint("YAML has none; in double quotes it can be written as an escape, such as `\\e`"));
        } else if source.text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            source.fault = Some(Fault::empty());
        }
        source
    }

    /// The line's text; empty past the end.
    pub fn line(&self, line: usize) -> &str {
        self.at(line).and_then(|line| self.text.get(line.start..line.end)).unwrap_or_default()
    }

    /// The place nearest to `span` that is in the file: the end of the last line with something on it, for a place past the end. Blanks at the end
    /// of a stretch are no part of it.
    pub fn clamp(&self, span: Span) -> Span {
        if span.line == 0 {
            return Span::FILE;
        }
        let mut line = span.line.min(self.lines.len()).max(1);
        let mut column = if line == span.line { span.column.max(1) } else { usize::MAX };
        let past_the_end =
            self.line(line).trim().is_empty() && (line..=self.lines.len()).all(|after| self.line(after).trim().is_empty());
        if past_the_end {
            column = usize::MAX;
            while line > 1 && self.line(line).trim().is_empty() {
                line -= 1;
            }
        }
        let characters = self.at(line).map_or(0, |line| line.characters);
        let column = column.min(characters + 1);
        let length = span.length.min((characters + 1).saturating_sub(column)).max(1);
        let written = self.under(Span { line, column, length }).trim_end().chars().count();
        Span { line, column, length: if written == 0 { length } else { written } }
    }

    /// The text under `span`, which ends with the line at the latest.
    pub fn under(&self, span: Span) -> &str {
        let Some(line) = self.at(span.line) else { return "" };
        let first = span.column.saturating_sub(1).min(line.characters);
        let last = first.saturating_add(span.length).min(line.characters);
        self.text.get(self.byte(line.before + first)..self.byte(line.before + last)).unwrap_or_default()
    }

    fn at(&self, line: usize) -> Option<Line> {
        self.lines.get(line.checked_sub(1)?).copied()
    }

    /// The byte at which a character of the text begins.
    fn byte(&self, character: usize) -> usize {
        match &self.starts {
            Some(starts) => starts.get(character).copied().unwrap_or(self.text.len()),
            None => character.min(self.text.len()),
        }
    }

    fn span_at(&self, byte: usize) -> Span {
        let line = self.lines.partition_point(|line| line.start <= byte).max(1);
        let start = self.at(line).map_or(0, |line| line.start);
        let column = self.text.get(start..byte).map_or(1, |before| before.chars().count() + 1);
        Span { line, column, length: 1 }
    }
}

/// A control character that YAML does not take: all but tabs and line breaks.
fn is_unprintable(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}')
}

/// Line breaks as YAML has them: LF, CRLF, and CR alone.
fn lines(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let (mut start, mut before) = (0, 0);
    let mut push = |end: usize, next: usize| {
        let characters = text.get(start..end).map_or(0, |line| line.chars().count());
        lines.push(Line { start, end, before, characters });
        before += characters + (next - end);
        start = next;
    };
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\n' => push(at, at + 1),
            b'\r' if bytes.next_if(|(_, next)| *next == b'\n').is_some() => push(at, at + 2),
            b'\r' => push(at, at + 1),
            _ => {}
        }
    }
    push(text.len(), text.len());
    lines
}
