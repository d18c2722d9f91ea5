//! Many runs: queue and slots.

mod change;

pub use change::{Change, diff};
