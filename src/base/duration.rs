//! Spans of time: read as people write them (`90s`, `1h30m`), and written as people read them.

use std::fmt;

/// Units, longest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Milliseconds, or what to do about a text that is no duration. Numbers are whole, units go from long to short, each at most once.
pub fn parse_duration_ms(text: &str) -> Result<u64, &'static str> {
    const FORM: &str = "write it like `90s`, `20m`, `1h30m` or `30d`";
    let mut rest = text;
    let mut total: u64 = 0;
    let mut units = UNITS.iter();
    if text.is_empty() {
        return Err(FORM);
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        if after.starts_with(['.', ',']) {
            return Err("use whole numbers and a smaller unit: `90m`, not `1.5h`");
        }
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(letters);
        if unit.is_empty() && after.is_empty() && digits > 0 {
            return Err("say the unit: `30s`, `30m`");
        }
        let (_, factor) = units.by_ref().find(|(known, _)| *known == unit).ok_or(FORM)?;
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor));
        total = part.and_then(|part| total.checked_add(part)).ok_or(FORM)?;
        rest = after;
    }
    Ok(total)
}

/// A span of time as people say it: `90 s`, `5 min`, `2 h`, `250 ms`.
pub struct Span(pub u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ms if ms >= 7_200_000 && ms % 3_600_000 == 0 => write!(f, "{} h", ms / 3_600_000),
            ms if ms >= 120_000 && ms % 60_000 == 0 => write!(f, "{} min", ms / 60_000),
            ms if ms >= 1_000 && ms % 1_000 == 0 => write!(f, "{} s", ms / 1_000),
            ms if ms >= 10_000 => write!(f, "{:.1} s", ms as f64 / 1_000.0),
            ms => write!(f, "{ms} ms"),
        }
    }
}

/// How long something took, as precise as it matters: `24 ms`, `1.2 s`, `12 s`, `3 min 05 s`, `2 h 10 min`. `web/assets/time.js` says the same.
#[must_use]
pub fn took(ms: u64) -> String {
    let s = ms / 1_000;
    match s {
        0 => format!("{ms} ms"),
        1..10 => format!("{s}.{} s", ms % 1_000 / 100),
        10..60 => format!("{s} s"),
        60..3_600 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3_600, s / 60 % 60),
    }
}

/// How long ago something was: `just now`, `3 min ago`, `2 h ago`, `5 d ago`. `web/assets/time.js` says the same.
#[must_use]
pub fn ago(ms: u64) -> String {
    match ms / 1_000 {
        0..10 => "just now".to_owned(),
        s @ 10..60 => format!("{s} s ago"),
        s @ 60..3_600 => format!("{} min ago", s / 60),
        s @ 3_600..172_800 => format!("{} h ago", s / 3_600),
        s => format!("{} d ago", s / 86_400),
    }
}

/// In how long something will be, as precise as it matters. `web/assets/time.js` says the same.
#[must_use]
pub fn ahead(ms: u64) -> String {
    match ms / 1_000 {
        0 => "now".to_owned(),
        s @ 1..60 => format!("in {s} s"),
        s @ 60..3_600 => format!("in {} min", s / 60),
        s @ 3_600..172_800 => format!("in {} h", s / 3_600),
        s => format!("in {} d", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_numbers_with_units_from_long_to_short() {
        for (text, ms) in [
            ("90s", 90_000),
            ("20m", 1_200_000),
            ("1h30m", 5_400_000),
            ("250ms", 250),
            ("0s", 0),
            ("2d", 172_800_000),
            ("1m1s1ms", 61_001),
        ] {
            assert_eq!(parse_duration_ms(text), Ok(ms), "{text}");
        }
        for bad in [
            "",
            "20",
            "m",
            "1.5h",
            "1h 30m",
            "30m1h",
            "5m5m",
            "-5m",
            "5M",
            "5min",
            "99999999999999999999s",
            "9999999999999d",
            "5m\u{e9}",
            "٣m",
        ] {
            assert!(parse_duration_ms(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn spans_have_the_precision_that_matters() {
        let said = [0, 99, 999, 1_000, 9_999, 10_000, 59_999, 60_000, 185_000, 3_599_999, 3_600_000, 90_061_000].map(took);
        let meant = [
            "0 ms",
            "99 ms",
            "999 ms",
            "1.0 s",
            "9.9 s",
            "10 s",
            "59 s",
            "1 min 00 s",
            "3 min 05 s",
            "59 min 59 s",
            "1 h 00 min",
            "25 h 01 min",
        ];
        assert_eq!(said, meant);
    }

    #[test]
    fn how_long_ago_needs_no_precision() {
        let said = [0, 9_999, 10_000, 60_000, 3_600_000, 172_799_999, 172_800_000].map(ago);
        assert_eq!(said, ["just now", "just now", "10 s ago", "1 min ago", "1 h ago", "47 h ago", "2 d ago"]);
    }

    #[test]
    fn how_far_ahead_needs_no_precision() {
        let said = [0, 999, 1_000, 60_000, 3_600_000, 172_799_999, 172_800_000].map(ahead);
        assert_eq!(said, ["now", "now", "in 1 s", "in 1 min", "in 1 h", "in 47 h", "in 2 d"]);
    }

    #[test]
    fn a_bound_is_said_exactly() {
        let said = [250, 1_000, 90_000, 300_000, 7_200_000, 1_500, 12_345].map(|ms| Span(ms).to_string());
        assert_eq!(said, ["250 ms", "1 s", "90 s", "5 min", "2 h", "1500 ms", "12.3 s"]);
    }
}
