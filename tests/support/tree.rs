//! A work tree as people have it, and the real binary called in it.
//!
//! **Invariant:** every call has a temporary directory of its own, so that what it leaves behind can be seen.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::UNIX_EPOCH;

use crate::support::{PATIENCE, git};

/// A fresh Git repository with a work tree.
pub struct Tree {
    pub dir: tempfile::TempDir,
    /// `TMPDIR` of everything called here.
    pub temp: tempfile::TempDir,
    /// Where calls keep caches.
    pub cache: tempfile::TempDir,
}

/// How a call ended.
pub struct Called {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Tree {
    /// One whose files are committed on `main`.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let tree = Self::bare(files);
        tree.git(&["init", "--quiet", "--initial-branch=main", "."]);
        tree.git(&["add", "--all"]);
        tree.git(&["commit", "--quiet", "--allow-empty", "-m", "first"]);
        tree
    }

    /// A directory without Git.
    pub fn bare(files: &[(&str, &str)]) -> Self {
        let tree =
            Self { dir: tempfile::tempdir().unwrap(), temp: tempfile::tempdir().unwrap(), cache: tempfile::tempdir().unwrap() };
        for (path, text) in files {
            tree.write(path, text);
        }
        tree
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn git(&self, args: &[&str]) -> String {
        git(self.path(), args)
    }

    /// The binary, to be called here.
    pub fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gantry"));
        command
            .args(args)
            .current_dir(self.path())
            .env("TMPDIR", self.temp.path())
            .env("GANTRY_CACHE", self.cache.path())
            .stdin(Stdio::null());
        for of_the_caller in ["GANTRY_EXECUTOR", "GANTRY_LOG", "GANTRY_SERVER", "CI_COMMIT_BRANCH"] {
            command.env_remove(of_the_caller);
        }
        command
    }

    /// Calls it and waits for its end.
    pub fn call(&self, args: &[&str]) -> Called {
        Called::of(self.command(args))
    }

    /// Every file with its size and time of change, `.git` included: two that are alike were not touched in between.
    pub fn inventory(&self) -> BTreeMap<PathBuf, (u64, u128)> {
        let mut found = BTreeMap::new();
        let mut open = vec![self.path().to_owned()];
        while let Some(dir) = open.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                let meta = path.symlink_metadata().unwrap();
                found.insert(path.clone(), (meta.len(), meta.modified().unwrap().duration_since(UNIX_EPOCH).unwrap().as_nanos()));
                if meta.is_dir() {
                    open.push(path);
                }
            }
        }
        found
    }

    /// What the calls left in the temporary directory.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.temp.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

impl Called {
    /// Calls and waits for the end.
    pub fn of(mut command: Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Fails with all that was said, if the code is another.
    #[track_caller]
    pub fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// The lines that hold this text.
    pub fn lines_with(&self, text: &str) -> Vec<&str> {
        self.stdout.lines().filter(|line| line.contains(text)).collect()
    }

    /// At which line of stdout this text is; fails if it is nowhere.
    #[track_caller]
    pub fn line_of(&self, text: &str) -> usize {
        let found = self.stdout.lines().position(|line| line.contains(text));
        found.unwrap_or_else(|| panic!("nowhere: {text}\n{}\n{}", self.stdout, self.stderr))
    }
}

/// A call that goes on, its lines read as they come.
pub struct Going {
    child: Child,
    lines: Receiver<String>,
    heard: Vec<String>,
    readers: Vec<JoinHandle<()>>,
}

impl Going {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, lines) = channel();
        let read = |from: Box<dyn Read + Send>| {
            let tell = tell.clone();
            let lines = move || BufReader::new(from).lines().map_while(Result::ok).for_each(|line| tell.send(line).unwrap_or(()));
            std::thread::spawn(lines)
        };
        let readers = vec![read(Box::new(child.stdout.take().unwrap())), read(Box::new(child.stderr.take().unwrap()))];
        Self { child, lines, heard: Vec::new(), readers }
    }

    /// Waits until a line holds this text.
    #[track_caller]
    pub fn until(&mut self, text: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("it never said `{text}`; it said:\n{}", self.heard.join("\n"));
            };
            self.heard.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end: the exit code, and all lines of stdout and stderr.
    pub fn end(mut self) -> (i32, Vec<String>) {
        let status = self.child.wait().unwrap();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        self.heard.extend(self.lines.try_iter());
        (status.code().unwrap_or(-1), std::mem::take(&mut self.heard))
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        // It has ended, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
