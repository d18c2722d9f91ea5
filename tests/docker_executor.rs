//! The Docker executor against a real engine. Needs a running one and the image `gantry-test/busybox:1` (`.ci/docker-up` makes sure of both).

mod executor_rig;

use std::process::Command;
use std::time::{Duration, Instant};

use executor_rig::docker::{Rig, docker};
use executor_rig::{IMAGE, Kept, Log, NoServices, TestJob, drive, run};
use gantry::executor::{Executor, Failure};
use gantry::pipeline::Action;
use gantry::run::{Exit, Stream};
use tokio_util::sync::CancellationToken;

/// Each of these is told twice: with a first process of ours that waits at a gate, and, where the engine could be another machine's, with the engine's own
/// stream and log.
macro_rules! both_ways {
    ($($story:ident)*) => {$(
        mod $story {
            #[tokio::test(flavor = "multi_thread")]
            async fn by_the_gate() {
                super::$story(super::Rig::new().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn by_the_engines_log() {
                super::$story(super::Rig::remote().await).await;
            }
        }
    )*};
}

both_ways! {
    a_step_passes_and_its_output_is_kept_by_stream
    the_exit_code_is_the_scripts_own_and_sh_ends_at_the_first_failure
    steps_share_the_workspace_and_the_network_but_not_their_files
    the_environment_is_the_steps_and_values_are_never_shell_text
    a_step_without_a_script_runs_the_images_own_entry_point
    output_of_200_000_lines_is_complete
    binary_output_and_a_last_line_without_newline_come_as_they_are
    odd_output_is_whole_again_after_a_crash_wherever_it_was_cut
    after_crashes_in_the_middle_no_line_is_missing_and_none_doubled
    an_attempt_that_ended_while_the_server_was_down_gives_its_output_and_exit
    a_start_that_comes_twice_makes_one_container
    a_stop_ends_a_plain_sleep_at_once
    a_script_that_ignores_sigterm_is_killed_after_the_grace_and_keeps_its_output
    a_stop_after_a_crash_uses_the_grace_that_the_step_was_started_with
    a_stop_before_the_start_leaves_nothing
    seen_from_inside_a_step_has_few_powers_and_no_way_to_the_engine
    two_jobs_cannot_reach_each_other
    after_a_release_nothing_is_left_also_by_a_server_that_remembers_nothing
    a_removed_attempt_is_gone_and_removing_it_again_is_no_error
    a_sandbox_that_vanished_is_made_again_for_the_next_step
    a_step_that_closes_its_output_is_waited_for
    a_start_that_is_cut_off_at_any_moment_is_taken_up_and_runs_once
    a_script_that_a_step_may_be_reading_is_never_written_to
}

fn numbered(lines: u32) -> String {
    (1..=lines).map(|n| format!("line {n}\n")).collect()
}

/// Compares without printing megabytes.
fn assert_same(found: &[u8], expected: &[u8], what: &str) {
    if found != expected {
        let at = found.iter().zip(expected).position(|(a, b)| a != b).unwrap_or(found.len().min(expected.len()));
        let around = |bytes: &[u8]| {
            String::from_utf8_lossy(&bytes[at.saturating_sub(40).min(bytes.len())..(at + 40).min(bytes.len())]).into_owned()
        };
        panic!(
            "{what}: {} bytes instead of {}; at {at}: {:?} instead of {:?}",
            found.len(),
            expected.len(),
            around(found),
            around(expected)
        );
    }
}

async fn a_step_passes_and_its_output_is_kept_by_stream(rig: Rig) {
    let job = rig.job().await;
    let (exit, kept) = run(&rig.docker, &job.script(0, "echo out; echo err >&2; echo more")).await;
    assert_eq!(exit, Ok(Exit::Code(0)));
    assert_eq!((kept.stdout().as_str(), kept.stderr().as_str()), ("out\nmore\n", "err\n"));
    assert!(kept.finished);
    assert_eq!(kept.system(), "", "nothing to pull, nothing to say");
}

async fn the_exit_code_is_the_scripts_own_and_sh_ends_at_the_first_failure(rig: Rig) {
    let job = rig.job().await;
    let (exit, kept) = run(&rig.docker, &job.script(0, "echo before; (exit 7); echo after")).await;
    assert_eq!(exit, Ok(Exit::Code(7)));
    assert_eq!(kept.stdout(), "before\n");
    let (exit, _) = run(&rig.docker, &job.script(1, "kill -9 $$")).await;
    assert_eq!(exit, Ok(Exit::Code(137)), "a script that kills itself was not lost");
}

async fn steps_share_the_workspace_and_the_network_but_not_their_files(rig: Rig) {
    let job = rig.job().await;
    std::fs::write(job.workspace().join("from-server"), "tree\n").unwrap();
    let (exit, kept) = run(&rig.docker, &job.script(0, "pwd; cat from-server; echo made > here; echo x > /tmp/private")).await;
    assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(0)), "/workspace\ntree\n"));
    assert_eq!(std::fs::read_to_string(job.workspace().join("here")).unwrap(), "made\n");

    let log = Log::default();
    let server = "cat here; test ! -e /tmp/private; echo hello | nc -l -p 8080";
    let live = rig.docker.start(&job.script(1, server), log.sink(), CancellationToken::new()).await.unwrap();
    let serving = drive(live);
    let (exit, kept) = run(&rig.docker, &job.script(2, "until nc -w 5 127.0.0.1 8080 | grep hello; do :; done")).await;
    assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(0)), "hello\n"));
    assert_eq!(serving.await.unwrap(), Ok(Exit::Code(0)));
    assert_eq!(log.kept().stdout(), "made\n");
}

async fn the_environment_is_the_steps_and_values_are_never_shell_text(rig: Rig) {
    let job = rig.job().await;
    let mut step = job.script(0, r#"echo "$CI_WORKSPACE|$GREETING|$GIT_CONFIG_KEY_0=$GIT_CONFIG_VALUE_0""#);
    step.env.insert("GREETING".to_owned(), "a b\n$(exit 1)`exit 1`\"'".to_owned());
    let (exit, kept) = run(&rig.docker, &step).await;
    assert_eq!(exit, Ok(Exit::Code(0)));
    assert_eq!(kept.stdout(), "/workspace|a b\n$(exit 1)`exit 1`\"'|safe.directory=*\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shared_is_seen_under_its_own_path_and_cannot_be_written() {
    let rig = Rig::new().await;
    let mut job = TestJob::new();
    let shared = job.dir.path().join("objects");
    std::fs::create_dir(&shared).unwrap();
    std::fs::write(shared.join("pack"), "packed\n").unwrap();
    job.spec.dirs.shared.push(shared.clone());
    rig.docker.prepare(&job.spec, &NoServices).await.unwrap();
    let text = format!("cat {0}/pack; ! touch {0}/new; ! touch /gantry/new; cat /gantry/script | head -c 3", shared.display());
    let (exit, kept) = run(&rig.docker, &job.script(0, &text)).await;
    assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(0)), "packed\ncat"));
}

async fn a_step_without_a_script_runs_the_images_own_entry_point(rig: Rig) {
    let image = "gantry-test/entry-point:1";
    let (name, tag) = image.split_once(':').unwrap();
    let made = Command::new("sh")
        .arg("-c")
        .arg(format!(
            "id=$(docker create {IMAGE} true) && docker commit -c 'ENTRYPOINT [\"echo\",\"entry\"]' -c 'CMD [\"point\"]' $id {name}:{tag} && docker rm $id"
        ))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let job = rig.job().await;
    let mut step = job.step(0, Action::EntryPoint);
    step.image = Some(image.to_owned());
    let (exit, kept) = run(&rig.docker, &step).await;
    assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(0)), "entry point\n"));
}

async fn output_of_200_000_lines_is_complete(rig: Rig) {
    let job = rig.job().await;
    let (exit, kept) =
        run(&rig.docker, &job.script(0, "seq -f 'line %.0f' 200000 2>/dev/null || seq 200000 | sed 's/^/line /'")).await;
    assert_eq!(exit, Ok(Exit::Code(0)));
    assert_same(&kept.stdout, numbered(200_000).as_bytes(), "stdout");
    assert!(kept.writes.len() < 100_000, "pieces at hand go together: {} writes", kept.writes.len());
}

/// Everything that output can be: no newline at the end, no text, lines beyond every buffer.
const ODD: &str = r#"printf 'a\r\n\n'; head -c 40000 /dev/zero | tr '\0' x; printf '\nbin:\377\376\0\001\n'; printf 'to stderr\n' >&2
head -c 16384 /dev/zero | tr '\0' y; printf '\n'; head -c 70000 /dev/urandom | tee random; printf '\n'; printf 'no newline'"#;

fn odd(job: &TestJob) -> Vec<u8> {
    let random = std::fs::read(job.workspace().join("random")).unwrap();
    [b"a\r\n\n", &[b'x'; 40_000][..], b"\nbin:\xff\xfe\0\x01\n", &[b'y'; 16_384], b"\n", &random, b"\nno newline"].concat()
}

async fn binary_output_and_a_last_line_without_newline_come_as_they_are(rig: Rig) {
    let job = rig.job().await;
    let (exit, kept) = run(&rig.docker, &job.script(0, ODD)).await;
    assert_eq!(exit, Ok(Exit::Code(0)));
    assert_same(&kept.stdout, &odd(&job), "stdout");
    assert_eq!(kept.stderr(), "to stderr\n");
}

async fn odd_output_is_whole_again_after_a_crash_wherever_it_was_cut(rig: Rig) {
    let job = rig.job().await;
    let step = job.script(0, ODD);
    run(&rig.docker, &step).await.0.unwrap();
    let whole = odd(&job);
    let newlines = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let all: Vec<usize> = std::iter::once(0).chain(newlines).collect();
    // Some of the cuts that whole lines allow: the first ones, which are around the long lines, and the last.
    for cut in all.iter().take(8).chain(all.last()) {
        let log = Log::default();
        log.sink().write(0, Stream::Stdout, &whole[..*cut]).unwrap();
        let live = rig.restarted().attach(&step.key, log.sink(), CancellationToken::new()).await.unwrap();
        assert_eq!(live.exit.await.map(|ended| ended.exit), Ok(Exit::Code(0)));
        assert_same(&log.kept().stdout, &whole, &format!("cut at {cut}"));
        assert!(log.kept().finished);
    }
}

/// Prints 20,000 numbered lines, two of three on stdout, in pieces that do not end with lines, and waits a little now and then.
const SLOW: &str = r#"i=0; while [ $i -lt 20 ]; do seq $((i*1000+1)) $((i*1000+1000)) | sed 's/^/line /'; seq $((i*500+1)) $((i*500+500)) | sed 's/^/error /' >&2
printf 'half'; usleep 20000; printf ' and half\n'; i=$((i+1)); done"#;

fn assert_slow_is_whole(kept: &Kept, what: &str) {
    let mut out = String::new();
    let mut err = String::new();
    for i in 0..20 {
        out.extend((1..=1000).map(|n| format!("line {}\n", i * 1000 + n)));
        out.push_str("half and half\n");
        err.extend((1..=500).map(|n| format!("error {}\n", i * 500 + n)));
    }
    assert_same(&kept.stdout, out.as_bytes(), what);
    assert_same(&kept.stderr, err.as_bytes(), what);
    assert!(kept.finished);
}

async fn after_crashes_in_the_middle_no_line_is_missing_and_none_doubled(rig: Rig) {
    let job = rig.job().await;
    for step in 0..5 {
        let spec = job.script(step, SLOW);
        let log = Log::default();
        let mut driving = drive(rig.docker.start(&spec, log.sink(), CancellationToken::new()).await.unwrap());
        for crash in 1..=4 {
            let lines = crash * 3_000 + step as usize * 617;
            log.until("enough lines", |kept| kept.stdout.iter().filter(|byte| **byte == b'\n').count() >= lines).await;
            driving.abort();
            let _ = driving.await;
            let survivors = rig.restarted().survivors().await.unwrap();
            assert!(survivors.iter().any(|survivor| survivor.key == spec.key), "{survivors:?}");
            let live = rig.restarted().attach(&spec.key, log.sink(), CancellationToken::new()).await.unwrap();
            driving = drive(live);
        }
        assert_eq!(driving.await.unwrap(), Ok(Exit::Code(0)));
        assert_slow_is_whole(&log.kept(), &format!("step {step}"));
    }
}

async fn an_attempt_that_ended_while_the_server_was_down_gives_its_output_and_exit(rig: Rig) {
    let job = rig.job().await;
    let spec = job.script(0, &format!("{SLOW}\nexit 3"));
    let log = Log::default();
    let driving = drive(rig.docker.start(&spec, log.sink(), CancellationToken::new()).await.unwrap());
    log.until("something", |kept| kept.stdout.len() > 10_000).await;
    driving.abort();
    let _ = driving.await;
    docker(&["wait", &rig.step_containers()[0]]);
    let survivors = rig.restarted().survivors().await.unwrap();
    assert_eq!(survivors.iter().map(|survivor| survivor.running).collect::<Vec<_>>(), [false]);
    let live = rig.restarted().attach(&spec.key, log.sink(), CancellationToken::new()).await.unwrap();
    assert_eq!(live.exit.await.map(|ended| ended.exit), Ok(Exit::Code(3)));
    assert_slow_is_whole(&log.kept(), "after the end");
    assert!(log.kept().times.is_sorted_by(|a, b| b - a > -1_000_000_000), "times are the engine's and ours, near each other");
}

async fn a_start_that_comes_twice_makes_one_container(rig: Rig) {
    let job = rig.job().await;
    let spec = job.script(0, "echo once >> ran; echo hello; usleep 300000; echo bye");
    let (first, second) = (Log::default(), Log::default());
    let one = drive(rig.docker.start(&spec, first.sink(), CancellationToken::new()).await.unwrap());
    let again = drive(rig.restarted().start(&spec, second.sink(), CancellationToken::new()).await.unwrap());
    assert_eq!(one.await.unwrap(), Ok(Exit::Code(0)));
    assert_eq!(again.await.unwrap(), Ok(Exit::Code(0)));
    assert_eq!((first.kept().stdout(), second.kept().stdout()), ("hello\nbye\n".to_owned(), "hello\nbye\n".to_owned()));
    assert_eq!(rig.step_containers().len(), 1);
    let (exit, kept) = run(&rig.docker, &spec).await;
    assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(0)), "hello\nbye\n"), "a third time, after its end");
    assert_eq!(std::fs::read_to_string(job.workspace().join("ran")).unwrap(), "once\n");
}

async fn a_stop_ends_a_plain_sleep_at_once(rig: Rig) {
    let job = rig.job().await;
    let log = Log::default();
    let stop = CancellationToken::new();
    let mut spec = job.script(0, "echo up; sleep 100; echo never");
    spec.grace_ms = 60_000;
    let driving = drive(rig.docker.start(&spec, log.sink(), stop.clone()).await.unwrap());
    log.until("up", |kept| kept.stdout == b"up\n").await;
    let since = now();
    stop.cancel();
    assert_eq!(driving.await.unwrap(), Ok(Exit::Code(143)));
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    assert_eq!(log.kept().stdout(), "up\n");
}

async fn a_script_that_ignores_sigterm_is_killed_after_the_grace_and_keeps_its_output(rig: Rig) {
    let job = rig.job().await;
    let log = Log::default();
    let stop = CancellationToken::new();
    let mut spec = job.script(0, "trap 'echo no' TERM; echo up; while true; do sleep 1; done");
    spec.grace_ms = 3_000;
    let driving = drive(rig.docker.start(&spec, log.sink(), stop.clone()).await.unwrap());
    log.until("up", |kept| kept.stdout == b"up\n").await;
    let since = now();
    stop.cancel();
    assert_eq!(driving.await.unwrap(), Ok(Exit::Code(137)));
    assert!(since.elapsed() >= Duration::from_secs(3), "{:?}", since.elapsed());
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    assert_eq!(log.kept().stdout(), "up\nno\n");
}

async fn a_stop_after_a_crash_uses_the_grace_that_the_step_was_started_with(rig: Rig) {
    let job = rig.job().await;
    let log = Log::default();
    let mut spec = job.script(0, "trap '' TERM; echo up; while true; do sleep 1; done");
    spec.grace_ms = 1_000;
    let driving = drive(rig.docker.start(&spec, log.sink(), CancellationToken::new()).await.unwrap());
    log.until("up", |kept| kept.stdout == b"up\n").await;
    driving.abort();
    let _ = driving.await;
    let stop = CancellationToken::new();
    stop.cancel();
    let since = now();
    let live = rig.restarted().attach(&spec.key, log.sink(), stop).await.unwrap();
    assert_eq!(live.exit.await.map(|ended| ended.exit), Ok(Exit::Code(137)));
    assert!(since.elapsed() < Duration::from_secs(8), "not the default grace of 10 s: {:?}", since.elapsed());
}

async fn a_stop_before_the_start_leaves_nothing(rig: Rig) {
    let job = rig.job().await;
    let stop = CancellationToken::new();
    stop.cancel();
    let spec = job.script(0, "touch ran");
    let stopped = rig.docker.start(&spec, Log::default().sink(), stop.clone()).await;
    assert_eq!(stopped.err(), Some(Failure::Stopped));
    assert_eq!(rig.step_containers(), [""; 0]);
    assert!(!job.workspace().join("ran").exists());
    let gone = rig.docker.attach(&spec.key, Log::default().sink(), stop).await;
    assert_eq!(gone.err(), Some(Failure::Gone));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_pulled_is_told_in_a_sentence() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    let mut spec = job.script(0, "true");
    spec.image = Some("127.0.0.1:1/nobody/nothing:9".to_owned());
    let (exit, kept) = run(&rig.docker, &spec).await;
    let Err(Failure::Infrastructure(sentence)) = exit else { panic!("{exit:?}") };
    assert!(sentence.starts_with("the image `127.0.0.1:1/nobody/nothing:9` cannot be pulled: "), "{sentence}");
    assert!(sentence.contains("refused"), "{sentence}");
    assert_eq!(kept.system(), "pulling 127.0.0.1:1/nobody/nothing:9\n");
    assert_eq!(rig.step_containers(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_image_is_pulled_from_its_registry() {
    let rig = Rig::new().await;
    let registry = Registry::start().await;
    let image = format!("127.0.0.1:{}/gantry/pulled:1", registry.port);
    docker(&["tag", IMAGE, &image]);
    docker(&["push", &image]);
    docker(&["rmi", &image]);
    let job = rig.job().await;
    let mut spec = job.script(0, "echo pulled and run");
    spec.image = Some(image.clone());
    assert!(!rig.docker.has_image(&image).await.unwrap());
    let (exit, kept) = run(&rig.docker, &spec).await;
    docker(&["rmi", "-f", &image]);
    assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(0)), "pulled and run\n"));
    assert!(
        kept.system().starts_with(&format!("pulling {image}\n")) && kept.system().ends_with(&format!("pulled {image}\n")),
        "{}",
        kept.system()
    );
}

/// A registry on a free port of this machine.
struct Registry {
    port: u16,
    process: std::process::Child,
    _dir: tempfile::TempDir,
}

impl Registry {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = dir.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n",
            dir.path().join("data").display()
        );
        std::fs::write(&config, text).unwrap();
        let process = Command::new("docker-registry").arg("serve").arg(&config).spawn().expect("docker-registry is installed");
        let registry = Self { port, process, _dir: dir };
        let since = now();
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(since.elapsed() < Duration::from_secs(20), "the registry does not come up");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        registry
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn seen_from_inside_a_step_has_few_powers_and_no_way_to_the_engine(rig: Rig) {
    let job = rig.job().await;
    let text = "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status
test ! -e /var/run/docker.sock; test ! -e /run/docker.sock
! mount -t tmpfs none /mnt 2>/dev/null; ! mknod /tmp/disk b 8 0 2>/dev/null; ! chroot / true 2>/dev/null
chown 1000:1000 /tmp; ls /dev | grep -E '^(sd|vd|nvme|kmsg|mem)' || echo no disks";
    let (exit, kept) = run(&rig.docker, &job.script(0, text)).await;
    assert_eq!(exit, Ok(Exit::Code(0)), "{}{}", kept.stdout(), kept.stderr());
    let lines: Vec<String> = kept.stdout().lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    // CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID.
    assert_eq!(lines, ["CapEff: 00000000000000fb", "CapBnd: 00000000000000fb", "NoNewPrivs: 1", "Seccomp: 2", "no disks"]);
    let limit = docker(&["inspect", "-f", "{{.HostConfig.PidsLimit}} {{.HostConfig.Privileged}}", &rig.step_containers()[0]]);
    assert_eq!(limit, ["2048 false"]);
}

async fn two_jobs_cannot_reach_each_other(rig: Rig) {
    let (one, two) = (rig.job().await, rig.job().await);
    let log = Log::default();
    let text = "hostname -i; while true; do echo secret | nc -l -p 8080; done";
    let stop = CancellationToken::new();
    let serving = drive(rig.docker.start(&one.script(0, text), log.sink(), stop.clone()).await.unwrap());
    log.until("its address", |kept| kept.stdout.ends_with(b"\n")).await;
    let address = log.kept().stdout().trim().to_owned();
    // The address is right: a step of the same job reaches it.
    let (exit, kept) = run(&rig.docker, &one.script(1, &format!("until nc -w 2 {address} 8080; do :; done"))).await;
    assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(0)), "secret\n"));
    let (exit, kept) = run(&rig.docker, &two.script(0, &format!("nc -w 2 {address} 8080 </dev/null"))).await;
    assert_eq!(kept.stdout(), "");
    assert_eq!(exit, Ok(Exit::Code(1)));
    stop.cancel();
    assert_eq!(serving.await.unwrap(), Ok(Exit::Code(143)));
}

async fn after_a_release_nothing_is_left_also_by_a_server_that_remembers_nothing(rig: Rig) {
    let (one, two) = (rig.job().await, rig.job().await);
    run(&rig.docker, &one.script(0, "mkdir -p deep/er; chmod 000 deep; touch x")).await.0.unwrap();
    // The second job's step still runs.
    let log = Log::default();
    let live = rig.docker.start(&two.script(0, "echo up; sleep 100"), log.sink(), CancellationToken::new()).await.unwrap();
    let driving = drive(live);
    log.until("up", |kept| kept.stdout == b"up\n").await;
    let mut jobs = rig.restarted().jobs().await.unwrap();
    jobs.sort();
    let mut expected = [one.spec.key.clone(), two.spec.key.clone()];
    expected.sort();
    assert_eq!(jobs, expected);

    rig.docker.release(&one.spec.key).await.unwrap();
    assert!(!one.root().exists());
    assert!(two.root().exists(), "another job's directory is left alone");
    rig.restarted().release(&two.spec.key).await.unwrap();
    assert!(!two.root().exists());
    // Which of the two depends on whether the look at the container comes before or after its removal.
    let exit = driving.await.unwrap();
    assert!(matches!(exit, Ok(Exit::Lost(_) | Exit::Code(137))), "{exit:?}");
    assert_eq!(rig.containers(), [""; 0]);
    assert_eq!(rig.networks(), [""; 0]);
    assert_eq!(rig.restarted().jobs().await.unwrap(), []);
    rig.docker.release(&one.spec.key).await.expect("nothing to release is no error");
}

async fn a_removed_attempt_is_gone_and_removing_it_again_is_no_error(rig: Rig) {
    let job = rig.job().await;
    let spec = job.script(0, "true");
    run(&rig.docker, &spec).await.0.unwrap();
    assert_eq!(rig.docker.survivors().await.unwrap().len(), 1, "an ended attempt stays until it is removed");
    rig.docker.remove(&spec.key).await.unwrap();
    rig.docker.remove(&spec.key).await.unwrap();
    assert_eq!(rig.docker.survivors().await.unwrap(), []);
    let gone = rig.docker.attach(&spec.key, Log::default().sink(), CancellationToken::new()).await;
    assert_eq!(gone.err(), Some(Failure::Gone));
}

async fn a_sandbox_that_vanished_is_made_again_for_the_next_step(rig: Rig) {
    let job = rig.job().await;
    for (step, removal) in [(0, "kill"), (1, "rm")] {
        let sandbox = rig.containers().into_iter().find(|name| name.ends_with(&job.spec.key.to_string())).unwrap();
        docker(
            if removal == "kill" { &["kill"][..] } else { &["rm", "-f"][..] }
                .iter()
                .copied()
                .chain([sandbox.as_str()])
                .collect::<Vec<_>>()
                .as_slice(),
        );
        let (exit, kept) = run(&rig.docker, &job.script(step, "echo fine")).await;
        assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(0)), "fine\n"), "{removal}");
    }
}

async fn a_step_that_closes_its_output_is_waited_for(rig: Rig) {
    let job = rig.job().await;
    let (exit, kept) = run(&rig.docker, &job.script(0, "echo bye; exec >&- 2>&-; sleep 3; exit 4")).await;
    assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(4)), "bye\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_of_another_instance_are_not_seen() {
    let (mine, other) = (Rig::new().await, Rig::new().await);
    let job = mine.job().await;
    run(&mine.docker, &job.script(0, "true")).await.0.unwrap();
    assert_eq!(other.docker.survivors().await.unwrap(), []);
    assert_eq!(other.docker.jobs().await.unwrap(), []);
    other.docker.release(&job.spec.key).await.unwrap();
    assert_eq!(mine.docker.survivors().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_image_is_made_of_this_machines_busybox() {
    let rig = Rig::new().await;
    let image = rig.docker.demo_image().await.unwrap().expect("`.ci/docker-up` installs a static busybox");
    let job = rig.job().await;
    let mut spec = job.script(0, "id -un; touch /tmp/x; ls -ld /tmp | cut -c1-10; echo one | sed s/one/two/");
    spec.image = Some(image);
    let (exit, kept) = run(&rig.docker, &spec).await;
    assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(0)), "root\ndrwxrwxrwt\ntwo\n"));
}

#[expect(clippy::disallowed_methods, reason = "a test measures what a person would wait")]
fn now() -> Instant {
    Instant::now()
}

async fn a_start_that_is_cut_off_at_any_moment_is_taken_up_and_runs_once(rig: Rig) {
    let job = TestJob::new();
    rig.docker.prepare(&job.spec, &NoServices).await.unwrap();
    for round in 0..14 {
        let step = job.script(round, &format!("echo once >> ran{round}; seq 1 200"));
        let log = Log::default();
        let first = rig.restarted();
        let starting = first.start(&step, log.sink(), CancellationToken::new());
        // From the request to make the container to its first lines: the engine goes on with whatever it was asked for.
        let cut = tokio::time::timeout(Duration::from_millis(u64::from(round) * 25), starting).await;
        drop(cut);
        let second = rig.restarted();
        let exit = second.start(&step, log.sink(), CancellationToken::new()).await.expect("it is taken up").exit.await;
        assert_eq!(exit.map(|ended| ended.exit), Ok(Exit::Code(0)), "round {round}");
        let expected: String = (1..=200).map(|n| format!("{n}\n")).collect();
        assert_same(&log.kept().stdout, expected.as_bytes(), &format!("round {round}"));
        let ran = std::fs::read_to_string(job.workspace().join(format!("ran{round}"))).unwrap();
        assert_eq!(ran, "once\n", "round {round}");
        second.remove(&step.key).await.unwrap();
    }
    rig.docker.release(&job.spec.key).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preparation_that_is_cut_off_at_any_moment_is_done_again() {
    let rig = Rig::new().await;
    for round in 0..8 {
        let job = TestJob::new();
        let first = rig.restarted();
        let cut = tokio::time::timeout(Duration::from_millis(round * 15), first.prepare(&job.spec, &NoServices)).await;
        drop(cut);
        let second = rig.restarted();
        second.prepare(&job.spec, &NoServices).await.unwrap_or_else(|failure| panic!("round {round}: {failure}"));
        let (exit, _) = run(&*second, &job.script(0, "true")).await;
        assert_eq!(exit, Ok(Exit::Code(0)), "round {round}");
        second.release(&job.spec.key).await.unwrap();
    }
    assert_eq!(rig.containers(), Vec::<String>::new());
}

async fn a_script_that_a_step_may_be_reading_is_never_written_to(rig: Rig) {
    let job = rig.job().await;
    let step = job.script(0, "echo up; sleep 1");
    let log = Log::default();
    let driving = drive(rig.docker.start(&step, log.sink(), CancellationToken::new()).await.unwrap());
    log.until("up", |kept| kept.stdout == b"up\n").await;
    driving.abort();
    let scripts = Command::new("find").arg(job.root()).args(["-name", "script", "-type", "f"]).output().unwrap();
    let read_by_the_step = std::fs::File::open(String::from_utf8(scripts.stdout).unwrap().trim()).unwrap();
    let before = read_by_the_step.metadata().unwrap().modified().unwrap();
    let exit = rig.restarted().start(&step, log.sink(), CancellationToken::new()).await.unwrap().exit.await;
    assert_eq!(exit.map(|ended| ended.exit), Ok(Exit::Code(0)));
    assert_eq!(read_by_the_step.metadata().unwrap().modified().unwrap(), before);
}
