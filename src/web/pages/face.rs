//! States as people see them: a word, an icon and a colour, so that no one of them has to be seen to know.

use std::fmt;

use askama::filters::HtmlSafe;

use crate::run::{Outcome, TestOutcome};

/// How a run, job or step looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Face {
    /// Name of the colour and of the symbol in `icons.svg`.
    pub class: &'static str,
    /// What is read beside the icon.
    pub word: &'static str,
    /// For the tab's title.
    pub sign: char,
}

impl Face {
    /// By the words of the run's JSON.
    pub(super) fn of(state: &str, outcome: Option<Outcome>) -> Self {
        let face = |class, word, sign| Self { class, word, sign };
        match (outcome, state) {
            (Some(Outcome::Passed), _) => face("passed", "passed", '✓'),
            (Some(Outcome::Warning), _) => face("warning", "warning", '!'),
            (Some(Outcome::Failed), _) => face("failed", "failed", '✗'),
            (Some(Outcome::TimedOut), _) => face("timed_out", "timed out", '✗'),
            (Some(Outcome::Cancelled), _) => face("cancelled", "cancelled", '⊘'),
            (Some(Outcome::Skipped), _) => face("skipped", "skipped", '»'),
            (Some(Outcome::Lost), _) => face("lost", "lost", '✗'),
            (Some(Outcome::Error), _) => face("error", "error", '✗'),
            (None, "running") => face("running", "running", '●'),
            (None, "starting") => face("starting", "starting", '●'),
            (None, "preparing") => face("preparing", "preparing", '●'),
            (None, "stopping") => face("stopping", "stopping", '●'),
            (None, "backoff") => face("backoff", "will retry", '○'),
            (None, "queued") => face("queued", "queued", '○'),
            (None, _) => face("waiting", "waiting", '○'),
        }
    }

    /// Of a test's result.
    pub(super) fn of_test(outcome: TestOutcome, flaky: bool) -> Self {
        let face = |class, word, sign| Self { class, word, sign };
        match (outcome, flaky) {
            (TestOutcome::Passed, false) => face("passed", "passed", '✓'),
            (TestOutcome::Passed, true) => face("flaky", "flaky", '~'),
            (TestOutcome::Failed, _) => face("failed", "failed", '✗'),
            (TestOutcome::Error, _) => face("error", "error", '✗'),
            (TestOutcome::Skipped, _) => face("skipped", "skipped", '»'),
        }
    }

    /// The icon alone; the word stands beside it or in its title.
    pub(super) fn icon(&self) -> Icon {
        Icon(self.class)
    }

    /// Icon and word.
    pub(super) fn badge(&self) -> Badge {
        Badge(*self)
    }
}

/// `<svg>` that shows a symbol of `icons.svg`.
pub(super) struct Icon(&'static str);

impl fmt::Display for Icon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(class) = self;
        write!(f, r##"<svg class="icon s-{class}" aria-hidden="true"><use href="/assets/icons.svg#{class}"/></svg>"##)
    }
}

/// Icon and word in the state's colour.
pub(super) struct Badge(Face);

impl fmt::Display for Badge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(face) = self;
        write!(f, r#"<span class="badge s-{}">{}{}</span>"#, face.class, face.icon(), face.word)
    }
}

// Made of the words above only.
impl HtmlSafe for Icon {}
impl HtmlSafe for Badge {}
