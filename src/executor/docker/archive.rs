//! Archives out of containers and into them, by the engine: it packs and unpacks inside the container's own file system, so that a name or link in an
//! archive can lead nowhere else. Works on a container that never ran as on one that has ended.
//!
//! **Invariants:** streams both ways, so memory does not grow with an archive; an engine that falls silent in the middle is noticed.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::errors::Error;
use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder,
};
use futures_util::StreamExt;

use super::engine::Engine;
use super::seen;
use super::trouble::Trouble;
use crate::executor::{Archive, ByteStream, Failure};

/// How long the engine may neither give nor take anything. It flushes to its disk at the end.
const SILENCE: Duration = Duration::from_secs(120);
/// The client's own limit counts from the first byte to the answer, which is no measure for an archive: [`SILENCE`] is.
const NO_LIMIT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The bit of a directory in the engine's modes (Go's `fs.ModeDir`).
const DIRECTORY: u32 = 1 << 31;

/// User and group of directories that are made on the way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    pub uid: u64,
    pub gid: u64,
}

/// Reads a file or directory of a container; `None` when it is not there.
pub(super) async fn collect(engine: &Engine, container: &str, path: &str) -> Result<Option<ByteStream>, Failure> {
    let cannot = |trouble: Trouble| trouble.into_failure(&format!("could not read `{path}` of the step's container"));
    if !exists(engine, container, path).await.map_err(cannot)? {
        let there = seen::look(engine, container).await.map_err(cannot)?;
        return there.map(|_| None).ok_or(Failure::Gone);
    }
    let link = engine.link().await.map_err(cannot)?;
    let options = DownloadFromContainerOptionsBuilder::new().path(path).build();
    let pieces = Box::pin(link.client.download_from_container(container, Some(options)));
    let pieces = futures_util::stream::try_unfold(pieces, |mut pieces| async move {
        match tokio::time::timeout(SILENCE, pieces.next()).await {
            Ok(Some(Ok(piece))) => Ok(Some((piece, pieces))),
            Ok(Some(Err(error))) => Err(io::Error::other(error)),
            Ok(None) => Ok(None),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the engine stopped in the middle of the archive")),
        }
    });
    Ok(Some(Box::pin(pieces)))
}

/// Unpacks an archive in a container, in the directory it is for, which is made if it is not there.
pub(super) async fn put(engine: &Engine, container: &str, archive: &dyn Archive, owner: Owner) -> Result<(), Failure> {
    let into = archive.into();
    let cannot = |trouble: Trouble| trouble.into_failure(&format!("could not put an archive into `{into}`"));
    make_dir(engine, container, into, owner).await.map_err(cannot)?;
    let content = archive.open().await.map_err(|error| unreadable(into, &error))?;
    match upload(engine, container, into, content).await {
        Ok(()) => Ok(()),
        Err(Upload::Archive(error)) => Err(unreadable(into, &error)),
        Err(Upload::Engine(trouble)) => Err(cannot(trouble)),
    }
}

fn unreadable(into: &str, error: &io::Error) -> Failure {
    Failure::Infrastructure(format!("the archive for `{into}` cannot be read: {error}"))
}

/// What the engine says of a path: its mode, in the engine's own bits. A link is looked at as a link, unless the path ends with `/.`.
async fn look(engine: &Engine, container: &str, path: &str) -> Result<Option<u32>, Trouble> {
    let options = ContainerArchiveInfoOptionsBuilder::new().path(path).build();
    match engine.ask(|client| async move { client.get_container_archive_info(container, Some(options)).await }).await {
        Ok(found) => Ok(Some(found.file_mode)),
        Err(trouble) if trouble.is(404) => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

/// Whether a container has this path. One that leads through a file is none, which the engine takes for an accident of its own (500).
async fn exists(engine: &Engine, container: &str, path: &str) -> Result<bool, Trouble> {
    let trouble = match look(engine, container, path).await {
        Err(trouble) if trouble.is(500) => trouble,
        found => return found.map(|found| found.is_some()),
    };
    for parent in Path::new(path).ancestors().skip(1) {
        match look(engine, container, &parent.to_string_lossy()).await {
            Ok(Some(mode)) if mode & DIRECTORY == 0 => return Ok(false),
            Ok(Some(_)) => break,
            Ok(None) | Err(Trouble::Refused { .. }) => {}
            Err(unreachable) => return Err(unreachable),
        }
    }
    Err(trouble)
}

/// Makes a directory with its parents. Those that are there are left as they are: the engine would give them the modes of the archive's entries.
async fn make_dir(engine: &Engine, container: &str, dir: &str, owner: Owner) -> Result<(), Trouble> {
    for parent in Path::new(dir).ancestors() {
        let found = parent.to_string_lossy();
        match look(engine, container, &format!("{}/.", found.trim_end_matches('/'))).await {
            Ok(Some(_)) => {}
            Ok(None) => continue,
            Err(trouble) if trouble.is(500) => {
                return Err(Trouble::Refused { status: 400, message: format!("`{found}` is no directory") });
            }
            Err(trouble) => return Err(trouble),
        }
        let missing = Path::new(dir).strip_prefix(parent).unwrap_or(Path::new(""));
        if missing.as_os_str().is_empty() {
            return Ok(());
        }
        let archive = dirs(missing, owner).map_err(|error| Trouble::Refused { status: 500, message: error.to_string() })?;
        let content = futures_util::stream::once(async { Ok(archive.into()) });
        return match upload(engine, container, &found, Box::pin(content)).await {
            Ok(()) => Ok(()),
            Err(Upload::Archive(error)) => Err(Trouble::Refused { status: 500, message: error.to_string() }),
            Err(Upload::Engine(trouble)) => Err(trouble),
        };
    }
    Err(Trouble::Refused { status: 404, message: "the container is gone".to_owned() })
}

/// An archive of `a`, `a/b`, … for `a/b/…`.
fn dirs(path: &Path, owner: Owner) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut all: Vec<&Path> = path.ancestors().filter(|dir| !dir.as_os_str().is_empty()).collect();
    all.reverse();
    for dir in all {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        header.set_uid(owner.uid);
        header.set_gid(owner.gid);
        header.set_size(0);
        archive.append_data(&mut header, dir, io::empty())?;
    }
    archive.into_inner()
}

/// Who failed.
enum Upload {
    Archive(io::Error),
    Engine(Trouble),
}

async fn upload(engine: &Engine, container: &str, into: &str, content: ByteStream) -> Result<(), Upload> {
    let client = engine.link().await.map_err(Upload::Engine)?.client.with_timeout(NO_LIMIT);
    let (taken, broke) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(None)));
    let content = {
        let (taken, broke) = (Arc::clone(&taken), Arc::clone(&broke));
        content.map(move |piece| {
            taken.fetch_add(1, Ordering::Relaxed);
            // Seen through the client, it could not be told from a connection that broke.
            piece.map_err(|error| {
                *broke.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                io::Error::other("the archive cannot be read")
            })
        })
    };
    let options = UploadToContainerOptionsBuilder::new().path(into).build();
    let mut uploading = std::pin::pin!(client.upload_to_container(container, Some(options), bollard::body_try_stream(content)));
    let mut before = 0;
    let uploaded = loop {
        if let Ok(uploaded) = tokio::time::timeout(SILENCE, &mut uploading).await {
            break uploaded;
        }
        let now = taken.load(Ordering::Relaxed);
        if now == before {
            break Err(Error::RequestTimeoutError);
        }
        before = now;
    };
    let broke = broke.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (uploaded, broke) {
        (Ok(()), None) => Ok(()),
        (_, Some(error)) => Err(Upload::Archive(error)),
        (Err(error), None) => Err(Upload::Engine(engine.judge(&error).await)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_missing_directory_has_its_entry_the_outer_before_the_inner() {
        let packed = dirs(Path::new("a/b c/d"), Owner { uid: 7, gid: 8 }).unwrap();
        let mut archive = tar::Archive::new(packed.as_slice());
        let entries: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                (
                    entry.path().unwrap().display().to_string(),
                    header.mode().unwrap(),
                    header.uid().unwrap(),
                    header.gid().unwrap(),
                )
            })
            .collect();
        assert_eq!(entries, ["a", "a/b c", "a/b c/d"].map(|dir| (dir.to_owned(), 0o755, 7, 8)));
    }
}
