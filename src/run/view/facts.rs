//! What is known of steps and jobs in numbers: where their time went, and what they used.

use serde::{Deserialize, Serialize};

use crate::base::{Size, took};
use crate::pipeline::JobPlan;
use crate::run::{Job, Observed, Run, StepEnd, StepState};

use super::seen::Seen;

/// Where the time went, in milliseconds: the parts follow each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Times {
    /// A job: from the run's making until it was begun. A step: from its job's beginning until it was told to start, with all attempts before the last.
    pub waiting_ms: u64,
    /// A step: for its image. A job: as its first step did.
    pub pulling_ms: u64,
    /// A step: its container. A job: work tree, network and services, with their images, and the container of its first step.
    pub preparing_ms: u64,
    pub running_ms: u64,
}

/// What a step's last attempt used; `null` where the executor cannot tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Processes of it that were ended for want of memory.
    pub oom_kills: Option<u64>,
    pub memory_peak_bytes: Option<u64>,
    /// What its job lets it have.
    pub memory_limit_bytes: Option<u64>,
    pub cpu_user_ms: Option<u64>,
    pub cpu_system_ms: Option<u64>,
    pub read_bytes: Option<u64>,
    pub written_bytes: Option<u64>,
}

impl Times {
    /// What came before it ran: `waited 2.0 s, pulled 31 s, prepared 80 ms`; what took no time is left out.
    #[must_use]
    pub fn before(&self) -> String {
        let parts = [("waited", self.waiting_ms), ("pulled", self.pulling_ms), ("prepared", self.preparing_ms)];
        let said: Vec<String> =
            parts.iter().filter(|part| part.1 > 0).map(|(word, ms)| format!("{word} {}", took(*ms))).collect();
        said.join(", ")
    }
}

impl Usage {
    /// `312 MiB of 4 GiB memory, 3.2 s CPU, wrote 12 MiB`.
    #[must_use]
    pub fn words(&self) -> String {
        let memory = self.memory_peak_bytes.map(Size).map(|used| match self.memory_limit_bytes {
            Some(limit) => format!("{used} of {} memory", Size(limit)),
            None => format!("{used} memory"),
        });
        let cpu = self.cpu_user_ms.or(self.cpu_system_ms);
        let cpu = cpu.map(|_| took(self.cpu_user_ms.unwrap_or(0).saturating_add(self.cpu_system_ms.unwrap_or(0))));
        let written = self.written_bytes.filter(|bytes| *bytes > 0).map(|bytes| format!("wrote {}", Size(bytes)));
        let parts: Vec<String> = memory.into_iter().chain(cpu.map(|cpu| format!("{cpu} CPU"))).chain(written).collect();
        parts.join(", ")
    }
}

/// Of a step that has ended after it ran.
pub(super) fn step_times(job: &Seen, end: &StepEnd) -> Option<Times> {
    let (began, started) = (job.started_at?, end.started_at?);
    let (pulling_ms, preparing_ms) = (end.observed.pulled_ms.unwrap_or(0), end.observed.prepared_ms.unwrap_or(0));
    let before = started.ms_since(began);
    Some(Times {
        waiting_ms: before.saturating_sub(pulling_ms.saturating_add(preparing_ms)),
        pulling_ms,
        preparing_ms,
        running_ms: end.at.ms_since(started),
    })
}

/// Of a job that has ended after it began.
pub(super) fn job_times(run: &Run, job: &Job, seen: &Seen) -> Option<Times> {
    let (began, ended) = (seen.started_at?, seen.ended_at?);
    let ends = job.steps.iter().filter_map(|step| match &step.state {
        StepState::Ended(end) if end.taken.is_none() => Some((end.started_at?, end)),
        _ => None,
    });
    let waiting_ms = began.ms_since(run.queued_at);
    let Some((first, end)) = ends.min_by_key(|(started_at, _)| *started_at) else {
        return Some(Times { waiting_ms, preparing_ms: ended.ms_since(began), ..Times::default() });
    };
    let before = first.ms_since(began);
    // Of a further attempt more may have come between.
    let pulling_ms = end.observed.pulled_ms.unwrap_or(0).min(before);
    Some(Times { waiting_ms, pulling_ms, preparing_ms: before - pulling_ms, running_ms: ended.ms_since(first) })
}

pub(super) fn usage(job: &JobPlan, observed: &Observed) -> Option<Usage> {
    let Observed {
        signal,
        oom_kills,
        memory_peak_bytes,
        cpu_user_ms,
        cpu_system_ms,
        read_bytes,
        written_bytes,
        image: _,
        pulled_ms: _,
        prepared_ms: _,
    } = observed;
    let usage = Usage {
        signal: *signal,
        oom_kills: *oom_kills,
        memory_peak_bytes: *memory_peak_bytes,
        memory_limit_bytes: None,
        cpu_user_ms: *cpu_user_ms,
        cpu_system_ms: *cpu_system_ms,
        read_bytes: *read_bytes,
        written_bytes: *written_bytes,
    };
    let is_known = usage != Usage::default();
    is_known.then_some(Usage { memory_limit_bytes: job.resources.memory_bytes, ..usage })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_as_far_as_they_say_something() {
        let times = Times { waiting_ms: 2_000, pulling_ms: 31_000, preparing_ms: 80, running_ms: 5 };
        assert_eq!(times.before(), "waited 2.0 s, pulled 31 s, prepared 80 ms");
        assert_eq!(Times { running_ms: 9, ..Times::default() }.before(), "");
        let usage = Usage {
            memory_peak_bytes: Some(312 << 20),
            memory_limit_bytes: Some(4 << 30),
            cpu_user_ms: Some(3_000),
            cpu_system_ms: Some(200),
            written_bytes: Some(12 << 20),
            ..Usage::default()
        };
        assert_eq!(usage.words(), "312 MiB of 4 GiB memory, 3.2 s CPU, wrote 12 MiB");
        let less = Usage { memory_limit_bytes: None, cpu_user_ms: None, written_bytes: Some(0), ..usage };
        assert_eq!(less.words(), "312 MiB memory, 200 ms CPU");
        assert_eq!(Usage::default().words(), "");
    }
}
