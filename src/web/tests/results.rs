//! Tests and summaries on pages and in the API: what reports and steps wrote is text, what failed stands first, pages lead on.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::seed::{case, plan, run_ended, run_is};
use super::{Seed, World, text};
use crate::base::{AttemptKey, Timestamp};
use crate::run::{Outcome, Run, TestOutcome};
use crate::store::Repo;

const EVIL: &str = "<script>alert('x')</script>\"'&<img src=x onerror=alert(1)>\x1b[31m\x1b]8;;javascript:alert(1)\x07";

/// A run of two tests of which one fails, and a site that it is of.
async fn failed(seed: &Seed<'_>) -> (Repo, Run) {
    let repo = seed.repo("site").await;
    let run = seed.run(&repo, seed.trigger(&repo, "main", "Change"), plan(&[("build", &[], &["test", "ship"])])).await;
    let trace = "\x1b[31massertion failed\x1b[0m\nat cart.rs:9";
    let cases = vec![
        case("shop::cart", "adds", TestOutcome::Passed, 4, None, None),
        case("shop::cart", "total", TestOutcome::Failed, 1_234, Some("\x1b[31mtotal\x1b[0m is 41"), Some(trace)),
        case("shop", "later", TestOutcome::Skipped, 0, Some("not yet"), None),
    ];
    seed.tests(&repo, &run, 1, cases, &["`out/b.xml` is empty"]).await;
    seed.set(&[run_is(&run, run_ended(Outcome::Failed, "`build / test` failed", seed.now, 5))]).await;
    (repo, run)
}

#[tokio::test]
async fn a_run_shows_its_tests_and_the_failed_ones_first() {
    let world = World::new().await;
    let seed = Seed { store: &world.store, now: Timestamp(0) };
    let (_, run) = failed(&seed).await;
    let page = world.read(&format!("/runs/{}", run.id)).await;
    for part in
        ["3 tests", "1 failed", "1 skipped", "1 passed", "total is 41", "<span class=\"f1\">assertion failed</span>", "1.2 s"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(page.contains("<code>out/b.xml</code> is empty"), "what could not be read is told");
    assert!(!page.contains("adds"), "what passed is on a page of its own");
    let all = world.read(&format!("/runs/{}/tests", run.id)).await;
    let place = |name: &str| all.find(name).unwrap_or_else(|| panic!("{name}: {all}"));
    assert!(place(">total<") < place(">later<") && place(">later<") < place(">adds<"), "{all}");
    let passed = world.read(&format!("/runs/{}/tests?outcome=passed", run.id)).await;
    assert!(passed.contains(">adds<") && !passed.contains(">total<"));
    let none = world.read(&format!("/runs/{}/tests?q=nothing&outcome=", run.id)).await;
    assert!(none.contains("No test of this run matches"));

    let json = world.json(&format!("/api/v1/runs/{}", run.id)).await;
    assert_eq!(json["tests"], json!({ "total": 3, "failed": 1, "skipped": 1, "flaky": 0 }));
    let json = world.json(&format!("/api/v1/runs/{}/tests?outcome=failed&limit=1", run.id)).await;
    assert_eq!(
        (&json["items"][0]["name"], &json["items"][0]["job"], &json["next"]),
        (&json!("total"), &json!("build"), &Value::Null)
    );
    assert_eq!(json["items"][0]["details"], "\x1b[31massertion failed\x1b[0m\nat cart.rs:9");
    assert_eq!((&json["summary"]["total"], &json["problems"][0]["sentence"]), (&json!(3), &json!("`out/b.xml` is empty")));
}

#[tokio::test]
async fn a_test_has_a_page_with_what_it_did_in_every_run() {
    let world = World::new().await;
    let seed = Seed { store: &world.store, now: Timestamp(0) };
    let (repo, first) = failed(&seed).await;
    let again = seed.run(&repo, seed.trigger(&repo, "main", "Again"), plan(&[("build", &[], &["test", "ship"])])).await;
    seed.tests(&repo, &again, 1, vec![case("shop::cart", "total", TestOutcome::Passed, 900, None, None)], &[]).await;

    let json = world.json("/api/v1/repos/site/tests").await;
    let test = &json["items"][0];
    assert_eq!(
        (&test["name"], &test["flakes"], &test["failures"], &test["usual_ms"]),
        (&json!("total"), &json!(1), &json!(1), &json!(1_150))
    );
    assert_eq!(test["recent"], json!([{ "outcome": "passed", "flaky": true }, { "outcome": "failed", "flaky": false }]));
    let slow = world.json("/api/v1/repos/site/tests?order=slow&limit=1").await;
    assert_eq!(slow["items"][0]["name"], "total");
    let next =
        world.json(&format!("/api/v1/repos/site/tests?order=slow&limit=1&before={}", slow["next"].as_str().unwrap())).await;
    assert_eq!(next["items"][0]["name"], "adds");
    let id = test["id"].as_str().unwrap();
    let history = world.json(&format!("/api/v1/repos/site/tests/{id}?limit=1")).await;
    assert_eq!((&history["test"]["name"], &history["items"][0]["run"]), (&json!("total"), &json!(again.id)));
    let older = format!("/api/v1/repos/site/tests/{id}?limit=1&before={}", history["next"].as_str().unwrap());
    assert_eq!(world.json(&older).await["items"][0]["number"], 1);

    let list = world.read("/repos/site/tests").await;
    assert!(
        list.contains("flaky once") && list.contains("failed 1 of 2") && list.contains(&format!("/repos/site/tests/{id}")),
        "{list}"
    );
    let page = world.read(&format!("/repos/site/tests/{id}")).await;
    for part in ["Flaky: once", "total is 41", "<rect class=\"bar-failed\"", "<rect class=\"bar-flaky\"", "the longest 1.2 s"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(page.contains(&format!("/runs/{}", first.id)) && page.contains(&format!("/runs/{}", again.id)));
}

#[tokio::test]
async fn pages_without_tests_say_how_to_have_some() {
    let world = World::new().await;
    let seed = Seed { store: &world.store, now: Timestamp(0) };
    let repo = seed.repo("site").await;
    let run = seed.run(&repo, seed.trigger(&repo, "main", "m"), plan(&[("build", &[], &["test"])])).await;
    assert!(world.read("/repos/site/tests").await.contains("reports: { junit:"));
    assert!(world.read(&format!("/runs/{}/tests", run.id)).await.contains("No step has left a test report yet"));
    assert!(world.read(&format!("/runs/{}/summary", run.id)).await.contains("GANTRY_SUMMARY"));
    assert!(!world.read(&format!("/runs/{}", run.id)).await.contains("class=\"tests\""));
    assert_eq!(world.json(&format!("/api/v1/runs/{}", run.id)).await["tests"], Value::Null);
    assert_eq!(world.json(&format!("/api/v1/runs/{}/summary", run.id)).await, json!({ "items": [], "next": null }));
}

#[tokio::test]
async fn what_is_not_understood_is_refused_with_a_sentence() {
    let world = World::new().await;
    let seed = Seed { store: &world.store, now: Timestamp(0) };
    let (_, run) = failed(&seed).await;
    seed.repo("other").await;
    let id = world.json("/api/v1/repos/site/tests").await["items"][0]["id"].as_str().unwrap().to_owned();
    for (path, status, words) in [
        (format!("/api/v1/runs/{}/tests?outcome=green", run.id), 400, "`outcome`: it must be one of"),
        (format!("/api/v1/runs/{}/tests?before=1", run.id), 400, "`before`: it must be taken from `next`"),
        (format!("/api/v1/runs/{}/tests?before=1.2.99999999999999999999", run.id), 400, "`before`"),
        (format!("/api/v1/runs/{}/tests?limit=201", run.id), 400, "from 1 to 200"),
        (format!("/api/v1/runs/{}/tests?colour=red", run.id), 400, "colour"),
        ("/api/v1/repos/site/tests?order=random".to_owned(), 400, "`order`: it must be one of flaky"),
        ("/api/v1/repos/nobody/tests".to_owned(), 404, "no repository"),
        ("/api/v1/repos/site/tests/nope".to_owned(), 404, "no test nope"),
        (format!("/api/v1/repos/other/tests/{id}"), 404, "no test"),
        (format!("/api/v1/repos/site/tests/{id}?limit=0"), 400, "from 1 to 200"),
        ("/api/v1/runs/nope/summary".to_owned(), 404, "no run nope"),
    ] {
        let answer = world.get(&path).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
        let problem: Value = serde_json::from_str(&text(answer).await).unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(words), "{path}: {problem}");
    }
}

#[tokio::test]
async fn a_summary_is_shown_as_markdown_and_only_the_last_attempts() {
    let world = World::new().await;
    let seed = Seed { store: &world.store, now: Timestamp(0) };
    let repo = seed.repo("site").await;
    let run = seed.run(&repo, seed.trigger(&repo, "main", "m"), plan(&[("build", &[], &["test", "ship"])])).await;
    let key = |step, attempt| AttemptKey { run: run.id.clone(), job: 0, step, attempt };
    let long = format!("# Second\n\n{}\nthe very end\n", "a line of words\n".repeat(4_000));
    for (key, words) in
        [(key(0, 1), "first attempt"), (key(0, 2), "**Coverage** [is](https://example.org/93) 93 %"), (key(1, 1), long.as_str())]
    {
        world.store.keep_summary(&key, words).await.unwrap();
    }
    let page = world.read(&format!("/runs/{}", run.id)).await;
    assert!(
        page.contains("<strong>Coverage</strong>") && page.contains("<h3>Second</h3>") && !page.contains("first attempt"),
        "{page}"
    );
    assert!(!page.contains("the very end") && page.contains("The rest of it"), "a long one is cut");
    assert!(world.read(&format!("/runs/{}/summary", run.id)).await.contains("the very end"));
    let json = world.json(&format!("/api/v1/runs/{}/summary", run.id)).await;
    assert_eq!(
        (json["items"].as_array().unwrap().len(), &json["items"][0]["attempt"], &json["items"][1]["step"]),
        (2, &json!(2), &json!("ship"))
    );
    assert_eq!(
        json["items"][0]["html"],
        "<p><strong>Coverage</strong> <a href=\"https://example.org/93\" rel=\"nofollow noopener noreferrer\">is</a> 93 %</p>\n"
    );
}

#[tokio::test]
async fn nothing_that_a_report_or_a_step_wrote_becomes_markup() {
    let world = World::new().await;
    let seed = Seed { store: &world.store, now: Timestamp(0) };
    let repo = seed.repo("site").await;
    let mut trigger = seed.trigger(&repo, EVIL, EVIL);
    trigger.commit = EVIL.to_owned();
    let mut ids = Vec::new();
    for outcome in [TestOutcome::Failed, TestOutcome::Passed] {
        let run = seed.run(&repo, trigger.clone(), plan(&[(EVIL, &[], &[EVIL])])).await;
        let mut hostile = case(EVIL, EVIL, outcome, 7, Some(&format!("{EVIL}\n{EVIL}\n{EVIL}\n{EVIL}")), Some(EVIL));
        hostile.file = Some(EVIL.to_owned());
        let plain = case("", EVIL, TestOutcome::Passed, 7, None, None);
        seed.tests(&repo, &run, 1, vec![hostile, plain], &[EVIL]).await;
        let summary =
            format!("{EVIL}\n\n# {EVIL}\n\n[{EVIL}](javascript:alert(1)) ![{EVIL}](https://x\"onerror=alert(1))\n\n`{EVIL}`\n");
        let key = AttemptKey { run: run.id.clone(), job: 0, step: 0, attempt: 1 };
        world.store.keep_summary(&key, &summary).await.unwrap();
        ids.push(run.id);
    }
    let tests = world.json("/api/v1/repos/site/tests").await;
    let mut paths = vec!["/repos/site/tests".to_owned(), "/repos/site/tests?q=%3Cscript%3Ealert(%27".to_owned()];
    paths.extend(
        tests["items"].as_array().unwrap().iter().map(|test| format!("/repos/site/tests/{}", test["id"].as_str().unwrap())),
    );
    for id in &ids {
        paths.extend(["", "/tests", "/summary", "/tests?q=%3Cscript%3Ealert%22%27"].map(|end| format!("/runs/{id}{end}")));
    }
    for path in paths {
        let answer = world.get(&path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let page = text(answer).await;
        assert!(page.contains("alert"), "{path} shows it");
        for markup in ["<script>alert", "<img", "</script>\"'", "javascript:alert(1)\"", " style=", "\"onerror=", "\" onerror="] {
            assert!(!page.contains(markup), "{path} has {markup}: {page}");
        }
    }
}
