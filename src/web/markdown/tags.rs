//! The few HTML elements that a summary may use: those that people reach for where Markdown has nothing.
//!
//! **Invariant:** an element comes out without attributes, and is closed in the container it was opened in: nothing stays open, and no end is given
//! that has no beginning.

/// Elements that hold blocks; they stand outside of paragraphs.
const BLOCKS: [&str; 18] = [
    "details",
    "summary",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "ul",
    "ol",
    "li",
    "p",
    "pre",
    "blockquote",
    "h3",
    "h4",
    "h5",
    "h6",
];
/// Elements inside a line.
const INLINES: [&str; 12] = ["b", "i", "em", "strong", "code", "kbd", "sub", "sup", "s", "del", "ins", "br"];
/// Elements that are open at the same time.
const OPEN: usize = 32;

/// What became of a piece of HTML.
pub(super) enum Piece {
    /// Markup made here.
    Element(String),
    Text(String),
}

/// The elements that are open, each with the depth of its container.
#[derive(Default)]
pub(super) struct Tags {
    open: Vec<(&'static str, usize)>,
    in_comment: bool,
}

impl Tags {
    /// Takes HTML apart. `is_block`: it stands by itself, outside of any paragraph.
    pub(super) fn read(&mut self, text: &str, is_block: bool, depth: usize) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if self.in_comment {
                // To its end, which may come in a later line.
                match rest.split_once("-->") {
                    Some((_, after)) => (self.in_comment, rest) = (false, after),
                    None => return pieces,
                }
                continue;
            }
            let Some(at) = rest.find('<') else {
                pieces.push(Piece::Text(rest.to_owned()));
                break;
            };
            if at > 0 {
                pieces.push(Piece::Text(rest[..at].to_owned()));
                rest = &rest[at..];
                continue;
            }
            if let Some(after) = rest.strip_prefix("<!--") {
                (self.in_comment, rest) = (true, after);
                continue;
            }
            let end = rest.find('>').map_or(rest.len(), |end| end + 1);
            let (tag, after) = rest.split_at(end);
            rest = after;
            match self.element(tag, is_block, depth) {
                Some(markup) => pieces.extend(markup.into_iter().map(Piece::Element)),
                None => pieces.push(Piece::Text(tag.to_owned())),
            }
        }
        pieces
    }

    /// The markup of a known element; nothing at all for an end without a beginning. `None` when it is only text.
    fn element(&mut self, tag: &str, is_block: bool, depth: usize) -> Option<Vec<String>> {
        let inside = tag.strip_prefix('<')?.strip_suffix('>')?;
        let (inside, is_end) = inside.strip_prefix('/').map_or((inside, false), |inside| (inside, true));
        let written = inside.trim_end().trim_end_matches('/').trim_end().to_ascii_lowercase();
        // An open `details` is as good as a closed one, which the reader opens.
        let written = if written == "details open" { "details" } else { written.as_str() };
        // The page has headings of its own above these.
        let written = match written {
            "h1" | "h2" => "h3",
            other => other,
        };
        let block = BLOCKS.iter().find(|name| **name == written).filter(|_| is_block || is_end);
        let name = *block.or_else(|| INLINES.iter().find(|name| **name == written))?;
        if name == "br" {
            return Some(vec!["<br>".to_owned()]);
        }
        if is_end {
            return Some(self.close(name, depth));
        }
        if self.open.len() >= OPEN {
            return Some(Vec::new());
        }
        self.open.push((name, depth));
        Some(vec![format!("<{name}>")])
    }

    /// Ends this element and those that were opened inside it, as far as they are of the same container.
    fn close(&mut self, name: &str, depth: usize) -> Vec<String> {
        let Some(from) = self.open.iter().rposition(|(open, at)| *open == name && *at == depth) else { return Vec::new() };
        self.open.drain(from..).rev().map(|(name, _)| format!("</{name}>")).collect()
    }

    /// The end of the innermost element, if it was opened at this depth or deeper.
    pub(super) fn close_at(&mut self, depth: usize) -> Option<String> {
        let (name, _) = self.open.pop_if(|(_, at)| *at >= depth)?;
        Some(format!("</{name}>"))
    }
}
