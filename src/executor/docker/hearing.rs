//! What a service says while it starts: whether a text has come, and its last words for the sentence that tells why it did not become ready.
//! **Invariant:** bounded, whatever is said.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::run::Stream;

/// Bytes of the end that are kept.
const KEPT: usize = 4096;
/// Lines that are told of it, and characters of each.
const LINES: usize = 3;
const CHARS: usize = 200;

/// The ear on one service's output.
pub(super) struct Heard {
    /// What is listened for; empty: nothing.
    sought: Vec<u8>,
    found: watch::Sender<bool>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The end of stdout and of stderr, as far as the sought text may have begun there.
    ends: [Vec<u8>; 2],
    /// The end of both.
    last: Vec<u8>,
}

impl Heard {
    /// Listens for a text, or only to the last words.
    pub(super) fn listening_for(text: Option<&str>) -> Self {
        let sought = text.unwrap_or_default().as_bytes().to_vec();
        Self { found: watch::Sender::new(false), sought, state: Mutex::default() }
    }

    /// Takes output as it comes, in any cut.
    pub(super) fn take(&self, stream: Stream, bytes: &[u8]) {
        let mut state = self.state();
        state.last.extend_from_slice(&bytes[bytes.len().saturating_sub(KEPT)..]);
        let over = state.last.len().saturating_sub(KEPT);
        state.last.drain(..over);
        let end = match stream {
            Stream::Stdout => &mut state.ends[0],
            Stream::Stderr => &mut state.ends[1],
            Stream::System => return,
        };
        if self.sought.is_empty() || *self.found.borrow() {
            return;
        }
        end.extend_from_slice(bytes);
        if end.windows(self.sought.len()).any(|window| window == self.sought) {
            self.found.send_replace(true);
        }
        let over = end.len().saturating_sub(self.sought.len() - 1);
        end.drain(..over);
    }

    /// Waits for the text.
    pub(super) async fn text(&self) {
        // The sender is here, so the channel stays open.
        let _ = self.found.subscribe().wait_for(|found| *found).await;
    }

    /// The last lines that say something, as one; `None` when there are none.
    pub(super) fn last_words(&self) -> Option<String> {
        let last = self.state().last.clone();
        let text = String::from_utf8_lossy(&last);
        let clean = |line: &str| line.chars().filter(|char| !char.is_control()).take(CHARS).collect::<String>().trim().to_owned();
        let mut lines: Vec<String> = text.lines().rev().map(clean).filter(|line| !line.is_empty()).take(LINES).collect();
        lines.reverse();
        (!lines.is_empty()).then(|| lines.join(" / "))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_text_is_found_wherever_it_is_cut_but_not_put_together_from_two_streams() {
        let whole = b"starting\nready to accept connections\n";
        for cut in 0..whole.len() {
            let heard = Heard::listening_for(Some("ready to accept"));
            heard.take(Stream::Stdout, &whole[..cut]);
            heard.take(Stream::Stderr, b"in between");
            heard.take(Stream::Stdout, &whole[cut..]);
            tokio::time::timeout(std::time::Duration::from_secs(5), heard.text()).await.expect("found");
        }
        let heard = Heard::listening_for(Some("ready to accept"));
        heard.take(Stream::Stdout, b"ready ");
        heard.take(Stream::Stderr, b"to accept");
        assert!(!*heard.found.borrow());
    }

    #[test]
    fn the_last_words_are_few_and_hold_no_control_characters() {
        let heard = Heard::listening_for(None);
        assert_eq!(heard.last_words(), None);
        for n in 0..10_000 {
            heard.take(Stream::Stderr, format!("line {n}\n").as_bytes());
        }
        heard.take(Stream::Stdout, b"\x1b[31mFATAL\x1b[0m: no\r\n\n");
        assert_eq!(heard.last_words().as_deref(), Some("line 9998 / line 9999 / [31mFATAL[0m: no"));
        heard.take(Stream::Stdout, &[b'x'; 100_000]);
        assert_eq!(heard.last_words().map(|words| words.len()), Some(CHARS));
        assert!(heard.state().last.len() <= KEPT);
    }
}
