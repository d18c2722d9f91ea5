//! Cutting output into lines. **Invariants:** the lines, put together again, are the bytes as they came; no line is longer than [`LOG_LINE_BYTES`]. What
//! is hidden in a line is counted with its end: a part of it that is given out before says that it is one.

use crate::base::limits::LOG_LINE_BYTES;

/// The beginning of a line whose end has not come yet.
#[derive(Debug, Default)]
pub(super) struct Open {
    bytes: Vec<u8>,
    /// Time of its first byte.
    at_ns: i64,
    /// Bytes that came for it beside its own.
    hidden: u64,
}

/// One line, or a part of one that is too long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) at_ns: i64,
    pub(super) bytes: &'a [u8],
    /// Whether a newline came after it.
    pub(super) newline: bool,
    /// Bytes that came beside these.
    pub(super) hidden: u64,
    /// Something is hidden in the line, and a later part counts it.
    pub(super) part: bool,
    /// The next line goes on with it.
    pub(super) more: bool,
}

impl Open {
    /// Takes bytes as they came and gives out each line that is complete by now.
    #[inline]
    pub(super) fn take(&mut self, at_ns: i64, bytes: &[u8], give: &mut impl FnMut(Line<'_>)) {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            if self.is_empty() {
                let line = parts(at_ns, line, false, give);
                give(Line { at_ns, bytes: line, newline: true, hidden: 0, part: false, more: false });
            } else {
                self.bytes.extend_from_slice(line);
                let line = parts(self.at_ns, &self.bytes, self.hidden > 0, give);
                give(Line { at_ns: self.at_ns, bytes: line, newline: true, hidden: self.hidden, part: false, more: false });
                self.bytes.clear();
                self.hidden = 0;
            }
            rest = after;
        }
        if !rest.is_empty() {
            self.add(at_ns, rest, give);
        }
    }

    /// Takes a text, without newline, that is shown for `stands_for` bytes, which are not fewer.
    pub(super) fn take_hidden(&mut self, at_ns: i64, text: &str, stands_for: u64, give: &mut impl FnMut(Line<'_>)) {
        // The time first: a line may begin with it.
        if self.is_empty() {
            self.at_ns = at_ns;
        }
        self.hidden += stands_for.saturating_sub(text.len() as u64);
        self.add(at_ns, text.as_bytes(), give);
    }

    /// Nothing more comes: gives out the last line if it is there without its newline.
    pub(super) fn finish(&mut self, give: &mut impl FnMut(Line<'_>)) {
        if !self.is_empty() {
            give(Line { at_ns: self.at_ns, bytes: &self.bytes, newline: false, hidden: self.hidden, part: false, more: false });
            *self = Self::default();
        }
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.hidden == 0
    }

    fn add(&mut self, at_ns: i64, bytes: &[u8], give: &mut impl FnMut(Line<'_>)) {
        if self.is_empty() {
            self.at_ns = at_ns;
        }
        self.bytes.extend_from_slice(bytes);
        let kept = parts(self.at_ns, &self.bytes, self.hidden > 0, give).len();
        self.bytes.drain(..self.bytes.len() - kept);
    }
}

/// Gives out parts of a line that is too long; answers the rest, which is not. `part`: something is hidden in the line.
#[inline]
fn parts<'a>(at_ns: i64, mut line: &'a [u8], part: bool, give: &mut impl FnMut(Line<'_>)) -> &'a [u8] {
    while line.len() > LOG_LINE_BYTES {
        let (bytes, rest) = line.split_at(boundary(line));
        give(Line { at_ns, bytes, newline: false, hidden: 0, part, more: true });
        line = rest;
    }
    line
}

/// Where to cut a line that is too long: at the limit, or up to three bytes before it so as not to split a character.
fn boundary(line: &[u8]) -> usize {
    let is_start = |at: &usize| line[*at] & 0b1100_0000 != 0b1000_0000;
    (LOG_LINE_BYTES - 3..=LOG_LINE_BYTES).rev().find(is_start).unwrap_or(LOG_LINE_BYTES)
}
