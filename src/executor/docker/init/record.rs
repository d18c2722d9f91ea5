//! The segment file: frames, appended. **Invariant:** a frame is written whole or its rest is kept until the disk takes it; nothing is read from the
//! step meanwhile, so at most a few frames are in memory.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::wire::{self, Kind};

/// Not through a link.
const O_NOFOLLOW: i32 = 0o400_000;
const ENOSPC: i32 = 28;
const EDQUOT: i32 = 122;

pub struct Record {
    file: File,
    /// Bytes of output that are kept; 0 keeps everything.
    pub limit: u64,
    kept: u64,
    is_over: bool,
    /// Frames, or their rest, that the disk has not taken yet.
    pending: Vec<u8>,
    /// Something was written since the last [`Record::flush`] that said so.
    grown: bool,
}

impl Record {
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o644).custom_flags(O_NOFOLLOW).open(path)?;
        Ok(Self { file, limit: 0, kept: 0, is_over: false, pending: Vec::new(), grown: false })
    }

    /// Adds a frame, and writes it if the disk takes it.
    pub fn add(&mut self, kind: Kind, payload: &[u8]) {
        let is_output = matches!(kind, Kind::Stdout | Kind::Stderr);
        if is_output && self.is_over {
            return;
        }
        let length = payload.len() as u64;
        if is_output && self.limit > 0 && self.kept + length > self.limit {
            self.is_over = true;
            self.frame(Kind::Limit, b"");
            return;
        }
        self.kept += if is_output { length } else { 0 };
        self.frame(kind, payload);
    }

    fn frame(&mut self, kind: Kind, payload: &[u8]) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        self.pending.extend(wire::header(now, kind, payload.len() as u32));
        self.pending.extend(payload);
    }

    /// Writes what is pending as far as the disk takes it. True when the file has grown.
    ///
    /// # Errors
    /// The file cannot be written for another reason than want of room.
    pub fn flush(&mut self) -> io::Result<bool> {
        while !self.pending.is_empty() {
            match self.file.write(&self.pending) {
                Ok(written) => {
                    self.pending.drain(..written);
                    self.grown |= written > 0;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if matches!(error.raw_os_error(), Some(ENOSPC | EDQUOT)) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(std::mem::take(&mut self.grown))
    }

    /// Whether everything is in the file.
    pub fn is_written(&self) -> bool {
        self.pending.is_empty()
    }
}
