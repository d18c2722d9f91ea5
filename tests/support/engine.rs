//! A Docker engine of the test's own, to be stopped, killed and started at will. It lives in a network, mount and process namespace of its own, so that
//! the machine's engine and its packet filter are left alone, and nothing of it outlives the namespace. Needs root, `dockerd` and util-linux.
//!
//! **Invariant:** the namespace outlives the engine as a machine does: what a killed engine leaves running, the next one finds.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::process::IMAGE;

/// Times [`PAUSE`]: a minute.
const PATIENCE: u32 = 600;
const PAUSE: Duration = Duration::from_millis(100);

/// The first process of the namespace: it reaps those whose parents were killed.
const REAPER: &str = "while :; do sleep 1000 & wait; done";

pub struct OwnEngine {
    dir: tempfile::TempDir,
    machine: Child,
    dockerd: Option<Child>,
    /// How else it is told to be.
    options: Vec<String>,
    /// What it listens at in this machine's network, which it is not in.
    listener: Option<TcpListener>,
}

impl OwnEngine {
    /// Its machine, so to say; the engine itself is not started yet.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("daemon.json"), "{}").unwrap();
        // Of its containerd; nobody else makes it.
        std::fs::create_dir(dir.path().join("run")).unwrap();
        // Goes away also when the test is killed.
        let machine = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["sh", "-c", REAPER])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("this test needs util-linux");
        Self { dir, machine, dockerd: None, options: Vec::new(), listener: None }
    }

    /// One that also listens over TLS, at a port of this machine's loopback, with the certificate, key and authority in `certs`.
    pub fn with_tls(listener: TcpListener, certs: &Path) -> Self {
        let file = |option: &str, name: &str| format!("--{option}={}", certs.join(name).display());
        let mut options = ["--host=fd://", "--tlsverify"].map(str::to_owned).to_vec();
        options.extend([file("tlscacert", "ca.pem"), file("tlscert", "engine.pem"), file("tlskey", "engine.key")]);
        let mut engine = Self::new();
        (engine.options, engine.listener) = (options, Some(listener));
        engine
    }

    /// Nothing that this machine puts into a directory is seen by the engine from now on.
    pub fn hide(&self, dir: &Path) {
        let mounted = self.inside().args(["mount", "-t", "tmpfs", "hidden"]).arg(dir).status().unwrap();
        assert!(mounted.success());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// As in `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.path("sock").display())
    }

    /// Path of its socket.
    pub fn socket(&self) -> PathBuf {
        self.path("sock")
    }

    /// What the engine said.
    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// A command inside the namespace.
    fn inside(&self) -> Command {
        let machine = self.machine.id();
        let children = || std::fs::read_to_string(format!("/proc/{machine}/task/{machine}/children")).unwrap_or_default();
        wait("no namespace could be made: this test needs root", || !children().trim().is_empty());
        let mut command = Command::new("nsenter");
        command.args(["--target", children().trim(), "--net", "--mount", "--pid"]);
        command
    }

    /// Starts it and waits until it answers; it has the test image then.
    pub fn start(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        let mut command = self.inside();
        // Handed over as an init system does it, for a listener.
        command.args(["sh", "-c", "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"", "sh"]);
        command.args(["dockerd", "--host", &self.host()]);
        for (option, name) in [("data-root", "data"), ("exec-root", "exec"), ("pidfile", "pid"), ("config-file", "daemon.json")] {
            command.arg(format!("--{option}")).arg(self.path(name));
        }
        command.args(&self.options);
        // A containerd of its own too: the machine's may be shared with its engine.
        command.env("XDG_RUNTIME_DIR", self.path("run")).stdout(log.try_clone().unwrap()).stderr(log);
        command.stdin(match &self.listener {
            Some(listener) => Stdio::from(OwnedFd::from(listener.try_clone().unwrap())),
            None => Stdio::null(),
        });
        self.dockerd = Some(command.spawn().unwrap());
        let answers = || docker(&self.host(), &["version"]).0.success();
        for _ in 0..PATIENCE {
            if answers() {
                break;
            }
            std::thread::sleep(PAUSE);
        }
        assert!(answers(), "no engine: this test needs root and `dockerd`\n{}", self.log());
        if !docker(&self.host(), &["image", "inspect", IMAGE]).0.success() {
            let script = format!("docker save {IMAGE} | docker --host {} load", self.host());
            let loaded = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert!(loaded.status.success(), "run .ci/docker-up: {}", String::from_utf8_lossy(&loaded.stderr));
        }
    }

    /// SIGTERM: it ends its containers, then itself.
    pub fn stop(&mut self) {
        self.end("TERM");
    }

    /// SIGKILL: its containers go on until the next one finds them.
    pub fn kill(&mut self) {
        self.end("KILL");
    }

    fn end(&mut self, signal: &str) {
        let Some(mut dockerd) = self.dockerd.take() else { return };
        // Its number in its own namespace.
        let pid = std::fs::read_to_string(self.path("pid")).unwrap();
        let sent = self.inside().args(["kill", &format!("-{signal}"), pid.trim()]).status().unwrap();
        assert!(sent.success());
        dockerd.wait().unwrap();
        // A killed engine cannot remove it, and its number may be that of another process next time.
        let _ = std::fs::remove_file(self.path("pid"));
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
        // With the first process of a namespace all others end; both may have ended already.
        let _ = self.machine.kill();
        let _ = self.machine.wait();
        if let Some(mut dockerd) = self.dockerd.take() {
            let _ = dockerd.wait();
        }
    }
}

fn wait(what: &str, mut until: impl FnMut() -> bool) {
    for _ in 0..PATIENCE {
        if until() {
            return;
        }
        std::thread::sleep(PAUSE);
    }
    panic!("{what}");
}

/// The client; its status and stdout.
pub fn docker(host: &str, args: &[&str]) -> (ExitStatus, String) {
    let output =
        Command::new("docker").arg("--host").arg(host).args(args).output().expect("the docker client: run .ci/docker-up");
    (output.status, String::from_utf8(output.stdout).unwrap())
}
