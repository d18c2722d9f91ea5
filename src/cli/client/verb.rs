//! The command line of the verbs that talk to a server.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;

use super::{Reference, ShellArgs};
use crate::base::limits;

/// Outcomes that a list can be filtered by.
const OUTCOMES: [&str; 8] = ["passed", "warning", "failed", "timed_out", "cancelled", "skipped", "lost", "error"];

/// Events that a secret can be for.
const EVENTS: [&str; 5] = ["push", "tag", "cron", "manual", "pull_request"];

/// Which server, and in what form it answers.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerArgs {
    /// The server that the verbs talk to
    #[arg(long, global = true, env = "GANTRY_SERVER", value_name = "URL", default_value = "http://127.0.0.1:7070")]
    pub server: String,
    /// Prints JSON, as the API gives it
    #[arg(long, global = true)]
    pub json: bool,
}

/// A verb that talks to a running server.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Verb {
    /// Repositories that the server watches
    Repo {
        #[command(subcommand)]
        verb: RepoVerb,
    },
    /// Secrets that steps may name
    Secret {
        #[command(subcommand)]
        verb: SecretVerb,
    },
    /// Lists the engines that jobs run on, and how they are
    Engines,
    /// Lists runs, newest first
    Runs(RunsArgs),
    /// Shows a run with its jobs and steps; ends with 0 also when the run failed
    Show {
        /// REPO#NUMBER, REPO/latest, latest, an id or how an id ends
        #[arg(value_name = "RUN")]
        run: Reference,
    },
    /// Lists the tests of a run, those that did not pass first; ends with 0 also when some failed
    Tests {
        /// REPO#NUMBER, REPO/latest, latest, an id or how an id ends
        #[arg(value_name = "RUN")]
        run: Reference,
        /// Only those that failed, each with its message
        #[arg(long)]
        failed: bool,
    },
    /// Prints the logs of a run or of one of its steps
    ///
    /// Without STEP, the logs of all steps, each line with `job/step | ` before it; with --json, one object for each line. With --follow
    /// it ends when the run or step ends: with 0 when that passed (or a failure was allowed), with 1 when it did not.
    Logs(LogsArgs),
    /// Lists the artifacts of a run, or prints one of them
    ///
    /// PATH is JOB/PATH, or only the path when one job alone has it. A directory, or a job's name alone, is an archive (tar) of everything in it.
    Artifacts {
        /// REPO#NUMBER, REPO/latest, latest, an id or how an id ends
        #[arg(value_name = "RUN")]
        run: Reference,
        /// What to print [default: lists all]
        path: Option<String>,
        /// Writes it here instead of to stdout
        #[arg(short, long, value_name = "FILE", requires = "path")]
        output: Option<PathBuf>,
    },
    /// Opens a terminal in a running step, or in what a failed job left; ends with the exit code of its shell
    ///
    /// Of a job that failed the work tree is kept for a while (`gantry show` says until when): the terminal is then in a fresh container of the step's
    /// image, with the step's variables but not its secrets, and goes with it.
    /// Who had one, when and from where is written down with the run. A step that was given secrets has none, unless the server's settings allow it.
    Shell(ShellArgs),
    /// Caches of a repository
    Cache {
        #[command(subcommand)]
        verb: CacheVerb,
    },
    /// Cancels a run: its steps are asked to end; a second time they are made to
    Cancel {
        /// REPO#NUMBER, REPO/latest, latest, an id or how an id ends
        #[arg(value_name = "RUN")]
        run: Reference,
    },
    /// Runs the same plan for the same commit again; prints the new run
    Rerun {
        /// REPO#NUMBER, REPO/latest, latest, an id or how an id ends
        #[arg(value_name = "RUN")]
        run: Reference,
        /// Only the jobs that did not pass, and those that need them: the others are taken over, with their outputs and artifacts
        #[arg(long)]
        failed: bool,
        /// From a job on, or from a step of it: what passed before is taken over
        ///
        /// From a step on, the job goes on in the work tree that it left, if that is kept (`gantry show` says so), and the steps before are taken over.
        /// Else it begins at its first step, and the run says so.
        #[arg(long, value_name = "JOB[/STEP]", conflicts_with = "failed")]
        from: Option<String>,
    },
    /// Approves a job that waits for it, or rejects it
    ///
    /// There is no login yet: the name is what you say it is.
    Approve {
        /// REPO#NUMBER, REPO/latest, latest, an id or how an id ends
        #[arg(value_name = "RUN")]
        run: Reference,
        /// Name of the job
        job: String,
        /// Says no: the job ends as cancelled
        #[arg(long)]
        reject: bool,
        /// Who answers
        #[arg(long = "as", value_name = "NAME", env = "USER", hide_env_values = true, default_value = "somebody")]
        by: String,
    },
    /// Runs the pipelines of a branch's head now; prints the new runs
    ///
    /// All of them, or the one that --pipeline names. Each gets those inputs that it declares; an input that none declares, or a value of another
    /// type, is refused, and nothing is made then.
    Trigger(TriggerArgs),
}

/// What to run.
#[derive(Debug, Clone, clap::Args)]
pub struct TriggerArgs {
    /// Name of the repository
    pub repo: String,
    /// The branch [default: the repository's own]
    #[arg(long)]
    pub branch: Option<String>,
    /// Only this pipeline: its name, or its file
    #[arg(long, value_name = "NAME")]
    pub pipeline: Option<String>,
    /// A value for an input that the pipeline declares; may be given several times
    #[arg(long = "input", value_name = "NAME=VALUE", value_parser = input)]
    pub inputs: Vec<(String, String)>,
}

/// `NAME=VALUE`.
pub(in crate::cli) fn input(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

/// What to do about caches.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum CacheVerb {
    /// Lists the caches of a repository, last used first
    List {
        /// Name of the repository
        repo: String,
    },
    /// Removes caches
    Rm {
        /// Name of the repository
        repo: String,
        /// Keys or ids of caches
        #[arg(value_name = "KEY", required_unless_present = "all")]
        keys: Vec<String>,
        /// All of them
        #[arg(long, conflicts_with = "keys")]
        all: bool,
    },
}

/// What to do about repositories.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum RepoVerb {
    /// Watches a repository; prints its webhook and, this once, the webhook's secret
    Add {
        /// What to call it: letters, digits, `-`, `_` and `.`
        name: String,
        /// A path, file://…, https://…, ssh://… or user@host:path
        url: String,
        /// Between two polls, such as 30s, 5m or 1h [default: 30s]
        #[arg(long, value_name = "TIME")]
        poll: Option<String>,
    },
    /// Lists the repositories and how watching them goes
    List,
    /// Polls a repository now
    Sync {
        /// Name of the repository
        name: String,
    },
    /// Stops watching a repository and forgets its runs and logs
    Remove {
        /// Name of the repository
        name: String,
    },
}

/// What to do about secrets.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum SecretVerb {
    /// Sets a secret; its value is asked for, or read from stdin
    ///
    /// A single line's newline is left out; a value of several lines is kept as it is. No verb shows a value again.
    Set {
        /// What pipelines call it
        name: String,
        /// Only for this repository [default: for all]
        #[arg(long)]
        repo: Option<String>,
        /// An event that may see it; several times for several [default: all but pull_request]
        #[arg(long, value_parser = PossibleValuesParser::new(EVENTS))]
        event: Vec<String>,
        /// A branch that may see it, as a glob; several times for several [default: all]
        #[arg(long, value_name = "GLOB")]
        branch: Vec<String>,
    },
    /// Lists names, and for whom they are; never values
    List {
        /// With those of this repository
        #[arg(long)]
        repo: Option<String>,
    },
    /// Removes a secret
    Rm {
        /// Its name
        name: String,
        /// The one of this repository [default: the one for all]
        #[arg(long)]
        repo: Option<String>,
    },
}

/// Which runs to list.
#[derive(Debug, Clone, clap::Args)]
pub struct RunsArgs {
    /// Only of this repository
    #[arg(long)]
    pub repo: Option<String>,
    /// Only of this branch
    #[arg(long)]
    pub branch: Option<String>,
    /// Only those that ended so
    #[arg(long, value_parser = PossibleValuesParser::new(OUTCOMES))]
    pub outcome: Option<String>,
    /// How many at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=i64::from(limits::PAGE_ROWS)))]
    pub limit: u32,
    /// Only those made before this run
    #[arg(long, value_name = "RUN")]
    pub before: Option<Reference>,
}

/// Which logs to print.
#[derive(Debug, Clone, clap::Args)]
pub struct LogsArgs {
    /// REPO#NUMBER, REPO/latest, latest, an id or how an id ends
    #[arg(value_name = "RUN")]
    pub run: Reference,
    /// JOB/STEP, or STEP when only one job has a step of that name [default: all steps]
    pub step: Option<String>,
    /// Goes on until the run or step ends; 1 when it did not pass
    #[arg(short, long)]
    pub follow: bool,
    /// This attempt at the step [default: the latest; with --follow, also those to come]
    #[arg(long, requires = "step", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub attempt: Option<u32>,
}
