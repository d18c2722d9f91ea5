//! Problems as text for people.
//!
//! **Invariant:** nothing of the file reaches a terminal but what can be shown: control characters and marks that reorder text are replaced, so a
//! pipeline file can neither steer the terminal nor hide what it says.

use unicode_width::UnicodeWidthChar;

use super::problem::{Problem, Severity};
use super::report::visible;

/// Spaces that stand for a tab.
const TAB: usize = 4;

/// All problems, each with its line and what to do, a blank line between two; ends with a newline unless there are none.
#[must_use]
pub fn render(problems: &[Problem], colour: bool) -> String {
    let paint = Paint { colour };
    let blocks: Vec<String> = problems.iter().map(|problem| block(problem, paint)).collect();
    blocks.join("\n")
}

/// `2 errors, 1 warning`; `no problems` when there are none.
#[must_use]
pub fn summary(problems: &[Problem]) -> String {
    let count = |severity| problems.iter().filter(|problem| problem.severity == severity).count();
    let words = |number: usize, word: &str| match number {
        0 => None,
        1 => Some(format!("1 {word}")),
        _ => Some(format!("{number} {word}s")),
    };
    let parts: Vec<String> =
        [words(count(Severity::Error), "error"), words(count(Severity::Warning), "warning")].into_iter().flatten().collect();
    if parts.is_empty() { "no problems".to_owned() } else { parts.join(", ") }
}

#[derive(Clone, Copy)]
struct Paint {
    colour: bool,
}

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn gutter(self, text: &str) -> String {
        self.with("1;34", text)
    }
}

fn block(problem: &Problem, paint: Paint) -> String {
    let (word, hue) = match problem.severity {
        Severity::Error => ("error", "1;31"),
        Severity::Warning => ("warning", "1;33"),
    };
    let head = paint.with(hue, &format!("{word}[{}]", problem.code));
    let message = paint.with("1", &format!(": {}", clean(&problem.message)));
    let file = clean(&problem.file);
    let number = problem.line.to_string();
    let pad = " ".repeat(number.len());
    let hint = problem.hint.as_deref().map(clean);
    let mut out = format!("{head}{message}\n{pad}{} {file}", paint.gutter("-->"));
    let place = if problem.line > 0 { format!(":{}:{}\n", problem.line, problem.column) } else { "\n".to_owned() };
    out.push_str(&place);
    let before = problem.source.chars().count() + 1;
    if problem.line == 0 || problem.source.is_empty() && problem.column > 1 || problem.column > before {
        if let Some(hint) = hint {
            out.push_str(&format!("{pad} {} {hint}\n", paint.gutter("=")));
        }
        return out;
    }
    let bar = paint.gutter("|");
    let line: String = problem.source.chars().map(cell).collect();
    let start: usize = problem.source.chars().take(problem.column.saturating_sub(1)).map(width).sum();
    let under: usize = problem.source.chars().skip(problem.column.saturating_sub(1)).take(problem.length).map(width).sum();
    let carets = paint.with(hue, &"^".repeat(under.max(1)));
    out.push_str(&format!("{pad} {bar}\n{} {bar}", paint.gutter(&number)));
    let line = line.trim_end();
    out.push_str(&if line.is_empty() { "\n".to_owned() } else { format!(" {line}\n") });
    out.push_str(&format!("{pad} {bar} {}{carets}", " ".repeat(start)));
    if let Some(hint) = hint {
        out.push(' ');
        out.push_str(&paint.with(hue, &hint));
    }
    out.push('\n');
    out
}

/// A sentence on one line.
fn clean(text: &str) -> String {
    text.chars().map(visible).collect()
}

/// A character of the file as it is shown.
fn cell(c: char) -> String {
    if c == '\t' { " ".repeat(TAB) } else { visible(c).to_string() }
}

/// Columns of a terminal that it takes.
fn width(c: char) -> usize {
    if c == '\t' { TAB } else { visible(c).width().unwrap_or(1) }
}
