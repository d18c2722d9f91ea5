//! The init program by itself, as a process of this machine: what it writes down of a step, and that it cannot be led astray. Needs no engine.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

#[path = "../src/executor/docker/init/wire.rs"]
#[allow(dead_code, reason = "the program reads what is written here, and the other way round")]
mod wire;

use wire::{FRAME_BYTES, HEADER_BYTES, Kind, Opening};

static PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/gantry-init"));

/// Times [`PAUSE`]: a minute.
const PATIENCE: u32 = 6_000;
const PAUSE: Duration = Duration::from_millis(10);

/// A running one.
struct Init {
    dir: tempfile::TempDir,
    process: Child,
}

impl Init {
    fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), "exec \"$0\" \"$1\" 2>/dev/null")
    }

    /// `how` is a shell's text that runs it.
    fn start_in(dir: tempfile::TempDir, how: &str) -> Self {
        let program = dir.path().join("init");
        std::fs::write(&program, PROGRAM).unwrap();
        let run = dir.path().join("run");
        if !run.exists() {
            std::fs::create_dir(&run).unwrap();
        }
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let process = Command::new("sh").args(["-c", how]).arg(&program).arg(&run).stdin(Stdio::null()).spawn().unwrap();
        Self { dir, process }
    }

    fn run(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    fn connect(&self) -> UnixStream {
        until("the gate is there", || UnixStream::connect(self.run().join("gate")).ok())
    }

    fn frames(&self) -> Vec<(Kind, Vec<u8>)> {
        frames(&self.run())
    }

    /// Waits until it has written this.
    fn wrote(&self, text: &str) {
        until(text, || String::from_utf8_lossy(&output(&self.frames(), Kind::Stdout)).contains(text).then_some(()));
    }

    fn wait(&mut self) -> ExitStatus {
        until("it ends", || self.process.try_wait().unwrap())
    }

    fn signal(&self, signal: &str) {
        send(signal, self.process.id());
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn send(signal: &str, process: u32) {
    let sent = Command::new("kill").args([signal, &process.to_string()]).status().unwrap();
    assert!(sent.success());
}

fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    for _ in 0..PATIENCE {
        if let Some(found) = probe() {
            return found;
        }
        std::thread::sleep(PAUSE);
    }
    panic!("never: {what}");
}

/// The whole frames of a record.
fn frames(run: &Path) -> Vec<(Kind, Vec<u8>)> {
    let bytes = std::fs::read(run.join("segment")).unwrap_or_default();
    let mut rest = bytes.as_slice();
    let mut frames = Vec::new();
    while let Some((header, after)) = rest.split_first_chunk::<HEADER_BYTES>() {
        let (at_ns, kind, length) = wire::read_header(header).expect("every frame has a header");
        assert!(at_ns > 1_700_000_000_000_000_000);
        let Some((payload, after)) = after.split_at_checked(length) else { break };
        frames.push((kind, payload.to_vec()));
        rest = after;
    }
    frames
}

fn output(frames: &[(Kind, Vec<u8>)], wanted: Kind) -> Vec<u8> {
    frames.iter().filter(|(kind, _)| *kind == wanted).flat_map(|(_, payload)| payload.clone()).collect()
}

/// A value of the last frame, which must be there and come last.
fn told(frames: &[(Kind, Vec<u8>)], name: &str) -> Option<String> {
    let (kind, payload) = frames.last().unwrap();
    assert_eq!(*kind, Kind::Exit);
    assert_eq!(frames.iter().filter(|(kind, _)| *kind == Kind::Exit).count(), 1);
    let text = std::str::from_utf8(payload).unwrap();
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
}

fn script(text: &str) -> Opening {
    let argv = ["/bin/sh", "-ec", text].map(|part| part.as_bytes().to_vec()).to_vec();
    Opening { argv, env: vec![(b"GREETING".to_vec(), b"a b".to_vec())], log_bytes: 0 }
}

/// Runs this to its end.
fn run(text: &str) -> (Init, ExitStatus, Vec<(Kind, Vec<u8>)>) {
    let mut init = Init::start();
    init.connect().write_all(&script(text).encode()).unwrap();
    let status = init.wait();
    let frames = init.frames();
    (init, status, frames)
}

#[test]
fn output_exit_and_use_of_a_step_are_in_its_record() {
    let (_init, status, frames) = run("echo $GREETING; echo err >&2; head -c 1000000 /dev/zero | sha256sum > /dev/null; exit 7");
    assert_eq!(status.code(), Some(7));
    assert_eq!(frames[0], (Kind::Started, Vec::new()));
    assert_eq!((output(&frames, Kind::Stdout), output(&frames, Kind::Stderr)), (b"a b\n".to_vec(), b"err\n".to_vec()));
    assert_eq!((told(&frames, "code").as_deref(), told(&frames, "signal")), (Some("7"), None));
    for name in ["user_us", "system_us", "max_rss_kib", "read_bytes", "written_bytes"] {
        assert!(told(&frames, name).unwrap().parse::<u64>().is_ok(), "{name}");
    }
}

#[test]
fn a_step_that_dies_by_a_signal_is_told_so() {
    let (_init, status, frames) = run("kill -SEGV $$");
    assert_eq!(status.code(), Some(139));
    assert_eq!((told(&frames, "code").as_deref(), told(&frames, "signal").as_deref()), (Some("139"), Some("11")));
}

#[test]
fn what_cannot_be_started_is_told_in_a_sentence_with_the_shells_code() {
    for (argv, code, sentence) in [
        ("/no/such/shell", "127", "`/no/such/shell` cannot be started: No such file or directory (os error 2)"),
        ("/etc/passwd", "126", "`/etc/passwd` cannot be started: Permission denied (os error 13)"),
    ] {
        let mut init = Init::start();
        let opening = Opening { argv: vec![argv.as_bytes().to_vec()], ..Opening::default() };
        init.connect().write_all(&opening.encode()).unwrap();
        init.wait();
        let frames = init.frames();
        assert_eq!(String::from_utf8(output(&frames, Kind::NotStarted)).unwrap(), sentence);
        assert_eq!(told(&frames, "code").as_deref(), Some(code));
    }
}

#[test]
fn a_step_finds_its_input_at_an_end_and_no_file_of_another() {
    let (_init, _, frames) = run("cat; for file in /proc/$$/fd/*; do readlink $file || true; done; umask");
    let said = String::from_utf8(output(&frames, Kind::Stdout)).unwrap();
    assert!(said.starts_with("/dev/null\npipe:") && said.ends_with("\n0022\n"), "{said}");
    // What else this test was started with, it may have too.
    assert!(!said.contains("signalfd") && !said.contains("segment"), "{said}");
    // Started without any open file at all.
    let mut init = Init::start_in(tempfile::tempdir().unwrap(), "exec \"$0\" \"$1\" 0<&- 1>&- 2>&-");
    init.connect().write_all(&script("echo out; echo err >&2; cat; echo end").encode()).unwrap();
    assert_eq!(init.wait().code(), Some(0));
    let frames = init.frames();
    assert_eq!((output(&frames, Kind::Stdout), output(&frames, Kind::Stderr)), (b"out\nend\n".to_vec(), b"err\n".to_vec()));
}

#[test]
fn signals_reach_the_step_and_are_answered_at_the_gate() {
    let mut init = Init::start();
    init.connect()
        .write_all(&script("trap 'echo term; exit 3' TERM; trap 'echo usr' USR1; echo up; while :; do sleep 0.01; done").encode())
        .unwrap();
    init.wrote("up");
    init.signal("-USR1");
    init.wrote("usr");
    init.signal("-TERM");
    assert_eq!(init.wait().code(), Some(3));
    assert_eq!(told(&init.frames(), "code").as_deref(), Some("3"));

    let mut init = Init::start();
    drop(init.connect());
    init.signal("-TERM");
    assert_eq!(init.wait().code(), Some(143));
    let frames = init.frames();
    assert_eq!(frames.len(), 1, "it never began");
    assert_eq!(told(&frames, "code").as_deref(), Some("143"));
}

#[test]
fn nothing_that_a_step_leaves_behind_outlives_it_or_holds_its_end_up() {
    let (_init, status, frames) = run("sleep 1000 & echo $!; (trap '' TERM HUP; sleep 1000; echo never) & echo $!");
    assert_eq!(status.code(), Some(0));
    let left = String::from_utf8(output(&frames, Kind::Stdout)).unwrap();
    assert_eq!(left.lines().count(), 2);
    for pid in left.lines() {
        until("it is gone", || (!Path::new("/proc").join(pid).exists()).then_some(()));
    }
}

#[test]
fn lines_of_ten_megabytes_come_whole_in_frames_that_are_not() {
    let (_init, status, frames) =
        run("head -c 10000000 /dev/zero | tr '\\0' x; echo; head -c 10000000 /dev/zero | tr '\\0' y >&2");
    assert_eq!(status.code(), Some(0));
    assert!(frames.iter().all(|(_, payload)| payload.len() <= FRAME_BYTES));
    assert!(output(&frames, Kind::Stdout) == [&vec![b'x'; 10_000_000][..], b"\n"].concat());
    assert!(output(&frames, Kind::Stderr) == vec![b'y'; 10_000_000]);
}

#[test]
fn output_beyond_the_limit_is_read_and_dropped_and_the_end_is_told() {
    let mut init = Init::start();
    let opening = Opening { log_bytes: 200_000, ..script("head -c 5000000 /dev/zero; echo end; exit 4") };
    init.connect().write_all(&opening.encode()).unwrap();
    assert_eq!(init.wait().code(), Some(4));
    let frames = init.frames();
    assert!(output(&frames, Kind::Stdout).len() <= 200_000);
    assert_eq!(frames.iter().filter(|(kind, _)| *kind == Kind::Limit).count(), 1);
    assert_eq!(told(&frames, "code").as_deref(), Some("4"));
}

#[test]
fn nonsense_does_not_open_the_gate_and_a_second_opening_changes_nothing() {
    let mut init = Init::start();
    for nonsense in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"gantry1\n\xff\xff\xff\xff",
        b"gantry1\n\x01\0\0\0x",
        b"gantry1\n\x08\0\0\0\0\0\0\0\0\0\0\0",
    ] {
        let mut stream = init.connect();
        stream.write_all(nonsense).unwrap();
        assert_eq!(stream.read(&mut [0; 8]).unwrap_or_default(), 0, "whoever says nonsense is sent away: {nonsense:?}");
    }
    // Said in part, and left: as a server does that is killed.
    let whole = script("echo once; read line < \"$0\" || true; echo end").encode();
    init.connect().write_all(&whole[..whole.len() / 2]).unwrap();
    assert_eq!(init.frames().len(), 0);
    let mut first = init.connect();
    let waits = script("echo once; while [ ! -e \"$GATE\" ]; do sleep 0.01; done");
    let go = init.dir.path().join("go");
    let env = vec![(b"GATE".to_vec(), go.to_str().unwrap().as_bytes().to_vec())];
    first.write_all(&Opening { env, ..waits }.encode()).unwrap();
    init.wrote("once");
    init.connect().write_all(&script("echo twice").encode()).unwrap();
    // Many knock, as a step may: whoever opened is still told that the file has grown.
    let knocking: Vec<_> = (0..40).map(|_| init.connect()).collect();
    std::fs::write(&go, "").unwrap();
    let mut nudges = Vec::new();
    first.read_to_end(&mut nudges).unwrap();
    assert!(!nudges.is_empty());
    drop(knocking);
    assert_eq!(init.wait().code(), Some(0));
    assert_eq!(output(&init.frames(), Kind::Stdout), b"once\n");
}

#[test]
fn a_link_in_the_segments_place_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("run")).unwrap();
    let target = dir.path().join("target");
    std::os::unix::fs::symlink(&target, dir.path().join("run/segment")).unwrap();
    let mut init = Init::start_in(dir, "exec \"$0\" \"$1\"");
    assert_eq!(init.wait().code(), Some(125));
    assert!(!target.exists());
}

#[test]
fn a_full_disk_slows_the_step_and_loses_nothing_once_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    std::fs::create_dir(&run).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "none"]).arg(&run).status().unwrap();
    assert!(mount.success(), "this test needs root");
    let _unmounted = Unmount(run.clone());
    std::fs::write(run.join("filler"), vec![0; 1_500_000]).unwrap();
    let mut init = Init::start_in(dir, "exec \"$0\" \"$1\"");
    init.connect().write_all(&script("head -c 1500000 /dev/zero | tr '\\0' z; echo; echo end").encode()).unwrap();
    let mut probes = Vec::new();
    until("the disk is full", || {
        probes.push(run.join(format!("probe{}", probes.len())));
        std::fs::write(probes.last().unwrap(), [0; 4096]).is_err().then_some(())
    });
    assert!(init.process.try_wait().unwrap().is_none(), "it waits");
    for file in probes.into_iter().chain([run.join("filler")]) {
        std::fs::remove_file(file).unwrap();
    }
    assert_eq!(init.wait().code(), Some(0));
    let frames = init.frames();
    assert!(output(&frames, Kind::Stdout) == [&vec![b'z'; 1_500_000][..], b"\nend\n"].concat());
    assert_eq!(told(&frames, "code").as_deref(), Some("0"));
}

struct Unmount(PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy"]).arg(&self.0).status();
    }
}

#[test]
fn a_root_that_is_read_only_is_all_the_same_to_it() {
    let how = "exec unshare --mount sh -c 'mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro / && exec \"$0\" \"$1\"' \"$0\" \"$1\"";
    let mut init = Init::start_in(tempfile::tempdir().unwrap(), how);
    let text = "if touch /gantry-was-here 2>/dev/null; then exit 9; fi; echo here; exit 7";
    init.connect().write_all(&script(text).encode()).unwrap();
    assert_eq!(init.wait().code(), Some(7));
    let frames = init.frames();
    assert_eq!(output(&frames, Kind::Stdout), b"here\n");
    assert_eq!(told(&frames, "code").as_deref(), Some("7"));
}

#[test]
fn killed_it_leaves_what_it_had_written_and_no_end() {
    let mut init = Init::start();
    init.connect().write_all(&script("echo up $$; exec sleep 1000").encode()).unwrap();
    init.wrote("up");
    init.signal("-KILL");
    assert_eq!(init.wait().signal(), Some(9));
    let frames = init.frames();
    assert_eq!(frames.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [Kind::Started, Kind::Stdout]);
    // As the first process of a container it would have taken this along.
    let step = String::from_utf8(output(&frames, Kind::Stdout)).unwrap();
    send("-KILL", step.trim().trim_start_matches("up ").parse().unwrap());
}
