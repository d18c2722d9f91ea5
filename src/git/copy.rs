//! A copy of the user's work tree as it is now, for `gantry run`: changes, new files and deletions included, ignored files not.
//! **Invariants:** `git status` shows the same in the copy; links stay links and are never followed; nothing is written outside of the copy.

use std::collections::HashMap;
use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};

use git2::Repository;

use super::dot_git::{DotGit, Head, PackedRef};
use super::tracked::{Listed, user_config};
use super::{Error, WorkTree, directory};

impl WorkTree {
    /// Copies tracked files, and new ones that are not ignored, into `workspace`, whatever was there before; with a `.git` that borrows the
    /// user's objects. Returns notes for the user: what was left out and why.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn copy_into(&self, workspace: &Path) -> Result<Vec<String>, Error> {
        let repository = self.repository()?;
        let failed = Error::work_tree(self.root());
        let listed = Listed::read(&repository, self.root())?;
        directory::emptied(workspace)?;
        let workspace = workspace.canonicalize().map_err(Error::io("find the directory", workspace))?;

        let mut copier = Copier { from: self.root(), to: &workspace, real_directories: HashMap::new(), notes: listed.notes };
        for path in listed.files.keys() {
            copier.copy(path)?;
        }
        for path in &listed.submodules {
            let directory = workspace.join(path);
            fs::create_dir_all(&directory).map_err(Error::io("make the directory", &directory))?;
        }
        let notes = copier.notes;

        let head = repository.find_reference("HEAD").map_err(&failed)?;
        let head = match (self.branch(), head.target()) {
            (Some(branch), _) => Head::Branch(branch),
            (None, Some(id)) => Head::Detached(id),
            (None, None) => return Err(failed(git2::Error::from_str("its HEAD leads nowhere"))),
        };
        let refs = repository.references().map_err(&failed)?.filter_map(Result::ok);
        let refs = refs.filter_map(|reference| PackedRef::of(&reference, reference.name_bytes().to_vec())).collect();
        let origin = self.origin();
        let objects = &self.objects_dir()?;
        DotGit { objects, refs, head, origin: origin.as_deref(), origin_head: None, shallow: Vec::new() }.make(&workspace)?;
        let copy = Repository::open(&workspace).map_err(Error::workspace(&workspace))?;
        carry_over(&repository, &copy).map_err(&failed)?;
        carry_files(&repository, &copy)?;
        Ok(notes)
    }
}

struct Copier<'a> {
    from: &'a Path,
    to: &'a Path,
    /// Whether a directory of the source is one, not a link; made in the copy when it is.
    real_directories: HashMap<PathBuf, bool>,
    notes: Vec<String>,
}

impl Copier<'_> {
    fn copy(&mut self, path: &Path) -> Result<(), Error> {
        if let Some(parent) = path.parent()
            && !self.enter(parent)?
        {
            return Ok(());
        }
        let (from, to) = (self.from.join(path), self.to.join(path));
        let metadata = match fs::symlink_metadata(&from) {
            Ok(metadata) => metadata,
            // Deleted by the user, and it stays so.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::io("read", &from)(error)),
        };
        if metadata.is_symlink() {
            let target = fs::read_link(&from).map_err(Error::io("read", &from))?;
            std::os::unix::fs::symlink(target, &to).map_err(Error::io("make the link", &to))
        } else if metadata.is_file() {
            fs::copy(&from, &to).map_err(Error::io("copy", &from))?;
            keep_time(&metadata, &to)
        } else {
            // A directory where Git expects a file: what is in it is listed by itself.
            if !metadata.is_dir() {
                self.notes.push(format!("`{}` is neither a file nor a link and is left out", path.display()));
            }
            Ok(())
        }
    }

    /// Makes a directory in the copy, if it is a real one in the source.
    fn enter(&mut self, directory: &Path) -> Result<bool, Error> {
        if directory.as_os_str().is_empty() {
            return Ok(true);
        }
        if let Some(known) = self.real_directories.get(directory) {
            return Ok(*known);
        }
        let above = directory.parent().map_or(Ok(true), |parent| self.enter(parent))?;
        let real = above && fs::symlink_metadata(self.from.join(directory)).is_ok_and(|metadata| metadata.is_dir());
        if real {
            let made = self.to.join(directory);
            fs::create_dir_all(&made).map_err(Error::io("make the directory", &made))?;
        }
        self.real_directories.insert(directory.to_owned(), real);
        Ok(real)
    }
}

/// Gives a copy its source's modification time: `git status` and build tools go by it.
fn keep_time(source: &fs::Metadata, copy: &Path) -> Result<(), Error> {
    let modified = source.modified().map_err(Error::io("read the time of", copy))?;
    // Not through a handle opened for writing: the copy may be read-only.
    let file = File::open(copy).map_err(Error::io("open", copy))?;
    file.set_times(FileTimes::new().set_modified(modified)).map_err(Error::io("set the time of", copy))
}

/// The settings that decide what `git status` takes for a change.
fn carry_over(from: &Repository, to: &Repository) -> Result<(), git2::Error> {
    let user = user_config().ok();
    let (theirs, mut ours) = (from.config()?.snapshot()?, to.config()?);
    for key in ["core.filemode", "core.symlinks", "core.ignorecase", "core.autocrlf", "core.eol", "core.precomposeunicode"] {
        let own = theirs.get_str(key).ok().map(str::to_owned);
        if let Some(value) = own.or_else(|| user.as_ref()?.get_str(key).ok().map(str::to_owned)) {
            ours.set_str(key, &value)?;
        }
    }
    Ok(())
}

/// The index (so that what is staged stays staged), the clone's own ignores, and where a shallow history ends.
fn carry_files(from: &Repository, to: &Repository) -> Result<(), Error> {
    let index = from.path().join("index");
    let rest = [(from.commondir().join("info/exclude"), "info/exclude"), (from.commondir().join("shallow"), "shallow")];
    for (source, name) in [(index, "index")].into_iter().chain(rest) {
        let Ok(metadata) = fs::metadata(&source) else { continue };
        let copy = to.path().join(name);
        if let Some(parent) = copy.parent() {
            fs::create_dir_all(parent).map_err(Error::io("make the directory", parent))?;
        }
        fs::copy(&source, &copy).map_err(Error::io("copy", &source))?;
        // The index's own time tells Git which entries it must not trust.
        keep_time(&metadata, &copy)?;
    }
    Ok(())
}
