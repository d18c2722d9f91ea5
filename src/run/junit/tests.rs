//! Reports of the runners that people use, read whole; and everything that no report should hold.

use super::*;
use crate::base::limits::{
    REPORT_ATTRIBUTES, REPORT_CASES, REPORT_DEPTH, REPORT_FILE_BYTES, TEST_DETAILS_BYTES, TEST_MESSAGE_BYTES, TEST_NAME_CHARS,
};

const REPORTS: [(&str, &str); 7] = [
    ("nextest", include_str!("../../../tests/junit/nextest.xml")),
    ("pytest", include_str!("../../../tests/junit/pytest.xml")),
    ("jest", include_str!("../../../tests/junit/jest.xml")),
    ("node", include_str!("../../../tests/junit/node.xml")),
    ("surefire", include_str!("../../../tests/junit/surefire.xml")),
    ("go", include_str!("../../../tests/junit/go.xml")),
    ("gtest", include_str!("../../../tests/junit/gtest.xml")),
];

fn shown(cases: &[TestCase]) -> String {
    let mut out = String::new();
    for case in cases {
        let TestCase { suite, name, identity: _, file, outcome, flaky, duration_ms, message, details } = case;
        out.push_str(&format!("{outcome}{} {suite} | {name}", if *flaky { " (flaky)" } else { "" }));
        out.push_str(&file.as_ref().map(|file| format!(" in {file}")).unwrap_or_default());
        out.push_str(&duration_ms.map(|ms| format!(" {ms} ms")).unwrap_or_default());
        out.push('\n');
        for (what, text) in [("message", message), ("details", details)] {
            if let Some(text) = text {
                out.push_str(&format!("  {what}:\n    {}\n", text.replace('\n', "\n    ")));
            }
        }
    }
    out
}

#[test]
fn reports_of_known_runners_are_read() {
    for (runner, report) in REPORTS {
        insta::with_settings!({ snapshot_path => "../../../tests/junit", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(runner, shown(&read(report.as_bytes()).unwrap()));
        });
    }
}

/// One case in a report of one suite.
fn around(case: &str) -> String {
    format!("<testsuite name=\"s\">{case}</testsuite>")
}

fn one(case: &str) -> TestCase {
    read(around(case).as_bytes()).unwrap().remove(0)
}

#[track_caller]
fn refused(report: &str, words: &str) {
    let why = read(report.as_bytes()).unwrap_err();
    assert!(why.contains(words), "{why}");
    assert!(why.len() < 400 && !why.contains('\n'), "{why}");
}

#[test]
fn what_is_no_report_is_refused_with_a_sentence() {
    refused("", "is empty");
    refused("<?xml version=\"1.0\"?><!-- nothing -->", "is empty");
    refused("no xml at all", "is empty");
    refused("<coverage/>", "is no JUnit report: its outermost element is `coverage`");
    refused("<html><body>", "outermost element is `html`");
    refused("<testsuite><testcase name='a'>", "ends in the middle");
    refused("<testsuite></testsuites>", "is not well-formed XML");
    refused("<testsuite/><testsuite/>", "a second outermost element");
    refused("<testsuite>\n\n<testcase name=a/></testsuite>", "(line 3)");
    refused("<testsuite><testcase name=\"a\"", "is not well-formed XML");
    refused("<?xml version=\"1.0\" encoding=\"UTF-16\"?><testsuite/>", "says that it is in UTF-16: write it as UTF-8");
    refused("<testsuite>\0</testsuite>", "holds a NUL in line 1");
    refused("<testsuite><testcase name=\"a&#0;\"/></testsuite>", "is not well-formed XML");
    let latin = read(b"<testsuite name=\"caf\xe9\"/>").unwrap_err();
    assert_eq!(latin, "is not UTF-8: byte 21 is wrong");
}

#[test]
fn entities_are_never_expanded() {
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]><testsuite name=\"&b;\"/>";
    refused(bomb, "has a document type");
    refused("<!DOCTYPE testsuite SYSTEM \"file:///etc/passwd\"><testsuite/>", "has a document type");
    refused("<testsuite><!DOCTYPE x><testcase name=\"a\"/></testsuite>", "has a document type");
    refused(
        &around("<testcase name=\"a\"><failure>&xxe;</failure></testcase>"),
        "names the entity `xxe`, which nothing declares",
    );
    refused(&around("<testcase name=\"&xxe;\"/>"), "is not well-formed XML");
    assert_eq!(one("<testcase name=\"&lt;&#60;&#x3c;&amp;&quot;&apos;\"/>").name, "<<<&\"'");
}

#[test]
fn limits_hold_at_the_limit_and_one_past_it() {
    let sized = |bytes: usize| {
        let (start, end) = ("<testsuite><!--", "--></testsuite>");
        format!("{start}{}{end}", "x".repeat(bytes - start.len() - end.len()))
    };
    assert_eq!(read(sized(REPORT_FILE_BYTES).as_bytes()), Ok(vec![]));
    refused(&sized(REPORT_FILE_BYTES + 1), "is larger than 8 MiB");

    let deep = |depth: usize| "<testsuite>".repeat(depth) + &"</testsuite>".repeat(depth);
    assert_eq!(read(deep(REPORT_DEPTH).as_bytes()), Ok(vec![]));
    refused(&deep(REPORT_DEPTH + 1), "is nested deeper than 64 elements");
    refused(&"<testsuite>".repeat(500_000), "is nested deeper");

    let many = |count: usize| around(&"<testcase name=\"a\"/>".repeat(count));
    assert_eq!(read(many(REPORT_CASES).as_bytes()).unwrap().len(), REPORT_CASES);
    refused(&many(REPORT_CASES + 1), "has more than 50000 tests");

    let wide = |count: usize| around(&format!("<testcase {}/>", (0..count).map(|n| format!("a{n}=\"\" ")).collect::<String>()));
    assert!(read(wide(REPORT_ATTRIBUTES).as_bytes()).is_ok());
    refused(&wide(REPORT_ATTRIBUTES + 1), "more than 64 attributes");
}

#[test]
fn names_are_one_line_with_an_end_and_cut_ones_stay_different() {
    let case = one("<testcase classname=\" a&#10;b \" name=\"x&#27;[31m&#9;y\u{202e}z\" file=\"f&#10;g\" line=\"7\"/>");
    assert_eq!((case.suite.as_str(), case.name.as_str(), case.file.as_deref()), ("a b", "x [31m y\u{fffd}z", Some("f g:7")));
    assert_eq!(one("<testcase/>").name, "(no name)");
    let long = |end: &str| one(&format!("<testcase name=\"{}{end}\"/>", "ü".repeat(TEST_NAME_CHARS)));
    assert_eq!(long("").name, "ü".repeat(TEST_NAME_CHARS));
    let (a, b) = (long("a"), long("b"));
    assert_eq!(a.name, format!("{}…", "ü".repeat(TEST_NAME_CHARS)));
    assert_eq!(a.name, b.name);
    assert_ne!(a.identity, b.identity);
    assert_ne!(one("<testcase classname=\"ab\" name=\"c\"/>").identity, one("<testcase classname=\"a\" name=\"bc\"/>").identity);
}

#[test]
fn messages_and_details_are_cut_between_characters_and_say_so() {
    let failure = |message: &str, text: &str| {
        one(&format!(
            "<testcase name=\"a\"><failure message=\"{message}\">{text}</failure><system-out>more</system-out></testcase>"
        ))
    };
    let message = failure(&"ü".repeat(TEST_MESSAGE_BYTES), "").message.unwrap();
    assert_eq!(message, format!("{}…", "ü".repeat(TEST_MESSAGE_BYTES / 2)));
    assert_eq!(failure(&"x".repeat(TEST_MESSAGE_BYTES), "").message.unwrap(), "x".repeat(TEST_MESSAGE_BYTES));
    let details = failure("m", &format!("x{}", "ü".repeat(TEST_DETAILS_BYTES))).details.unwrap();
    assert!(details.starts_with("xü") && details.len() < TEST_DETAILS_BYTES + 60, "{}", details.len());
    assert!(details.ends_with("bytes more were not kept"), "{}", &details[details.len() - 60..]);
    assert!(!details.contains("more\n"), "nothing is added after the cut");
}

#[test]
fn what_passed_keeps_no_output_and_what_failed_does() {
    assert_eq!(one("<testcase name=\"a\"><system-out>x</system-out></testcase>").details, None);
    let failed =
        one("<testcase name=\"a\"><failure type=\"Kind\"/><system-out>x</system-out><system-err> </system-err></testcase>");
    assert_eq!((failed.message.as_deref(), failed.details.as_deref()), (Some("Kind"), Some("--- stdout ---\nx")));
    let suite = read(around("<error message=\"no database\"/>").as_bytes()).unwrap().remove(0);
    assert_eq!((suite.outcome, suite.suite.as_str(), suite.message.as_deref()), (TestOutcome::Error, "s", Some("no database")));
}

#[test]
fn durations_are_numbers_or_nothing() {
    for (time, ms) in [
        ("0.0014", Some(1)),
        ("1,234.5", Some(1_234_500)),
        (" 2 ", Some(2_000)),
        ("", None),
        ("-1", None),
        ("NaN", None),
        ("inf", None),
        ("1e999", None),
        ("soon", None),
        ("1e300", Some(crate::base::limits::TIMEOUT_MAX_MS)),
    ] {
        assert_eq!(one(&format!("<testcase name=\"a\" time=\"{time}\"/>")).duration_ms, ms, "{time}");
    }
}

#[test]
fn numbers_are_one_sentence() {
    let said = |total, failed, skipped, flaky| TestSummary { total, failed, skipped, flaky }.to_string();
    assert_eq!(said(214, 2, 4, 1), "214 tests: 2 failed, 1 flaky, 4 skipped");
    assert_eq!(said(1, 0, 0, 0), "1 test: none failed");
}

/// A generator of its own, so that a failure comes again with its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below.max(1) as u64).unwrap_or(0)
    }
}

/// What a hostile writer would put in.
const SHARDS: [&[u8]; 18] = [
    b"<",
    b">",
    b"&",
    b"&#",
    b"&#x110000;",
    b"]]>",
    b"<![CDATA[",
    b"<!--",
    b"-->",
    b"<!DOCTYPE",
    b"</testcase>",
    b"<testcase name='",
    b"\"",
    b"<failure>",
    b"\xff",
    b"\0",
    b"<?xml",
    b"\xc3\xbc",
];

#[test]
fn no_damage_makes_it_panic_or_answer_at_length() {
    let mut read_well = 0;
    for (runner, report) in REPORTS {
        let report = report.as_bytes();
        for seed in 1..=800_u64 {
            let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let mut bytes = report.to_vec();
            for _ in 0..=dice.roll(4) {
                let at = dice.roll(bytes.len());
                match dice.roll(4) {
                    0 => bytes[at] = u8::try_from(dice.roll(256)).unwrap_or(0),
                    1 => bytes.truncate(at.max(1)),
                    2 => drop(bytes.drain(at..(at + dice.roll(200)).min(bytes.len()))),
                    _ => {
                        let shard = SHARDS[dice.roll(SHARDS.len())];
                        bytes.splice(at..at, shard.iter().copied());
                    }
                }
                if bytes.is_empty() {
                    break;
                }
            }
            match read(&bytes) {
                Ok(cases) => {
                    read_well += 1;
                    for case in cases {
                        assert!(!case.name.is_empty() && !case.name.chars().any(char::is_control), "{runner} {seed}: {case:?}");
                        assert!(!case.suite.chars().any(char::is_control), "{runner} {seed}: {case:?}");
                    }
                }
                Err(why) => assert!(!why.is_empty() && why.len() < 1_000, "{runner} {seed}: {why}"),
            }
        }
        for end in 0..report.len() {
            let _ = read(&report[..end]);
        }
    }
    assert!(read_well > 300, "the damage is not so great that nothing is read: {read_well}");
}
