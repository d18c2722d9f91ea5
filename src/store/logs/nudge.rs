//! Nudges: whoever follows a log is told how many lines there are.
//!
//! **Invariant:** a channel is kept only while the log is being written or somebody holds its receiver; the rest goes at the next call.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::LogKey;
use crate::base::RunId;

/// The channels of all logs. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Nudges {
    channels: Arc<Mutex<HashMap<LogKey, Channel>>>,
    /// The logs that were completed, once somebody has asked for them.
    completed: Arc<Mutex<Option<Vec<LogKey>>>>,
}

#[derive(Debug)]
struct Channel {
    sender: watch::Sender<u64>,
    writing: bool,
}

/// The writer's end of a channel; there is one for each log at most.
#[derive(Debug)]
pub(super) struct Nudge {
    nudges: Nudges,
    key: LogKey,
    /// `None` once it is closed.
    sender: Option<watch::Sender<u64>>,
}

impl Nudges {
    /// A receiver, closed when `on_disk` (lines, finished) says so and nobody writes.
    pub(super) fn watch(&self, key: &LogKey, on_disk: impl FnOnce() -> (u64, bool)) -> watch::Receiver<u64> {
        let mut channels = self.channels();
        if let Some(channel) = channels.get(key) {
            return channel.sender.subscribe();
        }
        // Under the lock, so that a writer that finishes meanwhile finds the channel and closes it.
        let (lines, finished) = on_disk();
        let (sender, receiver) = watch::channel(lines);
        if !finished {
            channels.insert(key.clone(), Channel { sender, writing: false });
        }
        receiver
    }

    /// Becomes the one writer of this log.
    pub(super) fn begin(&self, key: &LogKey) -> io::Result<Nudge> {
        let mut channels = self.channels();
        let channel = channels.entry(key.clone()).or_insert_with(|| Channel { sender: watch::Sender::new(0), writing: false });
        if channel.writing {
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, format!("the log {key} is being written already")));
        }
        channel.writing = true;
        Ok(Nudge { nudges: self.clone(), key: key.clone(), sender: Some(channel.sender.clone()) })
    }

    /// Does something that must not happen while the log is being written, nor while somebody begins to. `None`: it is being written.
    pub(super) fn unless_written<T>(&self, key: &LogKey, act: impl FnOnce() -> T) -> Option<T> {
        let channels = self.channels();
        let written = channels.get(key).is_some_and(|channel| channel.writing);
        (!written).then(act)
    }

    /// The logs that were completed since the last call; `None` at the first one, from which on they are noted.
    pub(super) fn completed(&self) -> Option<Vec<LogKey>> {
        self.completed.lock().unwrap_or_else(PoisonError::into_inner).replace(Vec::new())
    }

    /// Closes the channels of a run that is removed.
    pub(super) fn forget(&self, run: &RunId) {
        self.channels().retain(|key, _| key.run() != run);
    }

    /// The channels that somebody needs.
    fn channels(&self) -> MutexGuard<'_, HashMap<LogKey, Channel>> {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        channels.retain(|_, channel| channel.writing || channel.sender.receiver_count() > 0);
        channels
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.channels().len()
    }
}

impl Nudge {
    /// There are so many lines now.
    pub(super) fn lines(&self, lines: u64) {
        if let Some(sender) = &self.sender {
            sender.send_replace(lines);
        }
    }

    /// The log is complete.
    pub(super) fn close(&mut self) {
        if self.sender.take().is_some() {
            self.nudges.channels().remove(&self.key);
            if let Some(completed) = &mut *self.nudges.completed.lock().unwrap_or_else(PoisonError::into_inner) {
                completed.push(self.key.clone());
            }
        }
    }
}

impl Drop for Nudge {
    /// A writer that went without finishing: those who wait stay, for the next writer.
    fn drop(&mut self) {
        if self.sender.take().is_some() {
            let mut channels = self.nudges.channels();
            if let Some(channel) = channels.get_mut(&self.key) {
                channel.writing = false;
            }
        }
    }
}
