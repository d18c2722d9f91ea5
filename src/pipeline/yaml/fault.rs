//! What can be wrong with a file before it is a pipeline.

use saphyr_parser::ScanError;

use super::Span;

/// One fault: becomes a problem with the severity of an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pipeline) struct Fault {
    pub code: &'static str,
    pub span: Span,
    pub message: String,
    pub hint: Option<String>,
}

impl Fault {
    pub fn new(code: &'static str, span: Span, message: String) -> Self {
        Self { code, span, message, hint: None }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Nothing but blanks and comments.
    pub fn empty() -> Self {
        Self::new("empty-file", Span::FILE, "the file is empty".to_owned()).hint("a pipeline has `steps` or `jobs`")
    }

    /// The parser's word, in ours where ours is clearer. Matching its English is for the sentence alone: nothing is decided by it.
    pub fn syntax(error: &ScanError) -> Self {
        let mark = error.marker();
        let span = Span { line: mark.line(), column: mark.col() + 1, length: 1 };
        let info = error.info();
        let say = |message: &str, hint: &str| Self::new("yaml", span, message.to_owned()).hint(hint);
        let has = |part: &str| info.contains(part);
        if has("tab") && !has("valid YAML whitespace") {
            say("a tab cannot indent in YAML", "use spaces")
        } else if has("valid YAML whitespace") {
            say("a tab alone cannot stand between a `:` or `-` and its value", "use a blank")
        } else if has("unknown anchor") {
            say(
                "this alias names no anchor that was written before it",
                "write `&name` at the first place, `*name` at the others",
            )
        } else if has("quoted scalar") && (has("end of stream") || has("indentation") || has("document indicator")) {
            say("the quoted text is not closed", "close the quotes, or indent its further lines")
        } else if has("mapping values are not allowed") {
            say("a `:` with a value cannot stand here", "put text that holds `: ` in quotes, or check the indentation")
        } else if has("simple key expect") || has("did not find expected key") {
            say("this line is neither a `key: value` nor part of the value above", "check the indentation and the `:`")
        } else if has("expected '-' indicator") {
            say("this line is no item of the list above", "begin it with `- `, or indent it like its neighbours")
        } else if has("flow sequence") || has("flow mapping") || has("misplaced bracket") || has("flow construct") {
            say("a bracket or a comma is missing or misplaced here", "check that each `[` and `{` is closed")
        } else if has("unknown escape") || has("hexadecimal") || has("escape") {
            say("this is no escape that YAML knows", "use single quotes, in which a backslash is a backslash")
        } else if has("unexpected character") {
            say("text cannot begin with this character", "put it in quotes")
        } else if has("recursion limit") {
            say("the brackets are nested too deeply", "no pipeline needs this")
        } else if has("unprintable") || has("byte order mark") {
            say("a control character cannot stand here", "remove it; in double quotes it can be written as an escape")
        } else if has("indentation") || has("indented") {
            say("the indentation does not fit the lines above", "indent neighbours equally")
        } else {
            Self::new("yaml", span, format!("the YAML parser stopped here: {info}"))
        }
    }
}
