//! Test results: kept once for each attempt, read by run, by test and by repository.
//!
//! **Invariants:** an attempt whose results are kept twice has them once, also when the first keeping was cut off in the middle; keeping many
//! results does not hold other writers up, since it is done in short transactions; what lists sort by is counted when a result is kept, never when
//! a list is read.

mod keep;
mod of_repo;
mod of_run;
mod values;

pub use values::{
    Harvest, History, Place, Recent, RepoTest, RepoTests, ReportProblem, RunTest, RunTests, TestOrder, TestPick, TestResult,
};
