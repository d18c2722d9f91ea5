//! The files of a commit, or of the user's work tree as it is now, each with the id of its content: what `hash()` looks at.
//!
//! **Invariants:** equal content has the same id in both, so a clean work tree hashes like its commit; links count with where they lead and are never
//! followed; submodules are left out, as their content is.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use git2::{ObjectType, Oid};

use super::changes::shown;
use super::files::Kind;
use super::tracked::Listed;
use super::{Error, Mirror, WorkTree};
use crate::base::limits::{TREE_ENTRIES, TREE_PATH_BYTES};
use crate::pipeline::{FileEntry, Files};

/// The files of a commit. Nothing is read before it is asked for.
#[derive(Debug, Clone)]
pub struct CommitFiles {
    mirror: Mirror,
    commit: String,
}

/// The files of the user's work tree as it is now, uncommitted changes included.
#[derive(Debug, Clone)]
pub struct TreeFiles {
    tree: WorkTree,
}

impl Mirror {
    /// The files of a commit.
    #[must_use]
    pub fn files(&self, commit: &str) -> CommitFiles {
        CommitFiles { mirror: self.clone(), commit: commit.to_owned() }
    }
}

impl WorkTree {
    /// The files as they are now.
    #[must_use]
    pub fn files(&self) -> TreeFiles {
        TreeFiles { tree: self.clone() }
    }
}

impl Files for CommitFiles {
    fn list(&self) -> Result<Vec<FileEntry>, String> {
        self.read().map_err(|error| error.to_string())?.ok_or_else(|| {
            format!(
                "the commit has more than {TREE_ENTRIES} files and directories, or a path longer than {TREE_PATH_BYTES} bytes"
            )
        })
    }
}

impl CommitFiles {
    /// None: more than the limits.
    fn read(&self) -> Result<Option<Vec<FileEntry>>, Error> {
        let repository = self.mirror.repository()?;
        let damaged = Error::damaged(&self.mirror.dir);
        let root = self.mirror.find(&repository, &self.commit)?.tree_id();
        let (mut found, mut entries) = (BTreeMap::new(), 0);
        let mut open = vec![(Vec::new(), root)];
        while let Some((folder, tree)) = open.pop() {
            let tree = repository.find_tree(tree).map_err(&damaged)?;
            entries += tree.len();
            if entries > TREE_ENTRIES {
                return Ok(None);
            }
            for entry in &tree {
                let path = [&folder[..], entry.name_bytes()].concat();
                if path.len() > TREE_PATH_BYTES {
                    return Ok(None);
                }
                match Kind::of(&entry) {
                    Kind::Directory => open.push(([&path[..], b"/"].concat(), entry.id())),
                    Kind::File | Kind::Link => {
                        found.insert(shown(&path), entry.id());
                    }
                    Kind::Other => {}
                }
            }
        }
        Ok(Some(sorted(found)))
    }
}

impl Files for TreeFiles {
    fn list(&self) -> Result<Vec<FileEntry>, String> {
        self.read().map_err(|error| error.to_string())
    }
}

impl TreeFiles {
    fn read(&self) -> Result<Vec<FileEntry>, Error> {
        let root = self.tree.root();
        let listed = Listed::read(&self.tree.repository()?, root)?;
        let mut found = BTreeMap::new();
        for (path, id) in listed.files {
            let id = match id {
                Some(id) => Some(id),
                None => id_now(&root.join(&path))?,
            };
            if let Some(id) = id {
                found.insert(shown(path.as_os_str().as_bytes()), id);
            }
        }
        Ok(sorted(found))
    }
}

/// The id that the content would have in a commit; none when there is no file or link (any more).
pub(super) fn id_now(path: &Path) -> Result<Option<Oid>, Error> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        // Deleted, or below what is a file now.
        Err(_) => return Ok(None),
    };
    let hashed = if metadata.is_symlink() {
        let target = fs::read_link(path).map_err(Error::io("read", path))?;
        Oid::hash_object(ObjectType::Blob, target.as_os_str().as_bytes())
    } else if metadata.is_file() {
        Oid::hash_file(ObjectType::Blob, path)
    } else {
        return Ok(None);
    };
    hashed.map(Some).map_err(Error::work_tree(path))
}

fn sorted(found: BTreeMap<String, Oid>) -> Vec<FileEntry> {
    found.into_iter().map(|(path, id)| FileEntry { path, id: id.to_string() }).collect()
}
