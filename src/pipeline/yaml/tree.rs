//! The tree. Nodes are shared, so that an alias costs nothing; `nodes` and `height` count as if each alias were written out.

use std::rc::Rc;

/// A place: one stretch of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, PartialOrd, Ord)]
pub(in crate::pipeline) struct Span {
    /// From 1; 0 is the whole file.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// In characters, at least 1; `usize::MAX` is the rest of the line.
    pub length: usize,
}

impl Span {
    /// The file as such.
    pub const FILE: Span = Span { line: 0, column: 0, length: 0 };

    /// `length` characters, `offset` characters into this stretch.
    #[must_use]
    pub fn part(self, offset: usize, length: usize) -> Self {
        Self { line: self.line, column: self.column.saturating_add(offset), length: length.max(1) }
    }
}

/// One node.
#[derive(Debug)]
pub(in crate::pipeline) struct Node {
    pub kind: Kind,
    pub span: Span,
    /// A tag as written (`!reference`), when YAML itself does not define it.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the tolerant dialects alone, which are not there yet"))]
    pub tag: Option<String>,
    /// Nodes from here down, this one included, aliases written out.
    pub nodes: usize,
    /// Levels from here down; a scalar has 1.
    pub height: usize,
}

/// What a node is.
#[derive(Debug)]
pub(in crate::pipeline) enum Kind {
    /// Text as meant (escapes and folding done), and whether it was written without quotes: only then can it be a null, a boolean or a number.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>),
}

/// One key with its value, in the order written.
#[derive(Debug, Clone)]
pub(in crate::pipeline) struct Entry {
    pub key: String,
    pub key_span: Span,
    pub value: Rc<Node>,
    /// The key is a plain `<<`.
    pub merge: bool,
}

impl Node {
    /// Whether the value is missing: nothing written, `~` or `null` (YAML 1.2 core schema).
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// `true` or `false` without quotes (YAML 1.2 core schema: `yes` and `on` are text).
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match &self.kind {
            Kind::Scalar { text, plain: true } => match text.as_str() {
                "true" | "True" | "TRUE" => Some(true),
                "false" | "False" | "FALSE" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// A whole number without quotes: decimal, `0o` or `0x`.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        let Kind::Scalar { text, plain: true } = &self.kind else { return None };
        if let Some(octal) = text.strip_prefix("0o") {
            return digits(octal, 8);
        }
        if let Some(hex) = text.strip_prefix("0x") {
            return digits(hex, 16);
        }
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        digits(unsigned, 10)?;
        text.parse().ok()
    }

    /// A number without quotes, as JSON writes it: what is written in another way (hexadecimal, `1.`) becomes decimal; infinity and what is no number are
    /// text.
    #[must_use]
    pub fn json_number(&self) -> Option<String> {
        if let Some(number) = self.as_int() {
            return Some(number.to_string());
        }
        let Kind::Scalar { text, plain: true } = &self.kind else { return None };
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        let sound = is_digits(whole) && is_digits(fraction) && is_digits(exponent) && !exponent.is_empty();
        if !sound || whole.len() + fraction.len() == 0 || mantissa == "." {
            return None;
        }
        let number: f64 = text.parse().ok()?;
        number.is_finite().then(|| number.to_string())
    }

    /// What it is, in words for a message.
    #[must_use]
    pub fn describe(&self) -> &'static str {
        match &self.kind {
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
            Kind::Scalar { .. } if self.is_null() => "nothing",
            Kind::Scalar { .. } if self.as_bool().is_some() => "true or false",
            Kind::Scalar { .. } if self.json_number().is_some() => "a number",
            Kind::Scalar { .. } => "text",
        }
    }
}

fn digits(text: &str, radix: u32) -> Option<i64> {
    let ok = !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
    if ok { i64::from_str_radix(text, radix).ok() } else { None }
}
