//! A Postgres server of a test's own: a fresh cluster in a temporary directory, on a free port, gone with the value.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use tempfile::TempDir;

/// A running server.
pub struct Server {
    process: Child,
    port: u16,
    programs: PathBuf,
    dir: TempDir,
}

impl Server {
    /// The directory with `initdb` and `postgres`, if this machine has them.
    pub fn programs() -> Option<PathBuf> {
        let on_path: Vec<_> = env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
        let mut of_debian: Vec<_> =
            fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|dir| dir.path().join("bin")).collect();
        of_debian.sort();
        of_debian.into_iter().rev().chain(on_path).find(|dir| dir.join("initdb").exists() && dir.join("postgres").exists())
    }

    /// Makes a cluster and starts it; returns once it takes connections.
    pub fn start(programs: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        if is_root() {
            let owner = owner();
            chown(dir.path(), Some(owner.0), Some(owner.1)).unwrap();
        }
        let made = as_owner(programs.join("initdb"))
            .args(["--auth=trust", "--username=gantry", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "initdb: {}{}",
            String::from_utf8_lossy(&made.stdout),
            String::from_utf8_lossy(&made.stderr)
        );
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut process = as_owner(programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(dir.path())
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-c", "fsync=off"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(process.stderr.take().unwrap());
        let (ready, wait) = mpsc::channel();
        // Reads on to the end, so that the server never waits for a reader.
        std::thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                let _ = ready.send(line);
            }
        });
        let mut lines = Vec::new();
        while !lines.last().is_some_and(|line: &String| line.contains("ready to accept connections")) {
            match wait.recv() {
                Ok(line) => lines.push(line),
                Err(_) => panic!("postgres did not start:\n{}", lines.join("\n")),
            }
        }
        Self { process, port, programs: programs.to_owned(), dir }
    }

    /// The address of one of its databases.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://gantry@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // At once, but in order: a killed server leaves shared memory behind.
        let stop = as_owner(self.programs.join("pg_ctl"))
            .args(["stop", "-m", "immediate", "-D"])
            .arg(self.dir.path().join("data"))
            .output();
        if !stop.is_ok_and(|stop| stop.status.success()) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// The user and group `postgres`: as root the server refuses to run.
fn owner() -> (u32, u32) {
    let id = |kind: &str| {
        let said = Command::new("id").args([kind, "postgres"]).output().unwrap();
        String::from_utf8_lossy(&said.stdout)
            .trim()
            .parse()
            .expect("as root, the tests need the user `postgres` that its package makes")
    };
    (id("-u"), id("-g"))
}

fn as_owner(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    // The server ends when the test is killed.
    command.args(["--pdeathsig", "TERM"]);
    if is_root() {
        let (user, group) = owner();
        command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()]);
    }
    command.arg("--").arg(program).env("LC_ALL", "C").stdin(Stdio::null());
    command
}
