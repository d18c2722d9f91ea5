//! Times as Docker writes them (RFC 3339, any number of fraction digits, any offset) into nanoseconds since 1970.

/// Nanoseconds since 1970-01-01 UTC; `None` for what is no RFC 3339 time. Docker's "never" (year 1) is further back than any of ours.
pub(super) fn parse_ns(text: &str) -> Option<i64> {
    let ns = text.parse::<jiff::Timestamp>().ok()?.as_nanosecond();
    Some(i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX }))
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
        for text in ["", "2026", "2026-11-22T11:03:46", "xxxx-xx-xxTxx:xx:xxZ", "äää"] {
            assert_eq!(parse_ns(text), None, "{text}");
        }
        assert!(parse_ns("0001-01-01T00:00:00Z").is_none_or(|ns| ns < 0));
    }
}
