//! The database, and what is stored about repositories.

use std::path::Path;

use super::Check;
use crate::base::{Clock, ago};
use crate::store::{Database, Error, Examined, Repo, Schema, Store, StoreConfig, examine};

/// The name of the line.
const NAME: &str = "database";

/// `in_data`: it is the file in the data directory. Repositories are read only where the schema is what this gantry knows: to open it would change it.
pub(super) async fn checks(database: Database, in_data: bool, logs: &Path) -> Vec<Check> {
    let examined = match examine(&database).await {
        Ok(Some(examined)) => examined,
        Ok(None) => return vec![Check::ok(NAME, "there is none yet: the first start makes it")],
        Err(error) => return vec![unreachable(&error, in_data)],
    };
    let is_current = matches!(examined.schema, Schema::Current(_)) && examined.damage.is_none();
    let mut checks = vec![judge(&examined)];
    if is_current {
        checks.extend(repositories(database, logs).await);
    }
    checks
}

fn unreachable(error: &Error, in_data: bool) -> Check {
    let todo = match error {
        Error::Damaged { .. } => "bring back a backup of it, or move it away to begin with an empty one",
        _ if in_data => "run this as the user that runs the server",
        _ => "see whether it runs, whether it can be reached from here, and whether `database` in the settings is right",
    };
    Check::bad(NAME, chain(error), todo)
}

/// An error with its causes.
fn chain(error: &Error) -> String {
    let mut sentence = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if !sentence.ends_with(&text) {
            sentence = format!("{sentence}: {text}");
        }
        cause = error.source();
    }
    sentence
}

fn judge(examined: &Examined) -> Check {
    let Examined { name, schema, damage, read_only } = examined;
    if let Some(damage) = damage {
        let found = format!("{name} is damaged: {damage}");
        return Check::bad(NAME, found, "stop the server, and bring back a backup of it");
    }
    if let Some(why) = read_only {
        return Check::bad(
            NAME,
            format!("{name} cannot be written to: {why}"),
            "run this as the user that runs the server; if it is, give that user the file",
        );
    }
    match schema {
        Schema::Missing => Check::ok(NAME, format!("{name} is empty: the first start makes its schema")),
        Schema::Current(step) => Check::ok(NAME, format!("{name} is sound and writable, its schema at step {step}")),
        Schema::Older { found, known } => Check::warn(
            NAME,
            format!("{name} has its schema at step {found} of {known}"),
            "make a backup of it: the next start of this gantry brings it up to date, and an older one will not open it any more",
        ),
        Schema::Newer { found, known } => Check::bad(
            NAME,
            format!("{name} has its schema at step {found}, and this gantry knows {known}"),
            "use the newer gantry that made it so, or bring back the backup from before",
        ),
        Schema::HalfDone(step) => Check::bad(
            NAME,
            format!("{name}: step {step} of its schema was left half done"),
            "bring back the backup from before that step",
        ),
    }
}

async fn repositories(database: Database, logs: &Path) -> Vec<Check> {
    let store = match Store::open(&StoreConfig { database, logs: logs.to_owned() }).await {
        Ok(store) => store,
        Err(error) => return vec![Check::bad("repositories", chain(&error), "see what the database's own line says")],
    };
    let repos = store.repos().await;
    store.close().await;
    match repos {
        Ok(repos) => judge_repos(&repos, &Clock::System),
        Err(error) => vec![Check::bad("repositories", chain(&error), "see what the database's own line says")],
    }
}

fn judge_repos(repos: &[Repo], clock: &Clock) -> Vec<Check> {
    let bad: Vec<&Repo> = repos.iter().filter(|repo| !repo.status.ok).collect();
    if repos.is_empty() {
        return vec![Check::warn("repositories", "none is watched", "`gantry repo add NAME URL`")];
    }
    if bad.is_empty() {
        return vec![Check::ok("repositories", format!("{} watched, each fetched without trouble the last time", repos.len()))];
    }
    let told = |repo: &&Repo| {
        let since = ago(clock.now().ms_since(repo.status.at));
        let found = format!("`{}`: {} (first seen {since})", repo.name, repo.status.sentence);
        Check::warn("repositories", found, format!("once that is mended, `gantry repo sync {}` tries again at once", repo.name))
    };
    bad.iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    fn examined(schema: Schema) -> Examined {
        Examined { name: "db".to_owned(), schema, damage: None, read_only: None }
    }

    #[test]
    fn what_keeps_a_server_from_starting_is_bad_and_what_the_next_start_mends_is_not() {
        let state = |schema| judge(&examined(schema)).state;
        assert_eq!(state(Schema::Missing), State::Ok);
        assert_eq!(state(Schema::Current(3)), State::Ok);
        assert_eq!(state(Schema::Older { found: 1, known: 3 }), State::Warn);
        assert_eq!(state(Schema::Newer { found: 4, known: 3 }), State::Bad);
        assert_eq!(state(Schema::HalfDone(3)), State::Bad);
        let damaged = Examined { damage: Some("page 7".to_owned()), ..examined(Schema::Current(3)) };
        assert!(judge(&damaged).state == State::Bad && judge(&damaged).found.contains("page 7"));
        let read_only = Examined { read_only: Some("attempt to write".to_owned()), ..examined(Schema::Current(3)) };
        assert_eq!(judge(&read_only).state, State::Bad);
    }

    #[tokio::test]
    async fn a_repository_that_cannot_be_fetched_is_told_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::File(dir.path().join("gantry.db"));
        let none = checks(database.clone(), true, dir.path()).await;
        assert_eq!((none.len(), none[0].state), (1, State::Ok));
        Store::open(&StoreConfig { database: database.clone(), logs: dir.path().to_owned() }).await.unwrap().close().await;
        let empty = checks(database, true, dir.path()).await;
        assert_eq!(empty.iter().map(|check| check.state).collect::<Vec<_>>(), [State::Ok, State::Warn]);
    }
}
