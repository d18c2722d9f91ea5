//! How many pools of memory the C library's allocator keeps. **Invariant:** it is told before there is a second thread: a pool that exists is never given up.

/// As many as there are processors: more can never be in use at once. By itself it makes one for each thread, up to eight for each processor, and what
/// is freed in one is of no use to the others, so that a server which has seen some runs holds memory in a dozen of them.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the allocator is told by mallopt(3) alone, which takes two numbers")]
pub(super) fn no_more_than_processors() {
    let processors = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    // SAFETY: no pointers are involved, and a number that is not taken changes nothing.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, i32::try_from(processors).unwrap_or(i32::MAX));
    }
}

/// Other C libraries do otherwise.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn no_more_than_processors() {}
