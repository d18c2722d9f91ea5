//! Looks through a commit's whole tree before anything of it is written. **Invariant:** a tree that passes cannot lead a checkout out of its
//! directory nor into its `.git`: every name is a plain one, and no directory holds a name twice (a link and a directory of one name).

use std::collections::HashSet;

use git2::{Oid, Repository, TreeEntry};

use super::Error;
use super::files::Kind;
use crate::base::limits::{TREE_ENTRIES, TREE_PATH_BYTES};

/// One name of a tree, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// From the top of the work tree, with `/`.
    pub path: Vec<u8>,
    pub id: Oid,
    pub what: What,
}

/// What stands under a name, as a work tree knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Directory,
    File {
        executable: bool,
    },
    Link,
    /// A commit of another repository: an empty directory, unless it is asked for.
    Submodule,
}

impl What {
    /// Of a tree's entry. What Git has no word for is like a submodule: nothing is written for it but a directory.
    pub fn of(entry: &TreeEntry<'_>) -> Self {
        match Kind::of(entry) {
            Kind::Directory => What::Directory,
            Kind::File => What::File { executable: entry.filemode_raw() & 0o100 != 0 },
            Kind::Link => What::Link,
            Kind::Other => What::Submodule,
        }
    }
}

/// What was seen on the way.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// All names, each directory before what is in it.
    pub entries: Vec<Entry>,
    /// Some `.gitattributes` is a symbolic link. Git does not follow it, libgit2 would.
    pub linked_attributes: bool,
    /// Files of that name.
    pub attributes: Vec<Oid>,
}

/// Checks all names below `tree`, which stands at `top`: empty, or a path that ends with `/`.
///
/// # Errors
/// [`Error::UnsafeEntry`] with the path at fault; `damaged` when a directory cannot be read.
pub(super) fn check(
    repository: &Repository,
    commit: &str,
    (top, tree): (&[u8], Oid),
    damaged: &dyn Fn(git2::Error) -> Error,
) -> Result<Seen, Error> {
    let mut seen = Seen::default();
    let mut entries = 0;
    let mut open = vec![(top.to_vec(), tree)];
    while let Some((parent, id)) = open.pop() {
        let tree = repository.find_tree(id).map_err(damaged)?;
        let mut names = HashSet::with_capacity(tree.len());
        entries += tree.len();
        if entries > TREE_ENTRIES {
            return Err(unsafe_entry(commit, &parent, "which brings it over the limit of a million files and directories"));
        }
        for entry in &tree {
            let name = entry.name_bytes();
            let path = [&parent, name].concat();
            if let Some(why) = why_refused(&path, name, &mut names) {
                return Err(unsafe_entry(commit, &path, why));
            }
            let what = What::of(&entry);
            match what {
                What::Directory => open.push(([&path, &b"/"[..]].concat(), entry.id())),
                What::Link => seen.linked_attributes |= name == b".gitattributes",
                What::File { .. } if name == b".gitattributes" => seen.attributes.push(entry.id()),
                What::File { .. } | What::Submodule => {}
            }
            seen.entries.push(Entry { path, id: entry.id(), what });
        }
    }
    Ok(seen)
}

pub(super) fn unsafe_entry(commit: &str, path: &[u8], why: &str) -> Error {
    Error::UnsafeEntry {
        commit: commit.to_owned(),
        path: String::from_utf8_lossy(path).replace(char::is_control, "?").chars().take(200).collect(),
        why: why.to_owned(),
    }
}

/// Why an entry of a directory must not be written; `names` are those that the directory had before it.
pub(super) fn why_refused(path: &[u8], name: &[u8], names: &mut HashSet<Vec<u8>>) -> Option<&'static str> {
    if let Some(why) = why_unsafe(name) {
        return Some(why);
    }
    if path.len() > TREE_PATH_BYTES {
        return Some("whose path is longer than a file system takes");
    }
    (!names.insert(name.to_vec())).then_some("which stands there twice")
}

impl Seen {
    pub fn has_submodules(&self) -> bool {
        self.entries.iter().any(|entry| entry.what == What::Submodule)
    }
}

/// Why a file or directory must not have this name.
pub(super) fn why_unsafe(name: &[u8]) -> Option<&'static str> {
    if name.is_empty() || name == b"." || name == b".." {
        Some("a name that leads elsewhere")
    } else if name.contains(&b'/') || name.contains(&0) {
        Some("a name with a separator in it")
    } else if is_dot_git(name) {
        Some("a name that some file system takes for `.git`")
    } else {
        None
    }
}

/// `.git`, in any spelling that NTFS, FAT or HFS+ take for the same. The workspace may lie on any of them.
fn is_dot_git(name: &[u8]) -> bool {
    let text = String::from_utf8_lossy(name);
    // HFS+ leaves these out when it compares names.
    let ignorable =
        |c: char| matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    let plain: String = text.chars().filter(|c| !ignorable(*c)).collect::<String>().to_ascii_lowercase();
    // NTFS takes `\` for a separator, ends a name before `:` (a stream), and leaves out spaces and dots at the end.
    plain.split('\\').any(|part| {
        let part = part.split(':').next().unwrap_or_default().trim_end_matches([' ', '.']);
        part == ".git" || part == "git~1"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_or_into_dot_git_are_refused() {
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "../x",
            ".git",
            ".GIT",
            ".gIt ",
            ".git.",
            ".git . .",
            ".git::$INDEX_ALLOCATION",
            "git~1",
            "GIT~1",
            "a\\.git",
            ".g\u{200c}it",
        ] {
            assert!(why_unsafe(name.as_bytes()).is_some(), "{name:?}");
        }
        assert!(why_unsafe(b"a\0b").is_some());
    }

    #[test]
    fn unusual_but_harmless_names_are_taken() {
        for name in [".gitignore", ".gitattributes", ".github", "git", "...", "-rf", "a b", "\n", "ü", ".git2", "x.git", "CON"] {
            assert!(why_unsafe(name.as_bytes()).is_none(), "{name:?}");
        }
        assert!(why_unsafe(b"\xff\xfe").is_none());
    }
}
