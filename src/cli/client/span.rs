//! Spans of time as people read them; the dashboard says the same.

/// `0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`.
pub(super) fn span(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0..10 if ms % 1000 >= 100 => format!("{s}.{} s", ms % 1000 / 100),
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3600, s / 60 % 60),
    }
}

/// `just now`, `12 s ago`, `3 min ago`, `2 h ago`, `5 d ago`.
pub(super) fn ago(ms: u64) -> String {
    match ms / 1000 {
        0..10 => "just now".to_owned(),
        s @ 10..60 => format!("{s} s ago"),
        s @ 60..3600 => format!("{} min ago", s / 60),
        s @ 3600..172_800 => format!("{} h ago", s / 3600),
        s => format!("{} d ago", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_the_precision_that_matters() {
        let said = [0, 99, 100, 9_999, 10_000, 59_999, 60_000, 185_000, 3_599_999, 3_600_000, 90_061_000].map(span);
        let meant = [
            "0 s",
            "0 s",
            "0.1 s",
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
}
