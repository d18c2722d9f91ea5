//! Fetching by ssh from a real `sshd` on loopback, with its own host key, configuration and port. Needs Debian's `openssh-server` and
//! `openssh-client`.
//!
//! What counts as known and as a key is found in the home directory, and libgit2 looks it up once in a process; so each fetch is made by this
//! very binary, started again (`the_fetch_itself`) with the home the test made.

#[path = "git/peer.rs"]
#[expect(dead_code, reason = "the other test binary needs more of it")]
mod peer;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use gantry::git::{Credentials, Mirror};
use peer::Peer;

/// A server for one test. It ends with it.
struct Sshd {
    child: Child,
    /// Kept open: sshd writes its log there.
    _log: BufReader<ChildStderr>,
    port: u16,
    /// The home of who fetches.
    home: PathBuf,
    peer: Peer,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.child.kill().expect("sshd can be ended");
        self.child.wait().expect("sshd ends");
    }
}

fn keygen(file: &Path, arguments: &[&str]) {
    let status =
        Command::new("ssh-keygen").args(["-q", "-f"]).arg(file).args(arguments).status().expect("openssh-client is installed");
    assert!(status.success(), "ssh-keygen {arguments:?}");
}

fn sshd() -> Sshd {
    let peer = Peer::with(&[("a", "1")]);
    let (home, etc) = (peer.beside("home"), peer.beside("etc"));
    fs::create_dir_all(home.join(".ssh")).unwrap();
    fs::create_dir(&etc).unwrap();
    keygen(&etc.join("host"), &["-t", "ed25519", "-N", ""]);
    keygen(&home.join(".ssh/id_ed25519"), &["-t", "ed25519", "-N", ""]);
    fs::copy(home.join(".ssh/id_ed25519.pub"), etc.join("authorized")).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let etc = etc.display();
    let config = format!(
        "ListenAddress 127.0.0.1:{port}\nHostKey {etc}/host\nAuthorizedKeysFile {etc}/authorized\nStrictModes no\nUsePAM no\nPidFile none\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n"
    );
    fs::write(peer.beside("etc/config"), config).unwrap();
    if fs::metadata("/run").is_ok() && !Path::new("/run/sshd").exists() {
        // sshd as root insists on its empty directory, which the service makes otherwise.
        fs::create_dir_all("/run/sshd").ok();
    }
    let mut child = Command::new("/usr/sbin/sshd")
        .args(["-D", "-e", "-f"])
        .arg(peer.beside("etc/config"))
        .stderr(Stdio::piped())
        .spawn()
        .expect("sshd can be started: install openssh-server");
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("Server listening") {
        assert_ne!(log.read_line(&mut said).unwrap(), 0, "sshd ended: {said}");
    }
    Sshd { child, _log: log, port, home, peer }
}

impl Sshd {
    fn trust(&self, file: &str) {
        let key = fs::read_to_string(self.peer.beside(file)).unwrap();
        fs::write(self.home.join(".ssh/known_hosts"), format!("[127.0.0.1]:{} {key}", self.port)).unwrap();
    }

    fn url(&self) -> String {
        format!("ssh://{}@127.0.0.1:{}{}", me(), self.port, self.peer.dir.display())
    }

    /// What a fetch says: `ok` and the refs, or the error's sentence.
    fn fetch(&self, url: &str) -> String {
        let answer = self.peer.beside("answer");
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "the_fetch_itself", "--test-threads=1"])
            .env("HOME", &self.home)
            .env("GANTRY_TEST_URL", url)
            .env("GANTRY_TEST_MIRROR", self.peer.beside("mirror"))
            .env("GANTRY_TEST_ANSWER", &answer)
            .env_remove("SSH_AUTH_SOCK")
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        fs::read_to_string(answer).expect("the fetch answers")
    }
}

fn me() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
#[ignore = "started by the other tests, with a home directory of their making"]
fn the_fetch_itself() {
    let given = |name: &str| std::env::var(name).expect("started by another test");
    let mirror = Mirror::open(Path::new(&given("GANTRY_TEST_MIRROR"))).unwrap();
    let answer = match mirror.fetch(&given("GANTRY_TEST_URL"), &Credentials::default()) {
        Ok(snapshot) => format!("ok {:?} {:?}", snapshot.default_branch, snapshot.refs),
        Err(error) => error.to_string(),
    };
    fs::write(given("GANTRY_TEST_ANSWER"), answer).unwrap();
}

#[test]
fn a_known_host_and_a_key_file_are_enough() {
    let sshd = sshd();
    sshd.trust("etc/host.pub");
    let told = sshd.fetch(&sshd.url());
    assert!(told.starts_with("ok Some(\"main\")") && told.contains(&sshd.peer.head()), "{told}");
    let new = sshd.peer.commit(&[("a", "2")]);
    assert!(sshd.fetch(&sshd.url()).contains(&new));
}

#[test]
fn an_unknown_host_is_refused_with_its_fingerprint_and_what_to_do() {
    let sshd = sshd();
    let fingerprint = Command::new("ssh-keygen").arg("-lf").arg(sshd.peer.beside("etc/host.pub")).output().unwrap();
    let fingerprint = String::from_utf8(fingerprint.stdout).unwrap().split(' ').nth(1).unwrap().to_owned();
    let told = sshd.fetch(&sshd.url());
    assert!(
        told.contains("is not in ~/.ssh/known_hosts") && told.contains("ssh-keyscan") && told.contains(&fingerprint),
        "{told}"
    );
}

#[test]
fn a_changed_host_key_is_refused_even_when_the_rest_is_right() {
    let sshd = sshd();
    keygen(&sshd.peer.beside("etc/other"), &["-t", "ed25519", "-N", ""]);
    sshd.trust("etc/other.pub");
    let told = sshd.fetch(&sshd.url());
    assert!(told.contains("is not the one in line 1") && told.contains("ssh-keygen -R"), "{told}");
}

#[test]
fn a_hashed_known_host_is_honoured() {
    let sshd = sshd();
    sshd.trust("etc/host.pub");
    keygen(&sshd.home.join(".ssh/known_hosts"), &["-H"]);
    assert!(fs::read_to_string(sshd.home.join(".ssh/known_hosts")).unwrap().starts_with("|1|"));
    let told = sshd.fetch(&sshd.url());
    assert!(told.starts_with("ok "), "{told}");
}

#[test]
fn a_revoked_host_key_is_refused() {
    let sshd = sshd();
    sshd.trust("etc/host.pub");
    let file = sshd.home.join(".ssh/known_hosts");
    let key = fs::read_to_string(sshd.peer.beside("etc/host.pub")).unwrap();
    fs::write(&file, format!("{}@revoked * {key}", fs::read_to_string(&file).unwrap())).unwrap();
    let told = sshd.fetch(&sshd.url());
    assert!(told.contains("marked as revoked"), "{told}");
}

#[test]
fn keys_that_are_not_taken_or_have_a_passphrase_end_in_a_sentence_not_in_a_loop() {
    let sshd = sshd();
    sshd.trust("etc/host.pub");
    fs::write(sshd.peer.beside("etc/authorized"), "").unwrap();
    let told = sshd.fetch(&sshd.url());
    assert!(told.contains("took none of the keys"), "{told}");
    keygen(&sshd.home.join(".ssh/id_ed25519"), &["-p", "-N", "passphrase"]);
    let told = sshd.fetch(&sshd.url());
    assert!(told.contains("there is none to offer"), "{told}");
}

#[test]
fn a_key_that_does_not_parse_does_not_stand_in_the_way_of_the_next() {
    let sshd = sshd();
    sshd.trust("etc/host.pub");
    let (good, bad) = (sshd.home.join(".ssh/id_rsa"), sshd.home.join(".ssh/id_ed25519"));
    fs::rename(&bad, &good).unwrap();
    fs::write(&bad, "-----BEGIN RSA PRIVATE KEY-----\nbm9uc2Vuc2U=\n-----END RSA PRIVATE KEY-----\n").unwrap();
    fs::set_permissions(&bad, fs::Permissions::from_mode(0o600)).unwrap();
    let told = sshd.fetch(&sshd.url());
    assert!(told.starts_with("ok "), "{told}");
}

#[test]
fn a_repository_that_is_not_there_is_told() {
    let sshd = sshd();
    sshd.trust("etc/host.pub");
    let told = sshd.fetch(&format!("{}-gone", sshd.url()));
    assert!(told.contains("nothing can be fetched from it") && told.contains("not appear to be a git repository"), "{told}");
}
