//! A copy of the user's work tree as it is now, for `gantry run`: changes, new files and deletions included, ignored files not.
//! **Invariants:** `git status` shows the same in the copy; links stay links and are never followed; nothing is written outside of the copy.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use git2::{Config, ConfigLevel, Repository, StatusOptions, StatusShow};

use super::dot_git::{DotGit, Head, PackedRef};
use super::{Error, WorkTree, directory, entries};

/// A submodule's mode in the index.
const GITLINK: u32 = 0o160_000;

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
        for path in &listed.files {
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
        let copy = DotGit { objects: &self.objects_dir()?, refs, head, origin: origin.as_deref(), origin_head: None }
            .make(&workspace)?;
        carry_over(&repository, &copy).map_err(&failed)?;
        carry_files(&repository, &copy)?;
        Ok(notes)
    }
}

/// What belongs to a work tree.
#[derive(Default)]
struct Listed {
    files: BTreeSet<PathBuf>,
    submodules: Vec<PathBuf>,
    notes: Vec<String>,
}

impl Listed {
    fn read(repository: &Repository, root: &Path) -> Result<Self, Error> {
        let failed = Error::work_tree(root);
        let mut listed = Self::default();
        for entry in repository.index().map_err(&failed)?.iter() {
            let path = inside(&entry.path, root)?;
            if entry.mode == GITLINK {
                listed.notes.push(format!("the submodule `{}` is left out", path.display()));
                listed.submodules.push(path);
            } else {
                listed.files.insert(path);
            }
        }
        if let Some(rules) = user_ignores() {
            repository.add_ignore_rule(&rules).map_err(&failed)?;
        }
        let mut options = StatusOptions::new();
        options
            .show(StatusShow::Workdir)
            .include_untracked(true)
            .recurse_untracked_dirs(true)
            .exclude_submodules(true)
            .no_refresh(true);
        for status in
            repository.statuses(Some(&mut options)).map_err(&failed)?.iter().filter(|status| status.status().is_wt_new())
        {
            let path = inside(status.path_bytes(), root)?;
            // What libgit2 names as a directory here is a repository of its own.
            if status.path_bytes().ends_with(b"/") {
                listed.notes.push(format!("`{}` is a repository of its own and is left out", path.display()));
            } else {
                listed.files.insert(path);
            }
        }
        Ok(listed)
    }
}

/// A path from Git, made sure to stay inside.
fn inside(path: &[u8], root: &Path) -> Result<PathBuf, Error> {
    let path = Path::new(OsStr::from_bytes(path.strip_suffix(b"/").unwrap_or(path)));
    let plain = |part| matches!(part, Component::Normal(name) if entries::why_unsafe(name.as_bytes()).is_none());
    if path.as_os_str().is_empty() || !path.components().all(plain) {
        return Err(Error::WorkTree { dir: root.to_owned(), why: format!("its index holds the path `{}`", path.display()) });
    }
    Ok(path.to_owned())
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

/// The user's own Git configuration, which the library is kept from finding by itself.
fn user_config() -> Result<Config, git2::Error> {
    let mut config = Config::new()?;
    let home = std::env::home_dir().unwrap_or_default();
    let given = std::env::var_os("GIT_CONFIG_GLOBAL").map(PathBuf::from);
    let files = match given {
        Some(file) => vec![(file, ConfigLevel::Global)],
        None => vec![(config_home(&home).join("git/config"), ConfigLevel::XDG), (home.join(".gitconfig"), ConfigLevel::Global)],
    };
    for (file, level) in files.into_iter().filter(|(file, _)| file.is_file()) {
        config.add_file(&file, level, false)?;
    }
    config.snapshot()
}

/// The rules of the user's own ignore file.
fn user_ignores() -> Option<String> {
    let home = std::env::home_dir()?;
    let named = user_config().ok().and_then(|config| config.get_path("core.excludesFile").ok());
    fs::read_to_string(named.unwrap_or_else(|| config_home(&home).join("git/ignore"))).ok()
}

fn config_home(home: &Path) -> PathBuf {
    std::env::var_os("XDG_CONFIG_HOME").filter(|dir| !dir.is_empty()).map_or_else(|| home.join(".config"), PathBuf::from)
}
