//! What Gantry costs, in one table: a plain program that measures the release build and fails past its targets. What each figure is, and what it was
//! on the day it was written down, is in `benches/README.md`.
//!
//! **Invariant:** nothing is left behind, also after a panic or Ctrl-C: servers, containers, networks and directories belong to values that remove
//! them when they go.

mod bare;
mod cache;
mod chain;
mod check;
mod docker_run;
mod idle;
mod live;
mod logs;
mod many;
mod output;
#[path = "../tests/support/process.rs"]
mod process;
mod push;
mod ready;
mod streaming;
#[path = "../tests/support/mod.rs"]
mod support;
mod table;
mod watch;
mod workspace;

use std::process::ExitCode;

use table::Table;

/// The parts of the table, in its order. `cargo bench --bench figures -- steps output` measures these alone.
const PARTS: [&str; 10] = ["reading", "workspace", "logs", "start", "push", "steps", "jobs", "output", "memory", "cache"];
/// Those that need no engine.
const ALONE: [&str; 3] = ["reading", "workspace", "logs"];

fn main() -> ExitCode {
    // `cargo bench` adds words of its own, which begin with dashes.
    let asked: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if let Some(unknown) = asked.iter().find(|word| !PARTS.contains(&word.as_str())) {
        eprintln!("bench: there is no part `{unknown}`; there are {}", PARTS.join(", "));
        return ExitCode::from(2);
    }
    let parts: Vec<&str> = PARTS.into_iter().filter(|part| asked.is_empty() || asked.iter().any(|word| word == part)).collect();
    if parts.iter().any(|part| !ALONE.contains(part))
        && let Err(why) = docker_run::engine_answers()
    {
        eprintln!("bench: {why}");
        return ExitCode::FAILURE;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let measured = runtime.block_on(async {
        tokio::select! {
            table = measure(&parts) => Some(table),
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

async fn measure(parts: &[&str]) -> Table {
    let mut table = Table::default();
    for part in parts {
        table.extend(match *part {
            "reading" => check::rows(),
            "logs" => logs::rows(),
            "workspace" => workspace::rows(),
            "start" => ready::rows().await,
            "push" => push::rows().await,
            "steps" => chain::rows().await,
            "jobs" => many::rows().await,
            "output" => output::rows().await,
            "memory" => streaming::rows().await,
            "cache" => cache::rows().await,
            other => unreachable!("{other} is not in the list of parts"),
        });
    }
    table
}
