//! `gantry shell` with real Docker: the real binary on a real terminal.

#[path = "support/process.rs"]
mod process;
#[path = "support/mod.rs"]
mod support;

use std::process::{Command, Stdio};
use std::time::Duration;

use gantry::base::Tasks;
use process::{IMAGE, Served};
use support::{PATIENCE, Remote};

/// Plays the person in front of the terminal, since Rust's own library has none: waits for words, types keys, and says at the end how the terminal was left and
/// what the command ended with.
const PERSON: &str = r##"
import fcntl, os, pty, select, struct, sys, termios, time
keys = [("# ", "stty size\n"), ("33 111", "echo in:$CI_JOB_NAME:$TERM\n"), ("in:gantry:xterm", "SIZE"), ("# ", "echo go''ing; sleep 1000\n"),
        ("going", "\x03"), ("^C", "stty size\n"), ("22 77", "env; echo all\n"), ("all\r\n", "exit 7\n")]
def size(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
master, slave = pty.openpty()
size(master, 33, 111)
before = termios.tcgetattr(slave)
child = os.fork()
if child == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2):
        os.dup2(slave, fd)
    os.execv(sys.argv[1], sys.argv[1:])
seen, at, end = "", 0, time.time() + 60
for words, typed in keys:
    while words not in seen[at:]:
        if time.time() > end:
            sys.exit("waited in vain for %r in %r" % (words, seen))
        if select.select([master], [], [], 1)[0]:
            seen += os.read(master, 65536).decode(errors="replace")
    at += seen[at:].index(words) + len(words)
    if typed == "SIZE":
        size(master, 22, 77)
    else:
        os.write(master, typed.encode())
while time.time() < end:
    done, status = os.waitpid(child, os.WNOHANG)
    if done:
        break
    if select.select([master], [], [], 0.1)[0]:
        seen += os.read(master, 65536).decode(errors="replace")
print(seen)
print("terminal as before:", termios.tcgetattr(slave) == before)
sys.exit(os.WEXITSTATUS(status) if done and os.WIFEXITED(status) else "it did not exit")
"##;

fn pipeline() -> String {
    format!("image: {IMAGE}\nsteps:\n  - name: long\n    run: echo ready; sleep 600\n")
}

#[tokio::test]
async fn a_terminal_in_a_running_step_is_one_like_any_other() {
    let served = Served::start();
    let remote = Remote::with(&pipeline());
    served.add_repo("shop", &remote.url()).await;
    let run = served.step_is("shop", 1, 0, "running").await;
    served.said(&run, "gantry", "long", "ready").await;
    let url = served.url.clone();
    let person = Tasks::default().spawn_blocking(move || {
        let gantry = env!("CARGO_BIN_EXE_gantry");
        Command::new("python3")
            .args(["-c", PERSON, gantry, "--server", &url, "shell", "shop#1", "gantry", "--as", "ada"])
            .output()
            .unwrap()
    });
    let done = tokio::time::timeout(PATIENCE * 2, person).await.unwrap().unwrap();
    let (seen, wrong) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert_eq!(done.status.code(), Some(7), "the exit code is the shell's: {seen}\n{wrong}\n{}", served.log());
    assert!(seen.contains("terminal as before: True"), "{seen}");
    let run = served.run("shop", 1).await.unwrap();
    let kept = served.get(&format!("/api/v1/runs/{}/terminals", run["id"].as_str().unwrap())).await;
    assert_eq!((&kept["items"][0]["who"], &kept["items"][0]["exit_code"]), (&"ada".into(), &7.into()), "{kept}");
    assert_eq!(run["state"], "running", "the step goes on");
}

#[tokio::test]
async fn a_client_that_is_killed_leaves_no_shell_in_the_container() {
    let served = Served::start();
    let remote = Remote::with(&pipeline());
    served.add_repo("shop", &remote.url()).await;
    let run = served.step_is("shop", 1, 0, "running").await;
    served.said(&run, "gantry", "long", "ready").await;
    // Out of a pipe that stays open.
    let mut client = Command::new(env!("CARGO_BIN_EXE_gantry"))
        .args(["--server", &served.url, "shell", "shop#1", "gantry", "long"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(client.stdin.as_mut().unwrap(), b"sleep 54321\n").unwrap();
    let container = process::docker_names(None, served.data.path()).into_iter().find(|name| name.ends_with("-0-0-1")).unwrap();
    let sleeps = || {
        let listed = Command::new("docker").args(["top", &container, "-eo", "pid,args"]).output().unwrap();
        String::from_utf8_lossy(&listed.stdout).contains("sleep 54321")
    };
    let until = async |wanted: bool| {
        let looked = tokio::time::timeout(PATIENCE, async {
            while sleeps() != wanted {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        assert!(looked.await.is_ok(), "sleep in the container: {}\n{}", !wanted, served.log());
    };
    until(true).await;
    client.kill().unwrap();
    client.wait().unwrap();
    until(false).await;
}
