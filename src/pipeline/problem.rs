//! A problem in a pipeline file: what, where, and what to do.

use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// No plan can be made.
    Error,
    /// It works, and should be written otherwise.
    Warning,
}

/// One problem in a pipeline file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub severity: Severity,
    /// Stable, in kebab-case: `unknown-key`.
    pub code: String,
    /// One sentence without a full stop; names are in backticks.
    pub message: String,
    /// Path in the repository.
    pub file: String,
    /// From 1; 0 when the problem is the whole file's.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Characters to underline, at least 1.
    pub length: usize,
    /// The line itself, so that the problem can be shown without the file.
    pub source: String,
    /// What to do: `did you mean `run`?`.
    pub hint: Option<String>,
}
