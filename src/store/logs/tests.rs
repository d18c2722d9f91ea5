//! Logs as steps write them and as crashes leave them. A failing seed fails again: the dice are the test's own.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::index::{Entry, RECORD, Record};
use super::*;
use crate::base::limits::{LOG_LINE_BYTES, LOG_PAGE_LINES};
use crate::base::{AttemptKey, Clock, JobKey};
use crate::run::Stream::{self, Stderr, Stdout, System};

pub(super) fn logs() -> (tempfile::TempDir, Logs, AttemptKey) {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::new(dir.path().join("logs"));
    (dir, logs, AttemptKey { run: RunId::new(&Clock::System), job: 0, step: 1, attempt: 1 })
}

pub(super) fn texts(page: &LogPage) -> Vec<&str> {
    page.lines.iter().map(|line| line.text.as_str()).collect()
}

/// Every record with its bytes, straight from the files.
pub(super) fn records(logs: &Logs, key: impl Into<LogKey>) -> Vec<(Record, Vec<u8>)> {
    let paths = logs.paths(key).unwrap();
    let (index, data) = (fs::read(paths.index).unwrap(), fs::read(paths.data).unwrap());
    let line = |bytes: &[u8]| match Entry::decode(bytes).expect("a record") {
        Entry::Line(record) => {
            Some((record, data[usize::try_from(record.offset).unwrap()..usize::try_from(record.end()).unwrap()].to_vec()))
        }
        Entry::End { .. } => None,
    };
    index.chunks_exact(RECORD).filter_map(line).collect()
}

fn stream_bytes(records: &[(Record, Vec<u8>)], stream: Stream) -> Vec<u8> {
    records.iter().filter(|(record, _)| record.stream == stream).flat_map(|(_, bytes)| bytes.clone()).collect()
}

/// A generator of its own, so that a failing seed fails again.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below as u64).unwrap()
    }

    /// Output as steps make it: short lines, empty ones, endless ones, progress bars, other alphabets, rubbish.
    pub(super) fn output(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..self.roll(40) {
            match self.roll(8) {
                0 => bytes.extend(std::iter::repeat_n(b'x', self.roll(3 * LOG_LINE_BYTES))),
                1 => bytes.extend_from_slice("häßlich 🦀 ".repeat(self.roll(10)).as_bytes()),
                2 => bytes.extend((0..self.roll(50)).map(|_| 0xff)),
                3 => bytes.extend_from_slice(b" 10%\r 20%\r"),
                _ => bytes.extend_from_slice(format!("line {}\n", self.roll(1000)).as_bytes()),
            }
            if self.roll(2) == 0 {
                bytes.push(b'\n');
            }
        }
        bytes
    }
}

#[test]
fn lines_come_back_with_number_time_and_stream() {
    let (_dir, logs, key) = logs();
    let mut writer = logs.writer(&key).unwrap();
    writer.write(5_000_000, Stdout, b"one\ntw").unwrap();
    writer.write(6_000_000, Stderr, b"oops\n").unwrap();
    writer.write(7_999_999, Stdout, b"o\n").unwrap();
    let page = logs.read(&key, 1, 10).unwrap();
    let line = |n, at, stream, text: &str| LogLine { n, at, stream, text: text.to_owned(), more: false };
    assert_eq!(page.lines, [line(1, 5, Stdout, "one"), line(2, 6, Stderr, "oops"), line(3, 5, Stdout, "two")]);
    assert_eq!((page.next, page.end), (4, false));
    assert_eq!((writer.received(Stdout), writer.received(Stderr), writer.received(System)), (8, 5, 0));
}

#[test]
fn a_last_line_without_newline_becomes_a_line_at_the_end() {
    let (_dir, logs, key) = logs();
    let mut writer = logs.writer(&key).unwrap();
    writer.write(0, Stdout, b"whole\npart").unwrap();
    assert_eq!(writer.received(Stdout), 6);
    assert_eq!(texts(&logs.read(&key, 1, 10).unwrap()), ["whole"]);
    writer.finish().unwrap();
    let page = logs.read(&key, 1, 10).unwrap();
    assert_eq!((texts(&page), page.end), (vec!["whole", "part"], true));
    assert_eq!(writer.received(Stdout), 10);
    assert!(writer.write(0, Stdout, b"late").is_err());
}

#[test]
fn carriage_returns_and_empty_lines_are_kept() {
    let (_dir, logs, key) = logs();
    logs.writer(&key).unwrap().write(0, Stdout, b"\n 10%\r 20%\r\n\n").unwrap();
    assert_eq!(texts(&logs.read(&key, 1, 10).unwrap()), ["", " 10%\r 20%\r", ""]);
}

#[test]
fn a_line_of_the_limit_stays_whole_and_one_past_it_goes_on_in_the_next() {
    let (_dir, logs, key) = logs();
    let mut writer = logs.writer(&key).unwrap();
    let limit = vec![b'x'; LOG_LINE_BYTES];
    writer.write(0, Stdout, &limit).unwrap();
    writer.write(0, Stdout, b"\n").unwrap();
    writer.write(0, Stdout, &limit).unwrap();
    writer.write(0, Stdout, b"y\n").unwrap();
    let page = logs.read(&key, 1, 10).unwrap();
    assert_eq!(page.lines.iter().map(|line| line.text.len()).collect::<Vec<_>>(), [LOG_LINE_BYTES, LOG_LINE_BYTES, 1]);
    assert_eq!(writer.received(Stdout), 2 * LOG_LINE_BYTES as u64 + 3);
}

#[test]
fn a_long_line_is_not_cut_inside_a_character() {
    for before in 0..4 {
        let (_dir, logs, key) = logs();
        let text = format!("{}{}", "x".repeat(before), "🦀".repeat(LOG_LINE_BYTES / 2));
        let mut writer = logs.writer(&key).unwrap();
        writer.write(0, Stdout, text.as_bytes()).unwrap();
        writer.finish().unwrap();
        let page = logs.read(&key, 1, 10).unwrap();
        assert!(page.lines.len() >= 2 && page.lines.iter().all(|line| !line.text.contains('\u{fffd}')), "{before} before");
        assert_eq!(texts(&page).concat(), text);
    }
}

#[test]
fn what_is_no_text_is_replaced_but_kept_in_the_file() {
    let (_dir, logs, key) = logs();
    logs.writer(&key).unwrap().write(0, Stdout, b"a\xffb\n").unwrap();
    assert_eq!(texts(&logs.read(&key, 1, 10).unwrap()), ["a\u{fffd}b"]);
    assert_eq!(fs::read(logs.paths(&key).unwrap().data).unwrap(), b"a\xffb\n");
}

#[test]
fn a_log_cut_anywhere_by_a_crash_goes_on_without_a_missing_or_doubled_byte() {
    for seed in 1..=60 {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let (_dir, logs, key) = logs();
        let sources = [(Stdout, dice.output()), (Stderr, dice.output())];
        for life in 0..4 {
            let mut writer = logs.writer(&key).unwrap();
            let kept = records(&logs, &key);
            let mut at = [0, 0];
            for (place, (stream, source)) in sources.iter().enumerate() {
                at[place] = usize::try_from(writer.received(*stream)).unwrap();
                assert_eq!(stream_bytes(&kept, *stream), source[..at[place]], "seed {seed}, life {life}");
            }
            let data = fs::metadata(logs.paths(&key).unwrap().data).unwrap().len();
            assert_eq!(data, kept.iter().map(|(record, _)| record.bytes()).sum::<u64>(), "seed {seed}: data without a line");
            let last = life == 3;
            for _ in 0..dice.roll(30) {
                write_some(&mut dice, &mut writer, &sources, &mut at);
            }
            while last && (at[0] < sources[0].1.len() || at[1] < sources[1].1.len()) {
                write_some(&mut dice, &mut writer, &sources, &mut at);
            }
            if last || dice.roll(4) == 0 && at[0] == sources[0].1.len() && at[1] == sources[1].1.len() {
                writer.finish().unwrap();
            }
            drop(writer);
            if !last {
                let paths = logs.paths(&key).unwrap();
                for path in [paths.data, paths.index] {
                    let len = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
                    if dice.roll(3) > 0 {
                        let cut = if dice.roll(2) == 0 { dice.roll(len + 1) } else { len - dice.roll(len.min(60) + 1) };
                        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(cut as u64).unwrap();
                    }
                }
            }
        }
        let kept = records(&logs, &key);
        for (stream, source) in &sources {
            assert_eq!(&stream_bytes(&kept, *stream), source, "seed {seed}");
        }
        assert!(kept.iter().all(|(record, _)| record.len as usize <= LOG_LINE_BYTES), "seed {seed}");
        let (mut shown, mut from) = (0, 1);
        loop {
            let page = logs.read(&key, from, 7).unwrap();
            shown += page.lines.len();
            from = page.next;
            if page.end {
                break;
            }
            assert!(!page.lines.is_empty(), "seed {seed}");
        }
        assert_eq!(shown, kept.len(), "seed {seed}");
    }
}

fn write_some(dice: &mut Dice, writer: &mut LogWriter, sources: &[(Stream, Vec<u8>)], at: &mut [usize]) {
    let place = dice.roll(2);
    let (stream, source) = &sources[place];
    let most = if dice.roll(3) == 0 { 100_000 } else { 20 };
    let end = source.len().min(at[place] + dice.roll(most));
    writer.write(1, *stream, &source[at[place]..end]).unwrap();
    at[place] = end;
}

#[test]
fn zeros_that_a_power_cut_left_at_the_end_are_no_lines() {
    let (_dir, logs, key) = logs();
    logs.writer(&key).unwrap().write(0, Stdout, b"one\n").unwrap();
    let index = logs.paths(&key).unwrap().index;
    let mut bytes = fs::read(&index).unwrap();
    bytes.extend([0; 3 * RECORD]);
    fs::write(&index, bytes).unwrap();
    let mut writer = logs.writer(&key).unwrap();
    assert_eq!(writer.received(Stdout), 4);
    writer.write(0, Stdout, b"two\n").unwrap();
    assert_eq!(texts(&logs.read(&key, 1, 10).unwrap()), ["one", "two"]);
}

#[test]
fn a_record_that_does_not_follow_the_one_before_is_no_line() {
    let (_dir, logs, key) = logs();
    logs.writer(&key).unwrap().write(0, Stdout, b"one\ntwo\n").unwrap();
    let index = logs.paths(&key).unwrap().index;
    let mut bytes = fs::read(&index).unwrap();
    bytes.extend_from_within(..RECORD);
    fs::write(&index, bytes).unwrap();
    assert_eq!(logs.writer(&key).unwrap().received(Stdout), 8);
    assert_eq!(texts(&logs.read(&key, 1, 10).unwrap()), ["one", "two"]);
}

#[test]
fn an_index_ahead_of_its_data_shows_only_what_is_there() {
    let (_dir, logs, key) = logs();
    let mut writer = logs.writer(&key).unwrap();
    writer.write(0, Stdout, b"one\ntwo\n").unwrap();
    writer.finish().unwrap();
    fs::OpenOptions::new().write(true).open(logs.paths(&key).unwrap().data).unwrap().set_len(5).unwrap();
    let page = logs.read(&key, 1, 10).unwrap();
    assert_eq!((texts(&page), page.next, page.end), (vec!["one"], 2, false));
}

#[test]
fn a_finished_log_that_is_taken_up_again_goes_on() {
    let (_dir, logs, key) = logs();
    let mut writer = logs.writer(&key).unwrap();
    writer.write(0, Stdout, b"one\ntail").unwrap();
    writer.finish().unwrap();
    writer.finish().unwrap();
    let mut writer = logs.writer(&key).unwrap();
    assert_eq!(writer.received(Stdout), 8);
    assert!(!logs.read(&key, 3, 10).unwrap().end);
    writer.write(0, System, b"its container is gone\n").unwrap();
    writer.finish().unwrap();
    let page = logs.read(&key, 1, 10).unwrap();
    assert_eq!((texts(&page), page.end), (vec!["one", "tail", "its container is gone"], true));
}

#[test]
fn past_its_limit_a_log_says_so_once_and_drops_the_rest_but_counts_it() {
    // Two lines of 10 bytes with their index records fit exactly; one byte less and the second does not.
    for (limit, fit) in [(2 * (10 + 24), 2), (2 * (10 + 24) - 1, 1)] {
        let (_dir, logs, key) = logs();
        let logs = logs.limited_to(limit);
        let mut writer = logs.writer(&key).unwrap();
        for _ in 0..2 {
            writer.write(0, Stdout, b"123456789\n").unwrap();
        }
        assert_eq!(logs.read(&key, 1, 10).unwrap().lines.iter().filter(|line| line.stream == Stdout).count(), fit);
        writer.write(0, Stderr, b"x\ny\n").unwrap();
        writer.write(0, System, b"stopped: its timeout is over\n").unwrap();
        let full = format!("gantry: the log has reached its limit of {limit} bytes; the rest of the output is left out");
        let mut expected = vec!["123456789"; fit];
        expected.extend([full.as_str(), "stopped: its timeout is over"]);
        assert_eq!(texts(&logs.read(&key, 1, 10).unwrap()), expected);
        assert_eq!((writer.received(Stdout), writer.received(Stderr)), (20, 4));
        drop(writer);
        let mut writer = logs.writer(&key).unwrap();
        writer.write(0, Stderr, b"x\ny\n").unwrap();
        writer.finish().unwrap();
        assert_eq!(texts(&logs.read(&key, 1, 10).unwrap()), expected, "after a restart");
    }
}

#[test]
fn empty_lines_do_not_fill_the_disk_either() {
    let (_dir, logs, key) = logs();
    let logs = logs.limited_to(10_000);
    let mut writer = logs.writer(&key).unwrap();
    writer.write(0, Stdout, &vec![b'\n'; 300_000]).unwrap();
    let paths = logs.paths(&key).unwrap();
    assert!(fs::metadata(paths.index).unwrap().len() + fs::metadata(paths.data).unwrap().len() < 10_000 + 1_000);
    assert_eq!(writer.received(Stdout), 300_000);
}

#[test]
fn a_page_near_the_end_of_200000_lines_is_read_from_the_index() {
    let (_dir, logs, key) = logs();
    let mut writer = logs.writer(&key).unwrap();
    for thousand in 0..200 {
        let lines: String = (1..=1000).map(|n| format!("this is line {}\n", thousand * 1000 + n)).collect();
        writer.write(thousand, Stdout, lines.as_bytes()).unwrap();
    }
    writer.finish().unwrap();
    // If it read what comes before, it would meet this.
    let paths = logs.paths(&key).unwrap();
    let mut index = fs::read(&paths.index).unwrap();
    index[..RECORD * 199_990].fill(0xee);
    fs::write(&paths.index, index).unwrap();
    let page = logs.read(&key, 199_991, 100).unwrap();
    assert_eq!((page.lines.len(), page.next, page.end), (10, 200_001, true));
    assert_eq!(page.lines[9].text, "this is line 200000");
    assert!(logs.read(&key, 1, 1).is_err(), "a damaged index is told, not shown as an empty log");
}

#[test]
fn a_page_is_bounded_in_lines_and_in_bytes() {
    let (_dir, logs, key) = logs();
    let mut writer = logs.writer(&key).unwrap();
    writer.write(0, Stdout, &vec![b'\n'; LOG_PAGE_LINES + 1]).unwrap();
    assert_eq!(logs.read(&key, 1, usize::MAX).unwrap().lines.len(), LOG_PAGE_LINES);
    let line = [vec![b'x'; LOG_LINE_BYTES - 1], vec![b'\n']].concat();
    for _ in 0..100 {
        writer.write(0, Stdout, &line).unwrap();
    }
    let from = LOG_PAGE_LINES as u64 + 2;
    let page = logs.read(&key, from, usize::MAX).unwrap();
    assert_eq!((page.lines.len(), page.next), (64, from + 64));
}

#[test]
fn search_finds_lines_pages_them_and_knows_the_end() {
    let (_dir, logs, key) = logs();
    let mut writer = logs.writer(&key).unwrap();
    let lines: String =
        (1..=25_000).map(|n| if n % 10_000 == 5 { format!("needle {n}\n") } else { format!("hay {n}\n") }).collect();
    writer.write(0, Stdout, lines.as_bytes()).unwrap();
    writer.finish().unwrap();
    let page = logs.search(&key, "needle", 1, 2).unwrap();
    assert_eq!((texts(&page), page.next, page.end), (vec!["needle 5", "needle 10005"], 10_006, false));
    let page = logs.search(&key, "needle", page.next, 2).unwrap();
    assert_eq!((texts(&page), page.lines[0].n, page.next, page.end), (vec!["needle 20005"], 20_005, 25_001, true));
    assert_eq!(logs.search(&key, ".", 1, 2).unwrap().lines, [], "a plain text, no pattern");
}

#[test]
fn asking_beyond_the_end_or_for_a_log_that_never_was_is_an_empty_page() {
    let (_dir, logs, key) = logs();
    let page = logs.read(&key, 0, 10).unwrap();
    assert_eq!((page.lines.len(), page.next, page.end), (0, 1, false));
    assert_eq!(logs.search(&key, "x", 3, 10).unwrap().next, 3);
    logs.writer(&key).unwrap().finish().unwrap();
    let page = logs.read(&key, u64::MAX, 10).unwrap();
    assert_eq!((page.lines.len(), page.next, page.end), (0, u64::MAX, true));
    assert!(logs.search(&key, "x", u64::MAX, 10).unwrap().end);
}

#[test]
fn those_who_follow_are_nudged_over_a_crash_and_told_the_end() {
    let (_dir, logs, key) = logs();
    let mut early = logs.watch(&key);
    let mut writer = logs.writer(&key).unwrap();
    writer.write(0, Stdout, b"one\n").unwrap();
    assert_eq!(*early.borrow_and_update(), 1);
    drop(writer);
    let mut writer = logs.writer(&key).unwrap();
    writer.write(0, Stdout, b"two\n").unwrap();
    assert!(early.has_changed().unwrap());
    assert_eq!(*early.borrow_and_update(), 2);
    writer.finish().unwrap();
    assert!(early.has_changed().is_err(), "closed");
    let late = logs.watch(&key);
    assert_eq!((*late.borrow(), late.has_changed().is_err()), (2, true));
}

#[test]
fn channels_that_nobody_needs_go() {
    let (_dir, logs, key) = logs();
    let other = |attempt| AttemptKey { attempt, ..key.clone() };
    for attempt in 1..=100 {
        drop(logs.watch(other(attempt)));
        drop(logs.writer(other(attempt)).unwrap());
        logs.writer(other(attempt)).unwrap().finish().unwrap();
    }
    assert_eq!(logs.nudges.kept(), 0);
    let held = logs.watch(other(101));
    let writer = logs.writer(other(102)).unwrap();
    assert_eq!(logs.nudges.kept(), 2);
    drop((held, writer));
    assert_eq!(logs.nudges.kept(), 0);
}

#[test]
fn a_second_writer_at_the_same_time_is_refused() {
    let (_dir, logs, key) = logs();
    let writer = logs.writer(&key).unwrap();
    assert_eq!(logs.writer(&key).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
    drop(writer);
    assert!(logs.writer(&key).is_ok());
}

#[test]
fn the_logs_of_a_removed_run_go_and_those_of_others_stay() {
    let (_dir, logs, key) = logs();
    let other = AttemptKey { run: RunId::new(&Clock::System), ..key.clone() };
    for key in [&key, &other] {
        logs.writer(key).unwrap().write(0, Stdout, b"x\n").unwrap();
    }
    let follower = logs.watch(&key);
    logs.remove_run(&key.run).unwrap();
    logs.remove_run(&key.run).unwrap();
    assert!(follower.has_changed().is_err());
    assert_eq!(logs.read(&key, 1, 1).unwrap().lines.len(), 0);
    assert_eq!(logs.read(&other, 1, 1).unwrap().lines.len(), 1);
}

#[test]
fn only_the_owner_may_read_logs_and_no_id_leads_out_of_the_directory() {
    let (_dir, logs, key) = logs();
    logs.writer(&key).unwrap().write(0, Stdout, b"x\n").unwrap();
    let paths = logs.paths(&key).unwrap();
    for (path, mode) in [(paths.data.parent().unwrap().to_owned(), 0o700), (paths.data, 0o600), (paths.index, 0o600)] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
    }
    assert!(serde_json::from_str::<RunId>("\"../../etc\"").is_err(), "no other id can be had");
}

#[test]
fn a_disk_that_fails_for_a_while_loses_and_doubles_nothing() {
    for index_fails in [false, true] {
        let (_dir, logs, key) = logs();
        let mut writer = logs.writer(&key).unwrap();
        writer.write(0, Stdout, b"one\n").unwrap();
        let paths = logs.paths(&key).unwrap();
        let broken = if index_fails { (&mut writer.index, &paths.index) } else { (&mut writer.data, &paths.data) };
        *broken.0 = fs::File::open(broken.1).unwrap();
        // Taken, though not yet stored.
        writer.write(0, Stdout, b"two\nthr").unwrap();
        assert_eq!(writer.received(Stdout), 4);
        assert!(writer.write(0, Stdout, b"not taken\n").is_err() && writer.flush().is_err() && writer.finish().is_err());
        let well = |path| fs::OpenOptions::new().write(true).open(path).unwrap();
        (writer.data, writer.index) = (well(&paths.data), well(&paths.index));
        writer.write(0, Stderr, b"ee\n").unwrap();
        assert_eq!((writer.received(Stdout), writer.received(Stderr)), (11, 3));
        writer.finish().unwrap();
        assert_eq!(texts(&logs.read(&key, 1, 10).unwrap()), ["one", "two", "thr", "ee"], "{index_fails}");
    }
}

#[test]
fn a_service_has_a_log_of_its_own_that_goes_with_its_run() {
    let (_dir, logs, attempt) = logs();
    let service = |service| LogKey::Service { job: JobKey { run: attempt.run.clone(), job: attempt.job }, service };
    for (key, text) in [(LogKey::from(&attempt), "step\n"), (service(0), "db\n"), (service(1), "cache\n")] {
        let mut writer = logs.writer(&key).unwrap();
        writer.write(0, Stdout, text.as_bytes()).unwrap();
        assert!(logs.writer(&key).is_err(), "one writer at a time");
        writer.finish().unwrap();
    }
    assert_eq!(texts(&logs.read(&attempt, 1, 10).unwrap()), ["step"]);
    assert_eq!(texts(&logs.read(service(0), 1, 10).unwrap()), ["db"]);
    assert_eq!(texts(&logs.search(service(1), "cac", 1, 10).unwrap()), ["cache"]);
    let mut watched = logs.watch(service(0));
    assert_eq!(*watched.borrow_and_update(), 1);
    logs.remove_run(&attempt.run).unwrap();
    assert_eq!(texts(&logs.read(service(0), 1, 10).unwrap()), [""; 0]);
}
