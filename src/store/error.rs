//! What can go wrong with the store, in sentences for people.

use std::path::{Path, PathBuf};

/// Why the store did not do it. Nothing was written then.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another repository has this name.
    #[error("there is already a repository named `{0}`")]
    NameTaken(String),
    /// What was to be changed is not there any more. Holds its kind and id: `run 01j…`.
    #[error("{0} is not in the database (any more)")]
    Gone(String),
    /// Another server works in the data directory.
    #[error("the data directory {0} is in use by another gantry server; stop that one, or give this one its own --data")]
    InUse(PathBuf),
    /// The database was made, or last used, by a newer Gantry.
    #[error(
        "the database {database} was last used by a newer gantry (schema {found}, this one knows up to {known}); update gantry"
    )]
    NewerSchema { database: String, found: i64, known: i64 },
    /// It is no database, or a broken one.
    #[error("the database {database} is damaged ({detail}); put a copy back in its place, or move it away to start anew")]
    Damaged { database: String, detail: String },
    /// The address of the database cannot be used.
    #[error("{0}")]
    Address(String),
    /// A row whose value cannot be read.
    #[error("{row} in the database cannot be read: {detail}")]
    Row { row: String, detail: String },
    /// A value that does not fit a row.
    #[error("{0}")]
    Value(String),
    /// The database could not be reached or did not do it.
    #[error("{what}: {source}")]
    Database { what: String, transient: bool, source: Box<dyn std::error::Error + Send + Sync> },
    /// The place of blobs could not be reached or did not do it.
    #[error("{what}: {place}: {source}")]
    Objects { what: String, place: String, source: Box<dyn std::error::Error + Send + Sync> },
    /// A file or directory.
    #[error("cannot {what} {}: {source}", path.display())]
    Io { what: &'static str, path: PathBuf, source: std::io::Error },
}

impl Error {
    /// Whether the same call makes sense again a little later: the database is busy or cannot be reached.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Error::Database { transient: true, .. })
    }

    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Error::Io { what, path, source }
    }
}
