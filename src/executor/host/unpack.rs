//! An archive into a work tree of this machine.
//!
//! **Invariants:** nothing is written outside of the work tree: its directories are made one below the other without following a link, and below them the
//! library refuses names that lead up and ways that lead through a link to outside. Plain files, directories and links are unpacked; anything else is an
//! error, as is a name that would have to be left out.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;

use futures_util::StreamExt;
use rustix::fs::Mode;
use rustix::io::Errno;
use tokio_util::io::{StreamReader, SyncIoBridge};
use tokio_util::sync::CancellationToken;

use crate::base::Tasks;
use crate::executor::pack::open_dir;
use crate::executor::{Archive, Failure, workspace};

/// Unpacks `archive` in `root`, the job's work tree. Ends early when `stop` is cancelled, or when the future is dropped.
pub(super) async fn put(tasks: &Tasks, root: &Path, archive: &dyn Archive, stop: &CancellationToken) -> Result<(), Failure> {
    let into = archive.into();
    let cannot =
        |error: &dyn std::fmt::Display| Failure::Infrastructure(format!("an archive cannot be put into `{into}`: {error}"));
    let Some(below) = workspace::relative(into) else {
        return Err(cannot(&"it is not in the work tree, and the host executor writes nowhere else"));
    };
    let content = archive.open().await.map_err(|error| cannot(&error))?;
    let dropped = stop.child_token();
    let _guard = dropped.clone().drop_guard();
    let content = Box::pin(content.take_until(dropped.clone().cancelled_owned()));
    let mut reader = SyncIoBridge::new(StreamReader::new(content));
    let root = root.to_owned();
    let unpacked = tasks.spawn_blocking(move || unpack(&root, &below, &mut reader)).await;
    if dropped.is_cancelled() {
        return Err(Failure::Stopped);
    }
    unpacked.unwrap_or_else(|panic| Err(io::Error::other(panic))).map_err(|error| cannot(&with_causes(&error)))
}

/// The library's errors name the file, their causes what was wrong.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Unpacks a whole archive in `root/below`. Blocking.
fn unpack(root: &Path, below: &Path, reader: &mut impl Read) -> io::Result<()> {
    let root = root.canonicalize()?;
    make_dirs(&root, below)?;
    let dir = root.join(below);
    let mut archive = tar::Archive::new(reader);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let (name, kind) = (entry.path_bytes().into_owned(), entry.header().entry_type());
        let name = String::from_utf8_lossy(&name).into_owned();
        let known = kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse();
        if !(known || kind.is_dir() || kind.is_symlink() || kind.is_hard_link()) {
            return Err(io::Error::other(format!("`{name}` is neither a file nor a directory nor a link")));
        }
        if !entry.unpack_in(&dir)? {
            return Err(io::Error::other(format!("the name `{name}` leads out of the directory")));
        }
    }
    Ok(())
}

/// Makes `below` in `root`, with its parents.
fn make_dirs(root: &Path, below: &Path) -> io::Result<()> {
    let mut dir = open_dir(rustix::fs::CWD, root)?;
    for name in below {
        match rustix::fs::mkdirat(dir.as_fd(), name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let no_dir = |_| io::Error::other(format!("`{}` is no directory of the work tree", name.display()));
        dir = open_dir(&dir, name).map_err(no_dir)?;
    }
    Ok(())
}
