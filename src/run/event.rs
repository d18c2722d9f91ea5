//! What happens to a run, and what it asks for. Plain data: both are written down in tests and replayed by the simulation.

use crate::base::{AttemptKey, JobIx, JobKey, StepIx, Timestamp};

use super::{Exit, Observed, Written};

/// Something that happened, in the past tense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The board gave the job a slot.
    JobAdmitted {
        job: JobIx,
    },
    /// Workspace and network are there.
    JobPrepared {
        job: JobIx,
    },
    /// They could not be made. `again`: the engine did not answer, so the job goes back to the queue.
    JobNotPrepared {
        job: JobIx,
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
    /// The comparison with the executor. `known` are the attempts of this run that it has.
    Compared {
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

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// It changed the run, or may have.
    Applied { commands: Vec<Command> },
    /// Late but lawful, or nonsense: the sentence says which.
    Ignored(&'static str),
}
