//! What goes in and what comes out.

use std::str::FromStr;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::base::{AttemptKey, RepoId, RunId, Timestamp};
use crate::run::{TestCase, TestOutcome};

/// What one attempt's reports said.
#[derive(Debug, Clone)]
pub struct Harvest {
    pub key: AttemptKey,
    pub repo: RepoId,
    pub commit: String,
    pub branch: String,
    /// Names of pipeline, job and step: where a test is the same test.
    pub pipeline: String,
    pub job: String,
    pub step: String,
    /// In an order that is the same each time.
    pub cases: Vec<TestCase>,
    /// Sentences about what could not be read.
    pub problems: Vec<String>,
}

/// Something about a run's reports that somebody should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportProblem {
    pub job: String,
    pub step: String,
    pub attempt: u32,
    pub sentence: String,
}

/// One result in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunTest {
    /// Of the test, the same in every run of the repository.
    pub id: String,
    pub suite: String,
    pub name: String,
    pub file: Option<String>,
    pub outcome: TestOutcome,
    /// On the same commit and in the same place it also ended otherwise.
    pub flaky: bool,
    pub duration_ms: Option<u64>,
    pub message: Option<String>,
    pub details: Option<String>,
    pub job: String,
    pub step: String,
    pub attempt: u32,
}

/// Which results of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunTests {
    pub pick: Option<TestPick>,
    /// Part of suite or name, whatever its case.
    pub q: Option<String>,
    /// The `next` of the page before.
    pub before: Option<Place>,
    /// Rows at most; 0 means, and more is cut to, [`PAGE_ROWS`](crate::base::limits::PAGE_ROWS).
    pub limit: u32,
}

/// What a list of results is narrowed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestPick {
    Passed,
    /// Failed or broken: whatever somebody should look at.
    Failed,
    Error,
    Skipped,
    Flaky,
}

impl TestPick {
    /// All, with their words.
    pub const ALL: [(TestPick, &str); 5] = [
        (TestPick::Failed, "failed"),
        (TestPick::Flaky, "flaky"),
        (TestPick::Error, "error"),
        (TestPick::Skipped, "skipped"),
        (TestPick::Passed, "passed"),
    ];

    /// The word in addresses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            TestPick::Passed => "passed",
            TestPick::Failed => "failed",
            TestPick::Error => "error",
            TestPick::Skipped => "skipped",
            TestPick::Flaky => "flaky",
        }
    }
}

impl FromStr for TestPick {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = TestPick::ALL.iter().find(|(_, known)| *known == word);
        found.map(|(pick, _)| *pick).ok_or_else(|| "it must be one of passed, failed, error, skipped and flaky".to_owned())
    }
}

/// A place in a list of results: numbers with a dot between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(pub(super) [i64; 3]);

impl Place {
    pub(super) fn text(self) -> String {
        let [a, b, c] = self.0;
        format!("{a}.{b}.{c}")
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "it must be taken from `next` of the page before".to_owned();
        let numbers = text.split('.').map(|part| part.parse::<i64>()).collect::<Result<Vec<_>, _>>().map_err(|_| wrong())?;
        <[i64; 3]>::try_from(numbers).map(Place).map_err(|_| wrong())
    }
}

/// A test of a repository, with what is known of its newest results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RepoTest {
    pub id: String,
    pub suite: String,
    pub name: String,
    pub file: Option<String>,
    /// The newest first, at most [`TEST_RECENT`](crate::base::limits::TEST_RECENT).
    pub recent: Vec<Recent>,
    /// How many of these did not pass.
    pub failures: u32,
    /// How many of these ended otherwise on the same commit.
    pub flakes: u32,
    /// How long it usually takes.
    pub usual_ms: Option<u64>,
    pub last_at: Timestamp,
    pub last_run: RunId,
    /// Its number in this database.
    #[serde(skip)]
    pub(super) n: i64,
}

/// One of the newest results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Recent {
    pub outcome: TestOutcome,
    pub flaky: bool,
}

impl Recent {
    /// The letter in the row.
    pub(super) fn letter(self) -> char {
        let letter = match self.outcome {
            TestOutcome::Passed => 'P',
            TestOutcome::Failed => 'F',
            TestOutcome::Error => 'E',
            TestOutcome::Skipped => 'S',
        };
        if self.flaky { letter.to_ascii_lowercase() } else { letter }
    }

    pub(super) fn of(letter: char) -> Option<Self> {
        let outcome = match letter.to_ascii_uppercase() {
            'P' => TestOutcome::Passed,
            'F' => TestOutcome::Failed,
            'E' => TestOutcome::Error,
            'S' => TestOutcome::Skipped,
            _ => return None,
        };
        Some(Self { outcome, flaky: letter.is_ascii_lowercase() })
    }
}

/// Which tests of a repository, and in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepoTests {
    pub order: TestOrder,
    /// Part of suite or name, whatever its case.
    pub q: Option<String>,
    /// The `next` of the page before, in the same order.
    pub before: Option<Place>,
    /// Rows at most; 0 means, and more is cut to, [`PAGE_ROWS`](crate::base::limits::PAGE_ROWS).
    pub limit: u32,
}

/// What comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TestOrder {
    /// Those that were flaky most often, then those that failed most often.
    #[default]
    Flaky,
    /// Those that did not pass most often.
    Failing,
    /// Those that usually take longest.
    Slow,
}

impl TestOrder {
    /// All, with their words.
    pub const ALL: [(TestOrder, &str); 3] =
        [(TestOrder::Flaky, "flaky"), (TestOrder::Failing, "failing"), (TestOrder::Slow, "slow")];

    /// The word in addresses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            TestOrder::Flaky => "flaky",
            TestOrder::Failing => "failing",
            TestOrder::Slow => "slow",
        }
    }
}

impl FromStr for TestOrder {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = TestOrder::ALL.iter().find(|(_, known)| *known == word);
        found.map(|(order, _)| *order).ok_or_else(|| "it must be one of flaky, failing and slow".to_owned())
    }
}

/// One result of a test, with where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TestResult {
    pub run: RunId,
    /// The run's number in its repository.
    pub number: u64,
    pub commit: String,
    pub branch: String,
    pub pipeline: String,
    pub job: String,
    pub step: String,
    pub attempt: u32,
    pub at: Timestamp,
    pub outcome: TestOutcome,
    pub flaky: bool,
    pub duration_ms: Option<u64>,
    pub message: Option<String>,
    pub details: Option<String>,
}

/// Which results of a test: the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    pub before: Option<Place>,
    pub limit: u32,
}

/// The id of a test: of this repository, with this identity.
pub(super) fn test_id(repo: &RepoId, identity: &str) -> String {
    let digest = Sha256::digest(format!("{repo}\0{identity}").as_bytes());
    hex::encode(&digest[..10])
}
