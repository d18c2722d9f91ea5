//! Paths of the work tree as the port has them: below `/workspace`, wherever it really is.

use std::path::{Component, Path, PathBuf};

/// Where the work tree is, in every container.
pub(super) const WORKSPACE: &str = "/workspace";

/// A path relative to the work tree; `None` for one that is not in it. Only names are left: nothing in it leads up.
pub(super) fn relative(path: &str) -> Option<PathBuf> {
    let inside = Path::new(path).strip_prefix(WORKSPACE).ok()?;
    let names = inside.components().map(|part| match part {
        Component::Normal(name) => Some(name),
        Component::CurDir | Component::ParentDir | Component::RootDir | Component::Prefix(_) => None,
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_workspace_and_what_is_in_it_has_a_relative_path() {
        for (path, inside) in [
            ("/workspace", Some("")),
            ("/workspace/", Some("")),
            ("/workspace/a//./b", Some("a/b")),
            ("/workspaces", None),
            ("/", None),
            ("/workspace/../etc", None),
            ("/workspace/a/../../etc", None),
            ("workspace", None),
        ] {
            assert_eq!(relative(path).as_deref(), inside.map(Path::new), "{path}");
        }
    }
}
