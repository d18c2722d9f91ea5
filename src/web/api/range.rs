//! What of a file somebody wants: conditions and ranges (RFC 9110, sections 13 and 14).
//!
//! **Invariant:** pure; what is not understood means the whole file, as the RFC says, never a wrong part of it.

use std::ops::Range;

use axum::http::{HeaderMap, header};

/// The answer's form.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Whole,
    /// Not empty, within the file.
    Part(Range<u64>),
    /// A range that lies outside of it.
    Nothing,
    /// The client has it already.
    Known,
}

/// Of the file with this tag and size.
pub(super) fn wanted(headers: &HeaderMap, tag: &str, size: u64) -> Wanted {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let known = text(header::IF_NONE_MATCH)
        .is_some_and(|tags| tags.trim() == "*" || tags.split(',').any(|known| known.trim().trim_start_matches("W/") == tag));
    if known {
        return Wanted::Known;
    }
    // A part makes sense only to who has the rest of the same file.
    if text(header::IF_RANGE).is_some_and(|known| known.trim() != tag) {
        return Wanted::Whole;
    }
    text(header::RANGE).map_or(Wanted::Whole, |range| part(range, size))
}

fn part(range: &str, size: u64) -> Wanted {
    // Several ranges would need an answer of several parts; nobody who resumes a download asks for that.
    let Some((start, end)) = range.strip_prefix("bytes=").and_then(|range| range.trim().split_once('-')) else {
        return Wanted::Whole;
    };
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    let found = match (number(start), number(end)) {
        (Some(start), None) if end.is_empty() => start..size,
        (Some(start), Some(end)) if start <= end => start..size.min(end.saturating_add(1)),
        (None, Some(last)) if start.is_empty() => size.saturating_sub(last)..size,
        _ => return Wanted::Whole,
    };
    if found.is_empty() { Wanted::Nothing } else { Wanted::Part(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(pairs: &[(header::HeaderName, &str)], size: u64) -> Wanted {
        let headers = pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        wanted(&headers, "\"t\"", size)
    }

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        for (range, size, expected) in [
            ("bytes=0-0", 10, Wanted::Part(0..1)),
            ("bytes=2-5", 10, Wanted::Part(2..6)),
            ("bytes=2-", 10, Wanted::Part(2..10)),
            ("bytes=-3", 10, Wanted::Part(7..10)),
            ("bytes=-30", 10, Wanted::Part(0..10)),
            ("bytes=2-99", 10, Wanted::Part(2..10)),
            ("bytes=2-99999999999999999999999", 10, Wanted::Part(2..10)),
            ("bytes=10-", 10, Wanted::Nothing),
            ("bytes=-0", 10, Wanted::Nothing),
            ("bytes=0-", 0, Wanted::Nothing),
            ("bytes=99999999999999999999999-", 10, Wanted::Nothing),
            ("bytes=5-2", 10, Wanted::Whole),
            ("bytes=0-1,3-4", 10, Wanted::Whole),
            ("bytes=+1-2", 10, Wanted::Whole),
            ("bytes=a-b", 10, Wanted::Whole),
            ("bytes=-", 10, Wanted::Whole),
            ("lines=1-2", 10, Wanted::Whole),
        ] {
            assert_eq!(ask(&[(header::RANGE, range)], size), expected, "{range}");
        }
    }

    #[test]
    fn conditions_come_before_ranges() {
        let range = (header::RANGE, "bytes=1-2");
        for tags in ["\"t\"", "\"x\", \"t\"", "W/\"t\"", "*"] {
            assert_eq!(ask(&[range.clone(), (header::IF_NONE_MATCH, tags)], 10), Wanted::Known, "{tags}");
        }
        assert_eq!(ask(&[range.clone(), (header::IF_NONE_MATCH, "\"x\"")], 10), Wanted::Part(1..3));
        assert_eq!(ask(&[range.clone(), (header::IF_RANGE, "\"t\"")], 10), Wanted::Part(1..3));
        assert_eq!(ask(&[range, (header::IF_RANGE, "\"x\"")], 10), Wanted::Whole);
    }
}
