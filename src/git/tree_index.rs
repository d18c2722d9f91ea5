//! The index of a work tree that this room wrote itself: what Git compares the files with, so that `git status` reads none of them.
//! **Invariant:** it is written as a whole, beside its place, and put there by the library's rename.

use std::path::Path;

use git2::{Index, IndexEntry, IndexTime};

use super::Error;
use super::entries::{Entry, What};
use super::lay::Written;

/// The index file at `path`, or an empty one.
pub(super) struct TreeIndex {
    index: Index,
    path: std::path::PathBuf,
}

impl TreeIndex {
    /// # Errors
    /// What is there is no index.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let index = Index::open(path).map_err(Error::workspace(path))?;
        Ok(Self { index, path: path.to_owned() })
    }

    /// Takes in what was written of `entries`; `written` says what became of each.
    ///
    /// # Errors
    /// The library refuses a path.
    pub fn add(&mut self, entries: &[Entry], written: &[Option<Written>]) -> Result<(), Error> {
        let mut sorted: Vec<_> = entries.iter().zip(written).filter(|(entry, _)| entry.what != What::Directory).collect();
        // In the index's own order each goes to the end.
        sorted.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
        for (entry, written) in sorted {
            self.index.add(&index_entry(entry, written.as_ref())).map_err(Error::workspace(&self.path))?;
        }
        Ok(())
    }

    /// Forgets a file, or everything below a directory. One that is not there is fine.
    pub fn forget(&mut self, path: &[u8]) {
        let path = super::lay::place(Path::new(""), path);
        // The library's only complaint is that there is no such entry.
        let _ = self.index.remove(&path, 0);
        let _ = self.index.remove_dir(&path, 0);
    }

    /// Writes it to `path`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(mut self) -> Result<(), Error> {
        self.index.write().map_err(Error::workspace(&self.path))
    }
}

fn index_entry(entry: &Entry, written: Option<&Written>) -> IndexEntry {
    let mode = match entry.what {
        What::File { executable: true } => 0o100_755,
        What::File { executable: false } | What::Directory => 0o100_644,
        What::Link => 0o120_000,
        What::Submodule => 0o160_000,
    };
    // The index has 32 bits for each of these and keeps the low ones, as Git does.
    let time = |(seconds, nanoseconds): (i64, i64)| IndexTime::new(seconds as i32, nanoseconds as u32);
    IndexEntry {
        ctime: time(written.map_or((0, 0), |written| written.changed)),
        mtime: time(written.map_or((0, 0), |written| written.modified)),
        dev: 0,
        ino: 0,
        mode,
        uid: written.map_or(0, |written| written.uid),
        gid: written.map_or(0, |written| written.gid),
        file_size: written.map_or(0, |written| written.bytes as u32),
        id: entry.id,
        flags: 0,
        flags_extended: 0,
        path: entry.path.clone(),
    }
}
