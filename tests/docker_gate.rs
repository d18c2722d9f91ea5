//! Steps behind the gate of their container's first process, against a real engine: parked ones, hostile ones, and images of every kind. Needs a running
//! engine and the image `gantry-test/busybox:1` (`.ci/docker-up` makes sure of both).

mod executor_rig;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use executor_rig::docker::{Rig, docker};
use executor_rig::packed::{Packed, add, tar};
use executor_rig::{IMAGE, Log, NoServices, TestJob, drive, run, run_to_end};
use gantry::base::Tasks;
use gantry::executor::{Executor, Failure, StepSpec};
use gantry::pipeline::{Action, Network, Resources};
use gantry::run::{Exit, Stream};
use tokio_util::sync::CancellationToken;

async fn passes(rig: &Rig, step: &StepSpec) -> String {
    let (exit, kept) = run(&rig.docker, step).await;
    assert_eq!(exit, Ok(Exit::Code(0)), "{}{}{}", kept.stdout(), kept.stderr(), kept.system());
    kept.stdout()
}

fn parked(key: &gantry::base::AttemptKey) -> gantry::executor::Survivor {
    gantry::executor::Survivor { key: key.clone(), running: true, parked: true }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_step_has_done_nothing_and_begins_with_what_its_start_says() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    let mut ahead = job.script(0, "touch too-early; echo wrong");
    ahead.env.insert("SECRET".to_owned(), "of-another-time".to_owned());
    assert_eq!(rig.docker.park(&ahead).await, Ok(true));
    assert_eq!(rig.docker.park(&ahead).await, Ok(true), "a second time it is the same one");
    assert_eq!(rig.docker.survivors().await, Ok(vec![parked(&ahead.key)]));
    let container = &rig.step_containers()[0];
    let id = docker(&["inspect", "-f", "{{.Id}} {{.State.Running}}", container]);
    assert!(id[0].ends_with(" true"));

    let mut step = job.script(0, "echo $SECRET; ls");
    step.env.insert("SECRET".to_owned(), "this-one".to_owned());
    assert_eq!(passes(&rig, &step).await, "this-one\n");
    assert_eq!(
        docker(&["inspect", "-f", "{{.Id}}", container])[0],
        id[0].trim_end_matches(" true"),
        "in the container that waited"
    );
    assert!(!job.workspace().join("too-early").exists());
    // Neither the engine nor whoever may ask it knows what the step was given.
    let inspected = docker(&["inspect", container]).join("\n");
    assert!(!inspected.contains("this-one") && !inspected.contains("SECRET"), "{inspected}");
    assert_eq!(rig.docker.survivors().await.unwrap().iter().map(|found| found.parked).collect::<Vec<_>>(), [false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_step_is_found_by_the_next_server_and_opened_once() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    let step = job.script(0, "echo once >> ran; echo hello");
    assert_eq!(rig.docker.park(&step).await, Ok(true));
    let container = docker(&["inspect", "-f", "{{.Id}}", &rig.step_containers()[0]]);
    // Not taken up like one that runs.
    let next = rig.restarted();
    assert_eq!(next.survivors().await, Ok(vec![parked(&step.key)]));
    let never_ran = next.attach(&step.key, Log::default().sink(), CancellationToken::new()).await;
    assert_eq!(never_ran.err(), Some(Failure::Stopped));
    assert_eq!(next.park(&step).await, Ok(true));
    for server in [rig.restarted(), next] {
        let (exit, kept) = run(&*server, &step).await;
        assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(0)), "hello\n"));
    }
    assert_eq!(docker(&["inspect", "-f", "{{.Id}}", &rig.step_containers()[0]]), container);
    assert_eq!(std::fs::read_to_string(job.workspace().join("ran")).unwrap(), "once\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_step_that_died_or_lost_its_network_is_made_again() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    let sandbox = rig.containers().into_iter().find(|name| name.ends_with(&job.spec.key.to_string())).unwrap();
    for (number, remembers) in [(0, true), (1, false)] {
        let step = job.script(number, "echo fine");
        assert_eq!(rig.docker.park(&step).await, Ok(true));
        docker(&["kill", &rig.step_containers()[0]]);
        let server = rig.restarted();
        assert_eq!(server.survivors().await, Ok(Vec::new()), "a dead one is none");
        // It is asked for again now and then, and made anew.
        assert_eq!(rig.docker.park(&step).await, Ok(true));
        assert_eq!(server.survivors().await, Ok(vec![parked(&step.key)]));
        docker(&["kill", &rig.step_containers()[0]]);
        let (exit, kept) = if remembers { run(&rig.docker, &step).await } else { run(&*server, &step).await };
        assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(0)), "fine\n"), "{}", kept.system());
        rig.docker.remove(&step.key).await.unwrap();
    }
    let step = job.script(2, "ls /sys/class/net | grep eth");
    assert_eq!(rig.docker.park(&step).await, Ok(true));
    docker(&["restart", "-t", "0", &sandbox]);
    let (exit, kept) = run(&*rig.restarted(), &step).await;
    assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(0)), "eth0\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_step_that_is_not_wanted_is_removed_or_stopped_and_never_runs() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    let step = job.script(0, "touch ran");
    assert_eq!(rig.docker.park(&step).await, Ok(true));
    rig.docker.remove(&step.key).await.unwrap();
    assert_eq!(rig.step_containers(), [""; 0]);
    assert_eq!(rig.docker.park(&step).await, Ok(true));
    let stop = CancellationToken::new();
    stop.cancel();
    assert_eq!(rig.docker.start(&step, Log::default().sink(), stop).await.err(), Some(Failure::Stopped));
    assert_eq!(rig.step_containers(), [""; 0]);
    assert_eq!(rig.docker.park(&step).await, Ok(true));
    rig.restarted().release(&job.spec.key).await.unwrap();
    assert_eq!(rig.containers(), [""; 0]);
    assert!(!job.root().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_are_in_a_parked_container_before_its_gate_opens() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    let mut step = job.script(0, "cat /cache/deep/a /workspace/kept/b");
    assert_eq!(rig.docker.park(&step).await, Ok(true));
    let with = |name: &str, content: &str| {
        let mut builder = tar();
        add(&mut builder, name, tar::EntryType::Regular, "", 0o644, content.as_bytes());
        builder
    };
    step.before = vec![
        Packed::new("/cache/deep", with("a", "from the cache\n")),
        Packed::new("/workspace/kept", with("b", "in the tree\n")),
    ];
    assert_eq!(passes(&rig, &step).await, "from the cache\nin the tree\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_image_is_missing_or_the_engine_may_be_far_nothing_is_parked() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    let mut step = job.script(0, "true");
    step.image = Some("127.0.0.1:1/nobody/nothing:9".to_owned());
    assert_eq!(rig.docker.park(&step).await, Ok(false));
    assert_eq!(rig.step_containers(), [""; 0]);
    let rig = Rig::remote().await;
    let job = rig.job().await;
    assert_eq!(rig.docker.park(&job.script(0, "true")).await, Ok(false));
    assert_eq!(rig.step_containers(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_park_that_is_cut_off_at_any_moment_leaves_a_step_that_runs_once() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    for round in 0..8 {
        let step = job.script(round, &format!("echo once >> ran{round}"));
        let first = rig.restarted();
        drop(tokio::time::timeout(Duration::from_millis(u64::from(round) * 20), first.park(&step)).await);
        let (exit, _) = run(&*rig.restarted(), &step).await;
        assert_eq!(exit, Ok(Exit::Code(0)), "round {round}");
        assert_eq!(std::fs::read_to_string(job.workspace().join(format!("ran{round}"))).unwrap(), "once\n", "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_step_used_and_how_it_died_is_observed() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    let text =
        "x=$(head -c 20000000 /dev/zero | tr '\\0' x); dd if=/dev/zero of=big bs=1M count=8 conv=fsync 2>/dev/null; kill -9 $$";
    let (ended, _) = run_to_end(&rig.docker, &job.script(0, text)).await;
    let ended = ended.unwrap();
    assert_eq!(ended.exit, Exit::Code(137));
    let seen = ended.observed;
    assert_eq!((seen.signal, seen.oom_kills.unwrap_or_default()), (Some(9), 0));
    assert!(seen.cpu_user_ms.is_some() && seen.cpu_system_ms.is_some_and(|ms| ms < 60_000));
    assert!(seen.written_bytes.is_some_and(|bytes| bytes >= 8 << 20), "{seen:?}");
    assert!(seen.memory_peak_bytes.is_none_or(|bytes| bytes > 8 << 20), "{seen:?}");

    let mut step = job.script(1, "(x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo ${#x}) || echo killed; exit 0");
    step.resources = Resources { memory_bytes: Some(32 * 1024 * 1024), ..Resources::default() };
    let (ended, kept) = run_to_end(&rig.docker, &step).await;
    let ended = ended.unwrap();
    assert_eq!((ended.exit, kept.stdout().as_str()), (Exit::Code(0), "killed\n"));
    assert_eq!(ended.observed.oom_kills, Some(1));
    assert_eq!(kept.system(), "one of its processes was killed: the step used more memory than it may\n");

    // A step that is killed with its whole container has nobody left who could tell.
    let (log, stop) = (Log::default(), CancellationToken::new());
    let mut step = job.script(2, "trap '' TERM; echo up; while :; do sleep 1; done");
    step.grace_ms = 100;
    let live = rig.docker.start(&step, log.sink(), stop.clone()).await.unwrap();
    let ended = Tasks::default().spawn(live.exit);
    log.until("it takes no SIGTERM", |kept| kept.stdout == b"up\n").await;
    stop.cancel();
    let ended = ended.await.unwrap().unwrap();
    assert_eq!((ended.exit, ended.observed.signal), (Exit::Code(137), Some(9)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_whose_container_is_killed_keeps_its_output_and_gets_the_engines_word() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    for (number, how, exit) in [(0, "kill", Ok(Exit::Code(137))), (1, "rm", Ok(Exit::Lost(String::new())))] {
        let log = Log::default();
        let step = job.script(number, "echo up; sleep 1000");
        let driving = drive(rig.docker.start(&step, log.sink(), CancellationToken::new()).await.unwrap());
        log.until("up", |kept| kept.stdout == b"up\n").await;
        let container = rig.step_containers().into_iter().find(|name| name.ends_with(&step.key.to_string())).unwrap();
        docker(
            if how == "rm" { &["rm", "-f", "NAME"][..] } else { &["kill", "NAME"] }
                .iter()
                .map(|part| if *part == "NAME" { &*container } else { part })
                .collect::<Vec<_>>()
                .as_slice(),
        );
        let found = driving.await.unwrap();
        let same = matches!((&found, &exit), (Ok(Exit::Lost(_)), Ok(Exit::Lost(_)))) || found == exit;
        // A container that is being removed may be seen ended once more before it is gone.
        assert!(same || (how == "rm" && found == Ok(Exit::Code(137))), "{how}: {found:?}");
        assert_eq!(log.kept().stdout(), "up\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_step_printed_takes_no_room_beside_its_log_once_it_is_removed() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    let step = job.script(0, "head -c 1000000 /dev/zero | tr '\\0' 'x'");
    assert_eq!(passes(&rig, &step).await.len(), 1_000_000);
    let size = || {
        let listed = Command::new("find").arg(job.root()).args(["-size", "+500k"]).output().unwrap();
        String::from_utf8(listed.stdout).unwrap().lines().filter(|path| path.ends_with("/segment")).count()
    };
    assert_eq!(size(), 1, "until it is known to be stored");
    rig.docker.remove(&step.key).await.unwrap();
    assert_eq!(size(), 0);
}

/// Runs a step that prints `ok`, and does the rest once that has been read out of its record.
async fn attack(rig: &Rig, job: &TestJob, number: u32, text: &str) -> (Result<Exit, Failure>, executor_rig::Kept) {
    let seen = job.workspace().join("seen");
    let _ = std::fs::remove_file(&seen);
    let text = text.replace("SEEN", "until [ -e seen ]; do usleep 5000; done");
    let (step, log) = (job.script(number, &text), Log::default());
    let driving = drive(rig.docker.start(&step, log.sink(), CancellationToken::new()).await.unwrap());
    log.until("ok", |kept| kept.stdout.starts_with(b"ok\n")).await;
    std::fs::write(seen, "").unwrap();
    (driving.await.unwrap(), log.kept())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_step_harms_no_more_than_its_own_record() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    let end = |said: &str| said.to_owned();
    let stories = [
        (
            "over it with nonsense",
            "echo ok; SEEN; head -c 5000 /dev/urandom >> /gantry/run/segment; sleep 1; exit 6",
            6,
            end("written over the record"),
        ),
        ("cut", "echo ok; SEEN; : > /gantry/run/segment; echo lost; exit 6", 6, end("")),
        (
            "a link to a file of the machine",
            "echo ok; SEEN; rm /gantry/run/segment; ln -s /etc/shadow /gantry/run/segment; exit 6",
            6,
            end(""),
        ),
        (
            "a gate of its own",
            "echo ok; SEEN; rm /gantry/run/gate; (timeout 1 nc -lU /gantry/run/gate || true) >/dev/null 2>&1; exit 6",
            6,
            end(""),
        ),
        (
            "knocking",
            "echo ok; SEEN; for i in $(seq 60); do (nc -w 1 local:/gantry/run/gate </dev/null >/dev/null 2>&1 &) ; done; sleep 1; exit 6",
            6,
            end(""),
        ),
        (
            "signals to the first process",
            "trap '' TERM HUP INT USR1; echo ok; SEEN; for s in STOP KILL SEGV ABRT TERM HUP; do kill -$s 1; done; sleep 1; exit 6",
            6,
            end(""),
        ),
        (
            "kills all it can see",
            "echo ok; SEEN; trap '' TERM; kill -TERM -1 2>/dev/null || true; kill -KILL -1 2>/dev/null || true; sleep 0.2; exit 6",
            6,
            end(""),
        ),
    ];
    for (number, (what, text, code, said)) in (0..).zip(stories) {
        let (exit, kept) = attack(&rig, &job, number, text).await;
        assert_eq!(exit, Ok(Exit::Code(code)), "{what}: {} {} {}", kept.stdout(), kept.stderr(), kept.system());
        assert!(kept.stdout().starts_with("ok\n"), "{what}: {}", kept.stdout());
        assert!(kept.system().contains(&said), "{what}: {}", kept.system());
        assert!(kept.finished);
        let step = job.script(number, "");
        // A server that comes after it reads what there is, follows nothing, and comes to an end with the engine's word or the record's.
        let log = Log::default();
        let again = rig.restarted().attach(&step.key, log.sink(), CancellationToken::new()).await.unwrap().exit.await;
        assert_eq!(again.map(|ended| ended.exit), Ok(Exit::Code(code)), "{what}");
        assert!(!log.kept().stdout().contains("root:"), "{what}");
    }
    // An end that it made up ends it: what it would have done after that is not waited for.
    let forged = r#"echo ok; SEEN; printf '\001\0\0\0\0\0\0\0\006\0\0\0\007\0\0\0code=0\n' >> /gantry/run/segment; sleep 1000"#;
    let (exit, kept) = attack(&rig, &job, 20, forged).await;
    assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(0)), "ok\n"));
    rig.docker.release(&job.spec.key).await.unwrap();
    assert_eq!(rig.containers(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_process_keeps_its_memory_and_its_files_to_itself() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    let text = "! readlink /proc/1/fd/3 2>/dev/null; ! readlink /proc/1/exe 2>/dev/null; ! head -c 1 /proc/1/mem 2>/dev/null; ! cat /proc/1/environ 2>/dev/null; readlink /proc/self/fd/0; ls /proc/self/fd | tr '\n' ' '; umask
! touch /gantry/init 2>/dev/null; ! rm -f /gantry/init 2>/dev/null; tr '\\0' ' ' < /proc/1/cmdline";
    assert_eq!(passes(&rig, &job.script(0, text)).await, "/dev/null\n0 1 2 3 0022\n/gantry/init /gantry/run ");
}

/// Makes an image by changes to the test's own, as a Dockerfile has them; gives its name.
fn image(name: &str, changes: &[&str], script: &str) -> String {
    let image = format!("gantry-test/{name}:1");
    let id = docker(&["create", IMAGE, "sh", "-c", script]).remove(0);
    docker(&["start", "-a", &id]);
    let mut commit = vec!["commit"];
    for change in changes {
        commit.extend(["-c", change]);
    }
    commit.extend([id.as_str(), image.as_str()]);
    assert_eq!(docker(&commit).len(), 1, "{changes:?}");
    docker(&["rm", "-f", &id]);
    image
}

#[tokio::test(flavor = "multi_thread")]
async fn an_images_own_entry_point_environment_and_user_are_kept_and_its_directory_is_not() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    let image = image(
        "gate-own",
        &[
            "ENTRYPOINT [\"/bin/sh\",\"-c\",\"id -u; pwd; echo $OF_IMAGE $BOTH $PATH; echo $0\"]",
            "CMD [\"the argument\"]",
            "ENV OF_IMAGE=image BOTH=image",
            "ENV PATH=/own:/bin",
            "WORKDIR /tmp",
            "USER 1234:1234",
        ],
        "true",
    );
    let mut step = job.step(0, Action::EntryPoint);
    step.image = Some(image.clone());
    step.env.insert("BOTH".to_owned(), "step".to_owned());
    assert_eq!(passes(&rig, &step).await, "1234\n/workspace\nimage step /own:/bin\nthe argument\n");
    // And a script in the same image, ahead of time.
    let mut step = job.script(1, "id -u; echo $OF_IMAGE; echo a > $GANTRY_OUTPUT; test ! -w /gantry; echo $HOME");
    step.image = Some(image.clone());
    assert_eq!(rig.docker.park(&step).await, Ok(true));
    assert_eq!(passes(&rig, &step).await, "1234\nimage\n/\n");
    docker(&["rmi", &image]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_without_a_shell_runs_its_program_and_says_what_is_missing_for_a_script() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    // Nothing but one static program.
    let busybox = job.dir.path().join("echo");
    docker(&["create", "--name", &format!("gate-bare-{}", rig.instance), IMAGE]);
    docker(&["cp", "-L", &format!("gate-bare-{}:/bin/busybox", rig.instance), &busybox.display().to_string()]);
    docker(&["rm", &format!("gate-bare-{}", rig.instance)]);
    let packed = Command::new("tar").arg("-C").arg(job.dir.path()).args(["-c", "echo"]).output().unwrap().stdout;
    rig.docker.import_image("gantry-test/gate-bare:1", packed).await.unwrap();
    let mut step = job.step(0, Action::EntryPoint);
    step.image = Some("gantry-test/gate-bare:1".to_owned());
    let (exit, _) = run(&rig.docker, &step).await;
    let Err(Failure::Infrastructure(why)) = exit else { panic!("{exit:?}") };
    assert!(why.contains("neither an entry point nor a command"), "{why}");
    let mut step = job.step(1, Action::Script { shell: vec!["/echo".to_owned(), "the".to_owned()], text: "text".to_owned() });
    step.image = Some("gantry-test/gate-bare:1".to_owned());
    assert_eq!(passes(&rig, &step).await, "the /gantry/script\n");
    let mut step = job.script(2, "true");
    step.image = Some("gantry-test/gate-bare:1".to_owned());
    let (exit, kept) = run(&rig.docker, &step).await;
    assert_eq!(exit, Ok(Exit::Code(127)));
    assert_eq!(kept.system(), "`/bin/sh` cannot be started: No such file or directory (os error 2)\n");
    rig.docker.release(&job.spec.key).await.unwrap();
    docker(&["rmi", "gantry-test/gate-bare:1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_without_a_network_waits_at_its_gate_all_the_same() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    let mut step = job.script(0, "ls /sys/class/net");
    step.network = Network::None;
    assert_eq!(rig.docker.park(&step).await, Ok(true));
    assert_eq!(passes(&rig, &step).await, "lo\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_parked_and_started_at_once_and_each_says_its_own() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    let steps: Vec<StepSpec> = (0..8).map(|number| job.script(number, &format!("echo {number}"))).collect();
    for done in futures_util::future::join_all(steps.iter().map(|step| rig.docker.park(step))).await {
        assert_eq!(done, Ok(true));
    }
    let said = futures_util::future::join_all(steps.iter().map(|step| passes(&rig, step))).await;
    assert_eq!(said, (0..8).map(|number| format!("{number}\n")).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_ten_megabytes_come_whole_also_after_a_crash_in_the_middle() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    let step = job.script(0, "echo first; for c in a b; do head -c 10000000 /dev/zero | tr '\\0' $c; echo; done; echo last");
    let log = Log::default();
    let driving = drive(rig.docker.start(&step, log.sink(), CancellationToken::new()).await.unwrap());
    log.until("a part", |kept| kept.stdout.len() > 3_000_000).await;
    driving.abort();
    let _ = driving.await;
    let exit = rig.restarted().attach(&step.key, log.sink(), CancellationToken::new()).await.unwrap().exit.await;
    assert_eq!(exit.map(|ended| ended.exit), Ok(Exit::Code(0)));
    let expected =
        [b"first\n".to_vec(), vec![b'a'; 10_000_000], b"\n".to_vec(), vec![b'b'; 10_000_000], b"\nlast\n".to_vec()].concat();
    assert!(log.kept().stdout == expected, "{} bytes instead of {}", log.kept().stdout.len(), expected.len());
    assert!(log.kept().writes.iter().all(|(stream, _)| *stream == Stream::Stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_runs_in_a_directory_with_a_path_longer_than_a_socket_may_have() {
    let rig = Rig::new().await;
    let mut job = TestJob::new();
    job.spec.dirs.root = job.dir.path().join("long".repeat(50)).join("job");
    job.spec.dirs.workspace = job.spec.dirs.root.join("workspace");
    std::fs::create_dir_all(job.workspace()).unwrap();
    rig.docker.prepare(&job.spec, &executor_rig::NoServices).await.unwrap();
    assert_eq!(passes(&rig, &job.script(0, "echo far")).await, "far\n");
    let attempt = std::fs::read_dir(job.root().join("steps")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(attempt.metadata().unwrap().permissions().mode() & 0o777, 0o755);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_program_may_run_a_step_is_started_by_the_engine_alone() {
    let rig = Rig::new().await;
    let job = TestJob::new();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "noexec", "none"]).arg(job.root()).status().unwrap();
    assert!(mounted.success(), "this test needs root");
    std::fs::create_dir(job.workspace()).unwrap();
    rig.docker.prepare(&job.spec, &executor_rig::NoServices).await.unwrap();
    assert_eq!(rig.docker.park(&job.script(0, "true")).await, Ok(false));
    let said = passes(&rig, &job.script(0, "echo fine")).await;
    for container in rig.containers() {
        docker(&["rm", "-f", &container]);
    }
    assert!(Command::new("umount").arg(job.root()).status().unwrap().success());
    assert_eq!(said, "fine\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_step_of_a_job_needs_no_sandbox_and_no_other_job_reaches_it() {
    let rig = Rig::new().await;
    let (mut one, mut two) = (TestJob::new(), TestJob::new());
    for job in [&mut one, &mut two] {
        job.spec.is_single = true;
        rig.docker.prepare(&job.spec, &NoServices).await.unwrap();
    }
    assert_eq!(rig.containers(), [""; 0], "nobody has to hold a network for them");
    let (log, stop) = (Log::default(), CancellationToken::new());
    let text = "hostname -i; hostname; while true; do echo secret | nc -l -p 8080; done";
    let serving = drive(rig.docker.start(&one.script(0, text), log.sink(), stop.clone()).await.unwrap());
    log.until("its address and name", |kept| kept.stdout.ends_with(b"\ngantry\n")).await;
    let address = log.kept().stdout().lines().next().unwrap().to_owned();
    let container = rig.containers();
    assert_eq!(container, rig.step_containers());
    let inside = docker(&["exec", &container[0], "sh", "-c", &format!("until nc -w 2 {address} 8080; do :; done")]);
    assert_eq!(inside, ["secret"], "the address is right");
    let (exit, kept) = run(&rig.docker, &two.script(0, &format!("nc -w 2 {address} 8080 </dev/null"))).await;
    assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(1)), ""));
    stop.cancel();
    assert_eq!(serving.await.unwrap(), Ok(Exit::Code(143)));

    // A server that remembers nothing looks for a sandbox, and makes one.
    let mut again = one.script(0, "hostname; nc -z -w 2 127.0.0.1 8080 || echo alone");
    again.key.attempt = 2;
    let next = rig.restarted();
    let (exit, kept) = run(&*next, &again).await;
    assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(0)), "gantry\nalone\n"));
    assert!(rig.containers().iter().any(|name| name.ends_with(&one.spec.key.to_string())), "{:?}", rig.containers());
    let mut jobs = vec![one.spec.key.clone(), two.spec.key.clone()];
    jobs.sort();
    assert_eq!(next.jobs().await, Ok(jobs.clone()));
    for job in &jobs {
        next.release(job).await.unwrap();
    }
    assert_eq!(rig.containers(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_step_of_a_job_that_waited_at_its_gate_while_the_server_was_killed_is_opened_by_the_next() {
    let rig = Rig::new().await;
    let mut job = TestJob::new();
    job.spec.is_single = true;
    rig.docker.prepare(&job.spec, &NoServices).await.unwrap();
    let step = job.script(0, "echo once >> ran; echo hello");
    // What a start has done by the time at which it opens the gate.
    assert_eq!(rig.docker.park(&step).await, Ok(true));
    let container = docker(&["inspect", "-f", "{{.Id}}", &rig.step_containers()[0]]);
    let (exit, kept) = run(&*rig.restarted(), &step).await;
    assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(0)), "hello\n"));
    assert_eq!(docker(&["inspect", "-f", "{{.Id}}", &rig.step_containers()[0]]), container, "it has its network still");
    assert_eq!(std::fs::read_to_string(job.workspace().join("ran")).unwrap(), "once\n");
}
