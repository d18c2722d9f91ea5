//! The command line. stdout is data, stderr is talk. Exit codes: 0 ok, 1 the run failed, 2 usage, 3 pipeline invalid, 4 server or I/O.
//!
//! | File | What |
//! |---|---|
//! | `serve` | the server, until it is told to end |
//! | `run`, `secrets`, `follow`, `progress`, `tail`, `results` | the pipeline of the work tree, here and now |
//! | `caches` | those of `gantry run`, from one call to the next |
//! | `check` | the problems of pipeline files |
//! | `init` | a first pipeline for a repository |
//! | `plan` | what would run, and why the rest would not |
//! | `asked` | the trigger that `plan` and `run` are asked for |
//! | `demo` | a sample repository, two pushes, and a server to look at |
//! | `doctor` | whether this machine has what the server needs |
//! | `client` | the verbs that talk to a running server |
//! | `config`, `engines` | the server's settings; its engines |
//! | `engine` | which executor |
//! | `signals` | what asks to end |
//! | `arenas` | memory that is freed serves every thread |
//! | `out` | data on stdout |

mod approvals;
mod arenas;
mod asked;
mod caches;
mod check;
pub mod client;
mod config;
mod demo;
mod doctor;
mod engine;
mod engines;
mod follow;
mod init;
mod out;
mod plan;
mod progress;
mod results;
mod run;
mod secrets;
mod serve;
mod signals;
mod tail;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// Everything ended as it should.
const OK: u8 = 0;
/// A run did not pass.
const RUN_FAILED: u8 = 1;
/// The command line asks for something that cannot be.
const USAGE: u8 = 2;
/// A pipeline file is not valid.
const INVALID: u8 = 3;
/// The server, the engine, Git or the disk.
const TROUBLE: u8 = 4;

/// CI/CD that needs nothing but Git and Docker.
#[derive(Parser)]
#[command(name = "gantry", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    server: client::ServerArgs,
}

#[derive(Subcommand)]
enum Verb {
    /// Watches repositories, runs their pipelines and shows them
    Serve(serve::Args),
    /// Runs the pipeline of the current work tree, uncommitted changes included, without a server
    Run(run::Args),
    /// Prints the problems of pipeline files
    Check(check::Args),
    /// Looks at a repository and writes a first pipeline for it
    Init(init::Args),
    /// Prints what would run in the current work tree for an event, and why the rest would not
    Plan(plan::Args),
    /// Shows what Gantry does: a server, a sample repository and two pushes
    Demo(demo::Args),
    /// Looks at what the server needs on this machine, and says what is wrong and what to do
    Doctor(doctor::Args),
    #[command(flatten)]
    Client(client::Verb),
}

/// An end that is not good: what to say, and the exit code.
#[derive(Debug)]
struct Ended {
    code: u8,
    error: anyhow::Error,
}

impl Ended {
    fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { code: USAGE, error: error.into() }
    }
}

/// Trouble, unless said otherwise.
impl<E: Into<anyhow::Error>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self { code: TROUBLE, error: error.into() }
    }
}

/// Reads the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    let Cli { verb, server } = Cli::parse();
    speak(&verb);
    arenas::no_more_than_processors();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return end(Err(Ended::from(error))),
    };
    let json = server.json;
    let done = runtime.block_on(async {
        match verb {
            Verb::Serve(args) => end(serve::serve(args).await),
            Verb::Run(args) => end(run::run(args, json).await),
            Verb::Check(args) => end(check::check(&args, json)),
            Verb::Init(args) => end(init::init(&args, json)),
            Verb::Plan(args) => end(plan::plan(&args, json)),
            Verb::Demo(args) => end(demo::demo(args).await),
            Verb::Doctor(args) => end(doctor::doctor(args, json).await),
            Verb::Client(verb) => client::run(verb, &server).await,
        }
    });
    // A fetch that hangs in the network holds a thread; it must not hold the end.
    runtime.shutdown_background();
    done
}

fn end(done: Result<u8, Ended>) -> ExitCode {
    match done {
        Ok(code) => ExitCode::from(code),
        Err(Ended { code, error }) => {
            // The terminal may be gone.
            let _ = writeln!(std::io::stderr(), "gantry: {}", sentence(&error));
            ExitCode::from(code)
        }
    }
}

/// What failed and because of what; an error that tells its cause in its own sentence is not made to tell it twice.
fn sentence(error: &anyhow::Error) -> String {
    let mut sentence = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if sentence.is_empty() {
            sentence = cause;
        } else if !sentence.ends_with(&cause) {
            sentence = format!("{sentence}: {cause}");
        }
    }
    sentence
}

/// Log lines go to stderr: the server's from `info`, the others' only from `warn`. `GANTRY_LOG` says otherwise.
fn speak(verb: &Verb) {
    let usual = if matches!(verb, Verb::Serve(_)) { "gantry=info,warn" } else { "warn" };
    let filter = EnvFilter::try_from_env("GANTRY_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    let colour = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour).with_target(false).init();
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use crate::store::DataDir;

    #[test]
    fn a_cause_is_said_once() {
        let error = DataDir::lock("/proc/nowhere".as_ref()).unwrap_err();
        let said = super::sentence(&error.into());
        assert_eq!(said, "cannot make the data directory /proc/nowhere: No such file or directory (os error 2)");
        let said = super::sentence(&anyhow!("because of this").context("that failed"));
        assert_eq!(said, "that failed: because of this");
    }
}
