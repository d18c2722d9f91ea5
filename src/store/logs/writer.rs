//! Writing one attempt's log.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::index::{Entry, PerStream, RECORD_BYTES, Record};
use super::line::{Line, Open};
use super::nudge::Nudge;
use super::resume::{Found, resume};
use crate::run::Stream;

/// Within one call, so much is gathered before it is written.
const GATHER_BYTES: usize = 256 * 1024;
/// Gantry's own lines still find room in a full log, up to here beyond the limit.
const SYSTEM_BYTES: u64 = 64 * 1024;

/// The one writer of an attempt's log. Dropped without [`LogWriter::finish`] (a crash, a cancelled task) the log stays open, to be taken up again.
#[derive(Debug)]
pub struct LogWriter {
    pub(super) data: File,
    pub(super) index: File,
    lines: Lines,
    /// Beginnings of lines, by stream.
    open: PerStream<Open>,
    /// Bytes of each stream that are in the files (or were dropped by a full log).
    stored: PerStream<u64>,
    finished: bool,
    nudge: Nudge,
}

/// The lines of the log, those in the files and those on their way.
#[derive(Debug)]
struct Lines {
    limit: u64,
    full: bool,
    /// Lengths of what is in the files: bytes and records.
    data_len: u64,
    records: u64,
    /// What follows there.
    data: Vec<u8>,
    index: Vec<u8>,
    /// Bytes of each stream that were taken, on their way included.
    taken: PerStream<u64>,
}

impl LogWriter {
    pub(super) fn resume(data: File, index: File, limit: u64, nudge: Nudge) -> io::Result<Self> {
        let Found { lines: records, data_len, received, full } = resume(&data, &index)?;
        nudge.lines(records);
        let lines = Lines { limit, full, data_len, records, data: Vec::new(), index: Vec::new(), taken: received };
        Ok(Self { data, index, lines, open: PerStream::default(), stored: received, finished: false, nudge })
    }

    /// Takes bytes as they came, in any cut, and brings whole lines to the file. `at_ns` is their time in nanoseconds since 1970.
    ///
    /// An error means that nothing of these bytes was taken: once the disk is well again, hand them over again.
    pub fn write(&mut self, at_ns: i64, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        self.ready()?;
        self.add(at_ns, stream, bytes);
        Ok(())
    }

    /// Whether the next bytes can be taken: the log is not complete, and all that was taken is in the file.
    pub fn ready(&mut self) -> io::Result<()> {
        if self.finished {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the log is complete already"));
        }
        self.flush()
    }

    /// Takes bytes after [`Self::ready`].
    pub fn add(&mut self, at_ns: i64, stream: Stream, bytes: &[u8]) {
        for chunk in bytes.chunks(GATHER_BYTES) {
            let lines = &mut self.lines;
            self.open.get_mut(stream).take(at_ns, chunk, &mut |line| lines.push(stream, line));
            // Taken is taken: if the disk fails now, the next call tries again, and tells.
            let _ = self.flush();
        }
    }

    /// Takes, after [`Self::ready`], a text without newline that is shown for `stands_for` bytes of the stream, which are not fewer.
    pub fn add_hidden(&mut self, at_ns: i64, stream: Stream, text: &str, stands_for: u64) {
        let lines = &mut self.lines;
        self.open.get_mut(stream).take_hidden(at_ns, text, stands_for, &mut |line| lines.push(stream, line));
    }

    /// Brings to the file what an earlier call could not. [`Self::write`] does it by itself.
    pub fn flush(&mut self) -> io::Result<()> {
        self.lines.flush(&self.data, &self.index)?;
        self.stored = self.lines.taken;
        self.nudge.lines(self.lines.records);
        Ok(())
    }

    /// Bytes of this stream that are stored for good, newlines and what masks stand for included: where to go on after a crash. The beginning of a
    /// line does not count until its newline is there or it is longer than a line may be.
    #[must_use]
    pub fn received(&self, stream: Stream) -> u64 {
        *self.stored.get(stream)
    }

    /// The output is complete, and something else follows: a last line without newline becomes a line, and the log stays open.
    pub fn end_lines(&mut self) -> io::Result<()> {
        for stream in [Stream::Stdout, Stream::Stderr, Stream::System] {
            let lines = &mut self.lines;
            self.open.get_mut(stream).finish(&mut |line| lines.push(stream, line));
        }
        self.flush()
    }

    /// The output is complete: a last line without newline becomes a line, and the log survives a power cut from here on. After an error it can be
    /// called again.
    pub fn finish(&mut self) -> io::Result<()> {
        if self.finished {
            return Ok(());
        }
        self.end_lines()?;
        self.data.sync_data()?;
        let end = Entry::End { offset: self.lines.data_len }.encode();
        self.index.write_all_at(&end, self.lines.records * RECORD_BYTES)?;
        self.index.sync_data()?;
        self.finished = true;
        self.nudge.close();
        Ok(())
    }
}

impl Lines {
    #[inline]
    fn push(&mut self, stream: Stream, line: Line<'_>) {
        let bytes = line.bytes.len() as u64 + u64::from(line.newline);
        *self.taken.get_mut(stream) += bytes + line.hidden;
        let limit = if stream == Stream::System { self.limit.saturating_add(SYSTEM_BYTES) } else { self.limit };
        let fits = self.size() + bytes + RECORD_BYTES <= limit;
        if fits && (!self.full || stream == Stream::System) {
            self.append(stream, line, false);
        } else if !self.full {
            self.full = true;
            let text =
                format!("gantry: the log has reached its limit of {} bytes; the rest of the output is left out", self.limit);
            self.append(
                Stream::System,
                Line { bytes: text.as_bytes(), newline: true, hidden: 0, part: false, more: false, ..line },
                true,
            );
        }
    }

    #[inline]
    fn append(&mut self, stream: Stream, line: Line<'_>, full: bool) {
        let Line { at_ns, bytes, newline, hidden, part, more } = line;
        let offset = self.data_len + self.data.len() as u64;
        // A line is never longer than `LOG_LINE_BYTES`.
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let record = Record { at_ns, offset, len, stream, newline, full, part, more, hidden };
        self.index.extend_from_slice(&Entry::Line(record).encode());
        self.data.extend_from_slice(bytes);
        if newline {
            self.data.push(b'\n');
        }
    }

    /// Bytes of both files, with what is on its way.
    #[inline]
    fn size(&self) -> u64 {
        self.data_len + self.data.len() as u64 + self.records * RECORD_BYTES + self.index.len() as u64
    }

    /// Data first. Writes at known places, so that after a failure the same is simply written again.
    fn flush(&mut self, data: &File, index: &File) -> io::Result<()> {
        if self.index.is_empty() {
            return Ok(());
        }
        data.write_all_at(&self.data, self.data_len)?;
        index.write_all_at(&self.index, self.records * RECORD_BYTES)?;
        self.data_len += self.data.len() as u64;
        self.records += self.index.len() as u64 / RECORD_BYTES;
        self.data.clear();
        self.index.clear();
        Ok(())
    }
}
