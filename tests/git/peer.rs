//! Repositories made by the real Git, which is also who judges what Gantry makes. Nothing of this machine's or user's configuration matters.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{fs, io::Write};

use tempfile::TempDir;

/// A repository in a directory that goes with it.
pub struct Peer {
    pub dir: PathBuf,
    root: TempDir,
}

impl Peer {
    /// A work tree on `main` without a commit.
    pub fn new() -> Self {
        let root = TempDir::new().expect("a temporary directory");
        let dir = root.path().canonicalize().expect("its path").join("peer");
        fs::create_dir(&dir).expect("a directory");
        let peer = Self { dir, root };
        peer.git(&["init", "-q", "-b", "main"]);
        peer
    }

    /// With one commit that holds these files.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let peer = Self::new();
        peer.commit(files);
        peer
    }

    /// Where this test may put other things.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.root.path().canonicalize().expect("its path").join(name)
    }

    pub fn url(&self) -> String {
        self.dir.to_str().expect("a plain path").to_owned()
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        git(&self.dir, arguments)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.dir.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    /// Writes the files, adds everything, commits, and returns the commit's id.
    pub fn commit(&self, files: &[(&str, &str)]) -> String {
        for (path, text) in files {
            self.write(path, text);
        }
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "A change"]);
        self.head()
    }

    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// Runs a plumbing command on given input, as for trees that no porcelain makes.
    pub fn plumb(&self, arguments: &[&str], input: &[u8]) -> String {
        let mut child = command(&self.dir, arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("git starts");
        child.stdin.take().expect("its stdin").write_all(input).expect("its input");
        told(arguments, child.wait_with_output().expect("git ends"))
    }

    /// A raw tree object of (mode, name, id), unchecked, and a commit of it on `main`.
    pub fn commit_raw_tree(&self, entries: &[(&str, &[u8], &str)]) -> String {
        let mut raw = Vec::new();
        for (mode, name, id) in entries {
            raw.extend_from_slice(mode.as_bytes());
            raw.push(b' ');
            raw.extend_from_slice(name);
            raw.push(0);
            raw.extend(hex::decode(id).expect("an id"));
        }
        let tree = self.plumb(&["hash-object", "-t", "tree", "-w", "--stdin", "--literally"], &raw);
        let commit = self.git(&["commit-tree", "-m", "raw", &tree]);
        self.git(&["update-ref", "refs/heads/main", &commit]);
        commit
    }
}

pub fn command(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(dir).args(arguments);
    for (name, value) in [
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_AUTHOR_NAME", "Ann Other"),
        ("GIT_AUTHOR_EMAIL", "ann@example.org"),
        ("GIT_COMMITTER_NAME", "Ann Other"),
        ("GIT_COMMITTER_EMAIL", "ann@example.org"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("LC_ALL", "C"),
    ] {
        command.env(name, value);
    }
    command.env_remove("GIT_DIR").env_remove("GIT_WORK_TREE").env_remove("GIT_INDEX_FILE");
    command
}

/// What real Git answers, without the last newline. Fails the test when Git does.
pub fn git(dir: &Path, arguments: &[&str]) -> String {
    told(arguments, command(dir, arguments).output().expect("git is installed"))
}

fn told(arguments: &[&str], output: Output) -> String {
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
}
