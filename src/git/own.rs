//! A work tree that is to leave this machine: the objects that its `.git` borrows become its own. **Invariant:** all that its refs, its HEAD and its
//! index lead to is there before it stops to borrow, so that one that was cut short can be done again.

use std::fs;
use std::path::Path;

use git2::{Oid, PackBuilder, Repository, Revwalk};

use super::{Error, directory};

/// Packs what the work tree's `.git` borrows into it; nothing to do where it borrows nothing. Blocking.
///
/// # Errors
/// The work tree is not one, or cannot be written to.
pub fn own_objects(workspace: &Path) -> Result<(), Error> {
    let failed = Error::workspace(workspace);
    let repository = Repository::open(workspace).map_err(&failed)?;
    let objects = repository.path().join("objects");
    let borrowed = objects.join("info/alternates");
    if !borrowed.exists() {
        return Ok(());
    }
    let packs = objects.join("pack");
    fs::create_dir_all(&packs).map_err(Error::io("make the directory", &packs))?;
    pack(&repository, &packs).map_err(&failed)?;
    directory::removed(&borrowed)
}

fn pack(repository: &Repository, into: &Path) -> Result<(), git2::Error> {
    let mut pack = repository.packbuilder()?;
    // As many as there are processors.
    pack.set_threads(0);
    let mut walk = repository.revwalk()?;
    // A HEAD whose branch has no commit yet leads nowhere.
    if let Ok(head) = repository.head()
        && let Some(id) = head.target()
    {
        add(repository, &mut pack, &mut walk, id)?;
    }
    for reference in repository.references()? {
        if let Some(id) = reference?.target() {
            add(repository, &mut pack, &mut walk, id)?;
        }
    }
    pack.insert_walk(&mut walk)?;
    let objects = repository.odb()?;
    for entry in repository.index()?.iter() {
        // A submodule's commit is another repository's.
        if objects.exists(entry.id) && entry.mode != u32::from(git2::FileMode::Commit) {
            pack.insert_object(entry.id, None)?;
        }
    }
    if pack.object_count() > 0 {
        pack.write(into, 0o444)?;
    }
    Ok(())
}

/// What a ref leads to: tags on the way, and then a commit with its history, or whatever else it is.
fn add(repository: &Repository, pack: &mut PackBuilder<'_>, walk: &mut Revwalk<'_>, id: Oid) -> Result<(), git2::Error> {
    let mut object = repository.find_object(id, None)?;
    while let Some(tag) = object.as_tag() {
        pack.insert_object(tag.id(), None)?;
        let target = tag.target()?;
        object = target;
    }
    match object.kind() {
        Some(git2::ObjectType::Commit) => walk.push(object.id()),
        _ => pack.insert_recursive(object.id(), None),
    }
}
