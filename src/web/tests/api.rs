//! The JSON API: shapes, refusals, and the description that goes with it.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::seed::{plan, run_ended, run_is};
use super::{Seed, World, text};
use crate::base::{Timestamp, limits};
use crate::run::{Outcome, Stream};
use crate::store::LogKey;

#[tokio::test]
async fn a_repository_is_added_listed_and_removed_and_its_secret_is_said_once() {
    let world = World::new().await;
    let new = json!({ "name": "site", "url": "https://git.example.org/site.git", "poll": "5m" });
    let answer = world.post("/api/v1/repos").json(&new).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    let added: Value = answer.json().await.unwrap();
    assert_eq!(added["webhook"]["path"], "/hooks/generic/site");
    let secret = added["webhook"]["secret"].as_str().unwrap();
    assert_eq!(secret, world.store.repo("site").await.unwrap().unwrap().hook_secret);

    let list = world.read("/api/v1/repos").await;
    assert!(!list.contains(secret), "a list must not hold the secret");
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list["items"][0]["poll_ms"], 300_000);
    assert_eq!(list["next"], Value::Null);

    let twice = world.post("/api/v1/repos").json(&new).send().await.unwrap();
    assert_eq!(twice.status(), StatusCode::CONFLICT);

    let gone = world.client.delete(world.url("/api/v1/repos/site")).send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    assert_eq!(world.get("/api/v1/repos/site").send().await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn runs_are_listed_filtered_and_paged() {
    let world = World::new().await;
    let seed = Seed { store: &world.store, now: Timestamp(1_000) };
    let repo = seed.repo("site").await;
    let mut ids = Vec::new();
    for (branch, outcome) in [("main", Some(Outcome::Passed)), ("main", Some(Outcome::Failed)), ("topic", None)] {
        let run = seed.run(&repo, seed.trigger(&repo, branch, "A change"), plan(&[("build", &[], &["test"])])).await;
        if let Some(outcome) = outcome {
            seed.set(&[run_is(&run, run_ended(outcome, "because", seed.now, 5))]).await;
        }
        ids.push(run.id.to_string());
    }
    let listed = async |query: &str| -> Vec<String> {
        let page = world.json(&format!("/api/v1/runs{query}")).await;
        page["items"].as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(listed("").await, [ids[2].clone(), ids[1].clone(), ids[0].clone()], "newest first");
    assert_eq!(listed("?branch=topic").await, [ids[2].clone()]);
    assert_eq!(listed("?repo=site&outcome=failed").await, [ids[1].clone()]);
    assert_eq!(listed("?repo=nobody").await, [""; 0]);
    let first = world.json("/api/v1/runs?limit=2").await;
    let next = first["next"].as_str().unwrap();
    assert_eq!(listed(&format!("?limit=2&before={next}")).await, [ids[0].clone()]);

    let run = world.json(&format!("/api/v1/runs/{}", ids[1])).await;
    assert_eq!(run["outcome"], "failed");
    assert_eq!(run["jobs"][0]["steps"][0]["name"], "test");
    assert_eq!(run["queued_at"], 1_000);
}

#[tokio::test]
async fn what_is_not_understood_is_refused_with_a_sentence() {
    let world = World::new().await;
    let seed = Seed { store: &world.store, now: Timestamp(0) };
    let repo = seed.repo("site").await;
    let run = seed.run(&repo, seed.trigger(&repo, "main", "m"), plan(&[("build", &[], &["test"])])).await.id;
    let log = format!("/api/v1/runs/{run}/steps/build/test/log");
    let over = limits::PAGE_ROWS + 1;
    let cases = [
        (Method::GET, "/api/v1/runs?brunch=main".to_owned(), 400, "brunch"),
        (Method::GET, "/api/v1/runs?limit=0".to_owned(), 400, "from 1 to 200"),
        (Method::GET, format!("/api/v1/runs?limit={over}"), 400, "from 1 to 200"),
        (Method::GET, "/api/v1/runs?limit=many".to_owned(), 400, "limit"),
        (Method::GET, "/api/v1/runs?outcome=green".to_owned(), 400, "one of passed"),
        (Method::GET, "/api/v1/runs?before=../x".to_owned(), 400, "`before`"),
        (Method::GET, "/api/v1/runs?limit=1&limit=2".to_owned(), 400, "duplicate"),
        (Method::GET, format!("{log}?from=-1"), 400, "from"),
        (Method::GET, format!("{log}?limit=10001"), 400, "from 1 to 10000"),
        (Method::GET, format!("{log}?attempt=2"), 404, "no attempt 2"),
        (Method::GET, format!("/api/v1/runs/{run}/steps/build/nope/log"), 404, "no step `nope`"),
        (Method::GET, format!("/api/v1/runs/{run}/steps/nope/test/log"), 404, "no job `nope`"),
        (Method::GET, "/api/v1/runs/nope".to_owned(), 404, "no run nope"),
        (Method::GET, "/api/v1/nope".to_owned(), 404, "nothing at"),
        (Method::PATCH, "/api/v1/runs".to_owned(), 405, "PATCH"),
    ];
    for (method, path, status, words) in cases {
        let answer = world.client.request(method.clone(), world.url(&path)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
        assert_eq!(answer.headers().contains_key("allow"), status == 405, "{path}");
        let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        let problem: Value = serde_json::from_str(&text(answer).await).unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(words), "{path}: {problem}");
        assert_eq!((&problem["status"], &problem["request_id"]), (&json!(status), &json!(id)));
        assert!(problem["type"].is_string() && problem["title"].is_string());
    }
}

#[tokio::test]
async fn bodies_are_json_small_and_known() {
    let world = World::new().await;
    let post = |body: String, kind: &'static str| world.post("/api/v1/repos").header("content-type", kind).body(body).send();
    let long = format!("{{\"name\": \"{}\"}}", "x".repeat(limits::REQUEST_BYTES));
    let cases = [
        ("{}".to_owned(), "text/plain", 415),
        ("{".to_owned(), "application/json", 400),
        ("{\"name\": \"a\"}".to_owned(), "application/json", 400),
        ("{\"name\": \"a\", \"url\": \"b\", \"colour\": 1}".to_owned(), "application/json", 400),
        ("{\"name\": \"a\", \"url\": \"b\", \"poll\": \"often\"}".to_owned(), "application/json", 400),
        (long, "application/json", 413),
    ];
    for (body, kind, status) in cases {
        let what: String = body.chars().take(60).collect();
        assert_eq!(post(body, kind).await.unwrap().status().as_u16(), status, "{what}");
    }
    assert!(world.store.repos().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_log_is_paged_searched_and_given_whole() {
    let world = World::new().await;
    let seed = Seed { store: &world.store, now: Timestamp(5_000) };
    let repo = seed.repo("site").await;
    let run = seed.run(&repo, seed.trigger(&repo, "main", "m"), plan(&[("a/b", &[], &["s 1"])])).await;
    let path = format!("/api/v1/runs/{}/steps/a%2Fb/s%201/log", run.id);
    assert_eq!(world.json(&path).await, json!({ "lines": [], "next": 1, "end": false }), "before the first attempt");

    super::seed_attempt(&seed, &run).await;
    let key = seed.log(&run, 0, 0, &[(Stream::Stdout, "one"), (Stream::Stderr, "two"), (Stream::Stdout, "three")], true);
    // At first as it was written, then compressed.
    for _ in 0..2 {
        let page = world.json(&format!("{path}?from=2&limit=1")).await;
        assert_eq!(page["lines"][0]["n"], 2);
        assert_eq!(page["lines"][0]["stream"], "stderr");
        assert_eq!(page["lines"][0]["text"], "two");
        assert_eq!((&page["next"], &page["end"]), (&json!(3), &json!(false)));
        let found = world.json(&format!("{path}?q=thr")).await;
        assert_eq!(found["lines"][0]["n"], 3);
        assert_eq!(found["lines"].as_array().unwrap().len(), 1);
        assert_eq!(world.read(&format!("{path}/raw")).await, "one\ntwo\nthree\n");
        assert!(world.store.logs().pack(&LogKey::from(&key)).unwrap());
    }
}

#[tokio::test]
async fn the_log_of_a_service_is_read_like_a_steps() {
    let world = World::new().await;
    let seed = Seed { store: &world.store, now: Timestamp(5_000) };
    let repo = seed.repo("site").await;
    let run = seed.run(&repo, seed.trigger(&repo, "main", "m"), super::seed::with_services(plan(&[("a/b", &[], &["s"])]))).await;
    let path = format!("/api/v1/runs/{}/services/a%2Fb/db/log", run.id);
    assert_eq!(world.json(&path).await, json!({ "lines": [], "next": 1, "end": false }), "before it says anything");
    seed.service_log(&run, 0, 1, &["one", "two", "three"]);
    let page = world.json(&format!("{path}?from=2&limit=1")).await;
    assert_eq!((&page["lines"][0]["text"], &page["next"], &page["end"]), (&json!("two"), &json!(3), &json!(false)));
    assert_eq!(world.json(&format!("{path}?q=thr")).await["lines"][0]["n"], 3);
    assert_eq!(world.read(&format!("{path}/raw")).await, "one\ntwo\nthree\n");
    let stream = world.read(&format!("{path}/stream?from=3")).await;
    assert!(stream.contains("\"text\":\"three\"") && stream.contains("event: end"), "{stream}");
    let shown = world.json(&format!("/api/v1/runs/{}", run.id)).await;
    assert_eq!(shown["jobs"][0]["services"][1], json!({ "name": "db", "image": "postgres:17" }));
    for (path, words) in [
        (format!("/api/v1/runs/{}/services/a%2Fb/nope/log", run.id), "no service `nope`"),
        (format!("/api/v1/runs/{}/services/nope/db/log", run.id), "no job `nope`"),
        (format!("/api/v1/runs/{}/services/a%2Fb/nope/log/raw", run.id), "no service `nope`"),
        (format!("/api/v1/runs/{}/services/a%2Fb/nope/log/stream", run.id), "no service `nope`"),
        (format!("/runs/{}/services/a%2Fb/nope/lines", run.id), "no service"),
    ] {
        let answer = world.get(&path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        assert!(text(answer).await.contains(words), "{path}");
    }
}

#[tokio::test]
async fn ready_means_that_the_store_answers_and_the_engine_is_only_told_of() {
    let world = World::new().await;
    assert_eq!(world.json("/healthz").await, json!({ "status": "ok" }));
    let ready = world.json("/readyz").await;
    assert_eq!(ready["store"]["ok"], true);
    assert!(ready["engine"]["sentence"].is_string());
    world.store.close().await;
    let answer = world.get("/readyz").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(world.get("/healthz").send().await.unwrap().status(), StatusCode::OK);
    let answer = world.get("/api/v1/runs").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let words = text(answer).await;
    assert!(!words.to_lowercase().contains("pool") && !words.contains("sql"), "inner errors stay inside: {words}");
}

#[tokio::test]
async fn the_description_of_the_api_names_only_what_is_there_and_all_of_it() {
    let world = World::new().await;
    let described = world.json("/api/openapi.json").await;
    let mut count = 0;
    for (path, methods) in described["paths"].as_object().unwrap() {
        let real = path.replace("{forge}", "generic").replace(['{', '}'], "");
        for method in methods.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            let method: Method = method.to_uppercase().parse().unwrap();
            let answer = world.client.request(method.clone(), world.url(&real)).send().await.unwrap();
            let is_missing = answer.status() == StatusCode::METHOD_NOT_ALLOWED || {
                let is_stream = answer.headers()["content-type"] == "text/event-stream";
                !is_stream && text(answer).await.contains("There is nothing at")
            };
            assert!(!is_missing, "{method} {path} is described and not there");
            count += 1;
        }
    }
    let routes = include_str!("../api/mod.rs").lines().filter(|line| line.contains(".route(\"")).count();
    assert_eq!(described["paths"].as_object().unwrap().len(), routes + 1, "each route of the API, and the hook");
    assert!(count > routes);
}
