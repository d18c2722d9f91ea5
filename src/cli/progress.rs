//! What `gantry run` shows: the log lines of all steps as they come, and how each step began and ended. On a terminal with a line of what runs
//! now; otherwise plain lines.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::out::beside;
use crate::base::took;
use crate::run::{Outcome, RunView, StepView, Stream};

/// Where progress goes: lines to stdout, or to stderr when stdout is for JSON.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    colour: bool,
    to_stderr: bool,
}

impl Progress {
    pub fn new(json: bool) -> Self {
        let terminal = std::io::stderr().is_terminal() && (json || std::io::stdout().is_terminal());
        let bar = terminal.then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {elapsed} {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { bar, colour: terminal && std::env::var_os("NO_COLOR").is_none(), to_stderr: json }
    }

    /// One line of a step's log.
    pub fn log(&self, title: &str, stream: Stream, text: &str) {
        let mark = match stream {
            Stream::Stdout => "│",
            Stream::Stderr => "┆",
            Stream::System => "·",
        };
        self.line(&format!("{} {mark} {text}", self.dim(title)));
    }

    /// A step that begins.
    pub fn began(&self, title: &str, step: &StepView) {
        let image = step.image.as_deref().map(|image| format!(" ({image})")).unwrap_or_default();
        let again = if step.attempt > 1 { format!(", attempt {}", step.attempt) } else { String::new() };
        self.line(&format!("{} {title}{image}{again}", self.paint("36", "▶")));
    }

    /// A step that ended, or that never began.
    pub fn ended(&self, title: &str, step: &StepView) {
        let Some(outcome) = step.outcome else { return };
        let how_long = match (step.started_at, step.ended_at) {
            (Some(from), Some(to)) => format!(" in {}", took(to.ms_since(from))),
            _ => String::new(),
        };
        let why =
            if outcome == Outcome::Passed { String::new() } else { format!(": {}", beside(outcome.as_str(), &step.reason)) };
        self.line(&format!("{} {title} {}{how_long}{why}", self.mark(outcome), outcome.as_str()));
    }

    /// A run that ended.
    pub fn run_ended(&self, run: &RunView) {
        let Some(outcome) = run.outcome else { return };
        let how_long = match (run.started_at, run.ended_at) {
            (Some(from), Some(to)) => format!(" in {}", took(to.ms_since(from))),
            _ => String::new(),
        };
        self.line(&format!("{} {} {}{how_long}: {}", self.mark(outcome), run.pipeline, outcome.as_str(), run.reason));
    }

    /// A test to look at, or all of them in numbers; `message` has whole lines.
    pub fn test(&self, outcome: Outcome, title: &str, message: &str) {
        self.line(format!("{} {title}\n{message}", self.mark(outcome)).trim_end_matches('\n'));
    }

    /// Whether lines have colours.
    pub fn has_colour(&self) -> bool {
        self.colour
    }

    /// What is going on now, on a terminal.
    pub fn now(&self, runs: &[RunView]) {
        if let Some(bar) = &self.bar {
            let open = runs.iter().filter(|run| run.outcome.is_none());
            bar.set_message(open.map(|run| format!("{}: {}", run.pipeline, run.reason)).collect::<Vec<_>>().join("; "));
        }
    }

    /// A remark that is no data.
    pub fn talk(&self, text: &str) {
        let print = || {
            // Nor is a terminal that is gone.
            let _ = writeln!(std::io::stderr(), "{text}");
        };
        self.bar.as_ref().map_or_else(print, |bar| bar.suspend(print));
    }

    /// Takes the line of what runs now away.
    pub fn close(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, text: &str) {
        let print = || {
            // A reader that went away (`| head`) is no reason to stop the run.
            let _ = if self.to_stderr { writeln!(std::io::stderr(), "{text}") } else { writeln!(std::io::stdout(), "{text}") };
        };
        self.bar.as_ref().map_or_else(print, |bar| bar.suspend(print));
    }

    fn mark(&self, outcome: Outcome) -> String {
        match outcome {
            Outcome::Passed => self.paint("32", "✓"),
            Outcome::Warning => self.paint("33", "!"),
            Outcome::Skipped => self.paint("90", "-"),
            Outcome::Cancelled => self.paint("90", "■"),
            Outcome::Failed | Outcome::TimedOut | Outcome::Lost | Outcome::Error => self.paint("31", "✗"),
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn dim(&self, text: &str) -> String {
        self.paint("90", text)
    }
}
