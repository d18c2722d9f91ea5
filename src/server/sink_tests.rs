//! The masked log: what is stored, and how it is taken up again after a crash.

use super::*;
use crate::base::limits::LOG_LINE_BYTES;
use crate::base::{AttemptKey, Clock, RunId, Secret};
use crate::run::Stream::{Stderr, Stdout};

const KEY: &str = "{\n hunter2-hunter3\n}";

fn masks() -> Masks {
    let values = [Secret::new("s3cret-token".to_owned()), Secret::new(KEY.to_owned())];
    Masks::of(&values).unwrap()
}

fn logs() -> (tempfile::TempDir, Logs, AttemptKey) {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::new(dir.path().join("logs"));
    (dir, logs, AttemptKey { run: RunId::new(&Clock::System), job: 0, step: 0, attempt: 1 })
}

fn lines(logs: &Logs, key: &AttemptKey) -> Vec<String> {
    logs.read(key, 1, 10_000).unwrap().lines.into_iter().map(|line| line.text).collect()
}

#[test]
fn a_secret_is_masked_and_the_engines_bytes_are_counted() {
    let (_dir, logs, key) = logs();
    let mut sink = LogSink::open(&logs, &key, &masks()).unwrap();
    sink.write(1, Stdout, b"one s3cret-").unwrap();
    sink.write(2, Stderr, b"two\n").unwrap();
    sink.write(3, Stdout, b"token\nthree").unwrap();
    assert_eq!(lines(&logs, &key), ["two", "one ***"]);
    assert_eq!((sink.received(Stdout), sink.received(Stderr)), (17, 4));
    sink.finish().unwrap();
    assert_eq!(lines(&logs, &key), ["two", "one ***", "three"]);
    assert_eq!(sink.received(Stdout), 22);
}

/// Output of one stream: secrets, beginnings of secrets, long lines with and without secrets.
fn output() -> Vec<u8> {
    let long = "x".repeat(LOG_LINE_BYTES - 5);
    let text = [
        "one\ntwo s3cret-token two\ns3cret-tok\n",
        KEY,
        "\n{\n hunter2\n",
        &long,
        "s3cret-token",
        &long,
        "s3cret-token\n",
        &long,
        "no secret\n",
        KEY,
        KEY,
        "\nlast s3cret-token",
    ];
    text.concat().into_bytes()
}

#[test]
fn a_log_is_taken_up_exactly_wherever_the_server_died_also_in_the_middle_of_a_secret() {
    let output = output();
    let expected = {
        let (_dir, logs, key) = logs();
        let mut sink = LogSink::open(&logs, &key, &masks()).unwrap();
        sink.write(0, Stdout, &output).unwrap();
        sink.finish().unwrap();
        lines(&logs, &key)
    };
    assert!(!expected.concat().contains("s3cret-token") && !expected.concat().contains("hunter2-hunter3"));
    // Every place near something that happens, and some in the dull middle of long lines.
    let dull = |at: &usize| output[at.saturating_sub(40)..output.len().min(at + 40)].iter().all(|byte| *byte == b'x');
    for cut in (0..=output.len()).filter(|at| !dull(at) || at % 9_973 == 0) {
        let (_dir, logs, key) = logs();
        let mut sink = LogSink::open(&logs, &key, &masks()).unwrap();
        sink.write(0, Stdout, &output[..cut]).unwrap();
        sink.write(0, Stderr, b"s3cret-token!\ns3c").unwrap();
        drop(sink);
        let mut sink = LogSink::open(&logs, &key, &masks()).unwrap();
        let had = usize::try_from(sink.received(Stdout)).unwrap();
        assert!(had <= cut, "{cut}");
        sink.write(0, Stdout, &output[had..]).unwrap();
        let had = usize::try_from(sink.received(Stderr)).unwrap();
        sink.write(0, Stderr, &b"s3cret-token!\ns3cret-token"[had..]).unwrap();
        sink.finish().unwrap();
        assert_eq!(sink.received(Stdout), output.len() as u64, "{cut}");
        let page = logs.read(&key, 1, 10_000).unwrap();
        let of =
            |stream| page.lines.iter().filter(|line| line.stream == stream).map(|line| line.text.clone()).collect::<Vec<_>>();
        assert_eq!(of(Stdout), expected, "{cut}");
        assert_eq!(of(Stderr), ["***!", "***"], "{cut}");
    }
}

#[test]
fn a_crash_in_a_long_line_with_a_secret_takes_the_line_up_from_its_beginning() {
    let (_dir, logs, key) = logs();
    let mut sink = LogSink::open(&logs, &key, &masks()).unwrap();
    sink.write(0, Stdout, b"one\n").unwrap();
    sink.write(0, Stdout, b"s3cret-token").unwrap();
    sink.write(0, Stdout, &vec![b'x'; 3 * LOG_LINE_BYTES]).unwrap();
    assert_eq!(lines(&logs, &key).len(), 4, "its parts are shown");
    drop(sink);
    let sink = LogSink::open(&logs, &key, &masks()).unwrap();
    assert_eq!(sink.received(Stdout), 4);
    assert_eq!(lines(&logs, &key), ["one"]);
}

#[tokio::test]
async fn a_pause_gives_out_lines_that_could_have_been_the_beginning_of_a_secret() {
    let (_dir, logs, key) = logs();
    let (mut watch, masks) = (logs.watch(&key), masks());
    let mut sink = LogSink::open(&logs, &key, &masks).unwrap();
    sink.write(0, Stdout, b"ok\n{\n hunter2").unwrap();
    assert_eq!(lines(&logs, &key), ["ok"]);
    sink.pauses(&masks).beside(watch.wait_for(|lines| *lines == 2)).await.unwrap();
    assert_eq!(lines(&logs, &key), ["ok", "{"]);
    sink.write(0, Stdout, b"-hunter3\n").unwrap();
    sink.finish().unwrap();
    assert_eq!(lines(&logs, &key), ["ok", "{", " ***"]);
}

#[test]
fn a_sink_that_is_gone_leaves_its_log_to_the_next() {
    let (_dir, logs, key) = logs();
    let sink = LogSink::open(&logs, &key, &masks()).unwrap();
    let pauses = sink.pauses(&masks());
    drop(sink);
    assert!(LogSink::open(&logs, &key, &masks()).is_ok());
    drop(pauses);
}
