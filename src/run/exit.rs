//! How an attempt ended, by the executor's word.

use serde::{Deserialize, Serialize};

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// The process ended with this code (128 + N after signal N).
    Code(i32),
    /// It ran, and is gone without a word of its own: container vanished, engine died. The sentence says which.
    Lost(String),
    /// It could not be run, for a reason that is not the script's. The sentence says which.
    Infrastructure(String),
    /// It may not run as it is, and trying again would change nothing. The sentence says why.
    Refused(String),
    /// It was told to stop before it ran.
    NeverRan,
}
