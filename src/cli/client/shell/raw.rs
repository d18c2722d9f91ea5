//! The user's own terminal: raw while a step's terminal is shown in it, and as it was before afterwards, also when we panic.

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::is_terminal;

/// Dropped, it makes the terminal as it was.
pub(super) struct Raw {
    before: Option<Termios>,
}

impl Raw {
    /// Every key goes through as it is typed. Nothing is changed where stdin is no terminal.
    pub fn on() -> Self {
        if !is_terminal() {
            return Self { before: None };
        }
        let Ok(before) = tcgetattr(std::io::stdin()) else { return Self { before: None } };
        let mut raw = before.clone();
        raw.make_raw();
        let is_on = tcsetattr(std::io::stdin(), OptionalActions::Flush, &raw).is_ok();
        Self { before: is_on.then_some(before) }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // A terminal that went away needs nothing any more.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Columns and rows of the terminal, if there is one that knows.
pub(super) fn size() -> Option<(u16, u16)> {
    let size = tcgetwinsize(std::io::stdout()).or_else(|_| tcgetwinsize(std::io::stdin())).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}
