//! Log files (bodies are being filled in).

use std::io;
use std::path::PathBuf;

use serde::Serialize;
use tokio::sync::watch;

use crate::base::{AttemptKey, RunId};
use crate::run::Stream;

/// The logs of all attempts.
#[derive(Debug, Clone)]
pub struct Logs {
    dir: PathBuf,
}

/// Writes one attempt's log.
#[derive(Debug)]
pub struct LogWriter {}

/// Some lines of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogPage {
    pub lines: Vec<LogLine>,
    /// The line to ask for next (`from`).
    pub next: u64,
    /// The log is complete and nothing comes after these lines.
    pub end: bool,
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// From 1.
    pub n: u64,
    /// Unix milliseconds.
    pub at: i64,
    pub stream: Stream,
    /// Without its newline; what is no UTF-8 is replaced.
    pub text: String,
}

#[expect(clippy::todo, unused_variables, reason = "signatures first, bodies follow")]
impl Logs {
    /// Logs under `dir`, each at most [`LOG_BYTES`](crate::base::limits::LOG_BYTES).
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }
    /// Begins a log, or takes one up again after a crash.
    pub fn writer(&self, key: &AttemptKey) -> io::Result<LogWriter> {
        todo!()
    }
    /// Lines from number `from` (from 1).
    pub fn read(&self, key: &AttemptKey, from: u64, limit: usize) -> io::Result<LogPage> {
        todo!()
    }
    /// Lines from number `from` that contain `q`.
    pub fn search(&self, key: &AttemptKey, q: &str, from: u64, limit: usize) -> io::Result<LogPage> {
        todo!()
    }
    /// A nudge with the number of lines so far; closed once the log is complete.
    #[must_use]
    pub fn watch(&self, key: &AttemptKey) -> watch::Receiver<u64> {
        todo!("{}", self.dir.display())
    }
    /// Removes the logs of a run.
    pub fn remove_run(&self, run: &RunId) -> io::Result<()> {
        todo!()
    }
}

#[expect(clippy::todo, unused_variables, reason = "signatures first, bodies follow")]
impl LogWriter {
    /// Takes bytes as they came, in any cut.
    pub fn write(&mut self, at_ns: i64, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        todo!()
    }
    /// Brings what is buffered to the file.
    pub fn flush(&mut self) -> io::Result<()> {
        todo!()
    }
    /// Bytes of this stream that are stored for good.
    #[must_use]
    pub fn received(&self, stream: Stream) -> u64 {
        todo!()
    }
    /// The output is complete.
    pub fn finish(&mut self) -> io::Result<()> {
        todo!()
    }
}
