//! Logs, without an engine: how fast output becomes a log beside a plain file, and how fast a page of a large one is there.

use std::io::Write;
use std::path::Path;

use gantry::base::{AttemptKey, Clock, RunId, Secret};
use gantry::executor::Sink;
use gantry::run::Stream;
use gantry::secrets::Masks;
use gantry::server::LogSink;
use gantry::store::{LogKey, Logs};

use crate::table::{Row, Target};
use crate::watch::{Spread, Watch};

const ROUNDS: usize = 5;
/// As output comes from an engine or a segment.
const CHUNK: usize = 32 * 1024;
const LINES: usize = 2_000_000;
const LINE_BYTES: usize = 100;
/// As many lines as one log may have within its limit, nearly.
const MANY_LINES: u64 = 5_000_000;

pub fn rows() -> Vec<Row> {
    let dir = tempfile::tempdir().expect("a directory");
    let secrets = ["hunter2-hunter2", "correct horse battery staple", "{\n \"key\": \"0123456789abcdef\"\n}"];
    let secrets = secrets.map(|text| Secret::new(text.to_owned()));
    let masks = Masks::of(&secrets).expect("they are few");
    let line = "0123456789".repeat(LINE_BYTES / 10);
    let output = format!("{}\n", &line[..LINE_BYTES - 1]).repeat(LINES);
    let (mut plain, mut bare, mut masked) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        plain.push(into_a_file(dir.path(), output.as_bytes()));
        bare.push(into_a_log(dir.path(), output.as_bytes(), &Masks::default()));
        masked.push(into_a_log(dir.path(), output.as_bytes(), &masks));
    }
    let written = |what: &str, times: &[f64], target| Row {
        figure: format!("{} MB of {LINE_BYTES}-byte lines into a log, {what}", output.len() / 1_000_000),
        unit: "ms",
        measured: Spread::of(times),
        rounds: ROUNDS,
        reference: Some(("into a plain file, as it comes".to_owned(), Spread::of(&plain).median)),
        target,
    };
    let mut rows =
        vec![written("nothing to hide", &bare, Target::Ratio(3.0)), written("3 secrets to hide", &masked, Target::Ratio(6.0))];
    rows.extend(pages(dir.path()));
    rows
}

fn into_a_file(dir: &Path, output: &[u8]) -> f64 {
    let path = dir.join("plain");
    let watch = Watch::start();
    let mut file = std::fs::File::create(&path).expect("a file");
    output.chunks(CHUNK).for_each(|chunk| file.write_all(chunk).expect("it is written"));
    file.sync_data().expect("it is on the disk");
    let ms = watch.ms();
    std::fs::remove_file(&path).expect("it is removed");
    ms
}

fn into_a_log(dir: &Path, output: &[u8], masks: &Masks) -> f64 {
    let logs = Logs::new(dir.join("logs"));
    let key = key();
    let watch = Watch::start();
    let mut sink = LogSink::open(&logs, &key, masks).expect("a log");
    for (at, chunk) in output.chunks(CHUNK).enumerate() {
        sink.write(at as i64, Stream::Stdout, chunk).expect("it is written");
    }
    sink.finish().expect("it is on the disk");
    let ms = watch.ms();
    assert_eq!(sink.received(Stream::Stdout), output.len() as u64);
    logs.remove_run(key.run()).expect("it is removed");
    ms
}

fn key() -> LogKey {
    AttemptKey { run: RunId::new(&Clock::System), job: 0, step: 0, attempt: 1 }.into()
}

/// A finished log: pages of its middle while it is plain and when it is compressed, and a search through all of it.
fn pages(dir: &Path) -> Vec<Row> {
    let logs = Logs::new(dir.join("logs"));
    let key = key();
    let mut writer = logs.writer(&key).expect("a log");
    for first in (1..=MANY_LINES).step_by(1000) {
        let lines: String = (first..first + 1000).map(|n| format!("[{n}] compiled module\n")).collect();
        writer.write(first as i64 * 1_000_003, Stream::Stdout, lines.as_bytes()).expect("it is written");
    }
    writer.finish().expect("it is on the disk");
    let page = || {
        let page = logs.read(&key, MANY_LINES / 2, 1000).expect("a page");
        assert_eq!((page.lines.len(), page.next), (1000, MANY_LINES / 2 + 1000));
    };
    let plain = Spread::of_rounds(21, page);
    let watch = Watch::start();
    assert!(logs.pack(&key).expect("it is compressed"));
    let packing = watch.ms();
    let packed = Spread::of_rounds(21, page);
    let searched = Spread::of_rounds(3, || {
        let mut from = 1;
        loop {
            let page = logs.search(&key, "[4999999]", from, 100).expect("a page");
            from = page.next;
            if page.end {
                assert_eq!(page.lines.len(), 1);
                break;
            }
        }
    });
    let once = Spread { median: packing, least: packing, most: packing };
    let row = |figure: &str, measured, rounds, reference, target| Row {
        figure: format!("{figure} of {MANY_LINES} lines"),
        unit: "ms",
        measured,
        rounds,
        reference,
        target,
    };
    let beside = Some(("before it was compressed".to_owned(), plain.median));
    vec![
        row("1000 lines in the middle of a compressed log", packed, 21, beside, Target::Below(20.0, "ms")),
        row("search all of a compressed log", searched, 3, None, Target::None),
        row("compress a log", once, 1, None, Target::None),
    ]
}
