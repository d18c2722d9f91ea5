//! Opening a database: connections, a look at its health, migrations.
//!
//! **Invariants:** a database is used only with exactly the schema that this binary knows; SQLite runs with WAL and `synchronous=FULL`, so what was
//! committed survives a power cut; the file is readable by its owner only, since it holds the webhooks' secrets.

use std::fmt;
use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AnyConnection, AnyPool, Connection, Executor, Row};

use super::store::{Engine, Inner, tell};
use super::{Error, Logs, Store};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Readers at the same time: pages and live streams read in short turns.
const READERS: u32 = 4;
/// How long a call waits for a connection: beyond it the database is overloaded or away, and the call fails rather than hangs.
const ACQUIRE: Duration = Duration::from_secs(15);
/// Up to this size the whole file is checked when it is opened (some 100 ms); damage to a larger one shows when it is read.
const CHECKED_BYTES: u64 = 64 * 1024 * 1024;

/// Where rows and logs are.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    pub database: Database,
    /// Directory of the log files; made when there is none.
    pub logs: PathBuf,
}

/// Which database.
#[derive(Clone)]
pub enum Database {
    /// SQLite, in this file; made (readable by its owner only) when there is none.
    File(PathBuf),
    /// SQLite in memory: gone with the store.
    Memory,
    /// `postgres://user:password@host/database`.
    Url(String),
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Database::File(path) => f.debug_tuple("File").field(path).finish(),
            Database::Memory => f.write_str("Memory"),
            Database::Url(_) => f.write_str("Url(hidden)"),
        }
    }
}

impl Store {
    /// Opens the database, making it or bringing its schema up to date. Whoever opens a file holds its [`DataDir`](super::DataDir).
    pub async fn open(config: &StoreConfig) -> Result<Store, Error> {
        install_drivers();
        let logs = Logs::new(config.logs.clone());
        let (write, read, engine, name) = match &config.database {
            Database::File(path) => {
                let (path, existed) = private_file(path)?;
                let name = path.display().to_string();
                let options = options(&file_url(&path)?)?;
                let mut first = connect(Engine::Sqlite, &name, &options, WRITER).await?;
                if existed {
                    check(&mut first, &name, &path).await?;
                }
                migrate(&mut first, Engine::Sqlite, &name).await?;
                let write = pool(Engine::Sqlite, &name, 1, &options, WRITER).await?;
                let read = pool(Engine::Sqlite, &name, READERS, &options, READER).await?;
                (write, read, Engine::Sqlite, name)
            }
            Database::Memory => {
                let name = "in memory".to_owned();
                let pool = pool(Engine::Sqlite, &name, 1, &options("sqlite::memory:")?, WRITER).await?;
                let mut first =
                    pool.acquire().await.map_err(|error| tell(Engine::Sqlite, &name, "no database in memory", error))?;
                migrate(&mut first, Engine::Sqlite, &name).await?;
                drop(first);
                (pool.clone(), pool, Engine::Sqlite, name)
            }
            Database::Url(url) => {
                let options = postgres(url)?;
                let name = without_password(&options);
                let mut first = connect(Engine::Postgres, &name, &options, &[]).await?;
                migrate(&mut first, Engine::Postgres, &name).await?;
                let write = pool(Engine::Postgres, &name, 1, &options, &[]).await?;
                let read = pool(Engine::Postgres, &name, READERS, &options, &[]).await?;
                (write, read, Engine::Postgres, name)
            }
        };
        Ok(Store { inner: Arc::new(Inner { write, read, engine, name, logs }) })
    }
}

/// Both, before the first connection.
pub(super) fn install_drivers() {
    static DRIVERS: Once = Once::new();
    DRIVERS.call_once(|| {
        // An error says that they are installed already: by a test, which needs the same ones.
        let _ = sqlx::any::install_drivers(&[sqlx::sqlite::any::DRIVER, sqlx::postgres::any::DRIVER]);
    });
}

/// The newest step of the schema that this binary knows.
pub(super) fn newest_step() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// What the writing connection to SQLite is told first.
const WRITER: &[&str] = &[BUSY, "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON"];
/// What a reading connection is told first.
const READER: &[&str] = &[BUSY, "PRAGMA query_only = ON"];
/// How long to wait, in milliseconds, for a lock that another process holds: a backup, a curious person.
const BUSY: &str = "PRAGMA busy_timeout = 10000";

/// A first connection, by itself: a pool would hide why it cannot be made, and try again for half a minute.
pub(super) async fn connect(
    engine: Engine,
    name: &str,
    options: &AnyConnectOptions,
    words: &[&'static str],
) -> Result<AnyConnection, Error> {
    let opened = async {
        let mut connection = AnyConnection::connect_with(options).await?;
        for word in words {
            connection.execute(*word).await?;
        }
        Ok(connection)
    };
    opened.await.map_err(|error| tell(engine, name, &cannot_be_opened(name), error))
}

async fn pool(
    engine: Engine,
    name: &str,
    connections: u32,
    options: &AnyConnectOptions,
    words: &'static [&'static str],
) -> Result<AnyPool, Error> {
    let told = AnyPoolOptions::new().max_connections(connections).min_connections(1).acquire_timeout(ACQUIRE).after_connect(
        move |connection, _| {
            Box::pin(async move {
                for word in words {
                    connection.execute(*word).await?;
                }
                Ok(())
            })
        },
    );
    let told = match engine {
        // A file does not go away, and a database in memory lives as long as its connection.
        Engine::Sqlite => told.idle_timeout(None).max_lifetime(None).test_before_acquire(false),
        Engine::Postgres => told,
    };
    told.connect_with(options.clone()).await.map_err(|error| tell(engine, name, &cannot_be_opened(name), error))
}

fn cannot_be_opened(name: &str) -> String {
    format!("the database {name} cannot be opened")
}

/// Asks SQLite whether the file is sound.
async fn check(connection: &mut AnyConnection, name: &str, path: &Path) -> Result<(), Error> {
    if fs::metadata(path).map_or(0, |meta| meta.len()) > CHECKED_BYTES {
        return Ok(());
    }
    let row = connection.fetch_one("PRAGMA quick_check(1)").await;
    let row = row.map_err(|error| tell(Engine::Sqlite, name, &format!("the database {name} cannot be read"), error))?;
    match row.try_get::<String, _>(0) {
        Ok(word) if word == "ok" => Ok(()),
        Ok(detail) => Err(Error::Damaged { database: name.to_owned(), detail }),
        Err(error) => Err(Error::Damaged { database: name.to_owned(), detail: error.to_string() }),
    }
}

async fn migrate(connection: &mut AnyConnection, engine: Engine, name: &str) -> Result<(), Error> {
    let known = newest_step();
    let damaged = |detail: String| Error::Damaged { database: name.to_owned(), detail };
    MIGRATIONS.run(connection).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) => Error::NewerSchema { database: name.to_owned(), found, known },
        MigrateError::VersionMismatch(version) => {
            damaged(format!("step {version} of its schema is not the one that this gantry knows"))
        }
        MigrateError::Dirty(version) => damaged(format!("step {version} of its schema was left half done")),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            tell(engine, name, &format!("the schema of the database {name} cannot be brought up to date"), error)
        }
        other => Error::Database {
            what: format!("the schema of the database {name} cannot be brought up to date"),
            transient: false,
            source: Box::new(other),
        },
    })
}

/// Makes the file when there is none, for its owner only; answers its absolute path and whether it held anything.
fn private_file(path: &Path) -> Result<(PathBuf, bool), Error> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
    let meta = file.and_then(|file| file.metadata()).map_err(Error::io("open the database", path))?;
    if meta.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(Error::io("set the permissions of", path))?;
    }
    let path = path.canonicalize().map_err(Error::io("find the database", path))?;
    Ok((path, meta.len() > 0))
}

/// The path as an address; every byte that might mean something there is encoded.
pub(super) fn file_url(path: &Path) -> Result<String, Error> {
    let text = path.to_str().ok_or_else(|| Error::Address(format!("the path {} is not UTF-8", path.display())))?;
    let mut url = "sqlite://".to_owned();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(url)
}

pub(super) fn options(url: &str) -> Result<AnyConnectOptions, Error> {
    url.parse().map_err(|_| {
        Error::Address("the database's address is not a URL such as postgres://user:password@host/database".to_owned())
    })
}

/// The options of an address of Postgres.
pub(super) fn postgres(url: &str) -> Result<AnyConnectOptions, Error> {
    let options = options(url)?;
    if matches!(options.database_url.scheme(), "postgres" | "postgresql") {
        return Ok(options);
    }
    Err(Error::Address("the database's address must begin with postgres://".to_owned()))
}

pub(super) fn without_password(options: &AnyConnectOptions) -> String {
    let mut url = options.database_url.clone();
    // Fails only where there is no host, and then there is no password either; the query may hold one, so it is left out.
    let _ = url.set_password(None);
    url.set_query(None);
    url.to_string()
}
