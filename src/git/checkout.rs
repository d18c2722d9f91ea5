//! A commit put into a workspace, with a usable `.git`. **Invariants:** nothing of the repository is executed (no hooks, no filter programs, no
//! submodules, no LFS) and nothing is written outside of the workspace: the whole tree is looked through before the first byte of it is written.

use std::path::Path;

use git2::build::CheckoutBuilder;

use super::address::Address;
use super::dot_git::{DotGit, Head, PackedRef};
use super::{Error, Mirror, directory, entries};

/// What to check out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// Full commit id.
    pub commit: String,
    /// Short name of the branch that HEAD shall be on, at this commit. None: HEAD is detached (a tag).
    pub branch: Option<String>,
    /// What the work tree's `origin` shall be; what is secret in it is left out.
    pub url: String,
}

impl Mirror {
    /// Makes `workspace` the work tree of a commit. Whatever was in it is gone, so that a checkout cut short is mended by doing it again.
    ///
    /// `git status` is clean there; tags and `origin/*` are what they were at the last fetch. Submodules are empty directories.
    ///
    /// # Errors
    /// [`Error::NoCommit`]; [`Error::UnsafeEntry`] before anything of the commit is written; or the workspace cannot be written.
    pub fn checkout(&self, at: &Checkout, workspace: &Path) -> Result<(), Error> {
        let Checkout { commit, branch, url } = at;
        let damaged = Error::damaged(&self.dir);
        let origin = Address::read(url)?.shown;
        let mirror = self.repository()?;
        let found = self.find(&mirror, commit)?;
        let seen = entries::check(&mirror, commit, found.tree_id(), &damaged)?;
        directory::emptied(workspace)?;

        let (refs, default_branch) = self.refs(&mirror, branch.as_deref().map(|branch| (branch, found.id())))?;
        let dot_git = DotGit {
            objects: &self.objects_dir(),
            refs,
            head: branch.clone().map_or(Head::Detached(found.id()), Head::Branch),
            origin: Some(&origin),
            origin_head: default_branch.as_deref(),
        };
        let repository = dot_git.make(workspace)?;
        let mut options = CheckoutBuilder::new();
        // Line endings as `.gitattributes` says are the only filters the library knows; none of them runs a program.
        options.force().disable_filters(seen.linked_attributes);
        let tree = repository.find_commit(found.id()).and_then(|commit| commit.tree()).map_err(&damaged)?;
        repository.checkout_tree(tree.as_object(), Some(&mut options)).map_err(Error::workspace(workspace))
    }

    /// The mirror's refs as a clone has them, with `own` as its one branch; and the default branch, if there is one.
    fn refs(&self, mirror: &git2::Repository, own: Option<(&str, git2::Oid)>) -> Result<(Vec<PackedRef>, Option<String>), Error> {
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
        let there = |branch: &&str| refs.iter().any(|r| r.name.strip_prefix(b"refs/remotes/origin/") == Some(branch.as_bytes()));
        let default_branch = branch.filter(there).map(str::to_owned);
        Ok((refs, default_branch))
    }
}
