//! A commit put into a workspace, with a usable `.git`. **Invariants:** nothing of the repository is executed (no hooks, no filter programs, no
//! LFS) and nothing is written outside of the workspace: the whole tree is looked through before the first byte of it is written.

use std::path::Path;

use git2::build::CheckoutBuilder;
use git2::{Oid, Repository};

use super::address::Address;
use super::dot_git::{DotGit, Head, PackedRef};
use super::entries::Seen;
use super::lay::{self, Laid, Times};
use super::tree_index::TreeIndex;
use super::{Error, Mirror, depth, directory, entries};

/// What to check out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// Full commit id.
    pub commit: String,
    /// Short name of the branch that HEAD shall be on, at this commit. None: HEAD is detached (a tag).
    pub branch: Option<String>,
    /// What the work tree's `origin` shall be; what is secret in it is left out.
    pub url: String,
    /// How many commits of the history `.git` shows; `None`: all.
    pub depth: Option<u32>,
    pub times: Times,
}

impl Checkout {
    /// With all of its history.
    #[must_use]
    pub fn of(commit: impl Into<String>, branch: Option<String>, url: impl Into<String>) -> Self {
        Self { commit: commit.into(), branch, url: url.into(), depth: None, times: Times::Now }
    }
}

/// What there is to say about a work tree that was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Told {
    pub files: u64,
    pub bytes: u64,
    /// Pointers of Git LFS: files that are left as the commit has them.
    pub lfs_pointers: u64,
}

impl Mirror {
    /// Makes `workspace` the work tree of a commit. Whatever was in it is gone, so that a checkout cut short is mended by doing it again.
    ///
    /// `git status` is clean there; tags and `origin/*` are what they were at the last fetch. Submodules are empty directories.
    ///
    /// # Errors
    /// [`Error::NoCommit`]; [`Error::UnsafeEntry`] before anything of the commit is written; or the workspace cannot be written.
    pub fn checkout(&self, at: &Checkout, workspace: &Path) -> Result<Told, Error> {
        let mirror = self.repository()?;
        let found = self.find(&mirror, &at.commit)?;
        let seen = entries::check(&mirror, &at.commit, (b"", found.tree_id()), &Error::damaged(&self.dir))?;
        directory::emptied(workspace)?;
        let dot_git = self.dot_git(&mirror, at, workspace)?;
        self.write_tree(&mirror, &seen, found.tree_id(), workspace, &dot_git, at.times)
    }

    /// Makes the `.git` of a work tree in `workspace`, which has none. It has no index yet.
    pub(super) fn dot_git(&self, mirror: &Repository, at: &Checkout, workspace: &Path) -> Result<std::path::PathBuf, Error> {
        let Checkout { commit, branch, url, depth, times: _ } = at;
        let origin = Address::read(url)?.shown;
        let id = self.find(mirror, commit)?.id();
        let (mut refs, mut default_branch) = self.refs(mirror, branch.as_deref().map(|branch| (branch, id)))?;
        let mut shallow = Vec::new();
        if let Some(depth) = depth {
            let shown = depth::shown(mirror, id, *depth).map_err(Error::damaged(&self.dir))?;
            // Another branch would bring the rest of the history back in.
            refs.retain(|known| shown.commits.contains(&known.peeled.unwrap_or(known.id)));
            default_branch = default_branch.filter(|name| refs.iter().any(|known| known.name == origin_ref(name)));
            shallow = shown.ends;
        }
        let dot_git = DotGit {
            objects: &self.objects_dir(),
            refs,
            head: branch.clone().map_or(Head::Detached(id), Head::Branch),
            origin: Some(&origin),
            origin_head: default_branch.as_deref(),
            shallow,
        };
        dot_git.make(workspace)
    }

    /// Writes all files of a tree that was looked through, and the index that fits them. `dot_git` is the workspace's.
    pub(super) fn write_tree(
        &self,
        mirror: &Repository,
        seen: &Seen,
        tree: Oid,
        workspace: &Path,
        dot_git: &Path,
        times: Times,
    ) -> Result<Told, Error> {
        let files = seen.entries.iter().filter(|entry| matches!(entry.what, entries::What::File { .. })).count() as u64;
        if seen.converts(mirror).map_err(Error::damaged(&self.dir))? {
            // Line endings as `.gitattributes` says are the only filters the library knows; none of them runs a program.
            let repository = Repository::open(workspace).map_err(Error::workspace(workspace))?;
            let tree = repository.find_tree(tree).map_err(Error::damaged(&self.dir))?;
            let mut options = CheckoutBuilder::new();
            options.force();
            repository.checkout_tree(tree.as_object(), Some(&mut options)).map_err(Error::workspace(workspace))?;
            let objects = mirror.odb().map_err(Error::damaged(&self.dir))?;
            let sizes = seen.entries.iter().filter(|entry| matches!(entry.what, entries::What::File { .. }));
            let sizes = sizes.map(|entry| objects.read_header(entry.id).map_or(0, |(bytes, _)| bytes as u64));
            return Ok(Told { files, bytes: sizes.sum(), lfs_pointers: 0 });
        }
        let Laid { written, bytes, lfs_pointers } = lay::lay(self, workspace, &seen.entries, times)?;
        let mut index = TreeIndex::open(&dot_git.join("index"))?;
        index.add(&seen.entries, &written)?;
        index.write()?;
        Ok(Told { files, bytes, lfs_pointers })
    }

    /// The mirror's refs as a clone has them, with `own` as its one branch; and the default branch, if there is one.
    fn refs(&self, mirror: &Repository, own: Option<(&str, Oid)>) -> Result<(Vec<PackedRef>, Option<String>), Error> {
        let damaged = Error::damaged(&self.dir);
        let mut refs = Vec::new();
        if let Some((branch, id)) = own {
            let name = format!("refs/heads/{branch}");
            if !git2::Reference::is_valid_name(&name) {
                return Err(Error::Workspace {
                    dir: self.dir.clone(),
                    why: format!("`{}` is not a name for a branch", super::error::told(branch)),
                });
            }
            refs.push(PackedRef { name: name.into_bytes(), id, peeled: None });
        }
        for reference in mirror.references().map_err(&damaged)? {
            let reference = reference.map_err(&damaged)?;
            let name = reference.name_bytes();
            let name = match (name.strip_prefix(b"refs/heads/"), name.starts_with(b"refs/tags/")) {
                // The one name that `origin/HEAD` needs.
                (Some(b"HEAD"), _) => continue,
                (Some(branch), _) => [b"refs/remotes/origin/", branch].concat(),
                (None, true) => name.to_vec(),
                (None, false) => continue,
            };
            refs.extend(PackedRef::of(&reference, name));
        }
        let head = mirror.find_reference("HEAD").ok();
        let branch = head
            .as_ref()
            .and_then(|head| head.symbolic_target().ok().flatten())
            .and_then(|name| name.strip_prefix("refs/heads/"));
        let there = |branch: &&str| refs.iter().any(|r| r.name == origin_ref(branch));
        let default_branch = branch.filter(there).map(str::to_owned);
        Ok((refs, default_branch))
    }
}

fn origin_ref(branch: &str) -> Vec<u8> {
    format!("refs/remotes/origin/{branch}").into_bytes()
}

impl Seen {
    /// Whether some file of the work tree may have to differ from what the commit holds: line endings, or keywords. Rare, so that a word that only
    /// looks like it is enough. Where `.gitattributes` is a link, Git heeds none, and the library would follow it.
    pub(super) fn converts(&self, mirror: &Repository) -> Result<bool, git2::Error> {
        if self.linked_attributes || self.attributes.is_empty() {
            return Ok(false);
        }
        let objects = mirror.odb()?;
        for id in &self.attributes {
            let object = objects.read(*id)?;
            let says = |word: &[u8]| object.data().windows(word.len()).any(|window| window == word);
            if says(b"crlf") || says(b"ident") {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
