//! One test case, and how the texts of a report are made fit to be kept: names are one line without controls, everything has a length.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base::limits::{TEST_DETAILS_BYTES, TEST_MESSAGE_BYTES, TEST_NAME_CHARS};

/// One test, as one report tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestCase {
    /// The class, package or binary that it belongs to; may be empty.
    pub suite: String,
    pub name: String,
    /// What makes it the same test in the next report: a digest of suite and name before they were cut.
    pub identity: String,
    /// `path`, or `path:line`, as the report has it.
    pub file: Option<String>,
    pub outcome: TestOutcome,
    /// It failed at first and passed when its own runner tried it again.
    pub flaky: bool,
    pub duration_ms: Option<u64>,
    /// Why it did not pass (or, of a flaky one, not at first), or why it was skipped.
    pub message: Option<String>,
    /// Stack traces and output of one that did not pass. May hold terminal escapes.
    pub details: Option<String>,
}

/// The tests of a run in numbers. Of a test that was tried in several attempts at a step, the last result counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TestSummary {
    pub total: u64,
    /// Failed or broken.
    pub failed: u64,
    pub skipped: u64,
    /// On the same commit and in the same place they also ended otherwise, whatever they ended as last.
    pub flaky: u64,
}

/// `214 tests: 2 failed, 1 flaky, 4 skipped`.
impl fmt::Display for TestSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { total, failed, skipped, flaky } = self;
        write!(f, "{total} test{}: ", if *total == 1 { "" } else { "s" })?;
        let parts: Vec<String> = [(failed, "failed"), (flaky, "flaky"), (skipped, "skipped")]
            .into_iter()
            .filter(|(count, _)| **count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        f.write_str(&if parts.is_empty() { "none failed".to_owned() } else { parts.join(", ") })
    }
}

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestOutcome {
    Passed,
    /// What it checks does not hold.
    Failed,
    /// It broke before or after it could check anything.
    Error,
    Skipped,
}

impl TestOutcome {
    /// The word in rows and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            TestOutcome::Passed => "passed",
            TestOutcome::Failed => "failed",
            TestOutcome::Error => "error",
            TestOutcome::Skipped => "skipped",
        }
    }

    /// Whether somebody should look at it.
    #[must_use]
    pub fn is_bad(self) -> bool {
        match self {
            TestOutcome::Failed | TestOutcome::Error => true,
            TestOutcome::Passed | TestOutcome::Skipped => false,
        }
    }
}

impl fmt::Display for TestOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TestOutcome {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let all = [TestOutcome::Passed, TestOutcome::Failed, TestOutcome::Error, TestOutcome::Skipped];
        all.into_iter().find(|outcome| outcome.as_str() == word).ok_or_else(|| format!("`{word}` is no outcome of a test"))
    }
}

/// The digest that makes two cases the same test.
pub(super) fn identity(suite: &str, name: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(suite.as_bytes());
    digest.update([0]);
    digest.update(name.as_bytes());
    hex::encode(&digest.finalize()[..16])
}

/// A name on one line: controls become blanks, characters that reorder what is read are replaced, and it has an end.
#[must_use]
pub fn name(text: &str) -> String {
    let shown = |char: char| match char {
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        char if char.is_control() => ' ',
        char => char,
    };
    let text = text.trim();
    let mut name: String = text.chars().take(TEST_NAME_CHARS).map(shown).collect();
    if text.chars().nth(TEST_NAME_CHARS).is_some() {
        name.push('…');
    }
    name
}

/// A message, cut; nothing when it is blank.
pub(super) fn message(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| {
        let kept = floor(text, TEST_MESSAGE_BYTES);
        if kept.len() < text.len() { format!("{kept}…") } else { kept.to_owned() }
    })
}

/// The first line that says something.
pub(super) fn first_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}

/// What a Rust panic says, without the line about its thread and the trace after it; nothing when the text is none.
pub(super) fn panic_message(details: &str) -> String {
    let mut lines = details.trim_start().lines();
    if !lines.next().is_some_and(|line| line.starts_with("thread '") && line.contains(" panicked at ")) {
        return String::new();
    }
    let is_said = |line: &&str| !line.starts_with("stack backtrace:") && !line.starts_with("note: ");
    lines.take_while(is_said).collect::<Vec<_>>().join("\n")
}

/// The beginning of a text, at most `bytes` of it, cut between characters.
fn floor(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// Text that is collected piece by piece up to a bound; what comes after it is only counted.
#[derive(Debug, Default)]
pub(super) struct Bounded {
    text: String,
    dropped: usize,
}

impl Bounded {
    pub(super) fn push(&mut self, piece: &str) {
        let room = TEST_DETAILS_BYTES.saturating_sub(self.text.len());
        // Once something was left out, nothing is added: a text with holes would mislead.
        let kept = if self.dropped > 0 { "" } else { floor(piece, room) };
        self.text.push_str(kept);
        self.dropped = self.dropped.saturating_add(piece.len() - kept.len());
    }

    /// Adds a part under a heading: what it has beyond what was said already, since some runners cut the failure out of the output.
    pub(super) fn part(&mut self, heading: &str, text: &Bounded, said: &str) {
        let rest = text.text.trim();
        if rest.is_empty() || (!said.is_empty() && rest.replacen(said, "", 1).trim().is_empty()) {
            return;
        }
        if !self.text.trim().is_empty() {
            self.push(if self.text.ends_with('\n') { "\n" } else { "\n\n" });
        }
        self.push(&format!("--- {heading} ---\n"));
        self.push(text.text.trim_matches('\n'));
        self.dropped = self.dropped.saturating_add(text.dropped);
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The text, with a last line that tells how much is missing; nothing when it is blank.
    pub(super) fn finish(self) -> Option<String> {
        let Self { text, dropped } = self;
        let text = text.trim_matches(['\n', '\r']).trim_end();
        if text.is_empty() {
            return None;
        }
        Some(if dropped > 0 { format!("{text}\n… {dropped} bytes more were not kept") } else { text.to_owned() })
    }
}
