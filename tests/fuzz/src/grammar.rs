//! Pipelines that are nearly right: written by a grammar of the format and of expressions, then damaged a little.
//!
//! **Invariant:** the same bytes always give the same text; when they run out, each symbol becomes its first form, which ends.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use libfuzzer_sys::arbitrary::Unstructured;

/// The rules of the file: each symbol with the forms that it may become.
static RULES: LazyLock<BTreeMap<&str, Vec<String>>> = LazyLock::new(|| {
    let mut rules: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut symbol = "";
    for line in include_str!("../pipeline.grammar").lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        match line.strip_prefix("  ") {
            Some("ε") => rules.entry(symbol).or_default().push(String::new()),
            Some(form) => rules.entry(symbol).or_default().push(unescaped(form)),
            None => symbol = line,
        }
    }
    rules
});

/// Pieces that a damaged file has where they do not belong.
const PIECES: &[&str] = &[
    ":",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "\n",
    "  ",
    "\t",
    "\"",
    "'",
    "|",
    ">",
    "&a ",
    "*a",
    "*e",
    "<<: *e",
    "!x ",
    "# ",
    "${{ ",
    " }}",
    "\0",
    "\u{feff}",
    "\r",
    "é漢🎉",
    "---\n",
    "...\n",
    "? ",
    "~",
    "%",
    "@",
    "null",
    ", ",
    ": ",
    "\\",
    "\u{85}",
    "\u{2028}",
    "\u{202e}",
    "if: ",
    "needs: ",
    "steps: ",
    "‹x›",
];

/// Symbols that one file may hold, and how deep they may stand in each other.
const SYMBOLS: usize = 600;
const DEPTH: usize = 14;

fn unescaped(form: &str) -> String {
    let parts: Vec<String> = form.split("\\\\").map(|part| part.replace("\\n", "\n")).collect();
    parts.join("\\")
}

/// A pipeline file.
#[must_use]
pub fn write(bytes: &mut Unstructured<'_>) -> String {
    let mut text = String::new();
    let mut left = SYMBOLS;
    expand("file", DEPTH, &mut left, bytes, &mut text);
    text
}

fn expand(symbol: &str, depth: usize, left: &mut usize, bytes: &mut Unstructured<'_>, text: &mut String) {
    let Some(forms) = RULES.get(symbol) else { panic!("the grammar has no `{symbol}`") };
    *left = left.saturating_sub(1);
    let at = if depth == 0 || *left == 0 { 0 } else { bytes.choose_index(forms.len()).unwrap_or(0) };
    let mut rest = forms[at].as_str();
    while let Some((before, after)) = rest.split_once('‹') {
        text.push_str(before);
        let (inner, after) = after.split_once('›').expect("a symbol is closed");
        expand(inner, depth.saturating_sub(1), left, bytes, text);
        rest = after;
    }
    text.push_str(rest);
}

/// Up to three small damages: a piece too much, a part too little, a part twice. None when the bytes have run out.
pub fn damage(text: &mut String, bytes: &mut Unstructured<'_>) {
    for _ in 0..bytes.int_in_range(0..=6).unwrap_or(0_usize).saturating_sub(3) {
        let length = text.chars().count();
        let mut place = || {
            let at = bytes.int_in_range(0..=length).unwrap_or(0);
            text.char_indices().nth(at).map_or(text.len(), |(at, _)| at)
        };
        let (from, to) = (place(), place());
        let (start, end) = (from.min(to), from.max(to));
        match bytes.int_in_range(0..=3).unwrap_or(0) {
            0 => text.insert_str(from, bytes.choose(PIECES).copied().unwrap_or_default()),
            1 => text.replace_range(start..end, ""),
            2 => {
                let part = text[start..end].to_owned();
                text.insert_str(end, &part);
            }
            _ => text.replace_range(start..end, bytes.choose(PIECES).copied().unwrap_or_default()),
        }
    }
}
