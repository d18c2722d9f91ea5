//! Results of tests as people see them: one result with its message and, unfolded, its trace; all of a run in numbers.
//!
//! **Invariant:** names, messages and traces come from reports, so they are text: escaped by the template, or by `ansi`, which lets colours through as
//! class names.

use std::fmt;

use askama::filters::HtmlSafe;

use super::encoded;
use super::face::Face;
use crate::base::took;
use crate::run::{TestOutcome, TestSummary};
use crate::store::{RunTest, TestResult};
use crate::web::ansi;

/// Lines of a message that are shown before it is unfolded.
const LINES: usize = 3;
/// Characters of such a line.
const COLUMNS: usize = 400;

/// One result of a run, ready to be shown.
pub(super) struct ResultRow {
    pub test: RunTest,
    pub face: Face,
    pub told: Told,
    /// Empty where the report has none.
    pub took: String,
    /// The test's own page.
    pub history: String,
    /// Where its step's log is.
    pub log: String,
}

impl ResultRow {
    pub(super) fn new(test: RunTest, repo: &str, run: &str) -> Self {
        Self {
            face: Face::of_test(test.outcome, test.flaky),
            told: Told::of(test.message.as_deref(), test.details.as_deref()),
            took: test.duration_ms.map(took).unwrap_or_default(),
            history: format!("/repos/{}/tests/{}", encoded(repo), test.id),
            log: format!("/runs/{run}?job={}&step={}&attempt={}", encoded(&test.job), encoded(&test.step), test.attempt),
            test,
        }
    }

    /// What makes the row the same after a change of the page.
    pub(super) fn key(&self) -> String {
        format!("{}/{}/{}/{}", self.test.id, self.test.job, self.test.step, self.test.attempt)
    }

    /// It did not pass, and has at other times: worth a mark beside its face.
    pub(super) fn is_flaky_and_bad(&self) -> bool {
        self.test.flaky && self.test.outcome != TestOutcome::Passed
    }
}

/// Why a result is as it is.
pub(super) struct Told {
    /// The first lines of the message, without colours; not escaped.
    pub lines: Vec<String>,
    /// All there is, escaped; `None` when the lines are all.
    pub whole: Option<String>,
}

impl Told {
    pub(super) fn of(message: Option<&str>, details: Option<&str>) -> Self {
        let (message, details) = (message.unwrap_or_default(), details.unwrap_or_default());
        let shown = |line: &str| {
            let text = ansi::to_text(line);
            match text.char_indices().nth(COLUMNS) {
                Some((end, _)) => format!("{}…", &text[..end]),
                None => text,
            }
        };
        let mut all = message.lines().filter(|line| !line.trim().is_empty());
        let lines: Vec<String> = all.by_ref().take(LINES).map(shown).collect();
        let is_cut = all.next().is_some() || lines.iter().any(|line| line.ends_with('…'));
        // A trace mostly begins with the message; else the message is put before it.
        let text = match (details.is_empty(), details.contains(message.trim())) {
            (true, _) => message.to_owned(),
            (false, true) => details.to_owned(),
            (false, false) => format!("{message}\n\n{details}"),
        };
        let says_more = is_cut || !details.is_empty();
        Self { lines, whole: says_more.then(|| block(&text)) }
    }
}

/// Lines as HTML, with their colours.
fn block(text: &str) -> String {
    text.lines().map(ansi::to_html).collect::<Vec<_>>().join("\n")
}

/// A result in a test's history, ready to be shown.
pub(super) struct HistoryRow {
    pub result: TestResult,
    pub face: Face,
    pub told: Told,
    pub took: String,
    pub log: String,
    pub at: super::moment::Ago,
}

impl HistoryRow {
    pub(super) fn new(result: TestResult, now: crate::base::Timestamp) -> Self {
        let log = format!(
            "/runs/{}?job={}&step={}&attempt={}",
            result.run,
            encoded(&result.job),
            encoded(&result.step),
            result.attempt
        );
        Self {
            face: Face::of_test(result.outcome, result.flaky),
            told: Told::of(result.message.as_deref(), result.details.as_deref()),
            took: result.duration_ms.map(took).unwrap_or_default(),
            at: super::moment::Ago { at: result.at, now },
            log,
            result,
        }
    }

    pub(super) fn short_commit(&self) -> &str {
        super::row::short(&self.result.commit)
    }

    pub(super) fn is_flaky_and_bad(&self) -> bool {
        self.result.flaky && self.result.outcome != TestOutcome::Passed
    }
}

/// All results of a run in numbers.
#[derive(Clone, Copy)]
pub(super) struct Counts(pub TestSummary);

impl Counts {
    /// How many of each face, those to be looked at first.
    fn parts(self) -> [(&'static str, u64); 4] {
        let TestSummary { total, failed, skipped, flaky } = self.0;
        let good = total.saturating_sub(failed).saturating_sub(skipped);
        // A flaky test that failed is counted as failed here.
        let flaky = flaky.min(good);
        [("failed", failed), ("flaky", flaky), ("skipped", skipped), ("passed", good - flaky)]
    }

    /// The face of the whole.
    pub(super) fn face(self) -> Face {
        match self.parts() {
            [(_, 1..), ..] => Face::of_test(TestOutcome::Failed, false),
            [_, (_, 1..), ..] => Face::of_test(TestOutcome::Passed, true),
            [.., (_, 1..)] => Face::of_test(TestOutcome::Passed, false),
            _ => Face::of_test(TestOutcome::Skipped, false),
        }
    }

    /// `2 failed`, `1 flaky`, … each with its class; what there is none of is left out.
    pub(super) fn words(self) -> Vec<(&'static str, String)> {
        let parts = self.parts().into_iter().filter(|(_, count)| *count > 0);
        parts.map(|(class, count)| (class, format!("{count} {class}"))).collect()
    }

    /// `of 214 tests`.
    pub(super) fn total(self) -> String {
        format!("{} test{}", self.0.total, if self.0.total == 1 { "" } else { "s" })
    }

    pub(super) fn bar(self) -> Bar {
        Bar(self)
    }
}

/// The parts of the whole, as long as they are large.
pub(super) struct Bar(Counts);

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.0.0.total.max(1);
        write!(f, r#"<svg class="proportions" viewBox="0 0 1000 6" preserveAspectRatio="none" aria-hidden="true">"#)?;
        let parts: Vec<_> = self.0.parts().into_iter().filter(|(_, count)| *count > 0).collect();
        let mut x = 0;
        for (place, (class, count)) in (1..).zip(&parts) {
            let rest = 1000_u64.saturating_sub(x);
            // A few of thousands are still to be seen, and the last part goes to the end.
            let width = if place == parts.len() { rest } else { (count.saturating_mul(1000) / total).max(6).min(rest) };
            write!(f, r#"<rect class="bar-{class}" x="{x}" width="{width}" height="6"/>"#)?;
            x += width;
        }
        f.write_str("</svg>")
    }
}

// Made of numbers and the words above only.
impl HtmlSafe for Bar {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_shows_the_beginning_of_its_message_and_unfolds_to_all_of_it() {
        let told = Told::of(Some("\x1b[31mred\x1b[0m <b>\n\nsecond\nthird\nfourth"), Some("trace\x1b[1m!\x1b[0m"));
        assert_eq!(told.lines, ["red <b>", "second", "third"]);
        let whole = told.whole.unwrap();
        assert!(whole.starts_with("<span class=\"f1\">red</span> &lt;b&gt;\n\nsecond"), "{whole}");
        assert!(whole.ends_with("fourth\n\ntrace<span class=\"bold\">!</span>"), "{whole}");
        assert_eq!(Told::of(Some("short"), None).whole, None, "nothing is behind it");
        assert_eq!(Told::of(Some("said"), Some("said\nat x")).whole.as_deref(), Some("said\nat x"), "not twice");
        let long = Told::of(Some(&"x".repeat(1_000)), None);
        assert_eq!((long.lines[0].chars().count(), long.whole.map(|whole| whole.len())), (401, Some(1_000)));
    }

    #[test]
    fn counts_add_up_whatever_a_row_says() {
        let counts = |total, failed, skipped, flaky| Counts(TestSummary { total, failed, skipped, flaky });
        let words = |counts: Counts| counts.words().into_iter().map(|(_, words)| words).collect::<Vec<_>>().join(", ");
        assert_eq!(words(counts(214, 2, 4, 1)), "2 failed, 1 flaky, 4 skipped, 207 passed");
        assert_eq!(words(counts(3, 3, 0, 2)), "3 failed");
        assert_eq!(words(counts(0, 0, 0, 0)), "");
        assert_eq!(words(counts(1, 5, 5, 5)), "5 failed, 5 skipped");
        let bar = counts(100_000, 1, 0, 0).bar().to_string();
        assert!(bar.contains(r#"x="0" width="6""#) && bar.contains(r#"x="6" width="994""#), "{bar}");
    }
}
