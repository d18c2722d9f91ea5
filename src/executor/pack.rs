//! A file or directory of a work tree as an archive.
//!
//! **Invariants:** no link is followed, on no level: every directory is opened from the one above it, by its bare name (a step that swaps a directory for
//! a link while we read gets an error, never another's file); what is no plain file has an entry and no content; memory does not grow with the tree, but
//! for the names of one directory a level and of files with several names.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use tokio::sync::mpsc;

use crate::base::Tasks;
use crate::executor::ByteStream;

/// Directories in directories: each is held open while what is in it is read.
const DEPTH: usize = 256;
/// Bytes that are handed on at once.
const PIECE: usize = 64 * 1024;
/// Pieces that may wait to be taken.
const WAITING: usize = 4;

/// Where something is: the directory that holds it, and its name there.
pub(super) struct Place {
    dir: OwnedFd,
    name: OsString,
    /// What the names in the archive begin with.
    title: PathBuf,
}

/// Finds `relative` below `root`; `None` when it is not there. A way that leads through a link leads nowhere.
pub(super) fn find(root: &Path, relative: &Path) -> io::Result<Option<Place>> {
    let (parents, name) = match (relative.parent(), relative.file_name()) {
        (Some(parents), Some(name)) => (parents, name.to_owned()),
        _ => (Path::new(""), OsString::from(".")),
    };
    let title = relative.file_name().map_or_else(|| PathBuf::from("workspace"), PathBuf::from);
    let mut dir = rustix::fs::open(root, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    for part in parents {
        dir = match open_dir(&dir, part) {
            Ok(dir) => dir,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
    }
    match rustix::fs::statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(Some(Place { dir, name, title })),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The archive of what is at this place, packed as it is read. Dropped, the packing ends.
pub(super) fn stream(tasks: &Tasks, place: Place) -> ByteStream {
    let (sender, mut receiver) = mpsc::channel(WAITING);
    tasks.spawn_blocking(move || {
        let out = Pieces { sender: sender.clone(), bytes: Vec::with_capacity(PIECE) };
        if let Err(error) = pack(&place, out) {
            // Whoever does not listen any more does not need to know.
            let _ = sender.blocking_send(Err(error));
        }
    });
    Box::pin(futures_util::stream::poll_fn(move |context| receiver.poll_recv(context)))
}

fn pack(place: &Place, out: Pieces) -> io::Result<()> {
    let mut packer = Packer { archive: tar::Builder::new(out), seen: HashMap::new() };
    packer.add(place.dir.as_fd(), &place.name, &place.title, 0)?;
    packer.archive.into_inner()?.flush()
}

struct Packer {
    archive: tar::Builder<Pieces>,
    /// The first name of each file that has several.
    seen: HashMap<(u64, u64), PathBuf>,
}

impl Packer {
    fn add(&mut self, dir: impl AsFd, name: &OsStr, title: &Path, depth: usize) -> io::Result<()> {
        let stat = rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => self.add_file(dir, name, title),
            FileType::Directory if depth == DEPTH => {
                Err(io::Error::other(format!("`{}` is nested deeper than {DEPTH} directories", title.display())))
            }
            FileType::Directory => self.add_dir(dir, name, title, &stat, depth),
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&dir, name, Vec::new())?;
                self.add_link(tar::EntryType::Symlink, title, Path::new(OsStr::from_bytes(target.as_bytes())), &stat)
            }
            FileType::Fifo => self.add_bare(tar::EntryType::Fifo, title, &stat),
            FileType::CharacterDevice => self.add_bare(tar::EntryType::Char, title, &stat),
            FileType::BlockDevice => self.add_bare(tar::EntryType::Block, title, &stat),
            // An archive has no word for it.
            FileType::Socket | FileType::Unknown => Ok(()),
        }
    }

    fn add_file(&mut self, dir: impl AsFd, name: &OsStr, title: &Path) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(dir, name, flags, Mode::empty())?;
        // It may be another than a moment ago: what counts is what is open.
        let stat = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(changed(title));
        }
        if stat.st_nlink > 1 {
            let known = self.seen.entry((stat.st_dev, stat.st_ino));
            if let std::collections::hash_map::Entry::Occupied(first) = &known {
                let first = first.get().clone();
                return self.add_link(tar::EntryType::Link, title, &first, &stat);
            }
            known.or_insert_with(|| title.to_owned());
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let mut header = header(tar::EntryType::Regular, &stat);
        header.set_size(size);
        self.archive.append_data(&mut header, title, Exactly { file: std::fs::File::from(file), left: size, title })
    }

    fn add_dir(&mut self, dir: impl AsFd, name: &OsStr, title: &Path, stat: &Stat, depth: usize) -> io::Result<()> {
        let opened = open_dir(&dir, name)?;
        self.add_bare(tar::EntryType::Directory, title, stat)?;
        let mut names = Vec::new();
        for entry in Dir::read_from(&opened)? {
            let name = OsString::from_vec(entry?.file_name().to_bytes().to_vec());
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        names.sort();
        names.iter().try_for_each(|name| self.add(&opened, name, &title.join(name), depth + 1))
    }

    fn add_bare(&mut self, kind: tar::EntryType, title: &Path, stat: &Stat) -> io::Result<()> {
        self.archive.append_data(&mut header(kind, stat), title, io::empty())
    }

    fn add_link(&mut self, kind: tar::EntryType, title: &Path, target: &Path, stat: &Stat) -> io::Result<()> {
        self.archive.append_link(&mut header(kind, stat), title, target)
    }
}

/// Opens a directory by its name in another, never through a link.
pub(super) fn open_dir(dir: impl AsFd, name: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

fn header(kind: tar::EntryType, stat: &Stat) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(stat.st_mode & 0o7777);
    header.set_uid(stat.st_uid.into());
    header.set_gid(stat.st_gid.into());
    header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or(0));
    header.set_size(0);
    header
}

fn changed(title: &Path) -> io::Error {
    io::Error::other(format!("`{}` changed while it was read", title.display()))
}

/// As many bytes as the entry's header says, or an error: an archive of anything else could not be read.
struct Exactly<'a> {
    file: std::fs::File,
    left: u64,
    title: &'a Path,
}

impl Read for Exactly<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read(&mut buffer[..most])?;
        if read == 0 && most > 0 {
            return Err(changed(self.title));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// Bytes on their way to whoever takes the archive.
struct Pieces {
    sender: mpsc::Sender<io::Result<Bytes>>,
    bytes: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let take = bytes.len().min(PIECE - self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..take]);
        if self.bytes.len() == PIECE {
            self.flush()?;
        }
        Ok(take)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.bytes, Vec::with_capacity(PIECE));
        let left = |_| io::Error::new(io::ErrorKind::BrokenPipe, "nobody takes the archive any more");
        self.sender.blocking_send(Ok(piece.into())).map_err(left)
    }
}
