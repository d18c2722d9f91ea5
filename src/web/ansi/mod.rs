//! A log line with terminal escapes → safe HTML: text as a terminal would show it, colours as class names.
//!
//! **Invariants:** every character of the line is escaped; no escape of the line reaches the page, only class names made here; each line
//! starts plain, so that a page of a log can be shown without the lines before it; memory is bounded by the line's own length.

mod html;
mod parse;
mod style;
mod stylesheet;

pub use html::{to_html, to_text};
pub use stylesheet::stylesheet;
