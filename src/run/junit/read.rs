//! The reader: one pass over the events of an XML parser, with the open elements on a stack of known depth.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::TestCase;
use super::attributes::{Attributes, character, is_ascii_like, milliseconds};
use super::case::{self, Bounded, TestOutcome};
use crate::base::limits::{REPORT_CASES, REPORT_DEPTH, REPORT_FILE_BYTES};

/// The cases of one report, in its order; or why it cannot be read, as a sentence without a subject: "is not UTF-8: …".
///
/// # Errors
/// It is too large, no XML, no JUnit report, or holds what no report needs.
pub fn read(bytes: &[u8]) -> Result<Vec<TestCase>, String> {
    if bytes.len() > REPORT_FILE_BYTES {
        return Err(format!("is larger than {} MiB, which is the limit for one report", REPORT_FILE_BYTES / 1024 / 1024));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| format!("is not UTF-8: byte {} is wrong", error.valid_up_to() + 1))?;
    if let Some(at) = text.find('\0') {
        return Err(format!("holds a NUL in line {}", line_of(text, at)));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::from_str(text);
    let mut report = Report::default();
    loop {
        let event = reader.read_event();
        let at = usize::try_from(reader.error_position().max(reader.buffer_position())).unwrap_or(usize::MAX);
        // The parser's own words may quote the file at any length.
        let in_line = |why: String| format!("{} (line {})", case::name(&why), line_of(text, at));
        let event = event.map_err(|error| in_line(format!("is not well-formed XML: {error}")))?;
        if matches!(event, Event::Eof) {
            return report.end();
        }
        report.hear(event).map_err(in_line)?;
    }
}

/// The line of a position, from 1.
fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

/// What has been read so far.
#[derive(Default)]
struct Report {
    depth: usize,
    seen_root: bool,
    suites: Vec<Suite>,
    case: Option<Open>,
    /// Where text goes, and the depth of the element that said so.
    taking: Option<(Taking, usize)>,
    cases: Vec<TestCase>,
}

/// An open `testsuite`.
struct Suite {
    name: String,
    file: String,
    depth: usize,
}

/// A case whose end has not come yet.
struct Open {
    suite: String,
    name: String,
    file: Option<String>,
    duration_ms: Option<u64>,
    depth: usize,
    failed: bool,
    error: bool,
    skipped: bool,
    flaky: bool,
    /// How often its runner tried it again in vain.
    reruns: u32,
    /// Of the first element that says why.
    message: String,
    kind: String,
    /// The message of a further element, and how long the details were when it began.
    further: Option<(String, usize)>,
    details: Bounded,
    out: Bounded,
    err: Bounded,
}

#[derive(Clone, Copy)]
enum Taking {
    Details,
    Out,
    Err,
    Nothing,
}

impl Report {
    fn hear(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::Start(element) => self.open(&element),
            Event::Empty(element) => {
                self.open(&element)?;
                self.close();
                Ok(())
            }
            Event::End(_) => {
                self.close();
                Ok(())
            }
            Event::Text(text) => {
                self.text(&text);
                Ok(())
            }
            Event::CData(text) => {
                self.text(&text);
                Ok(())
            }
            Event::GeneralRef(reference) => {
                self.text(character(&reference)?.encode_utf8(&mut [0; 4]));
                Ok(())
            }
            Event::Decl(declaration) => match declaration.encoding() {
                None => Ok(()),
                // What is only ASCII is the same in all of these.
                Some(Ok(name)) if is_ascii_like(&name) => Ok(()),
                Some(Ok(name)) => Err(format!("says that it is in {}: write it as UTF-8", case::name(&name))),
                Some(Err(error)) => Err(format!("is not well-formed XML: {error}")),
            },
            Event::DocType(_) => Err("has a document type (<!DOCTYPE …>), which no report needs".to_owned()),
            Event::Comment(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn open(&mut self, element: &BytesStart<'_>) -> Result<(), String> {
        if self.depth == 0 && self.seen_root {
            return Err("has a second outermost element".to_owned());
        }
        if self.depth >= REPORT_DEPTH {
            return Err(format!("is nested deeper than {REPORT_DEPTH} elements, which is the limit"));
        }
        self.depth += 1;
        let name = element.local_name();
        let name = name.as_ref();
        if self.depth == 1 {
            self.seen_root = true;
            if !matches!(name, "testsuites" | "testsuite") {
                return Err(format!("is no JUnit report: its outermost element is `{}`", case::name(name)));
            }
        }
        match name {
            "testsuite" => {
                let suite = Suite { name: Attributes::of(element)?.name, file: Attributes::of(element)?.file, depth: self.depth };
                self.suites.push(suite);
            }
            "testcase" if self.case.is_none() => self.open_case(element)?,
            "failure" | "error" if self.case.is_none() && !self.suites.is_empty() => {
                self.open_case_of_suite();
                self.open_part(name, element)?;
            }
            _ => self.open_part(name, element)?,
        }
        Ok(())
    }

    fn open_case(&mut self, element: &BytesStart<'_>) -> Result<(), String> {
        if self.cases.len() >= REPORT_CASES {
            return Err(format!("has more than {REPORT_CASES} tests, which is the limit"));
        }
        let Attributes { name, class, file, line, time, status, result, kind: _, message: _ } = Attributes::of(element)?;
        let around = self.suites.last();
        // Where the class only says the name again, the suite says more.
        let class = Some(class).filter(|class| !matches!(class.trim(), "" | "test") && !name.contains(class.as_str()));
        let suite = class.unwrap_or_else(|| around.map(|suite| suite.name.clone()).unwrap_or_default());
        let file = if file.is_empty() { around.map(|suite| suite.file.clone()).unwrap_or_default() } else { file };
        let file = if line.is_empty() || file.is_empty() { file } else { format!("{file}:{line}") };
        let says = |words: &[&str]| words.iter().any(|word| status == *word || result == *word);
        self.case = Some(Open {
            suite,
            name,
            file: Some(case::name(&file)).filter(|file| !file.is_empty()),
            duration_ms: milliseconds(&time),
            depth: self.depth,
            failed: false,
            error: false,
            // GoogleTest says so here and has no element for it.
            skipped: says(&["notrun", "skipped", "suppressed", "disabled"]),
            flaky: false,
            reruns: 0,
            message: String::new(),
            kind: String::new(),
            further: None,
            details: Bounded::default(),
            out: Bounded::default(),
            err: Bounded::default(),
        });
        Ok(())
    }

    /// A suite that broke by itself, outside of any case: it becomes one.
    fn open_case_of_suite(&mut self) {
        let (suite, file) = self.suites.last().map(|suite| (suite.name.clone(), suite.file.clone())).unwrap_or_default();
        self.case = Some(Open {
            suite,
            name: "(the suite itself)".to_owned(),
            file: Some(case::name(&file)).filter(|file| !file.is_empty()),
            duration_ms: None,
            depth: self.depth,
            failed: false,
            error: false,
            skipped: false,
            flaky: false,
            reruns: 0,
            message: String::new(),
            kind: String::new(),
            further: None,
            details: Bounded::default(),
            out: Bounded::default(),
            err: Bounded::default(),
        });
    }

    /// What stands inside a case.
    fn open_part(&mut self, name: &str, element: &BytesStart<'_>) -> Result<(), String> {
        let Some(case) = &mut self.case else { return Ok(()) };
        match (&mut self.taking, name) {
            (None, _) => {}
            // A failure that carries its own output repeats there what it says itself.
            (Some((taking @ Taking::Details, _)), "system-out" | "system-err") => {
                *taking = Taking::Nothing;
                return Ok(());
            }
            // A stack trace inside a failure: its text is the failure's.
            (Some(_), _) => return Ok(()),
        }
        let tells = match name {
            "failure" => {
                case.failed = true;
                true
            }
            "error" => {
                case.error = true;
                true
            }
            "skipped" => {
                case.skipped = true;
                true
            }
            "flakyFailure" | "flakyError" => {
                case.flaky = true;
                true
            }
            "rerunFailure" | "rerunError" => {
                // The same once more: that it was tried again is all that is new.
                case.reruns += 1;
                self.taking = Some((Taking::Nothing, self.depth));
                false
            }
            "system-out" => {
                self.taking = Some((Taking::Out, self.depth));
                false
            }
            "system-err" => {
                self.taking = Some((Taking::Err, self.depth));
                false
            }
            _ => false,
        };
        if tells {
            let Attributes { message, kind, .. } = Attributes::of(element)?;
            if !case.details.as_str().is_empty() {
                case.details.push("\n");
            }
            if case.message.is_empty() {
                case.message = message;
            } else {
                case.further = Some((message, case.details.as_str().len()));
            }
            if case.kind.is_empty() {
                case.kind = kind;
            }
            self.taking = Some((Taking::Details, self.depth));
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if let (Some(case), Some((taking, _))) = (&mut self.case, self.taking) {
            match taking {
                // The blanks between an element and the one inside it are no text.
                Taking::Details if case.details.as_str().is_empty() && text.trim().is_empty() => {}
                Taking::Details => case.details.push(text),
                Taking::Out => case.out.push(text),
                Taking::Err => case.err.push(text),
                Taking::Nothing => {}
            }
        }
    }

    fn close(&mut self) {
        if self.taking.is_some_and(|(_, depth)| depth == self.depth) {
            self.taking = None;
            if let Some(case) = &mut self.case
                && let Some((message, before)) = case.further.take()
                && case.details.as_str().len() == before
            {
                // A second failure without text has nowhere else to say why.
                case.details.push(message.trim());
            }
        }
        if let Some(case) = self.case.take_if(|case| case.depth == self.depth) {
            self.cases.push(case.close());
        }
        self.suites.pop_if(|suite| suite.depth == self.depth);
        self.depth = self.depth.saturating_sub(1);
    }

    fn end(self) -> Result<Vec<TestCase>, String> {
        if !self.seen_root {
            return Err("is empty".to_owned());
        }
        if self.depth > 0 {
            return Err("ends in the middle: its last element is not closed".to_owned());
        }
        Ok(self.cases)
    }
}

impl Open {
    fn close(self) -> TestCase {
        let Self { suite, name, file, duration_ms, depth: _, failed, error, skipped, flaky, reruns, message, kind, .. } = self;
        let Self { mut details, out, err, .. } = self;
        let outcome = match (failed, error, skipped) {
            (true, _, _) => TestOutcome::Failed,
            (false, true, _) => TestOutcome::Error,
            (false, false, true) => TestOutcome::Skipped,
            (false, false, false) => TestOutcome::Passed,
        };
        let flaky = flaky && outcome == TestOutcome::Passed;
        let panic = case::panic_message(details.as_str());
        // Some runners always say the same.
        let message = if matches!(message.trim(), "Failed" | "failed" | "failure") { String::new() } else { message };
        let texts = [panic.as_str(), message.as_str(), case::first_line(details.as_str()), kind.as_str()];
        let said = texts.into_iter().find_map(case::message);
        if message.trim().lines().nth(1).is_some() && details.as_str().trim().is_empty() {
            // Some runners put the whole trace into the attribute.
            details.push(&message);
        }
        if outcome.is_bad() || flaky {
            let said = details.as_str().trim().to_owned();
            details.part("stdout", &out, &said);
            details.part("stderr", &err, &said);
            if reruns > 0 {
                details.push(&format!(
                    "\n\nIt was tried {} and did not pass.",
                    if reruns == 1 { "once more" } else { "again several times" }
                ));
            }
        }
        TestCase {
            identity: case::identity(&suite, &name),
            suite: case::name(&suite),
            name: Some(case::name(&name)).filter(|name| !name.is_empty()).unwrap_or_else(|| "(no name)".to_owned()),
            file,
            outcome,
            flaky,
            duration_ms,
            // What passed has nothing to explain.
            message: said.filter(|_| outcome != TestOutcome::Passed || flaky),
            details: details.finish().filter(|_| outcome.is_bad() || flaky),
        }
    }
}
