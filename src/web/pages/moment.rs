//! Times as people read them: relative with the absolute one behind it, and spans that tick while something runs.

use std::fmt;

use askama::filters::HtmlSafe;

use crate::base::{Timestamp, ago, ahead, took};

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

/// `<time>`: in how long, with the exact time in its title.
pub(super) struct Ahead {
    pub at: Timestamp,
    pub now: Timestamp,
}

impl fmt::Display for Ahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, date) = (self.at.0, Date(self.at));
        write!(f, r#"<time datetime="{date}" title="{date}" data-ahead="{at}">{}</time>"#, ahead(self.at.ms_since(self.now)))
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
            (Some(from), Some(to)) => write!(f, r#"<span class="took">{}</span>"#, took(to.ms_since(from))),
            (Some(from), None) => {
                write!(f, r#"<span class="took" data-since="{}">{}</span>"#, from.0, took(self.now.ms_since(from) / 1000 * 1000))
            }
        }
    }
}

// Made of numbers and the words below only.
impl HtmlSafe for Ago {}
impl HtmlSafe for Ahead {}
impl HtmlSafe for Took {}

/// `2026-11-22T10:57:06Z`.
pub(super) struct Date(pub Timestamp);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Beyond the calendar's ends (a damaged row) there is no date to show.
        let Ok(at) = jiff::Timestamp::from_second(self.0.0.div_euclid(1000)) else { return Ok(()) };
        at.fmt(f)
    }
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
}
