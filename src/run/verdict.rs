//! From an exit to what becomes of the step: passed, tried again, or ended with an outcome and a sentence.

use crate::pipeline::{AllowFailure, Cause, StepPlan};

use super::signal::{ended_by, of_code, signal};
use super::{Exit, Observed, Outcome, StopReason};
use crate::base::Size;

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
    /// what is wrong with the files that it wrote: an attempt that would have passed fails by it. `seen` is what was seen of it from outside, `memory` what
    /// its job lets it have.
    pub fn of(
        exit: &Exit,
        (seen, memory): (&Observed, Option<u64>),
        stopped: Option<&StopReason>,
        problem: Option<&str>,
    ) -> Self {
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
            (Exit::Code(code), _) => (Outcome::Failed, failed_sentence(*code, seen, memory), Some(Cause::Failure)),
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

/// `exited with 2`, and more where more is known: want of memory, a signal, a shell's custom.
fn failed_sentence(code: i32, seen: &Observed, memory: Option<u64>) -> String {
    let killed = seen.signal == Some(9) || of_code(code) == Some(9);
    match seen.oom_kills {
        Some(1..) if killed => return format!("ran out of memory{}", memory_sentence(seen, memory)),
        Some(kills @ 1..) => {
            let processes = if kills == 1 { "one of its processes".to_owned() } else { format!("{kills} of its processes") };
            return format!("exited with {code}: {processes} ran out of memory{}", memory_sentence(seen, memory));
        }
        Some(0) | None => {}
    }
    if let Some(number) = seen.signal {
        return ended_by(number);
    }
    match (code, of_code(code).and_then(signal)) {
        (126, _) => "exited with 126: the command is not executable".to_owned(),
        (127, _) => "exited with 127: the command was not found".to_owned(),
        (_, Some((name, meaning))) => format!("exited with {code} ({name}: {meaning})"),
        (_, None) => format!("exited with {code}"),
    }
}

/// How much it had and may have, and what to do.
fn memory_sentence(seen: &Observed, memory: Option<u64>) -> String {
    let used = seen.memory_peak_bytes.map(Size);
    match (used, memory.map(Size)) {
        (Some(used), Some(memory)) => format!(": used {used} of {memory}; raise `resources.memory`"),
        (None, Some(memory)) => format!(": it may use {memory}; raise `resources.memory`"),
        (Some(used), None) => format!(": used {used}, which is all that the server or its machine gives it"),
        (None, None) => ": it used all that the server or its machine gives it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn want_of_memory_and_signals_are_called_by_their_names() {
        let oom = |kills| Observed { oom_kills: Some(kills), memory_peak_bytes: Some(512 << 20), ..Observed::default() };
        let by = |number| Observed { signal: Some(number), ..Observed::default() };
        let none = Observed::default();
        let limit = Some(512 << 20);
        for (code, seen, memory, sentence) in [
            (137, &oom(1), limit, "ran out of memory: used 512 MiB of 512 MiB; raise `resources.memory`"),
            (137, &oom(1), None, "ran out of memory: used 512 MiB, which is all that the server or its machine gives it"),
            (
                2,
                &oom(1),
                limit,
                "exited with 2: one of its processes ran out of memory: used 512 MiB of 512 MiB; raise `resources.memory`",
            ),
            (
                1,
                &oom(3),
                limit,
                "exited with 1: 3 of its processes ran out of memory: used 512 MiB of 512 MiB; raise `resources.memory`",
            ),
            (137, &oom(0), limit, "exited with 137 (SIGKILL: it was killed from outside, often for want of memory)"),
            (139, &by(11), None, "ended by SIGSEGV: an invalid memory access"),
            (162, &by(34), None, "ended by signal 34"),
            (139, &none, None, "exited with 139 (SIGSEGV: an invalid memory access)"),
            (134, &none, None, "exited with 134 (SIGABRT: it gave itself up: a failed assertion or an abort)"),
            (127, &none, None, "exited with 127: the command was not found"),
            (255, &none, None, "exited with 255"),
            (128, &none, None, "exited with 128"),
            (-1, &none, None, "exited with -1"),
        ] {
            assert_eq!(failed_sentence(code, seen, memory), sentence);
        }
    }
}
