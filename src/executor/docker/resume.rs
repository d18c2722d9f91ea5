//! Going on with an output that a crash cut off: the engine's log is read from its beginning and exactly the bytes are skipped that the sink has.
//!
//! The `local` driver keeps one record for each line, or for each 16 KiB of a longer one, and the log API gives each record as one frame: a time, a
//! space, the bytes. Two things about it had to be measured (Docker 20.10.24):
//! * A record of a whole line comes with its newline. Of a longer line only the records come, and the newline after the last is gone. It is due when
//!   a record without newline is shorter than 16 KiB and follows such a one. (Newer engines give it; then there is nothing to add.)
//! * A last line without newline comes without one. If it is also longer than 16 KiB it cannot be told from one with a newline; since every
//!   output ends with a line's end for the sink, this makes no difference.
//!
//! **Invariant:** the bytes of each stream, put together, are those that the process wrote, so the sink's counts hold for them.

use super::moment;
use crate::run::Stream;

/// The engine's pieces of a long line.
const PIECE: usize = 16 * 1024;

/// What has still to be skipped, and where in a long line we are.
pub(super) struct Resume {
    stdout: Place,
    stderr: Place,
}

#[derive(Default)]
struct Place {
    /// Bytes that the sink has.
    skip: u64,
    /// The last record was a piece of a long line that goes on.
    long: bool,
    /// The long line's end came without its newline; it is passed on when the stream goes on.
    due: bool,
}

impl Resume {
    /// `passed`: how many bytes of stdout and of stderr to skip.
    pub(super) fn after(passed: [u64; 2]) -> Self {
        let [stdout, stderr] = passed.map(|skip| Place { skip, ..Place::default() });
        Self { stdout, stderr }
    }

    /// Takes one frame of the log; `emit` gets what the sink does not have, with its time where the frame tells it.
    pub(super) fn take(&mut self, stream: Stream, frame: &[u8], emit: &mut dyn FnMut(Option<i64>, &[u8])) {
        let place = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
            Stream::System => return,
        };
        let (at_ns, bytes) = split_time(frame);
        if std::mem::take(&mut place.due) {
            place.pass(at_ns, b"\n", emit);
        }
        if bytes.last() == Some(&b'\n') {
            place.long = false;
        } else if bytes.len() >= PIECE {
            place.long = true;
        } else {
            place.due = std::mem::take(&mut place.long);
        }
        place.pass(at_ns, bytes, emit);
    }
}

impl Place {
    fn pass(&mut self, at_ns: Option<i64>, bytes: &[u8], emit: &mut dyn FnMut(Option<i64>, &[u8])) {
        let skip = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
        self.skip -= skip as u64;
        if skip < bytes.len() {
            emit(at_ns, &bytes[skip..]);
        }
    }
}

/// `2026-11-22T11:03:46.909278428Z BYTES`. A frame of another form is all bytes.
pub(super) fn split_time(frame: &[u8]) -> (Option<i64>, &[u8]) {
    let head = &frame[..frame.len().min(40)];
    let space = head.iter().position(|byte| *byte == b' ');
    let time = space.and_then(|at| std::str::from_utf8(&head[..at]).ok()).and_then(moment::parse_ns);
    match (time, space) {
        (Some(time), Some(at)) => (Some(time), &frame[at + 1..]),
        _ => (None, frame),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "2026-11-22T11:03:46.909278428Z ";

    fn frame(bytes: &[u8]) -> Vec<u8> {
        [TIME.as_bytes(), bytes].concat()
    }

    /// What `Resume` gives of these records to a sink that has `received` bytes.
    fn resumed(records: &[&[u8]], received: u64) -> Vec<u8> {
        let mut resume = Resume::after([received, 0]);
        let mut given = Vec::new();
        for record in records {
            resume.take(Stream::Stdout, &frame(record), &mut |at, bytes| {
                assert_eq!(at, Some(1_795_345_426_909_278_428));
                given.extend_from_slice(bytes);
            });
        }
        given
    }

    #[test]
    fn exactly_what_the_sink_has_is_skipped_wherever_it_was_cut() {
        let whole = b"one\n\ntwo\r\n\xff\xfe \x00\nlast";
        let records: [&[u8]; 5] = [b"one\n", b"\n", b"two\r\n", b"\xff\xfe \x00\n", b"last"];
        for cut in 0..=whole.len() {
            assert_eq!(resumed(&records, cut as u64), &whole[cut..], "{cut}");
        }
    }

    #[test]
    fn a_long_line_gets_the_newline_back_that_the_engine_forgets() {
        let piece = vec![b'x'; PIECE];
        for (records, whole) in [
            (vec![&piece[..], &piece, b"end", b"next\n"], [&piece[..], &piece, b"end\nnext\n"].concat()),
            (vec![&piece[..], b"", b"next\n"], [&piece[..], b"\nnext\n"].concat()),
            (vec![&piece[..], b"end\n", b"next\n"], [&piece[..], b"end\nnext\n"].concat()),
            (vec![&piece[..], b"\n", b"next"], [&piece[..], b"\nnext"].concat()),
            (vec![&piece[..], &piece], [&piece[..], &piece].concat()),
        ] {
            for cut in [0, 1, PIECE, PIECE + 1, whole.len() - 1] {
                assert_eq!(resumed(&records, cut as u64), &whole[cut..], "{cut}");
            }
        }
    }

    #[test]
    fn streams_are_counted_apart_also_within_a_long_line() {
        let piece = vec![b'x'; PIECE];
        let mut resume = Resume::after([0, 4]);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        for (stream, bytes) in
            [(Stream::Stdout, &piece[..]), (Stream::Stderr, b"old\nnew\n"), (Stream::Stdout, b"end"), (Stream::Stdout, b"z\n")]
        {
            let into = if stream == Stream::Stdout { &mut out } else { &mut err };
            resume.take(stream, &frame(bytes), &mut |_, bytes| into.extend_from_slice(bytes));
        }
        assert_eq!(out, [&piece[..], b"end\nz\n"].concat());
        assert_eq!(err, b"new\n");
    }

    #[test]
    fn a_frame_without_a_time_is_all_bytes() {
        assert_eq!(split_time(b"no time"), (None, &b"no time"[..]));
        assert_eq!(split_time(b""), (None, &b""[..]));
    }
}
