//! Forges: read a delivery, verify it, report a status. So far plain Git's own hook only.
//!
//! **Invariant:** a delivery is verified over its raw bytes before anything of it is parsed or kept.

pub mod generic;
