//! Reading the archive (tar) that a step left, without unpacking it: a blocking walk that hands out the files that are wanted and what is wrong with them.
//!
//! **Invariants:** nothing of it touches this machine's disk; memory is a chunk or a small file, whatever the archive says of itself; only plain files
//! come out.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use bytes::Bytes;
use tar::{Entry, EntryType};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::names::{fault_of, path_of, shown};
use super::wanted::Wanted;
use crate::base::limits::ARCHIVE_HEADER_BYTES;

/// A file of at most this many bytes comes as a whole.
pub(super) const SMALL_BYTES: u64 = 256 * 1024;

/// A wanted file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct File {
    /// Relative to the work tree.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    pub size: u64,
}

/// What is in an archive.
#[derive(Debug)]
pub(super) enum Found {
    Small {
        file: File,
        content: Bytes,
    },
    /// The content follows; it is read before anything else is found.
    Large {
        file: File,
        content: Receiver<io::Result<Bytes>>,
    },
    /// Something wanted that cannot be kept: a sentence.
    Fault(String),
}

/// Reads an archive to its end. Blocking. An error is the archive's own; that nobody listens any more is none.
pub(super) fn read(archive: Receiver<io::Result<Bytes>>, base: &str, wanted: &Wanted, tell: &Sender<Found>) -> io::Result<()> {
    let budget = Rc::new(Cell::new(ARCHIVE_HEADER_BYTES));
    let mut archive = tar::Archive::new(Piped { archive, chunk: Bytes::new(), budget: Rc::clone(&budget) });
    let mut entries = archive.entries()?;
    loop {
        budget.set(ARCHIVE_HEADER_BYTES);
        let Some(entry) = entries.next() else { return Ok(()) };
        let mut entry = entry?;
        budget.set(u64::MAX);
        let goes_on = match judge(&entry, base, wanted) {
            Judged::Unwanted => true,
            Judged::Fault(why) => tell.blocking_send(Found::Fault(why)).is_ok(),
            Judged::File(file) => hand_out(&mut entry, file, tell)?,
        };
        if !goes_on {
            return Ok(());
        }
        io::copy(&mut entry, &mut io::sink())?;
    }
}

enum Judged {
    Unwanted,
    Fault(String),
    File(File),
}

fn judge(entry: &Entry<'_, Piped>, base: &str, wanted: &Wanted) -> Judged {
    let kind = entry.header().entry_type();
    if kind == EntryType::XGlobalHeader {
        return Judged::Unwanted;
    }
    let raw = entry.path_bytes();
    let path = match path_of(base, &raw) {
        Ok(path) => path,
        // Where it would be cannot be told, so whether it is wanted cannot either.
        Err(why) => return Judged::Fault(why),
    };
    if kind.is_dir() || !wanted.matches(&path) {
        return Judged::Unwanted;
    }
    if let Some(why) = fault_of(&path, &raw) {
        return Judged::Fault(why);
    }
    let what = match kind {
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            let mode = entry.header().mode().unwrap_or(0o644) & 0o777;
            return Judged::File(File { path, mode, size: entry.size() });
        }
        EntryType::Symlink => "a symbolic link",
        EntryType::Link => "a hard link: the same file has another name too",
        EntryType::Fifo => "a fifo",
        EntryType::Char | EntryType::Block => "a device",
        _ => "of a kind that is not known",
    };
    Judged::Fault(format!("`{}` is {what}, and only plain files are kept", shown(&path)))
}

/// Whether anybody listens still.
fn hand_out(entry: &mut Entry<'_, Piped>, file: File, tell: &Sender<Found>) -> io::Result<bool> {
    let size = file.size;
    if size <= SMALL_BYTES {
        let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        entry.read_to_end(&mut content)?;
        whole(content.len() as u64, size)?;
        return Ok(tell.blocking_send(Found::Small { file, content: content.into() }).is_ok());
    }
    let (pass, content) = channel(4);
    if tell.blocking_send(Found::Large { file, content }).is_err() {
        return Ok(false);
    }
    let mut read = 0;
    loop {
        let mut chunk = Vec::new();
        entry.take(SMALL_BYTES).read_to_end(&mut chunk)?;
        if chunk.is_empty() {
            break;
        }
        read += chunk.len() as u64;
        if pass.blocking_send(Ok(chunk.into())).is_err() {
            return Ok(false);
        }
    }
    if let Err(error) = whole(read, size) {
        // Whoever reads the content must not take it for whole.
        let _ = pass.blocking_send(Err(io::Error::new(error.kind(), error.to_string())));
        return Err(error);
    }
    Ok(true)
}

fn whole(read: u64, size: u64) -> io::Result<()> {
    if read == size {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive broke off in the middle of a file"))
}

/// The archive as it comes, with a bound on what may be read before the next file.
struct Piped {
    archive: Receiver<io::Result<Bytes>>,
    chunk: Bytes,
    budget: Rc<Cell<u64>>,
}

impl Read for Piped {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.archive.blocking_recv() {
                Some(chunk) => self.chunk = chunk?,
                None => return Ok(0),
            }
        }
        let len = into.len().min(self.chunk.len());
        let Some(left) = self.budget.get().checked_sub(len as u64) else {
            let why = format!("more than {ARCHIVE_HEADER_BYTES} bytes of the archive are names and attributes of one file");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        };
        self.budget.set(left);
        into[..len].copy_from_slice(&self.chunk.split_to(len));
        Ok(len)
    }
}
