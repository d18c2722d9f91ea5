//! What asks a command to end: SIGTERM, Ctrl-C, and the terminal that goes away.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The three signals, from when this was made on.
pub(super) struct Signals {
    term: Signal,
    int: Signal,
    /// None where a hang-up is to be survived.
    hup: Option<Signal>,
}

impl Signals {
    pub fn new() -> std::io::Result<Self> {
        let hup = if hang_up_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())?, hup })
    }

    /// Waits for the next one, and says who asks.
    pub async fn next(&mut self) -> &'static str {
        let hung_up = async {
            match &mut self.hup {
                Some(hup) => hup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.int.recv() => "Ctrl-C",
            _ = hung_up => "the terminal, which went away",
        }
    }
}

/// Whether we were started by `nohup` or the like: listening would undo that. Where there is no `/proc` nobody can tell.
fn hang_up_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // SIGHUP is number 1, the lowest bit.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
