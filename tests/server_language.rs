//! What the pipeline language says about runs, by the whole server with the fake executor: values, conditions, matrices, groups, approvals.

mod support;

use gantry::base::RunId;
use gantry::run::RunView;
use gantry::server::{Answer, Part, Refusal};
use support::{App, Remote};

async fn ended(pipeline: &str) -> (App, RunView) {
    let app = App::start().await;
    let remote = Remote::with(pipeline);
    app.watch("shop", &remote).await;
    let run = app.ended("shop", 1).await;
    (app, run)
}

fn id(run: &RunView) -> RunId {
    run.id.parse().unwrap()
}

/// Waits until the sentence of one of its jobs holds this text.
async fn says(app: &App, number: u64, text: &str) -> RunView {
    app.until(&format!("`{text}` at a job of #{number}"), async |app| {
        let run = app.runs("shop").await.into_iter().find(|run| run.number == number)?;
        run.jobs.iter().any(|job| job.reason.contains(text)).then_some(run)
    })
    .await
}

#[tokio::test]
async fn variables_and_summaries_that_a_step_leaves() {
    let (app, run) = ended(
        r#"
steps:
  - name: leave
    run: x
    env: { FAKE_WRITES_ENV: "FAKE_EXIT=3\n", FAKE_WRITES_SUMMARY: "read **me**" }
  - { name: beside, run: x, needs: [] }
  - { name: after, run: x, needs: [leave], allow_failure: [3] }
"#,
    )
    .await;
    let codes: Vec<_> = run.jobs[0].steps.iter().map(|step| step.exit_code).collect();
    assert_eq!(codes, [Some(0), Some(0), Some(3)], "only those that need it find it");
    let summaries = app.handle().store().summaries(&id(&run)).await.unwrap();
    assert_eq!(summaries.iter().map(|summary| summary.text.as_str()).collect::<Vec<_>>(), ["read **me**"]);
    app.close().await;
}

#[tokio::test]
async fn a_job_that_passed_hands_its_outputs_on() {
    let (app, run) = ended(
        r#"
jobs:
  build:
    outputs: { version: "${{ steps.version.outputs.version }}" }
    steps: [{ name: version, run: x, env: { FAKE_WRITES_OUTPUT: "version<<END\n1.2\nEND\n" } }]
  deploy:
    needs: [build]
    if: needs.build.outputs.version == "1.2"
    environment: "prod-${{ needs.build.outputs.version }}"
    steps: [{ name: go, run: x, env: { FAKE_OUTPUT: "deployed ${{ jobs.build.outputs.version }}\n" } }]
  never:
    needs: [build]
    if: needs.build.outputs.version == "1.3"
    steps: [{ run: x }]
  wrong:
    needs: [build]
    steps: [{ name: silent, run: x }, { name: ask, run: x, env: { A: "${{ steps.silent.outputs.gone }}" } }]
"#,
    )
    .await;
    let job = |name: &str| run.jobs.iter().find(|job| job.name == name).unwrap();
    assert_eq!(job("deploy").outcome.unwrap().as_str(), "passed", "{}", job("deploy").reason);
    assert_eq!(job("deploy").environment.as_deref(), Some("prod-1.2"));
    let key = gantry::base::AttemptKey { run: id(&run), job: 1, step: 0, attempt: 1 };
    let page = app.handle().store().logs().read(&key, 1, 10).unwrap();
    assert_eq!(page.lines[0].text, "deployed 1.2");
    let never = job("never");
    assert_eq!(never.outcome.unwrap().as_str(), "skipped");
    assert!(never.reason.contains("its `if` is false"), "{}", never.reason);
    let ask = &job("wrong").steps[1];
    assert_eq!(ask.outcome.unwrap().as_str(), "error");
    assert_eq!(ask.reason, "its `env.A` has no value: step `silent` did not write the output `gone`");
    app.close().await;
}

#[tokio::test]
async fn what_a_step_writes_wrongly_fails_it_with_file_and_line() {
    let (app, run) = ended("steps: [{ name: s, run: x, env: { FAKE_WRITES_OUTPUT: \"a=1\\nhello\\n\" } }]\n").await;
    let step = &run.jobs[0].steps[0];
    assert_eq!((step.outcome.unwrap().as_str(), step.exit_code), ("failed", Some(0)));
    assert_eq!(step.reason, "line 2 of GANTRY_OUTPUT is neither `KEY=VALUE` nor `KEY<<DELIMITER`");
    app.close().await;
}

const APPROVAL: &str = r#"
jobs:
  build:
    outputs: { version: "${{ steps.version.outputs.version }}" }
    steps: [{ name: version, run: x, env: { FAKE_WRITES_OUTPUT: "version=1.2" } }]
  deploy:
    needs: [build]
    approval: { message: "Deploy ${{ jobs.build.outputs.version }}?", by: [ops] }
    steps: [{ name: go, run: x }]
"#;

#[tokio::test]
async fn an_approval_is_asked_for_survives_a_restart_and_counts_for_its_run_only() {
    let mut app = App::start().await;
    let remote = Remote::with(APPROVAL);
    app.watch("shop", &remote).await;
    let run = says(&app, 1, "waits for approval by ops: Deploy 1.2?").await;
    app.restart().await;
    let deploy = RunId::clone(&id(&run));
    let answer = |by: &'static str| {
        let (handle, run) = (app.handle().clone(), deploy.clone());
        async move { handle.approve(&run, "deploy", by, Answer::Approve).await }
    };
    let refused = answer("bob").await.unwrap_err();
    assert!(matches!(&refused, Refusal::Forbidden(why) if why == "`bob` may not answer for `deploy`: only ops may"), "{refused}");
    assert!(matches!(answer(" \n").await.unwrap_err(), Refusal::Invalid(_)));
    let other = app.handle().approve(&deploy, "biuld", "ops", Answer::Approve).await.unwrap_err();
    assert_eq!(other.to_string(), "run #1 has no job `biuld`; `deploy` waits for approval");
    assert!(app.fake.starts().iter().all(|key| key.job == 0), "nothing of it has started: {:?}", app.fake.starts());
    answer("ops").await.unwrap();
    let run = app.ended("shop", 1).await;
    assert_eq!(run.outcome.unwrap().as_str(), "passed", "{}", run.reason);
    let decision = run.jobs[1].approval.as_ref().unwrap().decision.clone().unwrap();
    assert_eq!((decision.approved, decision.by.as_str()), (true, "ops"));
    let late = app.handle().approve(&deploy, "deploy", "ops", Answer::Reject).await.unwrap_err();
    assert!(matches!(&late, Refusal::Conflict(why) if why.contains("has ended as passed")), "{late}");

    // A rerun asks again; a no ends the job.
    let again = app.handle().rerun(&deploy, Part::Whole, "ada").await.unwrap();
    says(&app, 2, "waits for approval").await;
    app.handle().approve(&again, "deploy", "ops", Answer::Reject).await.unwrap();
    let run = app.ended("shop", 2).await;
    assert_eq!((run.outcome.unwrap().as_str(), run.jobs[1].reason.as_str()), ("cancelled", "rejected by ops"));
    app.close().await;
}

#[tokio::test]
async fn a_question_that_nobody_answers_ends_by_itself() {
    let (app, run) = ended("approval: { timeout: 200ms }\nsteps: [{ run: x }]\n").await;
    assert_eq!((run.outcome.unwrap().as_str(), run.jobs[0].reason.as_str()), ("timed_out", "nobody approved it within 200 ms"));
    assert!(app.fake.starts().is_empty());
    app.close().await;
}

#[tokio::test]
async fn a_newer_run_takes_the_place_of_an_older_one() {
    let app = App::start().await;
    let remote = Remote::with(
        "concurrency: { group: \"ci-${{ branch }}\", policy: cancel-running }\nsteps: [{ run: x, env: { FAKE_MS: hang } }]\n",
    );
    app.watch("shop", &remote).await;
    says(&app, 1, "running").await;
    let quick = "concurrency: { group: \"ci-${{ branch }}\", policy: cancel-running }\nsteps: [{ run: x }]\n";
    remote.commit(&[(".gantry.yml", quick)], "second");
    app.handle().sync_repo("shop").await.unwrap();
    let old = app.ended("shop", 1).await;
    assert_eq!((old.outcome.unwrap().as_str(), old.reason.as_str()), ("cancelled", "replaced by #2"));
    let new = app.ended("shop", 2).await;
    assert_eq!(new.outcome.unwrap().as_str(), "passed");
    assert!(new.started_at >= old.ended_at, "never two at a time: {new:?}");
    app.close().await;
}

#[tokio::test]
async fn a_waiting_run_says_who_holds_its_group_and_goes_on_after_it_also_over_a_restart() {
    let mut app = App::start().await;
    let remote = Remote::with("concurrency: { group: deploy }\nsteps: [{ run: x, env: { FAKE_MS: hang } }]\n");
    app.watch("shop", &remote).await;
    says(&app, 1, "running").await;
    remote.commit(&[(".gantry.yml", "concurrency: { group: deploy }\nsteps: [{ run: x }]\n")], "second");
    app.handle().sync_repo("shop").await.unwrap();
    let waits = "waits for run #1, which holds the group `deploy`";
    let run = says(&app, 2, waits).await;
    assert_eq!((run.reason.as_str(), run.concurrency.unwrap().waits_for), (waits, Some(1)));
    app.restart().await;
    says(&app, 2, waits).await;
    app.handle().cancel(&id(&app.runs("shop").await[0]), "ada").await.unwrap();
    assert_eq!(app.ended("shop", 2).await.outcome.unwrap().as_str(), "passed");
    app.close().await;
}

#[tokio::test]
async fn a_matrix_runs_a_few_at_a_time_and_stops_at_the_first_failure() {
    let (app, run) = ended(
        r#"
jobs:
  test:
    matrix: { n: ["1", "2", "3"], fail_fast: true, max_parallel: 1 }
    steps: [{ name: s, run: x, env: { FAKE_EXIT: "${{ matrix.n == '2' ? '1' : '0' }}" } }]
"#,
    )
    .await;
    let ends: Vec<_> = run.jobs.iter().map(|job| (job.name.as_str(), job.outcome.unwrap().as_str())).collect();
    assert_eq!(ends, [("test (1)", "passed"), ("test (2)", "failed"), ("test (3)", "cancelled")]);
    assert_eq!(run.jobs[2].reason, "`test (2)` failed and the matrix has `fail_fast`");
    assert_eq!(run.jobs[0].matrix["n"], "1");
    assert_eq!(run.outcome.unwrap().as_str(), "failed", "{}", run.reason);
    app.close().await;
}

#[tokio::test]
async fn the_images_of_a_plan_are_asked_for_with_its_first_job_each_once() {
    let (app, run) = ended(
        r#"
jobs:
  first:
    image: rust:1
    services: { db: { image: "postgres:17" } }
    steps: [x, { run: y, pull: always }, { run: z, image: "alpine:3", pull: never }]
  second:
    needs: [first]
    image: alpine:3
    steps: [x]
  unwanted: { if: branch == "other", image: "unwanted:1", steps: [x] }
"#,
    )
    .await;
    assert_eq!(run.outcome.unwrap().as_str(), "passed", "{}", run.reason);
    let asked: Vec<String> =
        app.fake.pulls_ahead().into_iter().map(|(job, image, pull)| format!("{} {image} {pull:?}", job.job)).collect();
    assert_eq!(asked, ["0 alpine:3 None", "0 postgres:17 None", "0 rust:1 Some(Always)", "1 alpine:3 None"]);
    app.close().await;
}

#[tokio::test]
async fn what_was_seen_of_a_step_is_told() {
    let (app, run) = ended(
        r#"
resources: { memory: 512MiB }
steps:
  - name: s
    run: x
    env: { FAKE_EXIT: "137", FAKE_OBSERVED: '{ "oom_kills": 1, "memory_peak_bytes": 536870912, "cpu_user_ms": 7, "image": "a@sha256:00" }' }
"#,
    )
    .await;
    let step = &run.jobs[0].steps[0];
    assert_eq!(step.reason, "ran out of memory: used 512 MiB of 512 MiB; raise `resources.memory`");
    assert_eq!((step.usage.as_ref().unwrap().cpu_user_ms, step.image_digest.as_deref()), (Some(7), Some("a@sha256:00")));
    assert!(step.times.is_some());
    app.close().await;
}
