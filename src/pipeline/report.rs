//! Collects the problems of one file.
//!
//! **Invariants:** every place lies within the file; problems come out sorted by place, each once; a bounded number of them, and the last one says
//! how many are not shown.

use std::collections::HashSet;

use crate::base::limits::PROBLEMS;

use super::problem::{Problem, Severity};
use super::yaml::{Fault, Source, Span};

/// A longer line is not shown with its problem (a minified file would be stored once for each).
const SOURCE_CHARS: usize = 1_000;
/// Characters of the user's own words in a message.
const SHOWN_CHARS: usize = 60;

/// The problems so far.
pub(super) struct Report<'a> {
    file: &'a str,
    pub source: &'a Source,
    found: Vec<Found>,
    errors: usize,
}

/// A problem without its line.
struct Found {
    span: Span,
    severity: Severity,
    code: &'static str,
    message: String,
    hint: Option<String>,
}

impl<'a> Report<'a> {
    pub fn new(file: &'a str, source: &'a Source) -> Self {
        Self { file, source, found: Vec::new(), errors: 0 }
    }

    /// No plan can be made.
    pub fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.add(Severity::Error, code, span, message.into(), None);
    }

    /// No plan can be made, and what to do.
    pub fn error_hint(&mut self, code: &'static str, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.add(Severity::Error, code, span, message.into(), Some(hint.into()));
    }

    /// It works, and should be written otherwise.
    pub fn warning(&mut self, code: &'static str, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.add(Severity::Warning, code, span, message.into(), Some(hint.into()));
    }

    pub fn fault(&mut self, fault: Fault) {
        self.add(Severity::Error, fault.code, fault.span, fault.message, fault.hint);
    }

    /// How many errors there are so far: who wants to know whether a part was right compares before and after.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// Whether there are more errors than will be told: then costly hints are not worth their time.
    pub fn is_full(&self) -> bool {
        self.errors > PROBLEMS
    }

    fn add(&mut self, severity: Severity, code: &'static str, span: Span, message: String, hint: Option<String>) {
        self.errors += usize::from(severity == Severity::Error);
        let span = self.source.clamp(span);
        self.found.push(Found { span, severity, code, message, hint });
    }

    /// All problems, in order.
    pub fn finish(self) -> Vec<Problem> {
        let Self { file, source, mut found, errors } = self;
        let by_place = |found: &Found| (found.span.line, found.span.column, found.severity);
        found.sort_by_key(by_place);
        let mut seen = HashSet::new();
        found.retain(|found| seen.insert((found.span, found.code, found.message.clone())));
        let all = found.len();
        if all > PROBLEMS {
            // Warnings never push errors out.
            found.sort_by_key(|found| found.severity);
            found.truncate(PROBLEMS);
            found.sort_by_key(by_place);
        }
        let more = all - found.len();
        if more > 0 {
            let severity = if errors > PROBLEMS { Severity::Error } else { Severity::Warning };
            let message = format!("{more} more {} not shown", if more == 1 { "problem is" } else { "problems are" });
            found.push(Found { span: Span::FILE, severity, code: "more-problems", message, hint: None });
        }
        found.into_iter().map(|found| problem(file, source, found)).collect()
    }
}

fn problem(file: &str, source: &Source, found: Found) -> Problem {
    let Found { span: Span { line, column, length }, severity, code, message, hint } = found;
    let text = source.line(line);
    let text = if text.chars().nth(SOURCE_CHARS).is_some() { "" } else { text };
    Problem {
        severity,
        code: code.to_owned(),
        message,
        file: file.to_owned(),
        line,
        column,
        length: length.max(1),
        source: text.to_owned(),
        hint,
    }
}

/// The user's own words, fit for a message: short, on one line, nothing that steers a terminal or reorders text.
pub(super) fn shown(text: &str) -> String {
    let mut out: String = text.chars().take(SHOWN_CHARS).map(visible).collect();
    if text.chars().nth(SHOWN_CHARS).is_some() {
        out.push('…');
    }
    out
}

/// A character that can be shown in place of this one.
pub(super) fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{2028}' | '\u{2029}' => {
            '\u{fffd}'
        }
        _ if c.is_control() => '\u{fffd}',
        _ => c,
    }
}

/// The candidate nearest to a misspelt word, when it is near enough to be what was meant.
pub(super) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if word.chars().count() > SHOWN_CHARS {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    let word = plain(word);
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&word, &plain(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
