//! How much of a history a work tree shows. The objects are borrowed, so all of it is there and costs nothing; a `shallow` file hides the rest, for
//! whoever wants `git log` to end.

use std::collections::HashSet;

use git2::{Oid, Repository};

/// The commits that are shown.
pub(super) struct Shown {
    pub commits: HashSet<Oid>,
    /// Those of them whose parents are not shown.
    pub ends: Vec<Oid>,
}

/// `depth` generations from `head` on, itself the first.
pub(super) fn shown(repository: &Repository, head: Oid, depth: u32) -> Result<Shown, git2::Error> {
    let mut shown = Shown { commits: HashSet::from([head]), ends: Vec::new() };
    let mut generation = vec![head];
    for left in (0..depth.max(1)).rev() {
        let mut next = Vec::new();
        for id in generation {
            let parents: Vec<Oid> = repository.find_commit(id)?.parent_ids().collect();
            if left == 0 && !parents.iter().all(|parent| shown.commits.contains(parent)) {
                shown.ends.push(id);
                continue;
            }
            next.extend(parents.into_iter().filter(|parent| shown.commits.insert(*parent)));
        }
        if left == 0 || next.is_empty() {
            break;
        }
        generation = next;
    }
    Ok(shown)
}
