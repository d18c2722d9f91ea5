//! The log as the executor's sink: joins two adapters that never see each other.

use std::io;

use crate::base::{AttemptKey, Clock};
use crate::executor::Sink;
use crate::run::Stream;
use crate::store::{LogWriter, Logs};

/// Writes output into an attempt's log.
pub(super) struct LogSink {
    writer: LogWriter,
    /// What is written here is not all: the log stays open when it is finished.
    goes_on: bool,
}

impl LogSink {
    /// Opens the log, or takes it up where a crash left it.
    pub fn open(logs: &Logs, key: &AttemptKey) -> io::Result<Self> {
        Ok(Self { writer: logs.writer(key)?, goes_on: false })
    }

    /// The same, for output after which Gantry has something to say.
    pub fn goes_on(self) -> Self {
        Self { goes_on: true, ..self }
    }

    /// Writes a line of Gantry's own.
    pub fn say(&mut self, clock: &Clock, line: &str) -> io::Result<()> {
        // What others named is in some of them.
        let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.writer.write(clock.now_ns(), Stream::System, format!("{line}\n").as_bytes())
    }
}

impl Sink for LogSink {
    fn write(&mut self, at_ns: i64, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        self.writer.write(at_ns, stream, bytes)
    }

    fn received(&self, stream: Stream) -> u64 {
        self.writer.received(stream)
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.goes_on { self.writer.end_lines() } else { self.writer.finish() }
    }
}
