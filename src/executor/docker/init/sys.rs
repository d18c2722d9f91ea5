//! The few calls of the system that the standard library does not have. **Invariant:** all `unsafe` of the init program stands here, one call each, and
//! every pointer given is to memory of the caller that outlives the call.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

pub const SIGHUP: i32 = 1;
pub const SIGINT: i32 = 2;
pub const SIGQUIT: i32 = 3;
pub const SIGKILL: i32 = 9;
pub const SIGUSR1: i32 = 10;
pub const SIGUSR2: i32 = 12;
pub const SIGTERM: i32 = 15;
pub const SIGCHLD: i32 = 17;

pub const POLLIN: i16 = 1;

const SIG_BLOCK: i32 = 0;
const SIG_SETMASK: i32 = 2;
const WNOHANG: i32 = 1;
const RUSAGE_CHILDREN: i32 = -1;
const SFD_NONBLOCK_CLOEXEC: i32 = 0o2_004_000;
const F_SETPIPE_SZ: i32 = 1031;
const F_SETFL: i32 = 4;
const O_NONBLOCK: i32 = 0o4000;
const PR_SET_DUMPABLE: i32 = 4;

/// 1024 bits, as the C library has it.
#[repr(C)]
struct SignalSet([u64; 16]);

#[repr(C)]
pub struct PollFd {
    pub fd: RawFd,
    pub events: i16,
    pub revents: i16,
}

#[repr(C)]
#[derive(Default, Clone, Copy)]
struct TimeVal {
    seconds: i64,
    micros: i64,
}

/// `struct rusage` of 64-bit Linux.
#[repr(C)]
#[derive(Default, Clone, Copy)]
struct RawUsage {
    user: TimeVal,
    system: TimeVal,
    max_rss_kib: i64,
    shared_text: i64,
    unshared_data: i64,
    unshared_stack: i64,
    minor_faults: i64,
    major_faults: i64,
    swaps: i64,
    blocks_in: i64,
    blocks_out: i64,
    messages_sent: i64,
    messages_received: i64,
    signals: i64,
    voluntary_switches: i64,
    involuntary_switches: i64,
}

unsafe extern "C" {
    fn sigemptyset(set: *mut SignalSet) -> i32;
    fn sigaddset(set: *mut SignalSet, signal: i32) -> i32;
    fn sigprocmask(how: i32, set: *const SignalSet, old: *mut SignalSet) -> i32;
    fn signalfd(fd: i32, set: *const SignalSet, flags: i32) -> i32;
    fn poll(fds: *mut PollFd, count: u64, timeout_ms: i32) -> i32;
    fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32;
    fn getrusage(who: i32, usage: *mut RawUsage) -> i32;
    fn kill(pid: i32, signal: i32) -> i32;
    fn fcntl(fd: i32, command: i32, ...) -> i32;
    fn umask(mask: u32) -> u32;
    fn prctl(option: i32, ...) -> i32;
}

/// What the children that were waited for have used.
pub struct Usage {
    pub user_us: i64,
    pub system_us: i64,
    pub max_rss_kib: i64,
    /// Of 512 bytes each.
    pub blocks_in: i64,
    pub blocks_out: i64,
}

fn checked(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn set_of(signals: &[i32]) -> SignalSet {
    let mut set = SignalSet([0; 16]);
    // SAFETY: `set` is a whole signal set of ours.
    unsafe { sigemptyset(&raw mut set) };
    for signal in signals {
        // SAFETY: as above; the number is one of the constants.
        unsafe { sigaddset(&raw mut set, *signal) };
    }
    set
}

/// Holds these signals back from now on and makes them readable instead.
pub fn signals_as_file(signals: &[i32]) -> io::Result<OwnedFd> {
    let set = set_of(signals);
    // SAFETY: `set` outlives the call; the old mask is not asked for.
    checked(unsafe { sigprocmask(SIG_BLOCK, &raw const set, std::ptr::null_mut()) })?;
    // SAFETY: `set` outlives the call.
    let fd = checked(unsafe { signalfd(-1, &raw const set, SFD_NONBLOCK_CLOEXEC) })?;
    // SAFETY: just opened, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Lets every signal through again. May be called between fork and exec.
pub fn let_signals_through() -> io::Result<()> {
    let set = set_of(&[]);
    // SAFETY: `set` outlives the call; the old mask is not asked for.
    checked(unsafe { sigprocmask(SIG_SETMASK, &raw const set, std::ptr::null_mut()) }).map(drop)
}

/// Waits until one of `fds` has something, or `timeout_ms` (−1: for ever) is over.
pub fn wait_for(fds: &mut [PollFd], timeout_ms: i32) -> io::Result<()> {
    // SAFETY: the slice is ours for the call, and its length is given.
    match checked(unsafe { poll(fds.as_mut_ptr(), fds.len() as u64, timeout_ms) }) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        done => done.map(drop),
    }
}

/// Takes one ended child, if there is one: its number and raw status.
pub fn reap() -> Option<(i32, i32)> {
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    let pid = unsafe { waitpid(-1, &raw mut status, WNOHANG) };
    (pid > 0).then_some((pid, status))
}

/// What all children that were waited for have used together.
pub fn used() -> Usage {
    let mut raw = RawUsage::default();
    // SAFETY: `raw` is a whole `struct rusage` of ours.
    unsafe { getrusage(RUSAGE_CHILDREN, &raw mut raw) };
    let micros = |time: TimeVal| time.seconds * 1_000_000 + time.micros;
    Usage {
        user_us: micros(raw.user),
        system_us: micros(raw.system),
        max_rss_kib: raw.max_rss_kib,
        blocks_in: raw.blocks_in,
        blocks_out: raw.blocks_out,
    }
}

/// Sends a signal; that the receiver is gone is no error.
pub fn send(pid: i32, signal: i32) {
    // SAFETY: no memory is involved.
    unsafe { kill(pid, signal) };
}

/// A pipe that holds a megabyte lets a step write on while the disk is busy. Where the system refuses, the usual size does.
pub fn widen(pipe: &impl AsRawFd) {
    // SAFETY: no memory is involved.
    unsafe { fcntl(pipe.as_raw_fd(), F_SETPIPE_SZ, 1 << 20) };
}

/// Reads and writes on it never wait from now on.
pub fn never_wait(file: &impl AsRawFd) -> io::Result<()> {
    // SAFETY: no memory is involved.
    checked(unsafe { fcntl(file.as_raw_fd(), F_SETFL, O_NONBLOCK) }).map(drop)
}

/// Does something whose files get the mode that is asked for, whole. The step's own mask is the container's, as in any other one.
pub fn without_mask<T>(make: impl FnOnce() -> T) -> T {
    // SAFETY: no memory is involved.
    let mask = unsafe { umask(0) };
    let made = make();
    // SAFETY: as above.
    unsafe { umask(mask) };
    made
}

/// No process of the step may look into this one or write into it, though it runs as the same user. The step's own processes begin anew by their exec.
pub fn keep_to_itself() {
    // SAFETY: no memory is involved; all arguments are whole registers.
    unsafe { prctl(PR_SET_DUMPABLE, 0_u64, 0_u64, 0_u64, 0_u64) };
}
