//! Logs that are compressed: read as before, whatever was left by an end between two steps.

use std::fs;

use super::index::RECORD;
use super::tests::{Dice, logs, records, texts};
use super::*;
use crate::base::JobKey;
use crate::base::limits::{LOG_LINE_BYTES, LOG_PAGE_LINES};
use crate::run::Stream::{Stderr, Stdout, System};

/// Writes random output of two streams and completes the log.
fn write_all(dice: &mut Dice, logs: &Logs, key: &LogKey) {
    let mut writer = logs.writer(key).unwrap();
    for at in 0..=dice.roll(4) {
        writer.write(at as i64, Stdout, &dice.output()).unwrap();
        writer.write(7, Stderr, &dice.output()).unwrap();
    }
    writer.finish().unwrap();
}

/// All that readers see of a log: its pages, what is found in it, its bytes.
fn seen(logs: &Logs, key: &LogKey) -> (Vec<LogPage>, Vec<LogPage>, Vec<u8>, u64) {
    let pages = |read: &dyn Fn(u64) -> LogPage| {
        let mut pages = vec![read(1)];
        while let Some(last) = pages.last().filter(|last| !last.end) {
            pages.push(read(last.next));
        }
        pages
    };
    let (mut bytes, mut from) = (Vec::new(), 1);
    loop {
        let (page, next) = logs.raw(key, from).unwrap();
        bytes.extend(page);
        if next == from {
            break;
        }
        from = next;
    }
    let read = pages(&|from| logs.read(key, from, 9).unwrap());
    (read, pages(&|from| logs.search(key, "1", from, 3).unwrap()), bytes, *logs.watch(key).borrow())
}

/// Which of the files are there.
fn kinds(paths: &Paths) -> [bool; 4] {
    [&paths.data, &paths.index, &paths.packed, &paths.part].map(|path| path.exists())
}

const PLAIN: [bool; 4] = [true, true, false, false];
const PACKED: [bool; 4] = [false, false, true, false];

#[test]
fn a_compressed_log_reads_as_before_and_goes_on_where_it_ended() {
    for seed in 1..=20 {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let (_dir, logs, key) = logs();
        let key = LogKey::from(key);
        write_all(&mut dice, &logs, &key);
        let paths = logs.paths(&key).unwrap();
        let (before, plain) = (seen(&logs, &key), fs::read(&paths.data).unwrap());
        assert_eq!(kinds(&paths), PLAIN);
        assert!(logs.pack(&key).unwrap());
        assert_eq!(kinds(&paths), PACKED);
        assert!(logs.pack(&key).unwrap(), "once is enough");
        assert!(seen(&logs, &key) == before, "seed {seed}");
        assert_eq!(zstd::decode_all(fs::File::open(&paths.packed).unwrap()).unwrap(), plain, "`zstd -d` gives the plain text");
        let mut writer = logs.writer(&key).unwrap();
        assert_eq!(kinds(&paths), PLAIN);
        let kept = records(&logs, &key);
        for stream in [Stdout, Stderr, System] {
            let bytes: u64 = kept.iter().filter(|(record, _)| record.stream == stream).map(|(record, _)| record.received()).sum();
            assert_eq!(writer.received(stream), bytes, "seed {seed}");
        }
        assert!(!logs.pack(&key).unwrap(), "it is being written");
        writer.finish().unwrap();
        assert!(seen(&logs, &key) == before, "seed {seed}");
    }
}

#[test]
fn an_end_at_any_moment_leaves_a_log_that_can_be_read_and_the_next_time_finishes_it() {
    let (_dir, logs, key) = logs();
    let key = LogKey::from(key);
    let mut writer = logs.writer(&key).unwrap();
    (0..60).for_each(|n| writer.write(n, Stdout, format!("line {n}\n").as_bytes()).unwrap());
    writer.write(61, Stderr, b"no newline").unwrap();
    writer.finish().unwrap();
    drop(writer);
    let paths = logs.paths(&key).unwrap();
    let before = seen(&logs, &key);
    let (data, index) = (fs::read(&paths.data).unwrap(), fs::read(&paths.index).unwrap());
    logs.pack(&key).unwrap();
    let packed = fs::read(&paths.packed).unwrap();
    let put = |path: &Path, content: Option<&[u8]>| match content {
        Some(content) => fs::write(path, content).unwrap(),
        None => drop(fs::remove_file(path)),
    };
    let mut moments: Vec<[Option<&[u8]>; 4]> = Vec::new();
    // While it is being compressed.
    moments.extend((0..=packed.len()).step_by(41).map(|cut| [Some(&data[..]), Some(&index[..]), None, Some(&packed[..cut])]));
    // It has its name, and the plain files go.
    moments.push([Some(&data), Some(&index), Some(&packed), None]);
    moments.push([Some(&data), None, Some(&packed), None]);
    // It is being made plain again.
    moments.extend((0..=data.len()).step_by(53).map(|cut| [Some(&data[..cut]), Some(&index[..0]), Some(&packed[..]), None]));
    moments.extend((0..=index.len()).step_by(101).map(|cut| [Some(&data[..]), Some(&index[..cut]), Some(&packed[..]), None]));
    for (number, [of_data, of_index, of_packed, of_part]) in moments.into_iter().enumerate() {
        for taken_up in [false, true] {
            for (path, content) in
                [(&paths.data, of_data), (&paths.index, of_index), (&paths.packed, of_packed), (&paths.part, of_part)]
            {
                put(path, content);
            }
            let logs = Logs::new(logs.dir.clone());
            assert!(seen(&logs, &key) == before, "moment {number}");
            if taken_up {
                logs.writer(&key).unwrap().finish().unwrap();
                assert!(seen(&logs, &key) == before, "moment {number}, taken up");
                assert_eq!(fs::read(&paths.data).unwrap(), data);
            }
            assert_eq!(logs.to_pack().unwrap(), if kinds(&paths) == PACKED { vec![] } else { vec![key.clone()] });
            assert!(logs.pack(&key).unwrap());
            assert_eq!((kinds(&paths), seen(&logs, &key) == before), (PACKED, true), "moment {number}, finished");
        }
    }
}

#[test]
fn a_log_that_changes_while_it_is_compressed_stays_plain() {
    let (_dir, logs, key) = logs();
    let mut writer = logs.writer(&key).unwrap();
    writer.write(0, Stdout, b"one\n").unwrap();
    let paths = logs.paths(&key).unwrap();
    assert!(pack::make(&paths).unwrap().is_none(), "it is not complete");
    writer.finish().unwrap();
    let made = pack::make(&paths).unwrap().unwrap();
    let mut writer = logs.writer(&key).unwrap();
    assert!(!pack::name(&paths, &made).unwrap(), "it goes on");
    writer.write(0, System, b"its cache is saved\n").unwrap();
    writer.finish().unwrap();
    drop(pack::make(&paths).unwrap());
    assert!(!pack::name(&paths, &made).unwrap(), "it went on");
    assert_eq!(kinds(&paths), PLAIN);
    assert!(logs.pack(&LogKey::from(&key)).unwrap());
    assert_eq!(texts(&logs.read(&key, 1, 9).unwrap()), ["one", "its cache is saved"]);
}

#[test]
fn whoever_reads_while_a_log_is_compressed_and_made_plain_again_reads_on() {
    let (_dir, logs, key) = logs();
    let key = LogKey::from(key);
    write_all(&mut Dice(5), &logs, &key);
    let look = || (logs.read(&key, 1, LOG_PAGE_LINES).unwrap().lines, logs.raw(&key, 1).unwrap());
    let before = look();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| (0..200).for_each(|_| assert!(look() == before)));
        while !reader.is_finished() {
            assert!(logs.pack(&key).unwrap());
            logs.writer(&key).unwrap().finish().unwrap();
        }
    });
}

#[test]
fn a_damaged_byte_is_told_and_never_shown_as_something_else() {
    let (_dir, logs, key) = logs();
    let mut writer = logs.writer(&key).unwrap();
    for n in 0..20_000 {
        writer.write(n, Stdout, format!("line {n}\n").as_bytes()).unwrap();
    }
    writer.finish().unwrap();
    let read = || -> io::Result<Vec<LogLine>> {
        let pages = [(1, 3), (9_000, 3), (20_000, 3)].map(|(from, limit)| logs.read(&key, from, limit));
        pages.into_iter().try_fold(Vec::new(), |lines, page| Ok([lines, page?.lines].concat()))
    };
    let before = read().unwrap();
    assert_eq!(before.len(), 7);
    logs.pack(&LogKey::from(&key)).unwrap();
    let path = logs.paths(&key).unwrap().packed;
    let whole = fs::read(&path).unwrap();
    let mut told = 0;
    let ends = whole.len() - 200..whole.len();
    for at in (0..whole.len() - 200).step_by(173).chain(ends) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x41;
        fs::write(&path, bytes).unwrap();
        match read() {
            Ok(lines) => assert!(lines == before, "byte {at} of {}", whole.len()),
            Err(_) => told += 1,
        }
    }
    assert!(told > 150, "{told}");
    for cut in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..cut]).unwrap();
        assert!(read().is_err(), "{cut}");
    }
}

#[test]
fn logs_left_by_an_earlier_process_are_found_once_and_then_those_that_are_completed() {
    let (_dir, logs, attempt) = logs();
    let service = LogKey::Service { job: JobKey { run: attempt.run.clone(), job: attempt.job }, service: 3 };
    let keys = [LogKey::from(&attempt), service.clone()];
    for key in &keys {
        logs.writer(key).unwrap().finish().unwrap();
    }
    fs::write(logs.run_dir(&attempt.run).unwrap().join("note.idx"), "no log of ours").unwrap();
    assert_eq!(logs.to_pack().unwrap(), keys);
    assert_eq!(logs.to_pack().unwrap(), []);
    logs.writer(&service).unwrap().finish().unwrap();
    assert_eq!(logs.to_pack().unwrap(), [service]);
}

#[test]
fn a_line_that_goes_on_says_so_and_the_raw_log_has_it_whole() {
    let (_dir, logs, key) = logs();
    let mut writer = logs.writer(&key).unwrap();
    let long = vec![b'x'; 2 * LOG_LINE_BYTES + 1];
    writer.write(0, Stdout, &long).unwrap();
    writer.write(0, Stderr, b"between\n").unwrap();
    writer.write(0, Stdout, b"y\r\xff\nlast").unwrap();
    let more = |logs: &Logs| logs.read(&key, 1, 9).unwrap().lines.iter().map(|line| line.more).collect::<Vec<_>>();
    assert_eq!(more(&logs), [true, true, false, false]);
    writer.finish().unwrap();
    let raw = [&long[..2 * LOG_LINE_BYTES], b"\nbetween\nxy\r\xff\nlast"].concat();
    for _ in 0..2 {
        assert_eq!(more(&logs), [true, true, false, false, false]);
        assert_eq!(logs.raw(&key, 1).unwrap(), (raw.clone(), 6));
        assert_eq!(logs.raw(&key, 6).unwrap(), (Vec::new(), 6));
        logs.pack(&LogKey::from(&key)).unwrap();
    }
}

#[test]
fn a_page_of_a_compressed_log_is_one_block_away() {
    let (_dir, logs, key) = logs();
    let mut writer = logs.writer(&key).unwrap();
    for thousand in 0..200 {
        let lines: String = (1..=1000).map(|n| format!("this is line {}\n", thousand * 1000 + n)).collect();
        writer.write(thousand, Stdout, lines.as_bytes()).unwrap();
    }
    writer.finish().unwrap();
    logs.pack(&LogKey::from(&key)).unwrap();
    let path = logs.paths(&key).unwrap().packed;
    let mut bytes = fs::read(&path).unwrap();
    assert!(bytes.len() < 200_000 * RECORD / 4, "{} bytes: the index is small as well", bytes.len());
    // If it read what comes before, it would meet this.
    let half = bytes.len() / 2;
    bytes[..half].fill(0xee);
    fs::write(&path, bytes).unwrap();
    let page = logs.read(&key, 199_991, 100).unwrap();
    assert_eq!((page.lines.len(), page.next, page.end), (10, 200_001, true));
    assert_eq!(page.lines[9].text, "this is line 200000");
    assert_eq!(logs.search(&key, "line 199999", 190_000, 10).unwrap().lines.len(), 1);
    assert!(logs.read(&key, 1, 1).is_err());
}
