//! What a step can write, use and reach, against a real engine: its own files, its limits, its network, its archives.

mod executor_rig;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use executor_rig::docker::{Rig, docker};
use executor_rig::packed::{Packed, add, add_file, listed, tar};
use executor_rig::{Log, NoServices, TestJob, drive, run, run_to_end};
use futures_util::StreamExt;
use gantry::base::limits::STEP_FILE_BYTES;
use gantry::executor::{Executor, Failure};
use gantry::pipeline::{Network, Resources};
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
    assert_eq!(docker(&["inspect", "-f", "{{len .HostConfig.Mounts}}", &rig.step_containers()[0]]), ["4"]);
}

fn names<const N: usize>(entries: [(&str, &str); N]) -> BTreeMap<String, String> {
    entries.map(|(name, what)| (name.to_owned(), what.to_owned())).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_an_ended_step_are_read_as_an_archive_also_by_a_server_that_remembers_nothing() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    let text = "mkdir -p dist/sub /cache/deep; echo app > dist/app; chmod 750 dist/app; ln -s app dist/link; mkfifo dist/fifo
ln dist/app dist/sub/hard; echo kept > /cache/deep/x; exit 5";
    let step = job.script(0, text);
    assert_eq!(run(&rig.docker, &step).await.0, Ok(Exit::Code(5)));
    // The engine knows of the end a little later than we do.
    docker(&["wait", &rig.step_containers()[0]]);
    let server = rig.restarted();
    let survivors = server.survivors().await.unwrap();
    assert_eq!(survivors.iter().map(|survivor| (&survivor.key, survivor.running)).collect::<Vec<_>>(), [(&step.key, false)]);

    let dist = listed(server.collect(&step.key, "/workspace/dist").await.unwrap().unwrap()).await;
    let expected = [
        ("dist", "dir"),
        ("dist/app", "file 750 app\n"),
        ("dist/fifo", "Fifo"),
        ("dist/link", "-> app"),
        ("dist/sub", "dir"),
        ("dist/sub/hard", "= dist/app"),
    ];
    assert_eq!(dist, names(expected));
    let cache = listed(server.collect(&step.key, "/cache").await.unwrap().unwrap()).await;
    assert_eq!(cache, names([("cache", "dir"), ("cache/deep", "dir"), ("cache/deep/x", "file 644 kept\n")]));
    let one = listed(server.collect(&step.key, "/workspace/dist/sub/hard").await.unwrap().unwrap()).await;
    assert_eq!(one, names([("hard", "file 750 app\n")]));
    for missing in ["/workspace/none", "/none/at/all", "/workspace/dist/app/x"] {
        assert!(server.collect(&step.key, missing).await.unwrap().is_none(), "{missing}");
    }
    let unknown = job.script(7, "true").key;
    assert_eq!(server.collect(&unknown, "/workspace").await.err(), Some(Failure::Gone));

    server.release(&job.spec.key).await.unwrap();
    assert_eq!(rig.containers(), Vec::<String>::new(), "a container that was kept goes with its job");
    assert_eq!(server.collect(&step.key, "/workspace").await.err(), Some(Failure::Gone));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_archive_comes_in_pieces_and_may_be_left_in_the_middle() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    let step = job.script(0, "dd if=/dev/zero of=/big bs=1M count=64 2>/dev/null");
    run(&rig.docker, &step).await.0.unwrap();
    let (mut bytes, mut largest) = (0, 0);
    let mut pieces = rig.docker.collect(&step.key, "/big").await.unwrap().unwrap();
    while let Some(piece) = pieces.next().await {
        let piece = piece.unwrap();
        bytes += piece.len();
        largest = largest.max(piece.len());
    }
    assert!(bytes > 64 * 1024 * 1024 && largest <= 1024 * 1024, "{bytes} bytes, pieces of up to {largest}");
    let mut pieces = rig.docker.collect(&step.key, "/big").await.unwrap().unwrap();
    assert!(pieces.next().await.unwrap().is_ok());
    drop(pieces);
    rig.docker.remove(&step.key).await.unwrap();
    assert_eq!(rig.step_containers(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_are_in_the_container_before_the_step_starts_and_their_directories_are_made() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    let mut home = tar();
    add_file(&mut home, "bin/tool", b"tool\n");
    let mut tmp = tar();
    add_file(&mut tmp, "in-tmp", b"tmp\n");
    let mut target = tar();
    add_file(&mut target, "x.o", b"object\n");
    let mut step = job.script(0, "cat /opt/deep/er/bin/tool /tmp/in-tmp target/debug/x.o; stat -c '%a' /tmp /opt/deep");
    step.before =
        vec![Packed::new("/opt/deep/er", home), Packed::new("/tmp", tmp), Packed::new("/workspace/target/debug", target)];
    let (exit, kept) = run(&rig.docker, &step).await;
    assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(0)), "tool\ntmp\nobject\n1777\n755\n"), "{}", kept.stderr());
    assert_eq!(kept.system(), "");
    assert_eq!(std::fs::read_to_string(job.workspace().join("target/debug/x.o")).unwrap(), "object\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_cannot_be_put_is_told_and_the_step_sees_no_half_of_it() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    let mut damaged = tar();
    add_file(&mut damaged, "whole", b"whole\n");
    add_file(&mut damaged, "half", &[b'x'; 100_000]);
    let mut other = tar();
    add_file(&mut other, "fine", b"fine\n");
    let mut no_dir = tar();
    add_file(&mut no_dir, "big", &vec![b'x'; 8 * 1024 * 1024]);
    let other = Packed::new("/other", other);
    let mut step = job.script(0, "ls /damaged /etc/passwd 2>&1 || true; cat /other/fine");
    step.before = vec![other.clone(), Packed::breaking("/damaged", damaged, 60_000), Packed::new("/etc/passwd", no_dir)];
    let (exit, kept) = run(&rig.docker, &step).await;
    assert_eq!(exit, Ok(Exit::Code(0)), "{}", kept.stderr());
    assert!(kept.stdout().contains("/damaged: No such file"), "{}", kept.stdout());
    assert!(kept.stdout().ends_with("/etc/passwd\nfine\n"), "{}", kept.stdout());
    assert!(
        kept.system().contains("`/damaged` is left as it was: the archive for `/damaged` cannot be read: the blob is damaged"),
        "{}",
        kept.system()
    );
    assert!(
        kept.system().contains(
            "`/etc/passwd` is left as it was: Docker could not put an archive into `/etc/passwd`: `/etc/passwd` is no directory"
        ),
        "{}",
        kept.system()
    );
    assert_eq!(other.opened.load(Ordering::SeqCst), 3, "it goes into each container that is made anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_archives_are_put_leaves_nothing_behind() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    let mut step = job.script(0, "touch ran");
    let stop = CancellationToken::new();
    step.before = vec![std::sync::Arc::new(Stalled(stop.clone()))];
    let stopped = rig.docker.start(&step, Log::default().sink(), stop).await;
    assert_eq!(stopped.err(), Some(Failure::Stopped));
    assert_eq!(rig.step_containers(), Vec::<String>::new());
    assert!(!job.workspace().join("ran").exists());
}

/// An archive that is never at hand; whoever opens it is stopped.
#[derive(Debug)]
struct Stalled(CancellationToken);

#[async_trait::async_trait]
impl gantry::executor::Archive for Stalled {
    fn into(&self) -> &str {
        "/cache"
    }

    async fn open(&self) -> std::io::Result<gantry::executor::ByteStream> {
        self.0.cancel();
        Ok(Box::pin(futures_util::stream::pending()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_into_the_workspace_is_there_for_every_step_and_the_helper_is_gone() {
    let rig = Rig::new().await;
    let mut job = TestJob::new();
    std::fs::create_dir(job.workspace().join("dist")).unwrap();
    std::fs::write(job.workspace().join("dist/own"), "of the commit\n").unwrap();
    let mut artifacts = tar();
    add(&mut artifacts, "dist/app", tar::EntryType::Regular, "", 0o755, b"app\n");
    let mut deep = tar();
    add_file(&mut deep, "report", b"fine\n");
    job.spec.fill = vec![Packed::new("/workspace", artifacts), Packed::new("/workspace/out/deep", deep)];
    rig.docker.prepare(&job.spec, &NoServices).await.unwrap();
    assert_eq!(rig.containers().len(), 1, "the sandbox alone: {:?}", rig.containers());
    let (exit, kept) = run(&rig.docker, &job.script(0, "cat dist/own dist/app out/deep/report; stat -c %a dist/app")).await;
    assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(0)), "of the commit\napp\nfine\n755\n"));
    rig.docker.prepare(&job.spec, &NoServices).await.expect("done again after a crash, it comes to the same");

    job.spec.fill = vec![Packed::new("/etc", tar())];
    let refused = rig.docker.prepare(&job.spec, &NoServices).await;
    let outside = "what goes into the job's work tree cannot go into `/etc`, outside of it";
    assert_eq!(refused, Err(Failure::Infrastructure(outside.to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_archive_reaches_nothing_beside_the_workspace() {
    let rig = Rig::new().await;
    let beside = tempfile::tempdir().unwrap();
    let target = beside.path().to_str().unwrap();
    type Build<'a> = &'a dyn Fn(&mut tar::Builder<Vec<u8>>);
    let hostile: [(&str, Build<'_>); 4] = [
        ("a name that leads up", &|archive| add_file(archive, "../../escaped", b"x")),
        ("an absolute name", &|archive| add_file(archive, &format!("{target}/escaped"), b"x")),
        ("a file through a link", &|archive| {
            add(archive, "link", tar::EntryType::Symlink, target, 0o777, b"");
            add_file(archive, "link/escaped", b"x");
        }),
        ("a hard link to a file of the machine", &|archive| {
            add(archive, "shadow", tar::EntryType::Link, "/etc/shadow", 0o644, b"");
        }),
    ];
    for (what, build) in hostile {
        let mut job = TestJob::new();
        let mut archive = tar();
        build(&mut archive);
        job.spec.fill = vec![Packed::new("/workspace", archive)];
        // Whether the engine refuses it or puts it inside the container alone: nothing of the machine is touched.
        let _ = rig.docker.prepare(&job.spec, &NoServices).await;
        let found =
            |dir: &std::path::Path| std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.file_name()).collect::<Vec<_>>();
        assert_eq!(found(beside.path()), [""; 0], "{what}");
        assert_eq!(found(job.dir.path()), ["job"], "{what}");
        assert_eq!(found(job.root()), ["workspace"], "{what}");
        let shadow = std::fs::read_to_string(job.workspace().join("shadow")).unwrap_or_default();
        assert_eq!(shadow, "", "{what}");
        rig.docker.release(&job.spec.key).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_without_a_network_reaches_nothing_but_its_own_loopback() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    let log = Log::default();
    let stop = CancellationToken::new();
    let server = job.script(0, "hostname -i; while true; do echo hello | nc -l -p 8080; done");
    let serving = drive(rig.docker.start(&server, log.sink(), stop.clone()).await.unwrap());
    log.until("its address", |kept| kept.stdout.ends_with(b"\n")).await;
    let address = log.kept().stdout().trim().to_owned();
    let mut step = job.script(
        1,
        &format!(
            "ls /sys/class/net; ! nc -w 2 127.0.0.1 8080 </dev/null 2>/dev/null; ! nc -w 2 {address} 8080 </dev/null 2>/dev/null
(echo own | nc -l -p 8080) & until nc -w 2 127.0.0.1 8080 </dev/null 2>/dev/null; do :; done"
        ),
    );
    step.network = Network::None;
    let (exit, kept) = run(&rig.docker, &step).await;
    assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(0)), "lo\nown\n"), "{}", kept.stderr());
    stop.cancel();
    assert_eq!(serving.await.unwrap(), Ok(Exit::Code(143)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_uses_more_memory_than_its_job_allows_is_killed_and_told() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    let mut step = job.script(0, "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo ${#x}");
    step.resources = Resources { memory_bytes: Some(32 * 1024 * 1024), ..Resources::default() };
    let (exit, kept) = run(&rig.docker, &step).await;
    assert_eq!(exit, Ok(Exit::Code(137)), "{}{}", kept.stdout(), kept.stderr());
    assert_eq!(kept.system(), "killed: the step used more memory than it may\n");
    let limits = docker(&["inspect", "-f", "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}", &rig.step_containers()[0]]);
    assert_eq!(limits, ["33554432 33554432"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_cannot_have_more_processes_than_its_job_allows_nor_more_processors_than_there_are() {
    let rig = Rig::new().await;
    let job = rig.job().await;
    let mut step = job.script(0, "i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i+1)); done; echo all of them");
    step.resources = Resources { pids: Some(12), cpu_millis: Some(1_000_000), ..Resources::default() };
    let (exit, kept) = run(&rig.docker, &step).await;
    assert_ne!(exit, Ok(Exit::Code(0)));
    assert!(!kept.stdout().contains("all of them") && kept.stderr().contains("fork"), "{}{}", kept.stdout(), kept.stderr());
    let limits = docker(&["inspect", "-f", "{{.HostConfig.PidsLimit}} {{.HostConfig.NanoCpus}}", &rig.step_containers()[0]]);
    assert_eq!(limits, ["12 0"]);
    let mut half = job.script(1, "true");
    half.resources = Resources { cpu_millis: Some(500), ..Resources::default() };
    assert_eq!(run(&rig.docker, &half).await.0, Ok(Exit::Code(0)));
    let quota = docker(&["inspect", "-f", "{{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}", &rig.step_containers()[0]]);
    assert_eq!(quota, ["500000000 2048"]);
}
