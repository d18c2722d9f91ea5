//! Files as a tree of directories, made of their paths: nested lists that open and close without any script.
//!
//! **Invariant:** everything that users named is escaped, and encoded where it is part of an address.

use std::fmt::{self, Display};

use askama::filters::HtmlSafe;

use super::words::Escaped;
use crate::base::Size;

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaf {
    /// `/` between its parts.
    pub path: String,
    pub size: u64,
}

/// Files below an address, their paths in order.
pub(super) struct Tree<'a> {
    /// Where the files are; their paths are put behind it.
    pub base: &'a str,
    pub leaves: &'a [Leaf],
    /// Directories begin open.
    pub open: bool,
}

impl Display for Tree<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.level(f, self.leaves, 0)
    }
}

// Written below, piece by piece.
impl HtmlSafe for Tree<'_> {}

impl Tree<'_> {
    /// The leaves, which agree in their first `depth` bytes.
    fn level(&self, f: &mut fmt::Formatter<'_>, leaves: &[Leaf], depth: usize) -> fmt::Result {
        f.write_str("<ul>")?;
        let mut rest = leaves;
        while let Some(first) = rest.first() {
            let inside = &first.path[depth..];
            let Some(end) = inside.find('/') else {
                self.leaf(f, first, inside)?;
                rest = &rest[1..];
                continue;
            };
            let dir = &first.path[..=depth + end];
            let count = rest.iter().take_while(|leaf| leaf.path.starts_with(dir)).count();
            let (below, others) = rest.split_at(count);
            let bytes = below.iter().map(|leaf| leaf.size).sum();
            let open = if self.open { " open" } else { "" };
            let (key, name) = (Escaped(dir), Escaped(&inside[..=end]));
            write!(
                f,
                "<li data-key=\"{key}\"><details{open}><summary>{name}<span class=\"size\">{}</span></summary>",
                Size(bytes)
            )?;
            self.level(f, below, depth + end + 1)?;
            f.write_str("</details></li>")?;
            rest = others;
        }
        f.write_str("</ul>")
    }

    fn leaf(&self, f: &mut fmt::Formatter<'_>, leaf: &Leaf, name: &str) -> fmt::Result {
        let (key, base, name) = (Escaped(&leaf.path), Escaped(self.base), Escaped(name));
        write!(f, "<li data-key=\"{key}\"><a href=\"{base}/")?;
        for (at, part) in leaf.path.split('/').enumerate() {
            let slash = if at == 0 { "" } else { "/" };
            let part = askama::filters::urlencode_strict(part).map_err(|_| fmt::Error)?;
            write!(f, "{slash}{part}")?;
        }
        write!(f, "\">{name}</a><span class=\"size\">{}</span></li>", Size(leaf.size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(paths: &[(&str, u64)]) -> String {
        let mut leaves: Vec<Leaf> = paths.iter().map(|(path, size)| Leaf { path: (*path).to_owned(), size: *size }).collect();
        leaves.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
        Tree { base: "/x", leaves: &leaves, open: false }.to_string().replace("<li", "\n<li")
    }

    #[test]
    fn directories_hold_their_files_and_say_their_sizes() {
        insta::assert_snapshot!(tree(&[("a", 1), ("dist/sub/x", 1024), ("dist/y", 2048), ("dist-2", 3), ("z/q", 4)]));
    }

    #[test]
    fn names_are_neither_markup_nor_address() {
        let html = tree(&[("<b>\"&'/javascript:x?#%2e", 1)]);
        assert!(!html.contains("<b>") && html.contains("/x/%3Cb%3E%22%26%27/javascript%3Ax%3F%23%252e"), "{html}");
    }
}
