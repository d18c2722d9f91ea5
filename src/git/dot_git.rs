//! A `.git` of its own that borrows another repository's objects: what a job sees. **Invariants:** it holds no hooks, no user information of
//! the remote's URL, and nothing of the machine's Git configuration; the lender's directory is only named, never written to.

use std::fs;
use std::path::Path;

use git2::{Oid, Reference, Repository, RepositoryInitOptions};

use super::{Error, directory};

/// What a new `.git` is made of.
pub(super) struct DotGit<'a> {
    /// Absolute path of the objects it borrows.
    pub objects: &'a Path,
    pub refs: Vec<PackedRef>,
    pub head: Head,
    /// Where `origin` is, without secrets.
    pub origin: Option<&'a str>,
    /// `origin/HEAD`: short name of the remote's default branch.
    pub origin_head: Option<&'a str>,
}

pub(super) enum Head {
    /// Short name; the branch need not exist (before the first commit).
    Branch(String),
    Detached(Oid),
}

/// One ref, ready to be written.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PackedRef {
    pub name: Vec<u8>,
    pub id: Oid,
    /// What an annotated tag leads to.
    pub peeled: Option<Oid>,
}

impl PackedRef {
    /// The same target under another name. None for symbolic refs.
    pub fn of(reference: &Reference<'_>, name: Vec<u8>) -> Option<Self> {
        let id = reference.target()?;
        Some(Self { name, id, peeled: reference.target_peel().or_else(|| peel_tag(reference)).filter(|peeled| *peeled != id) })
    }
}

/// For loose refs, where Git has not written down where the tag leads.
fn peel_tag(reference: &Reference<'_>) -> Option<Oid> {
    let tag = reference.peel_to_tag().ok()?;
    tag.as_object().peel(git2::ObjectType::Any).ok().map(|object| object.id())
}

impl DotGit<'_> {
    /// Makes `.git` in `workspace`, which has none. No file is checked out.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn make(self, workspace: &Path) -> Result<Repository, Error> {
        let Self { objects, mut refs, head, origin, origin_head } = self;
        let failed = Error::workspace(workspace);
        let objects = objects.to_str().filter(|path| !path.contains(char::is_control)).ok_or_else(|| Error::Workspace {
            dir: workspace.to_owned(),
            why: format!("the path of the objects to borrow, {}, is not plain text", objects.display()),
        })?;
        let mut options = RepositoryInitOptions::new();
        options.external_template(false).no_reinit(true).mkpath(true);
        let made = Repository::init_opts(workspace, &options).map_err(&failed)?.path().to_owned();
        // The library puts a sample there even without a template.
        directory::removed(&made.join("hooks"))?;
        write(&made.join("objects/info/alternates"), format!("{objects}\n").as_bytes())?;
        refs.sort();
        refs.dedup_by(|a, b| a.name == b.name);
        write(&made.join("packed-refs"), &packed(&refs))?;
        // Opened anew, since the first one looked for its objects before the borrowed ones were named.
        let repository = Repository::open(workspace).map_err(&failed)?;
        configure(&repository, &head, origin).map_err(&failed)?;
        if let Some(branch) = origin_head {
            let (name, target) = ("refs/remotes/origin/HEAD", format!("refs/remotes/origin/{branch}"));
            repository.reference_symbolic(name, &target, true, "").map_err(&failed)?;
        }
        match head {
            Head::Branch(branch) => repository.set_head(&format!("refs/heads/{branch}")).map_err(&failed)?,
            Head::Detached(id) => repository.set_head_detached(id).map_err(&failed)?,
        }
        Ok(repository)
    }
}

fn configure(repository: &Repository, head: &Head, origin: Option<&str>) -> Result<(), git2::Error> {
    let mut config = repository.config()?;
    // A container may see other inode numbers, owners and change times; size and modification time tell enough.
    config.set_str("core.checkStat", "minimal")?;
    config.set_bool("core.trustctime", false)?;
    // No log of where HEAD was: nobody's name belongs into it.
    config.set_bool("core.logAllRefUpdates", false)?;
    if let Some(url) = origin {
        config.set_str("remote.origin.url", url)?;
        config.set_str("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")?;
        if let Head::Branch(branch) = head {
            config.set_str(&format!("branch.{branch}.remote"), "origin")?;
            config.set_str(&format!("branch.{branch}.merge"), &format!("refs/heads/{branch}"))?;
        }
    }
    Ok(())
}

/// The text of `packed-refs` (gitrepository-layout(5)); `refs` are sorted.
fn packed(refs: &[PackedRef]) -> Vec<u8> {
    let mut text = b"# pack-refs with: peeled fully-peeled sorted \n".to_vec();
    for PackedRef { name, id, peeled } in refs {
        text.extend_from_slice(format!("{id} ").as_bytes());
        text.extend_from_slice(name);
        text.push(b'\n');
        if let Some(peeled) = peeled {
            text.extend_from_slice(format!("^{peeled}\n").as_bytes());
        }
    }
    text
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Error::io("make the directory", parent))?;
    }
    fs::write(path, bytes).map_err(Error::io("write", path))
}
