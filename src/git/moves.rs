//! What has to be written over a kept work tree of one commit so that it becomes the tree of another: the files that differ, and marks for what is gone.
//! **Invariant:** what is the same in both commits was looked through when the kept tree was made; everything else is looked through here, before
//! anything is written.

use std::collections::{BTreeMap, HashSet};

use git2::{Oid, Repository};

use super::Error;
use super::entries::{self, Entry, What};
use crate::base::limits::TREE_PATH_BYTES;

/// What differs.
#[derive(Debug, Default)]
pub(super) struct Moves {
    /// What is new or other, with the directories that it stands in, each before what is in it.
    pub write: Vec<Entry>,
    /// What is there no more, and not hidden by what is written.
    pub gone: Vec<Vec<u8>>,
    /// Paths whose entries the old index has and the new one has not: those of `gone`, and directories that became files.
    pub forget: Vec<Vec<u8>>,
}

/// The way from one tree to another. `None` where the kept tree is no help: more than `most` entries differ, or what differs cannot be said by a layer
/// over it (submodules), or changes how files are written (`.gitattributes`).
///
/// # Errors
/// [`Error::UnsafeEntry`], as for the whole tree; `damaged` when a directory cannot be read.
pub(super) fn between(
    repository: &Repository,
    commit: &str,
    (old, new): (Oid, Oid),
    most: usize,
    damaged: &dyn Fn(git2::Error) -> Error,
) -> Result<Option<Moves>, Error> {
    let mut moves = Moves::default();
    let mut open = vec![(Vec::new(), old, new)];
    while let Some((folder, old, new)) = open.pop() {
        if old == new {
            continue;
        }
        let mut before: BTreeMap<Vec<u8>, (Oid, What, i32)> = BTreeMap::new();
        for entry in &repository.find_tree(old).map_err(damaged)? {
            before.insert(entry.name_bytes().to_vec(), (entry.id(), What::of(&entry), entry.filemode_raw()));
        }
        let mut names = HashSet::new();
        for entry in &repository.find_tree(new).map_err(damaged)? {
            let (name, id, what) = (entry.name_bytes(), entry.id(), What::of(&entry));
            let path = [&folder[..], name].concat();
            if let Some(why) = entries::why_refused(&path, name, &mut names) {
                return Err(entries::unsafe_entry(commit, &path, why));
            }
            let was = before.remove(name);
            if was.is_some_and(|(was_id, _, mode)| was_id == id && mode == entry.filemode_raw()) {
                continue;
            }
            let was = was.map(|(id, what, _)| (id, what));
            if name == b".gitattributes" || what == What::Submodule || was.is_some_and(|(_, was)| was == What::Submodule) {
                return Ok(None);
            }
            match (was, what) {
                (Some((was, What::Directory)), What::Directory) => {
                    let below = [&path[..], b"/"].concat();
                    moves.write.push(Entry { path, id, what });
                    open.push((below, was, id));
                }
                (_, What::Directory) => {
                    moves.forget.extend(was.map(|_| path.clone()));
                    let top = [&path[..], b"/"].concat();
                    moves.write.push(Entry { path, id, what });
                    let below = entries::check(repository, commit, (&top, id), damaged)?;
                    if !below.attributes.is_empty() || below.linked_attributes || below.has_submodules() {
                        return Ok(None);
                    }
                    moves.write.extend(below.entries);
                }
                (was, What::File { .. } | What::Link | What::Submodule) => {
                    moves.forget.extend(was.filter(|(_, was)| *was == What::Directory).map(|_| path.clone()));
                    moves.write.push(Entry { path, id, what });
                }
            }
        }
        for (name, (_, what, _)) in before {
            if name == b".gitattributes" || what == What::Submodule {
                return Ok(None);
            }
            let path = [&folder[..], &name].concat();
            moves.forget.push(path.clone());
            moves.gone.push(path);
        }
        if moves.write.len() + moves.gone.len() > most {
            return Ok(None);
        }
    }
    debug_assert!(moves.write.iter().all(|entry| entry.path.len() <= TREE_PATH_BYTES));
    Ok(Some(moves))
}
