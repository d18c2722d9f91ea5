//! Characters → escaped HTML with class names.

use super::parse::{Cell, cells};
use super::style::Style;

/// The line as HTML: `<span class="f1 bold">` around what is not plain, everything escaped, trailing blanks of a progress bar cut.
#[must_use]
pub fn to_html(line: &str) -> String {
    if line.bytes().all(|b| b >= b' ' && b != 0x7f && !matches!(b, b'<' | b'>' | b'&' | b'"' | b'\'')) && line.is_ascii() {
        return line.trim_end().to_owned();
    }
    let mut cells = cells(line);
    while cells.last().is_some_and(|(char, style)| *char == ' ' && style.back.is_none() && !style.inverse) {
        cells.pop();
    }
    let mut html = String::with_capacity(line.len() + 32);
    for run in cells.chunk_by(|(_, a), (_, b)| a == b) {
        push(&mut html, run);
    }
    html
}

/// The line as a terminal would show it, without its colours; not escaped.
#[must_use]
pub fn to_text(line: &str) -> String {
    let shown = |char: char| if is_bidi_control(char) { '\u{fffd}' } else { char };
    let text: String = cells(line).into_iter().map(|(char, _)| shown(char)).collect();
    text.trim_end().to_owned()
}

fn push(html: &mut String, run: &[Cell]) {
    let style = run.first().map(|(_, style)| *style).unwrap_or_default();
    let plain = style == Style::default();
    if !plain {
        html.push_str("<span class=\"");
        html.push_str(&classes(style));
        html.push_str("\">");
    }
    for (char, _) in run {
        match char {
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '&' => html.push_str("&amp;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            char if is_bidi_control(*char) => html.push('\u{fffd}'),
            char => html.push(*char),
        }
    }
    if !plain {
        html.push_str("</span>");
    }
}

/// Characters that reorder what is read, so that a log could show other text than it holds.
fn is_bidi_control(char: char) -> bool {
    matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn classes(style: Style) -> String {
    let (fore, back) = if style.inverse { (style.back, style.fore) } else { (style.fore, style.back) };
    // Black is a grey here, so that it can be read on the log's ground; on a colour it is black.
    let fore = fore.map(|n| if n == 0 && back.is_some() { 16 } else { n });
    let mut names = Vec::new();
    names.extend(fore.map(|n| format!("f{n}")));
    names.extend(back.map(|n| format!("b{n}")));
    let flags = [
        (style.bold, "bold"),
        (style.dim, "dim"),
        (style.italic, "italic"),
        (style.underline, "underline"),
        (style.strike, "strike"),
        (style.inverse, "inverse"),
    ];
    names.extend(flags.iter().filter(|(on, _)| *on).map(|(_, name)| (*name).to_owned()));
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use super::to_html;

    #[test]
    fn lines_are_shown_as_a_terminal_would_show_them() {
        let lines = [
            "plain text",
            "\x1b[32mok\x1b[0m done",
            "\x1b[1;31merror\x1b[0m\x1b[1m: mismatched\x1b[m types",
            "\x1b[38;5;208morange\x1b[39m \x1b[48;5;17mon blue\x1b[49m",
            "\x1b[38;2;255;128;0mtrue colour\x1b[0m \x1b[38:2::0:255:0mcolons\x1b[0m",
            "\x1b[97;100mbright\x1b[0m \x1b[2;3;4;9mdim italic underline strike",
            "\x1b[30mblack\x1b[42m on green\x1b[m \x1b[7minverse\x1b[27m \x1b[7;31;42mboth",
            " 10%\r 50%\r100%",
            "long progress\rdone\x1b[K",
            "long progress\rdone",
            "\x1b[2K\r\x1b[32mBuilding\x1b[0m",
            "crlf\r",
            "over\x08\x08\x08\x08type",
            "\x1b]0;title\x07text \x1b]8;;https://x.test\x1b\\link\x1b]8;;\x1b\\",
            "\x1b[?25l\x1b[3A\x1b[10;20Hkept\x1b(B\x1b=\x1b7",
            "cut short \x1b[31",
            "cut short \x1b",
            "\u{9b}31mc1\u{9b}0m \u{9d}0;x\u{9c}after",
            "tab\tkept bell\x07 nul\0 dropped",
            "größe ✓ 日本",
            "<script>alert('x')</script> & \"q\"",
            "\x1b[31m<b>\x1b[0m",
            "\x1b[\"><img src=x onerror=alert(1)>m",
            "bidi \u{202e}txet",
        ];
        let shown: Vec<String> = lines.iter().map(|line| format!("{:?}\n  {}", line, to_html(line))).collect();
        insta::assert_snapshot!(shown.join("\n"));
    }

    #[test]
    fn a_line_never_grows_by_its_escapes() {
        let line = "\x1b[999999999C\x1b[999999999Gx\x1b[999999999@".repeat(50);
        assert_eq!(to_html(&line), "x".repeat(50));
    }

    #[test]
    fn no_line_can_open_an_element() {
        for first in ["", "\x1b", "\x1b[", "\x1b]", "\x1b[31", "\u{9b}", "\r", "\x1b[31m"] {
            for last in ["<i>", "\"<i>", ";<i>m", "m<i>", "\x07<i>", "\x1b\\<i>"] {
                let html = to_html(&format!("{first}{last}"));
                assert!(!html.contains("<i"), "{first:?} {last:?}: {html}");
            }
        }
    }
}
