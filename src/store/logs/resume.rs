//! Taking up a log that a crash left: both files are cut back to the last whole line that is in both.
//!
//! **Invariant:** never in the middle of a line with something hidden in it: how much of the stream it stands for is known only at its end, and what
//! follows could be the rest of what is hidden.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::index::{Entry, PerStream, RECORD, RECORD_BYTES};

/// What was found in the two files.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Found {
    pub(super) lines: u64,
    /// Length of the data.
    pub(super) data_len: u64,
    /// Bytes of each stream.
    pub(super) received: PerStream<u64>,
    /// The log says that it is full.
    pub(super) full: bool,
}

/// Reads the index and cuts both files to what belongs together. An end mark is cut off too: a log that is taken up is not complete.
pub(super) fn resume(data: &File, index: &File) -> io::Result<Found> {
    let data_len = data.metadata()?.len();
    let mut found = Found::default();
    // The last place at which no stream is in the middle of such a line.
    let (mut sound, mut open) = (found, PerStream::<bool>::default());
    let mut buffer = vec![0; RECORD * 4096];
    'index: loop {
        let read = read_up_to(index, &mut buffer, found.lines * RECORD_BYTES)?;
        let records = buffer[..read].chunks_exact(RECORD);
        let whole = records.len();
        for record in records {
            match Entry::decode(record) {
                Some(Entry::Line(line)) if line.offset == found.data_len && line.end() <= data_len => {
                    found.lines += 1;
                    found.data_len = line.end();
                    *found.received.get_mut(line.stream) += line.received();
                    found.full |= line.full;
                    *open.get_mut(line.stream) = line.part;
                    if !open.any() {
                        sound = found;
                    }
                }
                _ => break 'index,
            }
        }
        if whole * RECORD < buffer.len() {
            break;
        }
    }
    index.set_len(sound.lines * RECORD_BYTES)?;
    data.set_len(sound.data_len)?;
    Ok(sound)
}

/// Fills the buffer as far as the file goes.
pub(super) fn read_up_to(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
