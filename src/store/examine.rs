//! A look at a database from outside, for whoever wants to know whether it will do. **Invariant:** nothing is made, migrated or changed.

use std::path::Path;

use sqlx::{AnyConnection, Connection, Executor, Row};

use super::open::{self, Database};
use super::store::{Engine, tell};
use super::{Error, sql};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// Its path, or its address without the password.
    pub name: String,
    pub schema: Schema,
    /// What is damaged, by SQLite's own check.
    pub damage: Option<String>,
    /// Why it cannot be written to.
    pub read_only: Option<String>,
}

/// The steps of its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// There is none yet: the first start makes it.
    Missing,
    /// What this gantry knows.
    Current(i64),
    /// The next start brings it from `found` to `known`.
    Older { found: i64, known: i64 },
    /// A newer gantry was here.
    Newer { found: i64, known: i64 },
    /// A step was left half done.
    HalfDone(i64),
}

/// Looks at a database. `Ok(None)`: there is no such file yet.
pub async fn examine(database: &Database) -> Result<Option<Examined>, Error> {
    open::install_drivers();
    let (engine, name, options) = match database {
        Database::File(path) if !path.exists() => return Ok(None),
        Database::File(path) => (Engine::Sqlite, path.display().to_string(), open::options(&address(path)?)?),
        Database::Memory => return Ok(None),
        Database::Url(url) => {
            let options = open::postgres(url)?;
            (Engine::Postgres, open::without_password(&options), options)
        }
    };
    let words: &[&'static str] = match engine {
        Engine::Sqlite => &["PRAGMA busy_timeout = 10000"],
        Engine::Postgres => &[],
    };
    let mut connection = open::connect(engine, &name, &options, words).await?;
    let damage = match engine {
        Engine::Sqlite => damage(&mut connection, &name).await?,
        Engine::Postgres => None,
    };
    let schema = schema(&mut connection, engine).await;
    let read_only = match engine {
        Engine::Sqlite => turn(&mut connection, &["BEGIN IMMEDIATE", "ROLLBACK"]).await,
        Engine::Postgres => turn(&mut connection, &["BEGIN TRANSACTION READ WRITE", "ROLLBACK"]).await,
    };
    // What a goodbye says is of no use.
    let _ = connection.close().await;
    Ok(Some(Examined { name, schema, damage, read_only }))
}

fn address(path: &Path) -> Result<String, Error> {
    let path = path.canonicalize().map_err(Error::io("find the database", path))?;
    Ok(format!("{}?mode=rw", open::file_url(&path)?))
}

async fn damage(connection: &mut AnyConnection, name: &str) -> Result<Option<String>, Error> {
    let row = connection.fetch_one("PRAGMA quick_check(1)").await;
    let word = row.and_then(|row| row.try_get::<String, _>(0));
    match word {
        Ok(word) => Ok((word != "ok").then_some(word)),
        Err(error) => Err(tell(Engine::Sqlite, name, &format!("the database {name} cannot be read"), error)),
    }
}

/// Without its table there is no schema: there is nothing else that could be wrong with so plain a question.
async fn schema(connection: &mut AnyConnection, _engine: Engine) -> Schema {
    let known = open::newest_step();
    let row = connection.fetch_optional(sql::SCHEMA_STEPS).await.ok().flatten();
    let number = |name: &str| row.as_ref().and_then(|row| row.try_get::<i64, _>(name).ok());
    match (number("newest"), number("failed").unwrap_or(0)) {
        (None, _) => Schema::Missing,
        (Some(found), 1..) => Schema::HalfDone(found),
        (Some(found), _) if found < known => Schema::Older { found, known },
        (Some(found), _) if found > known => Schema::Newer { found, known },
        (Some(found), _) => Schema::Current(found),
    }
}

/// Why these words cannot be said, one after another.
async fn turn(connection: &mut AnyConnection, words: &[&'static str]) -> Option<String> {
    for word in words {
        if let Err(error) = connection.execute(*word).await {
            return Some(error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, StoreConfig};

    #[tokio::test]
    async fn a_database_is_looked_at_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gantry.db");
        let database = Database::File(path.clone());
        assert_eq!(examine(&database).await.unwrap(), None);
        assert!(!path.exists());
        let store = Store::open(&StoreConfig { database: database.clone(), logs: dir.path().join("logs") }).await.unwrap();
        let found = examine(&database).await.unwrap().unwrap();
        let known = open::newest_step();
        assert_eq!((found.schema, found.damage, found.read_only), (Schema::Current(known), None, None));
        let mut connection =
            open::connect(Engine::Sqlite, "it", &open::options(&address(&path).unwrap()).unwrap(), &[]).await.unwrap();
        connection.execute("UPDATE _sqlx_migrations SET version = version + 1000").await.unwrap();
        let found = examine(&database).await.unwrap().unwrap();
        assert_eq!(found.schema, Schema::Newer { found: known + 1000, known });
        connection.execute("DELETE FROM _sqlx_migrations WHERE version > 1001").await.unwrap();
        connection.execute("UPDATE _sqlx_migrations SET version = 1").await.unwrap();
        assert_eq!(examine(&database).await.unwrap().unwrap().schema, Schema::Older { found: 1, known });
        connection.execute("UPDATE _sqlx_migrations SET success = 0").await.unwrap();
        assert_eq!(examine(&database).await.unwrap().unwrap().schema, Schema::HalfDone(1));
        store.close().await;
    }

    #[tokio::test]
    async fn what_is_no_database_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gantry.db");
        std::fs::write(&path, "no database, but long enough to be looked at as one").unwrap();
        assert!(matches!(examine(&Database::File(path)).await, Err(Error::Damaged { .. })));
    }
}
