//! Memory of a server that has nothing to do.

use crate::process::Served;
use crate::table::{Row, Target};
use crate::watch::Spread;

pub fn row(figure: String, served: &Served) -> Row {
    let mib = resident_mib(served.pid());
    below(figure, mib, 30.0)
}

/// A figure of memory alone.
pub fn below(figure: String, mib: f64, most: f64) -> Row {
    Row {
        figure,
        unit: "MB",
        measured: Spread { median: mib, least: mib, most: mib },
        rounds: 1,
        reference: None,
        target: Target::Below(most, "MB"),
    }
}

/// What the kernel counts as resident (`VmRSS`), in units of 2^20 bytes.
fn resident_mib(pid: u32) -> f64 {
    mib(&pid.to_string(), "VmRSS:")
}

/// The most that a process has had resident so far (`VmHWM`), in units of 2^20 bytes.
pub fn peak_mib(pid: u32) -> f64 {
    mib(&pid.to_string(), "VmHWM:")
}

/// The most that this process has had resident so far (`VmHWM`), in units of 2^20 bytes.
pub fn own_peak_mib() -> f64 {
    mib("self", "VmHWM:")
}

fn mib(process: &str, what: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix(what)).expect("Linux tells it");
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number of KiB");
    kib / 1024.0
}
