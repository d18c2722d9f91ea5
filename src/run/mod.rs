//! One run's life as a pure, total reducer.
//!
//! **Invariants:** no I/O, no clock, no randomness; every event is either applied or ignored with a reason; nonsense never panics.

mod environment;
mod event;
mod exit;
mod gate;
mod junit;
mod outcome;
mod reason;
mod reducer;
mod settle;
mod state;
mod stream;
#[cfg(test)]
mod tests;
mod verdict;
mod view;

pub use environment::environment;
pub use event::{Applied, Command, Event};
pub use exit::Exit;
pub use junit::{TestCase, TestOutcome, TestSummary, read as read_junit};
pub use outcome::Outcome;
pub use reason::{StopReason, Wait};
pub use reducer::apply;
pub use state::{Job, JobState, Life, Run, Step, StepEnd, StepState};
pub use stream::Stream;
pub use view::{JobView, RunView, StepView, view};
