//! The files of the fake engine: no disk, only names and what they hold.
//!
//! `FAKE_FILES` has one file a line; a name without a slash at its beginning is in the work tree:
//!
//! | Line | File |
//! |---|---|
//! | `dist/app=TEXT` | a file with this text |
//! | `dist/big@1000000` | a file of so many bytes |
//! | `dist/link->TARGET` | a symbolic link |
//! | `dist/fifo\|` | a fifo |

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::Path;

use futures_util::TryStreamExt;

use crate::base::{AttemptKey, JobKey};
use crate::executor::{Archive, workspace::WORKSPACE};

/// An archive that was put into a work tree or a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    pub job: JobKey,
    /// `None`: into the job's work tree, before its steps.
    pub attempt: Option<AttemptKey>,
    pub into: String,
    /// Absolute names of the files in it.
    pub files: Vec<String>,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    File { mode: u32, bytes: Vec<u8> },
    Link(String),
    Fifo,
}

/// Files by their absolute names.
pub(super) type Files = BTreeMap<String, Content>;

/// The files that `FAKE_FILES` asks for.
pub(super) fn wanted(text: &str) -> Files {
    text.lines().filter_map(line).map(|(name, content)| (absolute(name), content)).collect()
}

fn line(line: &str) -> Option<(&str, Content)> {
    let line = line.trim_start();
    let file = |bytes: Vec<u8>| Content::File { mode: 0o644, bytes };
    let mark = line.find(['=', '@', '|']).into_iter().chain(line.find("->")).min()?;
    let (name, rest) = line.split_at(mark);
    let content = match rest.chars().next()? {
        '=' => file(rest.as_bytes()[1..].to_vec()),
        '@' => file(vec![b'x'; rest[1..].trim().parse().ok()?]),
        '-' => Content::Link(rest[2..].to_owned()),
        _ => Content::Fifo,
    };
    Some((name, content))
}

fn absolute(name: &str) -> String {
    if name.starts_with('/') { name.to_owned() } else { format!("{WORKSPACE}/{name}") }
}

/// The archive of what is at `path` or below it; `None` when there is nothing.
pub(super) fn pack(files: &Files, path: &str) -> io::Result<Option<Vec<u8>>> {
    let path = path.trim_end_matches('/');
    let base = path.rsplit_once('/').map_or("", |(base, _)| base);
    let below = format!("{path}/");
    let mut archive = tar::Builder::new(Vec::new());
    let (mut dirs, mut any) = (BTreeSet::new(), false);
    for (name, content) in files.iter().filter(|(name, _)| *name == path || name.starts_with(&below)) {
        any = true;
        let title = Path::new(name.strip_prefix(base).unwrap_or(name).trim_start_matches('/'));
        let mut above: Vec<&Path> = title.ancestors().skip(1).filter(|dir| !dir.as_os_str().is_empty()).collect();
        above.reverse();
        for dir in above {
            if dirs.insert(dir.to_owned()) {
                archive.append_data(&mut header(tar::EntryType::Directory, 0o755, 0), dir, io::empty())?;
            }
        }
        match content {
            Content::File { mode, bytes } => {
                let mut header = header(tar::EntryType::Regular, *mode, bytes.len() as u64);
                archive.append_data(&mut header, title, bytes.as_slice())?;
            }
            Content::Link(target) => archive.append_link(&mut header(tar::EntryType::Symlink, 0o777, 0), title, target)?,
            Content::Fifo => archive.append_data(&mut header(tar::EntryType::Fifo, 0o644, 0), title, io::empty())?,
        }
    }
    any.then(|| archive.into_inner()).transpose()
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header
}

/// The files in an archive, by the names that they get.
pub(super) async fn unpack(archive: &dyn Archive) -> io::Result<Files> {
    let into = archive.into().trim_end_matches('/').to_owned();
    let bytes: Vec<u8> = archive.open().await?.map_ok(|piece| piece.to_vec()).try_concat().await?;
    let mut files = Files::new();
    for entry in tar::Archive::new(bytes.as_slice()).entries()? {
        let mut entry = entry?;
        let name = format!("{into}/{}", entry.path()?.display());
        let kind = entry.header().entry_type();
        let content = if kind.is_file() {
            let (mode, mut bytes) = (entry.header().mode()? & 0o7777, Vec::new());
            entry.read_to_end(&mut bytes)?;
            Content::File { mode, bytes }
        } else if kind.is_symlink() {
            Content::Link(entry.link_name()?.map(|target| target.display().to_string()).unwrap_or_default())
        } else {
            continue;
        };
        files.insert(name, content);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_asked_for_by_lines_and_packed_below_the_last_part_of_the_path() {
        let files = wanted("dist/app=a=1@x\n dist/sub/big@3\ndist/link->../x\ndist/fifo|\n/cache/k=v\nnonsense\n");
        assert_eq!(files.len(), 5);
        assert_eq!(files["/workspace/dist/app"], Content::File { mode: 0o644, bytes: b"a=1@x".to_vec() });
        assert_eq!(files["/cache/k"], Content::File { mode: 0o644, bytes: b"v".to_vec() });
        let packed = pack(&files, "/workspace/dist").unwrap().unwrap();
        let mut archive = tar::Archive::new(packed.as_slice());
        let names: Vec<_> =
            archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
        assert_eq!(names, ["dist", "dist/app", "dist/fifo", "dist/link", "dist/sub", "dist/sub/big"]);
        assert_eq!(pack(&files, "/workspace/dis").unwrap(), None);
        let one = pack(&files, "/cache/k").unwrap().unwrap();
        let mut archive = tar::Archive::new(one.as_slice());
        assert_eq!(archive.entries().unwrap().next().unwrap().unwrap().path().unwrap(), Path::new("k"));
    }
}
