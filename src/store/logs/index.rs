//! The index: one record of 24 bytes for each line, so that line `n` is found by arithmetic. After the last line of a complete log comes the end mark.
//!
//! | bytes | what |
//! |---|---|
//! | 0–7 | time of the line's first byte, nanoseconds since 1970 |
//! | 8–15 | where the line begins in the data |
//! | 16–19 | its length without the newline |
//! | 20 | stream: 1 stdout, 2 stderr, 3 system; 0 is the end mark |
//! | 21 | flags |
//! | 22–23 | 0 |
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

/// One line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) at_ns: i64,
    pub(super) offset: u64,
    pub(super) len: u32,
    pub(super) stream: Stream,
    pub(super) newline: bool,
    pub(super) full: bool,
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
    pub(super) fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes())
    }

    /// Bytes in the data, newline included.
    pub(super) fn bytes(&self) -> u64 {
        u64::from(self.len) + u64::from(self.newline)
    }
}

impl Entry {
    pub(super) fn encode(self) -> [u8; RECORD] {
        let (at_ns, offset, len, stream, flags) = match self {
            Entry::Line(Record { at_ns, offset, len, stream, newline, full }) => {
                let flags = if newline { NEWLINE } else { 0 } | if full { FULL } else { 0 };
                (at_ns, offset, len, code(stream), flags)
            }
            Entry::End { offset } => (0, offset, u32::MAX, 0, 0),
        };
        let mut bytes = [0; RECORD];
        bytes[0..8].copy_from_slice(&at_ns.to_le_bytes());
        bytes[8..16].copy_from_slice(&offset.to_le_bytes());
        bytes[16..20].copy_from_slice(&len.to_le_bytes());
        bytes[20] = stream;
        bytes[21] = flags;
        bytes
    }

    /// `None`: these bytes are no record.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (at_ns, rest) = bytes.split_first_chunk()?;
        let (offset, rest) = rest.split_first_chunk()?;
        let (len, rest) = rest.split_first_chunk()?;
        let (at_ns, offset, len) = (i64::from_le_bytes(*at_ns), u64::from_le_bytes(*offset), u32::from_le_bytes(*len));
        let line =
            |stream, flags: u8| Record { at_ns, offset, len, stream, newline: flags & NEWLINE != 0, full: flags & FULL != 0 };
        match *rest {
            [0, 0, 0, 0] if len == u32::MAX => Some(Entry::End { offset }),
            [1, flags @ 0..=3, 0, 0] => Some(Entry::Line(line(Stream::Stdout, flags))),
            [2, flags @ 0..=3, 0, 0] => Some(Entry::Line(line(Stream::Stderr, flags))),
            [3, flags @ 0..=3, 0, 0] => Some(Entry::Line(line(Stream::System, flags))),
            _ => None,
        }
    }
}

/// A stream's number.
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
    pub(super) fn get(&self, stream: Stream) -> &T {
        &self.0[usize::from(code(stream)) - 1]
    }

    pub(super) fn get_mut(&mut self, stream: Stream) -> &mut T {
        &mut self.0[usize::from(code(stream)) - 1]
    }
}
