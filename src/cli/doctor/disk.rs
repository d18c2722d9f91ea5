//! The data directory: whose it is, what room there is, what is secret in it.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Check;
use crate::base::Size;
use crate::secrets::{Key, KeyError};
use crate::server::Layout;
use crate::store::DataDir;

/// Less than this and runs fail soon: a log may take 256 MiB, a workspace more.
const LEAST_BYTES: u64 = 1 << 30;
/// Less than this is worth a word.
const FEW_BYTES: u64 = 5 << 30;
/// The same for files, of which a work tree may have tens of thousands.
const LEAST_FILES: u64 = 20_000;
const FEW_FILES: u64 = 200_000;

pub(super) fn checks(data: &Path) -> Vec<Check> {
    let meta = match data.metadata() {
        Ok(meta) if meta.is_dir() => meta,
        Ok(_) => {
            let found = format!("{} is no directory", data.display());
            return vec![Check::bad("data", found, "name another one with `--data`")];
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let above = data.ancestors().find(|above| above.exists()).unwrap_or(Path::new("/"));
            let found = format!("{} is not there yet: the first start makes it", data.display());
            return vec![Check::ok("data", found), room("disk", above)];
        }
        Err(error) => {
            let found = format!("{} cannot be looked at: {error}", data.display());
            return vec![Check::bad(
                "data",
                found,
                "run this as the user that runs the server, or name another one with `--data`",
            )];
        }
    };
    vec![directory(data, meta.mode()), lock(data), room("disk", data), key(data)]
}

fn directory(data: &Path, mode: u32) -> Check {
    if mode & 0o022 != 0 {
        let found = format!("{} may be written by others (mode {:o})", data.display(), mode & 0o777);
        return Check::bad("data", found, format!("`chmod 700 {}`, and look whether something was changed", data.display()));
    }
    if mode & 0o077 != 0 {
        let found = format!("{} may be read by others (mode {:o})", data.display(), mode & 0o777);
        return Check::warn("data", found, format!("`chmod 700 {}`: logs and webhooks' secrets are in it", data.display()));
    }
    match rustix::fs::access(data, rustix::fs::Access::WRITE_OK) {
        Ok(()) => Check::ok("data", data.display().to_string()),
        Err(error) => {
            let found = format!("{} cannot be written to: {}", data.display(), io::Error::from(error));
            Check::bad("data", found, "run this as the user that runs the server; if it is that user's, give it the directory")
        }
    }
}

fn lock(data: &Path) -> Check {
    match DataDir::is_taken(data) {
        Ok(true) => Check::ok("lock", "a server runs on it"),
        Ok(false) => Check::ok("lock", "free: no server runs on it"),
        Err(error) => Check::bad("lock", error.to_string(), "run this as the user that runs the server"),
    }
}

/// The room on the disk that this path is on.
pub(super) fn room(name: &'static str, path: &Path) -> Check {
    match rustix::fs::statvfs(path) {
        Ok(disk) => {
            let bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
            // Some file systems make records of files as they go, and say that they have none.
            judge_room(name, path, bytes, (disk.f_files > 0).then_some(disk.f_favail))
        }
        Err(error) => {
            let found = format!("the room at {} cannot be looked at: {}", path.display(), io::Error::from(error));
            Check::warn(name, found, "run this as root to see it")
        }
    }
}

fn judge_room(name: &'static str, path: &Path, bytes: u64, files: Option<u64>) -> Check {
    let room = match files {
        Some(files) => format!("{} and {files} files are free at {}", Size(bytes), path.display()),
        None => format!("{} are free at {}", Size(bytes), path.display()),
    };
    let todo = "make room, or put it on a larger disk; the setting `disk` bounds what Gantry itself takes";
    if bytes < LEAST_BYTES || files.is_some_and(|files| files < LEAST_FILES) {
        Check::bad(name, format!("only {room}"), todo)
    } else if bytes < FEW_BYTES || files.is_some_and(|files| files < FEW_FILES) {
        Check::warn(name, format!("only {room}"), todo)
    } else {
        Check::ok(name, room)
    }
}

fn key(data: &Path) -> Check {
    match Key::read(&Layout::new(data).secret_key()) {
        Ok(_) => Check::ok("key", "the key that seals secrets is there, and for its owner only"),
        Err(KeyError::Missing(_)) => Check::ok("key", "there is no key yet: the first secret makes it"),
        Err(KeyError::Io { path, source }) if source.kind() == io::ErrorKind::PermissionDenied => {
            let found = format!("the key file {path} may not be read by this user");
            Check::warn("key", found, "run this as the user that runs the server")
        }
        // These say what to do themselves.
        Err(error) => Check::bad("key", error.to_string(), "until then no step that names a secret can start"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::State;
    use super::*;

    #[test]
    fn little_room_is_told_before_there_is_none() {
        let judge = |bytes, files| judge_room("disk", Path::new("/d"), bytes, files).state;
        assert_eq!(judge(LEAST_BYTES - 1, None), State::Bad);
        assert_eq!(judge(LEAST_BYTES, None), State::Warn);
        assert_eq!(judge(FEW_BYTES, None), State::Ok);
        assert_eq!(judge(FEW_BYTES, Some(LEAST_FILES - 1)), State::Bad);
        assert_eq!(judge(FEW_BYTES, Some(FEW_FILES - 1)), State::Warn);
        assert_eq!(judge(FEW_BYTES, Some(FEW_FILES)), State::Ok);
    }

    #[test]
    fn what_others_may_read_or_write_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let state = |mode| {
            std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(mode)).unwrap();
            checks(dir.path())[0].state
        };
        assert_eq!((state(0o755), state(0o777), state(0o700)), (State::Warn, State::Bad, State::Ok));
        let of = |name: &str| checks(dir.path()).into_iter().find(|check| check.name == name).unwrap();
        assert_eq!(of("lock").found, "free: no server runs on it");
        let taken = DataDir::lock(dir.path()).unwrap();
        assert_eq!(of("lock").found, "a server runs on it");
        drop(taken);
        assert_eq!(of("key").state, State::Ok);
        let key = Layout::new(dir.path()).secret_key();
        Key::read_or_make(&key).unwrap();
        assert!(of("key").found.contains("for its owner only"));
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
        assert_eq!(of("key").state, State::Bad);
    }

    #[test]
    fn a_directory_that_is_not_there_yet_is_no_trouble_and_is_not_made() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("a/b");
        let checks = checks(&data);
        assert_eq!((checks[0].state, checks[1].name), (State::Ok, "disk"));
        assert!(!data.exists());
    }
}
