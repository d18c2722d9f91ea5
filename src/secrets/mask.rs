//! Values in a stream of bytes, found in every form and across every cut.
//!
//! **Invariants:**
//! * A byte is hidden if and only if a form of a value that is in the stream covers it; overlapping ones are hidden as one. So what is hidden does
//!   not depend on how the stream was cut (but for [`Masker::release_lines`]).
//! * What could be the beginning of a form is held back until that is decided: never more bytes than the longest form has.
//! * Where a plain byte has been given out, everything before it is decided: a new masker that goes on right there gives the same.
//! * The pieces that are given out stand for all bytes that were taken, in their order.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use zeroize::Zeroize;

use super::forms::{Found, forms};
use crate::base::Secret;
use crate::base::limits::RUN_SECRET_BYTES;

/// What stands where something is hidden.
const SHOWN: &str = "***";

/// What is to be hidden. Cheap to clone. Its `Debug` tells nothing.
#[derive(Clone, Default)]
pub struct Masks(Option<Arc<Compiled>>);

struct Compiled {
    search: AhoCorasick,
    /// All forms, in the order of their bytes.
    sorted: Vec<Vec<u8>>,
    /// Which bytes a form begins with.
    begins: [bool; 256],
    longest: usize,
}

/// A part of a stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Plain(&'a [u8]),
    /// Something hidden: `text` is to be shown for so many bytes of the stream. It is empty where a piece before has shown it.
    Hidden {
        text: &'static str,
        bytes: u64,
    },
}

/// One stream on its way.
pub struct Masker {
    masks: Masks,
    /// What is not decided yet.
    held: Vec<u8>,
    /// Time of its first byte.
    held_at: i64,
    /// So many of its first bytes are covered by a form that began before them and has been shown.
    covered: usize,
}

impl fmt::Debug for Masks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "Masks(none)" } else { "Masks(***)" })
    }
}

impl Masks {
    /// Masks of these values.
    ///
    /// # Errors
    /// Together they are more than a run may have.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a Secret>) -> Result<Self, String> {
        let values: BTreeSet<&str> = values.into_iter().map(Secret::reveal).collect();
        let bytes: usize = values.iter().map(|value| value.len()).sum();
        if bytes > RUN_SECRET_BYTES {
            let most = RUN_SECRET_BYTES / 1024;
            return Err(format!("its secrets are {bytes} bytes together, and a run may have at most {most} KiB of them"));
        }
        let mut found = Found::new();
        values.into_iter().for_each(|value| forms(value, &mut found));
        if found.is_empty() {
            return Ok(Self(None));
        }
        let sorted: Vec<_> = found.into_iter().collect();
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&sorted)
            .map_err(|error| format!("its secrets cannot be looked for: {error}"))?;
        let mut begins = [false; 256];
        sorted.iter().filter_map(|form| form.first()).for_each(|byte| begins[usize::from(*byte)] = true);
        let longest = sorted.iter().map(|form| form.len()).max().unwrap_or(0);
        Ok(Self(Some(Arc::new(Compiled { search, sorted, begins, longest }))))
    }

    /// Nothing is hidden.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Begins a stream.
    #[must_use]
    pub fn masker(&self) -> Masker {
        Masker { masks: self.clone(), held: Vec::new(), held_at: 0, covered: 0 }
    }

    /// Bytes that are there as a whole.
    #[must_use]
    pub fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut masked = Vec::with_capacity(bytes.len());
        let mut give = |_: i64, piece: Piece<'_>| match piece {
            Piece::Plain(bytes) => masked.extend_from_slice(bytes),
            Piece::Hidden { text, bytes: _ } => masked.extend_from_slice(text.as_bytes()),
        };
        let mut masker = self.masker();
        masker.take(0, bytes, &mut give);
        masker.finish(&mut give);
        masked
    }

    /// A text that is there as a whole.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes())).into_owned()
    }
}

impl Compiled {
    /// Where what could become a form begins: everything before is decided.
    fn undecided(&self, bytes: &[u8]) -> usize {
        let from = bytes.len().saturating_sub(self.longest.saturating_sub(1));
        let begins = |at: &usize| self.begins[usize::from(bytes[*at])] && self.goes_on(&bytes[*at..]);
        (from..bytes.len()).find(begins).unwrap_or(bytes.len())
    }

    /// Whether these bytes are the beginning of a longer form.
    fn goes_on(&self, bytes: &[u8]) -> bool {
        let after = self.sorted.partition_point(|form| form.as_slice() <= bytes);
        self.sorted.get(after).is_some_and(|form| form.starts_with(bytes))
    }

    /// The parts of `bytes` that forms cover, overlapping ones as one, in order. The first `covered` bytes are.
    fn hidden(&self, bytes: &[u8], covered: usize) -> Vec<(usize, usize)> {
        let mut parts = Vec::new();
        if covered > 0 {
            parts.push((0, covered));
        }
        // They come in the order of their ends.
        for found in self.search.find_overlapping_iter(bytes) {
            let (mut begin, mut end) = (found.start(), found.end());
            while let Some((before, until)) = parts.pop_if(|(_, until)| *until > begin) {
                (begin, end) = (begin.min(before), end.max(until));
            }
            parts.push((begin, end));
        }
        parts
    }
}

impl Masker {
    /// Takes bytes as they came, in any cut; `give` gets what is decided, with its time.
    pub fn take(&mut self, at_ns: i64, bytes: &[u8], give: &mut dyn FnMut(i64, Piece<'_>)) {
        let Masks(Some(compiled)) = &self.masks else {
            return give(at_ns, Piece::Plain(bytes));
        };
        let compiled = Arc::clone(compiled);
        let old = self.held.len();
        self.held.extend_from_slice(bytes);
        let decided = compiled.undecided(&self.held);
        self.give_out(&compiled, decided, (old, at_ns), give);
    }

    /// The stream pauses: whole lines that are held back are given out, though they could have been the beginning of a value of several lines. Each
    /// of them is hidden by itself if it is long enough for that. The beginning of a line stays.
    pub fn release_lines(&mut self, give: &mut dyn FnMut(i64, Piece<'_>)) {
        if let Masks(Some(compiled)) = &self.masks
            && let Some(newline) = self.held.iter().rposition(|byte| *byte == b'\n')
        {
            let compiled = Arc::clone(compiled);
            self.give_out(&compiled, newline + 1, (self.held.len(), self.held_at), give);
        }
    }

    /// Nothing more comes.
    pub fn finish(&mut self, give: &mut dyn FnMut(i64, Piece<'_>)) {
        if let Masks(Some(compiled)) = &self.masks {
            let compiled = Arc::clone(compiled);
            self.give_out(&compiled, self.held.len(), (self.held.len(), self.held_at), give);
        }
    }

    /// Gives out the first `decided` bytes. Those from `new.0` on came at the time `new.1`.
    fn give_out(&mut self, compiled: &Compiled, decided: usize, new: (usize, i64), give: &mut dyn FnMut(i64, Piece<'_>)) {
        let (new_from, new_at) = new;
        if new_from == 0 {
            self.held_at = new_at;
        }
        if decided == 0 {
            // What is known of the first bytes stays known.
            return;
        }
        let held_at = self.held_at;
        let time = |at: usize| if at < new_from { held_at } else { new_at };
        let plain = |begin: usize, end: usize, give: &mut dyn FnMut(i64, Piece<'_>)| {
            let middle = new_from.clamp(begin, end);
            for (begin, end) in [(begin, middle), (middle, end)] {
                if begin < end {
                    give(time(begin), Piece::Plain(&self.held[begin..end]));
                }
            }
        };
        let (mut at, mut covered) = (0, 0);
        for (begin, end) in compiled.hidden(&self.held, self.covered) {
            if begin >= decided {
                break;
            }
            plain(at, begin, give);
            let text = if begin == 0 && self.covered > 0 { "" } else { SHOWN };
            at = end.min(decided);
            covered = end - at;
            give(time(begin), Piece::Hidden { text, bytes: (at - begin) as u64 });
        }
        plain(at, decided, give);
        self.covered = covered;
        self.held[..decided].zeroize();
        self.held.drain(..decided);
        if decided >= new_from {
            self.held_at = new_at;
        }
    }
}

impl Drop for Masker {
    fn drop(&mut self) {
        self.held.zeroize();
    }
}
