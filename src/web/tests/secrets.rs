//! Secrets by API and page: set, listed and removed, and never shown.

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use super::{Seed, World, text};
use crate::base::{Timestamp, limits};

const VALUE: &str = "hunter2-hunter3";

fn put(world: &World, path: &str, body: &Value) -> RequestBuilder {
    world.client.request(Method::PUT, world.url(path)).json(body)
}

/// Sends the page's form as a browser does.
async fn send(world: &World, form: &[(&str, &str)]) -> Response {
    let encoded = |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    let fields: Vec<_> = form.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    let kind = ("content-type", "application/x-www-form-urlencoded");
    world.post("/repos/site/secrets").header(kind.0, kind.1).body(fields.join("&")).send().await.unwrap()
}

async fn with_repo() -> World {
    let world = World::new().await;
    let seed = Seed { store: &world.store, now: Timestamp(1_000) };
    seed.repo("site").await;
    world
}

#[tokio::test]
async fn a_secret_is_set_listed_and_removed_and_its_value_is_never_answered() {
    let world = with_repo().await;
    let (own, all) = ("/api/v1/repos/site/secrets", "/api/v1/secrets");
    let policy = json!({ "value": VALUE, "events": ["push", "pull_request"], "branches": ["main"] });
    let mut said = Vec::new();
    for (path, body) in [(own, &policy), (all, &json!({ "value": VALUE }))] {
        let answer = put(&world, &format!("{path}/TOKEN"), body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        said.push(text(answer).await);
    }
    let set: Value = serde_json::from_str(&said[0]).unwrap();
    assert_eq!((&set["name"], &set["repo"], &set["branches"]), (&json!("TOKEN"), &json!("site"), &json!(["main"])));
    for path in [own, all, "/repos/site"] {
        said.push(world.read(path).await);
    }
    let list: Value = serde_json::from_str(&said[2]).unwrap();
    assert_eq!(list["items"][0]["events"], json!(["push", "pull_request"]));
    assert_eq!(
        (&list["items"][1]["repo"], &list["items"][1]["events"]),
        (&json!(null), &json!(["push", "tag", "cron", "manual"]))
    );
    assert_eq!(serde_json::from_str::<Value>(&said[3]).unwrap()["items"].as_array().unwrap().len(), 1, "only those of all");
    assert!(said[4].contains("TOKEN") && said[4].contains("pull_request on main"));
    assert!(said.iter().all(|said| !said.contains(VALUE)), "{said:?}");
    for row in world.store.secrets(None).await.unwrap() {
        assert!(!format!("{row:?}").contains("hunter"), "{row:?}");
    }

    let gone = world.client.delete(world.url(&format!("{own}/TOKEN"))).send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    let again = world.client.delete(world.url(&format!("{own}/TOKEN"))).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_FOUND);
    assert_eq!(world.json(own).await["items"].as_array().unwrap().len(), 1, "the one of all stays");
}

#[tokio::test]
async fn what_cannot_be_a_secret_is_refused_and_not_said_back() {
    let world = with_repo().await;
    let path = "/api/v1/repos/site/secrets/TOKEN";
    for (body, words) in [
        (json!({ "value": "abc" }), "too short or too plain"),
        (json!({ "value": 123_456_789 }), "must be a text"),
        (json!({ "value": [VALUE] }), "must be a text"),
        (json!({ "value": format!("{VALUE}\0") }), "NUL"),
        (json!({ "value": VALUE.repeat(limits::SECRET_BYTES / VALUE.len() + 1) }), "longer than 16 KiB"),
        (json!({ "value": VALUE, "events": ["deploy"] }), "unknown variant"),
        (json!({ "value": VALUE, "branches": ["["] }), "is no pattern"),
        (json!({ "value": VALUE, "event": ["push"] }), "unknown field"),
        (json!({}), "missing field"),
    ] {
        let answer = put(&world, path, &body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{words}");
        let said = text(answer).await;
        assert!(said.contains(words) && !said.contains(VALUE) && !said.contains("123456789"), "{said}");
    }
    for path in ["/api/v1/repos/site/secrets/a%20b", "/api/v1/secrets/..%2Fx", "/api/v1/secrets/1"] {
        let answer = put(&world, path, &json!({ "value": VALUE })).send().await.unwrap();
        assert!(text(answer).await.contains("cannot be a secret's name"), "{path}");
    }
    for (method, path) in [(Method::GET, "/api/v1/repos/other/secrets"), (Method::DELETE, "/api/v1/repos/other/secrets/x")] {
        let answer = world.client.request(method, world.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    }
    let answer = put(&world, "/api/v1/repos/other/secrets/x", &json!({ "value": VALUE })).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert!(world.json("/api/v1/repos/site/secrets").await["items"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn the_path_alone_says_whose_secret_it_is() {
    let world = with_repo().await;
    for body in [json!({ "value": VALUE, "repo": "other" }), json!({ "value": VALUE, "name": "OTHER" })] {
        let answer = put(&world, "/api/v1/repos/site/secrets/TOKEN", &body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn one_more_than_a_place_keeps_is_refused() {
    let world = with_repo().await;
    for n in 0..limits::SECRETS_KEPT {
        let answer = put(&world, &format!("/api/v1/secrets/s{n}"), &json!({ "value": VALUE })).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }
    let one_more = put(&world, "/api/v1/secrets/more", &json!({ "value": VALUE })).send().await.unwrap();
    assert_eq!(one_more.status(), StatusCode::CONFLICT);
    for path in ["/api/v1/secrets/s0", "/api/v1/repos/site/secrets/more"] {
        let answer = put(&world, path, &json!({ "value": VALUE })).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}: another value, or another place");
    }
}

#[tokio::test]
async fn the_pages_forms_set_and_remove() {
    let world = with_repo().await;
    let form = [("name", " KEY "), ("value", "one-1\r\ntwo-2"), ("branches", "main, release/**"), ("push", "on"), ("tag", "on")];
    let answer = send(&world, &form).await;
    assert_eq!((answer.status(), answer.headers()["location"].to_str().unwrap()), (StatusCode::SEE_OTHER, "/repos/site"));
    let list = world.json("/api/v1/repos/site/secrets").await;
    let secret = &list["items"][0];
    assert_eq!((&secret["name"], &secret["events"]), (&json!("KEY"), &json!(["push", "tag"])));
    assert_eq!(secret["branches"], json!(["main", "release/**"]));
    let nobody = send(&world, &[("name", "KEY"), ("value", VALUE)]).await;
    assert_eq!(nobody.status(), StatusCode::BAD_REQUEST);
    assert!(!text(nobody).await.contains(VALUE));
    let gone = world.post("/repos/site/secrets/KEY/remove").send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::SEE_OTHER);
    assert!(world.json("/api/v1/repos/site/secrets").await["items"].as_array().unwrap().is_empty());
}
