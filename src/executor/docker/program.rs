//! The init program, which is in this binary as bytes, on its way to where a container can run it.
//!
//! **Invariant:** it is written aside and then renamed, and never written to again: a container runs the whole of it or is not made.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::engine::Link;

/// Built by `build.rs`; empty where it cannot be.
const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/gantry-init"));
/// The file's name, in a job's directory and in each attempt's.
pub(super) const NAME: &str = "init";

/// Whether the engine's machine can run it: it was built for the machine that this server was built for.
pub(super) fn fits(link: &Link) -> bool {
    !PROGRAM.is_empty() && link.architecture == std::env::consts::ARCH
}

/// Whether a program in this directory may be run at all.
pub(super) fn may_run_in(dir: &Path) -> bool {
    let flags = rustix::fs::statvfs(dir).map(|found| found.f_flag);
    flags.is_ok_and(|flags| !flags.contains(rustix::fs::StatVfsMountFlags::NOEXEC))
}

/// Puts it into an attempt's directory: one file for all attempts of a job. Blocking.
pub(super) fn put(root: &Path, attempt: &Path) -> io::Result<()> {
    let (written, wanted) = (root.join(NAME), attempt.join(NAME));
    if wanted.symlink_metadata().is_ok() {
        return Ok(());
    }
    if written.symlink_metadata().is_err() {
        write(root, &written)?;
    }
    match std::fs::hard_link(&written, &wanted) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // A file system that has no hard links.
        Err(_) => write(attempt, &wanted),
        Ok(()) => Ok(()),
    }
}

fn write(dir: &Path, to: &Path) -> io::Result<()> {
    let mut draft = tempfile::NamedTempFile::new_in(dir)?;
    draft.write_all(PROGRAM)?;
    draft.as_file().set_permissions(Permissions::from_mode(0o755))?;
    // Closed before it is run by anyone: a file that is open for writing cannot be.
    draft.into_temp_path().persist(to).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn all_attempts_of_a_job_run_one_file_that_everybody_may_run_and_nobody_may_change() {
        let root = tempfile::tempdir().unwrap();
        let attempts = ["0-1", "1-1"].map(|name| root.path().join(name));
        for attempt in &attempts {
            std::fs::create_dir(attempt).unwrap();
            put(root.path(), attempt).unwrap();
            put(root.path(), attempt).unwrap();
        }
        let [one, other] = attempts.map(|attempt| attempt.join(NAME).metadata().unwrap());
        assert_eq!(one.ino(), other.ino());
        assert_eq!(one.mode() & 0o7777, 0o755);
        assert!(one.len() > 0, "it was built");
        assert!(may_run_in(root.path()));
    }

    #[test]
    fn it_runs_on_the_machine_that_it_was_built_for() {
        let client = bollard::Docker::connect_with_http("tcp://127.0.0.1:1", 1, bollard::API_DEFAULT_VERSION).unwrap();
        let link = |architecture: &str| Link { architecture: architecture.to_owned(), ..Link::new(client.clone()) };
        assert!(fits(&link(std::env::consts::ARCH)));
        assert!(!fits(&link("riscv64")));
    }
}
