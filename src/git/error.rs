//! What can go wrong with Git, each as one sentence for people: what, where, and what to do.
//! **Invariant:** no variant holds a password, a token or unbounded text of a remote.

use std::io;
use std::path::{Path, PathBuf};

/// A failure of this room. `url` is always the shown form, without secrets.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`{url}` is not an address that Gantry fetches from: {why}")]
    Url { url: String, why: String },
    #[error("there is no Git repository at {url}: {why}")]
    NoRepository { url: String, why: String },
    #[error("the Git repository at {url} may not be read by this user: {why}")]
    Unreadable { url: String, why: String },
    #[error("{url} could not be reached: {why}; Gantry tries again at the next poll")]
    Unreachable { url: String, why: String },
    #[error("{url} did not let Gantry in: {why}")]
    Authentication { url: String, why: String },
    #[error("the SSH host key of {host} ({fingerprint}) {why}")]
    HostKey { host: String, fingerprint: String, why: String },
    #[error("the TLS certificate of {url} is not valid: let the server have one of an authority that this machine trusts")]
    Certificate { url: String },
    #[error("{url} sends Gantry elsewhere ({why}): add the repository by the address it has now")]
    Redirect { url: String, why: String },
    #[error("{url} was reached, but nothing can be fetched from it: {why}")]
    Remote { url: String, why: String },
    #[error("the mirror in {} cannot be used ({why}): move it away and Gantry fetches it anew", dir.display())]
    Damaged { dir: PathBuf, why: String },
    #[error("the commit {id} is not in the mirror: it was never fetched, or the mirror was made anew since")]
    NoCommit { id: String },
    #[error("commit {commit} is not checked out, since it holds `{path}`, {why}")]
    UnsafeEntry { commit: String, path: String, why: String },
    #[error("the submodule `{path}` is not checked out: {why}")]
    Submodule { path: String, why: String },
    #[error("the pipeline file `{path}` cannot be used: {why}")]
    PipelineFile { path: String, why: String },
    #[error("{} is not in a Git work tree: run this inside of a clone, or `git init` first", dir.display())]
    NotAWorkTree { dir: PathBuf },
    #[error("the Git work tree {} cannot be read: {why}", dir.display())]
    WorkTree { dir: PathBuf, why: String },
    #[error("the workspace {} could not be made: {why}", dir.display())]
    Workspace { dir: PathBuf, why: String },
    #[error("could not {doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("the Git library could not be set up: {0}")]
    Library(String),
}

impl Error {
    /// Whether the same call may succeed later without anyone changing anything: the network, not the configuration.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Unreachable { .. } => true,
            Error::Url { .. }
            | Error::NoRepository { .. }
            | Error::Unreadable { .. }
            | Error::Authentication { .. }
            | Error::HostKey { .. }
            | Error::Certificate { .. }
            | Error::Redirect { .. }
            | Error::Remote { .. }
            | Error::Damaged { .. }
            | Error::NoCommit { .. }
            | Error::UnsafeEntry { .. }
            | Error::Submodule { .. }
            | Error::PipelineFile { .. }
            | Error::NotAWorkTree { .. }
            | Error::WorkTree { .. }
            | Error::Workspace { .. }
            | Error::Io { .. }
            | Error::Library(_) => false,
        }
    }

    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Error::Io { doing, path, source }
    }

    pub(super) fn damaged(dir: &Path) -> impl Fn(git2::Error) -> Self {
        move |error| Error::Damaged { dir: dir.to_owned(), why: told(error.message()) }
    }

    pub(super) fn work_tree(dir: &Path) -> impl Fn(git2::Error) -> Self {
        move |error| Error::WorkTree { dir: dir.to_owned(), why: told(error.message()) }
    }

    pub(super) fn workspace(dir: &Path) -> impl Fn(git2::Error) -> Self {
        move |error| Error::Workspace { dir: dir.to_owned(), why: told(error.message()) }
    }
}

/// Text of the library or of a remote, made fit for a sentence: one line, bounded.
pub(super) fn told(text: &str) -> String {
    const CHARS: usize = 300;
    let line =
        text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if line.chars().count() > CHARS { line.chars().take(CHARS).chain(['…']).collect() } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_remote_says_becomes_one_bounded_line_without_control_characters() {
        assert_eq!(told("remote:\n  \x1b[31mno\x07\r\n"), "remote: [31mno");
        assert_eq!(told(&"x".repeat(10_000)).chars().count(), 301);
    }

    #[test]
    fn only_the_network_is_worth_another_try() {
        let url = || "https://example.org/app".to_owned();
        assert!(Error::Unreachable { url: url(), why: String::new() }.is_transient());
        assert!(!Error::Authentication { url: url(), why: String::new() }.is_transient());
        assert!(!Error::Certificate { url: url() }.is_transient());
    }
}
