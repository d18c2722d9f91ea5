//! The log as the executor's sink: joins two adapters that never see each other, and masks what passes.
//!
//! **Invariants:** nothing reaches the log unmasked; what is held back because it could be the beginning of a secret is given out when the output
//! pauses, as far as it is whole lines (a log shows no others), and at the latest when it ends; the log counts the engine's bytes, not the masked ones.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::base::{Clock, JobKey};
use crate::executor::{ServiceSinks, Sink};
use crate::pipeline::JobPlan;
use crate::run::Stream;
use crate::secrets::{Masker, Masks, Piece};
use crate::store::{LogKey, LogWriter, Logs};

/// How often somebody looks; two looks without output between them are a pause.
const LOOK: Duration = Duration::from_millis(400);

/// Writes output into a log.
pub struct LogSink(Arc<Mutex<Masked>>);

struct Masked {
    writer: LogWriter,
    stdout: Masker,
    stderr: Masker,
    system: Masker,
    /// Something came since the last look.
    moved: bool,
    /// What is written here is not all: the log stays open when it is finished.
    goes_on: bool,
}

/// What is done with the masker of each stream.
type Each = fn(&mut Masker, &mut dyn FnMut(i64, Piece<'_>));

/// Looks for pauses in the output of a sink, for as long as that is there.
pub(super) struct Pauses(Option<Weak<Mutex<Masked>>>);

impl LogSink {
    /// Opens the log, or takes it up where a crash left it.
    pub fn open(logs: &Logs, key: impl Into<LogKey>, masks: &Masks) -> io::Result<Self> {
        let writer = logs.writer(key)?;
        let [stdout, stderr, system] = [(); 3].map(|()| masks.masker());
        Ok(Self(Arc::new(Mutex::new(Masked { writer, stdout, stderr, system, moved: false, goes_on: false }))))
    }

    /// The same, for output after which Gantry has something to say.
    pub(super) fn goes_on(self) -> Self {
        lock(&self.0).goes_on = true;
        self
    }

    /// Writes a line of Gantry's own.
    pub(super) fn say(&mut self, clock: &Clock, line: &str) -> io::Result<()> {
        // What others named is in some of them.
        let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.write(clock.now_ns(), Stream::System, format!("{line}\n").as_bytes())
    }

    /// Where nothing is masked there is nothing to look for.
    pub(super) fn pauses(&self, masks: &Masks) -> Pauses {
        Pauses((!masks.is_empty()).then(|| Arc::downgrade(&self.0)))
    }
}

fn lock(masked: &Mutex<Masked>) -> MutexGuard<'_, Masked> {
    masked.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Masked {
    /// Has the maskers give out what `what` makes them give out.
    fn each(&mut self, what: Each) {
        let Self { writer, stdout, stderr, system, moved: _, goes_on: _ } = self;
        for (stream, masker) in [(Stream::Stdout, stdout), (Stream::Stderr, stderr), (Stream::System, system)] {
            what(masker, &mut |at_ns, piece| add(writer, at_ns, stream, piece));
        }
    }

    /// Once without output since the last look is a pause.
    fn look(&mut self) {
        // A disk that is full now is tried again by the next write, which tells.
        if !std::mem::take(&mut self.moved) && self.writer.ready().is_ok() {
            self.each(Masker::release_lines);
        }
    }
}

fn add(writer: &mut LogWriter, at_ns: i64, stream: Stream, piece: Piece<'_>) {
    match piece {
        Piece::Plain(bytes) => writer.add(at_ns, stream, bytes),
        Piece::Hidden { text, bytes } => writer.add_hidden(at_ns, stream, text, bytes),
    }
}

impl Sink for LogSink {
    fn write(&mut self, at_ns: i64, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let masked = &mut *lock(&self.0);
        masked.writer.ready()?;
        masked.moved = true;
        let masker = match stream {
            Stream::Stdout => &mut masked.stdout,
            Stream::Stderr => &mut masked.stderr,
            Stream::System => &mut masked.system,
        };
        masker.take(at_ns, bytes, &mut |at_ns, piece| add(&mut masked.writer, at_ns, stream, piece));
        Ok(())
    }

    fn received(&self, stream: Stream) -> u64 {
        lock(&self.0).writer.received(stream)
    }

    fn finish(&mut self) -> io::Result<()> {
        let mut masked = lock(&self.0);
        masked.each(Masker::finish);
        if masked.goes_on { masked.writer.end_lines() } else { masked.writer.finish() }
    }
}

/// The logs of a job's services.
pub(super) struct ServiceLogs {
    logs: Logs,
    job: JobKey,
    /// In the plan's order, which is what a log is found by.
    names: Vec<String>,
    /// A step may hand a service what it was given.
    masks: Masks,
}

impl ServiceLogs {
    pub fn of(logs: &Logs, job: JobKey, plan: &JobPlan, masks: Masks) -> Self {
        let names = plan.services.iter().map(|service| service.name.clone()).collect();
        Self { logs: logs.clone(), job, names, masks }
    }
}

impl ServiceSinks for ServiceLogs {
    fn open(&self, service: &str) -> io::Result<Box<dyn Sink>> {
        let unknown = || io::Error::new(io::ErrorKind::NotFound, "the job has no such service");
        let (number, _) = (0..).zip(&self.names).find(|(_, name)| *name == service).ok_or_else(unknown)?;
        let key = LogKey::Service { job: self.job.clone(), service: number };
        Ok(Box::new(LogSink::open(&self.logs, key, &self.masks)?))
    }
}

impl Pauses {
    /// Does the work, and meanwhile has whole lines given out whenever the output pauses.
    pub async fn beside<T>(self, work: impl Future<Output = T>) -> T {
        let Some(masked) = self.0 else { return work.await };
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep(LOOK) => {
                    // Gone with its sink: the log belongs to somebody else now.
                    if let Some(masked) = masked.upgrade() {
                        lock(&masked).look();
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "sink_tests.rs"]
mod tests;
