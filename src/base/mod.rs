//! What every room stands on: ids, keys, time, randomness, limits and tracked tasks.
//!
//! **Invariant:** this is the only room that reads the clock, makes randomness or spawns tasks; `clippy.toml` forbids it elsewhere.

mod clock;
mod duration;
mod id;
mod key;
pub mod limits;
mod random;
mod secret;
mod size;
mod tasks;
mod word;

pub use clock::{Clock, Timestamp};
pub use duration::{Span, ago, ahead, parse_duration_ms, took};
pub use id::{BlobId, CacheId, DeliveryId, InstanceId, RepoId, RunId, TerminalId};
pub use key::{AttemptKey, JobIx, JobKey, StepIx};
pub use random::{random_bytes, random_hex, random_u64};
pub use secret::Secret;
pub use size::{Size, parse_size};
pub use tasks::Tasks;
pub use word::shell_word;
