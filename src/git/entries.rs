//! Looks through a commit's whole tree before anything of it is written. **Invariant:** a tree that passes cannot lead a checkout out of its
//! directory nor into its `.git`: every name is a plain one, and no directory holds a name twice (a link and a directory of one name).

use std::collections::HashSet;

use git2::{Oid, Repository};

use super::Error;
use super::files::Kind;
use crate::base::limits::{TREE_ENTRIES, TREE_PATH_BYTES};

/// What was seen on the way.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Some `.gitattributes` is a symbolic link. Git does not follow it, libgit2 would.
    pub linked_attributes: bool,
}

/// Checks all names below `tree`.
///
/// # Errors
/// [`Error::UnsafeEntry`] with the path at fault; `damaged` when a directory cannot be read.
pub(super) fn check(
    repository: &Repository,
    commit: &str,
    tree: Oid,
    damaged: &dyn Fn(git2::Error) -> Error,
) -> Result<Seen, Error> {
    let unsafe_entry = |path: &[u8], why: &str| Error::UnsafeEntry {
        commit: commit.to_owned(),
        path: String::from_utf8_lossy(path).replace(char::is_control, "?").chars().take(200).collect(),
        why: why.to_owned(),
    };
    let mut seen = Seen::default();
    let mut entries = 0;
    let mut open = vec![(Vec::new(), tree)];
    while let Some((parent, id)) = open.pop() {
        let tree = repository.find_tree(id).map_err(damaged)?;
        let mut names = HashSet::with_capacity(tree.len());
        entries += tree.len();
        if entries > TREE_ENTRIES {
            return Err(unsafe_entry(&parent, "which brings it over the limit of a million files and directories"));
        }
        for entry in &tree {
            let name = entry.name_bytes();
            let path = [&parent, name].concat();
            if let Some(why) = why_unsafe(name) {
                return Err(unsafe_entry(&path, why));
            }
            if path.len() > TREE_PATH_BYTES {
                return Err(unsafe_entry(&path, "whose path is longer than a file system takes"));
            }
            if !names.insert(name.to_vec()) {
                return Err(unsafe_entry(&path, "which stands there twice"));
            }
            match Kind::of(&entry) {
                Kind::Directory => open.push(([&path, &b"/"[..]].concat(), entry.id())),
                Kind::Link => seen.linked_attributes |= name == b".gitattributes",
                Kind::File | Kind::Other => {}
            }
        }
    }
    Ok(seen)
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
