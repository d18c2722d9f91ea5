//! The data directory. **Invariant:** one server at a time; the lock is the operating system's, so it goes with the process however that ends.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::Error;

/// A data directory that belongs to this process until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Holds the lock.
    _lock: File,
}

impl DataDir {
    /// Takes the directory, making it (readable by its owner only) when there is none. [`Error::InUse`] when another process has it.
    pub fn lock(path: &Path) -> Result<Self, Error> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Error::io("make the data directory", path))?;
        let path = path.canonicalize().map_err(Error::io("find the data directory", path))?;
        let file = path.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&file)
            .map_err(Error::io("open the lock file", &file))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse(path)),
            Err(TryLockError::Error(source)) => Err(Error::io("lock", &file)(source)),
        }
    }

    /// Whether another process has this directory at the moment. Nothing is made; a server that starts in this very moment may find it taken.
    pub fn is_taken(path: &Path) -> Result<bool, Error> {
        let file = path.join("lock");
        let lock = match OpenOptions::new().read(true).open(&file) {
            Ok(lock) => lock,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Error::io("open the lock file", &file)(error)),
        };
        match lock.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(source)) => Err(Error::io("lock", &file)(source)),
        }
    }

    /// The directory, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database's file.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        Self::database_in(&self.path)
    }

    /// The same, of a directory that may be another's.
    #[must_use]
    pub fn database_in(path: &Path) -> PathBuf {
        path.join("gantry.db")
    }

    /// The directory of blobs, unless they are elsewhere.
    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        self.path.join("blobs")
    }

    /// The directory of the logs.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        Self::logs_in(&self.path)
    }

    /// The same, of a directory that may be another's.
    #[must_use]
    pub fn logs_in(path: &Path) -> PathBuf {
        path.join("logs")
    }
}
