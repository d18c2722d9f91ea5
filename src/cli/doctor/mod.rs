//! `gantry doctor`: what the server needs on this machine, looked at from outside, whether the server runs or not.
//!
//! It asks the machine and not the server (whether that is ready says `/readyz`): what keeps a server from starting must be told all the same.
//! **Invariants:** nothing is made or changed; each line that is not well says what is wrong and what to do; no secret is read aloud.
//!
//! | File | What it looks at |
//! |---|---|
//! | `disk` | the data directory: lock, room, permissions, key |
//! | `engine` | Docker |
//! | `rows` | the database, and what is stored about repositories |

mod disk;
mod engine;
mod rows;

use std::path::PathBuf;

use futures_util::future::join_all;
use serde::Serialize;

use super::config::File;
use super::engine::Kind;
use super::{Ended, OK, RUN_FAILED, out};
use crate::store::{DataDir, Database};

#[derive(clap::Args)]
pub(super) struct Args {
    /// The server's settings, as YAML
    #[arg(long, value_name = "FILE", env = "GANTRY_CONFIG")]
    config: Option<PathBuf>,
    /// The server's data directory [default: ./gantry-data]
    #[arg(long, value_name = "DIR", env = "GANTRY_DATA")]
    data: Option<PathBuf>,
    /// What runs the steps [default: docker]
    #[arg(long, env = "GANTRY_EXECUTOR")]
    executor: Option<Kind>,
}

/// How well something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    /// It works, and something should be done.
    Warn,
    /// The server does not start, or runs fail.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Check {
    name: &'static str,
    state: State,
    /// What was found.
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    todo: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, state: State::Ok, found: found.into(), todo: None }
    }

    fn warn(name: &'static str, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { name, state: State::Warn, found: found.into(), todo: Some(todo.into()) }
    }

    fn bad(name: &'static str, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { name, state: State::Bad, found: found.into(), todo: Some(todo.into()) }
    }
}

/// Everything that was found.
#[derive(Serialize)]
struct Told<'a> {
    state: State,
    checks: &'a [Check],
}

/// Looks and tells; 1 when something is bad, 2 when the settings cannot be read, and 4 when nothing can be told at all.
pub(super) async fn doctor(args: Args, json: bool) -> Result<u8, Ended> {
    let file = File::read(args.config.as_deref()).map_err(Ended::usage)?;
    let data = args.data.or(file.data.clone()).unwrap_or_else(|| PathBuf::from("gantry-data"));
    let data = std::path::absolute(data)?;
    let mut checks = disk::checks(&data);
    checks.push(settings(&file));
    let in_data = file.database.is_none();
    let database = file.database.clone().map_or_else(|| Database::File(DataDir::database_in(&data)), Database::Url);
    checks.extend(rows::checks(database, in_data, &DataDir::logs_in(&data)).await);
    let kind = args.executor.or(file.executor).unwrap_or_default();
    match kind {
        Kind::Docker => match file.engines(kind, file.slots.unwrap_or(1)) {
            Ok(engines) => {
                let several = engines.len() > 1;
                let all = join_all(engines.into_iter().map(|engine| engine::checks(engine, several))).await;
                checks.extend(all.into_iter().flatten());
            }
            Err(error) => checks.push(Check::bad("engine", super::sentence(&error), "correct the settings")),
        },
        Kind::Host => checks.push(Check::warn(
            "engine",
            "steps run as processes of this machine, with the server's rights",
            "use it only for repositories whose every author you trust",
        )),
        Kind::Fake => checks.push(Check::ok("engine", "none: steps are acted")),
    }
    let state = checks.iter().map(|check| check.state).max().unwrap_or(State::Ok);
    if json {
        out::json(&Told { state, checks: &checks })?;
    } else {
        out::text_as_is(&text(&checks));
    }
    Ok(if state == State::Bad { RUN_FAILED } else { OK })
}

/// Whether the rest of the settings can be used as well: passwords are read from their files, and not kept.
fn settings(file: &File) -> Check {
    match file.credentials().map(drop).and_then(|()| file.keep().map(drop)) {
        Ok(()) => Check::ok("settings", "everything that they name is there"),
        Err(error) => Check::bad("settings", super::sentence(&error), "correct them, or bring the file back that they name"),
    }
}

fn text(checks: &[Check]) -> String {
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for Check { name, state, found, todo } in checks {
        let word = match state {
            State::Ok => "ok  ",
            State::Warn => "warn",
            State::Bad => "bad ",
        };
        text.push_str(&format!("{word}  {name:width$}  {found}\n"));
        if let Some(todo) = todo {
            text.push_str(&format!("{:indent$}→ {todo}\n", "", indent = 4 + 2 + width + 2));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_says_how_it_is_what_was_found_and_what_to_do() {
        let checks = [Check::ok("lock", "free"), Check::bad("room", "none", "make some")];
        assert_eq!(text(&checks), "ok    lock  free\nbad   room  none\n            → make some\n");
        assert!(State::Bad > State::Warn && State::Warn > State::Ok);
    }
}
