//! Follows one attempt's log, line by line, until the attempt has ended and all of it is read.

use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use crate::base::{AttemptKey, Tasks};
use crate::store::{LogLine, Logs};

/// Lines read at a time.
const PAGE: usize = 1_000;

/// What a log that is followed says.
pub(super) enum Heard {
    Line {
        title: String,
        line: LogLine,
    },
    /// Nothing more comes of this attempt.
    End(AttemptKey),
}

/// Sends every line under `title`, then the end. `ended` says that nothing more will be written, should the log itself not say so.
pub(super) async fn tail(logs: Logs, key: AttemptKey, title: String, tasks: Tasks, ended: CancellationToken, out: Sender<Heard>) {
    let mut lines = logs.watch(&key);
    let mut from = 1;
    loop {
        let over = ended.is_cancelled();
        lines.mark_unchanged();
        let (logs, of) = (logs.clone(), key.clone());
        let Ok(Ok(page)) = tasks.spawn_blocking(move || logs.read(&of, from, PAGE)).await else { break };
        let (read, end) = (page.lines.len(), page.end);
        from = page.next;
        for line in page.lines {
            if out.send(Heard::Line { title: title.clone(), line }).await.is_err() {
                return;
            }
        }
        if end || (over && read == 0) {
            break;
        }
        if read == 0 {
            tokio::select! {
                changed = lines.changed() => {
                    // The log is finished: one more look finds its last lines.
                    if changed.is_err() {
                        ended.cancel();
                    }
                }
                () = ended.cancelled() => {}
            }
        }
    }
    // Whoever listened may have gone away.
    let _ = out.send(Heard::End(key)).await;
}
