//! One run's life as a pure, total reducer.
//!
//! **Invariants:** no I/O, no clock, no randomness; every event is either applied or ignored with a reason; nonsense never panics.

mod exit;
mod outcome;
mod reason;
mod state;
mod stream;

pub use exit::Exit;
pub use outcome::Outcome;
pub use reason::{StopReason, Wait};
pub use state::{Job, JobState, Life, Run, Step, StepEnd, StepState};
pub use stream::Stream;
