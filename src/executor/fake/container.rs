//! One container of the fake engine, as its step's `env` wants it.

use super::files::Files;
use crate::base::{Clock, Timestamp};
use crate::executor::{StepSpec, Wrote};
use crate::run::{Exit, Observed};

/// One container.
#[derive(Clone)]
pub(super) struct Container {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) started_ns: i64,
    /// `None`: runs until it is stopped.
    pub(super) ends: Option<Timestamp>,
    pub(super) exit: Exit,
    pub(super) observed: Observed,
    pub(super) wrote: Wrote,
    /// Those outside of the work tree.
    pub(super) files: Files,
    pub(super) stubborn: bool,
    pub(super) grace_ms: u64,
}

impl Container {
    pub(super) fn of(step: &StepSpec, clock: &Clock) -> Self {
        let env = |name: &str| step.env.get(name).map(String::as_str);
        let text = |name: &str| env(name).unwrap_or_default().as_bytes().to_vec();
        let codes: Vec<i32> = env("FAKE_EXIT").unwrap_or("0").split(',').filter_map(|code| code.trim().parse().ok()).collect();
        let attempt = usize::try_from(step.key.attempt).unwrap_or(1).max(1);
        let code = codes.get(attempt - 1).or(codes.last()).copied().unwrap_or(0);
        let lasts = match env("FAKE_MS") {
            Some("hang") => None,
            ms => Some(ms.and_then(|ms| ms.parse().ok()).unwrap_or(0)),
        };
        Self {
            stdout: env("FAKE_OUTPUT").map_or_else(|| format!("{}\n", step.title), ToOwned::to_owned).into_bytes(),
            stderr: text("FAKE_STDERR"),
            started_ns: clock.now_ns(),
            ends: lasts.map(|ms| clock.now().plus_ms(ms)),
            exit: Exit::Code(code),
            observed: env("FAKE_OBSERVED").and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default(),
            files: Files::new(),
            wrote: Wrote {
                output: text("FAKE_WRITES_OUTPUT"),
                env: text("FAKE_WRITES_ENV"),
                summary: text("FAKE_WRITES_SUMMARY"),
            },
            stubborn: env("FAKE_STUBBORN").is_some(),
            grace_ms: step.grace_ms,
        }
    }

    pub(super) fn runs_at(&self, now: Timestamp) -> bool {
        self.ends.is_none_or(|ends| ends > now)
    }
}
