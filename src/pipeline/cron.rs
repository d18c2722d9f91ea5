//! Schedules: five fields and a time zone, and the next time that they mean.
//!
//! The time zones are those inside the binary, so that each machine computes the same. Where clocks are put forward, a fixed time that is left out comes
//! at the moment of the change; where they are put back, a fixed time comes once, and what comes every so often (`*/10`) goes on through both hours.
//!
//! **Invariant:** pure and total: `next_after` is later than its `after`, and a schedule that [`schedule_fault`] finds nothing wrong with has a next time.

use std::ops::Range;
use std::sync::LazyLock;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::report::{nearest, shown};
use crate::base::Timestamp;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// From here a next time is looked for, to know whether there is one: 2000-01-01.
const SOME_TIME: Timestamp = Timestamp(946_684_800_000);

/// One of the five fields.
struct Column {
    name: &'static str,
    range: &'static str,
    /// Words that stand for numbers.
    words: &'static [&'static str],
    /// Marks that a day may have beside its number.
    marks: &'static str,
}

const COLUMNS: [Column; 5] = [
    Column { name: "minute", range: "0 to 59", words: &[], marks: "" },
    Column { name: "hour", range: "0 to 23", words: &[], marks: "" },
    Column { name: "day of the month", range: "1 to 31", words: &[], marks: "LW" },
    Column { name: "month", range: "1 to 12, or jan to dec", words: &MONTHS, marks: "" },
    Column { name: "day of the week", range: "0 (Sunday) to 7, or sun to sat", words: &DAYS, marks: "L#" },
];

/// Short forms that other systems have.
const NICKNAMES: [(&str, &str); 6] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// What is wrong with a schedule.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ScheduleFault {
    /// The characters that are wrong.
    pub at: Range<usize>,
    pub message: String,
    pub hint: String,
}

/// The first moment after `after` that a schedule means; `None` when the schedule or the time zone is none, or when no time is left.
#[must_use]
pub fn next_after(expression: &str, timezone: &str, after: Timestamp) -> Option<Timestamp> {
    let cron = parse(expression)?;
    let zone = ZONES.get(timezone).ok()?;
    next(&cron, zone, after)
}

/// The time zone's name as the database writes it, or what to do about a name that is none.
pub(super) fn known_zone(name: &str) -> Result<String, String> {
    match ZONES.get(name) {
        Ok(zone) => Ok(zone.iana_name().unwrap_or(name).to_owned()),
        Err(_) => {
            let names: Vec<String> = ZONES.available().map(|name| name.to_string()).collect();
            // A city alone is what people know.
            let city = names.iter().find(|known| known.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(name)));
            match city.map(String::as_str).or_else(|| nearest(name, names.iter().map(String::as_str))) {
                Some(near) => Err(format!("did you mean `{near}`?")),
                None => Err("time zones have names such as `Europe/Berlin`, or `UTC`".to_owned()),
            }
        }
    }
}

/// What is wrong with a schedule, if something is.
pub(super) fn schedule_fault(expression: &str) -> Option<ScheduleFault> {
    let whole = 0..expression.chars().count();
    let fields: Vec<(Range<usize>, &str)> = fields(expression);
    if fields.len() != COLUMNS.len() {
        let nickname = NICKNAMES.iter().find(|(word, _)| expression.trim().eq_ignore_ascii_case(word));
        let hint = match (nickname, fields.len()) {
            (Some((_, meant)), _) => format!("write `{meant}`"),
            (None, 6 | 7) => "there are no seconds and no years: minute, hour, day, month, day of the week".to_owned(),
            (None, _) => "minute, hour, day of the month, month, day of the week: `0 3 * * *`".to_owned(),
        };
        let count = match fields.len() {
            1 => "1 field".to_owned(),
            many => format!("{many} fields"),
        };
        return Some(ScheduleFault { at: whole, message: format!("a schedule has five fields, found {count}"), hint });
    }
    for ((at, text), column) in fields.iter().zip(&COLUMNS) {
        if !is_well_formed(text, column) || !reads_alone(text, column) {
            let message = format!("`{}` is no {} of a schedule", shown(text), column.name);
            let hint = format!("{}, `*`, a range `a-b`, a step `*/n` or a list `a,b`", column.range);
            return Some(ScheduleFault { at: at.clone(), message, hint });
        }
    }
    match parse(expression).and_then(|cron| next(&cron, TimeZone::UTC, SOME_TIME)) {
        Some(_) => None,
        None => {
            let hint = "no year has such a day".to_owned();
            Some(ScheduleFault { at: whole, message: "the schedule never comes".to_owned(), hint })
        }
    }
}

/// The fields with their places, in characters.
fn fields(expression: &str) -> Vec<(Range<usize>, &str)> {
    let mut rest = expression;
    let mut offset = 0;
    let mut fields = Vec::new();
    while let Some(field) = rest.split_whitespace().next() {
        let before = rest.split(field).next().map_or(0, |blank| blank.chars().count());
        let length = field.chars().count();
        fields.push((offset + before..offset + before + length, field));
        offset += before + length;
        rest = rest.trim_start().strip_prefix(field).unwrap_or_default();
    }
    fields
}

/// Whether each item is made of whole numbers and whole words; what they may be is the library's business. It reads `1,,2` and `dec1` as something.
fn is_well_formed(text: &str, column: &Column) -> bool {
    let value = |text: &str| {
        let text = text.trim_end_matches(|c: char| column.marks.contains(c.to_ascii_uppercase()));
        let text = text.split_once('#').map_or(text, |(day, _)| day);
        let word = column.words.iter().any(|word| word.eq_ignore_ascii_case(text));
        word || text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() <= 3
    };
    text.split(',').all(|item| {
        let (range, step) = item.split_once('/').map_or((item, "1"), |(range, step)| (range, step));
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let marked = !range.is_empty() && (value(from) && value(to) || range == "*" || range == "?" && !column.marks.is_empty());
        marked && !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Whether the library reads the field, the others being `*`.
fn reads_alone(text: &str, column: &Column) -> bool {
    let fields = COLUMNS.iter().map(|other| if other.name == column.name { text } else { "*" });
    parse(&fields.collect::<Vec<_>>().join(" ")).is_some()
}

fn parse(expression: &str) -> Option<Cron> {
    if expression.split_whitespace().count() != COLUMNS.len() {
        return None;
    }
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build().parse(expression).ok()
}

fn next(cron: &Cron, zone: TimeZone, after: Timestamp) -> Option<Timestamp> {
    let after = jiff::Timestamp::from_millisecond(after.0).ok()?.to_zoned(zone);
    let next = cron.find_next_occurrence(&after, false).ok()?;
    Some(Timestamp(next.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    /// The next times, in UTC.
    fn times(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let mut now = at(after);
        let step = |_| {
            now = next_after(expression, zone, now).unwrap();
            jiff::Timestamp::from_millisecond(now.0).unwrap().to_string()
        };
        (0..count).map(step).collect()
    }

    #[test]
    fn a_schedule_means_what_cron_means_by_it() {
        let cases = [
            ("0 3 * * *", "2026-01-01T03:00:00Z", "2026-01-02T03:00:00Z"),
            ("0 3 * * *", "2026-01-01T02:59:59.999Z", "2026-01-01T03:00:00Z"),
            ("*/15 * * * *", "2026-01-01T00:01:00Z", "2026-01-01T00:15:00Z"),
            ("0 9-17/4 * * 1-5", "2026-01-02T17:30:00Z", "2026-01-05T09:00:00Z"),
            ("0 0 * * 7", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"),
            ("0 0 * * sun", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"),
            ("30 4 1,15 * *", "2026-01-02T00:00:00Z", "2026-01-15T04:30:00Z"),
            ("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("0 0 L * *", "2026-02-01T00:00:00Z", "2026-02-28T00:00:00Z"),
            ("0 0 * * mon#1", "2026-01-06T00:00:00Z", "2026-02-02T00:00:00Z"),
            ("0 0 1 JAN *", "2026-01-06T00:00:00Z", "2027-01-01T00:00:00Z"),
            // A day of the month and one of the week: either will do.
            ("0 0 13 * 5", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
        ];
        for (expression, after, expected) in cases {
            assert_eq!(schedule_fault(expression), None, "{expression}");
            assert_eq!(times(expression, "UTC", after, 1), [expected], "{expression}");
        }
    }

    #[test]
    fn a_time_that_is_left_out_when_clocks_go_forward_comes_at_the_change() {
        // Berlin, 29 March 2026: 02:00 becomes 03:00 at 01:00 UTC.
        assert_eq!(
            times("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3),
            ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
        assert_eq!(
            times("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:20:00Z", 3),
            ["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"]
        );
    }

    #[test]
    fn a_time_that_comes_twice_when_clocks_go_back_is_meant_once() {
        // Berlin, 25 October 2026: 03:00 becomes 02:00 at 01:00 UTC, so 02:30 is at 00:30 and at 01:30 UTC.
        assert_eq!(
            times("30 2 * * *", "Europe/Berlin", "2026-10-24T00:00:00Z", 3),
            ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        assert_eq!(
            times("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:10:00Z", 5),
            [
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-25T02:00:00Z",
                "2026-10-25T02:30:00Z"
            ]
        );
        // From within the second of the two hours.
        assert_eq!(times("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", 1), ["2026-10-26T01:30:00Z"]);
    }

    #[test]
    fn what_comes_next_is_later_whatever_the_schedule() {
        for expression in ["* * * * *", "59 23 31 12 *", "0 0 29 2 1", "0 */7 * * *", "0 0 LW * *", "5 4 * * 5L"] {
            for zone in ["UTC", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca"] {
                let mut now = at("2026-01-01T00:00:07Z");
                for _ in 0..200 {
                    let next = next_after(expression, zone, now).unwrap();
                    assert!(next > now, "{expression} {zone} {now}");
                    now = next;
                }
            }
        }
        assert_eq!(next_after("* * * * *", "UTC", Timestamp(i64::MAX)), None);
        assert_eq!(next_after("* * * * *", "UTC", Timestamp(i64::MIN)), None);
        assert_eq!(next_after("* * * *", "UTC", Timestamp(0)), None);
        assert_eq!(next_after("* * * * *", "Mars/Olympus", Timestamp(0)), None);
    }

    #[test]
    fn what_is_no_schedule_is_told_in_its_place() {
        for (expression, range, part) in [
            ("0 3 * *", 0..7, "found 4 fields"),
            ("", 0..0, "found 0 fields"),
            ("@daily", 0..6, "found 1 field"),
            ("0 0 3 * * *", 0..11, "found 6 fields"),
            ("60 3 * * *", 0..2, "`60` is no minute"),
            ("0  24 * * *", 3..5, "`24` is no hour"),
            ("0 3 32 * *", 4..6, "`32` is no day of the month"),
            ("0 3 * 13 *", 6..8, "`13` is no month"),
            ("0 3 * dec1 *", 6..10, "`dec1` is no month"),
            ("0 3 * * 8", 8..9, "`8` is no day of the week"),
            ("0 3 * * monday", 8..14, "`monday` is no day of the week"),
            ("mon 3 * * *", 0..3, "`mon` is no minute"),
            ("1,,2 3 * * *", 0..4, "`1,,2` is no minute"),
            (", 3 * * *", 0..1, "`,` is no minute"),
            ("*/0 3 * * *", 0..3, "`*/0` is no minute"),
            ("5-1 3 * * *", 0..3, "`5-1` is no minute"),
            ("*-5 3 * * *", 0..3, "`*-5` is no minute"),
            ("5/10 * * * *", 0..4, "`5/10` is no minute"),
            ("? 3 * * *", 0..1, "`?` is no minute"),
            ("0 3 * * +1", 8..10, "`+1` is no day of the week"),
            ("0 ß * * *", 2..3, "`ß` is no hour"),
            ("0 0 30 2 *", 0..10, "never comes"),
            ("0 0 31 4,6 *", 0..12, "never comes"),
        ] {
            let fault = schedule_fault(expression).unwrap_or_else(|| panic!("{expression}"));
            assert!(fault.message.contains(part), "{expression}: {fault:?}");
            assert_eq!(fault.at, range, "{expression}");
        }
        assert_eq!(schedule_fault("@daily").unwrap().hint, "write `0 0 * * *`");
    }

    #[test]
    fn a_time_zone_is_known_by_its_name_and_misspelt_ones_are_guessed() {
        assert_eq!(known_zone("Europe/Berlin").as_deref(), Ok("Europe/Berlin"));
        assert_eq!(known_zone("europe/berlin").as_deref(), Ok("Europe/Berlin"));
        assert_eq!(known_zone("UTC").as_deref(), Ok("UTC"));
        assert_eq!(known_zone("Europe/Berlim").unwrap_err(), "did you mean `Europe/Berlin`?");
        assert_eq!(known_zone("Berlin").unwrap_err(), "did you mean `Europe/Berlin`?");
        assert!(known_zone("../etc/passwd").unwrap_err().starts_with("time zones have names"));
    }
}
