//! Aligned columns.
//!
//! **Invariant:** a row is one line, whatever its cells hold.

use super::screen::{Colour, Hue};
use super::text::{one_line, width};

/// One cell: what can be shown of a text, and what it is like.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Cell {
    text: String,
    indent: usize,
    hue: Option<Hue>,
}

impl Cell {
    pub(in crate::cli) fn new(text: impl AsRef<str>) -> Self {
        Self { text: one_line(text.as_ref()), indent: 0, hue: None }
    }

    pub(in crate::cli) fn hued(text: impl AsRef<str>, hue: Hue) -> Self {
        Self { hue: Some(hue), ..Self::new(text) }
    }

    pub(in crate::cli) fn indented(text: impl AsRef<str>, indent: usize) -> Self {
        Self { indent, ..Self::new(text) }
    }
}

/// Rows under a head.
#[derive(Debug)]
pub(in crate::cli) struct Table<const N: usize> {
    head: [&'static str; N],
    rows: Vec<[Cell; N]>,
}

impl<const N: usize> Table<N> {
    pub(in crate::cli) fn new(head: [&'static str; N]) -> Self {
        Self { head, rows: Vec::new() }
    }

    pub(in crate::cli) fn row(&mut self, cells: [Cell; N]) {
        self.rows.push(cells);
    }

    /// Lines, each with its newline. Columns that are empty in every row are left out; no line ends in blanks.
    pub(in crate::cli) fn render(&self, colour: Colour) -> String {
        let wide = |cell: &Cell| cell.indent + width(&cell.text);
        let widths: [usize; N] = std::array::from_fn(|column| {
            let widest = self.rows.iter().map(|row| wide(&row[column])).max().unwrap_or(0);
            if widest == 0 { 0 } else { widest.max(width(self.head[column])) }
        });
        let mut out = String::new();
        let head = self.head.map(|name| Cell::hued(name, Hue::Quiet));
        for row in std::iter::once(&head).chain(&self.rows) {
            let mut owed = 0;
            for (cell, column) in row.iter().zip(widths).filter(|(_, column)| *column > 0) {
                if !cell.text.is_empty() {
                    out.push_str(&" ".repeat(owed + cell.indent));
                    owed = 0;
                    out.push_str(&cell.hue.map_or_else(|| cell.text.clone(), |hue| colour.paint(hue, &cell.text)));
                    owed += column - wide(cell) + 2;
                } else {
                    owed += column + 2;
                }
            }
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_what_is_seen() {
        let mut table = Table::new(["NAME", "NEVER", "STATE", "WHY"]);
        table.row([Cell::new("日本"), Cell::new(""), Cell::hued("passed", Hue::Good), Cell::new("")]);
        table.row([Cell::indented("compile", 2), Cell::new(""), Cell::new(""), Cell::new("line one\nline two")]);
        table.row([Cell::new("a\x1b[2Jb"), Cell::new(""), Cell::hued("failed", Hue::Bad), Cell::new("exit 1")]);
        insta::assert_snapshot!(table.render(Colour(false)), @"
        NAME       STATE   WHY
        日本       passed
          compile          line one
        a�[2Jb     failed  exit 1
        ");
        let colours = table.render(Colour(true));
        assert!(colours.contains("日本       \x1b[32mpassed\x1b[0m\n"), "{colours:?}");
        assert!(!colours.contains("\x1b[2J"), "{colours:?}");
    }
}
