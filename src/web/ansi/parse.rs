//! One line of output → the characters a terminal would show at its end.

use super::style::Style;

/// One shown character.
pub(super) type Cell = (char, Style);

/// Reads a line. A carriage return goes back to its start and what follows overwrites; other control characters but the tab are dropped.
pub(super) fn cells(line: &str) -> Vec<Cell> {
    let mut shown = Shown::default();
    let mut rest = line.chars();
    while let Some(char) = rest.next() {
        match char {
            '\u{1b}' => escape(&mut rest, &mut shown),
            '\u{9b}' => control(&mut rest, &mut shown),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => text_until_end(&mut rest),
            '\r' => shown.at = 0,
            '\u{8}' => shown.at = shown.at.saturating_sub(1),
            char if char != '\t' && char.is_control() => {}
            char => shown.put(char),
        }
    }
    shown.cells
}

/// What is shown so far, and where the next character goes.
#[derive(Default)]
struct Shown {
    cells: Vec<Cell>,
    at: usize,
    style: Style,
}

impl Shown {
    fn put(&mut self, char: char) {
        match self.cells.get_mut(self.at) {
            Some(cell) => *cell = (char, self.style),
            None => self.cells.push((char, self.style)),
        }
        self.at += 1;
    }

    /// EL: 0 erases from here on, 1 up to here, 2 all.
    fn erase(&mut self, mode: &str) {
        match mode {
            "" | "0" => self.cells.truncate(self.at),
            "1" => {
                let end = (self.at + 1).min(self.cells.len());
                self.cells[..end].fill((' ', Style::default()));
            }
            "2" => self.cells.fill((' ', Style::default())),
            _ => {}
        }
    }
}

/// What follows ESC.
fn escape(rest: &mut std::str::Chars<'_>, shown: &mut Shown) {
    match rest.clone().next() {
        Some('[') => {
            rest.next();
            control(rest, shown);
        }
        // OSC (titles, links), DCS, SOS, PM, APC: text for the terminal itself, never shown.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            rest.next();
            text_until_end(rest);
        }
        // Two- and three-character escapes: intermediates 0x20–0x2f, then a final.
        Some(' '..='/') => while rest.next().is_some_and(|char| (' '..='/').contains(&char)) {},
        Some('0'..='~') => {
            rest.next();
        }
        _ => {}
    }
}

/// A control sequence: parameters 0x30–0x3f, intermediates 0x20–0x2f, a final 0x40–0x7e. Only SGR and EL mean anything in a log.
fn control(rest: &mut std::str::Chars<'_>, shown: &mut Shown) {
    let text = rest.as_str();
    let Some(length) = text.find(|char| !(' '..='?').contains(&char)) else {
        *rest = "".chars();
        return;
    };
    let (parameters, tail) = text.split_at(length);
    *rest = tail.chars();
    if !rest.clone().next().is_some_and(|char| ('@'..='~').contains(&char)) {
        return;
    }
    match rest.next() {
        Some('m') if parameters.bytes().all(|b| b.is_ascii_digit() || b == b';' || b == b':') => shown.style.apply(parameters),
        Some('K') => shown.erase(parameters),
        _ => {}
    }
}

/// Drops everything up to BEL or ST, or to the line's end.
fn text_until_end(rest: &mut std::str::Chars<'_>) {
    while let Some(char) = rest.next() {
        match char {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' => {
                if rest.as_str().starts_with('\\') {
                    rest.next();
                }
                return;
            }
            _ => {}
        }
    }
}
