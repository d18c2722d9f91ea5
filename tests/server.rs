//! The whole server with the fake executor: from a push to an end, and what can go wrong on the way.

#[path = "server/secrets.rs"]
mod secrets;
mod support;

use gantry::base::Secret;
use gantry::run::RunView;
use gantry::server::ByHand;
use gantry::store::LogKey;
use support::{App, Remote};

const TWO_STEPS: &str = "steps:\n  - name: build\n    run: make\n  - name: test\n    run: make test\n";

#[tokio::test]
async fn a_first_add_runs_the_head_of_the_default_branch_once() {
    let app = App::start().await;
    let remote = Remote::with(TWO_STEPS);
    remote.git(&["branch", "other"]);
    app.watch("shop", &remote).await;
    let run = app.ended("shop", 1).await;
    assert_eq!(run.outcome.unwrap().as_str(), "passed", "{}", run.reason);
    assert_eq!((run.branch.as_str(), run.event), ("main", "push"));
    assert_eq!(run.jobs[0].steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>(), ["build", "test"]);
    app.handle().sync_repo("shop").await.unwrap();
    // The next run is number 2: the poll that found nothing made nothing.
    let pushed = remote.commit(&[("a", "1")], "second");
    app.handle().sync_repo("shop").await.unwrap();
    assert_eq!(app.ended("shop", 2).await.commit, pushed);
    assert_eq!(app.runs("shop").await.len(), 2);
    app.close().await;
}

#[tokio::test]
async fn every_push_tag_new_branch_and_rewritten_branch_makes_a_run() {
    let app = App::start().await;
    let remote = Remote::with("on: [push, tag]\nsteps: [make]\n");
    app.watch("shop", &remote).await;
    app.ended("shop", 1).await;

    let pushed = remote.commit(&[("a", "1")], "second");
    app.handle().sync_repo("shop").await.unwrap();
    let run = app.ended("shop", 2).await;
    assert_eq!((run.commit.as_str(), run.event, run.message.trim()), (pushed.as_str(), "push", "second"));

    remote.git(&["tag", "-a", "v1", "-m", "one"]);
    app.handle().sync_repo("shop").await.unwrap();
    let run = app.ended("shop", 3).await;
    assert_eq!((run.event, run.tag.as_deref(), run.commit.as_str()), ("tag", Some("v1"), pushed.as_str()));

    remote.git(&["branch", "feature"]);
    app.handle().sync_repo("shop").await.unwrap();
    assert_eq!(app.ended("shop", 4).await.branch, "feature");

    remote.git(&["commit", "--quiet", "--amend", "--allow-empty", "-m", "second, better"]);
    app.handle().sync_repo("shop").await.unwrap();
    let run = app.ended("shop", 5).await;
    assert!(run.because.contains("was rewritten"), "{}", run.because);
    app.noted("shop", "`main` was rewritten").await;

    remote.git(&["branch", "-D", "feature"]);
    app.handle().sync_repo("shop").await.unwrap();
    app.noted("shop", "branch `feature` is gone").await;
    assert_eq!(app.runs("shop").await.len(), 5);
    app.close().await;
}

#[tokio::test]
async fn an_empty_repository_waits_and_its_first_push_runs() {
    let app = App::start().await;
    let remote = Remote::empty();
    app.watch("shop", &remote).await;
    app.status("shop", true, "empty").await;
    remote.commit(&[(".gantry.yml", TWO_STEPS)], "first");
    app.handle().sync_repo("shop").await.unwrap();
    app.ended("shop", 1).await;
    app.close().await;
}

#[tokio::test]
async fn a_repository_without_a_pipeline_file_says_so() {
    let app = App::start().await;
    let remote = Remote::empty();
    remote.commit(&[("README", "hello")], "first");
    app.watch("shop", &remote).await;
    app.noted("shop", "no pipeline file").await;
    assert!(app.runs("shop").await.is_empty());
    app.close().await;
}

#[tokio::test]
async fn an_unreachable_remote_is_told_and_the_watching_goes_on() {
    let app = App::start().await;
    let remote = Remote::with(TWO_STEPS);
    let away = remote.dir.path().with_extension("away");
    std::fs::rename(remote.dir.path(), &away).unwrap();
    app.watch("shop", &remote).await;
    app.status("shop", false, "there is no Git repository at").await;
    std::fs::rename(&away, remote.dir.path()).unwrap();
    app.handle().sync_repo("shop").await.unwrap();
    app.ended("shop", 1).await;
    app.status("shop", true, "watching 1 branch").await;
    app.close().await;
}

#[tokio::test]
async fn an_invalid_pipeline_makes_a_run_that_shows_its_problems() {
    let app = App::start().await;
    let remote = Remote::with("steps:\n  - comands: [make]\n");
    app.watch("shop", &remote).await;
    let run = app.ended("shop", 1).await;
    assert_eq!(run.outcome.unwrap().as_str(), "error");
    assert!(run.reason.contains("not a valid pipeline"), "{}", run.reason);
    assert!(run.problems.iter().any(|problem| problem.code == "unknown-key" && problem.line == 2), "{:?}", run.problems);
    app.close().await;
}

#[tokio::test]
async fn what_is_not_wanted_is_noted_with_its_reason() {
    let app = App::start().await;
    let remote = Remote::with("on: { push: { branches: [release] } }\nsteps: [make]\n");
    app.watch("shop", &remote).await;
    let why = app.noted("shop", "does not want branch `main`").await;
    assert!(why.contains("branches"), "{why}");
    app.close().await;
}

#[tokio::test]
async fn a_failed_step_skips_what_needs_it_and_says_why() {
    let app = App::start().await;
    let remote = Remote::with(
        "steps:\n  - { name: build, run: make, env: { FAKE_EXIT: 2 } }\n  - { name: test, run: make test }\n  - { name: tell, run: tell, when: failure }\n",
    );
    app.watch("shop", &remote).await;
    let run = app.ended("shop", 1).await;
    assert_eq!(run.outcome.unwrap().as_str(), "failed");
    let steps = &run.jobs[0].steps;
    assert_eq!((steps[0].exit_code, steps[0].reason.as_str()), (Some(2), "exited with 2"));
    assert_eq!((steps[1].outcome.unwrap().as_str(), steps[1].reason.as_str()), ("skipped", "skipped: `build` failed"));
    assert_eq!(steps[2].outcome.unwrap().as_str(), "passed");
    app.close().await;
}

#[tokio::test]
async fn a_retry_runs_again_until_it_passes() {
    let app = App::start().await;
    let remote =
        Remote::with("steps:\n  - { name: flaky, run: x, retry: { max: 2, backoff: 10ms }, env: { FAKE_EXIT: \"1,1,0\" } }\n");
    app.watch("shop", &remote).await;
    let run = app.ended("shop", 1).await;
    assert_eq!((run.outcome.unwrap().as_str(), run.jobs[0].steps[0].attempt), ("passed", 3));
    app.close().await;
}

#[tokio::test]
async fn a_timeout_stops_the_step_even_a_stubborn_one() {
    let app = App::start().await;
    let remote = Remote::with("steps:\n  - { run: x, timeout: 200ms, env: { FAKE_MS: hang, FAKE_STUBBORN: yes } }\n");
    app.watch("shop", &remote).await;
    let run = app.ended("shop", 1).await;
    assert_eq!(run.outcome.unwrap().as_str(), "timed_out");
    assert_eq!(run.jobs[0].steps[0].reason, "its timeout of 200 ms is over");
    app.close().await;
}

#[tokio::test]
async fn cancel_stops_what_runs_and_lets_always_run() {
    let app = App::start().await;
    let remote = Remote::with(
        "steps:\n  - { name: long, run: x, env: { FAKE_MS: hang } }\n  - { name: never, run: y }\n  - { name: clean, run: z, when: always }\n",
    );
    app.watch("shop", &remote).await;
    let id = app.step_runs("shop", "long").await;
    app.handle().cancel(&id, "ada").await.unwrap();
    let run = app.ended("shop", 1).await;
    assert_eq!((run.outcome.unwrap().as_str(), run.reason.as_str()), ("cancelled", "cancelled by ada"));
    let outcomes: Vec<_> = run.jobs[0].steps.iter().map(|step| step.outcome.unwrap().as_str()).collect();
    assert_eq!(outcomes, ["cancelled", "cancelled", "passed"]);
    assert!(app.handle().cancel(&id, "ada").await.is_err(), "there is nothing left to cancel");
    app.close().await;
}

#[tokio::test]
async fn a_second_cancel_ends_a_stubborn_step_at_once() {
    let app = App::start().await;
    let remote = Remote::with("steps:\n  - { name: long, run: x, env: { FAKE_MS: hang, FAKE_STUBBORN: yes } }\n");
    app.watch("shop", &remote).await;
    let id = app.step_runs("shop", "long").await;
    app.handle().cancel(&id, "ada").await.unwrap();
    app.handle().cancel(&id, "ada").await.unwrap();
    let run = app.ended("shop", 1).await;
    assert_eq!((run.outcome.unwrap().as_str(), run.reason.as_str()), ("cancelled", "cancelled at once by ada"));
    app.close().await;
}

#[tokio::test]
async fn a_rerun_is_a_new_run_of_the_same_plan_and_commit() {
    let app = App::start().await;
    let remote = Remote::with(TWO_STEPS);
    app.watch("shop", &remote).await;
    let first = app.ended("shop", 1).await;
    app.handle().rerun(&first.id.parse().unwrap(), "ada").await.unwrap();
    let second = app.ended("shop", 2).await;
    assert_eq!((second.commit, second.outcome), (first.commit, first.outcome));
    assert_eq!(second.because, "ada ran #1 again");
    app.close().await;
}

#[tokio::test]
async fn a_run_by_hand_runs_a_branch_whatever_its_on_says() {
    let app = App::start().await;
    let remote = Remote::with("on: { push: { branches: [release] } }\nsteps: [make]\n");
    app.watch("shop", &remote).await;
    app.noted("shop", "does not want").await;
    app.handle().trigger("shop", &ByHand::default(), "ada").await.unwrap();
    assert_eq!(app.ended("shop", 1).await.event, "manual");
    let nowhere = ByHand { branch: Some("nowhere".to_owned()), ..ByHand::default() };
    assert!(app.handle().trigger("shop", &nowhere, "ada").await.is_err());
    app.close().await;
}

#[tokio::test]
async fn a_commit_pushed_while_the_server_is_down_runs_after_its_start() {
    let mut app = App::start().await;
    let remote = Remote::with(TWO_STEPS);
    app.watch("shop", &remote).await;
    app.ended("shop", 1).await;
    app.stop().await;
    remote.commit(&[("a", "1")], "while it was away");
    app.restart().await;
    assert_eq!(app.ended("shop", 2).await.message.trim(), "while it was away");
    app.close().await;
}

#[tokio::test]
async fn a_restart_in_the_middle_of_a_run_takes_it_up_and_runs_nothing_twice() {
    let mut app = App::start().await;
    let remote = Remote::with(
        "steps:\n  - { name: one, run: x, env: { FAKE_MS: 300 } }\n  - { name: two, run: y, env: { FAKE_MS: 300 } }\n",
    );
    app.watch("shop", &remote).await;
    app.step_runs("shop", "one").await;
    app.restart().await;
    app.step_runs("shop", "two").await;
    app.restart().await;
    let run = app.ended("shop", 1).await;
    assert_eq!(run.outcome.unwrap().as_str(), "passed", "{}", run.reason);
    assert_eq!(app.fake.starts().len(), 2);
    app.close().await;
}

#[tokio::test]
async fn a_silent_engine_makes_runs_wait_and_say_so() {
    let app = App::start().await;
    app.fake.set_reachable(false);
    let remote = Remote::with(TWO_STEPS);
    app.watch("shop", &remote).await;
    app.until("a run that waits for the engine", async |app| {
        app.runs("shop").await.into_iter().find(|run| run.reason.contains("waits for the engine"))
    })
    .await;
    app.fake.set_reachable(true);
    assert_eq!(app.ended("shop", 1).await.outcome.unwrap().as_str(), "passed");
    app.close().await;
}

#[tokio::test]
async fn an_engine_that_dies_under_a_step_makes_it_lost() {
    let app = App::start().await;
    let remote = Remote::with("steps:\n  - { name: long, run: x, env: { FAKE_MS: hang } }\n");
    app.watch("shop", &remote).await;
    app.step_runs("shop", "long").await;
    app.fake.set_reachable(false);
    app.fake.kill_containers();
    app.fake.set_reachable(true);
    let run = app.ended("shop", 1).await;
    assert_eq!((run.outcome.unwrap().as_str(), run.jobs[0].steps[0].outcome.unwrap().as_str()), ("lost", "lost"));
    app.close().await;
}

#[tokio::test]
async fn one_slot_runs_one_job_at_a_time_and_the_other_says_it_waits() {
    let app = App::with_slots(1).await;
    let remote = Remote::with(
        "jobs:\n  a: { steps: [{ name: s, run: x, env: { FAKE_MS: hang } }] }\n  b: { steps: [{ name: s, run: x }] }\n",
    );
    app.watch("shop", &remote).await;
    let id = app.step_runs("shop", "s").await;
    let run = gantry::run::view(&app.run(&id).await);
    assert_eq!((run.jobs[0].state, run.jobs[1].state), ("running", "waiting"));
    assert_eq!(run.jobs[1].reason, "waits for the one slot, which is taken");
    app.handle().cancel(&id, "ada").await.unwrap();
    app.ended("shop", 1).await;
    app.close().await;
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_is_an_error_with_a_log() {
    let app = App::start().await;
    let remote = Remote::with("steps:\n  - { run: x, env: { FAKE_NO_IMAGE: yes } }\n");
    app.watch("shop", &remote).await;
    let run = app.ended("shop", 1).await;
    assert_eq!(run.outcome.unwrap().as_str(), "error");
    let key: gantry::base::AttemptKey = format!("{}-0-0-1", run.id).parse().unwrap();
    let page = app.handle().store().logs().read(&key, 1, 10).unwrap();
    assert!(page.lines.iter().any(|line| line.text.contains("cannot be pulled")), "{:?}", page.lines);
    app.close().await;
}

#[tokio::test]
async fn a_removed_repository_is_forgotten_and_one_with_a_running_run_is_not_removed() {
    let app = App::start().await;
    let remote = Remote::with("steps:\n  - { name: long, run: x, env: { FAKE_MS: hang } }\n");
    app.watch("shop", &remote).await;
    let id = app.step_runs("shop", "long").await;
    let refused = app.handle().remove_repo("shop").await.unwrap_err().to_string();
    assert!(refused.contains("#1 of `shop` is under way"), "{refused}");
    app.handle().cancel(&id, "ada").await.unwrap();
    app.ended("shop", 1).await;
    app.handle().remove_repo("shop").await.unwrap();
    assert!(app.handle().store().repo("shop").await.unwrap().is_none());
    app.close().await;
}

impl App {
    async fn status(&self, repo: &str, ok: bool, text: &str) {
        self.until(&format!("the status `{text}`"), async |app| {
            let status = app.handle().store().repo(repo).await.unwrap().unwrap().status;
            (status.ok == ok && status.sentence.contains(text)).then_some(())
        })
        .await;
    }

    /// Waits until a step of that name runs; answers its run.
    async fn step_runs(&self, repo: &str, step: &str) -> gantry::base::RunId {
        self.until(&format!("step {step} to run"), async |app| {
            let runs = app.runs(repo).await;
            let running = |run: &&gantry::run::RunView| {
                run.jobs.iter().flat_map(|job| &job.steps).any(|s| s.name == step && s.state == "running")
            };
            runs.iter().find(running).map(|run| run.id.parse().unwrap())
        })
        .await
    }
}

#[tokio::test]
async fn the_next_steps_are_ready_when_their_turn_comes_however_their_parking_went() {
    let app = App::start().await;
    let step = |name: &str, env: &str| format!("  - {{ name: {name}, image: i, run: x, env: {{ {env} }} }}\n");
    let steps = [
        step("first", "FAKE_MS: 100"),
        step("ready", "FAKE_MS: 1"),
        step("slow", "FAKE_PARK: 200, FAKE_MS: 1"),
        step("fails", "FAKE_PARK: fails"),
        step("dies", "FAKE_PARK: dies"),
        step("red", "FAKE_EXIT: 1"),
        step("not wanted", "FAKE_MS: 1"),
    ];
    let remote = Remote::with(&format!("steps:\n{}", steps.concat()));
    app.watch("shop", &remote).await;
    let run = app.ended("shop", 1).await;
    let outcomes: Vec<_> = run.jobs[0].steps.iter().map(|step| step.outcome.unwrap().as_str()).collect();
    assert_eq!(outcomes, ["passed", "passed", "passed", "passed", "passed", "failed", "skipped"]);
    let steps = |keys: Vec<gantry::base::AttemptKey>| keys.into_iter().map(|key| key.step).collect::<Vec<_>>();
    assert_eq!(steps(app.fake.starts()), [0, 1, 2, 3, 4, 5]);
    let opened = steps(app.fake.opened());
    assert!([1, 2, 5].iter().all(|step| opened.contains(step)) && !opened.contains(&3) && !opened.contains(&4), "{opened:?}");
    app.close().await;
}

#[tokio::test]
async fn a_restart_keeps_what_is_ready_and_removes_what_is_not_wanted_any_more() {
    let mut app = App::start().await;
    let steps =
        "[{ name: a, image: i, run: x, env: { FAKE_MS: hang } }, { name: b, image: i, run: x }, { name: c, image: i, run: x }]";
    let remote = Remote::with(&format!("steps: {steps}\n"));
    app.watch("shop", &remote).await;
    app.until("two ready steps", async |app| (app.fake.parked().len() == 2).then_some(())).await;
    app.restart().await;
    let run = app.until("the run", async |app| app.fake.starts().first().map(|key| key.run.clone())).await;
    app.handle().cancel(&run, "ada").await.unwrap();
    let ended = app.ended("shop", 1).await;
    assert_eq!(ended.outcome.unwrap().as_str(), "cancelled");
    assert_eq!((app.fake.starts().len(), app.fake.opened().len()), (1, 0));
    app.close().await;
}

fn with_service(env: &str) -> String {
    let service = format!("{{ image: postgres, env: {{ {env} }}, ready: {{ port: 5432, timeout: 60s }} }}");
    format!("services:\n  db: {service}\nsteps:\n  - {{ name: test, run: make test }}\n")
}

fn service_log(app: &App, run: &RunView) -> Vec<String> {
    let job = gantry::base::JobKey { run: run.id.parse().unwrap(), job: 0 };
    let page = app.handle().store().logs().read(LogKey::Service { job, service: 0 }, 1, 100).unwrap();
    page.lines.into_iter().map(|line| line.text).collect()
}

#[tokio::test]
async fn services_are_ready_before_the_steps_start_and_have_logs_of_their_own() {
    let app = App::start().await;
    let remote = Remote::with(&with_service("FAKE_READY_MS: 100, FAKE_OUTPUT: ready to accept"));
    app.watch("shop", &remote).await;
    let run = app.ended("shop", 1).await;
    assert_eq!(run.outcome.unwrap().as_str(), "passed", "{}", run.reason);
    let services: Vec<_> = run.jobs[0].services.iter().map(|service| (service.name.as_str(), service.image.as_str())).collect();
    assert_eq!(services, [("db", "postgres")]);
    assert_eq!(service_log(&app, &run), ["ready to accept"]);
    assert_eq!(app.fake.starts().len(), 1, "a service is no attempt");
    app.close().await;
}

#[tokio::test]
async fn the_log_of_a_service_is_masked_like_a_steps() {
    let app = App::start().await;
    let everything = gantry::secrets::Policy::everything();
    app.handle().set_secret(None, "TOKEN", &Secret::new("hunter2-hunter3".to_owned()), everything).await.unwrap();
    let service = "{ image: postgres, env: { FAKE_OUTPUT: got hunter2-hunter3 }, ready: { port: 5432, timeout: 60s } }";
    let steps = "[{ name: test, secrets: [TOKEN], run: make test }]";
    let remote = Remote::with(&format!("services:\n  db: {service}\nsteps: {steps}\n"));
    app.watch("shop", &remote).await;
    let run = app.ended("shop", 1).await;
    assert_eq!(run.outcome.unwrap().as_str(), "passed", "{}", run.reason);
    assert_eq!(service_log(&app, &run), ["got ***"]);
    app.close().await;
}

#[tokio::test]
async fn a_service_that_ends_before_it_is_ready_ends_its_job_with_its_last_words() {
    let app = App::start().await;
    let remote = Remote::with(&with_service("FAKE_EXIT: 3, FAKE_OUTPUT: no data directory"));
    app.watch("shop", &remote).await;
    let run = app.ended("shop", 1).await;
    assert_eq!(run.outcome.unwrap().as_str(), "error");
    assert_eq!(run.jobs[0].reason, "service `db` ended with 3 before it was ready; its last lines: no data directory");
    assert_eq!(service_log(&app, &run), ["no data directory"]);
    assert_eq!(app.fake.starts(), []);
    app.close().await;
}

#[tokio::test]
async fn a_cancel_while_services_start_ends_the_run_at_once() {
    let app = App::start().await;
    let remote = Remote::with(&with_service("FAKE_READY_MS: never"));
    app.watch("shop", &remote).await;
    let id = app
        .until("the start of the service", async |app| app.fake.service_starts().first().map(|(job, _)| job.run.clone()))
        .await;
    let preparing = app.runs("shop").await.remove(0);
    assert_eq!(preparing.jobs[0].reason, "making its workspace and network, and starting `db`");
    app.handle().cancel(&id, "ada").await.unwrap();
    let run = app.ended("shop", 1).await;
    assert_eq!(run.outcome.unwrap().as_str(), "cancelled");
    app.close().await;
}

#[tokio::test]
async fn a_restart_while_services_start_finds_them_and_starts_none_twice() {
    let mut app = App::start().await;
    let remote = Remote::with(&with_service("FAKE_READY_MS: 1500"));
    app.watch("shop", &remote).await;
    app.until("the start of the service", async |app| app.fake.service_starts().first().cloned()).await;
    app.restart().await;
    let run = app.ended("shop", 1).await;
    assert_eq!(run.outcome.unwrap().as_str(), "passed", "{}", run.reason);
    assert_eq!(app.fake.service_starts().len(), 1);
    assert_eq!(service_log(&app, &run), ["db"]);
    app.close().await;
}

/// A step that leaves this report and ends so; `more` are further keys of it.
fn reporting(report: &str, exit: &str, more: &str) -> String {
    format!(
        "steps:\n  - name: unit\n    run: x\n    env:\n      FAKE_EXIT: \"{exit}\"\n      FAKE_FILES: |\n        out/junit/a.xml={report}\n        out/junit/b.xml=<coverage/>\n        out/junit/c.xml->/etc/passwd\n        out/other.xml=<testsuite><testcase name=\"not asked for\"/></testsuite>\n    reports: {{ junit: \"out/junit/*.xml\" }}\n{more}"
    )
}

const REPORT: &str =
    "<testsuite name='s'><testcase name='good' time='1.5'/><testcase name='bad'><failure message='why'/></testcase></testsuite>";

#[tokio::test]
async fn test_reports_are_kept_whatever_the_exit_and_what_cannot_be_read_is_told_and_no_failure() {
    let app = App::start().await;
    let remote = Remote::with(&reporting(REPORT, "0", ""));
    app.watch("shop", &remote).await;
    let run = app.ended("shop", 1).await;
    assert_eq!(run.outcome.unwrap().as_str(), "passed", "a report makes nothing fail: {}", run.reason);
    let (store, id) = (app.handle().store(), run.id.parse().unwrap());
    assert_eq!(store.test_summary(&id).await.unwrap().unwrap().to_string(), "2 tests: 1 failed");
    let page = store.run_tests(&id, &Default::default()).await.unwrap();
    let seen: Vec<_> = page.items.iter().map(|test| (test.name.as_str(), test.message.as_deref(), test.duration_ms)).collect();
    assert_eq!(seen, [("bad", Some("why"), None), ("good", None, Some(1_500))]);
    let problems: Vec<_> = store.report_problems(&id).await.unwrap().into_iter().map(|problem| problem.sentence).collect();
    let expected = [
        "`out/junit/b.xml` is no JUnit report: its outermost element is `coverage` (line 1)",
        "`out/junit/c.xml` is no plain file, and only such are read",
    ];
    assert_eq!(problems, expected);
    let key: gantry::base::AttemptKey = format!("{}-0-0-1", run.id).parse().unwrap();
    let log = store.logs().read(&key, 1, 10).unwrap();
    let said: Vec<_> =
        log.lines.iter().filter(|line| line.stream == gantry::run::Stream::System).map(|line| line.text.as_str()).collect();
    assert_eq!(said, [expected[0], expected[1], "2 tests: 1 failed (1 report)"]);
    assert!(log.end, "the log is complete");

    remote.commit(&[(".gantry.yml", &reporting("<testsuite/>", "7", ""))], "it fails");
    app.handle().sync_repo("shop").await.unwrap();
    let run = app.ended("shop", 2).await;
    assert_eq!(run.outcome.unwrap().as_str(), "failed");
    assert_eq!(store.test_summary(&run.id.parse().unwrap()).await.unwrap().unwrap().total, 0);
    app.close().await;
}

#[tokio::test]
async fn a_test_that_fails_and_passes_on_retry_is_flaky() {
    let app = App::start().await;
    // The fake's files are the same in each attempt, so the second attempt contradicts the first by the report's own second case.
    let report = "<testsuite name='s'><testcase name='a'><failure/></testcase><testcase name='a'/></testsuite>";
    let remote = Remote::with(&reporting(report, "1,0", "    retry: { max: 1, backoff: 10ms }\n"));
    app.watch("shop", &remote).await;
    let run = app.ended("shop", 1).await;
    assert_eq!((run.outcome.unwrap().as_str(), run.jobs[0].steps[0].attempt), ("passed", 2));
    let (store, id) = (app.handle().store(), run.id.parse().unwrap());
    let summary = store.test_summary(&id).await.unwrap().unwrap();
    assert_eq!((summary.total, summary.flaky), (2, 2), "the last attempt counts, and both of its results are contradicted");
    app.close().await;
}

#[tokio::test]
async fn a_server_that_ends_while_it_reads_reports_reads_them_once_after_its_start() {
    let mut app = App::start().await;
    let cases: String = (0..3_000).map(|n| format!("<testcase name='t{n}'/>")).collect();
    let report = format!("<testsuite name='s'>{cases}</testsuite>");
    let remote = Remote::with(&reporting(&report, "0", "  - { name: after, run: y, env: { FAKE_MS: 200 } }\n"));
    app.watch("shop", &remote).await;
    // At several moments between the exit and the word of it.
    for _ in 0..4 {
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
        app.restart().await;
    }
    let run = app.ended("shop", 1).await;
    assert_eq!(run.outcome.unwrap().as_str(), "passed", "{}", run.reason);
    let (store, id) = (app.handle().store(), run.id.parse().unwrap());
    assert_eq!(store.test_summary(&id).await.unwrap().unwrap().total, 3_000);
    let repo = store.repo("shop").await.unwrap().unwrap();
    let tests = store.repo_tests(&repo.id, &Default::default()).await.unwrap();
    assert!(tests.items.iter().all(|test| test.recent.len() == 1), "each counted once");
    app.close().await;
}

#[tokio::test]
async fn what_was_stopped_leaves_no_reports() {
    let app = App::start().await;
    let remote =
        Remote::with(&reporting(REPORT, "0", "    timeout: 100ms\n").replace("FAKE_EXIT", "FAKE_MS: hang\n      FAKE_EXIT"));
    app.watch("shop", &remote).await;
    let run = app.ended("shop", 1).await;
    assert_eq!(run.outcome.unwrap().as_str(), "timed_out");
    assert_eq!(app.handle().store().test_summary(&run.id.parse().unwrap()).await.unwrap(), None);
    app.close().await;
}
