//! An engine behind ssh. One `ssh` of the system's own, with the user's own settings, keys, agent and known hosts, hands the engine's socket on to a
//! socket of ours, over which everything goes then: one login, and each request a channel of it.
//!
//! **Invariants, fail closed:** a host whose key is not known, or has changed, is refused, and nobody is ever asked for anything; our socket is in a
//! directory that only this user may enter; `ssh` ends with the connection, and also when this process is killed, since it reads from us.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::address::SshAt;

/// For the login.
const CONNECT: Duration = Duration::from_secs(20);
/// Said by the other side once it lets us in: by then the socket is handed on.
const READY: &str = "gantry-is-in";
/// Of what `ssh` says when it fails.
const SAID_BYTES: u64 = 16 * 1024;
/// What nobody may turn off in a configuration file: the command line comes first.
const OPTIONS: [&str; 12] = [
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "ExitOnForwardFailure=yes",
    "ConnectTimeout=10",
    "LogLevel=ERROR",
    // A connection that has died is noticed within a minute.
    "ServerAliveInterval=15",
    "ServerAliveCountMax=3",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "ControlMaster=no",
    "ControlPath=none",
];

/// A login that lasts as long as this does.
pub(super) struct Tunnel {
    /// Of our socket.
    pub socket: String,
    ssh: Child,
    /// The other side ends when this does.
    _alive: ChildStdin,
    /// Open, though nothing more comes: it need not find out what a closed one means.
    _answers: ChildStdout,
    _dir: tempfile::TempDir,
}

impl Tunnel {
    /// Logs in.
    ///
    /// # Errors
    /// A sentence.
    pub(super) async fn open(at: &SshAt) -> Result<Self, String> {
        let SshAt { destination, port, socket: there } = at;
        let dir = tempfile::Builder::new().prefix("gantry-ssh-").tempdir();
        let dir = dir.map_err(|error| format!("no directory can be made for its socket: {error}"))?;
        let here = dir.path().join("engine").display().to_string();
        let mut command = Command::new("ssh");
        command.arg("-T").args(OPTIONS.iter().flat_map(|option| ["-o", option]));
        if let Some(port) = port {
            command.arg("-p").arg(port.to_string());
        }
        command.arg("-L").arg(format!("{here}:{there}")).arg("--").arg(destination).arg(format!("echo {READY} && exec cat"));
        // A file, since nobody reads a pipe later on; it goes with the directory.
        let log_path = dir.path().join("said");
        let log = std::fs::File::create(&log_path).map_err(|error| format!("no file can be made for its words: {error}"))?;
        // The words of its errors are what there is to tell them apart by.
        command.env("LC_ALL", "C").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let mut ssh = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "there is no `ssh` on this machine; install the OpenSSH client".to_owned(),
            _ => format!("`ssh` cannot be started: {error}"),
        })?;
        let (Some(alive), Some(mut answers)) = (ssh.stdin.take(), ssh.stdout.take()) else {
            return Err("`ssh` has no streams".to_owned());
        };
        let login = async {
            if is_in(&mut answers).await {
                return Ok(());
            }
            let mut said = Vec::new();
            if let Ok(log) = tokio::fs::File::open(&log_path).await {
                let _ = log.take(SAID_BYTES).read_to_end(&mut said).await;
            }
            Err(sentence(&String::from_utf8_lossy(&said), destination))
        };
        match tokio::time::timeout(CONNECT, login).await {
            Ok(done) => done?,
            Err(_) => return Err("the login by ssh took too long".to_owned()),
        }
        Ok(Self { socket: here, ssh, _alive: alive, _answers: answers, _dir: dir })
    }

    /// Whether it has not ended yet.
    pub(super) fn is_open(&mut self) -> bool {
        matches!(self.ssh.try_wait(), Ok(None))
    }
}

/// Reads until the other side is there; false when it will never be. What a login script says before is passed over.
async fn is_in(stdout: impl AsyncRead + Unpin) -> bool {
    let mut lines = BufReader::new(stdout.take(SAID_BYTES)).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.trim_end() == READY {
            return true;
        }
    }
    false
}

/// What `ssh` says, in our words. It exits with 255 whatever it is.
fn sentence(said: &str, destination: &str) -> String {
    let host = destination.rsplit('@').next().unwrap_or(destination);
    let has = |words: &str| said.contains(words);
    if has("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        return format!(
            "the key of `{host}` is not the one that this user knows: it may be another machine. If it was changed on purpose, remove the old one with \
             `ssh-keygen -R {host}` and add the new one"
        );
    }
    if has("REVOKED HOST KEY") || has("is revoked") {
        return format!("the key of `{host}` is marked as revoked");
    }
    if has("Host key verification failed") || has("host key is known for") {
        return format!(
            "the key of `{host}` is not known to this user: log in once by hand, or add it with `ssh-keyscan` to ~/.ssh/known_hosts after comparing it"
        );
    }
    if has("Permission denied") || has("Too many authentication failures") {
        return format!(
            "`{host}` takes none of this user's ssh keys; add one to ~/.ssh/authorized_keys there (nobody is here to type a password)"
        );
    }
    if has("Could not resolve hostname") {
        return format!("there is no machine called `{host}`");
    }
    if has("Connection refused") {
        return format!("nobody listens for ssh at `{host}`: connection refused");
    }
    if has("timed out") {
        return format!("`{host}` does not answer by ssh");
    }
    if has("forwarding") {
        return format!("`{host}` hands no sockets on by ssh (`AllowStreamLocalForwarding` there)");
    }
    match said.lines().rev().map(str::trim).find(|line| !line.is_empty()) {
        Some(last) => format!("ssh says: {last}"),
        None => "ssh ended without a word".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_says_is_told_in_our_words() {
        for (said, words) in [
            ("@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.\n", "ssh-keygen -R build"),
            (
                "No ED25519 host key is known for build and you have requested strict checking.\nHost key verification failed.\n",
                "not known",
            ),
            ("ci@build: Permission denied (publickey).\n", "none of this user's ssh keys"),
            ("ssh: Could not resolve hostname build: Name or service not known\n", "no machine called `build`"),
            ("ssh: connect to host build port 22: Connection refused\n", "connection refused"),
            ("kex_exchange_identification: banner line contains invalid characters\n\n", "ssh says: kex_exchange"),
            ("", "without a word"),
        ] {
            let told = sentence(said, "ci@build");
            assert!(told.contains(words), "{said}: {told}");
        }
    }

    #[tokio::test]
    async fn what_a_login_script_says_is_no_login() {
        assert!(is_in("welcome\r\ngantry-is-in\nmore".as_bytes()).await);
        assert!(!is_in("gantry-is-in-not\n".as_bytes()).await);
        assert!(!is_in("".as_bytes()).await);
    }
}
