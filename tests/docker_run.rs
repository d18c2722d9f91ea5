//! `gantry run` and `gantry demo` with real Docker: the same engine everywhere.

#[path = "support/process.rs"]
mod process;
#[path = "support/mod.rs"]
mod support;
#[path = "support/tree.rs"]
mod tree;

use process::{IMAGE, Served, docker_names};
use serde_json::Value;
use support::Remote;
use tree::{Called, Going, Tree};

/// Every way in which a step can end by itself.
const ALL_WAYS: &str = r#"
jobs:
  main:
    steps:
      - { name: green, run: "echo green" }
      - { name: picky, run: "exit 3", allow_failure: [3] }
      - name: flaky
        retry: 2
        run: test -e again || { touch again; exit 9; }
      - { name: elsewhere, if: 'branch == "elsewhere"', run: "true" }
      - { name: mourn, when: failure, run: "true" }
      - { name: tidy, when: always, run: "true" }
  red:
    steps:
      - { name: boom, run: "echo boom >&2; exit 7" }
      - { name: beside, needs: [], run: "true" }
      - { name: after, run: "true" }
      - { name: of_beside, needs: [beside], run: "true" }
      - { name: mourn, when: failure, run: "true" }
      - { name: tidy, when: always, run: "true" }
      - { name: twice, needs: [], retry: { max: 1, when: [failure] }, run: "exit 4" }
  slow:
    steps:
      - { name: late, timeout: 1s, run: "sleep 600" }
      - { name: after, run: "true" }
  slow_job:
    timeout: 6s
    steps:
      - { name: late, run: "sleep 600" }
      - { name: tidy, when: always, run: "true" }
  follows: { needs: [main], steps: ["true"] }
  never: { needs: [red, follows], steps: ["true"] }
  mourns: { needs: [red], when: failure, steps: ["true"] }
  not_now: { if: 'event == "tag"', steps: ["true"] }
  needs_it: { needs: [not_now], steps: ["true"] }
"#;

/// What a run is to people, without its times and names: a line for each job and step.
fn told(run: &Value) -> Vec<String> {
    let mut lines = vec![format!("run {} {}", run["outcome"], run["reason"])];
    for job in run["jobs"].as_array().unwrap() {
        lines.push(format!("{} {} {}", job["name"], job["outcome"], job["reason"]));
        for step in job["steps"].as_array().unwrap() {
            let (outcome, code) = (&step["outcome"], &step["exit_code"]);
            lines.push(format!("  {} {outcome} {code} {} {}", step["name"], step["attempt"], step["reason"]));
        }
    }
    lines
}

/// Name and outcome of each step of a job.
fn outcomes(run: &Value, job: &str) -> String {
    let job = run["jobs"].as_array().unwrap().iter().find(|found| found["name"] == job).unwrap();
    let step = |step: &Value| format!("{} {}", step["name"].as_str().unwrap(), step["outcome"].as_str().unwrap());
    job["steps"].as_array().unwrap().iter().map(step).collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn a_pipeline_ends_the_same_on_a_laptop_on_a_server_and_without_docker() {
    let text = format!("defaults: {{ image: {IMAGE} }}\n{ALL_WAYS}");
    let served = Served::start();
    let remote = Remote::with(&text);
    served.add_repo("shop", &remote.url()).await;
    let tree = Tree::with(&[(".gantry.yml", &text)]);
    let here = |executor: &str| {
        let called = tree.call(&["run", "--json", "--executor", executor]).ends_with(1);
        let runs: Value = serde_json::from_str(&called.stdout).unwrap_or_else(|error| panic!("{error}: {}", called.stdout));
        runs[0].clone()
    };
    let on_docker = here("docker");
    let by_host = here("host");
    let on_server = served.ended("shop", 1).await;
    assert_eq!(told(&on_docker), told(&on_server), "{}", served.log());
    assert_eq!(told(&by_host), told(&on_server));
    // They could all be wrong.
    assert_eq!(
        outcomes(&on_server, "main"),
        "green passed, picky warning, flaky passed, elsewhere skipped, mourn skipped, tidy passed"
    );
    assert_eq!(
        outcomes(&on_server, "red"),
        "boom failed, beside passed, after skipped, of_beside passed, mourn passed, tidy passed, twice failed"
    );
    assert_eq!(outcomes(&on_server, "slow"), "late timed_out, after skipped");
    assert_eq!(outcomes(&on_server, "slow_job"), "late timed_out, tidy timed_out");
    let jobs: Vec<&str> = on_server["jobs"].as_array().unwrap().iter().map(|job| job["outcome"].as_str().unwrap()).collect();
    assert_eq!(
        jobs,
        ["warning", "failed", "timed_out", "timed_out", "passed", "skipped", "passed", "skipped", "skipped"],
        "{on_server:#}"
    );
    let attempts = |job: usize, step: usize| on_server["jobs"][job]["steps"][step]["attempt"].as_u64().unwrap();
    assert_eq!((attempts(0, 2), attempts(1, 6), attempts(0, 3)), (2, 2, 0));
    assert_eq!((tree.leftovers().len(), docker_names(None, tree.temp.path()).len()), (0, 0));
    served.nothing_left().await;
}

#[test]
fn the_work_tree_is_in_the_container_with_its_changes_and_owned_as_it_should() {
    let tree = Tree::with(&[
        (
            ".gantry.yml",
            &format!(
                "image: {IMAGE}\nsteps:\n  - name: look\n    run: pwd; cat kept changed new; head -c 4 .git/HEAD; echo written > made; mkdir -p deep/er; touch deep/er/file\n"
            ),
        ),
        ("kept", "kept\n"),
        ("changed", "committed\n"),
    ]);
    tree.write("changed", "uncommitted\n");
    tree.write("new", "new\n");
    let before = tree.inventory();
    let called = tree.call(&["run"]).ends_with(0);
    let said: Vec<&str> = called.lines_with("look │ ").iter().map(|line| line.trim_start_matches("look │ ")).collect();
    assert_eq!(said, ["/workspace", "kept", "uncommitted", "new", "ref:"], "{}", called.stdout);
    assert_eq!(tree.inventory(), before, "the work tree was touched");
    assert_eq!((tree.leftovers().len(), docker_names(None, tree.temp.path()).len()), (0, 0));
}

#[test]
fn ctrl_c_leaves_no_container() {
    let tree = Tree::with(&[(
        ".gantry.yml",
        &format!(
            "image: {IMAGE}\nsteps:\n  - name: long\n    run: echo begun; sleep 600\n  - name: tidy\n    run: echo tidied\n    when: always\n"
        ),
    )]);
    let mut going = Going::start(tree.command(&["run"]));
    going.until("│ begun");
    assert!(!docker_names(None, tree.temp.path()).is_empty(), "the test sees its containers");
    going.signal("INT");
    let (code, lines) = going.end();
    assert_eq!(code, 1, "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("tidy │ tidied")), "{lines:#?}");
    assert_eq!((tree.leftovers().len(), docker_names(None, tree.temp.path()).len()), (0, 0), "{lines:#?}");
}

#[test]
fn the_demo_shows_a_green_and_a_red_run_in_containers() {
    let tree = Tree::bare(&[]);
    let called = tree.call(&["demo", "--once"]).ends_with(0);
    assert!(called.stdout.contains("Docker containers"), "{}", called.stdout);
    shows_both_runs(&called);
    assert_eq!((tree.leftovers().len(), docker_names(None, tree.temp.path()).len()), (0, 0));
}

#[test]
fn the_demo_that_is_ended_in_the_middle_of_a_run_leaves_nothing() {
    let tree = Tree::bare(&[]);
    let mut demo = Going::start(tree.command(&["demo"]));
    demo.until("Push 2");
    // The second run is asked for right after that line; a network is the first thing that its job gets.
    let sandboxes = || docker_names(None, tree.temp.path()).len();
    assert!(
        (0..600).any(|_| sandboxes() > 0 || {
            std::thread::sleep(std::time::Duration::from_millis(10));
            false
        }),
        "no job began"
    );
    demo.signal("INT");
    let (code, lines) = demo.end();
    assert_eq!(code, 0, "{lines:#?}");
    assert_eq!((tree.leftovers().len(), docker_names(None, tree.temp.path()).len()), (0, 0), "{lines:#?}");
}

#[test]
fn the_demo_runs_without_an_engine_and_says_so() {
    let tree = Tree::bare(&[]);
    let mut command = tree.command(&["demo", "--once"]);
    command.env("DOCKER_HOST", format!("unix://{}/no.sock", tree.path().display()));
    let called = Called::of(command).ends_with(0);
    assert!(called.stdout.contains("no.sock") && called.stdout.contains("processes on this machine"), "{}", called.stdout);
    shows_both_runs(&called);
    assert_eq!(tree.leftovers().len(), 0);
}

fn shows_both_runs(called: &Called) {
    assert!(called.line_of("#1 passed") < called.line_of("#2 failed"), "{}", called.stdout);
    assert!(called.stdout.contains("Dashboard:  http://127.0.0.1:"), "{}", called.stdout);
}
