//! A job's own layer over a kept base: its `.git`, and what its commit has otherwise than the base's. The kernel's overlay shows both as one work tree.
//!
//! **Invariants:** the layer is a fresh directory of the job; names in it were looked through before, as for a checkout; what is gone is marked as the
//! overlay marks it (a character device 0:0), and nothing else is anything but a file, a link or a directory.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::bases::{Base, Bases};
use super::checkout::Told;
use super::lay::{self, Laid, Times};
use super::moves::{self, Moves};
use super::tree_index::TreeIndex;
use super::{Checkout, Error, Mirror, directory};
use crate::base::Timestamp;
use crate::base::limits::MOVED_ENTRIES;

/// A layer that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The base's work tree.
    pub base: PathBuf,
    /// Whether the base is of the very commit.
    pub exact: bool,
    /// Whether the base was made for it.
    pub is_new_base: bool,
    pub told: Told,
}

impl Bases {
    /// Makes the layer of a job that shall have `at` for its work tree, in the directory `upper`, which is made anew. `repo` is a plain name for the
    /// mirror, `job` the job's directory.
    ///
    /// # Errors
    /// As [`Mirror::checkout`].
    pub fn layer(
        &self,
        mirror: &Mirror,
        repo: &str,
        at: &Checkout,
        (job, upper): (&Path, &Path),
        now: Timestamp,
    ) -> Result<Layer, Error> {
        let repository = mirror.repository()?;
        let damaged = Error::damaged(&mirror.dir);
        let new = mirror.find(&repository, &at.commit)?.tree_id();
        let moves_from = |base: &str| match mirror.find(&repository, base) {
            Ok(old) => moves::between(&repository, &at.commit, (old.tree_id(), new), MOVED_ENTRIES, &damaged),
            // The mirror was made anew since.
            Err(Error::NoCommit { .. }) => Ok(None),
            Err(error) => Err(error),
        };
        let near = |base: &Base| moves_from(&base.commit).map(|moves| moves.is_some());
        let (base, is_new_base) = self.take(mirror, repo, &at.commit, job, now, near)?;
        directory::emptied(upper)?;
        mirror.dot_git(&repository, at, upper)?;
        let exact = base.commit == at.commit;
        let mut told = base.told;
        if !exact {
            let gone = || Error::Workspace {
                dir: upper.to_owned(),
                why: format!("the work tree of {} that it stood on is too different", base.commit),
            };
            let moves = moves_from(&base.commit)?.ok_or_else(gone)?;
            // What the base had of these is not subtracted: it is said, not reckoned with.
            told.lfs_pointers += move_to(mirror, &base, &moves, upper)?.lfs_pointers;
        }
        Ok(Layer { base: base.tree, exact, is_new_base, told })
    }
}

fn move_to(mirror: &Mirror, base: &Base, moves: &Moves, upper: &Path) -> Result<Laid, Error> {
    let laid = lay::lay(mirror, upper, &moves.write, Times::Settled)?;
    for path in &moves.gone {
        let mark = lay::place(upper, path);
        mknodat(CWD, &mark, FileType::CharacterDevice, Mode::empty(), 0)
            .map_err(|error| Error::io("mark what is gone at", &mark)(error.into()))?;
    }
    let (kept, own) = (base.tree.join(".git/index"), upper.join(".git/index"));
    fs::copy(&kept, &own).map_err(Error::io("copy", &kept))?;
    let mut index = TreeIndex::open(&own)?;
    for path in &moves.forget {
        index.forget(path);
    }
    index.add(&moves.write, &laid.written)?;
    index.write()?;
    Ok(laid)
}
