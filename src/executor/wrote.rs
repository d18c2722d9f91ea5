//! The files behind `GANTRY_OUTPUT`, `GANTRY_ENV` and `GANTRY_SUMMARY`: a directory of the attempt on this machine that its step may write to.
//!
//! **Invariants:** what a step leaves there is untrusted: nothing is followed, nothing but a plain file is opened for good, no more is read of it than
//! may be in it and one byte; and what is there is never changed by us once the step may have begun, so that it can be read again after a crash.

use std::fs::{OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::Wrote;
use crate::base::limits::STEP_FILE_BYTES;

/// The directory's name in the attempt's own.
pub(super) const DIR: &str = "out";

/// Variable and name of each file.
pub(super) const FILES: [(&str, &str); 3] = [("GANTRY_OUTPUT", "output"), ("GANTRY_ENV", "env"), ("GANTRY_SUMMARY", "summary")];

/// The variables that say where the files are, for a step that sees the directory as `dir`.
pub(super) fn variables(dir: &str) -> [(String, String); 3] {
    FILES.map(|(variable, file)| (variable.to_owned(), format!("{dir}/{file}")))
}

/// Makes the directory `out` in `attempt` with its files, empty and open to every user, since an image decides as whom its step runs. One that is there
/// already stays as it is. Blocking.
pub(super) fn make(attempt: &Path) -> io::Result<()> {
    let dir = attempt.join(DIR);
    if dir.symlink_metadata().is_ok() {
        return Ok(());
    }
    // Made aside and then renamed: it is whole or not there. Each call has a draft of its own, since a start that was cut off may still be at it.
    let aside = tempfile::Builder::new().prefix("out.draft-").tempdir_in(attempt)?;
    let draft = aside.path();
    for (_, file) in FILES {
        let file = OpenOptions::new().write(true).create_new(true).open(draft.join(file))?;
        file.set_permissions(Permissions::from_mode(0o666))?;
    }
    std::fs::set_permissions(draft, Permissions::from_mode(0o777))?;
    match std::fs::rename(draft, &dir) {
        Ok(()) => {
            let _moved = aside.keep();
            Ok(())
        }
        // Another call was faster; the draft goes.
        Err(_) if dir.symlink_metadata().is_ok() => Ok(()),
        Err(error) => Err(error),
    }
}

/// What the step left in `attempt`'s files, and a sentence for each that was not taken. Blocking, for as long as three megabytes take.
pub(super) fn read(attempt: &Path) -> (Wrote, Vec<String>) {
    let dir = attempt.join(DIR);
    taken(FILES.map(|(_, file)| read_plain(&dir.join(file))))
}

/// What was found of [`FILES`], in their order, and a sentence for each that was not taken.
pub(super) fn taken(found: impl IntoIterator<Item = Result<Vec<u8>, String>>) -> (Wrote, Vec<String>) {
    let (mut left_out, mut files) = (Vec::new(), Vec::new());
    for ((variable, _), bytes) in FILES.iter().zip(found) {
        files.push(bytes.unwrap_or_else(|why| {
            left_out.push(format!("nothing is taken from {variable}: {why}"));
            Vec::new()
        }));
    }
    let mut files = files.into_iter();
    let mut next = || files.next().unwrap_or_default();
    (Wrote { output: next(), env: next(), summary: next() }, left_out)
}

/// The beginning of a plain file; of one that is not there, nothing.
fn read_plain(path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |error: io::Error| format!("the file cannot be read: {error}");
    match path.symlink_metadata() {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(Vec::new()),
        found => expect_plain(found.map_err(cannot)?.file_type())?,
    }
    // Looked at again once it is open: it may be another by now. A fifo opens at once by `O_NONBLOCK`, a link not at all.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(cannot)?;
    expect_plain(file.metadata().map_err(cannot)?.file_type())?;
    let mut bytes = Vec::new();
    file.take(STEP_FILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(cannot)?;
    Ok(bytes)
}

fn expect_plain(found: std::fs::FileType) -> Result<(), String> {
    let other = match found {
        plain if plain.is_file() => return Ok(()),
        link if link.is_symlink() => "a symbolic link",
        dir if dir.is_dir() => "a directory",
        fifo if fifo.is_fifo() => "a fifo",
        socket if socket.is_socket() => "a socket",
        _ => "a device",
    };
    Err(in_its_place(other))
}

pub(super) fn in_its_place(other: &str) -> String {
    format!("in the file's place is {other}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    fn made() -> (tempfile::TempDir, std::path::PathBuf) {
        let attempt = tempfile::tempdir().unwrap();
        make(attempt.path()).unwrap();
        let dir = attempt.path().join(DIR);
        (attempt, dir)
    }

    fn replaced(with: impl FnOnce(&Path)) -> (Wrote, Vec<String>) {
        let (attempt, dir) = made();
        std::fs::remove_file(dir.join("output")).unwrap();
        with(&dir.join("output"));
        std::fs::write(dir.join("env"), "A=1\n").unwrap();
        let (wrote, left_out) = read(attempt.path());
        assert_eq!(wrote.env, b"A=1\n", "the others count all the same");
        (wrote, left_out)
    }

    #[test]
    fn what_was_written_is_read_and_a_second_making_changes_nothing() {
        let (attempt, dir) = made();
        for (file, text) in [("output", "a=1\n"), ("env", "B=2\n"), ("summary", "# c\n")] {
            std::fs::write(dir.join(file), text).unwrap();
        }
        make(attempt.path()).unwrap();
        let (wrote, left_out) = read(attempt.path());
        assert_eq!(wrote, Wrote { output: b"a=1\n".to_vec(), env: b"B=2\n".to_vec(), summary: b"# c\n".to_vec() });
        assert_eq!(left_out, [""; 0]);
    }

    #[test]
    fn a_draft_that_a_crash_left_is_made_anew() {
        let attempt = tempfile::tempdir().unwrap();
        std::fs::create_dir(attempt.path().join("out.draft")).unwrap();
        std::fs::write(attempt.path().join("out.draft/output"), "old").unwrap();
        make(attempt.path()).unwrap();
        assert_eq!(read(attempt.path()), (Wrote::default(), Vec::new()));
    }

    #[test]
    fn every_user_may_write_whatever_the_servers_umask_is() {
        let (_attempt, dir) = made();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&dir), 0o777);
        for file in ["output", "env", "summary"] {
            assert_eq!(mode(&dir.join(file)), 0o666);
        }
    }

    #[test]
    fn files_that_are_gone_hold_nothing() {
        let (wrote, left_out) = replaced(|_| {});
        assert_eq!((wrote.output.len(), left_out.len()), (0, 0));
        let nothing = tempfile::tempdir().unwrap();
        assert_eq!(read(nothing.path()), (Wrote::default(), Vec::new()));
    }

    #[test]
    fn links_fifos_directories_sockets_and_devices_are_told_and_never_read() {
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(secret.path(), "secret").unwrap();
        let fifo = |path: &Path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
        let socket = |path: &Path| drop(std::os::unix::net::UnixListener::bind(path).unwrap());
        for (found, what) in [
            (replaced(|path| symlink(secret.path(), path).unwrap()), "a symbolic link"),
            (replaced(|path| symlink("/nowhere", path).unwrap()), "a symbolic link"),
            (replaced(fifo), "a fifo"),
            (replaced(|path| std::fs::create_dir(path).unwrap()), "a directory"),
            (replaced(socket), "a socket"),
        ] {
            assert_eq!(found.0.output, b"");
            assert_eq!(found.1, [format!("nothing is taken from GANTRY_OUTPUT: in the file's place is {what}")]);
        }
        assert_eq!(read_plain(Path::new("/dev/zero")), Err("in the file's place is a device".to_owned()));
    }

    #[test]
    fn of_a_file_without_end_one_byte_more_than_it_may_hold_is_read() {
        let sparse = |len: u64| replaced(|path| std::fs::File::create(path).unwrap().set_len(len).unwrap()).0.output.len();
        assert_eq!(sparse(10 * 1024 * 1024 * 1024), STEP_FILE_BYTES + 1);
        assert_eq!(sparse(STEP_FILE_BYTES as u64 + 1), STEP_FILE_BYTES + 1);
        assert_eq!(sparse(STEP_FILE_BYTES as u64), STEP_FILE_BYTES);
    }
}
