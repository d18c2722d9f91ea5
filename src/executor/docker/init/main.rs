//! The first process of a step's container: waits at the gate, runs the step as its child, and writes down itself what happened.
//!
//! ```text
//! init DIR        DIR/gate     a socket: whoever connects first sends the opening, all who connect are nudged when the file below has grown
//!                 DIR/segment  frames (`wire`): output with its times, and at the end the exit and what was used
//! ```
//!
//! It has no dependencies and is linked statically, so it runs in any image. **Invariants:** output that was read is written before more is read, so
//! a full or slow disk slows the step and loses nothing; signals are answered at every moment; once the gate is open nothing that comes over the
//! socket is read, so the step cannot open it again; a step that writes into DIR harms its own record alone, which the server distrusts anyway.

mod child;
mod gate;
mod record;
mod sys;
mod wire;

use std::fs;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use child::{Child, End};
use gate::Gate;
use record::Record;
use sys::PollFd;
use wire::{Kind, Opening};

/// Sent on to the step.
const PASSED_ON: [i32; 6] = [sys::SIGHUP, sys::SIGINT, sys::SIGQUIT, sys::SIGUSR1, sys::SIGUSR2, sys::SIGTERM];
/// How long the end waits for a disk that is full, before the engine's word alone must do.
const PATIENCE: Duration = Duration::from_secs(600);
/// Between two looks at a disk that was full.
const RETRY_MS: i32 = 200;
/// After the step has ended and everything else was killed, its pipes must close; they get this long.
const DRAIN: Duration = Duration::from_secs(5);
/// The exit code when it cannot do its part, as `docker run` has it.
const INIT_FAILED: u8 = 125;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(dir), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: init DIR");
        return ExitCode::from(INIT_FAILED);
    };
    match run(Path::new(&dir)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("gantry's init cannot go on: {error}");
            ExitCode::from(INIT_FAILED)
        }
    }
}

fn run(dir: &Path) -> std::io::Result<u8> {
    sys::keep_to_itself();
    let mut signals = child::Signals::new(&PASSED_ON)?;
    let mut record = Record::open(&dir.join("segment"))?;
    let mut gate = Gate::listen(&dir.join("gate"))?;
    let opening = loop {
        sys::wait_for(&mut gate.fds(signals.as_raw_fd()), -1)?;
        while let Some(signal) = signals.next_signal() {
            if PASSED_ON.contains(&signal) {
                let end = End::BySignal(signal);
                record.add(Kind::Exit, &end.told());
                finish(&mut record, &mut gate)?;
                return Ok(end.code());
            }
            // Whoever looked in here before the step did, and ended.
            while sys::reap().is_some() {}
        }
        if let Some(opening) = gate.opened() {
            break opening;
        }
    };
    record.limit = opening.log_bytes;
    // On the disk before the step's process is made, so that a step that may have begun is never taken for one that has not.
    record.add(Kind::Started, b"");
    finish(&mut record, &mut gate)?;
    let end = step(&opening, &mut signals, &mut record, &mut gate)?;
    record.add(Kind::Exit, &end.told());
    // Without its last frame the record is not whole, and the container's own exit code must do.
    if let Err(error) = finish(&mut record, &mut gate) {
        eprintln!("gantry's init could not write the end down: {error}");
    }
    Ok(end.code())
}

/// Runs the step to its end, its output written down.
fn step(opening: &Opening, signals: &mut child::Signals, record: &mut Record, gate: &mut Gate) -> std::io::Result<End> {
    let mut child = match Child::start(opening) {
        Ok(child) => child,
        Err((code, sentence)) => {
            record.add(Kind::NotStarted, sentence.as_bytes());
            return Ok(End::Exited(code));
        }
    };
    let mut over: Option<(End, Instant)> = None;
    loop {
        if record.flush()? {
            gate.nudge();
        }
        if let Some((end, since)) = over {
            let patience = if record.is_written() { DRAIN } else { PATIENCE };
            if (child.is_silent() && record.is_written()) || since.elapsed() > patience {
                return Ok(end);
            }
        }
        let mut fds = gate.fds(signals.as_raw_fd());
        let first_pipe = fds.len();
        if record.is_written() {
            fds.extend(child.pipes().map(|fd| PollFd { fd, events: sys::POLLIN, revents: 0 }));
        }
        let timeout = if !record.is_written() || over.is_some() { RETRY_MS } else { -1 };
        sys::wait_for(&mut fds, timeout)?;
        while let Some(signal) = signals.next_signal() {
            if PASSED_ON.contains(&signal) {
                child.signal(signal);
            }
        }
        if let Some(end) = child.reaped()
            && over.is_none()
        {
            // Whatever it left behind goes with it, as in any container whose first process ends.
            child.end_the_rest();
            over = Some((end, Instant::now()));
        }
        gate.welcome();
        if fds.len() > first_pipe {
            child.read(record);
        }
    }
}

/// Writes the rest, waiting for the disk if need be, and says so to whoever listens.
fn finish(record: &mut Record, gate: &mut Gate) -> std::io::Result<()> {
    let begun = Instant::now();
    while !record.flush()? {
        if record.is_written() {
            break;
        }
        if begun.elapsed() > PATIENCE {
            return Err(std::io::Error::other("the disk was full for ten minutes"));
        }
        std::thread::sleep(Duration::from_millis(RETRY_MS as u64));
    }
    gate.nudge();
    Ok(())
}

/// What the container's own files say of memory, where they are: the peak in bytes, and how often the kernel killed for want of it.
fn memory() -> (Option<u64>, Option<u64>) {
    let read = |path: &str| fs::read_to_string(Path::new("/sys/fs/cgroup").join(path)).ok();
    let peak = read("memory/memory.max_usage_in_bytes").or_else(|| read("memory.peak"));
    let events = read("memory/memory.oom_control").or_else(|| read("memory.events"));
    let kills = events.and_then(|text| text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()));
    (peak.and_then(|text| text.trim().parse().ok()), kills)
}
