//! Times as Docker writes them (RFC 3339, any number of fraction digits, any offset) into nanoseconds since 1970.

/// Nanoseconds since 1970-01-01 UTC; `None` for what is no RFC 3339 time. Docker's "never" (year 1) comes out negative.
pub(super) fn parse_ns(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = bytes.get(from..to)?;
        let all_digits = digits.iter().all(u8::is_ascii_digit);
        all_digits.then(|| digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
    };
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|(at, byte)| bytes.get(*at) != Some(byte)) {
        return None;
    }
    let days = days_since_1970(number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let seconds = days * 86_400 + number(11, 13)? * 3_600 + number(14, 16)? * 60 + number(17, 19)?;
    let mut at = 19;
    let mut fraction = 0;
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        let mut unit = 100_000_000;
        while let Some(digit) = bytes.get(at).filter(|byte| byte.is_ascii_digit()) {
            fraction += i64::from(digit - b'0') * unit;
            unit /= 10;
            at += 1;
        }
    }
    let offset = match bytes.get(at)? {
        b'Z' => 0,
        sign @ (b'+' | b'-') => {
            let east = number(at + 1, at + 3)? * 3_600 + number(at + 4, at + 6)? * 60;
            if *sign == b'+' { east } else { -east }
        }
        _ => return None,
    };
    (seconds - offset).checked_mul(1_000_000_000)?.checked_add(fraction)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar: whole years first, with the leap days counted as if the year began in March.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, months_since_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let day_of_year = (153 * months_since_march + 2) / 5 + day - 1;
    year * 365 + leap_days + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_times_become_nanoseconds() {
        for (text, ns) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:00.000000001Z", 1),
            ("2000-02-29T12:00:00Z", 951_825_600_000_000_000),
            ("2026-11-22T11:03:46.909278428Z", 1_795_345_426_909_278_428),
            ("2026-11-22T11:03:46.9Z", 1_795_345_426_900_000_000),
            ("2026-11-22T13:03:46.9+02:00", 1_795_345_426_900_000_000),
            ("2026-11-22T05:33:46.9-05:30", 1_795_345_426_900_000_000),
        ] {
            assert_eq!(parse_ns(text), Some(ns), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none_and_never_a_panic() {
        for text in
            ["", "2026", "2026-11-22 11:03:46Z", "2026-11-22T11:03:46", "2026-11-22T11:03:46+2", "xxxx-xx-xxTxx:xx:xxZ", "äää"]
        {
            assert_eq!(parse_ns(text), None, "{text}");
        }
        assert!(parse_ns("0001-01-01T00:00:00Z").is_none_or(|ns| ns < 0));
    }
}
