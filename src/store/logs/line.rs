//! Cutting output into lines. **Invariant:** the lines, put together again, are the bytes as they came; no line is longer than [`LOG_LINE_BYTES`].

use crate::base::limits::LOG_LINE_BYTES;

/// The beginning of a line whose end has not come yet.
#[derive(Debug, Default)]
pub(super) struct Open {
    bytes: Vec<u8>,
    /// Time of its first byte.
    at_ns: i64,
}

/// One line, or a part of one that is too long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) at_ns: i64,
    pub(super) bytes: &'a [u8],
    /// Whether a newline came after it.
    pub(super) newline: bool,
}

impl Open {
    /// Takes bytes as they came and gives out each line that is complete by now.
    pub(super) fn take(&mut self, at_ns: i64, bytes: &[u8], give: &mut impl FnMut(Line<'_>)) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            if self.bytes.is_empty() {
                let line = parts(at_ns, line, give);
                give(Line { at_ns, bytes: line, newline: true });
            } else {
                self.bytes.extend_from_slice(line);
                let line = parts(self.at_ns, &self.bytes, give);
                give(Line { at_ns: self.at_ns, bytes: line, newline: true });
                self.bytes.clear();
            }
            rest = after;
        }
        if rest.is_empty() {
            return;
        }
        if self.bytes.is_empty() {
            self.at_ns = at_ns;
        }
        self.bytes.extend_from_slice(rest);
        let kept = parts(self.at_ns, &self.bytes, give).len();
        self.bytes.drain(..self.bytes.len() - kept);
    }

    /// Nothing more comes: gives out the last line if it is there without its newline.
    pub(super) fn finish(&mut self, give: &mut impl FnMut(Line<'_>)) {
        if !self.bytes.is_empty() {
            give(Line { at_ns: self.at_ns, bytes: &self.bytes, newline: false });
            self.bytes = Vec::new();
        }
    }
}

/// Gives out parts of a line that is too long; answers the rest, which is not.
fn parts<'a>(at_ns: i64, mut line: &'a [u8], give: &mut impl FnMut(Line<'_>)) -> &'a [u8] {
    while line.len() > LOG_LINE_BYTES {
        let (part, rest) = line.split_at(boundary(line));
        give(Line { at_ns, bytes: part, newline: false });
        line = rest;
    }
    line
}

/// Where to cut a line that is too long: at the limit, or up to three bytes before it so as not to split a character.
fn boundary(line: &[u8]) -> usize {
    let is_start = |at: &usize| line[*at] & 0b1100_0000 != 0b1000_0000;
    (LOG_LINE_BYTES - 3..=LOG_LINE_BYTES).rev().find(is_start).unwrap_or(LOG_LINE_BYTES)
}
