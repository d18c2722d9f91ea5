//! What the fuzz targets share: the rooms they try, inputs made of a fuzzer's bytes, and what must hold of every answer.
//!
//! The rooms are compiled from their sources, as they are: `base`, `pipeline` and `run` need nothing of the rest of the house, which the house's own tests
//! keep true. So a target is built in minutes, and the fuzzer sees only coverage of what it can reach.
//!
//! `grammar` writes pipelines, `world` is all that is around a file, `problems`, `plans` and `lates` are what must hold.

#[path = "../../../src/base/mod.rs"]
pub mod base;
#[path = "../../../src/pipeline/mod.rs"]
pub mod pipeline;
#[path = "../../../src/run/mod.rs"]
pub mod run;

pub mod grammar;
pub mod lates;
pub mod plans;
pub mod problems;
pub mod world;

/// The name of every file that is read.
pub const FILE: &str = ".gantry.yml";
