//! The streams of a log.

use serde::{Deserialize, Serialize};

/// Which stream a piece of output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    Stdout,
    Stderr,
    /// Gantry's own words: pulls, limits, losses.
    System,
}
