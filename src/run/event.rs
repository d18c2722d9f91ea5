//! What happens to a run, and what it asks for. Plain data: both are written down in tests and replayed by the simulation.

use crate::base::{AttemptKey, JobIx, JobKey, StepIx, Timestamp};

use super::{Exit, Observed, Written};

/// Something that happened, in the past tense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The board gave the job a slot of an engine.
    JobAdmitted {
        job: JobIx,
        engine: String,
    },
    /// Workspace and network are there, on that engine.
    JobPrepared {
        job: JobIx,
        engine: String,
    },
    /// They could not be made. `again`: the engine did not answer, so the job goes back to the queue.
    JobNotPrepared {
        job: JobIx,
        engine: String,
        message: String,
        again: bool,
    },
    /// The executor says it runs.
    StepStarted {
        job: JobIx,
        step: StepIx,
        attempt: u32,
        at: Timestamp,
    },
    /// The engine did not answer when it was to be started: nothing is known to run, it is started again later.
    StepNotStarted {
        job: JobIx,
        step: StepIx,
        attempt: u32,
    },
    StepExited {
        job: JobIx,
        step: StepIx,
        attempt: u32,
        exit: Exit,
        wrote: Written,
        observed: Box<Observed>,
    },
    /// Someone who may says yes to a job.
    Approved {
        job: JobIx,
        by: String,
        at: Timestamp,
    },
    /// Someone who may says no.
    Rejected {
        job: JobIx,
        by: String,
        at: Timestamp,
    },
    /// The run of that number takes its place in a concurrency group.
    Replaced {
        by: u64,
    },
    /// The run of that number takes the place of this one job.
    JobReplaced {
        job: JobIx,
        by: u64,
    },
    /// Someone wants it to end; the second time at once.
    CancelRequested {
        by: String,
    },
    /// The job's engine is given up; the sentence says which one and why.
    EngineLost {
        job: JobIx,
        message: String,
    },
    /// The comparison with one engine. `known` are the attempts of this run that it has.
    Compared {
        engine: String,
        known: Vec<AttemptKey>,
        asked_at: Timestamp,
    },
    /// Time passed, a slot or the engine came or went: nothing of its own, deadlines and starts are looked at after every event.
    Woken,
}

/// Something to be done, in the imperative. **Invariant:** performing one twice is the same as once, since after a crash it may come twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Make workspace and network, then say [`Event::JobPrepared`].
    PrepareJob(JobKey),
    /// Make the attempt ready ahead of its start. Nothing comes of it when that does not go: the start then makes it from nothing.
    ParkStep(AttemptKey),
    /// Start the attempt, or take it up if it already runs; then follow it to its exit.
    StartStep(AttemptKey),
    /// Take up an attempt that is known to exist and follow it to its exit.
    AttachStep(AttemptKey),
    /// Make it end: SIGTERM, grace, SIGKILL; `at_once` leaves the grace out.
    StopStep { key: AttemptKey, at_once: bool },
    /// The exit is stored: the container can go.
    RemoveStep(AttemptKey),
    /// The job has ended: workspace and network can go.
    ReleaseJob(JobKey),
    /// The job has failed: its network can go, its workspace stays for as long as its state says.
    KeepJob(JobKey),
}

impl Command {
    /// The job that it is about.
    #[must_use]
    pub fn job(&self) -> JobIx {
        match self {
            Command::PrepareJob(key) | Command::ReleaseJob(key) | Command::KeepJob(key) => key.job,
            Command::ParkStep(key)
            | Command::StartStep(key)
            | Command::AttachStep(key)
            | Command::StopStep { key, .. }
            | Command::RemoveStep(key) => key.job,
        }
    }
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// It changed the run, or may have.
    Applied { commands: Vec<Command> },
    /// Late but lawful, or nonsense: the sentence says which.
    Ignored(&'static str),
}
