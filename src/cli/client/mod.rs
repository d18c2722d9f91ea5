//! The verbs that talk to a running server, over HTTP.
//!
//! | File | What |
//! |---|---|
//! | `verb` | the command line of these verbs |
//! | `api`, `answer`, `sse` | the server's API: requests, what is answered, live streams taken up again |
//! | `reference` | `shop#12`, `shop/latest`, an id: which run is meant |
//! | `repos`, `secrets`, `engines`, `runs`, `show`, `results`, `logs`, `follow`, `artifacts`, `caches` | what each verb does |
//! | `shell` | a terminal in a running step |
//! | `track` | which steps' logs are meant |
//! | `screen`, `table`, `text` | data to stdout, talk to stderr, in a form for people |
//! | `failure` | what went wrong, as a sentence and an exit code |
//!
//! **Invariants:** stdout holds data and nothing else; nothing that a server, a commit or a step says can steer a terminal, but for `shell`,
//! which is one; a webhook's secret
//! is printed once, by `repo add`.

mod answer;
mod api;
mod artifacts;
mod caches;
mod engines;
mod failure;
mod follow;
mod logs;
mod reference;
mod repos;
mod results;
mod runs;
mod screen;
mod secrets;
mod shell;
mod show;
mod sse;
mod table;
mod text;
mod track;
mod verb;

use std::process::ExitCode;

use api::Api;
use failure::Failure;
pub use reference::Reference;
pub(super) use results::message;
pub use screen::Screen;
pub use shell::ShellArgs;

pub(super) use screen::{Colour, Hue};
pub(super) use table::{Cell, Table};
pub(super) use text::one_line;
pub(super) use verb::input;
pub use verb::{CacheVerb, LogsArgs, RepoVerb, RunsArgs, SecretVerb, ServerArgs, TriggerArgs, Verb};

/// Does what `verb` says, in front of the user. Exit codes: 0 ok, 1 the followed run or step did not pass, 2 usage, 4 server or I/O; that of a terminal is
/// its shell's.
pub async fn run(verb: Verb, server: &ServerArgs) -> ExitCode {
    ExitCode::from(run_on(verb, server, &mut Screen::real()).await)
}

/// The same on any screen; answers the exit code.
pub async fn run_on(verb: Verb, server: &ServerArgs, screen: &mut Screen) -> u8 {
    let done = perform(verb, server, screen).await;
    let written = screen.flush();
    match done.and_then(|ending| written.map(|()| ending)) {
        Ok(Ending::Good) => 0,
        Ok(Ending::NotPassed) => 1,
        Ok(Ending::Code(code)) => code,
        Err(failure) => {
            if !failure.is_closed_pipe() {
                screen.complain(&failure.to_string());
            }
            failure.exit_code()
        }
    }
}

/// How a verb that did its work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Good,
    /// It followed a run or a step that did not pass.
    NotPassed,
    /// What ran in a terminal ended so.
    Code(u8),
}

async fn perform(verb: Verb, server: &ServerArgs, screen: &mut Screen) -> Result<Ending, Failure> {
    let api = Api::new(&server.server)?;
    let json = server.json;
    match verb {
        Verb::Repo { verb } => repos::perform(&api, screen, verb, json).await?,
        Verb::Secret { verb } => secrets::perform(&api, screen, verb, json).await?,
        Verb::Engines => engines::list(&api, screen, json).await?,
        Verb::Runs(args) => runs::list(&api, screen, args, json).await?,
        Verb::Show { run } => show::show(&api, screen, &run, json).await?,
        Verb::Tests { run, failed } => results::list(&api, screen, &run, failed, json).await?,
        Verb::Logs(args) if args.follow => return follow::follow(&api, screen, &args, json).await,
        Verb::Logs(args) => logs::print(&api, screen, &args, json).await?,
        Verb::Artifacts { run, path: None, output: _ } => artifacts::list(&api, screen, &run, json).await?,
        Verb::Artifacts { run, path: Some(path), output } => {
            artifacts::fetch(&api, screen, &run, &path, output.as_deref()).await?;
        }
        Verb::Shell(args) => return shell::shell(&api, screen, &args).await.map(Ending::Code),
        Verb::Cache { verb } => caches::perform(&api, screen, verb, json).await?,
        Verb::Cancel { run } => runs::cancel(&api, screen, &run, json).await?,
        Verb::Rerun { run, failed, from } => runs::rerun(&api, screen, &run, (failed, from.as_deref()), json).await?,
        Verb::Approve { run, job, reject, by } => runs::approve(&api, screen, &run, (&job, &by, reject), json).await?,
        Verb::Trigger(args) => runs::trigger(&api, screen, &args, json).await?,
    }
    Ok(Ending::Good)
}
