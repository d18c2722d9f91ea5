//! The step's process: started in a group of its own, its output read, reaped, and everything it left behind ended with it. **Invariant:** it has no
//! file of ours open but the three of its own.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{ChildStderr, ChildStdout, Command, Stdio};

use crate::record::Record;
use crate::sys;
use crate::wire::{FRAME_BYTES, Kind, Opening};

/// Reads of one pipe before the other one gets its turn.
const READS: usize = 4;

/// Signals, readable one by one.
pub struct Signals(File);

impl Signals {
    pub fn new(passed_on: &[i32]) -> io::Result<Self> {
        let all: Vec<i32> = passed_on.iter().copied().chain([sys::SIGCHLD]).collect();
        let fd: OwnedFd = sys::signals_as_file(&all)?;
        Ok(Self(File::from(fd)))
    }

    /// The next one that has come.
    pub fn next_signal(&mut self) -> Option<i32> {
        // `struct signalfd_siginfo` has 128 bytes and begins with the number.
        let mut info = [0; 128];
        self.0.read_exact(&mut info).ok()?;
        info.first_chunk::<4>().map(|number| i32::from_ne_bytes(*number))
    }
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// How the step ended.
#[derive(Debug, Clone, Copy)]
pub enum End {
    Exited(u8),
    BySignal(i32),
}

impl End {
    fn of(status: i32) -> Self {
        match status & 0x7f {
            0 => End::Exited((status >> 8 & 0xff) as u8),
            signal => End::BySignal(signal),
        }
    }

    /// The exit code by the shell's custom.
    pub fn code(self) -> u8 {
        match self {
            End::Exited(code) => code,
            End::BySignal(signal) => 128_u8.saturating_add(signal as u8),
        }
    }

    /// The payload of the last frame.
    pub fn told(self) -> Vec<u8> {
        let used = sys::used();
        let (peak, kills) = crate::memory();
        let mut lines = format!("code={}\n", self.code());
        if let End::BySignal(signal) = self {
            lines += &format!("signal={signal}\n");
        }
        lines += &format!("user_us={}\nsystem_us={}\nmax_rss_kib={}\n", used.user_us, used.system_us, used.max_rss_kib);
        lines += &format!("read_bytes={}\nwritten_bytes={}\n", used.blocks_in * 512, used.blocks_out * 512);
        for (name, value) in [("memory_peak_bytes", peak), ("oom_kills", kills)] {
            lines += &value.map_or_else(String::new, |value| format!("{name}={value}\n"));
        }
        lines.into_bytes()
    }
}

pub struct Child {
    pid: i32,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    buffer: Vec<u8>,
}

impl Child {
    /// Starts the step. The error is an exit code by the shell's custom, and a sentence.
    pub fn start(opening: &Opening) -> Result<Self, (u8, String)> {
        let text = OsStr::from_bytes;
        let failed = |error: &io::Error, program: &[u8]| {
            let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
            (code, format!("`{}` cannot be started: {error}", String::from_utf8_lossy(program)))
        };
        let Some((program, arguments)) = opening.argv.split_first() else { return Err((126, "there is no command".to_owned())) };
        let mut command = Command::new(text(program));
        command.args(arguments.iter().map(|argument| text(argument)));
        command.envs(opening.env.iter().map(|(name, value)| (text(name), text(value))));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        // SAFETY: the one call between fork and exec is made of two calls of the system, and touches no memory but its own stack.
        unsafe { command.pre_exec(sys::let_signals_through) };
        let mut child = command.spawn().map_err(|error| failed(&error, program))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        for pipe in [stdout.as_ref().map(AsRawFd::as_raw_fd), stderr.as_ref().map(AsRawFd::as_raw_fd)].into_iter().flatten() {
            sys::widen(&pipe);
            sys::never_wait(&pipe).map_err(|error| failed(&error, program))?;
        }
        // Reaped with all others by `reaped`, not through the library.
        Ok(Self { pid: child.id() as i32, stdout, stderr, buffer: vec![0; FRAME_BYTES] })
    }

    /// The pipes that are still open.
    pub fn pipes(&self) -> impl Iterator<Item = RawFd> {
        [self.stdout.as_ref().map(AsRawFd::as_raw_fd), self.stderr.as_ref().map(AsRawFd::as_raw_fd)].into_iter().flatten()
    }

    /// Whether no more output can come.
    pub fn is_silent(&self) -> bool {
        self.stdout.is_none() && self.stderr.is_none()
    }

    /// Writes down what has come, as long as the disk takes it.
    pub fn read(&mut self, record: &mut Record) {
        let buffer = &mut self.buffer;
        for _ in 0..READS {
            let more = read_once(&mut self.stdout, Kind::Stdout, buffer, record)
                | read_once(&mut self.stderr, Kind::Stderr, buffer, record);
            if !more || record.flush().is_err() || !record.is_written() {
                break;
            }
        }
    }

    /// Sends a signal to the step's first process, as any container's gets it: what that one started is its own affair.
    pub fn signal(&self, signal: i32) {
        sys::send(self.pid, signal);
    }

    /// Reaps everything that has ended; the step's own end, if it was among it.
    pub fn reaped(&mut self) -> Option<End> {
        let mut own = None;
        while let Some((pid, status)) = sys::reap() {
            if pid == self.pid {
                own = Some(End::of(status));
            }
        }
        own
    }

    /// Kills what is left. As the first process of a container that is everything there is; elsewhere (in tests) it is the step's group.
    pub fn end_the_rest(&self) {
        let whom = if std::process::id() == 1 { -1 } else { -self.pid };
        sys::send(whom, sys::SIGKILL);
    }
}

/// Whether something was read. A pipe that has ended is closed.
fn read_once(pipe: &mut Option<impl Read>, kind: Kind, buffer: &mut [u8], record: &mut Record) -> bool {
    let Some(open) = pipe else { return false };
    match open.read(buffer) {
        Ok(0) => {
            *pipe = None;
            false
        }
        Ok(read) => {
            record.add(kind, &buffer[..read]);
            true
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => false,
        Err(_) => {
            *pipe = None;
            false
        }
    }
}
