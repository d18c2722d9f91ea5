//! The Docker executor and an engine that comes and goes. The engine is one of the test's own, in a directory, a network and a mount namespace of its
//! own, so that the machine's engine, and its packet filter, are left alone. Needs root and `dockerd`.

mod executor_rig;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use executor_rig::{Log, NoServices, ServiceLogs, TestJob, drive, new_instance, run};
use gantry::base::{Clock, InstanceId, Tasks};
use gantry::executor::{Docker, Executor, Failure, StepSpec};
use gantry::pipeline::{Ready, ServicePlan};
use gantry::run::Exit;
use tokio_util::sync::CancellationToken;

/// A Docker engine of the test's own.
struct Engine {
    dir: tempfile::TempDir,
    process: Option<Child>,
    instance: InstanceId,
}

impl Engine {
    fn new() -> Self {
        let engine = Self { dir: tempfile::tempdir().unwrap(), process: None, instance: new_instance() };
        std::fs::write(engine.path("daemon.json"), "{}").unwrap();
        // Of its containerd; nobody else makes it.
        std::fs::create_dir(engine.path("run")).unwrap();
        engine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// An executor for this engine, as a new server process makes it.
    fn docker(&self) -> Docker {
        Docker::connect(self.path("sock").to_str(), self.instance.clone(), Tasks::default(), Clock::System)
    }

    fn begin(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        let path = |name: &str| self.path(name).into_os_string();
        let socket = format!("unix://{}", self.path("sock").display());
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "dockerd", "--host", &socket, "--data-root"]).arg(path("data"));
        command.arg("--exec-root").arg(path("exec")).arg("--pidfile").arg(path("pid"));
        command.arg("--config-file").arg(path("daemon.json"));
        // A containerd of its own too: the machine's may be shared with its engine.
        command.env("XDG_RUNTIME_DIR", path("run")).stdin(Stdio::null());
        let process = command.stdout(log.try_clone().unwrap()).stderr(log).spawn();
        self.process = Some(process.expect("these tests need `unshare` and `dockerd`, and root"));
    }

    /// Starts it and waits until it answers.
    async fn start(&mut self) -> Docker {
        self.begin();
        let docker = self.docker();
        let since = now();
        while let Err(failure) = docker.health().await {
            let log = || std::fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(since.elapsed() < Duration::from_secs(60), "no engine (these tests need root): {failure}; {}", log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        docker
    }

    /// Ends it by a signal, and waits for its end and that of the containerd it started.
    fn end(&mut self, signal: &str) {
        if let Some(mut process) = self.process.take() {
            kill(signal, &process.id().to_string());
            process.wait().unwrap();
            let since = now();
            while self.processes("containerd").iter().any(|pid| !self.processes("containerd-shim").contains(pid)) {
                assert!(since.elapsed() < Duration::from_secs(20), "containerd outlives its engine");
                std::thread::sleep(Duration::from_millis(10));
            }
            // Where process 1 does not reap, a killed containerd stays as a zombie, which the next engine takes for a living one by this file.
            let _ = std::fs::remove_file(self.path("exec/containerd/containerd.pid"));
        }
    }

    /// Live processes of this name that were started with our own directory's path.
    fn processes(&self, name: &str) -> Vec<String> {
        let ours = self.dir.path().display().to_string();
        let is_ours = |pid: &String| {
            let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
            read("comm").trim().starts_with(name) && read("cmdline").contains(&ours)
        };
        let entries = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name().display().to_string());
        entries.filter(|pid| pid.bytes().all(|byte| byte.is_ascii_digit())).filter(is_ours).collect()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.end("-TERM");
        // A test that failed may leave containers behind, each with its shim.
        for shim in self.processes("containerd-shim") {
            let children = std::fs::read_to_string(format!("/proc/{shim}/task/{shim}/children")).unwrap_or_default();
            for pid in children.split_whitespace().chain([shim.as_str()]) {
                let _ = Command::new("kill").args(["-KILL", pid]).status();
            }
        }
    }
}

fn kill(signal: &str, pid: &str) {
    let killed = Command::new("kill").args([signal, pid]).status().unwrap();
    assert!(killed.success(), "kill {signal} {pid}");
}

#[expect(clippy::disallowed_methods, reason = "a test measures what a person would wait")]
fn now() -> Instant {
    Instant::now()
}

/// A job on the test's engine, and what makes its steps.
async fn job(docker: &Docker) -> (TestJob, impl Fn(u32, &str) -> StepSpec) {
    let image = docker.demo_image().await.unwrap().expect("these tests need a static /bin/busybox");
    let job = TestJob::new();
    docker.prepare(&job.spec, &NoServices).await.unwrap();
    let spec = TestJob { dir: tempfile::tempdir().unwrap(), spec: job.spec.clone() };
    let step = move |number, text: &str| {
        let mut step = spec.script(number, text);
        step.image = Some(image.clone());
        step
    };
    (job, step)
}

async fn attach_and_wait(docker: &Docker, step: &StepSpec, log: &Log) -> Result<Exit, Failure> {
    docker.attach(&step.key, log.sink(), CancellationToken::new()).await?.exit.await.map(|ended| ended.exit)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_down_is_told_and_used_once_it_is_there() {
    let mut engine = Engine::new();
    let docker = engine.docker();
    let Err(Failure::Unreachable(sentence)) = docker.health().await else { panic!("nobody listens there") };
    let expected =
        format!("Docker is not reachable at unix://{}: there is no such socket; is it running?", engine.path("sock").display());
    assert_eq!(sentence, expected);
    let job_spec = TestJob::new();
    assert!(docker.prepare(&job_spec.spec, &NoServices).await.unwrap_err().is_unreachable());
    assert!(docker.survivors().await.unwrap_err().is_unreachable());
    assert!(docker.release(&job_spec.spec.key).await.unwrap_err().is_unreachable());
    let start = docker.start(&job_spec.script(0, "true"), Log::default().sink(), CancellationToken::new()).await;
    assert!(start.err().unwrap().is_unreachable());

    engine.start().await;
    docker.health().await.expect("the same executor finds the engine");
    let (job, step) = job(&docker).await;
    let (exit, kept) = run(&docker, &step(0, "echo fine")).await;
    assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(0)), "fine\n"));
    docker.release(&job.spec.key).await.unwrap();
    engine.end("-TERM");
    let Err(Failure::Unreachable(_)) = docker.health().await else { panic!("it was stopped") };
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_that_the_engine_ended_are_lost_and_those_that_ended_before_keep_their_exit() {
    let mut engine = Engine::new();
    let docker = engine.start().await;
    let (job, step) = job(&docker).await;
    let passed = step(0, "echo done");
    let failed = step(1, "exit 7");
    for (step, code) in [(&passed, 0), (&failed, 7)] {
        assert_eq!(run(&docker, step).await.0, Ok(Exit::Code(code)));
    }
    // Neither a script that takes SIGTERM for success nor one that ignores it may pass, nor fail, by the engine's end.
    let running = [
        step(2, "echo up; sleep 300"),
        step(3, "trap 'exit 0' TERM; echo up; while true; do sleep 1; done"),
        step(4, "trap '' TERM; echo up; sleep 300"),
    ];
    let mut driven = Vec::new();
    for spec in &running {
        let log = Log::default();
        let driving = drive(docker.start(spec, log.sink(), CancellationToken::new()).await.unwrap());
        log.until("up", |kept| kept.stdout == b"up\n").await;
        driven.push((driving, log));
    }
    let since = now();
    engine.end("-TERM");
    assert!(since.elapsed() < Duration::from_secs(9), "steps do not hold the engine's stop up: {:?}", since.elapsed());
    let mut logs = Vec::new();
    for (driving, log) in driven {
        let exit = driving.await.unwrap();
        assert!(exit.as_ref().is_err_and(Failure::is_unreachable), "{exit:?}");
        assert!(!log.kept().finished, "the attempt is not over yet");
        logs.push(log);
    }

    let docker = engine.start().await;
    assert_eq!(docker.survivors().await.unwrap().len(), 5);
    for (spec, log) in running.iter().zip(&logs) {
        let exit = attach_and_wait(&docker, spec, log).await;
        assert!(matches!(&exit, Ok(Exit::Lost(why)) if why.contains("Docker was stopped")), "{}: {exit:?}", spec.key);
        assert_eq!(log.kept().stdout(), "up\n");
        assert!(log.kept().finished);
    }
    for (spec, code) in [(&passed, 0), (&failed, 7)] {
        assert_eq!(attach_and_wait(&docker, spec, &Log::default()).await, Ok(Exit::Code(code)));
    }
    // The job goes on, in the sandbox that the engine ended too.
    let (exit, kept) = run(&docker, &step(5, "echo goes on")).await;
    assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(0)), "goes on\n"));
    let (exit, _) = run(&docker, &step(6, "kill -9 $$")).await;
    assert_eq!(exit, Ok(Exit::Code(137)), "a kill in this engine's own time is the step's");
    docker.release(&job.spec.key).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_was_stopped_and_one_that_ended_by_itself_race_the_engines_end_without_a_wrong_word() {
    let mut engine = Engine::new();
    for round in 0..3 {
        let docker = engine.start().await;
        let (job, step) = job(&docker).await;
        let spec = step(0, "echo up; while true; do sleep 300; done");
        let log = Log::default();
        let driving = drive(docker.start(&spec, log.sink(), CancellationToken::new()).await.unwrap());
        log.until("up", |kept| kept.stdout == b"up\n").await;
        engine.end("-TERM");
        // Never an exit code: whatever the dying engine still said about the step it killed.
        let exit = driving.await.unwrap();
        assert!(exit.as_ref().is_err_and(Failure::is_unreachable), "round {round}: {exit:?}");
        let docker = engine.start().await;
        docker.release(&job.spec.key).await.unwrap();
        engine.end("-TERM");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_engine_was_killed_its_steps_are_lost_with_every_line_once() {
    let mut engine = Engine::new();
    let docker = engine.start().await;
    let (job, step) = job(&docker).await;
    let spec = step(0, "i=0; while true; do i=$((i+1)); echo line $i; usleep 1000; done");
    let log = Log::default();
    let driving = drive(docker.start(&spec, log.sink(), CancellationToken::new()).await.unwrap());
    log.until("some lines", |kept| kept.stdout.iter().filter(|byte| **byte == b'\n').count() > 300).await;
    engine.end("-KILL");
    let lines = log.kept().stdout.len();
    log.until("more", |kept| kept.stdout.len() > lines + 1000).await;
    assert!(!driving.is_finished(), "it runs, and its output comes, without its engine");

    let docker = engine.start().await;
    let exit = driving.await.unwrap();
    assert!(matches!(&exit, Err(Failure::Unreachable(_)) | Ok(Exit::Lost(_))), "the new engine ended it: {exit:?}");
    if exit.is_err() {
        let exit = attach_and_wait(&docker, &spec, &log).await;
        assert!(matches!(exit, Ok(Exit::Lost(_))), "{exit:?}");
    }
    let kept = log.kept().stdout();
    for (n, line) in (1..).zip(kept.lines()) {
        // The last line may be cut where the engine died.
        assert!(line == format!("line {n}") || n == kept.lines().count(), "line {n} is {line:?}");
    }
    docker.release(&job.spec.key).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_the_engine_ended_are_there_again_for_the_next_step() {
    let mut engine = Engine::new();
    let docker = engine.start().await;
    let image = docker.demo_image().await.unwrap().unwrap();
    let mut job = TestJob::new();
    let script = "usleep 200000; echo listening; while true; do echo hello | nc -l -p 5432; done";
    job.spec.services = vec![ServicePlan {
        name: "db".to_owned(),
        image: image.clone(),
        pull: None,
        env: Default::default(),
        command: Some(["sh", "-c", script].map(str::to_owned).to_vec()),
        ready: Ready::Port(5432),
        ready_timeout_ms: 30_000,
    }];
    let logs = ServiceLogs::default();
    docker.prepare(&job.spec, &logs).await.unwrap();
    logs.of("db").until("it listens", |kept| kept.stdout == b"listening\n").await;
    engine.end("-TERM");

    let docker = engine.start().await;
    let mut step = job.script(0, "nc -w 5 db 5432 </dev/null");
    step.image = Some(image.clone());
    let (exit, kept) = run(&docker, &step).await;
    assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(0)), "hello\n"), "{}", kept.stderr());
    docker.follow_services(&job.spec.key, &logs).await.unwrap();
    logs.of("db").until("both lives", |kept| kept.stdout == b"listening\nlistening\n").await;
    docker.release(&job.spec.key).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_cannot_look_for_listeners_says_so_and_is_not_waited_for() {
    let mut engine = Engine::new();
    let docker = engine.start().await;
    let image = docker.demo_image().await.unwrap().unwrap();
    let mut job = TestJob::new();
    job.spec.services = vec![ServicePlan {
        name: "db".to_owned(),
        image,
        pull: None,
        env: Default::default(),
        command: Some(["sleep", "1000"].map(str::to_owned).to_vec()),
        ready: Ready::Port(5432),
        ready_timeout_ms: 30_000,
    }];
    // What it needs for an `exec`.
    std::fs::remove_dir_all(engine.path("run")).unwrap();
    match docker.prepare(&job.spec, &ServiceLogs::default()).await {
        Err(Failure::Infrastructure(why)) => {
            assert!(why.contains("`db`") && why.contains("the sandbox's program ended"), "{why}")
        }
        other => panic!("{other:?}"),
    }
    docker.release(&job.spec.key).await.unwrap();
}
