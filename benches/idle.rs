//! Memory of a server that has nothing to do.

use crate::process::Served;
use crate::table::{Row, Target};
use crate::watch::Spread;

pub fn row(figure: String, served: &Served) -> Row {
    let mib = resident_mib(served.pid());
    Row {
        figure,
        unit: "MB",
        measured: Spread { median: mib, least: mib, most: mib },
        rounds: 1,
        reference: None,
        target: Target::Below(30.0, "MB"),
    }
}

/// What the kernel counts as resident (`VmRSS`), in units of 2^20 bytes.
fn resident_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the server runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux tells it");
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number of KiB");
    kib / 1024.0
}
