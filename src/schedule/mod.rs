//! Many runs: queue, slots, concurrency groups, and the engine that may be silent.
//!
//! **Invariant:** pure, like `run`: an input and the time go in, a turn comes out.

mod board;
mod change;
mod deadlines;
mod groups;
#[cfg(test)]
mod tests;

pub use board::{Board, Input, Turn};
pub use change::{Change, diff};
