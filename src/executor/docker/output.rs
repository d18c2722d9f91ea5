//! From the engine's stream into the sink. **Invariant:** the stream is always read to its end; a sink that cannot write costs the step its log and
//! its outcome, but never blocks the container.

use std::io;

use bollard::container::LogOutput;
use bollard::errors::Error;
use futures_util::{Stream, StreamExt};

use super::resume::Resume;
use crate::base::Clock;
use crate::executor::{Failure, Sink};
use crate::run::Stream as Channel;

/// Pieces that are at hand at the same moment go to the sink as one write: 200,000 lines need not be 200,000 writes.
const TOGETHER: usize = 256;

/// The sink of one attempt.
pub(super) struct Output {
    sink: Box<dyn Sink>,
    clock: Clock,
    /// The first error of the sink; after it nothing is written any more.
    error: Option<io::Error>,
    /// Bytes of stdout and stderr that the sink had or was given, a line's beginning included.
    passed: [u64; 2],
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
        Self { passed: [Channel::Stdout, Channel::Stderr].map(|stream| sink.received(stream)), sink, clock, error: None }
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

    /// Reads an attached stream to its end.
    pub(super) async fn follow<S>(&mut self, pieces: S) -> End
    where
        S: Stream<Item = Result<LogOutput, Error>> + Unpin,
    {
        let mut pieces = pieces.ready_chunks(TOGETHER);
        while let Some(ready) = pieces.next().await {
            let at_ns = self.clock.now_ns();
            let mut together: Option<(Channel, Vec<u8>)> = None;
            for piece in ready {
                let Some((stream, bytes)) =
                    piece.ok().and_then(|piece| channel(&piece).map(|stream| (stream, piece.into_bytes())))
                else {
                    self.flush(at_ns, together);
                    return End::Broken;
                };
                match &mut together {
                    Some((same, buffer)) if *same == stream => buffer.extend_from_slice(&bytes),
                    _ => {
                        self.flush(at_ns, together.take());
                        together = Some((stream, bytes.to_vec()));
                    }
                }
            }
            self.flush(at_ns, together);
        }
        End::Closed
    }

    fn flush(&mut self, at_ns: i64, together: Option<(Channel, Vec<u8>)>) {
        if let Some((stream, bytes)) = together {
            self.write(at_ns, stream, &bytes);
        }
    }

    /// Reads the engine's log from its beginning to its end, and passes on what the sink has neither had nor been given yet.
    pub(super) async fn follow_log<S>(&mut self, mut frames: S) -> End
    where
        S: Stream<Item = Result<LogOutput, Error>> + Unpin,
    {
        let mut resume = Resume::after(self.passed);
        while let Some(frame) = frames.next().await {
            let Some((stream, frame)) = frame.ok().and_then(|frame| channel(&frame).map(|stream| (stream, frame.into_bytes())))
            else {
                return End::Broken;
            };
            resume.take(stream, &frame, &mut |at_ns, bytes| {
                let at_ns = at_ns.unwrap_or_else(|| self.clock.now_ns());
                self.write(at_ns, stream, bytes);
            });
        }
        End::Closed
    }
}

/// The stream of a piece. The client calls `Console` what is left of a frame whose connection broke.
fn channel(piece: &LogOutput) -> Option<Channel> {
    match piece {
        LogOutput::StdOut { .. } => Some(Channel::Stdout),
        LogOutput::StdErr { .. } => Some(Channel::Stderr),
        LogOutput::StdIn { .. } | LogOutput::Console { .. } => None,
    }
}
