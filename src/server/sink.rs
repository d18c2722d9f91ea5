//! The log as the executor's sink: joins two adapters that never see each other.

use std::io;

use crate::base::JobKey;
use crate::executor::{ServiceSinks, Sink};
use crate::pipeline::JobPlan;
use crate::run::Stream;
use crate::store::{LogKey, LogWriter, Logs};

/// Writes output into a log.
pub(super) struct LogSink(LogWriter);

impl LogSink {
    /// Opens the log, or takes it up where a crash left it.
    pub fn open(logs: &Logs, key: impl Into<LogKey>) -> io::Result<Self> {
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
