//! From the engine's stream into the sink. **Invariant:** the stream is always read to its end; a sink that cannot write costs the step its log and
//! its outcome, but never blocks the container.

use std::io;
use std::sync::Arc;

use bollard::container::LogOutput;
use bollard::errors::Error;
use futures_util::{Stream, StreamExt};

use super::hearing::Heard;
use super::resume::{self, Resume};
use crate::base::Clock;
use crate::executor::{Failure, Sink};
use crate::run::Stream as Channel;

/// Pieces that are at hand at the same moment go to the sink as one write: 200,000 lines need not be 200,000 writes.
const TOGETHER: usize = 256;
/// Lines of the engine's log within a millisecond, which is what a log shows of a time, go together too.
const SAME_TIME_NS: i64 = 1_000_000;

/// The sink of one attempt.
pub(super) struct Output {
    sink: Box<dyn Sink>,
    clock: Clock,
    /// The first error of the sink; after it nothing is written any more.
    error: Option<io::Error>,
    /// Bytes of stdout and stderr that the sink had or was given, a line's beginning included.
    passed: [u64; 2],
    /// Hears everything, also what the sink has had already.
    heard: Option<Arc<Heard>>,
}

/// How a stream ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The engine closed it: all output has come, or the engine is about to be gone.
    Closed,
    /// The connection broke.
    Broken,
}

impl Output {
    pub(super) fn new(sink: Box<dyn Sink>, clock: Clock) -> Self {
        Self {
            passed: [Channel::Stdout, Channel::Stderr].map(|stream| sink.received(stream)),
            sink,
            clock,
            error: None,
            heard: None,
        }
    }

    pub(super) fn heard_by(self, heard: Arc<Heard>) -> Self {
        Self { heard: Some(heard), ..self }
    }

    /// A line of our own.
    pub(super) fn say(&mut self, sentence: &str) {
        self.write(self.clock.now_ns(), Channel::System, format!("{sentence}\n").as_bytes());
    }

    fn write(&mut self, at_ns: i64, stream: Channel, bytes: &[u8]) {
        match stream {
            Channel::Stdout => self.passed[0] += bytes.len() as u64,
            Channel::Stderr => self.passed[1] += bytes.len() as u64,
            Channel::System => {}
        }
        if self.error.is_none() && !bytes.is_empty() {
            self.error = self.sink.write(at_ns, stream, bytes).err();
        }
    }

    /// The output is complete.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        let ended = match self.error.take() {
            Some(error) => Err(error),
            None => self.sink.finish(),
        };
        ended.map_err(|error| Failure::Infrastructure(format!("its log cannot be written: {error}")))
    }

    /// Now, by the clock whose times the sink gets.
    pub(super) fn now_ns(&self) -> i64 {
        self.clock.now_ns()
    }

    /// For an output that is read again from its beginning: what the sink has had by now is skipped.
    pub(super) fn passing(&self) -> Passing {
        Passing { skip: self.passed, gathered: Gathered::default() }
    }

    /// Passes bytes on, but for those that the sink has had. Those of one stream and time go together: see [`Self::pass_on`].
    pub(super) fn pass(&mut self, passing: &mut Passing, at_ns: i64, stream: Channel, bytes: &[u8]) {
        let skip = match stream {
            Channel::Stdout => &mut passing.skip[0],
            Channel::Stderr => &mut passing.skip[1],
            Channel::System => return,
        };
        let had = (*skip).min(bytes.len() as u64);
        *skip -= had;
        let new = bytes.get(usize::try_from(had).unwrap_or(usize::MAX)..).unwrap_or_default();
        if !new.is_empty() {
            self.gather(&mut passing.gathered, at_ns, stream, new);
        }
    }

    /// No more is at hand at this moment.
    pub(super) fn pass_on(&mut self, passing: &mut Passing) {
        self.flush(&mut passing.gathered);
    }

    /// Reads an attached stream to its end.
    pub(super) async fn follow<S>(&mut self, pieces: S) -> End
    where
        S: Stream<Item = Result<LogOutput, Error>> + Unpin,
    {
        let mut pieces = pieces.ready_chunks(TOGETHER);
        while let Some(ready) = pieces.next().await {
            let at_ns = self.clock.now_ns();
            let mut gathered = Gathered::default();
            for piece in ready {
                let Some((stream, bytes)) = read(piece) else {
                    self.flush(&mut gathered);
                    return End::Broken;
                };
                self.hear(stream, bytes.as_ref());
                self.gather(&mut gathered, at_ns, stream, bytes.as_ref());
            }
            self.flush(&mut gathered);
        }
        End::Closed
    }

    /// Reads the engine's log from its beginning to its end, and passes on what the sink has neither had nor been given yet.
    pub(super) async fn follow_log<S>(&mut self, frames: S) -> End
    where
        S: Stream<Item = Result<LogOutput, Error>> + Unpin,
    {
        let mut resume = Resume::after(self.passed);
        let mut frames = frames.ready_chunks(TOGETHER);
        while let Some(ready) = frames.next().await {
            let mut gathered = Gathered::default();
            for frame in ready {
                let Some((stream, frame)) = read(frame) else {
                    self.flush(&mut gathered);
                    return End::Broken;
                };
                self.hear(stream, resume::split_time(frame.as_ref()).1);
                resume.take(stream, frame.as_ref(), &mut |at_ns, bytes| {
                    let at_ns = at_ns.unwrap_or_else(|| self.clock.now_ns());
                    self.gather(&mut gathered, at_ns, stream, bytes);
                });
            }
            self.flush(&mut gathered);
        }
        End::Closed
    }

    fn hear(&self, stream: Channel, bytes: &[u8]) {
        if let Some(heard) = &self.heard {
            heard.take(stream, bytes);
        }
    }

    /// Puts bytes to those gathered before, if they are of the same stream and time.
    fn gather(&mut self, gathered: &mut Gathered, at_ns: i64, stream: Channel, bytes: &[u8]) {
        let same = gathered.stream == Some(stream) && at_ns.saturating_sub(gathered.at_ns) < SAME_TIME_NS;
        if !same {
            self.flush(gathered);
            (gathered.stream, gathered.at_ns) = (Some(stream), at_ns);
        }
        gathered.bytes.extend_from_slice(bytes);
    }

    fn flush(&mut self, gathered: &mut Gathered) {
        if let Some(stream) = gathered.stream.take() {
            self.write(gathered.at_ns, stream, &gathered.bytes);
            gathered.bytes.clear();
        }
    }
}

/// Where in an output that is read again we are.
pub(super) struct Passing {
    /// Bytes of stdout and stderr that the sink has had.
    skip: [u64; 2],
    gathered: Gathered,
}

/// Bytes on their way into one write.
#[derive(Default)]
struct Gathered {
    stream: Option<Channel>,
    /// Of the first byte.
    at_ns: i64,
    bytes: Vec<u8>,
}

/// Stream and bytes of a piece; `None` where the connection broke.
fn read(piece: Result<LogOutput, Error>) -> Option<(Channel, impl AsRef<[u8]>)> {
    let piece = piece.ok()?;
    channel(&piece).map(|stream| (stream, piece))
}

/// The stream of a piece. The client calls `Console` what is left of a frame whose connection broke.
fn channel(piece: &LogOutput) -> Option<Channel> {
    match piece {
        LogOutput::StdOut { .. } => Some(Channel::Stdout),
        LogOutput::StdErr { .. } => Some(Channel::Stderr),
        LogOutput::StdIn { .. } | LogOutput::Console { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    type Writes = Arc<Mutex<Vec<(Channel, Vec<u8>)>>>;

    /// Takes so many writes and then has no room.
    struct Room {
        writes: Writes,
        room: usize,
    }

    impl Sink for Room {
        fn write(&mut self, _at_ns: i64, stream: Channel, bytes: &[u8]) -> io::Result<()> {
            let mut writes = self.writes.lock().unwrap();
            if writes.len() == self.room {
                return Err(io::Error::other("no space"));
            }
            writes.push((stream, bytes.to_vec()));
            Ok(())
        }

        fn received(&self, _stream: Channel) -> u64 {
            0
        }

        fn finish(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn output(room: usize) -> (Output, Writes) {
        let writes = Writes::default();
        (Output::new(Box::new(Room { writes: Arc::clone(&writes), room }), Clock::System), writes)
    }

    fn out(text: &'static str) -> Result<LogOutput, Error> {
        Ok(LogOutput::StdOut { message: text.into() })
    }

    fn err(text: &'static str) -> Result<LogOutput, Error> {
        Ok(LogOutput::StdErr { message: text.into() })
    }

    #[tokio::test]
    async fn neighbours_of_one_stream_go_together_and_the_order_stays() {
        let (mut output, writes) = output(10);
        let pieces = futures_util::stream::iter([out("a\n"), out("b"), err("!\n"), out("\nc\n")]);
        assert_eq!(output.follow(pieces).await, End::Closed);
        let expected = [(Channel::Stdout, "a\nb"), (Channel::Stderr, "!\n"), (Channel::Stdout, "\nc\n")];
        assert_eq!(*writes.lock().unwrap(), expected.map(|(stream, text)| (stream, text.as_bytes().to_vec())));
        assert_eq!(output.passed, [6, 2]);
    }

    #[tokio::test]
    async fn a_broken_connection_is_seen_and_what_came_before_it_is_kept() {
        let half_a_frame = Ok(LogOutput::Console { message: "hal".into() });
        for broken in [half_a_frame, Err(Error::RequestTimeoutError)] {
            let (mut output, writes) = output(10);
            let pieces = futures_util::stream::iter([out("a\n"), broken]);
            assert_eq!(output.follow(pieces).await, End::Broken);
            assert_eq!(writes.lock().unwrap().len(), 1);
        }
    }

    #[tokio::test]
    async fn a_full_disk_costs_the_log_but_the_stream_is_read_to_its_end() {
        let (mut output, writes) = output(1);
        let pieces = futures_util::stream::iter([out("a\n"), err("b\n"), out("c\n")]);
        assert_eq!(output.follow(pieces).await, End::Closed);
        assert_eq!(writes.lock().unwrap().len(), 1);
        assert_eq!(output.finish(), Err(Failure::Infrastructure("its log cannot be written: no space".to_owned())));
    }

    #[tokio::test]
    async fn lines_of_the_log_keep_their_times_where_a_person_can_tell_them_apart() {
        let (mut output, writes) = output(10);
        let frames = [
            out("2026-11-22T11:03:46.900000000Z a\n"),
            out("2026-11-22T11:03:46.900400000Z b\n"),
            out("2026-11-22T11:03:46.901000000Z c\n"),
        ];
        assert_eq!(output.follow_log(futures_util::stream::iter(frames)).await, End::Closed);
        let expected = [(Channel::Stdout, b"a\nb\n".to_vec()), (Channel::Stdout, b"c\n".to_vec())];
        assert_eq!(*writes.lock().unwrap(), expected);
    }
}
