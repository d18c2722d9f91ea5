//! How a run, job or step ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How it ended. `passed` and `warning` are the good ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Passed,
    /// A failure that was allowed: neither green nor red.
    Warning,
    Failed,
    TimedOut,
    Cancelled,
    Skipped,
    /// Its container vanished, or its engine died under it.
    Lost,
    /// Gantry could not do its part: an invalid pipeline, an image that cannot be pulled.
    Error,
}

impl Outcome {
    /// The word used in JSON, rows and pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Warning => "warning",
            Outcome::Failed => "failed",
            Outcome::TimedOut => "timed_out",
            Outcome::Cancelled => "cancelled",
            Outcome::Skipped => "skipped",
            Outcome::Lost => "lost",
            Outcome::Error => "error",
        }
    }

    /// Whether what needs it may go on.
    #[must_use]
    pub fn is_good(self) -> bool {
        matches!(self, Outcome::Passed | Outcome::Warning)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
