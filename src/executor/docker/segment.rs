//! Reading the segment: the file in which a step's first process writes down its output and its end, frame by frame.
//!
//! **Invariants:** whoever wrote it is not believed: nothing but a plain file is read, never through a link, a frame is at most as large as `wire` has it,
//! and the first one that is none ends the reading. What was read stays read: the file may only grow.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::wire::{self, FRAME_BYTES, HEADER_BYTES, Kind};
use crate::run::Observed;

/// The file's name in the record directory.
pub(super) const NAME: &str = "segment";
/// Read at once: the largest frame. More gains nothing that one can measure, and each running step holds as much.
const CHUNK: usize = FRAME_BYTES + HEADER_BYTES;

/// A segment and how far it was read.
pub(super) struct Segment {
    file: File,
    /// Of the first byte that is not in `buffer` yet.
    offset: u64,
    /// Read and not understood yet: the beginning of a frame.
    buffer: Vec<u8>,
}

/// One frame.
pub(super) struct Frame<'a> {
    /// Nanoseconds since 1970, by whoever wrote it.
    pub at_ns: u64,
    pub kind: Kind,
    pub payload: &'a [u8],
}

/// In the file's place is something that is no record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Nonsense;

impl Segment {
    /// Opens the one in this directory. Blocking, as briefly as opening a file takes.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        // A fifo opens at once by `O_NONBLOCK`, a link not at all.
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(dir.join(NAME))?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "in the segment's place is no plain file"));
        }
        Ok(Self { file, offset: 0, buffer: Vec::new() })
    }

    /// Reads on, and hands over the frames that are whole; false when there was nothing new. A piece at a time: call again until it is false.
    pub(super) fn read(&mut self, mut take: impl FnMut(Frame<'_>)) -> Result<bool, Nonsense> {
        let held = self.buffer.len();
        self.buffer.resize(held + CHUNK, 0);
        // It was written a moment ago, so it comes out of memory; an error is as good as a file that ends here.
        let read = self.file.read_at(&mut self.buffer[held..], self.offset).unwrap_or_default();
        self.buffer.truncate(held + read);
        self.offset += read as u64;
        let mut rest = self.buffer.as_slice();
        let understood = loop {
            let Some((header, after)) = rest.split_first_chunk::<HEADER_BYTES>() else { break Ok(read > 0) };
            let Some((at_ns, kind, length)) = wire::read_header(header) else { break Err(Nonsense) };
            let Some((payload, after)) = after.split_at_checked(length) else { break Ok(read > 0) };
            take(Frame { at_ns, kind, payload });
            rest = after;
        };
        let done = self.buffer.len() - rest.len();
        self.buffer.drain(..done);
        understood
    }
}

/// Writes down, where no step can, that the gate of this record is opened next; false if it was written down before. Blocking, as briefly as making a
/// file takes.
pub(super) fn mark_opened(dir: &Path) -> io::Result<bool> {
    match File::create_new(mark(dir)) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Takes that back: the opening did not arrive.
pub(super) fn unmark_opened(dir: &Path) -> io::Result<()> {
    std::fs::remove_file(mark(dir))
}

/// Whether the gate of this record was opened: only then may the step have begun. While its process runs, a mark without a record is one of an opening
/// that did not arrive; it may be sent again, as the gate opens once.
pub(super) fn was_opened(dir: &Path, running: bool) -> bool {
    let is_empty = || Segment::open(dir).and_then(|segment| segment.file.metadata()).is_ok_and(|found| found.len() == 0);
    mark(dir).exists() && !(running && is_empty())
}

/// Beside the directory, which is the step's own.
fn mark(dir: &Path) -> PathBuf {
    dir.with_extension("opened")
}

/// What the last frame says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub code: u8,
    pub observed: Observed,
}

/// Reads `name=value` lines; `None` without a code.
pub(super) fn told(payload: &[u8]) -> Option<Told> {
    let text = std::str::from_utf8(payload).ok()?;
    let value =
        |name: &str| text.lines().find_map(|line| line.split_once('=').filter(|(key, _)| *key == name)).map(|(_, value)| value);
    let number = |name: &str| value(name)?.parse::<u64>().ok();
    Some(Told {
        code: value("code")?.parse().ok()?,
        observed: Observed {
            signal: value("signal").and_then(|signal| signal.parse().ok()),
            oom_kills: number("oom_kills"),
            memory_peak_bytes: number("memory_peak_bytes"),
            cpu_user_ms: number("user_us").map(|micros| micros / 1000),
            cpu_system_ms: number("system_us").map(|micros| micros / 1000),
            read_bytes: number("read_bytes"),
            written_bytes: number("written_bytes"),
            ..Observed::default()
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::symlink;

    fn frame(at_ns: u64, kind: Kind, payload: &[u8]) -> Vec<u8> {
        [&wire::header(at_ns, kind, payload.len() as u32)[..], payload].concat()
    }

    fn written(bytes: &[u8]) -> (tempfile::TempDir, File) {
        let dir = tempfile::tempdir().unwrap();
        let mut file = OpenOptions::new().create(true).append(true).open(dir.path().join(NAME)).unwrap();
        file.write_all(bytes).unwrap();
        (dir, file)
    }

    type Frames = Vec<(u64, Kind, Vec<u8>)>;

    fn all(segment: &mut Segment) -> (Frames, Result<(), Nonsense>) {
        let mut frames = Vec::new();
        loop {
            match segment.read(|frame| frames.push((frame.at_ns, frame.kind, frame.payload.to_vec()))) {
                Ok(true) => {}
                Ok(false) => return (frames, Ok(())),
                Err(nonsense) => return (frames, Err(nonsense)),
            }
        }
    }

    #[test]
    fn frames_are_read_as_they_come_wherever_the_file_ends_at_the_moment() {
        let large = vec![b'x'; FRAME_BYTES];
        let whole = [frame(1, Kind::Started, b""), frame(2, Kind::Stdout, &large), frame(3, Kind::Stderr, b"e")].concat();
        for cut in [0, 1, HEADER_BYTES, HEADER_BYTES + 5, 2 * HEADER_BYTES + 70, whole.len() - 1, whole.len()] {
            let (dir, mut file) = written(&whole[..cut]);
            let mut segment = Segment::open(dir.path()).unwrap();
            let (mut frames, end) = all(&mut segment);
            assert_eq!(end, Ok(()));
            file.write_all(&whole[cut..]).unwrap();
            frames.extend(all(&mut segment).0);
            let expected = [(1, Kind::Started, Vec::new()), (2, Kind::Stdout, large.clone()), (3, Kind::Stderr, b"e".to_vec())];
            assert!(frames == expected, "cut at {cut}");
        }
    }

    #[test]
    fn nonsense_ends_the_reading_after_what_made_sense() {
        let too_long = {
            let mut header = wire::header(2, Kind::Stdout, 0);
            header[12..].copy_from_slice(&(FRAME_BYTES as u32 + 1).to_le_bytes());
            header.to_vec()
        };
        for nonsense in [vec![0; HEADER_BYTES], b"what a step may write there".to_vec(), too_long] {
            let (dir, _file) = written(&[frame(1, Kind::Stdout, b"ok"), nonsense].concat());
            let (frames, end) = all(&mut Segment::open(dir.path()).unwrap());
            assert_eq!((frames, end), (vec![(1, Kind::Stdout, b"ok".to_vec())], Err(Nonsense)));
        }
    }

    #[test]
    fn a_file_that_was_cut_or_is_endless_holds_nothing_up() {
        let (dir, file) = written(&frame(1, Kind::Stdout, b"ok"));
        let mut segment = Segment::open(dir.path()).unwrap();
        assert_eq!(all(&mut segment).0.len(), 1);
        file.set_len(0).unwrap();
        assert_eq!(all(&mut segment), (Vec::new(), Ok(())));
        file.set_len(1 << 40).unwrap();
        assert_eq!(all(&mut segment), (Vec::new(), Err(Nonsense)));
    }

    #[test]
    fn links_fifos_and_devices_are_no_segment() {
        let (dir, _file) = written(b"");
        let path = dir.path().join(NAME);
        for make in ["ln -s /etc/passwd", "ln -s /dev/zero", "mkfifo", "mkdir"] {
            let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir(&path));
            let made = std::process::Command::new("sh").arg("-c").arg(format!("{make} {}", path.display())).status().unwrap();
            assert!(made.success());
            assert!(Segment::open(dir.path()).is_err(), "{make}");
        }
        std::fs::remove_dir(&path).unwrap();
        symlink(dir.path().join("other"), &path).unwrap();
        assert!(Segment::open(dir.path()).is_err());
    }

    #[test]
    fn a_gate_was_opened_where_the_server_has_said_so_whatever_a_step_made_of_its_record() {
        for bytes in [Vec::new(), frame(1, Kind::Exit, b"code=143\n"), frame(1, Kind::Started, b""), b"a step's words".to_vec()] {
            let (dir, _file) = written(&bytes);
            let record = dir.path();
            for running in [false, true] {
                assert!(!was_opened(record, running), "{bytes:?}");
            }
            assert!(mark_opened(record).unwrap());
            assert!(!mark_opened(record).unwrap());
            assert!(was_opened(record, false), "{bytes:?}");
            assert_eq!(was_opened(record, true), !bytes.is_empty(), "{bytes:?}");
            std::fs::remove_file(record.join(NAME)).unwrap();
            assert!(was_opened(record, true), "a step has removed it");
            unmark_opened(record).unwrap();
            assert!(!was_opened(record, false));
        }
    }

    #[test]
    fn the_last_frame_tells_exit_and_use_and_nonsense_in_it_is_left_out() {
        let payload =
            b"code=137\nsignal=9\nuser_us=1999\nsystem_us=5\nmax_rss_kib=9\nread_bytes=512\nwritten_bytes=x\noom_kills=2\n";
        let told_by = told(payload).unwrap();
        assert_eq!(told_by.code, 137);
        let expected = Observed {
            signal: Some(9),
            oom_kills: Some(2),
            cpu_user_ms: Some(1),
            cpu_system_ms: Some(0),
            read_bytes: Some(512),
            ..Observed::default()
        };
        assert_eq!(told_by.observed, expected);
        for nonsense in [&b"signal=9\n"[..], b"code=300\n", b"code=-1\n", b"\xff", b""] {
            assert_eq!(told(nonsense), None);
        }
    }
}
