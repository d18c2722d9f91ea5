//! The index: one record of 24 bytes for each line, so that line `n` is found by arithmetic. After the last line of a complete log comes the end mark.
//!
//! | bytes | what |
//! |---|---|
//! | 0–7 | time of the line's first byte, nanoseconds since 1970 |
//! | 8–12 | where the line begins in the data |
//! | 13–15 | the higher bytes of what is hidden, see 22–23 |
//! | 16–19 | its length without the newline |
//! | 20 | stream: 1 stdout, 2 stderr, 3 system; 0 is the end mark |
//! | 21 | flags |
//! | 22–23 | hidden: how many bytes more than the line has came from the engine; masks show fewer than they stand for |
//!
//! What is done for each line is `inline`, which a compiler that is told to make the program small would not do by itself.
//!
//! Numbers are little-endian. **Invariant:** each record begins where the one before ends, so a torn or empty record is known by not fitting.

use crate::run::Stream;

/// Bytes of a record.
pub(super) const RECORD: usize = 24;
/// The same, for arithmetic with lengths of files.
pub(super) const RECORD_BYTES: u64 = RECORD as u64;

/// A newline follows in the data. Without it the next line of the same stream goes on with this one, or this is the stream's unfinished last line.
const NEWLINE: u8 = 1;
/// Gantry's word that the log is full.
const FULL: u8 = 2;
/// A part of a line with something hidden in it: how much is told by the line's last part, and only there can a log be taken up.
const PART: u8 = 4;
/// The line was too long, and the next one of its stream goes on with it.
const MORE: u8 = 8;

/// What an index can say of places and of hidden bytes: five bytes each, a terabyte.
pub(super) const MOST: u64 = (1 << 40) - 1;

/// One line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) at_ns: i64,
    pub(super) offset: u64,
    pub(super) len: u32,
    pub(super) stream: Stream,
    pub(super) newline: bool,
    pub(super) full: bool,
    pub(super) part: bool,
    pub(super) more: bool,
    /// Bytes that came from the engine beside those in the data.
    pub(super) hidden: u64,
}

/// What a place in the index holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    Line(Record),
    /// The log is complete; the data ends here.
    End {
        offset: u64,
    },
}

impl Record {
    /// Where the next line begins.
    #[inline]
    pub(super) fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes())
    }

    /// Bytes in the data, newline included.
    #[inline]
    pub(super) fn bytes(&self) -> u64 {
        u64::from(self.len) + u64::from(self.newline)
    }

    /// Bytes that came from the engine for it.
    #[inline]
    pub(super) fn received(&self) -> u64 {
        self.bytes().saturating_add(self.hidden)
    }
}

impl Entry {
    #[inline]
    pub(super) fn encode(self) -> [u8; RECORD] {
        let (at_ns, offset, len, stream, flags, hidden) = match self {
            Entry::Line(Record { at_ns, offset, len, stream, newline, full, part, more, hidden }) => {
                let flag = |set: bool, flag: u8| if set { flag } else { 0 };
                let flags = flag(newline, NEWLINE) | flag(full, FULL) | flag(part, PART) | flag(more, MORE);
                (at_ns, offset, len, code(stream), flags, hidden.min(MOST))
            }
            Entry::End { offset } => (0, offset, u32::MAX, 0, 0, 0),
        };
        let (offset, hidden) = (offset.to_le_bytes(), hidden.to_le_bytes());
        let mut bytes = [0; RECORD];
        bytes[0..8].copy_from_slice(&at_ns.to_le_bytes());
        bytes[8..13].copy_from_slice(&offset[..5]);
        bytes[13..16].copy_from_slice(&hidden[2..5]);
        bytes[16..20].copy_from_slice(&len.to_le_bytes());
        bytes[20] = stream;
        bytes[21] = flags;
        bytes[22..24].copy_from_slice(&hidden[..2]);
        bytes
    }

    /// `None`: these bytes are no record.
    #[inline]
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; RECORD] = bytes.try_into().ok()?;
        let (at_ns, rest) = bytes.split_first_chunk()?;
        let ([o0, o1, o2, o3, o4, h2, h3, h4], rest) = rest.split_first_chunk()?;
        let (len, [stream, flags, h0, h1]) = rest.split_first_chunk()? else { return None };
        let (at_ns, len) = (i64::from_le_bytes(*at_ns), u32::from_le_bytes(*len));
        let offset = u64::from_le_bytes([*o0, *o1, *o2, *o3, *o4, 0, 0, 0]);
        let hidden = u64::from_le_bytes([*h0, *h1, *h2, *h3, *h4, 0, 0, 0]);
        if let (0, 0, u32::MAX, 0) = (*stream, *flags, len, hidden) {
            return Some(Entry::End { offset });
        }
        let stream = match stream {
            1 => Stream::Stdout,
            2 => Stream::Stderr,
            3 => Stream::System,
            _ => return None,
        };
        let is = |flag: u8| flags & flag != 0;
        let known = *flags <= NEWLINE | FULL | PART | MORE;
        known.then_some(Entry::Line(Record {
            at_ns,
            offset,
            len,
            stream,
            newline: is(NEWLINE),
            full: is(FULL),
            part: is(PART),
            more: is(MORE),
            hidden,
        }))
    }
}

/// A stream's number.
#[inline]
pub(super) fn code(stream: Stream) -> u8 {
    match stream {
        Stream::Stdout => 1,
        Stream::Stderr => 2,
        Stream::System => 3,
    }
}

/// Something for each stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PerStream<T>([T; 3]);

impl<T> PerStream<T> {
    #[inline]
    pub(super) fn get(&self, stream: Stream) -> &T {
        &self.0[usize::from(code(stream)) - 1]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, stream: Stream) -> &mut T {
        &mut self.0[usize::from(code(stream)) - 1]
    }
}

impl PerStream<bool> {
    pub(super) fn any(&self) -> bool {
        self.0.contains(&true)
    }
}
