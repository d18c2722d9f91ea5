//! From an exit to what becomes of the step: passed, tried again, or ended with an outcome and a sentence.

use crate::pipeline::{AllowFailure, Cause, StepPlan};

use super::{Exit, Outcome, StopReason};

/// What an exit means for its step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub outcome: Outcome,
    pub reason: String,
    pub exit_code: Option<i32>,
    /// Why it may be tried again; `None` for good ends, for what was cancelled and for what may not run.
    cause: Option<Cause>,
}

impl Verdict {
    /// Reads an exit. `stopped` is why the attempt was told to end, if it was: that explains the exit better than the exit itself does. `problem` is
    /// what is wrong with the files that it wrote: an attempt that would have passed fails by it.
    pub fn of(exit: &Exit, stopped: Option<&StopReason>, problem: Option<&str>) -> Self {
        let exit_code = match exit {
            Exit::Code(code) => Some(*code),
            Exit::Lost(_) | Exit::Infrastructure(_) | Exit::Refused(_) | Exit::NeverRan => None,
        };
        if let Some(why) = stopped {
            let (outcome, cause) =
                if why.is_timeout() { (Outcome::TimedOut, Some(Cause::Timeout)) } else { (Outcome::Cancelled, None) };
            return Self { outcome, reason: why.to_string(), exit_code, cause };
        }
        let (outcome, reason, cause) = match (exit, problem) {
            (Exit::Code(0), None) => (Outcome::Passed, "passed".to_owned(), None),
            (Exit::Code(0), Some(problem)) => (Outcome::Failed, problem.to_owned(), Some(Cause::Failure)),
            (Exit::Code(code), _) => (Outcome::Failed, failed_sentence(*code), Some(Cause::Failure)),
            (Exit::Lost(why), _) => (Outcome::Lost, why.clone(), Some(Cause::Infrastructure)),
            (Exit::Infrastructure(why), _) => (Outcome::Error, why.clone(), Some(Cause::Infrastructure)),
            (Exit::Refused(why), _) => (Outcome::Error, why.clone(), None),
            (Exit::NeverRan, _) => (Outcome::Lost, "it was stopped before it ran".to_owned(), Some(Cause::Infrastructure)),
        };
        Self { outcome, reason, exit_code, cause }
    }

    /// The wait before the next attempt, if the step's `retry` wants one after this end of attempt number `attempt`.
    pub fn retry_after_ms(&self, plan: &StepPlan, attempt: u32) -> Option<u64> {
        let cause = self.cause?;
        let code_wanted = cause != Cause::Failure
            || plan.retry.exit_codes.is_empty()
            || self.exit_code.is_some_and(|code| plan.retry.exit_codes.contains(&code));
        let again = attempt <= plan.retry.max && plan.retry.when.contains(&cause) && code_wanted;
        again.then(|| plan.retry.backoff_ms.saturating_mul(1 << attempt.saturating_sub(1).min(16)))
    }

    /// A failure that the step allows becomes a warning.
    pub fn allowed(mut self, plan: &StepPlan) -> Self {
        let allowed = self.cause.is_some()
            && match &plan.allow_failure {
                AllowFailure::No => false,
                AllowFailure::Any => true,
                AllowFailure::Codes(codes) => self.exit_code.is_some_and(|code| codes.contains(&code)),
            };
        if allowed {
            self.outcome = Outcome::Warning;
            self.reason = format!("{}; `allow_failure` makes it a warning", self.reason);
        }
        self
    }
}

/// `exited with 2`, and what a code above 128 means by the shell's custom.
fn failed_sentence(code: i32) -> String {
    let signal = match code {
        126 => return "exited with 126: the command is not executable".to_owned(),
        127 => return "exited with 127: the command was not found".to_owned(),
        129 => "SIGHUP",
        130 => "SIGINT",
        134 => "SIGABRT",
        137 => "SIGKILL, often for want of memory",
        139 => "SIGSEGV",
        143 => "SIGTERM",
        _ => return format!("exited with {code}"),
    };
    format!("exited with {code} ({signal})")
}
