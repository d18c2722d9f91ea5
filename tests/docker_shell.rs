//! Terminals with real Docker: `gantry shell` on a real terminal, and the page in a real browser.

#[path = "support/browser.rs"]
mod browser;
#[path = "support/process.rs"]
mod process;
#[path = "support/mod.rs"]
mod support;

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use browser::Browser;
use gantry::base::{Clock, Tasks};
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

/// `layered` stands on a kept base; `plain`, which has a cache, is checked out by itself.
fn failing() -> String {
    let steps = "      - name: make\n        run: mkdir dir && echo made > dir/made && echo FOUND=it >> $GANTRY_ENV\nCACHE      - name: test\n        secrets: [TOKEN]\n        env: { OWN: o }\n        run: echo half > half; exit 3\n";
    let cache = "        cache: { key: k, paths: [dir] }\n";
    format!(
        "defaults: {{ image: \"{IMAGE}\" }}\njobs:\n  layered:\n    steps:\n{}  plain:\n    steps:\n{}",
        steps.replace("CACHE", ""),
        steps.replace("CACHE", cache)
    )
}

/// `gantry shell` with these lines typed into it; what it showed, and its exit code.
fn typed(url: &str, job: &str, lines: &'static str) -> (String, Option<i32>) {
    let mut client = Command::new(env!("CARGO_BIN_EXE_gantry"))
        .args(["--server", url, "shell", "shop#1", job])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(client.stdin.as_mut().unwrap(), lines.as_bytes()).unwrap();
    let done = client.wait_with_output().unwrap();
    (String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr), done.status.code())
}

/// `gantry shell` into which nobody types.
fn left_open(url: &str, job: &str) -> Child {
    let mut client = Command::new(env!("CARGO_BIN_EXE_gantry"));
    client.args(["--server", url, "shell", "shop#1", job]);
    client.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn terminals(served: &Served) -> Vec<String> {
    process::docker_names(None, served.data.path()).into_iter().filter(|name| name.contains("-terminal-")).collect()
}

/// Waits until as many containers for terminals are there.
async fn terminals_are(served: &Served, wanted: usize) {
    let looked = tokio::time::timeout(PATIENCE, async {
        while terminals(served).len() != wanted {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    assert!(looked.await.is_ok(), "{:?} instead of {wanted}\n{}", terminals(served), served.log());
}

#[tokio::test]
async fn what_a_failed_job_left_is_looked_into_from_a_fresh_container() {
    let mut served = Served::start();
    served.keep_address();
    let remote = Remote::with(&failing());
    served.set_secret("/api/v1/secrets/TOKEN", "hunter2-hunter3").await;
    served.add_repo("shop", &remote.url()).await;
    let all_kept = |run: &serde_json::Value| (0..2).all(|job| run["jobs"][job]["kept_until"].is_i64());
    served.until("both work trees to be kept", "shop", 1, all_kept).await;
    served.nothing_left().await;
    let run = async |job: &'static str, lines: &'static str| {
        let url = served.url.clone();
        tokio::time::timeout(PATIENCE, Tasks::default().spawn_blocking(move || typed(&url, job, lines))).await.unwrap().unwrap()
    };
    for job in ["layered", "plain"] {
        let (seen, code) = run(
            job,
            "stty -echo; cat dir/made half /gantry/script\necho \"$FOUND:$OWN:[$TOKEN]:$PWD:$CI_STEP_NAME:$(git --version 2>&1 | wc -l)\"\necho more > added; exit 5\n",
        )
        .await;
        assert_eq!(code, Some(5), "{job}: {seen}\n{}", served.log());
        for words in ["made\r\nhalf\r\necho half > half; exit 3", "it:o:[]:/workspace:test:"] {
            assert!(seen.contains(words), "{job}: {words:?} in {seen}");
        }
        served.nothing_left().await;
    }
    // One that is open when the server dies.
    let mut client = left_open(&served.url, "layered");
    terminals_are(&served, 1).await;
    served.kill();
    client.wait().unwrap();
    served.boot();
    terminals_are(&served, 0).await;
    served.nothing_left().await;
    let url = served.url.clone();
    let (seen, code) = Tasks::default().spawn_blocking(move || typed(&url, "layered", "cat added; exit 0\n")).await.unwrap();
    assert!(code == Some(0) && seen.contains("more"), "it is still there: {seen}\n{}", served.log());
    // Whoever is killed leaves none.
    let mut client = left_open(&served.url, "plain");
    terminals_are(&served, 1).await;
    let killed = Clock::System.now();
    client.kill().unwrap();
    client.wait().unwrap();
    terminals_are(&served, 0).await;
    assert!(Clock::System.now().ms_since(killed) < 30_000, "at once, not by the next comparison");
    served.nothing_left().await;
    let run = served.run("shop", 1).await.unwrap();
    let kept = served.get(&format!("/api/v1/runs/{}/terminals", run["id"].as_str().unwrap())).await;
    let reasons: Vec<_> = kept["items"].as_array().unwrap().iter().map(|row| row["reason"].as_str().unwrap_or("open")).collect();
    let expected = ["its shell exited with 5", "its shell exited with 5", "the server ended", "its shell exited with 0"];
    assert_eq!(reasons[..4], expected);
    assert!(["whoever had it went away", "the connection broke"].contains(&reasons[4]), "{reasons:?}");
}

/// A job that fails until there is a file `fixed`; its first step counts how often it ran.
fn mended() -> String {
    let steps = "      - name: make\n        run: echo ran >> count; echo FOUND=it >> $GANTRY_ENV; echo v=1 >> $GANTRY_OUTPUT\nCACHE      - name: test\n        env: { OUT: \"${{ steps.make.outputs.v }}\" }\n        run: test -f fixed || exit 3; echo \"$(wc -l < count) $FOUND $OUT $(git rev-parse HEAD | wc -c)\"\n      - { name: after, run: test -f fixed }\n";
    let cache = "        cache: { key: k, paths: [dir] }\n";
    format!(
        "defaults: {{ image: \"{IMAGE}\" }}\njobs:\n  layered:\n    steps:\n{}  plain:\n    needs: [layered]\n    when: always\n    steps:\n{}",
        steps.replace("CACHE", ""),
        steps.replace("CACHE", cache)
    )
    .replace("$(git rev-parse HEAD | wc -c)", "$(test -f .git/HEAD && echo git)")
}

#[tokio::test]
async fn a_run_goes_on_from_a_step_in_the_tree_that_was_mended_by_hand() {
    let mut served = Served::start();
    served.keep_address();
    let remote = Remote::with(&mended());
    served.add_repo("shop", &remote.url()).await;
    let all_kept = |run: &serde_json::Value| run["state"] == "ended" && (0..2).all(|job| run["jobs"][job]["kept_until"].is_i64());
    let first = served.until("both work trees to be kept", "shop", 1, all_kept).await;
    let url = served.url.clone();
    let (seen, code) = Tasks::default().spawn_blocking(move || typed(&url, "layered", "touch fixed; exit 0\n")).await.unwrap();
    assert_eq!(code, Some(0), "{seen}");
    let path = format!("/api/v1/runs/{}/rerun", first["id"].as_str().unwrap());
    let (status, again) = served.post(&path, serde_json::json!({ "from": "layered/test" })).await;
    assert_eq!(status, 201, "{again}");
    // Wherever that finds it.
    served.kill();
    served.boot();
    let second = served.ended("shop", 2).await;
    let job = &second["jobs"][0];
    assert_eq!(
        (&job["outcome"], &job["steps"][0]["taken_from"]["number"]),
        (&"passed".into(), &1.into()),
        "{second:#}\n{}",
        served.log()
    );
    let log = served.log_of(&second, "layered", "test").await;
    assert!(log.iter().any(|(_, line)| line == "1 it 1 git"), "{log:?}");
    assert!(log.iter().any(|(_, line)| line.contains("goes on in the work tree")), "{log:?}");
    assert_eq!(second["jobs"][1]["outcome"], "failed", "nobody mended that one, and it needs what ran again");
    // What passed leaves nothing; the old run has no tree any more.
    served.nothing_left().await;
    assert!(served.run("shop", 1).await.unwrap()["jobs"][0]["kept_until"].is_null());
    // The other one is a tree of its own, checked out.
    let url = served.url.clone();
    let (seen, code) = Tasks::default()
        .spawn_blocking(move || {
            let lines = "touch fixed; exit 0\n";
            let gantry = env!("CARGO_BIN_EXE_gantry");
            let mut client = Command::new(gantry)
                .args(["--server", &url, "shell", "shop#2", "plain"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            std::io::Write::write_all(client.stdin.as_mut().unwrap(), lines.as_bytes()).unwrap();
            let shown = client.wait_with_output().unwrap();
            let again =
                Command::new(gantry).args(["--server", &url, "rerun", "shop#2", "--from", "plain/test"]).output().unwrap();
            (String::from_utf8_lossy(&shown.stdout).into_owned() + &String::from_utf8_lossy(&again.stderr), again.status.code())
        })
        .await
        .unwrap();
    assert_eq!(code, Some(0), "{seen}");
    let third = served.ended("shop", 3).await;
    assert_eq!((&third["outcome"], &third["jobs"][0]["taken_from"]["number"]), (&"passed".into(), &2.into()), "{third:#}");
    let log = served.log_of(&third, "plain", "test").await;
    assert!(log.iter().any(|(_, line)| line == "1 it 1 git"), "{log:?}");
    served.nothing_left().await;
}

/// What the terminal in the page shows, without the spaces at the ends of lines.
const SHOWN: &str = "[...document.querySelectorAll('.xterm-rows > div')].map((row) => row.textContent.trimEnd()).join('\\n')";

fn shows(browser: &mut Browser, words: &str) {
    browser.until(words, &format!("{SHOWN}.includes({})", serde_json::json!(words)));
}

/// The words are not shown before the line is answered: they are in two pieces in what is typed.
fn says(browser: &mut Browser, line: &str, words: &str) {
    browser.types(line);
    browser.presses("Enter", false);
    shows(browser, words);
}

fn state_is(browser: &mut Browser, state: &str) {
    browser.until(state, &format!("document.querySelector('.tty').dataset.state === '{state}'"));
}

fn told(browser: &mut Browser, words: &str) {
    browser
        .until(words, &format!("document.querySelector('[data-part=says]').textContent.includes({})", serde_json::json!(words)));
}

const OPEN: &str = "document.querySelector('[data-part=open]').click()";

#[tokio::test]
async fn a_terminal_in_the_page_is_one_like_any_other() {
    let Some(mut browser) = Browser::start() else { return };
    let mut served = Served::start();
    served.keep_address();
    let remote = Remote::with(&pipeline());
    served.add_repo("shop", &remote.url()).await;
    let run = served.step_is("shop", 1, 0, "running").await;
    served.said(&run, "gantry", "long", "ready").await;
    let page = format!("{}/runs/{}", served.url, run["id"].as_str().unwrap());

    // From the run's page, by its button; a look opens nothing.
    browser.open(&page);
    browser.eval("document.querySelector('.to-terminal').click()");
    browser.until("the terminal's page", "document.querySelector('.tty:not([hidden])')");
    state_is(&mut browser, "closed");
    browser.eval("document.querySelector('[name=by]').value = 'ada'");
    browser.eval(OPEN);
    state_is(&mut browser, "open");
    told(&mut browser, "in the name of ada");
    shows(&mut browser, "#");

    // Its size, before and after the window has another one.
    let size = "(() => { const rows = document.querySelectorAll('.xterm-rows > div').length; return rows; })()";
    let rows = browser.eval(size).as_u64().unwrap();
    says(&mut browser, "stty size", &format!("\n{rows} "));
    browser.resize(500, 600);
    browser.until("another size", &format!("{size} !== {rows}"));
    let rows = browser.eval(size).as_u64().unwrap();
    says(&mut browser, "clear; stty size", &format!("{rows} "));
    browser.resize(1280, 800);

    // Ctrl-C is a key of the terminal; what is pasted is, too, and cannot end its own paste.
    says(&mut browser, "clear; echo go''ing; sleep 1000", "going");
    browser.presses("c", true);
    shows(&mut browser, "^C");
    let paste = "(() => { const data = new DataTransfer(); data.setData('text/plain', 'echo pas\\'\\'ted; echo \\x1b[201~\\n');
        document.querySelector('.xterm-helper-textarea').dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true })); })()";
    browser.eval(paste);
    shows(&mut browser, "\npasted\n[201~");
    // Colours that no style sheet knows.
    says(&mut browser, "clear; printf '\\033[38;2;1;200;3mcol''our\\033[0m'", "colour");
    let colour = "getComputedStyle([...document.querySelectorAll('.xterm-rows span')].find((span) => span.textContent === 'colour')).color";
    assert_eq!(browser.eval(colour), "rgb(1, 200, 3)");
    // Far more than is sent ahead, and wider than any row.
    says(&mut browser, "clear; yes wide enough to be felt | head -c 2000000; echo al''l", "all");
    assert_eq!(browser.complaints(), [""; 0], "nothing of it is against the policy");

    // Its end, and a new one.
    browser.types("exit 7");
    browser.presses("Enter", false);
    told(&mut browser, "exited with 7");
    state_is(&mut browser, "closed");
    browser.eval(OPEN);
    state_is(&mut browser, "open");

    // A connection that breaks, and the step's end.
    served.kill();
    told(&mut browser, "The connection was lost");
    browser.eval(OPEN);
    told(&mut browser, "cannot be reached");
    served.boot();
    served.step_is("shop", 1, 0, "running").await;
    browser.complaints();
    browser.until("the page to have the server again", "document.querySelector('#link').hidden");
    browser.eval(OPEN);
    state_is(&mut browser, "open");
    served.post(&format!("/api/v1/runs/{}/cancel", run["id"].as_str().unwrap()), serde_json::json!({})).await;
    state_is(&mut browser, "closed");
    browser.until("no more terminals", "document.querySelector('[data-refused]')?.textContent.includes('has ended')");
    browser.until("no button for one", "document.querySelector('[data-part=open]').disabled");
    served.ended("shop", 1).await;

    let kept = served.get(&format!("/api/v1/runs/{}/terminals", run["id"].as_str().unwrap())).await;
    let ends: Vec<_> = kept["items"].as_array().unwrap().iter().map(|kept| kept["reason"].as_str().unwrap()).collect();
    assert_eq!(ends[..2], ["its shell exited with 7", "the server ended"], "{kept}");
    // Its shell is killed with all that is in the container, if the engine still tells.
    assert!(["the step ended", "its shell exited with 137"].contains(&ends[2]), "{kept}");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[tokio::test]
async fn a_page_of_another_site_opens_no_terminal() {
    let Some(mut browser) = Browser::start() else { return };
    let served = Served::start();
    let remote = Remote::with(&pipeline());
    served.add_repo("shop", &remote.url()).await;
    let run = served.step_is("shop", 1, 0, "running").await;
    let id = run["id"].as_str().unwrap();
    let address = format!("{}/api/v1/runs/{id}/steps/gantry/long/terminal?refusals=frame", served.url.replace("http", "ws"));
    let tries = format!(
        "new Promise((done) => {{ const socket = new WebSocket('{address}'); socket.onopen = () => done('open'); socket.onerror = () => done('refused'); }})"
    );
    browser.open("data:text/html,<html class=js>");
    assert_eq!(browser.eval(&tries), "refused");
    browser.complaints();
    let kept = served.get(&format!("/api/v1/runs/{id}/terminals")).await;
    assert_eq!(kept["items"], serde_json::json!([]));
    // The same words from a page of ours.
    browser.open(&format!("{}/", served.url));
    assert_eq!(browser.eval(&tries), "open");
}

fn picture(browser: &mut Browser, name: &str) {
    use base64::Engine as _;
    std::thread::sleep(Duration::from_millis(600));
    for (width, height) in [(1280, 800), (400, 800)] {
        browser.resize(width, height);
        std::thread::sleep(Duration::from_millis(500));
        let bytes = base64::engine::general_purpose::STANDARD.decode(browser.picture()).unwrap();
        std::fs::write(format!("/tmp/pages-shots/{name}-{width}.png"), bytes).unwrap();
    }
    browser.resize(1280, 800);
    std::thread::sleep(Duration::from_millis(300));
}

#[tokio::test]
async fn scratch_pictures() {
    let mut browser = Browser::start().unwrap();
    let served = Served::start();
    served.set_secret("/api/v1/secrets/TOKEN", "hunter2-hunter3-x").await;
    let remote = Remote::with(&format!(
        "jobs:\n  build:\n    image: {IMAGE}\n    steps:\n      - {{ name: compile, run: 'echo ok' }}\n      - {{ name: unit tests, run: 'echo ready; sleep 600' }}\n  deploy:\n    image: {IMAGE}\n    steps:\n      - {{ name: secret, secrets: [TOKEN], run: 'echo ready; sleep 600' }}\n  lint:\n    image: {IMAGE}\n    steps:\n      - {{ name: fails, run: 'echo bad; exit 3' }}\n"
    ));
    served.add_repo("shop", &remote.url()).await;
    let run = served.step_is("shop", 1, 1, "running").await;
    served.said(&run, "build", "unit tests", "ready").await;
    let page = format!("{}/runs/{}", served.url, run["id"].as_str().unwrap());
    browser.open(&format!("{page}?job=build&step=unit%20tests"));
    picture(&mut browser, "run");
    browser.open(&format!("{page}?job=deploy&step=secret"));
    browser.eval("document.querySelector('.to-terminal').click()");
    browser.until("page", "document.querySelector('.tty:not([hidden])')");
    picture(&mut browser, "secret");
    browser.open(&format!("{page}/steps/build/unit%20tests/terminal"));
    browser.until("page", "document.querySelector('.tty:not([hidden])')");
    picture(&mut browser, "closed");
    browser.eval("document.querySelector('[name=by]').value = 'ada'");
    browser.eval(OPEN);
    state_is(&mut browser, "open");
    says(
        &mut browser,
        "for i in 0 1 2 3 4 5 6 7; do printf \"\\033[3${i}mcolour $i \\033[9${i}mbright\\033[0m \\033[1mbold\\033[0m\\n\"; done; ls -la / | head -12; top -n1 -b | head; echo do''ne",
        "done",
    );
    picture(&mut browser, "open");
    browser.types("exit 7");
    browser.presses("Enter", false);
    state_is(&mut browser, "closed");
    picture(&mut browser, "ended");
    browser.open(&format!("{page}?job=build&step=unit%20tests"));
    let socket = format!(
        "{}/api/v1/runs/{}/steps/build/unit%20tests/terminal?by=grace",
        served.url.replace("http", "ws"),
        run["id"].as_str().unwrap()
    );
    browser.eval(&format!("new Promise((done) => {{ window.s = new WebSocket('{socket}'); window.s.onopen = () => done(1); }})"));
    browser.open(&format!("{page}?job=build&step=unit%20tests&line=1"));
    picture(&mut browser, "list-closed");
    browser.eval(&format!("new Promise((done) => {{ window.s = new WebSocket('{socket}'); window.s.onopen = () => done(1); }})"));
    picture(&mut browser, "list");
    served.post(&format!("/api/v1/runs/{}/cancel", run["id"].as_str().unwrap()), serde_json::json!({})).await;
    served.ended("shop", 1).await;
    picture(&mut browser, "over");
    browser.open(&format!("{page}/steps/build/unit%20tests/terminal"));
    browser.until("page", "document.querySelector('.tty:not([hidden])')");
    picture(&mut browser, "none");
    println!("{:?}", browser.complaints());
}
