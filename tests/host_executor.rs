//! The host executor: process groups of this machine.

mod executor_rig;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use executor_rig::packed::{Packed, add, add_file, listed, tar};
use executor_rig::{Log, NoServices, TestJob, drive, run, run_to_end};
use gantry::base::{Clock, Tasks};
use gantry::executor::{Executor, Failure, Host};
use gantry::pipeline::Action;
use gantry::run::Exit;
use tokio_util::sync::CancellationToken;

fn host(state: &Path) -> Host {
    Host::new(state.to_owned(), Tasks::default(), Clock::System).unwrap()
}

async fn prepared() -> (Host, TestJob) {
    let job = TestJob::new();
    let host = host(&job.dir.path().join("state"));
    host.prepare(&job.spec, &NoServices).await.unwrap();
    (host, job)
}

/// Whether the process is there, and no mere entry that waits to be reaped.
fn lives(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "))
}

async fn until_gone(pid: &str) {
    let since = now();
    while lives(pid) {
        assert!(since.elapsed() < Duration::from_secs(10), "process {pid} is still there");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_runs_in_the_workspace_with_its_own_environment_only() {
    let (host, job) = prepared().await;
    let mut step =
        job.script(0, r#"pwd; echo "$CI_WORKSPACE|$GREETING|${CARGO_MANIFEST_DIR:-clean}"; echo err >&2; cat; exit 7"#);
    step.env.insert("GREETING".to_owned(), "a b$(exit 1)".to_owned());
    let (exit, kept) = run(&host, &step).await;
    let workspace = job.workspace().display();
    assert_eq!(exit, Ok(Exit::Code(7)));
    assert_eq!(kept.stdout(), format!("{workspace}\n{workspace}|a b$(exit 1)|clean\n"));
    assert_eq!(kept.stderr(), "err\n");
    assert!(kept.finished);
}

#[tokio::test(flavor = "multi_thread")]
async fn output_of_200_000_lines_is_complete() {
    let (host, job) = prepared().await;
    let (exit, kept) = run(&host, &job.script(0, "seq 200000; printf 'no newline'")).await;
    let mut expected: String = (1..=200_000).map(|n| format!("{n}\n")).collect();
    expected.push_str("no newline");
    assert_eq!(exit, Ok(Exit::Code(0)));
    assert!(kept.stdout == expected.as_bytes(), "{} bytes instead of {}", kept.stdout.len(), expected.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_step_wrote_into_its_files_comes_with_its_end_and_links_are_not_followed() {
    let (host, job) = prepared().await;
    let text = r#"echo a=1 > "$GANTRY_OUTPUT"; echo B=2 > "$GANTRY_ENV"; ln -sf /etc/passwd "$GANTRY_SUMMARY"; exit 4"#;
    let (ended, kept) = run_to_end(&host, &job.script(0, text)).await;
    let ended = ended.unwrap();
    assert_eq!(ended.exit, Exit::Code(4));
    assert_eq!((ended.wrote.output, ended.wrote.env, ended.wrote.summary), (b"a=1\n".to_vec(), b"B=2\n".to_vec(), Vec::new()));
    assert_eq!(kept.system(), "nothing is taken from GANTRY_SUMMARY: in the file's place is a symbolic link\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_the_whole_group_at_once() {
    let (host, job) = prepared().await;
    let (log, stop) = (Log::default(), CancellationToken::new());
    let mut step = job.script(0, "sleep 100 & echo $!; wait");
    step.grace_ms = 60_000;
    let driving = drive(host.start(&step, log.sink(), stop.clone()).await.unwrap());
    log.until("a process number", |kept| kept.stdout.ends_with(b"\n")).await;
    let since = now();
    stop.cancel();
    assert_eq!(driving.await.unwrap(), Ok(Exit::Code(143)));
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    until_gone(&log.kept().stdout()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_ignores_sigterm_is_killed_after_the_grace() {
    let (host, job) = prepared().await;
    let (log, stop) = (Log::default(), CancellationToken::new());
    let mut step = job.script(0, "trap 'echo no' TERM; echo up; while true; do sleep 1 || true; done");
    step.grace_ms = 2_500;
    let driving = drive(host.start(&step, log.sink(), stop.clone()).await.unwrap());
    log.until("up", |kept| kept.stdout == b"up\n").await;
    let since = now();
    stop.cancel();
    assert_eq!(driving.await.unwrap(), Ok(Exit::Code(137)));
    assert!(since.elapsed() >= Duration::from_millis(2_500), "{:?}", since.elapsed());
    assert!(log.kept().stdout().starts_with("up\nno\n"), "{}", log.kept().stdout());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_step_leaves_in_the_background_ends_with_it() {
    let (host, job) = prepared().await;
    let since = now();
    let (exit, kept) = run(&host, &job.script(0, "(trap '' HUP TERM; sleep 100) & echo $!")).await;
    assert_eq!(exit, Ok(Exit::Code(0)));
    assert!(since.elapsed() < Duration::from_secs(10), "its open output does not hold the step up");
    until_gone(&kept.stdout()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_before_the_start_runs_nothing() {
    let (host, job) = prepared().await;
    let stop = CancellationToken::new();
    stop.cancel();
    let stopped = host.start(&job.script(0, "touch ran"), Log::default().sink(), stop).await;
    assert_eq!(stopped.err(), Some(Failure::Stopped));
    assert!(!job.workspace().join("ran").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_started_step_does_nothing_until_its_end_is_waited_for() {
    let (host, job) = prepared().await;
    let live = host.start(&job.script(0, "touch ran"), Log::default().sink(), CancellationToken::new()).await.unwrap();
    drop(live);
    let (exit, kept) = run(&host, &job.script(1, "ls")).await;
    assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(0)), ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_without_a_script_is_refused() {
    let (host, job) = prepared().await;
    let (exit, _) = run(&host, &job.step(0, Action::EntryPoint)).await;
    let Err(Failure::Infrastructure(sentence)) = exit else { panic!("{exit:?}") };
    assert!(sentence.contains("needs an image"), "{sentence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_that_is_not_there_is_the_steps_failure() {
    let (host, job) = prepared().await;
    let shell = vec!["/no/such/shell".to_owned()];
    let text = "true".to_owned();
    let (exit, kept) = run(&host, &job.step(0, Action::Script { shell, text })).await;
    assert_eq!(exit, Ok(Exit::Code(127)));
    assert!(kept.stderr().contains("/no/such/shell"), "{}", kept.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_work_tree_are_read_as_an_archive_without_following_links() {
    let (host, job) = prepared().await;
    let text = "mkdir -p dist/sub; echo app > dist/app; chmod 750 dist/app; ln -s /etc dist/etc; mkfifo dist/fifo
ln dist/app dist/sub/hard; printf '%0200d' 0 > dist/$(printf '%0150d' 0); ln -s dist way";
    let step = job.script(0, text);
    assert_eq!(run(&host, &step).await.0, Ok(Exit::Code(0)));
    let mut dist = listed(host.collect(&step.key, "/workspace/dist").await.unwrap().unwrap()).await;
    let long = dist.remove(&format!("dist/{}", "0".repeat(150))).unwrap();
    assert_eq!(long, format!("file 644 {}", "0".repeat(200)));
    let expected = [
        ("dist", "dir"),
        ("dist/app", "file 750 app\n"),
        ("dist/etc", "-> /etc"),
        ("dist/fifo", "Fifo"),
        ("dist/sub", "dir"),
        ("dist/sub/hard", "= dist/app"),
    ];
    assert_eq!(dist, expected.map(|(name, what)| (name.to_owned(), what.to_owned())).into());
    let whole = listed(host.collect(&step.key, "/workspace").await.unwrap().unwrap()).await;
    assert_eq!(whole["workspace/way"], "-> dist");
    assert_eq!(whole["workspace/dist/app"], "file 750 app\n");
    for missing in
        ["/workspace/none", "/workspace/none/x", "/workspace/way/app", "/workspace/dist/etc/passwd", "/workspace/dist/app/x"]
    {
        assert!(host.collect(&step.key, missing).await.unwrap().is_none(), "{missing}");
    }
    for outside in ["/etc/passwd", "/workspace/../../etc/passwd"] {
        let Err(Failure::Infrastructure(sentence)) = host.collect(&step.key, outside).await.map(|_| ()) else {
            panic!("{outside}")
        };
        assert!(sentence.contains("is not in the work tree"), "{sentence}");
    }
    assert_eq!(host.collect(&job.script(9, "true").key, "/workspace").await.err(), Some(Failure::Gone));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_that_is_nested_without_end_is_an_error_and_no_overflow() {
    let (host, job) = prepared().await;
    let step = job.script(0, "i=0; while [ $i -lt 400 ]; do mkdir d; cd d; i=$((i+1)); done");
    run(&host, &step).await.0.unwrap();
    let mut pieces = host.collect(&step.key, "/workspace/d").await.unwrap().unwrap();
    let mut last = None;
    while let Some(piece) = futures_util::StreamExt::next(&mut pieces).await {
        last = Some(piece);
    }
    let error = last.unwrap().unwrap_err().to_string();
    assert!(error.ends_with("is nested deeper than 256 directories"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_go_into_the_work_tree_with_modes_and_links() {
    let mut job = TestJob::new();
    let host = host(&job.dir.path().join("state"));
    let mut artifacts = tar();
    add(&mut artifacts, "bin/tool", tar::EntryType::Regular, "", 0o4755, b"tool\n");
    add(&mut artifacts, "bin/link", tar::EntryType::Symlink, "tool", 0o777, b"");
    job.spec.fill = vec![Packed::new("/workspace/deep/er", artifacts)];
    host.prepare(&job.spec, &NoServices).await.unwrap();
    let mut cache = tar();
    add_file(&mut cache, "x.o", b"object\n");
    let mut step = job.script(0, "cat target/x.o deep/er/bin/link");
    step.before = vec![Packed::new("/workspace/target", cache)];
    let (exit, kept) = run(&host, &step).await;
    assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(0)), "object\ntool\n"));
    let mode = job.workspace().join("deep/er/bin/tool").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755, "no rights of another user");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_archive_reaches_nothing_beside_the_work_tree() {
    let beside = tempfile::tempdir().unwrap();
    let target = beside.path().to_str().unwrap();
    let secret = beside.path().join("secret");
    std::fs::write(&secret, "secret").unwrap();
    let secret = secret.to_str().unwrap();
    type Build<'a> = &'a dyn Fn(&mut tar::Builder<Vec<u8>>);
    let hostile: [(&str, &str, Build<'_>); 8] = [
        ("a name that leads up", "/workspace", &|archive| add_file(archive, "../../escaped", b"x")),
        ("a file through a link", "/workspace", &|archive| {
            add(archive, "link", tar::EntryType::Symlink, target, 0o777, b"");
            add_file(archive, "link/escaped", b"x");
        }),
        ("a directory through a link", "/workspace", &|archive| {
            add(archive, "link", tar::EntryType::Symlink, target, 0o777, b"");
            add(archive, "link/escaped", tar::EntryType::Directory, "", 0o755, b"");
        }),
        ("a hard link to a file of the machine", "/workspace", &|archive| {
            add(archive, "hard", tar::EntryType::Link, secret, 0o644, b"");
        }),
        ("a device", "/workspace", &|archive| add(archive, "null", tar::EntryType::Char, "", 0o666, b"")),
        ("a fifo", "/workspace", &|archive| add(archive, "fifo", tar::EntryType::Fifo, "", 0o666, b"")),
        ("a directory of the commit that is a link", "/workspace/of-the-commit", &|archive| add_file(archive, "escaped", b"x")),
        ("a directory outside", "/etc", &|archive| add_file(archive, "escaped", b"x")),
    ];
    for (what, into, build) in hostile {
        let mut job = TestJob::new();
        let host = host(&job.dir.path().join("state"));
        symlink(target, job.workspace().join("of-the-commit")).unwrap();
        let mut archive = tar();
        build(&mut archive);
        job.spec.fill = vec![Packed::new(into, archive)];
        let Err(Failure::Infrastructure(_)) = host.prepare(&job.spec, &NoServices).await else { panic!("{what} was taken") };
        let found: Vec<_> = std::fs::read_dir(beside.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(found, ["secret"], "{what}");
        assert!(!job.root().join("escaped").exists() && !job.dir.path().join("escaped").exists(), "{what}");
        assert!(!job.workspace().join("hard").exists(), "{what}");
    }
    // An absolute name is taken for one inside, as tar does.
    let mut job = TestJob::new();
    let mut archive = tar();
    add_file(&mut archive, "/escaped", b"x");
    job.spec.fill = vec![Packed::new("/workspace", archive)];
    host(&job.dir.path().join("state")).prepare(&job.spec, &NoServices).await.unwrap();
    assert!(job.workspace().join("escaped").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_breaks_before_a_step_is_told_and_the_step_runs() {
    let (host, job) = prepared().await;
    let mut cache = tar();
    add_file(&mut cache, "x", &[b'x'; 100_000]);
    let mut step = job.script(0, "echo ran");
    step.before = vec![Packed::breaking("/workspace/target", cache, 60_000)];
    let (exit, kept) = run(&host, &step).await;
    assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(0)), "ran\n"));
    assert!(kept.system().starts_with("an archive cannot be put into `/workspace/target`: "), "{}", kept.system());
    assert!(kept.system().contains("the blob is damaged"), "{}", kept.system());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_host_cannot_do_is_said_or_refused() {
    let (host, mut job) = prepared().await;
    let mut step = job.script(0, "echo ran");
    step.network = gantry::pipeline::Network::None;
    let (exit, kept) = run(&host, &step).await;
    assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(0)), "ran\n"));
    assert!(kept.system().contains("`network` and `resources` do not hold without containers"), "{}", kept.system());
    assert_eq!(run(&host, &job.script(1, "echo ran")).await.1.system(), "");

    job.spec.services = vec![gantry::pipeline::ServicePlan {
        name: "db".to_owned(),
        image: "postgres:17".to_owned(),
        pull: None,
        env: Default::default(),
        command: None,
        ready: Default::default(),
        ready_timeout_ms: 1_000,
    }];
    let sentence = "the job has services (`db`), which are containers: the host executor runs none; use `docker`";
    assert_eq!(host.prepare(&job.spec, &NoServices).await, Err(Failure::Infrastructure(sentence.to_owned())));
}

/// Plays the earlier server: prints the number of a process that it started through the executor, and waits to be killed.
#[test]
#[ignore = "the other half of the test below, which runs it as a process of its own"]
fn an_earlier_server() {
    let state = std::env::var("GANTRY_TEST_STATE").expect("started by the test below");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let job = TestJob::new();
        let host = host(Path::new(&state));
        host.prepare(&job.spec, &NoServices).await.unwrap();
        let step = job.script(0, "trap '' TERM HUP; sleep 300 & echo $! $$ > started; mv started pids; wait");
        let live = host.start(&step, Log::default().sink(), CancellationToken::new()).await.unwrap();
        let driving = drive(live);
        while !job.workspace().join("pids").exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let pids = std::fs::read_to_string(job.workspace().join("pids")).unwrap();
        let told = format!("{} {} {}", step.key, job.root().display(), pids.trim());
        std::fs::write(Path::new(&state).join("../told.new"), told).unwrap();
        std::fs::rename(Path::new(&state).join("../told.new"), Path::new(&state).join("../told")).unwrap();
        driving.await.unwrap().unwrap();
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_what_was_left_running_is_killed_and_never_runs_twice() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let mut server = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "an_earlier_server"])
        .env("GANTRY_TEST_STATE", &state)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let since = now();
    let told = loop {
        if let Ok(told) = std::fs::read_to_string(dir.path().join("told")) {
            break told;
        }
        assert!(since.elapsed() < Duration::from_secs(30), "the earlier server does not come up");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    server.kill().unwrap();
    server.wait().unwrap();
    let words: Vec<&str> = told.split_whitespace().collect();
    let [key, root, child, leader] = words[..] else { panic!("{told}") };
    assert!(lives(child) && lives(leader), "a killed server leaves its steps running");

    let host = host(&state);
    until_gone(child).await;
    until_gone(leader).await;
    assert_eq!(host.survivors().await.unwrap(), []);
    let key: gantry::base::AttemptKey = key.parse().unwrap();
    assert_eq!(host.jobs().await.unwrap(), [key.job_key()]);
    assert_eq!(host.attach(&key, Log::default().sink(), CancellationToken::new()).await.err(), Some(Failure::Gone));

    let mut again = TestJob::new();
    again.spec.key = key.job_key();
    let step = again.script(0, "touch ran");
    assert_eq!(step.key, key);
    let (exit, _) = run(&host, &step).await;
    assert!(matches!(exit, Ok(Exit::Lost(_))), "{exit:?}");
    assert!(!again.workspace().join("ran").exists());

    host.release(&key.job_key()).await.unwrap();
    assert!(!again.root().exists(), "the release removes the job's directory");
    assert_eq!(host.jobs().await.unwrap(), []);
    std::fs::remove_dir_all(Path::new(root).parent().unwrap()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_ends_what_runs_and_removes_the_directory() {
    let (host, job) = prepared().await;
    let log = Log::default();
    let driving = drive(host.start(&job.script(0, "echo up; sleep 100"), log.sink(), CancellationToken::new()).await.unwrap());
    log.until("up", |kept| kept.stdout == b"up\n").await;
    host.release(&job.spec.key).await.unwrap();
    assert_eq!(driving.await.unwrap(), Ok(Exit::Code(137)));
    assert!(!job.root().exists());
    host.release(&job.spec.key).await.expect("nothing to release is no error");
}

#[expect(clippy::disallowed_methods, reason = "a test measures what a person would wait")]
fn now() -> Instant {
    Instant::now()
}
