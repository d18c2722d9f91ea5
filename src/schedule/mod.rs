//! Many runs: queue, slots, and the engine that may be silent.
//!
//! **Invariant:** pure, like `run`: an input and the time go in, a turn comes out.

mod board;
mod change;

pub use board::{Board, Input, Turn};
pub use change::{Change, diff};
