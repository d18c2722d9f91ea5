//! The log as the executor's sink: joins two adapters that never see each other.

use std::io;

use crate::base::{Clock, JobKey};
use crate::executor::{ServiceSinks, Sink};
use crate::pipeline::JobPlan;
use crate::run::Stream;
use crate::store::{LogKey, LogWriter, Logs};

/// Writes output into a log.
pub(super) struct LogSink {
    writer: LogWriter,
    /// What is written here is not all: the log stays open when it is finished.
    goes_on: bool,
}

impl LogSink {
    /// Opens the log, or takes it up where a crash left it.
    pub fn open(logs: &Logs, key: impl Into<LogKey>) -> io::Result<Self> {
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

/// The logs of a job's services.
pub(super) struct ServiceLogs {
    logs: Logs,
    job: JobKey,
    /// In the plan's order, which is what a log is found by.
    names: Vec<String>,
}

impl ServiceLogs {
    pub fn of(logs: &Logs, job: JobKey, plan: &JobPlan) -> Self {
        let names = plan.services.iter().map(|service| service.name.clone()).collect();
        Self { logs: logs.clone(), job, names }
    }
}

impl ServiceSinks for ServiceLogs {
    fn open(&self, service: &str) -> io::Result<Box<dyn Sink>> {
        let unknown = || io::Error::new(io::ErrorKind::NotFound, "the job has no such service");
        let (number, _) = (0..).zip(&self.names).find(|(_, name)| *name == service).ok_or_else(unknown)?;
        let key = LogKey::Service { job: self.job.clone(), service: number };
        Ok(Box::new(LogSink::open(&self.logs, key)?))
    }
}
