//! Which pipeline files a commit or a work tree has: `.gantry.yml`, `.gantry.yaml` and `.gantry/*.yml`, `.gantry/*.yaml`.
//! **Invariants:** a symbolic link is never followed; no more than one byte past the limit of a file is handed on; more files than the limit
//! are an error, never a truncation.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use git2::{ErrorCode, ObjectType, Repository, Tree, TreeEntry};

use super::{Error, Mirror};
use crate::base::limits::{PIPELINE_FILE_BYTES, PIPELINE_FILES};

/// A pipeline file as it stands in a commit or a work tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineFile {
    /// From the top of the work tree, with `/`.
    pub path: String,
    /// At most one byte more than [`PIPELINE_FILE_BYTES`]: a text of that length is too long and must be refused.
    pub text: Vec<u8>,
}

const SINGLE: [&str; 2] = [".gantry.yaml", ".gantry.yml"];
const FOLDER: &str = ".gantry";
/// A blob beyond this is not even read. Between the limit and this it is read and cut, so that the reader can say how long it may be.
const READ_BYTES: usize = 64 * 1024 * 1024;

impl Mirror {
    /// The pipeline files of a commit, sorted by path. None is not an error.
    ///
    /// # Errors
    /// [`Error::NoCommit`]; [`Error::PipelineFile`] when one is a link, a directory, or there are too many.
    pub fn pipeline_files(&self, commit: &str) -> Result<Vec<PipelineFile>, Error> {
        let repository = self.repository()?;
        let tree = self.find(&repository, commit)?.tree().map_err(Error::damaged(&self.dir))?;
        let mut files = Vec::new();
        for name in SINGLE {
            if let Some(entry) = tree.get_name(name) {
                files.push(self.read(&repository, name.to_owned(), &entry)?);
            }
        }
        if let Some(entry) = tree.get_name(FOLDER) {
            match Kind::of(&entry) {
                Kind::Directory => self.read_folder(&repository, &entry, &mut files)?,
                Kind::Link => return Err(refused(FOLDER, LINK)),
                Kind::File | Kind::Other => {}
            }
        }
        Ok(files)
    }

    fn read_folder(&self, repository: &Repository, entry: &TreeEntry<'_>, files: &mut Vec<PipelineFile>) -> Result<(), Error> {
        let folder: Tree<'_> = repository.find_tree(entry.id()).map_err(Error::damaged(&self.dir))?;
        let mut names: Vec<_> = folder.iter().filter(|entry| is_pipeline(entry.name_bytes())).collect();
        names.sort_by(|a, b| a.name_bytes().cmp(b.name_bytes()));
        check_count(names.len())?;
        for entry in names {
            let path = checked_path(entry.name_bytes())?;
            files.push(self.read(repository, path, &entry)?);
        }
        Ok(())
    }

    fn read(&self, repository: &Repository, path: String, entry: &TreeEntry<'_>) -> Result<PipelineFile, Error> {
        match Kind::of(entry) {
            Kind::File => {}
            Kind::Link => return Err(refused(&path, LINK)),
            Kind::Directory | Kind::Other => return Err(refused(&path, NOT_A_FILE)),
        }
        let damaged = Error::damaged(&self.dir);
        let (bytes, _) = repository.odb().and_then(|odb| odb.read_header(entry.id())).map_err(&damaged)?;
        if bytes > READ_BYTES {
            return Err(refused(&path, &format!("it has {bytes} bytes, and {PIPELINE_FILE_BYTES} are allowed")));
        }
        let blob = repository.find_blob(entry.id()).map_err(|error| match error.code() {
            ErrorCode::NotFound => refused(&path, NOT_A_FILE),
            _ => damaged(error),
        })?;
        let text = blob.content();
        Ok(PipelineFile { path, text: text[..text.len().min(PIPELINE_FILE_BYTES + 1)].to_vec() })
    }
}

/// The pipeline files that lie in a directory right now, sorted by path.
pub(super) fn on_disk(root: &Path) -> Result<Vec<PipelineFile>, Error> {
    let mut paths: Vec<String> =
        SINGLE.iter().filter(|name| fs::symlink_metadata(root.join(name)).is_ok()).map(|name| (*name).to_owned()).collect();
    let folder = root.join(FOLDER);
    match fs::symlink_metadata(&folder) {
        Ok(metadata) if metadata.is_symlink() => return Err(refused(FOLDER, LINK)),
        Ok(metadata) if metadata.is_dir() => {
            let mut names = Vec::new();
            for entry in fs::read_dir(&folder).map_err(Error::io("read the directory", &folder))? {
                let name = entry.map_err(Error::io("read the directory", &folder))?.file_name();
                if is_pipeline(name.as_encoded_bytes()) {
                    names.push(checked_path(name.as_encoded_bytes())?);
                }
            }
            check_count(names.len())?;
            names.sort();
            paths.append(&mut names);
        }
        Ok(_) | Err(_) => {}
    }
    paths.into_iter().map(|path| read_from_disk(root, path)).collect()
}

fn read_from_disk(root: &Path, path: String) -> Result<PipelineFile, Error> {
    let place = root.join(&path);
    let kind = fs::symlink_metadata(&place).map_err(Error::io("read", &place))?.file_type();
    if !kind.is_file() {
        return Err(refused(&path, if kind.is_symlink() { LINK } else { NOT_A_FILE }));
    }
    let mut text = Vec::new();
    let file = File::open(&place).map_err(Error::io("read", &place))?;
    file.take(PIPELINE_FILE_BYTES as u64 + 1).read_to_end(&mut text).map_err(Error::io("read", &place))?;
    Ok(PipelineFile { path, text })
}

const LINK: &str = "it is a symbolic link, which is never followed; put the file itself there";
const NOT_A_FILE: &str = "it is not a file";

fn refused(path: &str, why: &str) -> Error {
    Error::PipelineFile { path: path.to_owned(), why: why.to_owned() }
}

fn is_pipeline(name: &[u8]) -> bool {
    (name.ends_with(b".yml") || name.ends_with(b".yaml")) && !name.starts_with(b".")
}

fn checked_path(name: &[u8]) -> Result<String, Error> {
    let path = format!("{FOLDER}/{}", String::from_utf8_lossy(name));
    let clear = std::str::from_utf8(name).is_ok_and(|name| !name.contains(|c: char| c.is_control() || c == '/'));
    if clear { Ok(path) } else { Err(refused(&path.replace(char::is_control, "?"), "its name is not plain text; rename it")) }
}

fn check_count(count: usize) -> Result<(), Error> {
    if count > PIPELINE_FILES {
        return Err(refused(FOLDER, &format!("it holds {count} pipeline files, and {PIPELINE_FILES} are allowed")));
    }
    Ok(())
}

/// What an entry of a tree is, by its mode.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Link,
    Directory,
    /// A submodule, or a mode that does not exist.
    Other,
}

impl Kind {
    pub(super) fn of(entry: &TreeEntry<'_>) -> Self {
        match (entry.filemode_raw() & 0o170_000, entry.kind()) {
            (0o100_000, Some(ObjectType::Blob)) => Kind::File,
            (0o120_000, _) => Kind::Link,
            (0o040_000, Some(ObjectType::Tree)) => Kind::Directory,
            _ => Kind::Other,
        }
    }
}
