//! libgit2, made ready once for the whole process. **Invariant:** every way into this room comes through [`ready`] first.
//!
//! * **Configuration.** The user's and the machine's Git configuration do not matter to a server: a `url.insteadOf`, an `autocrlf` or a global
//!   `.gitattributes` must not change what is fetched or checked out. So the search paths are empty. (`~/.ssh/known_hosts` is found another way.)
//! * **Owners.** Git refuses repositories of other users since opening one with Git may run what its configuration names. libgit2 runs nothing
//!   (no hooks, no `fsmonitor`, no external filters), so a server running as root may mirror `/srv/git/x.git` of the user `git`. Whoever adds a
//!   local path trusts its owner to choose what is fetched from it.
//! * **Time.** A remote that falls silent would hold its thread for ever; it is given up after [`limits::GIT_SILENCE_MS`].

use std::sync::OnceLock;

use git2::{ConfigLevel, opts};

use super::Error;
use crate::base::limits;

/// Makes the library ready, the first time it is called.
///
/// # Errors
/// The library could not be set up; then nothing of this room works.
pub(super) fn ready() -> Result<(), Error> {
    static READY: OnceLock<Result<(), String>> = OnceLock::new();
    READY.get_or_init(|| set_up().map_err(|error| error.message().to_owned())).clone().map_err(Error::Library)
}

#[expect(
    unsafe_code,
    reason = "these settings are plain globals of the library: set once, under the OnceLock, before any other use of it in the process"
)]
fn set_up() -> Result<(), git2::Error> {
    for level in [ConfigLevel::ProgramData, ConfigLevel::System, ConfigLevel::XDG, ConfigLevel::Global] {
        // SAFETY: no other thread uses the library yet: they wait in `ready`.
        unsafe { opts::set_search_path(level, "") }?;
    }
    // What is fetched is hashed as it comes; hashing it at each reading again would cost a third of a checkout. What rots on the disk after that is told
    // by the sums of its compression.
    opts::strict_hash_verification(false);
    // SAFETY: as above.
    unsafe {
        opts::set_verify_owner_validation(false)?;
        opts::set_server_connect_timeout_in_milliseconds(limits::GIT_CONNECT_MS)?;
        opts::set_server_timeout_in_milliseconds(limits::GIT_SILENCE_MS)?;
    }
    Ok(())
}
