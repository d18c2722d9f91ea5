//! The only room that joins the pure core and I/O.
//!
//! | File | What |
//! |---|---|
//! | `core` | the one loop: input → board → store → perform |
//! | `perform` | commands become tasks; live attempts are kept here |
//! | `prepare` | a job is made ready for its steps |
//! | `attempt` | the straight life of one attempt in the executor |
//! | `fleet` | the engines, each with its executor |
//! | `engine` | asks an engine for life, compares with it, sweeps what is left over |
//! | `poll`, `timer` | the tasks that wait for a repository's next poll and for the next schedule |
//! | `intake` | moved refs, schedules that are due and what someone asks for become runs and notes |
//! | `handle`, `approve`, `rerun` | what pages, API and command line may ask for |
//! | `harvest` | test reports of ended attempts: found, read, kept |
//! | `secrets`, `sink` | secrets: kept, given to steps, masked in their output |
//! | `kept` | work trees of jobs that failed: kept for a while |
//! | `terminal`, `fresh` | terminals in running steps, and in kept work trees: who may have one, and that each is written down |
//! | `keep` | artifacts and caches |
//! | `outlines` | what the pipelines of a branch offer to whoever starts them by hand |
//! | `layout` | where things are in the data directory |
//! | `source` | where a workspace's content comes from |
//!
//! **Invariants:** persist before perform; a failed commit throws the board away and reloads it, the same path as after a crash; a start is a
//! restart that may find nothing.

mod ahead;
mod approve;
mod attempt;
mod core;
mod engine;
mod fleet;
mod fresh;
mod handle;
mod harvest;
mod intake;
mod keep;
mod kept;
mod layout;
mod outlines;
mod perform;
mod poll;
mod prepare;
mod pulls;
mod rerun;
mod secrets;
mod sink;
mod source;
mod terminal;
mod timer;

pub use approve::Answer;
pub use core::{Config, Server};
pub use fleet::{EngineStatus, Fleet};
pub use handle::{Handle, Readiness, Refusal};
pub use intake::{ByHand, Planned, Unmeant, place, plan_files};
pub use keep::KeepConfig;
pub use layout::Layout;
pub use outlines::FileOutline;
pub use pulls::PullWatch;
pub use rerun::Part;
pub use secrets::SecretView;
pub use sink::LogSink;
pub use source::Source;
pub use terminal::{OpenTerminal, TerminalAsked, TerminalOffer};
