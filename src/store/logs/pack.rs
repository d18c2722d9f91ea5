//! Compressing a log that is complete, and the way back for one that is taken up again.
//!
//! **Invariants:** `….zst` gets its name when it is whole and on the disk, and from then on it is the log; only then the plain files go. A crash between
//! leaves one of the two whole, or both, and [`settle`] finishes what was begun. The way back is the same the other way round: the compressed one goes
//! when the plain files are on the disk. Nobody writes while a name is changed ([`Nudges::unless_written`](super::nudge::Nudges::unless_written)).

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

use super::index::Entry;
use super::packed::{BLOCK_BYTES, BLOCK_LINES, FOOT, Foot, Packed, ROW, Row, SKIPPABLE, SKIPPABLE_HEAD, planes};
use super::page::Plain;
use super::{Paths, damaged};

/// What `zstd` itself takes: logs become a tenth or less with it, at hundreds of megabytes a second.
const LEVEL: i32 = 3;

/// A compressed log that has not got its name yet.
pub(super) struct Made {
    /// Lengths of the plain files that it was made of: they change with the log.
    lens: (u64, u64),
}

/// Compresses a complete log beside the plain files. `None`: it is not complete, or not plain.
pub(super) fn make(paths: &Paths) -> io::Result<Option<Made>> {
    let Some(plain) = Plain::open(paths)? else { return Ok(None) };
    let extent = plain.extent()?;
    if !extent.finished {
        return Ok(None);
    }
    let lens = plain.lens()?;
    let part = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&paths.part)?;
    let mut file = Counted { file: BufWriter::with_capacity(1 << 20, part), at: 0 };
    let mut compressor = Compressor::new(LEVEL)?;
    compressor.set_parameter(CParameter::ChecksumFlag(true))?;
    let (mut table, mut first, mut offset) = (Vec::new(), 0, 0);
    while first < extent.lines {
        let chunk = plain.chunk(first + 1, BLOCK_LINES, extent.lines, BLOCK_BYTES)?;
        let last = chunk.records.last().ok_or_else(damaged)?;
        let follow = chunk.records.iter().try_fold(offset, |at, record| (record.offset == at).then(|| record.end()));
        if follow.is_none() {
            return Err(damaged());
        }
        let (data, index) = (compressor.compress(&chunk.data)?, compressor.compress(&planes(&chunk.records))?);
        let [data_len, index_len] = [&data, &index].map(|frame| u32::try_from(frame.len()));
        let (data_len, index_len) = (data_len.map_err(io::Error::other)?, index_len.map_err(io::Error::other)?);
        table.extend(Row { first, offset, at: file.at, data: data_len, index: index_len }.encode());
        file.add(&data)?;
        file.skippable(index_len)?;
        file.add(&index)?;
        (first, offset) = (first + chunk.records.len() as u64, last.end());
    }
    file.skippable(u32::try_from(table.len() + FOOT).map_err(io::Error::other)?)?;
    let foot = Foot { lines: extent.lines, data_len: offset, blocks: (table.len() / ROW) as u64, table: file.at };
    file.add(&table)?;
    file.add(&foot.encode())?;
    file.file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(Some(Made { lens }))
}

struct Counted {
    file: BufWriter<File>,
    at: u64,
}

impl Counted {
    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.at += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    fn skippable(&mut self, len: u32) -> io::Result<()> {
        let mut head = [0; SKIPPABLE_HEAD as usize];
        head[..4].copy_from_slice(&SKIPPABLE.to_le_bytes());
        head[4..].copy_from_slice(&len.to_le_bytes());
        self.add(&head)
    }
}

/// Gives it its name, if the log is still the one that it was made of; answers whether it did. Called while nobody writes.
pub(super) fn name(paths: &Paths, made: &Made) -> io::Result<bool> {
    let same = match Plain::open(paths)? {
        Some(plain) => plain.lens()? == made.lens && plain.extent()?.finished,
        None => false,
    };
    if same {
        fs::rename(&paths.part, &paths.packed)?
    } else {
        remove(&paths.part)?
    }
    Ok(same)
}

/// What an end between two steps left: half a compressed file goes, and plain files beside a whole one. Called while nobody writes.
pub(super) fn settle(paths: &Paths) -> io::Result<()> {
    remove(&paths.part)?;
    if Packed::open(&paths.packed)?.is_some() {
        // Held over the removal: giving the bytes back takes its time, and comes after.
        let _held = [File::open(&paths.data), File::open(&paths.index)];
        remove(&paths.index)?;
        remove(&paths.data)?;
    }
    Ok(())
}

/// Makes a compressed log plain again, to be written to. Nothing to do for one that is plain.
pub(super) fn unpack(paths: &Paths) -> io::Result<()> {
    let Some(mut packed) = Packed::open(&paths.packed)? else { return Ok(()) };
    let create = |path: &Path| OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let (mut data, mut index) = (create(&paths.data)?, BufWriter::new(create(&paths.index)?));
    for number in 0..packed.foot().blocks {
        let block = packed.block(number)?;
        data.write_all(&block.data)?;
        for record in &block.records {
            index.write_all(&Entry::Line(*record).encode())?;
        }
    }
    index.write_all(&Entry::End { offset: packed.foot().data_len }.encode())?;
    data.sync_all()?;
    index.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    sync_dir(paths)?;
    fs::remove_file(&paths.packed)
}

/// The names in the log's directory are on the disk.
pub(super) fn sync_dir(paths: &Paths) -> io::Result<()> {
    paths.data.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
