//! What a value may look like in output: as it is, and as programs commonly write values. Also of each line of a value of several lines, since
//! programs print them one by one.
//!
//! | Form | Who writes it |
//! |---|---|
//! | as it is, with `\r\n` between lines | `echo` |
//! | base64, both alphabets, with and without padding, broken into lines | `base64`, `openssl`, Kubernetes |
//! | base64 as a part of something longer: 3 alignments, without the characters that depend on the neighbours | `Authorization: Basic` |
//! | hexadecimal, both cases | `xxd -p`, hashes' printers |
//! | percent-encoded in five customs | URLs, forms |
//! | JSON-escaped in five customs, and once more | logs of programs |
//! | XML- and HTML-escaped | JUnit reports |
//! | quoted for a shell | `set -x` |

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::value::can_be_hidden;

/// RFC 3986's unreserved characters stay.
const URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// `encodeURIComponent` of JavaScript.
const COMPONENT: &AsciiSet = &URL.remove(b'!').remove(b'*').remove(b'\'').remove(b'(').remove(b')');
/// `urllib.parse.quote` of Python: a slash stays.
const PATH: &AsciiSet = &URL.remove(b'/');
/// What stays in a whole URL that somebody encodes (`encodeURI`).
const WHOLE: &AsciiSet = &COMPONENT
    .remove(b';')
    .remove(b',')
    .remove(b'/')
    .remove(b'?')
    .remove(b':')
    .remove(b'@')
    .remove(b'&')
    .remove(b'=')
    .remove(b'+')
    .remove(b'$')
    .remove(b'#');
/// Columns after which base64 is broken: `base64`, and `openssl` and PEM files.
const BASE64_COLUMNS: [usize; 2] = [76, 64];
/// The same of `xxd -p`.
const HEX_COLUMNS: usize = 60;

/// Forms that were found, each once.
pub(super) type Found = BTreeSet<Vec<u8>>;

/// Puts every form of `value` to those found.
pub(super) fn forms(value: &str, found: &mut Found) {
    let value = value.trim();
    of_text(value, found);
    lines(value, found);
}

/// The lines of a text that has several, those that are long enough. The text as a whole covers the others.
fn lines(text: &str, found: &mut Found) {
    if text.contains('\n') {
        text.lines().for_each(|line| of_text(line.trim(), found));
        add(text.replace("\r\n", "\n").replace('\n', "\r\n"), found);
    }
}

fn of_text(text: &str, found: &mut Found) {
    // A line that nobody would recognise is not worth blotting out half of the log.
    if !can_be_hidden(text.as_bytes()) {
        return;
    }
    add(text, found);
    base64(text, found);
    hexadecimal(text, found);
    url(text, found);
    json(text, found);
    markup(text, found);
    for quote in ["'\\''", "'\"'\"'"] {
        add(text.replace('\'', quote), found);
    }
}

fn add(form: impl Into<Vec<u8>>, found: &mut Found) {
    let form = form.into();
    if can_be_hidden(&form) {
        found.insert(form);
    }
}

fn base64(text: &str, found: &mut Found) {
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        // As a part of something longer. Each character holds six bits: those that hold a bit of a neighbour are left out.
        for before in 0..3 {
            let bytes = [&b"\0\0"[..before], text.as_bytes()].concat();
            let encoded = engine.encode(&bytes);
            let (first, last) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
            add(&encoded[first..last], found);
        }
        // By itself, and as `echo` hands it over, with a newline.
        for end in ["", "\n"] {
            let encoded = engine.encode(format!("{text}{end}"));
            let padding = "=".repeat((4 - encoded.len() % 4) % 4);
            let padded = format!("{}{padding}", encoded);
            BASE64_COLUMNS.iter().for_each(|columns| broken(&padded, *columns, found));
            add(padded.as_str(), found);
            add(encoded.as_str(), found);
        }
    }
}

fn hexadecimal(text: &str, found: &mut Found) {
    let lower = hex::encode(text);
    broken(&lower, HEX_COLUMNS, found);
    add(lower.to_ascii_uppercase(), found);
    add(lower.as_str(), found);
}

/// A text that is written in lines of so many characters: the whole, and each line.
fn broken(text: &str, columns: usize, found: &mut Found) {
    if text.len() <= columns {
        return;
    }
    let lines: Vec<&[u8]> = text.as_bytes().chunks(columns).collect();
    lines.iter().for_each(|line| add(*line, found));
    add(lines.join(&b'\n'), found);
}

fn url(text: &str, found: &mut Found) {
    for set in [URL, COMPONENT, PATH, WHOLE] {
        let encoded = percent_encode(text.as_bytes(), set).to_string();
        add(encoded.replace("%20", "+"), found);
        add(small_escapes(&encoded), found);
        add(encoded.as_str(), found);
    }
}

/// `%2f` of `%2F`.
fn small_escapes(encoded: &str) -> String {
    let mut rest = 0;
    let small = |char: char| {
        rest = if char == '%' { 3 } else { usize::saturating_sub(rest, 1) };
        if rest > 0 { char.to_ascii_lowercase() } else { char }
    };
    encoded.chars().map(small).collect()
}

fn json(text: &str, found: &mut Found) {
    let plain = escaped(text, |_| false);
    // JSON inside of JSON.
    add(escaped(&plain, |_| false), found);
    // PHP's slashes, Go's and Ruby's caution with HTML, and ASCII only, as Python writes it.
    add(plain.replace('/', "\\/"), found);
    add(escaped(text, |char| matches!(char, '<' | '>' | '&')), found);
    add(escaped(text, |char| !char.is_ascii()), found);
    add(plain.as_str(), found);
}

/// The inside of a JSON string; what `also` wants is written as `\uXXXX` too.
fn escaped(text: &str, also: fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        match char {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            '\u{8}' => escaped.push_str("\\b"),
            '\u{c}' => escaped.push_str("\\f"),
            char if char.is_control() && char.is_ascii() || also(char) => {
                let mut units = [0; 2];
                char.encode_utf16(&mut units).iter().for_each(|unit| escaped.push_str(&format!("\\u{unit:04x}")));
            }
            char => escaped.push(char),
        }
    }
    escaped
}

fn markup(text: &str, found: &mut Found) {
    for (quote, apostrophe) in [("&quot;", "&apos;"), ("&#34;", "&#39;"), ("&quot;", "&#39;"), ("&quot;", "&#x27;"), ("\"", "'")]
    {
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        add(escaped.replace('"', quote).replace('\'', apostrophe), found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(value: &str, form: &str) {
        let mut found = Found::new();
        forms(value, &mut found);
        let texts: Vec<_> = found.iter().map(|form| String::from_utf8_lossy(form)).collect();
        assert!(texts.iter().any(|text| text == form), "{form:?} of {value:?} is not in {texts:#?}");
    }

    #[test]
    fn a_value_is_known_in_the_forms_that_programs_write() {
        let value = "pa/ss \"w<ö>rd'&%";
        for form in [
            value,
            "cGEvc3MgInc8w7Y+cmQnJiU=",
            "cGEvc3MgInc8w7Y+cmQnJiU",
            "cGEvc3MgInc8w7Y-cmQnJiU=",
            "cGEvc3MgInc8w7Y+cmQnJiUK",
            "70612f73732022773cc3b63e7264272625",
            "70612F73732022773CC3B63E7264272625",
            "pa%2Fss%20%22w%3C%C3%B6%3Erd%27%26%25",
            "pa%2fss%20%22w%3c%c3%b6%3erd%27%26%25",
            "pa%2Fss+%22w%3C%C3%B6%3Erd%27%26%25",
            "pa%2Fss%20%22w%3C%C3%B6%3Erd'%26%25",
            "pa/ss%20%22w%3C%C3%B6%3Erd%27%26%25",
            "pa/ss \\\"w<ö>rd'&%",
            "pa\\/ss \\\"w<ö>rd'&%",
            "pa/ss \\\\\\\"w<ö>rd'&%",
            "pa/ss \\\"w\\u003cö\\u003erd'\\u0026%",
            "pa/ss \\\"w<\\u00f6>rd'&%",
            "pa/ss &quot;w&lt;ö&gt;rd&apos;&amp;%",
            "pa/ss &#34;w&lt;ö&gt;rd&#39;&amp;%",
            "pa/ss \"w<ö>rd'\\''&%",
        ] {
            has(value, form);
        }
    }

    #[test]
    fn base64_is_known_at_each_place_within_something_longer() {
        let value = "hunter2-hunter3";
        let mut found = Found::new();
        forms(value, &mut found);
        for before in ["", "u", "us", "use", "user:", "user::"] {
            for after in ["", "x", "xy", "xyz"] {
                for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                    let encoded = engine.encode(format!("{before}{value}{after}"));
                    let longest =
                        found.iter().filter(|form| encoded.contains(&*String::from_utf8_lossy(form))).map(|form| form.len());
                    // All characters that hold nothing but the value's own bits.
                    assert!(longest.max().unwrap() >= (value.len() * 8 - 10) / 6, "{before} {after}");
                }
            }
        }
    }

    #[test]
    fn lines_are_known_by_themselves_and_in_every_form() {
        let value = "-----BEGIN KEY-----\nabc/def+ghi\n}\nQ==\n-----END KEY-----\n";
        for form in [
            "abc/def+ghi",
            "-----BEGIN KEY-----\nabc/def+ghi\n}\nQ==\n-----END KEY-----",
            "-----BEGIN KEY-----\r\nabc/def+ghi\r\n}\r\nQ==\r\n-----END KEY-----",
            "-----BEGIN KEY-----\\nabc/def+ghi\\n}\\nQ==\\n-----END KEY-----",
            "YWJjL2RlZitnaGk=",
            "abc%2Fdef%2Bghi",
        ] {
            has(value, form);
        }
        let mut found = Found::new();
        forms(value, &mut found);
        assert!(found.iter().all(|form| can_be_hidden(form)), "no brace and no `Q==` by itself");
    }

    #[test]
    fn long_base64_is_known_in_lines() {
        let value: String = (0..200).map(|n| char::from(b'a' + (n * 7 % 26) as u8)).collect();
        let encoded = STANDARD_NO_PAD.encode(&value);
        let padded = format!("{encoded}=");
        for columns in [76, 64] {
            let lines: Vec<&str> =
                (0..padded.len().div_ceil(columns)).map(|n| &padded[n * columns..padded.len().min((n + 1) * columns)]).collect();
            has(&value, lines[1]);
            has(&value, &lines.join("\n"));
        }
        has(&value, &hex::encode(&value)[60..120]);
    }
}
