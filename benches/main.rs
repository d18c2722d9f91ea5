//! What Gantry costs, in one table: a plain program that measures the release build and fails past its targets. What each figure is, and what it was
//! on the day it was written down, is in `benches/README.md`.
//!
//! **Invariant:** nothing is left behind, also after a panic or Ctrl-C: servers, containers, networks and directories belong to values that remove
//! them when they go.

mod cache;
mod check;
mod docker_run;
mod idle;
mod live;
#[path = "../tests/support/process.rs"]
mod process;
mod push;
mod ready;
#[path = "../tests/support/mod.rs"]
mod support;
mod table;
mod watch;

use std::process::ExitCode;

use table::Table;

fn main() -> ExitCode {
    // `cargo bench --bench figures -- reading`: the figures that need no engine.
    if std::env::args().any(|argument| argument == "reading") {
        let mut table = Table::default();
        table.extend(check::rows());
        return told(&table);
    }
    if let Err(why) = docker_run::engine_answers() {
        eprintln!("bench: {why}");
        return ExitCode::FAILURE;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let measured = runtime.block_on(async {
        tokio::select! {
            table = measure() => Some(table),
            _ = tokio::signal::ctrl_c() => None,
        }
    });
    let Some(table) = measured else {
        return ExitCode::from(130);
    };
    told(&table)
}

/// Prints the table; what is past its target makes the program fail, in a release build.
fn told(table: &Table) -> ExitCode {
    print!("{table}");
    let missed = table.missed();
    for figure in &missed {
        eprintln!("bench: past its target: {figure}");
    }
    if missed.is_empty() || cfg!(debug_assertions) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn measure() -> Table {
    let mut table = Table::default();
    // `cargo bench --bench figures -- cache`: those of a cache alone.
    if std::env::args().all(|argument| argument != "cache") {
        table.extend(check::rows());
        table.extend(ready::rows().await);
        table.extend(push::rows().await);
    }
    table.extend(cache::rows().await);
    table
}
