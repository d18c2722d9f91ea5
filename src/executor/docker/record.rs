//! Following an attempt's record: frame by frame out of the segment into the sink, until the last one tells the exit.
//!
//! **Invariants:** the file is the truth, a nudge only says when to look; bytes that the sink has are skipped by their number, so nothing is lost or doubled
//! by a crash; whatever stands in the record, the reading comes to an end, and where it has no last frame the engine's word decides.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use super::engine::Engine;
use super::output::{Output, Passing};
use super::segment::{self, Frame, Segment, Told};
use super::trouble::Trouble;
use super::wire::Kind;
use super::{ending, gate};
use crate::run::{Exit, Observed, Stream};

/// Between two looks into the file when nobody nudges.
const UNNUDGED: Duration = Duration::from_millis(200);
/// Looks in a row without a nudge, before the engine is asked whether the container still runs.
const LOOKS: u32 = 5;
/// A nudge may get lost with the connection that it came by; the file is looked at this often in any case.
const ANYWAY: Duration = Duration::from_secs(2);
/// After a nudge without news: a step may nudge as often as it likes.
const FALSE_ALARM: Duration = Duration::from_millis(20);
/// The exit code of a first process that could not do its part.
const INIT_FAILED: i32 = 125;
/// By the shell's custom.
const SIGTERM_CODE: u8 = 143;
const SIGNALS: i32 = 128;

/// An attempt's record, and how far it was passed on.
pub(super) struct Record {
    dir: PathBuf,
    /// None when it could not be opened: the step removed it.
    segment: Option<Segment>,
    nudges: Option<UnixStream>,
    passing: Passing,
    /// The time of the last frame: times never go back, nor beyond now.
    last_ns: i64,
    is_read: bool,
}

/// How far the reading has come.
enum Word {
    /// The last frame.
    Exit(Told),
    /// Nobody says anything any more.
    Silent,
    /// It is no record any more.
    Nonsense,
}

impl Record {
    /// Of an attempt that has just begun: `nudges` is the connection that opened its gate.
    pub(super) fn begun(dir: &Path, segment: Segment, nudges: UnixStream, passing: Passing, started_ns: i64) -> Self {
        Self { segment: Some(segment), nudges: Some(nudges), ..Self::empty(dir, passing, started_ns) }
    }

    /// Of one that began before, running or ended.
    pub(super) async fn again(dir: &Path, passing: Passing, started_ns: i64) -> Self {
        let segment = Segment::open(dir).ok();
        // Of an ended one nobody listens.
        Self { segment, nudges: gate::connect(dir).await.ok(), ..Self::empty(dir, passing, started_ns) }
    }

    fn empty(dir: &Path, passing: Passing, started_ns: i64) -> Self {
        Self { dir: dir.to_owned(), segment: None, nudges: None, passing, last_ns: started_ns, is_read: false }
    }

    /// Passes on what is there; the word, once there is one.
    async fn drain(&mut self, output: &mut Output) -> Option<Word> {
        let Self { segment: Some(segment), passing, last_ns, is_read, dir: _, nudges: _ } = self else { return None };
        *is_read = false;
        loop {
            let mut last = None;
            let now_ns = output.now_ns();
            let read = segment.read(|Frame { at_ns, kind, payload }| {
                *last_ns = i64::try_from(at_ns).unwrap_or(i64::MAX).min(now_ns).max(*last_ns);
                match kind {
                    // A step may write frames after its last: it only ever has one end.
                    _ if last.is_some() => {}
                    Kind::Stdout => output.pass(passing, *last_ns, Stream::Stdout, payload),
                    Kind::Stderr => output.pass(passing, *last_ns, Stream::Stderr, payload),
                    Kind::NotStarted => output.say(&printable(payload)),
                    // The sink's own limit is smaller, and it says so.
                    Kind::Started | Kind::Limit => {}
                    Kind::Exit => last = Some(segment::told(payload).map_or(Word::Nonsense, Word::Exit)),
                }
            });
            output.pass_on(passing);
            match (last, read) {
                (Some(word), _) => return Some(word),
                (None, Err(segment::Nonsense)) => return Some(Word::Nonsense),
                (None, Ok(false)) => return None,
                (None, Ok(true)) => *is_read = true,
            }
            // An output without end does not keep a thread for itself.
            tokio::task::yield_now().await;
        }
    }

    /// Passes on what comes until there is a word.
    async fn follow(&mut self, output: &mut Output) -> Word {
        let mut looks = 0;
        loop {
            if let Some(word) = self.drain(output).await {
                return word;
            }
            let Some(nudges) = &mut self.nudges else {
                if looks == LOOKS {
                    return Word::Silent;
                }
                looks += 1;
                tokio::time::sleep(UNNUDGED).await;
                continue;
            };
            if !std::mem::replace(&mut self.is_read, true) {
                tokio::time::sleep(FALSE_ALARM).await;
            }
            let mut bytes = [0; 4096];
            if let Ok(Ok(0) | Err(_)) = tokio::time::timeout(ANYWAY, nudges.read(&mut bytes)).await {
                self.nudges = None;
                // What was written before it went away.
                return self.drain(output).await.unwrap_or(Word::Silent);
            }
        }
    }

    /// Follows it to the end of the attempt.
    pub(super) async fn end(
        mut self,
        engine: &Engine,
        container: &str,
        stop: &CancellationToken,
        output: &mut Output,
    ) -> Result<(Exit, Observed), Trouble> {
        loop {
            match self.follow(output).await {
                // Nobody here sent it a SIGTERM: it may be the machine that goes down, and then it is not the step that failed.
                Word::Exit(told) if told.code == SIGTERM_CODE && !stop.is_cancelled() => {
                    let exit = engines_word(engine, container, stop, output).await?;
                    return Ok((exit, told.observed));
                }
                Word::Exit(told) => return Ok(by_record(told, output)),
                Word::Nonsense => {
                    output.say("the step has written over the record of its output: what comes after is not shown, and its exit is Docker's word");
                    let exit = engines_word(engine, container, stop, output).await?;
                    return Ok(without_last_frame(exit));
                }
                Word::Silent => {
                    let Some(exit) = ending::exit(engine, container, stop, output).await? else {
                        // It still runs: it was the connection that ended, or whoever nudges is busy.
                        self.nudges = gate::connect(&self.dir).await.ok();
                        continue;
                    };
                    return match self.drain(output).await {
                        Some(Word::Exit(told)) => Ok(by_record(told, output)),
                        Some(Word::Silent | Word::Nonsense) | None => Ok(self.unfinished(exit, output)),
                    };
                }
            }
        }
    }

    /// The end of a record without its last frame: the container was killed, or its first process could not write.
    fn unfinished(&self, exit: Exit, output: &mut Output) -> (Exit, Observed) {
        if self.segment.is_none() {
            output.say("the step has removed the record of its output: nothing of it is shown that was not shown before");
        } else if exit == Exit::Code(INIT_FAILED) {
            let why = "the first process of its container could not write down what happened; is the disk full?";
            return (Exit::Infrastructure(why.to_owned()), Observed::default());
        }
        without_last_frame(exit)
    }
}

/// Waits for the end of the container, whatever its record says.
async fn engines_word(engine: &Engine, container: &str, stop: &CancellationToken, output: &mut Output) -> Result<Exit, Trouble> {
    loop {
        if let Some(exit) = ending::exit(engine, container, stop, output).await? {
            return Ok(exit);
        }
    }
}

fn by_record(told: Told, output: &mut Output) -> (Exit, Observed) {
    let Told { code, observed } = told;
    if observed.oom_kills.is_some_and(|kills| kills > 0) {
        output.say(match code {
            0 => "one of its processes was killed: the step used more memory than it may",
            _ => ending::OUT_OF_MEMORY,
        });
    }
    (Exit::Code(code.into()), observed)
}

/// A first process ends by a signal only when it is killed itself, and with it everything.
fn without_last_frame(exit: Exit) -> (Exit, Observed) {
    let signal = match &exit {
        Exit::Code(code) if (SIGNALS + 1..SIGNALS + 65).contains(code) => Some(code - SIGNALS),
        _ => None,
    };
    (exit, Observed { signal, ..Observed::default() })
}

/// One line, whatever is in it.
fn printable(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload).chars().take(1000).map(|char| if char.is_control() { ' ' } else { char }).collect()
}
