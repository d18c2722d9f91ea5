//! Masks over streams that are cut anywhere. A failing seed fails again: the dice are the test's own.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::{Masker, Masks, Piece};
use crate::base::Secret;
use crate::base::limits::RUN_SECRET_BYTES;

fn masks(values: &[&str]) -> Masks {
    let values: Vec<Secret> = values.iter().map(|value| Secret::new((*value).to_owned())).collect();
    Masks::of(&values).unwrap()
}

/// What a masker gave out.
#[derive(Default, Debug, PartialEq, Eq)]
struct Given {
    bytes: Vec<u8>,
    /// Bytes that all of it stands for.
    stands_for: u64,
}

impl Given {
    fn take(&mut self, piece: &Piece<'_>) {
        match piece {
            Piece::Plain(bytes) => {
                self.bytes.extend_from_slice(bytes);
                self.stands_for += bytes.len() as u64;
            }
            Piece::Hidden { text, bytes } => {
                self.bytes.extend_from_slice(text.as_bytes());
                self.stands_for += bytes;
            }
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

fn feed(masker: &mut Masker, bytes: &[u8], given: &mut Given) {
    masker.take(0, bytes, &mut |_, piece| given.take(&piece));
}

/// A generator of its own.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below as u64).unwrap()
    }
}

const KEY: &str = "-----BEGIN KEY-----\nabc/def+ghi\n}\nQ==\n-----END KEY-----\n";

#[test]
fn a_value_is_hidden_in_every_form() {
    let (token, long) = ("s3cr3t/tök?n", "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ,.-+#<>|;:_");
    for value in [token, long, KEY.trim()] {
        let hidden = |what: String| {
            let shown = masks(&[value]).text(&format!("a {what} z\n"));
            assert_eq!(shown, "a *** z\n", "{what}");
        };
        hidden(value.to_owned());
        hidden(STANDARD.encode(value));
        hidden(STANDARD.encode(format!("{value}\n")));
        hidden(URL_SAFE.encode(value));
        hidden(hex::encode(value));
        hidden(hex::encode(value).to_uppercase());
        let json = serde_json::to_string(value).unwrap();
        hidden(json[1..json.len() - 1].to_owned());
        hidden(
            percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
                .replace("%5F", "_")
                .replace("%2E", ".")
                .replace("%2D", "-")
                .replace("%7E", "~"),
        );
    }
    let basic = masks(&["hunter2hunter2"]).text(&format!("Authorization: Basic {}", STANDARD.encode("ada:hunter2hunter2")));
    // What is left holds no whole byte of it.
    assert!(basic.starts_with("Authorization: Basic YWRhO") && basic.contains("***") && basic.len() < 36, "{basic}");
}

#[test]
fn lines_of_a_value_are_hidden_one_by_one_and_short_ones_with_the_whole() {
    let masks = masks(&[KEY]);
    assert_eq!(masks.text(KEY), "***\n");
    assert_eq!(masks.text(&KEY.replace('\n', "\r\n")), "***\r\n");
    assert_eq!(masks.text("x abc/def+ghi y\n}\nQ==\n"), "x *** y\n}\nQ==\n");
}

#[test]
fn the_longest_and_all_that_overlaps_is_hidden() {
    assert_eq!(masks(&["abcdef", "abcdefghij"]).text("abcdefghij abcdef"), "*** ***");
    assert_eq!(masks(&["abcdef", "defghi", "ghijkl"]).text("xabcdefghijkly"), "x***y");
    assert_eq!(masks(&["abcdef"]).text("abcdefabcdefabcde"), "******abcde");
    assert_eq!(masks(&["abcabcd"]).text("abcabcabcd abcabc"), "abc*** abcabc");
}

#[test]
fn without_values_nothing_changes_and_nothing_is_held() {
    let mut given = Given::default();
    assert!(masks(&[]).is_empty());
    feed(&mut masks(&[]).masker(), b"abc", &mut given);
    assert_eq!((given.text().as_str(), given.stands_for), ("abc", 3));
}

#[test]
fn a_value_is_found_across_every_cut() {
    let masks = masks(&["hunter2-hunter3", KEY]);
    let stream = format!("one hunter2-hunter3\ntwo hunter2-hunter\n{KEY}hunter2hunter2-hunter3-hunter4\n");
    let whole = masks.text(&stream);
    assert_eq!(whole, "one ***\ntwo hunter2-hunter\n***\nhunter2***-hunter4\n");
    for cut in 0..=stream.len() {
        let (mut masker, mut given) = (masks.masker(), Given::default());
        feed(&mut masker, &stream.as_bytes()[..cut], &mut given);
        assert!(!given.text().contains("hunter2-hunter3"));
        feed(&mut masker, &stream.as_bytes()[cut..], &mut given);
        masker.finish(&mut |_, piece| given.take(&piece));
        assert_eq!((given.text(), given.stands_for), (whole.clone(), stream.len() as u64), "{cut}");
    }
}

#[test]
fn what_is_hidden_does_not_depend_on_the_cuts_and_no_byte_is_lost() {
    for seed in 1..=300_u64 {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        // Values of few letters, so that they overlap and nearly match all the time.
        let values: Vec<String> = (0..=dice.roll(4))
            .map(|n| {
                (0..6 + dice.roll(12))
                    .map(|at| {
                        if at < 4 && n == 0 {
                            "abcd".as_bytes()[at] as char
                        } else {
                            ["a", "b", "c", "d", "\n"][dice.roll(5)].chars().next().unwrap()
                        }
                    })
                    .collect()
            })
            .collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let masks = masks(&values);
        let mut stream = Vec::new();
        for _ in 0..dice.roll(60) {
            match dice.roll(4) {
                0 => stream.extend_from_slice(values[dice.roll(values.len())].as_bytes()),
                1 => {
                    let value = values[dice.roll(values.len())].as_bytes();
                    stream.extend_from_slice(&value[..dice.roll(value.len())]);
                }
                2 => stream.extend_from_slice(STANDARD.encode(values[dice.roll(values.len())]).as_bytes()),
                _ => stream.push(b"abcd\n x"[dice.roll(7)]),
            }
        }
        let whole = masks.bytes(&stream);
        for value in &values {
            let value = value.trim();
            if super::value::can_be_hidden(value.as_bytes()) {
                assert!(!String::from_utf8_lossy(&whole).contains(value), "seed {seed}: {value:?}");
            }
        }
        for _ in 0..4 {
            let (mut masker, mut given, mut at) = (masks.masker(), Given::default(), 0);
            let most = if dice.roll(2) == 0 { 4 } else { 40 };
            while at < stream.len() {
                let end = stream.len().min(at + dice.roll(most));
                feed(&mut masker, &stream[at..end], &mut given);
                assert!(given.stands_for <= end as u64 && end as u64 - given.stands_for < 200, "seed {seed}: bounded");
                at = end;
            }
            masker.finish(&mut |_, piece| given.take(&piece));
            assert_eq!((&given.bytes, given.stands_for), (&whole, stream.len() as u64), "seed {seed}");
        }
    }
}

#[test]
fn a_new_masker_that_goes_on_after_a_plain_byte_gives_the_same() {
    let masks = masks(&["abcabd", "cabdab\nx\ny", "dabcab"]);
    let stream = "one ab two abc three cabda\nxabcabdabcabd\nabcab\ncabdab\nx\ny\ncabdab\nx\nz abcabcabdabcabx\ndabcabdabcab\n";
    let whole = masks.text(stream);
    let mut masker = masks.masker();
    // Where each plain byte ends: how much was given out, and how much of the stream that stands for.
    let (mut given, mut places) = (Given::default(), Vec::new());
    for byte in stream.as_bytes().chunks(1) {
        masker.take(0, byte, &mut |_, piece| {
            if let Piece::Plain(bytes) = piece {
                for byte in bytes.chunks(1) {
                    given.take(&Piece::Plain(byte));
                    places.push((given.bytes.len(), given.stands_for));
                }
            } else {
                given.take(&piece);
            }
        });
    }
    assert!(places.len() > 20);
    for (shown, stands_for) in places {
        let rest = masks.text(&stream[usize::try_from(stands_for).unwrap()..]);
        assert_eq!(format!("{}{rest}", &whole[..shown]), whole, "{shown}");
    }
}

#[test]
fn a_pause_gives_out_whole_lines_and_nothing_of_a_line_that_has_only_begun() {
    let masks = masks(&["{\n  hunter2-hunter3\n}"]);
    let (mut masker, mut given) = (masks.masker(), Given::default());
    feed(&mut masker, b"ok\n{\n  hunter2-hun", &mut given);
    assert_eq!(given.text(), "ok\n");
    masker.release_lines(&mut |_, piece| given.take(&piece));
    assert_eq!(given.text(), "ok\n{\n");
    masker.release_lines(&mut |_, piece| given.take(&piece));
    feed(&mut masker, b"ter3\n}\n", &mut given);
    masker.finish(&mut |_, piece| given.take(&piece));
    assert_eq!((given.text().as_str(), given.stands_for), ("ok\n{\n  ***\n}\n", 25));
}

#[test]
fn held_bytes_keep_the_time_at_which_they_came() {
    let (masks, mut times) = (masks(&["abcdef"]), Vec::new());
    let mut masker = masks.masker();
    let mut give = |at, piece: Piece<'_>| {
        let text = match piece {
            Piece::Plain(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            Piece::Hidden { text, .. } => text.to_owned(),
        };
        times.push((at, text));
    };
    for (at, bytes) in [(1, "x abc"), (2, "x\nabc"), (3, "d"), (4, "ef\nab"), (5, "")] {
        masker.take(at, bytes.as_bytes(), &mut give);
    }
    masker.finish(&mut give);
    let expected = [(1, "x "), (1, "abc"), (2, "x\n"), (2, "***"), (4, "\n"), (4, "ab")];
    assert_eq!(times, expected.map(|(at, text)| (at, text.to_owned())));
}

#[test]
fn more_than_a_run_may_have_is_refused_at_the_limit_and_one_past_it() {
    let value = |bytes: usize| Secret::new("abcd".repeat(bytes / 4) + &"x".repeat(bytes % 4));
    assert!(Masks::of([&value(RUN_SECRET_BYTES)]).is_ok());
    assert!(Masks::of([&value(RUN_SECRET_BYTES + 1)]).unwrap_err().contains("at most 32 KiB"));
    assert!(Masks::of([&value(RUN_SECRET_BYTES), &value(RUN_SECRET_BYTES)]).is_ok(), "the same value counts once");
}

#[test]
fn debug_tells_nothing() {
    assert_eq!(format!("{:?} {:?}", masks(&["hunter2-hunter3"]), masks(&[])), "Masks(***) Masks(none)");
}
