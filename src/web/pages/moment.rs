//! Times as people read them: relative with the absolute one behind it, and spans that tick while something runs.

use std::fmt;

use askama::filters::HtmlSafe;

use crate::base::Timestamp;

/// `<time>`: how long ago, the exact time in its title. The page's module keeps it current and shows it in the reader's time zone.
pub(super) struct Ago {
    pub at: Timestamp,
    pub now: Timestamp,
}

impl fmt::Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, date) = (self.at.0, Date(self.at));
        write!(f, r#"<time datetime="{date}" title="{date}" data-ago="{at}">{}</time>"#, ago(self.now.ms_since(self.at)))
    }
}

/// From start to end, or until now while there is no end. Nothing when it never started.
pub(super) struct Took {
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    pub now: Timestamp,
}

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.from, self.to) {
            (None, _) => Ok(()),
            (Some(from), Some(to)) => write!(f, r#"<span class="took">{}</span>"#, span(to.ms_since(from))),
            (Some(from), None) => {
                write!(f, r#"<span class="took" data-since="{}">{}</span>"#, from.0, span(self.now.ms_since(from) / 1000 * 1000))
            }
        }
    }
}

// Made of numbers and the words below only.
impl HtmlSafe for Ago {}
impl HtmlSafe for Took {}

/// `just now`, `3 min ago`, `2 h ago`, `5 d ago`. `web/assets/time.js` says the same.
fn ago(ms: u64) -> String {
    match ms / 1000 {
        0..10 => "just now".to_owned(),
        s @ 10..60 => format!("{s} s ago"),
        s @ 60..3600 => format!("{} min ago", s / 60),
        s @ 3600..172_800 => format!("{} h ago", s / 3600),
        s => format!("{} d ago", s / 86_400),
    }
}

/// `0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`. `web/assets/time.js` says the same.
fn span(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0..10 if ms % 1000 >= 100 => format!("{}.{} s", s, ms % 1000 / 100),
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3600, s / 60 % 60),
    }
}

/// `2026-11-22T10:57:06Z`.
pub(super) struct Date(pub Timestamp);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.0.div_euclid(1000);
        let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil(day);
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
    }
}

/// Year, month and day of the proleptic Gregorian calendar, for a count of days since 1970-01-01. Years are counted from March, so that the leap
/// day is a year's last; 400 years are 146,097 days.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_at_the_edges_of_the_calendar() {
        let known = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_795_345_026_123, "2026-11-22T10:57:06Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ];
        for (ms, text) in known {
            assert_eq!(Date(Timestamp(ms)).to_string(), text);
        }
    }

    #[test]
    fn spans_and_ages_are_short() {
        let spans = [0, 99, 400, 1_250, 10_900, 65_000, 7_800_000].map(span);
        assert_eq!(spans, ["0 s", "0 s", "0.4 s", "1.2 s", "10 s", "1 min 05 s", "2 h 10 min"]);
        let ages = [0, 12_000, 185_000, 7_300_000, 900_000_000].map(ago);
        assert_eq!(ages, ["just now", "12 s ago", "3 min ago", "2 h ago", "10 d ago"]);
    }
}
