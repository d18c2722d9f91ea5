//! Where a verb writes to: data to stdout, talk to stderr.
//!
//! **Invariant:** data is buffered and comes out at [`Screen::flush`] and before any talk, so that both stand in the order they were said in.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;

use super::Failure;
use super::text::visible;
use crate::base::{Clock, Timestamp};

/// The user's terminal, or whatever stands for it.
pub struct Screen {
    data: Box<dyn Write + Send>,
    talk: Box<dyn Write + Send>,
    /// Data is read by people now: it is cut to fit and carries no escapes but colours.
    pub(super) is_terminal: bool,
    pub(super) colour: Colour,
    talk_colour: Colour,
    clock: Clock,
    /// What relative paths start from.
    pub(super) here: PathBuf,
}

impl Screen {
    /// This process's own. Colours only on a terminal, and not when `NO_COLOR` is set.
    pub(super) fn real() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let is_terminal = io::stdout().is_terminal();
        Self {
            data: Box::new(BufWriter::with_capacity(64 * 1024, io::stdout())),
            talk: Box::new(io::stderr()),
            is_terminal,
            colour: Colour(is_terminal && !plain),
            talk_colour: Colour(io::stderr().is_terminal() && !plain),
            clock: Clock::System,
            here: std::env::current_dir().unwrap_or_default(),
        }
    }

    /// One that writes elsewhere, as when stdout and stderr are no terminals.
    #[must_use]
    pub fn new(data: Box<dyn Write + Send>, talk: Box<dyn Write + Send>, here: PathBuf, clock: Clock) -> Self {
        Self { data, talk, is_terminal: false, colour: Colour(false), talk_colour: Colour(false), clock, here }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Data, as it is.
    pub(super) fn data(&mut self, text: &str) -> Result<(), Failure> {
        Ok(self.data.write_all(text.as_bytes())?)
    }

    /// Bytes of a file, as they are.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.data.write_all(bytes)?)
    }

    /// An answer of the API: as it came, on a line of its own.
    pub(super) fn json(&mut self, text: &str) -> Result<(), Failure> {
        self.data(text)?;
        if text.is_empty() || text.ends_with('\n') { Ok(()) } else { self.data("\n") }
    }

    /// A sentence for people. Nobody listening is no failure.
    pub(super) fn say(&mut self, sentence: &str) -> Result<(), Failure> {
        self.flush()?;
        let sentence: String = sentence.chars().map(|c| if c == '\n' { c } else { visible(c) }).collect();
        let _unheard = writeln!(self.talk, "{sentence}");
        Ok(())
    }

    /// What went wrong.
    pub(super) fn complain(&mut self, sentence: &str) {
        let head = self.talk_colour.paint(Hue::Bad, "gantry:");
        let sentence: String = sentence.chars().map(visible).collect();
        let _unheard = writeln!(self.talk, "{head} {sentence}");
    }

    /// Brings out the data so far.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.data.flush()?)
    }
}

/// What a word is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hue {
    Good,
    Doubtful,
    Bad,
    Live,
    Quiet,
    Strong,
}

/// Whether there are colours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Colour(pub bool);

impl Colour {
    pub(super) fn paint(self, hue: Hue, text: &str) -> String {
        if !self.0 || text.is_empty() {
            return text.to_owned();
        }
        let code = match hue {
            Hue::Good => "32",
            Hue::Doubtful => "33",
            Hue::Bad => "31",
            Hue::Live => "36",
            Hue::Quiet => "2",
            Hue::Strong => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}
