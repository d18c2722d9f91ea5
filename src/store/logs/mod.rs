//! Log files: one pair of files for each attempt and each service. Plain blocking files, no database: call from a thread that may block.
//!
//! `DIR/RUN/JOB-STEP-ATTEMPT.log` (`JOB-service-N.log`) holds the bytes as they came, line after line, the streams interleaved; `….idx` one fixed-size
//! record for each line ([`index`]). What is complete is compressed into one file after a while, `….zst` ([`packed`], [`pack`]), and made plain again
//! should somebody have another word to say. **Invariants:** data is written before its index records, so that whatever is in the index can be read; both files are only ever
//! appended to, and after a crash cut back to the last whole line, so `received` and the lines always agree; memory does not grow with the log.

mod index;
mod key;
mod line;
mod nudge;
mod pack;
mod packed;
mod page;
mod resume;
mod writer;

#[cfg(test)]
mod pack_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

pub use self::key::LogKey;
use self::nudge::Nudges;
pub use self::page::{LogLine, LogPage};
pub use self::writer::LogWriter;
use crate::base::RunId;
use crate::base::limits::LOG_BYTES;

/// The logs of all attempts and services. Cheap to clone; all clones are the same logs.
#[derive(Debug, Clone)]
pub struct Logs {
    dir: PathBuf,
    /// Bytes of one log, data and index together.
    limit: u64,
    nudges: Nudges,
    /// Held while a log is compressed: one after another, so that no two make the same file.
    packing: Arc<Mutex<()>>,
}

/// The files of one log: the two plain ones, or the compressed one, or (after a crash) both.
#[derive(Debug, Clone)]
struct Paths {
    data: PathBuf,
    index: PathBuf,
    packed: PathBuf,
    /// What is being compressed.
    part: PathBuf,
}

impl Logs {
    /// Logs under `dir`, each at most [`LOG_BYTES`].
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, limit: LOG_BYTES, nudges: Nudges::default(), packing: Arc::default() }
    }

    /// The same with another bound: bytes of one log, its index included (24 for each line), so that empty lines do not come for free.
    #[must_use]
    pub fn limited_to(self, bytes: u64) -> Self {
        Self { limit: bytes.min(index::MOST / 2), ..self }
    }

    /// Begins a log, or takes one up again after a crash, also a finished one. There is one writer at a time: a second one is refused
    /// (`ResourceBusy`).
    pub fn writer(&self, key: impl Into<LogKey>) -> io::Result<LogWriter> {
        let key = key.into();
        let paths = self.paths(&key)?;
        let nudge = self.nudges.begin(&key)?;
        let dir = paths.data.parent().unwrap_or(&self.dir);
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        pack::unpack(&paths)?;
        let open = |path: &Path| OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        LogWriter::resume(open(&paths.data)?, open(&paths.index)?, self.limit, nudge)
    }

    /// Lines from number `from` (from 1), at most `limit` of them or [`LOG_PAGE_LINES`](crate::base::limits::LOG_PAGE_LINES) or 4 MiB, but at least
    /// one if there is one. Of a log that was never begun: none.
    pub fn read(&self, key: impl Into<LogKey>, from: u64, limit: usize) -> io::Result<LogPage> {
        page::read(&self.paths(key)?, from, limit)
    }

    /// Lines from number `from` that contain `q`, letter by letter; at most `limit` of them. Looks through at most 64 MiB: when `end` is not set,
    /// go on at `next`, also after an empty page.
    pub fn search(&self, key: impl Into<LogKey>, q: &str, from: u64, limit: usize) -> io::Result<LogPage> {
        page::search(&self.paths(key)?, q, from, limit)
    }

    /// The bytes from line `from` on as they came, of as many lines as fit a page, and the line to ask for next; empty at the end. What came without a
    /// newline and does not go on in the next line gets one.
    pub fn raw(&self, key: impl Into<LogKey>, from: u64) -> io::Result<(Vec<u8>, u64)> {
        page::raw(&self.paths(key)?, from)
    }

    /// Compresses a log if it is complete; answers whether it is compressed now. Whoever reads meanwhile reads on, whoever writes keeps it plain.
    pub fn pack(&self, key: &LogKey) -> io::Result<bool> {
        let _packing = self.packing.lock().unwrap_or_else(PoisonError::into_inner);
        let paths = self.paths(key)?;
        let unless_written =
            |act: &mut dyn FnMut() -> io::Result<bool>| self.nudges.unless_written(key, act).unwrap_or(Ok(false));
        unless_written(&mut || pack::settle(&paths).map(|()| true))?;
        let Some(made) = pack::make(&paths)? else { return Ok(paths.packed.exists()) };
        if !unless_written(&mut || pack::name(&paths, &made))? {
            return Ok(false);
        }
        pack::sync_dir(&paths)?;
        unless_written(&mut || pack::settle(&paths).map(|()| true))
    }

    /// The logs that may want to be compressed: at first those that an earlier process left, then those that were completed since the last call.
    pub fn to_pack(&self) -> io::Result<Vec<LogKey>> {
        if let Some(completed) = self.nudges.completed() {
            return Ok(completed);
        }
        let mut left = Vec::new();
        for run in list(&self.dir)? {
            let Ok(id) = run.parse::<RunId>() else { continue };
            let files = list(&self.dir.join(id.as_str()))?;
            let stems: BTreeSet<&str> = files
                .iter()
                .filter_map(|file| file.split_once('.'))
                .filter_map(|(stem, kind)| ["log", "idx", "part"].contains(&kind).then_some(stem))
                .collect();
            left.extend(stems.into_iter().filter_map(|stem| LogKey::from_stem(&id, stem)));
        }
        Ok(left)
    }

    /// A nudge: the number of lines so far. Closed once the log is complete; kept over a crash of the writer.
    #[must_use]
    pub fn watch(&self, key: impl Into<LogKey>) -> watch::Receiver<u64> {
        let key = key.into();
        self.nudges.watch(&key, || match self.paths(&key).and_then(|paths| page::extent(&paths)) {
            Ok(extent) => (extent.lines, extent.finished),
            // Whoever reads the log will be told.
            Err(_) => (0, false),
        })
    }

    /// Removes the logs of a run. No error when there are none.
    pub fn remove_run(&self, run: &RunId) -> io::Result<()> {
        let dir = self.run_dir(run)?;
        self.nudges.forget(run);
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn paths(&self, key: impl Into<LogKey>) -> io::Result<Paths> {
        let key = key.into();
        let (dir, stem) = (self.run_dir(key.run())?, key.file_stem());
        let [data, index, packed, part] = ["log", "idx", "zst", "part"].map(|kind| dir.join(format!("{stem}.{kind}")));
        Ok(Paths { data, index, packed, part })
    }

    /// **Invariant:** nothing but a true id becomes part of a path.
    fn run_dir(&self, run: &RunId) -> io::Result<PathBuf> {
        let id: RunId = run.as_str().parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        Ok(self.dir.join(id.as_str()))
    }
}

/// The names in a directory; none when it is not there.
fn list(dir: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    entries.filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose()).collect()
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the log's files are damaged")
}

/// Opens a file for reading; `None` when there is none.
fn open_if_there(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
