//! Whose caches a step may read and write, and where in its container their paths are.
//!
//! **Invariant:** pure.

use crate::pipeline::{CachePlan, Event, Trigger};
use crate::run::FilledCache;

/// Caches that runs of trusted commits wrote.
pub(super) const TRUSTED: &str = "trusted";

/// Where the work tree is, in every container.
pub(super) const WORKSPACE: &str = "/workspace";

/// A cache that a step asks for, its keys filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    pub key: String,
    /// Beginnings of keys that will do, best first.
    pub restore: Vec<String>,
    pub paths: Vec<String>,
}

impl Wish {
    pub fn of(plan: &CachePlan, filled: &FilledCache) -> Self {
        Self { key: filled.key.clone(), restore: filled.restore.clone(), paths: plan.paths.clone() }
    }
}

/// The scope that a trigger writes to. It reads [`TRUSTED`] besides. Decided by what the forge or the server says of the trigger alone.
pub(super) fn scope_of(trigger: &Trigger) -> String {
    match &trigger.pull_request {
        Some(pull_request) => format!("pr-{}", pull_request.number),
        // One that cannot be told from others is trusted with none of theirs.
        None if trigger.event == Event::PullRequest => "pr-0".to_owned(),
        None => TRUSTED.to_owned(),
    }
}

/// Where a cache's path is in the container: absolute, and the directory that its archive goes into.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub path: String,
    pub into: String,
}

impl Place {
    /// Of a path as it was written: absolute, or relative to the work tree. A sentence when it cannot be a cache's.
    pub fn of(written: &str) -> Result<Self, String> {
        let absolute = if written.starts_with('/') { written.to_owned() } else { format!("{WORKSPACE}/{written}") };
        let mut parts = Vec::new();
        for part in absolute.split('/').filter(|part| !matches!(*part, "" | ".")) {
            if part == ".." {
                return Err(format!("`{written}` leads up by `..`"));
            }
            parts.push(part);
        }
        if written.chars().any(char::is_control) {
            return Err(format!("`{}` has a control character in it", written.escape_debug()));
        }
        let path = format!("/{}", parts.join("/"));
        if path == "/" || path == WORKSPACE {
            return Err(format!("`{written}` is all there is, not a part that could be kept"));
        }
        if parts.starts_with(&["gantry"]) || matches!(parts[0], "proc" | "sys" | "dev") {
            return Err(format!("`{written}` is not the step's own"));
        }
        let into = format!("/{}", parts[..parts.len() - 1].join("/"));
        Ok(Self { path, into })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_absolute_or_of_the_work_tree() {
        for (written, path, into) in [
            ("target", "/workspace/target", "/workspace"),
            ("./a//b/", "/workspace/a/b", "/workspace/a"),
            ("/usr/local/cargo/registry", "/usr/local/cargo/registry", "/usr/local/cargo"),
            ("/cache", "/cache", "/"),
            ("/workspace/x", "/workspace/x", "/workspace"),
        ] {
            assert_eq!(Place::of(written), Ok(Place { path: path.to_owned(), into: into.to_owned() }), "{written}");
        }
        for bad in [
            "",
            ".",
            "/",
            "//",
            "/workspace",
            "/workspace/.",
            "../x",
            "a/../../etc",
            "/a/..",
            "a\nb",
            "/proc/1",
            "/gantry/script",
        ] {
            assert!(Place::of(bad).is_err(), "{bad:?}");
        }
    }
}
