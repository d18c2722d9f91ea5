//! A `.git` of its own that borrows another repository's objects: what a job sees. Written by hand, since the library asks the file system many
//! questions that we need no answer to. **Invariants:** it holds no hooks, no user information of the remote's URL, and nothing of the machine's Git
//! configuration; the lender's directory is only named, never written to.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use git2::{Oid, Reference};

use super::lay::Access;
use super::{Error, lay, layer};

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
    /// Makes `.git` in `workspace`, which has none. No file is checked out. `below` is the `.git` that shows through where this one has nothing, if
    /// there is one: what it has the same is left out.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn make(self, workspace: &Path, below: Option<&Path>, access: Access) -> Result<PathBuf, Error> {
        let Self { objects, mut refs, head, origin, origin_head, shallow } = self;
        let refuse = |why: String| Error::Workspace { dir: workspace.to_owned(), why };
        let objects = objects
            .to_str()
            .filter(|path| !path.contains(char::is_control))
            .ok_or_else(|| refuse(format!("the path of the objects to borrow, {}, is not plain text", objects.display())))?;
        let config = config(&head, origin).ok_or_else(|| refuse("its origin or its branch has a line break in it".to_owned()))?;
        let head = match head {
            Head::Branch(branch) => format!("ref: refs/heads/{branch}\n"),
            Head::Detached(id) => format!("{id}\n"),
        };
        refs.sort();
        refs.dedup_by(|a, b| a.name == b.name);
        let place = Place { dot_git: workspace.join(".git"), below, access };
        place.dir("")?;
        for dir in ["info", "objects", "objects/info", "objects/pack", "refs", "refs/heads", "refs/tags", "refs/remotes"] {
            place.dir(dir)?;
        }
        place.dir("refs/remotes/origin")?;
        place.file("objects/info/alternates", Some(format!("{objects}\n").as_bytes()))?;
        place.file("packed-refs", Some(&packed(&refs)))?;
        place.file("config", Some(config.as_bytes()))?;
        let origin_head = origin_head.map(|branch| format!("ref: refs/remotes/origin/{branch}\n"));
        place.file("refs/remotes/origin/HEAD", origin_head.as_deref().map(str::as_bytes))?;
        let lines: String = shallow.iter().map(|id| format!("{id}\n")).collect();
        place.file("shallow", Some(lines.as_bytes()).filter(|lines| !lines.is_empty()))?;
        // Last: what has a HEAD is a repository.
        place.file("HEAD", Some(head.as_bytes()))?;
        Ok(place.dot_git)
    }
}

/// Where a `.git` is written, and what shows through from below.
struct Place<'a> {
    dot_git: PathBuf,
    below: Option<&'a Path>,
    access: Access,
}

impl Place<'_> {
    fn dir(&self, name: &str) -> Result<(), Error> {
        if !name.is_empty() && self.below.is_some_and(|below| below.join(name).is_dir()) {
            return Ok(());
        }
        lay::make_dir(&self.dot_git.join(name), self.access)
    }

    /// A file with this content, or none.
    fn file(&self, name: &str, content: Option<&[u8]>) -> Result<(), Error> {
        let (path, shown) = (self.dot_git.join(name), self.below.and_then(|below| fs::read(below.join(name)).ok()));
        if shown.as_deref() == content {
            return Ok(());
        }
        if self.below.is_some() {
            self.dirs_above(name)?;
        }
        match content {
            Some(content) => lay::write_file(&path, content, self.access),
            None => layer::mark_gone(&path),
        }
    }

    /// The directories of a file, which may so far only show through.
    fn dirs_above(&self, name: &str) -> Result<(), Error> {
        let mut above: Vec<&Path> = Path::new(name).ancestors().skip(1).filter(|dir| !dir.as_os_str().is_empty()).collect();
        above.reverse();
        for dir in above.into_iter().map(|dir| self.dot_git.join(dir)).filter(|dir| !dir.is_dir()) {
            lay::make_dir(&dir, self.access)?;
        }
        Ok(())
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
pub(super) fn quoted(value: &str) -> Option<String> {
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
