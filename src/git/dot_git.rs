//! A `.git` of its own that borrows another repository's objects: what a job sees. Written by hand, since the library asks the file system many
//! questions that we need no answer to. **Invariants:** it holds no hooks, no user information of the remote's URL, and nothing of the machine's Git
//! configuration; the lender's directory is only named, never written to.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use git2::{Oid, Reference};

use super::{Error, lay};

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
    /// Commits whose parents are not shown.
    pub shallow: Vec<Oid>,
}

pub(super) enum Head {
    /// Short name; the branch need not exist (before the first commit).
    Branch(String),
    Detached(Oid),
}

/// One ref, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
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
    pub fn make(self, workspace: &Path) -> Result<PathBuf, Error> {
        let Self { objects, mut refs, head, origin, origin_head, shallow } = self;
        let refuse = |why: String| Error::Workspace { dir: workspace.to_owned(), why };
        let objects = objects
            .to_str()
            .filter(|path| !path.contains(char::is_control))
            .ok_or_else(|| refuse(format!("the path of the objects to borrow, {}, is not plain text", objects.display())))?;
        let config = config(&head, origin).ok_or_else(|| refuse("its origin or its branch has a line break in it".to_owned()))?;
        let dot_git = workspace.join(".git");
        fs::create_dir_all(workspace).map_err(Error::io("make the directory", workspace))?;
        for dir in ["", "info", "objects", "objects/info", "objects/pack", "refs", "refs/heads", "refs/tags"] {
            lay::make_dir(&dot_git.join(dir))?;
        }
        write(&dot_git.join("objects/info/alternates"), format!("{objects}\n").as_bytes())?;
        refs.sort();
        refs.dedup_by(|a, b| a.name == b.name);
        write(&dot_git.join("packed-refs"), &packed(&refs))?;
        write(&dot_git.join("config"), config.as_bytes())?;
        if let Some(branch) = origin_head {
            for dir in ["refs/remotes", "refs/remotes/origin"] {
                lay::make_dir(&dot_git.join(dir))?;
            }
            let text = format!("ref: refs/remotes/origin/{branch}\n");
            write(&dot_git.join("refs/remotes/origin/HEAD"), text.as_bytes())?;
        }
        if !shallow.is_empty() {
            let lines: String = shallow.iter().map(|id| format!("{id}\n")).collect();
            write(&dot_git.join("shallow"), lines.as_bytes())?;
        }
        let head = match head {
            Head::Branch(branch) => format!("ref: refs/heads/{branch}\n"),
            Head::Detached(id) => format!("{id}\n"),
        };
        // Last: what has a HEAD is a repository.
        write(&dot_git.join("HEAD"), head.as_bytes())?;
        Ok(dot_git)
    }
}

/// None: a value that no line of a configuration can hold.
fn config(head: &Head, origin: Option<&str>) -> Option<String> {
    let mut text = String::from(
        "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\
         # A container may see other inode numbers, owners and change times; size and modification time tell enough.\n\
         \tcheckStat = minimal\n\ttrustctime = false\n\
         # No log of where HEAD was: nobody's name belongs into it.\n\tlogAllRefUpdates = false\n",
    );
    let Some(url) = origin else { return Some(text) };
    // Writing to a string cannot fail.
    let _ = write!(text, "[remote \"origin\"]\n\turl = {}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n", quoted(url)?);
    if let Head::Branch(branch) = head {
        let merge = quoted(&format!("refs/heads/{branch}"))?;
        let _ = write!(text, "[branch {}]\n\tremote = origin\n\tmerge = {merge}\n", quoted(branch)?);
    }
    Some(text)
}

/// A value, or the name of a subsection, as git-config(1) reads it.
fn quoted(value: &str) -> Option<String> {
    let plain = !value.contains(['\n', '\r', '\0']);
    plain.then(|| format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")))
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
    fs::write(path, bytes).map_err(Error::io("write", path))
}
