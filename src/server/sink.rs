//! The log as the executor's sink: joins two adapters that never see each other.

use std::io;

use crate::base::AttemptKey;
use crate::executor::Sink;
use crate::run::Stream;
use crate::store::{LogWriter, Logs};

/// Writes output into an attempt's log.
pub(super) struct LogSink(LogWriter);

impl LogSink {
    /// Opens the log, or takes it up where a crash left it.
    pub fn open(logs: &Logs, key: &AttemptKey) -> io::Result<Self> {
        logs.writer(key).map(Self)
    }
}

impl Sink for LogSink {
    fn write(&mut self, at_ns: i64, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        self.0.write(at_ns, stream, bytes)
    }

    fn received(&self, stream: Stream) -> u64 {
        self.0.received(stream)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.0.finish()
    }
}
