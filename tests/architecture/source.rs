//! Rust source as the rules look at it: without comments and literals, cut into the paths it names.
//!
//! **Invariant:** lines stay where they are, so that a line number in scrubbed text is one in the file. No parser of Rust: it knows just enough of
//! the tokens, and what it does not know it passes over.

use std::ops::Range;

/// One file, its path relative to the crate's root with `/` between its parts.
pub struct SourceFile {
    pub path: String,
    pub text: String,
}

/// A path such as `crate::base::Clock` that the code names, groups of `use` taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    /// From 1.
    pub line: usize,
    pub path: String,
}

/// The text with comments, strings and characters blanked out.
pub fn scrub(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out: Vec<u8> = bytes.iter().map(|byte| if byte.is_ascii() { *byte } else { b' ' }).collect();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => find(bytes, at, b"\n"),
            b'/' if bytes.get(at + 1) == Some(&b'*') => end_of_block_comment(bytes, at),
            b'"' => end_of_string(bytes, at),
            b'r' if !goes_on_a_word(bytes, at) => end_of_raw_string(bytes, at).unwrap_or(at),
            b'\'' => end_of_char(bytes, at).unwrap_or(at),
            _ => at,
        };
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    out.into_iter().map(char::from).collect()
}

/// Where the needle begins, or the end of the text.
fn find(bytes: &[u8], from: usize, needle: &[u8]) -> usize {
    (from..bytes.len()).find(|&at| bytes[at..].starts_with(needle)).unwrap_or(bytes.len())
}

fn end_of_block_comment(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `r"…"`, `r#"…"#` and so on; `br` and `cr` too, whose first letter does no harm.
fn end_of_raw_string(bytes: &[u8], start: usize) -> Option<usize> {
    let hashes = bytes[start + 1..].iter().take_while(|byte| **byte == b'#').count();
    let open = start + 1 + hashes;
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    Some((find(bytes, open + 1, &close) + close.len()).min(bytes.len()))
}

/// A character literal, as against a lifetime.
fn end_of_char(bytes: &[u8], start: usize) -> Option<usize> {
    match bytes.get(start + 1)? {
        b'\\' => Some((find(bytes, start + 3, b"'") + 1).min(bytes.len())),
        first => {
            let width = match first {
                0..0x80 => 1,
                0x80..0xE0 => 2,
                0xE0..0xF0 => 3,
                0xF0.. => 4,
            };
            (bytes.get(start + 1 + width) == Some(&b'\'')).then_some(start + width + 2)
        }
    }
}

/// Whether the letter at `at` goes on a longer word; the `r` of `br"` does not.
fn goes_on_a_word(bytes: &[u8], at: usize) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let word: Vec<u8> = bytes[..at].iter().rev().copied().take_while(|byte| is_word(*byte)).take(2).collect();
    !matches!(word.as_slice(), [] | [b'b' | b'c'])
}

/// The items marked `#[cfg(test)]`, in scrubbed text.
pub fn test_regions(scrubbed: &str) -> Vec<Range<usize>> {
    let bytes = scrubbed.as_bytes();
    let mark = b"#[cfg(test)]";
    let mut regions = Vec::new();
    let mut at = 0;
    loop {
        let start = find(bytes, at, mark);
        if start == bytes.len() {
            return regions;
        }
        let end = end_of_item(bytes, start + mark.len());
        regions.push(start..end);
        at = end;
    }
}

fn end_of_item(bytes: &[u8], from: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in bytes.iter().enumerate().skip(from) {
        match byte {
            b';' if depth == 0 => return at + 1,
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    bytes.len()
}

/// Scrubbed text without its tests, lines kept.
pub fn blank(scrubbed: &str, regions: &[Range<usize>]) -> String {
    let inside = |at: usize| regions.iter().any(|region| region.contains(&at));
    scrubbed.char_indices().map(|(at, c)| if c != '\n' && inside(at) { ' ' } else { c }).collect()
}

/// A word or a mark with its line. `::` is one mark.
pub fn tokens(scrubbed: &str) -> Vec<(usize, &str)> {
    let bytes = scrubbed.as_bytes();
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'\n' => {
                line += 1;
                at += 1;
                continue;
            }
            byte if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            byte if word(byte) => at + bytes[at..].iter().take_while(|byte| word(**byte)).count(),
            b':' if bytes.get(at + 1) == Some(&b':') => at + 2,
            _ => at + 1,
        };
        tokens.push((line, &scrubbed[at..end]));
        at = end;
    }
    tokens
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// Every path of two or more parts that the code names, and every crate that it takes in by `use NAME`.
pub fn named(scrubbed: &str) -> Vec<Named> {
    let tokens = tokens(scrubbed);
    let token = |at: usize| tokens.get(at).map_or("", |token| token.1);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        // A word behind `::` belongs to what stands before it, unless nothing does (`use ::std::fs`).
        let before = |back: usize| at.checked_sub(back).map_or("", token);
        let goes_on = before(1) == "::" && before(2) != "use" && (is_word(before(2)) || before(2) == ">");
        if goes_on || token(at) == "use" || !is_word(token(at)) {
            at += 1;
            continue;
        }
        let taken_in = at > 0 && token(at - 1) == "use";
        let first = found.len();
        at = walk(&tokens, at, "", &mut found);
        if !taken_in && found.len() == first + 1 && !found[first].path.contains("::") {
            found.pop();
        }
    }
    found
}

/// Takes one path, or tree of paths, from `at` on; answers where it ends.
fn walk(tokens: &[(usize, &str)], mut at: usize, prefix: &str, found: &mut Vec<Named>) -> usize {
    let token = |at: usize| tokens.get(at).map_or("", |token| token.1);
    let line = tokens[at].0;
    let mut path = format!("{prefix}{}", token(at));
    at += 1;
    while token(at) == "::" {
        let next = token(at + 1);
        if next == "{" {
            at += 2;
            while at < tokens.len() && token(at) != "}" {
                at = if is_word(token(at)) || token(at) == "*" { walk(tokens, at, &format!("{path}::"), found) } else { at + 1 };
                while token(at) == "as" || (at < tokens.len() && !matches!(token(at), "," | "}")) {
                    at += 1;
                }
                if token(at) == "," {
                    at += 1;
                }
            }
            return at + 1;
        }
        if !is_word(next) && next != "*" {
            break;
        }
        path = format!("{path}::{next}");
        at += 2;
    }
    found.push(Named { line, path });
    at
}
