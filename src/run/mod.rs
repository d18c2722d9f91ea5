//! One run's life as a pure, total reducer.
//!
//! | File | What |
//! |---|---|
//! | `state`, `outcome`, `reason`, `values` | what is stored |
//! | `event`, `reducer`, `compare`, `left`, `settle`, `gate`, `verdict`, `exit`, `signal`, `observed`, `permit` | what happens, and what follows |
//! | `written`, `known`, `reach`, `fill`, `environment` | what steps leave for others, and what they find |
//! | `taken` | what a new run takes over from an older one |
//! | `junit` | reports of test runners |
//! | `view` | the run as people and programs see it |
//!
//! **Invariants:** no I/O, no clock, no randomness; every event is either applied or ignored with a reason; nonsense never panics.

mod compare;
mod environment;
mod event;
mod exit;
mod fill;
mod forecast;
mod gate;
mod junit;
mod known;
mod left;
mod observed;
mod outcome;
mod permit;
mod reach;
mod reason;
mod reducer;
mod settle;
mod signal;
mod state;
mod stream;
mod taken;
#[cfg(test)]
mod tests;
mod values;
mod verdict;
mod view;
mod written;

pub use environment::environment;
pub use event::{Applied, Command, Event};
pub use exit::Exit;
pub use fill::{Filled, FilledCache, fill_step};
pub use forecast::{Forecast, JobForecast, forecast};
pub use junit::{TestCase, TestOutcome, TestSummary, fit_name, read as read_junit};
pub use observed::Observed;
pub use outcome::Outcome;
pub use permit::{Permit, Permits};
pub use reason::{StopReason, Wait};
pub use reducer::apply;
pub use state::{Decision, Job, JobState, Life, Run, Step, StepEnd, StepState};
pub use stream::Stream;
pub use taken::{Taken, goes_on, resumed, taken_over};
pub use values::Values;
pub use view::{
    ApprovalView, ConcurrencyView, DecisionView, JobView, RunView, ServiceView, StepView, TakenView, Times, Usage, view,
    view_pulling,
};
pub use written::Written;
