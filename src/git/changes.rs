//! Which paths differ between two commits, or between a commit and the user's work tree.
//!
//! **Invariants:** a moved file counts with both its names; at most [`CHANGED_PATHS`] paths are told, and no tree, however it repeats itself, is
//! walked beyond [`TREE_ENTRIES`]: past either the answer is `None`, which means that everything counts as changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use git2::{DiffOptions, Oid, Repository, Tree};

use super::contents::id_now;
use super::files::Kind;
use super::tracked::heed_user_ignores;
use super::{Error, Mirror, WorkTree};
use crate::base::limits::{CHANGED_PATHS, TREE_ENTRIES, TREE_PATH_BYTES};

impl Mirror {
    /// The paths that differ between two commits, sorted; `None` when they are too many, or when `old` is not in the mirror (any more).
    ///
    /// # Errors
    /// [`Error::NoCommit`] for `new`, or the mirror is damaged.
    pub fn changed_paths(&self, old: &str, new: &str) -> Result<Option<Vec<String>>, Error> {
        let repository = self.repository()?;
        let damaged = Error::damaged(&self.dir);
        let new = self.find(&repository, new)?.tree().map_err(&damaged)?;
        let old = match self.find(&repository, old) {
            Ok(old) => old.tree().map_err(&damaged)?,
            Err(Error::NoCommit { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut comparison = Comparison { repository: &repository, changed: BTreeSet::new(), entries: 0 };
        let within = comparison.compare(old, new).map_err(&damaged)?;
        Ok(within.then(|| comparison.changed.into_iter().collect()))
    }
}

impl WorkTree {
    /// The paths in which the work tree, as it is now, differs from where its work began, sorted: from the newest commit that it has in common with the
    /// branch `against` (as `origin` has it, else as it is here); on that branch itself from the commit before HEAD. `None` when there is no such
    /// commit, or when they are too many.
    ///
    /// # Errors
    /// The repository or the work tree cannot be read.
    pub fn changed_paths(&self, against: &str) -> Result<Option<Vec<String>>, Error> {
        let failed = Error::work_tree(self.root());
        let repository = self.repository()?;
        let Some(base) = self.base(&repository, against) else { return Ok(None) };
        let base = repository.find_commit(base).and_then(|commit| commit.tree()).map_err(&failed)?;
        heed_user_ignores(&repository).map_err(&failed)?;
        let mut options = DiffOptions::new();
        options.include_untracked(true).recurse_untracked_dirs(true).include_typechange(true);
        let diff = repository.diff_tree_to_workdir_with_index(Some(&base), Some(&mut options)).map_err(&failed)?;
        if diff.deltas().len() > CHANGED_PATHS {
            return Ok(None);
        }
        let paths = diff.deltas().flat_map(|delta| [delta.old_file(), delta.new_file()].map(|file| file.path_bytes().map(shown)));
        // What the library names as a directory is a repository of its own.
        let mut changed: BTreeSet<String> = paths.flatten().map(|path| path.trim_end_matches('/').to_owned()).collect();
        // The library looks from the base to the index and from there to the disk, and so also tells of what was changed back.
        changed.retain(|path| !is_as_in(&base, self.root(), path));
        Ok((changed.len() <= CHANGED_PATHS).then(|| changed.into_iter().collect()))
    }

    fn base(&self, repository: &Repository, against: &str) -> Option<Oid> {
        let head = repository.head().ok()?.peel_to_commit().ok()?;
        if self.branch().as_deref() == Some(against) {
            return head.parent_id(0).ok();
        }
        let other = [format!("refs/remotes/origin/{against}"), format!("refs/heads/{against}")];
        let other = other.iter().find_map(|name| repository.find_reference(name).ok())?.peel_to_commit().ok()?;
        repository.merge_base(head.id(), other.id()).ok()
    }
}

/// Whether the file or link at `path` is what the tree has there.
fn is_as_in(tree: &Tree<'_>, root: &Path, path: &str) -> bool {
    let (Ok(entry), Ok(metadata)) = (tree.get_path(Path::new(path)), fs::symlink_metadata(root.join(path))) else { return false };
    let executable = entry.filemode() & 0o111 != 0;
    let same_kind = match Kind::of(&entry) {
        Kind::File => metadata.is_file() && executable == (metadata.permissions().mode() & 0o100 != 0),
        Kind::Link => metadata.is_symlink(),
        Kind::Directory | Kind::Other => false,
    };
    same_kind && matches!(id_now(&root.join(path)), Ok(Some(id)) if id == entry.id())
}

/// Two trees being compared.
struct Comparison<'r> {
    repository: &'r Repository,
    changed: BTreeSet<String>,
    /// Looked at so far.
    entries: usize,
}

impl Comparison<'_> {
    /// Whether it stayed within the limits.
    fn compare(&mut self, old: Tree<'_>, new: Tree<'_>) -> Result<bool, git2::Error> {
        let mut open = Vec::new();
        if old.id() != new.id() {
            open.push((Vec::new(), Some(old.id()), Some(new.id())));
        }
        while let Some((folder, old, new)) = open.pop() {
            let mut names = self.names(old)?;
            let mut pairs: BTreeMap<Vec<u8>, (Option<Entry>, Option<Entry>)> = BTreeMap::new();
            for (name, entry) in self.names(new)? {
                pairs.insert(name.clone(), (names.remove(&name), Some(entry)));
            }
            pairs.extend(names.into_iter().map(|(name, entry)| (name, (Some(entry), None))));
            for (name, (old, new)) in pairs.into_iter().filter(|(_, (old, new))| old != new) {
                let path = [&folder[..], &name].concat();
                if path.len() > TREE_PATH_BYTES {
                    return Ok(false);
                }
                if [old, new].into_iter().flatten().any(|entry| entry.kind != Kind::Directory) {
                    self.changed.insert(shown(&path));
                }
                let (old, new) = (old.and_then(Entry::folder), new.and_then(Entry::folder));
                if old != new {
                    open.push(([&path[..], b"/"].concat(), old, new));
                }
            }
            if self.entries > TREE_ENTRIES || self.changed.len() > CHANGED_PATHS {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn names(&mut self, tree: Option<Oid>) -> Result<BTreeMap<Vec<u8>, Entry>, git2::Error> {
        let Some(tree) = tree else { return Ok(BTreeMap::new()) };
        let tree = self.repository.find_tree(tree)?;
        self.entries += tree.len();
        let entry = |entry: git2::TreeEntry<'_>| {
            let known = Entry { id: entry.id(), mode: entry.filemode_raw(), kind: Kind::of(&entry) };
            (entry.name_bytes().to_vec(), known)
        };
        Ok(tree.iter().map(entry).collect())
    }
}

/// What stands under a name.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    id: Oid,
    mode: i32,
    kind: Kind,
}

impl Entry {
    fn folder(self) -> Option<Oid> {
        (self.kind == Kind::Directory).then_some(self.id)
    }
}

/// A path as patterns see it: names that are not UTF-8 with replacements.
pub(super) fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
