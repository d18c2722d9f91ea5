//! Many runs: queue, slots, concurrency groups, and the engines that may be silent.
//!
//! **Invariant:** pure, like `run`: an input and the time go in, a turn comes out.

mod board;
mod change;
mod deadlines;
mod engines;
mod groups;
#[cfg(test)]
mod tests;

pub use board::{Board, Input, Order, Turn};
pub use change::{Change, diff};
pub use engines::EngineInfo;
