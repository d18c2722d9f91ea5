//! JUnit XML → test cases. The format has no standard: what is read here is what nextest, pytest, Surefire, go-junit-report, jest-junit, GoogleTest and
//! their like write, each in its own dialect.
//!
//! **Invariants:** pure and total: a report is untrusted, and whatever it holds, the answer is its cases or one sentence about why there are none,
//! never a panic. A document type is refused before anything in it is looked at, so no entity is ever expanded; every bound is in `base::limits`, and
//! memory stays within a small multiple of the file.

mod attributes;
mod case;
mod read;
#[cfg(test)]
mod tests;

pub use case::{TestCase, TestOutcome, TestSummary, name as fit_name};
pub use read::read;
