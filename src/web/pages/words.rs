//! Sentences from the rooms below: names in backticks become code, everything is escaped.

use std::fmt;

use askama::filters::HtmlSafe;

/// A sentence as HTML.
pub(super) struct Words<'a>(pub &'a str);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = self.0.split('`').peekable();
        let mut is_code = false;
        while let Some(part) = parts.next() {
            // A backtick without its second one is only a backtick.
            match (is_code, parts.peek().is_some()) {
                (true, true) => write!(f, "<code>{}</code>", Escaped(part))?,
                (true, false) => write!(f, "`{}", Escaped(part))?,
                (false, _) => write!(f, "{}", Escaped(part))?,
            }
            is_code = !is_code;
        }
        Ok(())
    }
}

// Escaped above.
impl HtmlSafe for Words<'_> {}

/// A text with nothing in it that could be markup, also within an attribute.
pub(super) struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match askama::filters::escape(self.0, askama::filters::Html) {
            Ok(escaped) => escaped.fmt(f),
            Err(_) => Err(fmt::Error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Words;

    #[test]
    fn names_become_code_and_nothing_becomes_markup() {
        for (text, html) in [
            ("plain", "plain"),
            ("`a / b` failed", "<code>a / b</code> failed"),
            ("one ` alone", "one ` alone"),
            ("`a` and ` alone", "<code>a</code> and ` alone"),
            ("`<b>` & <i>", "<code>&#60;b&#62;</code> &#38; &#60;i&#62;"),
        ] {
            assert_eq!(Words(text).to_string(), html);
        }
    }
}
