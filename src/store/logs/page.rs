//! Reading a log: pages and search, straight from the index, with memory that depends on the page alone.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use memchr::memmem;
use serde::Serialize;

use super::index::{Entry, RECORD, RECORD_BYTES, Record};
use super::packed::Packed;
use super::resume::read_up_to;
use super::{Paths, damaged, open_if_there};
use crate::base::limits::LOG_PAGE_LINES;
use crate::run::Stream;

/// Bytes of one page: a page of the longest lines must not take hundreds of megabytes.
const PAGE_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes that one search looks through before it answers.
const SEARCH_BYTES: u64 = 64 * 1024 * 1024;

/// Some lines of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogPage {
    pub lines: Vec<LogLine>,
    /// The line to ask for next (`from`).
    pub next: u64,
    /// The log is complete and nothing comes after these lines.
    pub end: bool,
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// From 1.
    pub n: u64,
    /// Unix milliseconds.
    pub at: i64,
    pub stream: Stream,
    /// Without its newline; carriage returns stay; what is no UTF-8 is replaced.
    pub text: String,
    /// It is only the beginning: the line was longer than a line of a log may be, and the next one of this stream goes on with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// How far a log goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) lines: u64,
    pub(super) finished: bool,
}

/// A log that is open for reading.
struct Reader {
    source: Source,
    extent: Extent,
}

enum Source {
    Plain(Plain),
    Packed(Box<Packed>),
}

/// The two files of a log that is not compressed.
pub(super) struct Plain {
    data: File,
    index: File,
}

/// Lines that follow each other, raw.
#[derive(Default)]
pub(super) struct Chunk {
    first: u64,
    pub(super) records: Vec<Record>,
    pub(super) data: Vec<u8>,
}

pub(super) fn extent(paths: &Paths) -> io::Result<Extent> {
    Ok(Reader::open(paths)?.map_or_else(Extent::default, |reader| reader.extent))
}

pub(super) fn read(paths: &Paths, from: u64, limit: usize) -> io::Result<LogPage> {
    let from = from.max(1);
    let Some(mut reader) = Reader::open(paths)? else {
        return Ok(LogPage { lines: Vec::new(), next: from, end: false });
    };
    let chunk = reader.chunk(from, limit.clamp(1, LOG_PAGE_LINES))?;
    let next = from + chunk.records.len() as u64;
    let lines = chunk.lines().map(|line| line.map(Raw::into_line)).collect::<io::Result<_>>()?;
    Ok(LogPage { lines, next, end: reader.ends_before(next) })
}

/// The bytes from line `from` on as they came, of as many lines as fit a page, and the line to ask for next. What came without a newline and does not
/// go on in the next line gets one, so that no two streams are in one line.
pub(super) fn raw(paths: &Paths, from: u64) -> io::Result<(Vec<u8>, u64)> {
    let from = from.max(1);
    let Some(mut reader) = Reader::open(paths)? else { return Ok((Vec::new(), from)) };
    let chunk = reader.chunk(from, LOG_PAGE_LINES)?;
    let next = from + chunk.records.len() as u64;
    let after = reader.chunk(next, 1)?.records.first().map(|record| record.stream);
    let mut bytes = Vec::with_capacity(chunk.data.len() + 1);
    let streams = chunk.records.iter().skip(1).map(|record| Some(record.stream)).chain([after]);
    for (line, follows) in chunk.lines().zip(streams) {
        let Raw { n: _, record, bytes: text } = line?;
        bytes.extend_from_slice(text);
        if record.newline || follows.is_some_and(|stream| stream != record.stream) {
            bytes.push(b'\n');
        }
    }
    Ok((bytes, next))
}

pub(super) fn search(paths: &Paths, q: &str, from: u64, limit: usize) -> io::Result<LogPage> {
    let mut page = LogPage { lines: Vec::new(), next: from.max(1), end: false };
    let Some(mut reader) = Reader::open(paths)? else { return Ok(page) };
    let limit = limit.clamp(1, LOG_PAGE_LINES);
    let (mut looked, mut found) = (0, 0);
    let wanted = Wanted::of(q);
    while looked < SEARCH_BYTES {
        let chunk = reader.chunk(page.next, LOG_PAGE_LINES)?;
        if chunk.records.is_empty() {
            break;
        }
        looked += chunk.data.len() as u64 + chunk.records.len() as u64 * RECORD_BYTES;
        for line in chunk.lines() {
            let line = line?;
            if page.lines.len() == limit || found > PAGE_BYTES {
                return Ok(page);
            }
            page.next = line.n + 1;
            if wanted.is_in(line.bytes) {
                found += line.bytes.len() as u64;
                page.lines.push(line.into_line());
            }
        }
    }
    page.end = reader.ends_before(page.next);
    Ok(page)
}

/// The text that is looked for.
struct Wanted<'a> {
    text: &'a str,
    bytes: memmem::Finder<'a>,
    /// It may be shown where bytes are no UTF-8.
    shown: bool,
}

impl<'a> Wanted<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, bytes: memmem::Finder::new(text), shown: text.contains(char::REPLACEMENT_CHARACTER) }
    }

    /// Whole characters are found in bytes wherever they are found in what is shown of these.
    fn is_in(&self, line: &[u8]) -> bool {
        self.bytes.find(line).is_some() || (self.shown && String::from_utf8_lossy(line).contains(self.text))
    }
}

impl Reader {
    /// `None`: the log was never begun.
    fn open(paths: &Paths) -> io::Result<Option<Self>> {
        // It may be compressed, or made plain again, between two looks; not that often between these.
        for _ in 0..16 {
            if let Some(packed) = Packed::open(&paths.packed)? {
                let extent = Extent { lines: packed.foot().lines, finished: true };
                return Ok(Some(Self { source: Source::Packed(Box::new(packed)), extent }));
            }
            // Beside a compressed one they may be half made.
            let plain = Plain::open(paths)?;
            if let Some(plain) = plain.filter(|_| !paths.packed.exists()) {
                let extent = plain.extent()?;
                return Ok(Some(Self { source: Source::Plain(plain), extent }));
            }
        }
        Ok(None)
    }

    fn ends_before(&self, next: u64) -> bool {
        self.extent.finished && next > self.extent.lines
    }

    /// Up to `limit` lines from number `from`, as far as they fit a page, but at least one if there is one.
    fn chunk(&mut self, from: u64, limit: usize) -> io::Result<Chunk> {
        match &mut self.source {
            Source::Plain(plain) => plain.chunk(from, limit, self.extent.lines, PAGE_BYTES),
            Source::Packed(packed) => packed_chunk(packed, from, limit),
        }
    }
}

fn packed_chunk(packed: &mut Packed, from: u64, limit: usize) -> io::Result<Chunk> {
    let (start, lines, blocks) = (from - 1, packed.foot().lines, packed.foot().blocks);
    let mut chunk = Chunk { first: from, ..Chunk::default() };
    if start >= lines {
        return Ok(chunk);
    }
    for number in packed.block_of(start)?..blocks {
        let block = packed.block(number)?;
        let skipped = usize::try_from(start.saturating_sub(block.first)).map_err(io::Error::other)?;
        let offset = block.records.first().map_or(0, |first| first.offset);
        for record in block.records.get(skipped..).ok_or_else(damaged)? {
            let is_full = chunk.data.len() as u64 + record.bytes() > PAGE_BYTES && !chunk.records.is_empty();
            if chunk.records.len() == limit || is_full {
                return Ok(chunk);
            }
            let begin = usize::try_from(record.offset - offset).map_err(io::Error::other)?;
            let bytes = usize::try_from(record.bytes()).map_err(io::Error::other)?;
            chunk.data.extend_from_slice(block.data.get(begin..begin + bytes).ok_or_else(damaged)?);
            chunk.records.push(*record);
        }
    }
    Ok(chunk)
}

impl Plain {
    /// `None`: there are no such files.
    pub(super) fn open(paths: &Paths) -> io::Result<Option<Self>> {
        let (Some(index), Some(data)) = (open_if_there(&paths.index)?, open_if_there(&paths.data)?) else {
            return Ok(None);
        };
        Ok(Some(Self { data, index }))
    }

    /// Lengths of the data and of the index.
    pub(super) fn lens(&self) -> io::Result<(u64, u64)> {
        Ok((self.data.metadata()?.len(), self.index.metadata()?.len()))
    }

    pub(super) fn extent(&self) -> io::Result<Extent> {
        let records = self.index.metadata()?.len() / RECORD_BYTES;
        let mut extent = Extent { lines: records, finished: false };
        if let Some(last) = records.checked_sub(1) {
            let mut bytes = [0; RECORD];
            // An end mark that is not there any more was cut off meanwhile, by whoever takes the log up again.
            let there = read_up_to(&self.index, &mut bytes, last * RECORD_BYTES)? == RECORD;
            if !there {
                extent.lines = last;
            } else if let Some(Entry::End { .. }) = Entry::decode(&bytes) {
                extent = Extent { lines: last, finished: true };
            }
        }
        Ok(extent)
    }

    /// Up to `limit` lines from number `from` of all the `lines`, as far as they have `most` bytes, but at least one if there is one.
    pub(super) fn chunk(&self, from: u64, limit: usize, lines: u64, most: u64) -> io::Result<Chunk> {
        let start = from - 1;
        let count = lines.saturating_sub(start).min(limit as u64);
        let mut chunk = Chunk { first: from, ..Chunk::default() };
        if count == 0 {
            return Ok(chunk);
        }
        let mut index = vec![0; usize::try_from(count * RECORD_BYTES).map_err(io::Error::other)?];
        self.index.read_exact_at(&mut index, start * RECORD_BYTES)?;
        // Data may be behind its index only after a power cut; such lines are not there.
        let data_len = self.data.metadata()?.len();
        for bytes in index.chunks_exact(RECORD) {
            let Some(Entry::Line(record)) = Entry::decode(bytes) else {
                return Err(damaged());
            };
            let begin = chunk.records.first().map_or(record.offset, |first| first.offset);
            if record.end() > data_len || (record.end() - begin.min(record.end()) > most && !chunk.records.is_empty()) {
                break;
            }
            chunk.records.push(record);
        }
        if let (Some(first), Some(last)) = (chunk.records.first(), chunk.records.last()) {
            let bytes = last.end().checked_sub(first.offset).ok_or_else(damaged)?;
            chunk.data = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
            self.data.read_exact_at(&mut chunk.data, first.offset)?;
        }
        Ok(chunk)
    }
}

/// One line, not yet text.
struct Raw<'a> {
    n: u64,
    record: &'a Record,
    bytes: &'a [u8],
}

impl Chunk {
    fn lines(&self) -> impl Iterator<Item = io::Result<Raw<'_>>> {
        let base = self.records.first().map_or(0, |first| first.offset);
        self.records.iter().zip(self.first..).map(move |(record, n)| {
            let begin = usize::try_from(record.offset.checked_sub(base).ok_or_else(damaged)?).map_err(io::Error::other)?;
            let bytes = self.data.get(begin..begin.saturating_add(record.len as usize)).ok_or_else(damaged)?;
            Ok(Raw { n, record, bytes })
        })
    }
}

impl Raw<'_> {
    fn into_line(self) -> LogLine {
        let Raw { n, record, bytes } = self;
        let text = String::from_utf8_lossy(bytes).into_owned();
        LogLine { n, at: record.at_ns.div_euclid(1_000_000), stream: record.stream, text, more: record.more }
    }
}
