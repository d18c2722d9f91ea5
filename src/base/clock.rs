//! Time. **Invariant:** nothing else in Gantry reads the clock, so that a decision is made of its inputs alone.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A moment, in milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This moment, `ms` milliseconds later. Never overflows.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)))
    }

    /// Milliseconds from `earlier` to this moment; 0 when the clock went backwards.
    #[must_use]
    pub fn ms_since(self, earlier: Timestamp) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }

    /// How long to sleep from `now` until this moment.
    #[must_use]
    pub fn until(self, now: Timestamp) -> Duration {
        Duration::from_millis(self.ms_since(now))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where the time comes from. Handed in, so that tests and the simulation hold the hands of the clock.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// A clock that stands still until it is moved; in nanoseconds.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// Now, in milliseconds.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp(self.now_ns().div_euclid(1_000_000))
    }

    /// Now, in nanoseconds since 1970-01-01 UTC: the resolution of log lines.
    #[must_use]
    pub fn now_ns(&self) -> i64 {
        match self {
            #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
            Clock::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)),
            Clock::Manual(ns) => ns.load(Ordering::Relaxed),
        }
    }
}
