//! Text → spanned YAML tree → checked pipeline → [`Plan`].
//!
//! Files: `yaml` reads the tree, `check` makes a checked pipeline of it, `expr` are the expressions, `pattern` the globs, `want` decides whether a
//! trigger is wanted, `planning` makes the plan, `read` is the way through all of them; `report` collects problems and `render` shows them.
//!
//! **Invariant:** pure and total. A pipeline file is untrusted: whatever it holds, the answer is a plan, a reason why it is not wanted, or problems
//! with places, never a panic.

mod check;
mod cron;
mod expr;
mod late;
mod outline;
mod parts;
mod pattern;
mod plan;
mod planning;
mod problem;
mod read;
mod render;
mod report;
#[cfg(test)]
mod tests;
mod trigger;
mod want;
mod yaml;

pub use check::spec::{InputKind, Schedule};
pub use cron::next_after;
pub use late::{KnownEnd, Scope};
pub use outline::{InputView, Outline, outline};
pub use parts::{
    Approval, ArtifactsPlan, CachePlan, Cell, CheckoutPlan, Concurrency, InputValue, Network, Policy, Ready, Resources,
    ServicePlan,
};
pub use pattern::Pattern;
pub use plan::{Action, AllowFailure, Cause, JobPlan, Late, Need, Plan, Retry, StepPlan, Text, When};
pub use problem::{Problem, Severity};
pub use read::{FileEntry, Files, ReadOptions, Reading, check, has_errors, read};
pub use render::{render, summary};
pub use trigger::{Event, PullRequest, Trigger};
