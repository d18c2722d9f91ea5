//! What was seen of an attempt from outside: how it ended, and what it used. Beside the exit, never instead of it.

use serde::{Deserialize, Serialize};

/// What was seen of one attempt. `None` where the executor cannot tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Observed {
    /// The signal that ended its process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Processes of it that the kernel ended since they had no memory left.
    #[serde(skip_serializing_if = "is_none_or_zero")]
    pub oom_kills: Option<u64>,
    /// The most memory that it had at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_peak_bytes: Option<u64>,
    /// Time of processors that it used, in its own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_user_ms: Option<u64>,
    /// The same in the kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_system_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written_bytes: Option<u64>,
    /// What the image's name stood for: `name@sha256:…` where a registry said it, else the engine's own `sha256:…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// How long it waited for its image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pulled_ms: Option<u64>,
    /// How long it took to make it ready, its image being here: from the word to start it until it ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prepared_ms: Option<u64>,
}

/// Most attempts have enough.
fn is_none_or_zero(count: &Option<u64>) -> bool {
    count.is_none_or(|count| count == 0)
}

impl Observed {
    /// Nothing was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
