//! Text → spanned YAML tree → checked pipeline → [`Plan`].
//!
//! **Invariant:** pure and total. A pipeline file is untrusted: whatever it holds, the answer is a plan, a reason why it is not wanted, or problems
//! with places, never a panic.

mod plan;
mod problem;
mod trigger;

pub use plan::{Action, AllowFailure, Cause, JobPlan, Need, Plan, Retry, StepPlan, When};
pub use problem::{Problem, Severity};
pub use trigger::{Event, Trigger};
