//! Signals that end processes: their names, and what they usually mean.

/// Exit codes of shells for a process that a signal ended begin after this.
const SHELL: i32 = 128;

/// Name and usual meaning of a signal (numbers of Linux on x86 and ARM).
pub(super) fn signal(number: i32) -> Option<(&'static str, &'static str)> {
    Some(match number {
        1 => ("SIGHUP", "its terminal was closed"),
        2 => ("SIGINT", "it was interrupted"),
        3 => ("SIGQUIT", "it was told to quit"),
        4 => ("SIGILL", "an instruction that this processor does not have"),
        5 => ("SIGTRAP", "a trap for a debugger"),
        6 => ("SIGABRT", "it gave itself up: a failed assertion or an abort"),
        7 => ("SIGBUS", "a memory access that the hardware refused"),
        8 => ("SIGFPE", "a wrong calculation, such as a division by zero"),
        9 => ("SIGKILL", "it was killed from outside, often for want of memory"),
        10 => ("SIGUSR1", "a signal of its own making"),
        11 => ("SIGSEGV", "an invalid memory access"),
        12 => ("SIGUSR2", "a signal of its own making"),
        13 => ("SIGPIPE", "it wrote to something that nobody reads"),
        14 => ("SIGALRM", "its own alarm went off"),
        15 => ("SIGTERM", "it was told to end"),
        24 => ("SIGXCPU", "it used more processor time than it may"),
        25 => ("SIGXFSZ", "it wrote a larger file than it may"),
        31 => ("SIGSYS", "a system call that it may not make"),
        _ => return None,
    })
}

/// The signal that a shell's exit code tells of.
pub(super) fn of_code(code: i32) -> Option<i32> {
    (SHELL + 1..=SHELL + 64).contains(&code).then(|| code - SHELL)
}

/// `ended by SIGSEGV: an invalid memory access`.
pub(super) fn ended_by(number: i32) -> String {
    match signal(number) {
        Some((name, meaning)) => format!("ended by {name}: {meaning}"),
        None => format!("ended by signal {number}"),
    }
}
