//! Foreign words made fit to be printed: names, messages and log lines come from commits and steps, which anybody may have written.
//!
//! **Invariant:** nothing here lets an escape through to a terminal but colours.

use unicode_width::UnicodeWidthChar;

/// A character that can be shown in place of this one.
pub(super) fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        // Marks that reorder text hide what it says.
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' => '\u{fffd}',
        _ if c.is_control() => '\u{fffd}',
        _ => c,
    }
}

/// The first line, with only what can be shown.
pub(in crate::cli) fn one_line(text: &str) -> String {
    text.trim().lines().next().unwrap_or_default().trim_end().chars().map(visible).collect()
}

/// At most `columns` wide, with `…` where it was cut.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut used = 1;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= columns
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.push('…');
    cut
}

/// Columns that it takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// A log line for a terminal: what a carriage return leaves to be seen, colours kept when there are any, all other escapes dropped.
pub(super) fn log_line(text: &str, colour: bool) -> String {
    let text = text.trim_end_matches('\r');
    let text = text.rsplit_once('\r').map_or(text, |(_, last)| last);
    let mut out = String::with_capacity(text.len());
    let mut painted = false;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\x1b' => {
                if let Some(paint) = escape(&mut rest)
                    && colour
                {
                    out.push_str(&paint);
                    painted = true;
                }
            }
            '\t' => out.push(c),
            _ if c.is_control() => {}
            _ => out.push(c),
        }
    }
    if painted {
        out.push_str("\x1b[0m");
    }
    out
}

/// Reads to the end of an escape. Gives it back when it is a colour.
fn escape(rest: &mut std::str::Chars<'_>) -> Option<String> {
    match rest.next()? {
        '[' => {
            let mut parameters = String::new();
            loop {
                match rest.next()? {
                    'm' if parameters.chars().all(|c| c.is_ascii_digit() || matches!(c, ';' | ':')) => {
                        return Some(format!("\x1b[{parameters}m"));
                    }
                    '\x40'..='\x7e' => return None,
                    c => parameters.push(c),
                }
            }
        }
        // Titles, links and other strings go to a bell or to `ESC \`.
        ']' | 'P' | 'X' | '^' | '_' => {
            while let Some(c) = rest.next() {
                if c == '\x07' || c == '\u{9c}' {
                    break;
                }
                if c == '\x1b' {
                    rest.next();
                    break;
                }
            }
            None
        }
        // A choice of characters has one more.
        '(' | ')' | '*' | '+' | '#' | '%' | ' ' => {
            rest.next();
            None
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_its_first_line_without_escapes() {
        assert_eq!(one_line("\n  fix it\r\n\nbecause"), "fix it");
        assert_eq!(one_line("a\x1b]0;title\x07b\tc\u{202e}d"), "a\u{fffd}]0;title\u{fffd}b c\u{fffd}d");
        assert_eq!(one_line(""), "");
    }

    #[test]
    fn what_is_too_wide_is_cut_at_a_whole_character() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
    }

    #[test]
    fn a_log_line_keeps_its_colours_and_nothing_else() {
        assert_eq!(log_line("\x1b[1;32mok\x1b[0m", true), "\x1b[1;32mok\x1b[0m\x1b[0m");
        assert_eq!(log_line("\x1b[1;32mok\x1b[0m", false), "ok");
        assert_eq!(log_line("a\x1b[2J\x1b[Hb\x1b]0;title\x07c\x1b]8;;x\x1b\\d\x1b(Be\x1bcf\x07\x08g\th", true), "abcdefg\th");
        assert_eq!(log_line("\x1b[", true), "");
        assert_eq!(log_line("\x1b[>1m\x1b[?25l.", true), ".");
        assert_eq!(log_line("\x1bPq...", true), "", "a string without an end goes to the line's end");
    }

    #[test]
    fn of_a_progress_bar_the_last_state_is_shown() {
        assert_eq!(log_line("10%\r20%\r100%", false), "100%");
        assert_eq!(log_line("done\r", false), "done");
    }
}
