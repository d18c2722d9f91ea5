//! Reading a log that was compressed. Its form, which `zstd -d` reads as the plain text:
//!
//! | what | bytes |
//! |---|---|
//! | for each block: a zstd frame | the data of some lines |
//! | … and a skippable frame | in it, as a zstd frame, their records ([`Entry`] without offsets, times as differences), byte by byte of all records |
//! | at the end: a skippable frame | the table (32 bytes for each block: its first line, where its data begins in the log and in this file, lengths of both frames), then the foot |
//! | the foot | lines, bytes of data, blocks, where the table begins (8 bytes each), and their checksum, which begins with [`MAGIC`] |
//!
//! **Invariants:** a file of this name is whole, since it got its name when it was ([`super::pack`]); any line is one block away, and a block is small, so
//! memory depends neither on the log nor on the table; what does not fit together is refused.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use zstd::bulk::Decompressor;

use super::index::{Entry, RECORD, Record};
use super::{damaged, open_if_there};

/// What the foot's checksum begins with: no other file has it at its end.
const MAGIC: &[u8; 8] = b"GANTLOG1";
/// Begins a frame that `zstd` leaves out (RFC 8878, 3.1.2); its length follows in four bytes.
pub(super) const SKIPPABLE: u32 = 0x184D_2A50;
/// Bytes before the content of such a frame.
pub(super) const SKIPPABLE_HEAD: u64 = 8;
/// Bytes of the foot.
pub(super) const FOOT: usize = 40;
/// The same for the table's rows.
pub(super) const ROW: usize = 32;
/// Lines of one block at most.
pub(super) const BLOCK_LINES: usize = 8 * 1024;
/// Bytes of data in one block, but that a longer line is alone.
pub(super) const BLOCK_BYTES: u64 = 256 * 1024;

/// A compressed log that is open.
pub(super) struct Packed {
    file: File,
    foot: Foot,
    unpack: Decompressor<'static>,
    /// The block that was read last, since pages follow each other.
    last: Option<(u64, Block)>,
}

/// The end of the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Foot {
    pub(super) lines: u64,
    pub(super) data_len: u64,
    pub(super) blocks: u64,
    pub(super) table: u64,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// From 0.
    pub(super) first: u64,
    pub(super) offset: u64,
    pub(super) at: u64,
    pub(super) data: u32,
    pub(super) index: u32,
}

/// Lines that follow each other.
pub(super) struct Block {
    /// The first one's number, from 0.
    pub(super) first: u64,
    pub(super) records: Vec<Record>,
    pub(super) data: Vec<u8>,
}

impl Packed {
    /// `None` when the log is not compressed.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let Some(file) = open_if_there(path)? else { return Ok(None) };
        let len = file.metadata()?.len();
        let mut bytes = [0; FOOT];
        let at = len.checked_sub(FOOT as u64).ok_or_else(damaged)?;
        file.read_exact_at(&mut bytes, at)?;
        let foot = Foot::decode(&bytes).ok_or_else(damaged)?;
        let table = foot.blocks.checked_mul(ROW as u64).and_then(|table| table.checked_add(foot.table)).ok_or_else(damaged)?;
        if table != at || (foot.blocks == 0) != (foot.lines == 0) {
            return Err(damaged());
        }
        Ok(Some(Self { file, foot, unpack: Decompressor::new()?, last: None }))
    }

    pub(super) fn foot(&self) -> Foot {
        self.foot
    }

    /// The number of the block that has line `line` (from 0), which must be there.
    pub(super) fn block_of(&self, line: u64) -> io::Result<u64> {
        let (mut low, mut high) = (0, self.foot.blocks);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.row(middle)?.first <= line { low = middle } else { high = middle }
        }
        Ok(low)
    }

    /// A block, unpacked.
    pub(super) fn block(&mut self, number: u64) -> io::Result<&Block> {
        let block = match self.last.take() {
            Some((last, block)) if last == number => block,
            _ => self.read_block(number)?,
        };
        Ok(&self.last.insert((number, block)).1)
    }

    fn read_block(&mut self, number: u64) -> io::Result<Block> {
        let row = self.row(number)?;
        let (next, next_offset) = if number + 1 < self.foot.blocks {
            let next = self.row(number + 1)?;
            (next.first, next.offset)
        } else {
            (self.foot.lines, self.foot.data_len)
        };
        let lines = next.checked_sub(row.first).and_then(|lines| usize::try_from(lines).ok()).ok_or_else(damaged)?;
        let bytes = next_offset.checked_sub(row.offset).filter(|bytes| *bytes <= 2 * BLOCK_BYTES).ok_or_else(damaged)?;
        if lines == 0 || lines > BLOCK_LINES {
            return Err(damaged());
        }
        let data = self.frame(row.at, row.data, usize::try_from(bytes).map_err(io::Error::other)?)?;
        let index = self.frame(row.at + u64::from(row.data) + SKIPPABLE_HEAD, row.index, lines * RECORD)?;
        let records = records(&index, row.offset).filter(|records| records.last().is_some_and(|last| last.end() == next_offset));
        Ok(Block { first: row.first, records: records.ok_or_else(damaged)?, data })
    }

    fn frame(&mut self, at: u64, len: u32, content: usize) -> io::Result<Vec<u8>> {
        // A frame of what may be in a block is hardly ever longer than that, and never twice.
        if u64::from(len) > 4 * BLOCK_BYTES {
            return Err(damaged());
        }
        let mut frame = vec![0; len as usize];
        self.file.read_exact_at(&mut frame, at)?;
        let content_is = |found: &Vec<u8>| found.len() == content;
        self.unpack.decompress(&frame, content).ok().filter(content_is).ok_or_else(damaged)
    }

    fn row(&self, number: u64) -> io::Result<Row> {
        let mut bytes = [0; ROW];
        self.file.read_exact_at(&mut bytes, self.foot.table + number * ROW as u64)?;
        Row::decode(&bytes).ok_or_else(damaged)
    }
}

impl Foot {
    pub(super) fn encode(self) -> [u8; FOOT] {
        let Self { lines, data_len, blocks, table } = self;
        let mut bytes = [0; FOOT];
        for (place, number) in bytes.chunks_exact_mut(8).zip([lines, data_len, blocks, table]) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        let checksum = checksum(&bytes[..FOOT - 8]);
        bytes[FOOT - 8..].copy_from_slice(&checksum);
        bytes
    }

    fn decode(bytes: &[u8; FOOT]) -> Option<Self> {
        let [lines, data_len, blocks, table] = numbers(bytes)?;
        bytes.ends_with(&checksum(&bytes[..FOOT - 8])).then_some(Self { lines, data_len, blocks, table })
    }
}

impl Row {
    pub(super) fn encode(self) -> [u8; ROW] {
        let Self { first, offset, at, data, index } = self;
        let mut bytes = [0; ROW];
        let lengths = u64::from(data) | u64::from(index) << 32;
        for (place, number) in bytes.chunks_exact_mut(8).zip([first, offset, at, lengths]) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8; ROW]) -> Option<Self> {
        let [first, offset, at, lengths] = numbers(bytes)?;
        let half = |number: u64| u32::try_from(number & u64::from(u32::MAX)).ok();
        Some(Self { first, offset, at, data: half(lengths)?, index: half(lengths >> 32)? })
    }
}

/// FNV-1a, of 64 bits: enough for what a disk damages.
fn checksum(bytes: &[u8]) -> [u8; 8] {
    let add = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    MAGIC.iter().chain(bytes).fold(0xcbf2_9ce4_8422_2325, add).to_le_bytes()
}

fn numbers<const N: usize>(bytes: &[u8]) -> Option<[u64; N]> {
    let mut found = [0; N];
    for (place, number) in bytes.chunks_exact(8).zip(&mut found) {
        *number = u64::from_le_bytes(place.try_into().ok()?);
    }
    Some(found)
}

/// The bytes of records in the order in which they compress best: all first bytes, all second bytes, …
pub(super) fn planes(records: &[Record]) -> Vec<u8> {
    let mut planes = vec![0; records.len() * RECORD];
    let mut before = 0;
    for (n, record) in records.iter().enumerate() {
        let bare = Record { at_ns: record.at_ns.wrapping_sub(before), offset: 0, ..*record };
        before = record.at_ns;
        for (plane, byte) in Entry::Line(bare).encode().into_iter().enumerate() {
            planes[plane * records.len() + n] = byte;
        }
    }
    planes
}

/// The records again, the first of which begins at `offset`.
fn records(planes: &[u8], mut offset: u64) -> Option<Vec<Record>> {
    let count = planes.len() / RECORD;
    let mut before = 0_i64;
    let record = |n: usize| {
        let bytes: [u8; RECORD] = std::array::from_fn(|plane| planes[plane * count + n]);
        let Some(Entry::Line(bare)) = Entry::decode(&bytes) else { return None };
        let record = Record { at_ns: before.wrapping_add(bare.at_ns), offset, ..bare };
        (before, offset) = (record.at_ns, record.end());
        Some(record)
    };
    (0..count).map(record).collect()
}
