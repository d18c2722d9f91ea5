//! What a step can write, use and reach, against a real engine: its own files, its limits, its network, its archives.

mod executor_rig;

use executor_rig::docker::{Rig, docker};
use executor_rig::{Log, drive, run, run_to_end};
use gantry::base::limits::STEP_FILE_BYTES;
use gantry::executor::Executor;
use gantry::run::Exit;
use tokio_util::sync::CancellationToken;

const WRITES: &str =
    r#"echo version=1.2 >> "$GANTRY_OUTPUT"; echo LEVEL=high >> "$GANTRY_ENV"; printf '# all well\n' > "$GANTRY_SUMMARY""#;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_step_wrote_into_its_files_comes_with_its_end_as_root_and_as_another_user() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    let as_nobody = format!(
        "cat > /tmp/nobody <<'END'\n{WRITES}\nEND\nchmod 777 /workspace; su -s /bin/sh nobody -c 'sh -e /tmp/nobody; id -un' "
    );
    for (step, text) in [(0, WRITES.to_owned()), (1, as_nobody)] {
        let (ended, kept) = run_to_end(&rig.docker, &job.script(step, &text)).await;
        let ended = ended.unwrap();
        assert_eq!(ended.exit, Exit::Code(0), "{}", kept.stderr());
        assert_eq!(ended.wrote.output, b"version=1.2\n");
        assert_eq!(ended.wrote.env, b"LEVEL=high\n");
        assert_eq!(ended.wrote.summary, b"# all well\n");
        assert_eq!(kept.system(), "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_is_not_lost_with_the_server_nor_emptied_by_a_second_start() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    let step = job.script(0, &format!("{WRITES}; echo up; sleep 1; echo more=1 >> \"$GANTRY_OUTPUT\"; exit 3"));
    let log = Log::default();
    let driving = drive(rig.docker.start(&step, log.sink(), CancellationToken::new()).await.unwrap());
    log.until("up", |kept| kept.stdout == b"up\n").await;
    driving.abort();
    let again = rig.restarted().start(&step, log.sink(), CancellationToken::new()).await.unwrap();
    let ended = again.exit.await.unwrap();
    assert_eq!((ended.exit, ended.wrote.output.as_slice()), (Exit::Code(3), &b"version=1.2\nmore=1\n"[..]));
    let live = rig.restarted().attach(&step.key, Log::default().sink(), CancellationToken::new()).await.unwrap();
    let ended = live.exit.await.unwrap();
    assert_eq!((ended.exit, ended.wrote.output.as_slice()), (Exit::Code(3), &b"version=1.2\nmore=1\n"[..]));
    assert_eq!(ended.wrote.env, b"LEVEL=high\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_step_gets_nothing_of_the_servers_machine_and_holds_nobody_up() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    let text = r#"! mknod "$GANTRY_OUTPUT.dev" c 1 5
rm "$GANTRY_OUTPUT" "$GANTRY_ENV" "$GANTRY_SUMMARY"
ln -s /etc/shadow "$GANTRY_OUTPUT"; mkfifo "$GANTRY_ENV"; mkdir "$GANTRY_SUMMARY""#;
    let (ended, kept) = run_to_end(&rig.docker, &job.script(0, text)).await;
    let ended = ended.unwrap();
    assert_eq!(ended.exit, Exit::Code(0), "{}", kept.stderr());
    assert_eq!(ended.wrote, gantry::executor::Wrote::default());
    let told = ["GANTRY_OUTPUT: in the file's place is a symbolic link", "GANTRY_ENV: in the file's place is a fifo"];
    for sentence in told.into_iter().chain(["GANTRY_SUMMARY: in the file's place is a directory"]) {
        assert!(kept.system().contains(sentence), "{}", kept.system());
    }
    // A second start meets the same link: the modes of what it leads to stay as they are.
    let shadow = || std::fs::metadata("/etc/shadow").unwrap().permissions();
    let before = shadow();
    run(&rig.docker, &job.script(0, text)).await.0.unwrap();
    assert_eq!(shadow(), before);

    let sparse =
        r#"dd if=/dev/zero of="$GANTRY_OUTPUT" bs=1 count=0 seek=10G 2>/dev/null; ls -l "$GANTRY_OUTPUT" | cut -c1-80 >&2"#;
    let (ended, kept) = run_to_end(&rig.docker, &job.script(1, sparse)).await;
    assert!(kept.stderr().contains("10737418240"), "{}", kept.stderr());
    assert_eq!(ended.unwrap().wrote.output.len(), STEP_FILE_BYTES + 1);

    let (exit, kept) =
        run(&rig.docker, &job.script(2, "! rm -rf /gantry/out 2>/dev/null; ! mv /gantry/out /gantry/x 2>/dev/null")).await;
    assert_eq!(exit, Ok(Exit::Code(0)), "the directory itself is no more its own than the script: {}", kept.stderr());
    assert_eq!(docker(&["inspect", "-f", "{{len .HostConfig.Mounts}}", &rig.step_containers()[0]]), ["3"]);
}
