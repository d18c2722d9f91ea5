//! Checked entries written into a directory, by several threads: libgit2's own checkout has one.
//!
//! **Invariants:** directories come first and links last, and no name is written over, so that no file can be written through a link of the same
//! commit, however the file system folds names; files are what the commit holds, byte for byte, and nothing of them is executed.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, FileTimes, Metadata, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use git2::{Odb, Repository};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use super::entries::{Entry, What};
use super::{Error, Mirror};

/// How every pointer of Git LFS begins (its specification, version 1).
const LFS: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";
/// The longest pointer there may be.
const LFS_BYTES: usize = 1024;
/// Files that a thread takes at a time.
const AT_A_TIME: usize = 32;
/// More only wait for the disk.
const THREADS: usize = 8;

/// When written files say that they were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// When they are: later than anything that was built before. Build tools that compare times with a restored cache need this.
    Now,
    /// One second before that: the index that is written afterwards is younger than all of them, so that `git status` need not read a file to know that
    /// it was not changed in the second in which it was written.
    Settled,
}

/// What an entry became, as the index tells it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    pub changed: (i64, i64),
    pub modified: (i64, i64),
    pub bytes: u64,
    pub uid: u32,
    pub gid: u32,
}

/// What all of them became.
#[derive(Debug, Default)]
pub(super) struct Laid {
    /// One for each entry, in the same order; none for directories.
    pub written: Vec<Option<Written>>,
    pub bytes: u64,
    /// Pointers of Git LFS among the files.
    pub lfs_pointers: u64,
}

/// Writes `entries`, directories before what is in them, into `into`, which has none of these names.
///
/// # Errors
/// An object is missing, or the directory cannot be written.
pub(super) fn lay(mirror: &Mirror, into: &Path, entries: &[Entry], times: Times) -> Result<Laid, Error> {
    let (mut files, mut links) = (Vec::new(), Vec::new());
    for (at, entry) in entries.iter().enumerate() {
        match entry.what {
            What::Directory | What::Submodule => make_dir(&place(into, &entry.path))?,
            What::File { executable } => files.push((at, executable)),
            What::Link => links.push(at),
        }
    }
    let settled_at = match times {
        Times::Now => None,
        Times::Settled => Some(now(into)? - 1),
    };
    let writing = Writing { mirror, into, entries, files: &files, next: AtomicUsize::new(0), settled_at };
    let mut laid = Laid { written: vec![None; entries.len()], ..Laid::default() };
    let count = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS).min(files.len() / AT_A_TIME + 1);
    for part in in_threads(count, || writing.part()) {
        let Part { written, lfs_pointers } = part?;
        laid.lfs_pointers += lfs_pointers;
        for (at, written) in written {
            laid.bytes += written.bytes;
            laid.written[at] = Some(written);
        }
    }
    let repository = mirror.repository()?;
    let objects = repository.odb().map_err(Error::damaged(&mirror.dir))?;
    for at in links {
        laid.written[at] = Some(writing.link(&objects, &entries[at])?);
    }
    Ok(laid)
}

/// Runs `work` in `count` threads, of which this is one.
fn in_threads<T: Send>(count: usize, work: impl Fn() -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..count).map(|_| scope.spawn(&work)).collect();
        let mut done = vec![work()];
        // A panic there is one of ours, and goes on here.
        done.extend(others.into_iter().map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))));
        done
    })
}

/// What one thread wrote.
#[derive(Default)]
struct Part {
    written: Vec<(usize, Written)>,
    lfs_pointers: u64,
}

struct Writing<'a> {
    mirror: &'a Mirror,
    into: &'a Path,
    entries: &'a [Entry],
    /// Positions of the files, and whether each is executable.
    files: &'a [(usize, bool)],
    /// The first of them that nobody has taken.
    next: AtomicUsize,
    /// In seconds since 1970.
    settled_at: Option<i64>,
}

impl Writing<'_> {
    fn part(&self) -> Result<Part, Error> {
        let repository: Repository = self.mirror.repository()?;
        let objects = repository.odb().map_err(Error::damaged(&self.mirror.dir))?;
        let mut part = Part::default();
        loop {
            let from = self.next.fetch_add(AT_A_TIME, Ordering::Relaxed).min(self.files.len());
            let taken = &self.files[from..self.files.len().min(from + AT_A_TIME)];
            if taken.is_empty() {
                return Ok(part);
            }
            for (at, executable) in taken {
                match self.file(&objects, &self.entries[*at], *executable) {
                    Ok((written, is_pointer)) => {
                        part.lfs_pointers += u64::from(is_pointer);
                        part.written.push((*at, written));
                    }
                    Err(error) => {
                        // The others need not go on.
                        self.next.store(self.files.len(), Ordering::Relaxed);
                        return Err(error);
                    }
                }
            }
        }
    }

    fn file(&self, objects: &Odb<'_>, entry: &Entry, executable: bool) -> Result<(Written, bool), Error> {
        let object = objects.read(entry.id).map_err(Error::damaged(&self.mirror.dir))?;
        let content = object.data();
        let (path, mode) = (place(self.into, &entry.path), if executable { 0o755 } else { 0o644 });
        let write = || {
            let mut file: File = File::options().write(true).create_new(true).mode(mode).open(&path)?;
            file.write_all(content)?;
            if let Some(second) = self.settled_at {
                let at = UNIX_EPOCH + Duration::from_secs(second.unsigned_abs());
                file.set_times(FileTimes::new().set_modified(at))?;
            }
            let found = file.metadata()?;
            // A server with an umask of its own makes the same work tree as any other.
            if found.mode() & 0o777 != mode {
                file.set_permissions(Permissions::from_mode(mode))?;
            }
            Ok(found)
        };
        let found = write().map_err(|error| why(&path, error))?;
        Ok((Written::of(&found), content.len() <= LFS_BYTES && content.starts_with(LFS)))
    }

    fn link(&self, objects: &Odb<'_>, entry: &Entry) -> Result<Written, Error> {
        let object = objects.read(entry.id).map_err(Error::damaged(&self.mirror.dir))?;
        let path = place(self.into, &entry.path);
        let make = || {
            symlink(OsStr::from_bytes(object.data()), &path)?;
            if let Some(second) = self.settled_at {
                let at = Timespec { tv_sec: second, tv_nsec: 0 };
                let times = Timestamps { last_access: at, last_modification: at };
                utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW)?;
            }
            fs::symlink_metadata(&path)
        };
        let found: Metadata = make().map_err(|error| why(&path, error))?;
        Ok(Written::of(&found))
    }
}

impl Written {
    pub fn of(found: &Metadata) -> Self {
        Self {
            changed: (found.ctime(), found.ctime_nsec()),
            modified: (found.mtime(), found.mtime_nsec()),
            bytes: found.size(),
            uid: found.uid(),
            gid: found.gid(),
        }
    }
}

/// The present second by the clock of the file system that `dir` is on, which is the one that the index will be measured by.
fn now(dir: &Path) -> Result<i64, Error> {
    let probe = tempfile::tempfile_in(dir).and_then(|file| file.metadata());
    Ok(probe.map_err(Error::io("write in", dir))?.mtime())
}

/// Where an entry stands.
pub(super) fn place(into: &Path, path: &[u8]) -> PathBuf {
    into.join(OsStr::from_bytes(path))
}

/// Makes one directory, as everybody may read it.
pub(super) fn make_dir(path: &Path) -> Result<(), Error> {
    const MODE: u32 = 0o755;
    let make = || {
        DirBuilder::new().mode(MODE).create(path)?;
        if fs::symlink_metadata(path)?.mode() & 0o777 != MODE {
            fs::set_permissions(path, Permissions::from_mode(MODE))?;
        }
        Ok(())
    };
    make().map_err(|error| why(path, error))
}

fn why(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        // Each name was looked at, and stands there once.
        io::ErrorKind::AlreadyExists => Error::Workspace {
            dir: path.parent().unwrap_or(path).to_owned(),
            why: format!(
                "its file system takes two names for one, of which `{}` is the second",
                super::error::told(&path.to_string_lossy())
            ),
        },
        _ => Error::io("write", path)(error),
    }
}
