//! Reading a log: pages and search, straight from the index, with memory that depends on the page alone.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::Serialize;

use super::index::{Entry, RECORD, RECORD_BYTES, Record};
use super::{Paths, open_if_there};
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
}

/// How far a log goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) lines: u64,
    pub(super) finished: bool,
}

/// A log that is open for reading.
struct Reader {
    data: File,
    index: File,
    extent: Extent,
}

/// Lines that follow each other, raw.
struct Chunk {
    first: u64,
    records: Vec<Record>,
    data: Vec<u8>,
}

pub(super) fn extent(paths: &Paths) -> io::Result<Extent> {
    Ok(Reader::open(paths)?.map_or_else(Extent::default, |reader| reader.extent))
}

pub(super) fn read(paths: &Paths, from: u64, limit: usize) -> io::Result<LogPage> {
    let from = from.max(1);
    let Some(reader) = Reader::open(paths)? else {
        return Ok(LogPage { lines: Vec::new(), next: from, end: false });
    };
    let chunk = reader.chunk(from, limit.clamp(1, LOG_PAGE_LINES))?;
    let next = from + chunk.records.len() as u64;
    let lines = chunk.lines().map(|line| line.map(Raw::into_line)).collect::<io::Result<_>>()?;
    Ok(LogPage { lines, next, end: reader.ends_before(next) })
}

pub(super) fn search(paths: &Paths, q: &str, from: u64, limit: usize) -> io::Result<LogPage> {
    let mut page = LogPage { lines: Vec::new(), next: from.max(1), end: false };
    let Some(reader) = Reader::open(paths)? else { return Ok(page) };
    let limit = limit.clamp(1, LOG_PAGE_LINES);
    let (mut looked, mut found) = (0, 0);
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
            if String::from_utf8_lossy(line.bytes).contains(q) {
                found += line.bytes.len() as u64;
                page.lines.push(line.into_line());
            }
        }
    }
    page.end = reader.ends_before(page.next);
    Ok(page)
}

impl Reader {
    /// `None`: the log was never begun.
    fn open(paths: &Paths) -> io::Result<Option<Self>> {
        let (Some(index), Some(data)) = (open_if_there(&paths.index)?, open_if_there(&paths.data)?) else {
            return Ok(None);
        };
        let records = index.metadata()?.len() / RECORD_BYTES;
        let mut extent = Extent { lines: records, finished: false };
        if let Some(last) = records.checked_sub(1) {
            let mut bytes = [0; RECORD];
            index.read_exact_at(&mut bytes, last * RECORD_BYTES)?;
            if let Some(Entry::End { .. }) = Entry::decode(&bytes) {
                extent = Extent { lines: last, finished: true };
            }
        }
        Ok(Some(Self { data, index, extent }))
    }

    fn ends_before(&self, next: u64) -> bool {
        self.extent.finished && next > self.extent.lines
    }

    /// Up to `limit` lines from number `from`, as far as they fit a page, but at least one if there is one.
    fn chunk(&self, from: u64, limit: usize) -> io::Result<Chunk> {
        let start = from - 1;
        let count = self.extent.lines.saturating_sub(start).min(limit as u64);
        let mut chunk = Chunk { first: from, records: Vec::new(), data: Vec::new() };
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
            if record.end() > data_len || (record.end() - begin.min(record.end()) > PAGE_BYTES && !chunk.records.is_empty()) {
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
        LogLine { n, at: record.at_ns.div_euclid(1_000_000), stream: record.stream, text }
    }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the log's index is damaged")
}
