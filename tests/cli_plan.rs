//! `gantry plan`: what it says, in every form, and that `gantry run` and the server do the same.

#[path = "support/mod.rs"]
mod support;
#[path = "support/tree.rs"]
mod tree;

use serde_json::Value;
use support::{App, Remote, git};
use tree::{Called, Tree};

/// As it was said, without what differs from run to run.
fn said(called: &Called) -> String {
    let mut text = called.stdout.clone();
    while let Some(at) = text.find(" at ").filter(|at| text[at + 4..].bytes().take(8).all(|b| b.is_ascii_hexdigit())) {
        text.replace_range(at..at + 12, " @ COMMIT");
    }
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn plan(tree: &Tree, args: &[&str]) -> Called {
    tree.call(&[&["plan"], args].concat())
}

const WHOLE: &str = include_str!("plans/whole.yml");
const DOCS: &str = "on: { push: { paths: [\"docs/**\"] } }\nimage: alpine:3\nsteps: [make docs]\n";

/// A work tree with two pipelines whose last commit changed `src/main.rs`.
fn two() -> Tree {
    let tree =
        Tree::with(&[(".gantry/whole.yml", WHOLE), (".gantry/docs.yml", DOCS), ("Cargo.lock", "1\n"), ("src/main.rs", "1\n")]);
    tree.write("src/main.rs", "2\n");
    tree.git(&["commit", "--quiet", "--all", "-m", "second"]);
    tree
}

#[test]
fn a_push_is_told_with_all_that_there_is_to_know_and_why_the_rest_does_not_run() {
    let tree = two();
    insta::assert_snapshot!("push", said(&plan(&tree, &[]).ends_with(0)));
}

#[test]
fn what_another_event_leaves_out_is_told_with_its_reason() {
    let tree = two();
    insta::assert_snapshot!("cron", said(&plan(&tree, &["--schedule", "nightly"]).ends_with(0)));
    insta::assert_snapshot!("manual", said(&plan(&tree, &["--input", "level=full"]).ends_with(0)));
    insta::assert_snapshot!("tag", said(&plan(&tree, &["--tag", "v1"]).ends_with(0)));
    insta::assert_snapshot!("pull_request", said(&plan(&tree, &["--target", "main", "--branch", "topic"]).ends_with(0)));
}

#[test]
fn a_graph_is_mermaids_flowchart() {
    let tree = two();
    insta::assert_snapshot!("mermaid", said(&plan(&tree, &["--format", "mermaid"]).ends_with(0)));
}

#[test]
fn json_has_the_trigger_the_changes_and_the_stored_plan() {
    let tree = two();
    tree.write("docs/new.md", "x");
    for args in [["--json", "--event=push"], ["--format", "json"]] {
        let called = plan(&tree, &args).ends_with(0);
        let told: Value = serde_json::from_str(&called.stdout).unwrap();
        assert_eq!(told["trigger"]["event"], "push");
        assert_eq!(told["changes"], serde_json::json!(["docs/new.md", "src/main.rs"]));
        let files: Vec<_> =
            told["pipelines"].as_array().unwrap().iter().map(|p| (p["file"].as_str(), p["verdict"].as_str())).collect();
        assert_eq!(files, [(Some(".gantry/docs.yml"), Some("runs")), (Some(".gantry/whole.yml"), Some("runs"))]);
        assert_eq!(told["pipelines"][1]["plan"]["jobs"][0]["name"], "test (1.85, sqlite)");
    }
    let told: Value = serde_json::from_str(&plan(&tree, &["--json", "--schedule", "nightly"]).ends_with(0).stdout).unwrap();
    let build = &told["pipelines"][1]["jobs"][3];
    assert_eq!((&build["name"], &build["fate"]), (&"build".into(), &"skipped".into()));
    assert_eq!(build["reason"], "`test (1.85, sqlite)`, which it needs, was skipped");
    let told: Value = serde_json::from_str(&plan(&tree, &["--json", "--changed", "src/x"]).ends_with(0).stdout).unwrap();
    assert_eq!(told["pipelines"][0]["verdict"], "not_wanted");
    assert!(told["pipelines"][0]["reason"].as_str().unwrap().contains("`src/x`"));
}

#[test]
fn inputs_that_do_not_fit_are_2_and_problems_are_3() {
    let tree = two();
    insta::assert_snapshot!("refused", said(&plan(&tree, &["--input", "level=slow"]).ends_with(2)));
    let called = plan(&tree, &["--input", "size=1"]).ends_with(2);
    assert!(called.stderr.contains("no pipeline has an input `size`; there are `level`"), "{}", called.stderr);
    tree.write(".gantry/docs.yml", "steps:\n  - comands: [make]\n");
    insta::assert_snapshot!("invalid", said(&plan(&tree, &["--changed", "x"]).ends_with(3)));
}

#[test]
fn flags_that_do_not_go_together_are_2_with_a_sentence() {
    let tree = two();
    for verb in ["plan", "run"] {
        for (args, says) in [
            (&["--event", "tag"][..], "say which tag"),
            (&["--event", "cron"], "say which schedule"),
            (&["--event", "push", "--tag", "v1"], "`--tag` is for `--event tag` alone"),
            (&["--tag", "v1", "--target", "main"], "`--target` is for `--event pull_request` alone"),
            (&["--event", "push", "--input", "level=full"], "`--input` is for `--event manual` alone"),
            (&["--input", "level"], "NAME=VALUE"),
        ] {
            let called = tree.call(&[&[verb], args].concat()).ends_with(2);
            assert!(called.stderr.contains(says), "expected `{says}` in: {}", called.stderr);
        }
    }
}

#[test]
fn skip_ci_skips_a_planned_push_and_nothing_that_is_run_here() {
    let tree = Tree::with(&[(".gantry.yml", "steps: [echo ran]\n")]);
    tree.git(&["commit", "--quiet", "--amend", "-m", "first [skip ci]"]);
    let called = plan(&tree, &["--executor", "host"]).ends_with(0);
    assert!(called.stdout.contains("does not run: the head commit's message has `[skip ci]`"), "{}", called.stdout);
    let called = tree.call(&["run", "--executor", "host"]).ends_with(0);
    assert!(called.stdout.contains("│ ran"), "{}", called.stdout);
}

/// What each job and step of a run came to: `job: passed`, `job/step: skipped`.
fn outcomes(run: &Value) -> Vec<String> {
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let end = |value: &Value| format!("{} {}", value["outcome"].as_str().unwrap_or("?"), value["reason"].as_str().unwrap_or("?"));
    let mut all = Vec::new();
    for job in run["jobs"].as_array().unwrap() {
        all.push(format!("{}: {}", name(job), end(job)));
        all.extend(job["steps"].as_array().unwrap().iter().map(|step| format!("{}/{}: {}", name(job), name(step), end(step))));
    }
    all
}

const FATES: &str = include_str!("plans/fates.yml");

#[tokio::test]
async fn a_run_here_comes_to_the_same_as_on_the_server_and_to_what_the_plan_said() {
    let app = App::start().await;
    let remote = Remote::empty();
    remote.commit(&[(".gantry/fates.yml", FATES), (".gantry/docs.yml", DOCS), ("a.lock", "1"), ("src/a", "1")], "first");
    app.watch("shop", &remote).await;
    app.ended("shop", 1).await;
    app.ended("shop", 2).await;
    remote.commit(&[("src/a", "2")], "second");
    app.handle().sync_repo("shop").await.unwrap();
    let on_server = app.ended("shop", 3).await;

    let tree = Tree::bare(&[]);
    git(tree.path(), &["clone", "--quiet", &remote.url(), "."]);
    let called = tree.call(&["run", "--executor", "fake", "--json"]).ends_with(0);
    let here: Value = serde_json::from_str(&called.stdout).unwrap();
    assert_eq!(here.as_array().unwrap().len(), 1, "docs.yml does not want it: {}", called.stderr);
    let on_server = outcomes(&serde_json::to_value(&on_server).unwrap());
    assert_eq!(outcomes(&here[0]), on_server);

    let planned: Value = serde_json::from_str(&plan(&tree, &["--executor", "fake", "--json"]).ends_with(0).stdout).unwrap();
    assert_eq!(planned["pipelines"][0]["verdict"], "not_wanted");
    let mut foretold = Vec::new();
    for job in planned["pipelines"][1]["jobs"].as_array().unwrap() {
        let fate = |part: &Value| match part["fate"].as_str().unwrap() {
            "skipped" => format!("skipped skipped: {}", part["reason"].as_str().unwrap()),
            "after_failure" => "skipped skipped: it runs only after a failure, and nothing before it failed".to_owned(),
            _ => "passed".to_owned(),
        };
        let name = job["name"].as_str().unwrap();
        foretold.push(format!("{name}: {}", fate(job)));
        let steps = job["steps"].as_array().into_iter().flatten();
        foretold.extend(steps.map(|step| format!("{name}/{}: {}", step["name"].as_str().unwrap(), fate(step))));
    }
    // Steps of a skipped job are not foretold one by one.
    let happened: Vec<&String> =
        on_server.iter().filter(|line| !line.contains("/alone: ") && !line.contains("/waiting: ")).collect();
    assert_eq!(foretold.len(), happened.len(), "{foretold:#?}\n{happened:#?}");
    for (foretold, happened) in foretold.iter().zip(happened) {
        assert!(happened.starts_with(foretold), "foretold: {foretold}\nhappened: {happened}");
    }
    app.close().await;
}
