//! A real `sshd` on loopback, with a host key, keys and a port of its own, and an `ssh` for whoever goes there. Needs Debian's `openssh-server` and
//! `openssh-client`.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

/// Ends when dropped.
pub struct Sshd {
    child: Child,
    /// Kept open: sshd writes its log there.
    _log: BufReader<ChildStderr>,
    pub port: u16,
    dir: tempfile::TempDir,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Sshd {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for key in ["host", "other", "user"] {
            let made =
                Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(dir.path().join(key)).status();
            assert!(made.expect("openssh-client is installed").success());
        }
        fs::copy(dir.path().join("user.pub"), dir.path().join("authorized")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let at = dir.path().display();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {at}/host\nAuthorizedKeysFile {at}/authorized\nStrictModes no\nUsePAM no\nPidFile none\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n"
        );
        fs::write(dir.path().join("config"), config).unwrap();
        // sshd as root insists on its empty directory, which the service makes otherwise.
        fs::create_dir_all("/run/sshd").ok();
        let child =
            Command::new("/usr/sbin/sshd").args(["-D", "-e", "-f"]).arg(dir.path().join("config")).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("sshd can be started: install openssh-server");
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("Server listening") {
            assert_ne!(log.read_line(&mut said).unwrap(), 0, "sshd ended: {said}");
        }
        let sshd = Self { child, _log: log, port, dir };
        // OpenSSH finds a user's files by the user, not by `HOME`: so this one is told where they are.
        let ssh = format!(
            "#!/bin/sh\nexec /usr/bin/ssh -F none -o UserKnownHostsFile={at}/known -o GlobalKnownHostsFile=none -o IdentitiesOnly=yes \
             -o IdentityAgent=none -i {at}/user \"$@\"\n",
            at = sshd.dir.path().display()
        );
        fs::create_dir(sshd.bin()).unwrap();
        fs::write(sshd.bin().join("ssh"), ssh).unwrap();
        fs::set_permissions(sshd.bin().join("ssh"), fs::Permissions::from_mode(0o755)).unwrap();
        sshd.trust("host");
        sshd
    }

    fn bin(&self) -> PathBuf {
        self.dir.path().join("bin")
    }

    /// For who goes there.
    pub fn path(&self) -> String {
        format!("{}:{}", self.bin().display(), std::env::var("PATH").unwrap())
    }

    /// This key is the one that is known.
    pub fn trust(&self, key: &str) {
        let key = fs::read_to_string(self.dir.path().join(format!("{key}.pub"))).unwrap();
        fs::write(self.dir.path().join("known"), format!("[127.0.0.1]:{} {key}", self.port)).unwrap();
    }

    /// No key is known.
    pub fn trust_nobody(&self) {
        fs::write(self.dir.path().join("known"), "").unwrap();
    }

    /// Nobody may come in.
    pub fn lock(&self) {
        fs::write(self.dir.path().join("authorized"), "").unwrap();
    }

    pub fn host(&self, socket: &Path) -> String {
        format!("ssh://127.0.0.1:{}{}", self.port, socket.display())
    }
}
