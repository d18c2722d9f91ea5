//! What belongs to the user's work tree as it is now: tracked files and new ones that are not ignored, by the user's own ignore rules too.
//! **Invariant:** every path is a plain relative one that stays inside of the work tree and out of its `.git`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use git2::{Config, ConfigLevel, Oid, Repository, Status, StatusOptions, StatusShow};

use super::{Error, entries};

/// A submodule's mode in the index.
const GITLINK: u32 = 0o160_000;

/// What belongs to a work tree.
#[derive(Default)]
pub(super) struct Listed {
    /// With `Some` id: as the index knows it, since its content is the same; else it was changed or is new. Some may be deleted.
    pub files: BTreeMap<PathBuf, Option<Oid>>,
    pub submodules: Vec<PathBuf>,
    /// What was left out and why.
    pub notes: Vec<String>,
}

impl Listed {
    /// Tracked files, and new ones that are not ignored.
    pub(super) fn read(repository: &Repository, root: &Path) -> Result<Self, Error> {
        let failed = Error::work_tree(root);
        let mut listed = Self::default();
        for entry in repository.index().map_err(&failed)?.iter() {
            let path = inside(&entry.path, root)?;
            if entry.mode == GITLINK {
                listed.notes.push(format!("the submodule `{}` is left out", path.display()));
                listed.submodules.push(path);
            } else {
                listed.files.insert(path, Some(entry.id));
            }
        }
        heed_user_ignores(repository).map_err(&failed)?;
        let mut options = StatusOptions::new();
        options
            .show(StatusShow::Workdir)
            .include_untracked(true)
            .recurse_untracked_dirs(true)
            .exclude_submodules(true)
            .no_refresh(true);
        for entry in
            repository.statuses(Some(&mut options)).map_err(&failed)?.iter().filter(|entry| entry.status() != Status::CURRENT)
        {
            let path = inside(entry.path_bytes(), root)?;
            // What libgit2 names as a directory here is a repository of its own.
            if entry.path_bytes().ends_with(b"/") {
                listed.notes.push(format!("`{}` is a repository of its own and is left out", path.display()));
            } else if entry.status().is_wt_new() || listed.files.contains_key(&path) {
                listed.files.insert(path, None);
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

/// The user's own Git configuration, which the library is kept from finding by itself.
pub(super) fn user_config() -> Result<Config, git2::Error> {
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

/// Lets the rules of the user's own ignore file count, which the library is kept from finding by itself.
pub(super) fn heed_user_ignores(repository: &Repository) -> Result<(), git2::Error> {
    let Some(home) = std::env::home_dir() else { return Ok(()) };
    let named = user_config().ok().and_then(|config| config.get_path("core.excludesFile").ok());
    match fs::read_to_string(named.unwrap_or_else(|| config_home(&home).join("git/ignore"))) {
        Ok(rules) => repository.add_ignore_rule(&rules),
        // Most people have none.
        Err(_) => Ok(()),
    }
}

fn config_home(home: &Path) -> PathBuf {
    std::env::var_os("XDG_CONFIG_HOME").filter(|dir| !dir.is_empty()).map_or_else(|| home.join(".config"), PathBuf::from)
}
