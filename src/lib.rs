//! Gantry: CI/CD that needs nothing but Git and Docker.
//!
//! The house is described in `ARCHITECTURE.md`. Rooms may import only rooms that stand left of them; `tests/architecture.rs` keeps that true:
//!
//! ```text
//! base ← pipeline ← run ← schedule ← { git, executor, secrets, store, forge, notify } ← server ← web ← cli ← main
//! ```

pub mod base;
pub mod cli;
pub mod executor;
pub mod forge;
pub mod git;
pub mod pipeline;
pub mod run;
pub mod schedule;
pub mod secrets;
pub mod server;
pub mod store;
pub mod web;
