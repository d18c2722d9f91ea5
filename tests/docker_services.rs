//! A job's services against a real engine.

mod executor_rig;

use std::time::{Duration, Instant};

use executor_rig::docker::{Rig, docker};
use executor_rig::{IMAGE, ServiceLogs, TestJob, run};
use gantry::executor::{Executor, Failure};
use gantry::pipeline::{Ready, ServicePlan};
use gantry::run::Exit;

fn service(name: &str, ready: Ready, script: &str) -> ServicePlan {
    ServicePlan {
        name: name.to_owned(),
        image: IMAGE.to_owned(),
        pull: None,
        env: [("GREETING".to_owned(), "hello".to_owned())].into(),
        command: Some(["sh", "-c", script].map(str::to_owned).to_vec()),
        ready,
        ready_timeout_ms: 60_000,
    }
}

/// Something like a database: it takes its time, then listens on 127.0.0.1 alone.
const DATABASE: &str = "echo starting; usleep 300000; mkdir /www; echo \"$GREETING $CI\" > /www/x; echo listening; httpd -f -h /www -p 127.0.0.1:5432";
/// It serves whoever connects first, and nobody else.
const ONCE: &str = "echo starting; usleep 300000; echo listening; echo \"$GREETING $CI\" | nc -l -p 6379; sleep 100";

fn job_with(services: Vec<ServicePlan>) -> (TestJob, ServiceLogs) {
    let mut job = TestJob::new();
    job.spec.services = services;
    (job, ServiceLogs::default())
}

async fn refused(rig: &Rig, service: ServicePlan) -> (String, ServiceLogs) {
    let (job, logs) = job_with(vec![service]);
    let failure = rig.docker.prepare(&job.spec, &logs).await.expect_err("it cannot become ready");
    rig.docker.release(&job.spec.key).await.unwrap();
    assert_eq!(rig.containers(), Vec::<String>::new());
    match failure {
        Failure::Infrastructure(sentence) => (sentence, logs),
        other => panic!("{other:?}"),
    }
}

#[expect(clippy::disallowed_methods, reason = "a test measures what a person would wait")]
fn now() -> Instant {
    Instant::now()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_ready_once_it_listens_and_is_met_by_name_and_on_localhost() {
    let rig = Rig::new().await;
    let (job, logs) = job_with(vec![service("db", Ready::Port(5432), DATABASE), service("cache", Ready::Port(6379), ONCE)]);
    rig.docker.prepare(&job.spec, &logs).await.unwrap();
    for (name, log) in [("db", logs.of("db")), ("cache", logs.of("cache"))] {
        assert_eq!(log.kept().stdout(), "starting\nlistening\n", "{name}");
    }
    // Nobody has connected before: the one greeting is still to be had.
    let text = "wget -qO- http://db:5432/x; nc -w 5 cache 6379 </dev/null; grep -c 127.0.0.1 /etc/hosts";
    let (exit, kept) = run(&rig.docker, &job.script(0, text)).await;
    assert_eq!((exit, kept.stdout().as_str()), (Ok(Exit::Code(0)), "hello true\nhello true\n3\n"), "{}", kept.stderr());

    assert_eq!(rig.docker.survivors().await.unwrap().len(), 1, "a service is no attempt");
    let hardened = docker(&[
        "inspect",
        "-f",
        "{{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}} {{.HostConfig.PidsLimit}} {{.HostConfig.Privileged}} {{len .Mounts}}",
        &rig.containers().into_iter().find(|name| name.ends_with("-service-0")).unwrap(),
    ]);
    assert_eq!(hardened, ["[ALL] [no-new-privileges] 2048 false 0"]);

    rig.docker.release(&job.spec.key).await.unwrap();
    assert_eq!(rig.containers(), Vec::<String>::new());
    let log = logs.of("db");
    log.until("its end", |kept| kept.finished).await;
    assert_eq!(log.kept().system(), "", "its end with the job is nothing to tell");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_a_text_in_the_log_and_a_healthcheck_show_readiness_too() {
    let rig = Rig::new().await;
    let image = "gantry-test/healthy:1";
    let made = std::process::Command::new("sh")
        .arg("-c")
        .arg(format!(
            "id=$(docker create {IMAGE} true) && docker commit -c 'HEALTHCHECK --interval=200ms CMD test -e /tmp/up' $id {image} && docker rm $id"
        ))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let late = "usleep 400000; echo 'now ready to accept' >&2; touch /tmp/up; sleep 100";
    let by_health = ServicePlan { image: image.to_owned(), ..service("health", Ready::Health, late) };
    let by_log = Ready::Log("ready to accept".to_owned());
    for one in [by_health, service("text", by_log, late), service("command", Ready::Command("test -e /tmp/up".to_owned()), late)]
    {
        let name = one.name.clone();
        let (job, logs) = job_with(vec![one]);
        rig.docker.prepare(&job.spec, &logs).await.unwrap();
        assert_eq!(logs.of(&name).kept().stderr(), "now ready to accept\n", "{name}");
        rig.docker.release(&job.spec.key).await.unwrap();
    }
    let (job, logs) = job_with(vec![service("plain", Ready::Health, "sleep 100")]);
    rig.docker.prepare(&job.spec, &logs).await.expect("without a HEALTHCHECK it is enough that it runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_ends_is_told_with_its_last_lines_and_its_log_is_kept() {
    let rig = Rig::new().await;
    for ready in [Ready::Port(5432), Ready::Health, Ready::Log("ready".to_owned()), Ready::Command("false".to_owned())] {
        let what = format!("{ready:?}");
        let dies = service("db", ready, "seq 1 5; usleep 200000; echo 'FATAL: no data directory' >&2; exit 3");
        let (sentence, logs) = refused(&rig, dies).await;
        assert!(sentence.starts_with("service `db` ended with 3 before it was ready; its last lines: "), "{what}: {sentence}");
        assert!(sentence.contains("FATAL: no data directory"), "{what}: {sentence}");
        let log = logs.of("db");
        log.until("its end", |kept| kept.finished).await;
        let kept = log.kept();
        assert_eq!((kept.stdout().as_str(), kept.stderr().as_str()), ("1\n2\n3\n4\n5\n", "FATAL: no data directory\n"));
        assert_eq!(kept.system(), "the service ended with 3\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_not_ready_in_time_is_told_with_what_was_waited_for() {
    let rig = Rig::new().await;
    let never = |ready| ServicePlan { ready_timeout_ms: 1_000, ..service("db", ready, "echo up; sleep 100") };
    let (sentence, _) = refused(&rig, never(Ready::Port(5432))).await;
    assert_eq!(sentence, "service `db` was not ready within 1.0 s (port 5432); its last lines: up");
    let (sentence, _) = refused(&rig, never(Ready::Log("ready".to_owned()))).await;
    assert_eq!(sentence, "service `db` was not ready within 1.0 s (log `ready`); its last lines: up");
    let (sentence, _) = refused(&rig, never(Ready::Command("echo no response; exit 2".to_owned()))).await;
    let said = "(command `echo no response; exit 2`, which said: no response)";
    assert_eq!(sentence, format!("service `db` was not ready within 1.0 s {said}; its last lines: up"));
    let silent = ServicePlan { command: Some(vec!["sleep".to_owned(), "100".to_owned()]), ..never(Ready::Port(1)) };
    let (sentence, _) = refused(&rig, silent).await;
    assert_eq!(sentence, "service `db` was not ready within 1.0 s (port 1); it said nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_even_start_is_told_by_the_services_name() {
    let rig = Rig::new().await;
    let no_image = ServicePlan { image: "127.0.0.1:1/no/such:1".to_owned(), ..service("db", Ready::Health, "true") };
    let (sentence, logs) = refused(&rig, no_image).await;
    assert!(sentence.starts_with("service `db`: the image `127.0.0.1:1/no/such:1` cannot be pulled: "), "{sentence}");
    assert!(logs.of("db").kept().system().contains("pulling 127.0.0.1:1/no/such:1\nservice `db`: the image "));
    let no_program = ServicePlan { command: Some(vec!["/no/such".to_owned()]), ..service("db", Ready::Health, "true") };
    let (sentence, _) = refused(&rig, no_program).await;
    assert!(sentence.starts_with("service `db` ended with 127 before it was ready; its last lines: "), "{sentence}");
    assert!(sentence.contains("/no/such"), "{sentence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_were_starting_when_the_server_died_are_found_and_not_started_twice() {
    let rig = Rig::new().await;
    let starts = "echo start >> /dev/stderr; seq 1 2000; usleep 500000; echo ready to accept; sleep 100";
    for round in 0..8 {
        let ready = [Ready::Log("ready to accept".to_owned()), Ready::Command("true".to_owned())][round % 2].clone();
        let (job, logs) = job_with(vec![service("db", ready.clone(), starts), service("other", ready, starts)]);
        let first = rig.restarted();
        let cut = tokio::time::timeout(Duration::from_millis(round as u64 * 110), first.prepare(&job.spec, &logs)).await;
        drop(cut);
        first_server_dies(&first).await;
        let second = rig.restarted();
        second.prepare(&job.spec, &logs).await.unwrap_or_else(|failure| panic!("round {round}: {failure}"));
        for name in ["db", "other"] {
            let log = logs.of(name);
            log.until("all", |kept| kept.stdout.ends_with(b"ready to accept\n")).await;
            assert_eq!(log.kept().stderr(), "start\n", "round {round}");
            let expected: String = (1..=2000).map(|n| format!("{n}\n")).chain(["ready to accept\n".to_owned()]).collect();
            assert!(log.kept().stdout() == expected, "round {round}: {} bytes", log.kept().stdout.len());
        }
        assert_eq!(rig.containers().len(), 3, "round {round}");
        second.release(&job.spec.key).await.unwrap();
        assert_eq!(rig.containers(), Vec::<String>::new(), "round {round}");
    }
}

/// Ends the background tasks of a server, as its death would.
async fn first_server_dies(server: &executor_rig::docker::Server) {
    server.tasks.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_a_running_service_goes_on_after_a_crash_without_a_missing_or_doubled_line() {
    let rig = Rig::new().await;
    let counts = "i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo line $i; usleep 5000; done; echo done; sleep 100";
    let (job, logs) = job_with(vec![service("db", Ready::Log("line 1".to_owned()), counts)]);
    let mut server = rig.restarted();
    server.prepare(&job.spec, &logs).await.unwrap();
    let log = logs.of("db");
    for lines in [30, 80, 140] {
        log.until("more lines", |kept| kept.stdout.iter().filter(|byte| **byte == b'\n').count() >= lines).await;
        server.tasks.end().await;
        server = rig.restarted();
        server.follow_services(&job.spec.key, &logs).await.unwrap();
        server.follow_services(&job.spec.key, &logs).await.expect("a second time, there is nothing to do");
    }
    log.until("its last line", |kept| kept.stdout.ends_with(b"done\n")).await;
    let expected: String = (1..=300).map(|n| format!("line {n}\n")).chain(["done\n".to_owned()]).collect();
    assert_eq!(log.kept().stdout(), expected);
    server.release(&job.spec.key).await.unwrap();
    log.until("its end", |kept| kept.finished).await;
    assert_eq!(log.kept().system(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_ends_while_the_steps_run_says_so_in_its_log() {
    let rig = Rig::new().await;
    let (job, logs) =
        job_with(vec![service("db", Ready::Command("true".to_owned()), "until [ -e /tmp/end ]; do usleep 20000; done; exit 9")]);
    rig.docker.prepare(&job.spec, &logs).await.unwrap();
    let container = rig.containers().into_iter().find(|name| name.ends_with("-service-0")).unwrap();
    docker(&["exec", &container, "touch", "/tmp/end"]);
    logs.of("db").until("its end", |kept| kept.finished).await;
    assert_eq!(logs.of("db").kept().system(), "the service ended with 9\n");
    assert_eq!(run(&rig.docker, &job.script(0, "true")).await.0, Ok(Exit::Code(0)), "the steps go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preparation_that_is_given_up_ends_at_once_and_its_release_leaves_nothing() {
    let rig = Rig::new().await;
    let (job, logs) = job_with(vec![service("db", Ready::Port(5432), "echo up; sleep 100")]);
    let since = now();
    tokio::select! {
        done = rig.docker.prepare(&job.spec, &logs) => panic!("{done:?}"),
        () = async { logs.of("db").until("up", |kept| kept.stdout == b"up\n").await } => {}
    }
    rig.docker.release(&job.spec.key).await.unwrap();
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    assert_eq!(rig.containers(), Vec::<String>::new());
    logs.of("db").until("its end", |kept| kept.finished).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_of_two_jobs_on_one_port_do_not_meet() {
    let rig = Rig::new().await;
    let (one, logs) = job_with(vec![service("db", Ready::Port(5432), "echo one | nc -l -p 5432; sleep 100")]);
    let (two, _) = job_with(vec![service("db", Ready::Port(5432), "echo two | nc -l -p 5432; sleep 100")]);
    rig.docker.prepare(&one.spec, &logs).await.unwrap();
    rig.docker.prepare(&two.spec, &ServiceLogs::default()).await.unwrap();
    for (job, answer) in [(&one, "one\n"), (&two, "two\n")] {
        assert_eq!(run(&rig.docker, &job.script(0, "nc -w 5 db 5432 </dev/null")).await.1.stdout(), answer);
    }
}
