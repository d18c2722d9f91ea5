//! Hooks: only the right signature over the raw body writes anything.

use reqwest::StatusCode;
use serde_json::Value;

use super::{Seed, World, text};
use crate::base::{Timestamp, limits};
use crate::forge::generic::sign;

const HEADER: &str = "x-gantry-signature-256";

#[tokio::test]
async fn a_right_signature_is_stored_and_accepted() {
    let world = World::new().await;
    let repo = Seed { store: &world.store, now: Timestamp(0) }.repo("site").await;
    let body = b"{\"ref\": \xff not even text".to_vec();
    let signature = sign(&repo.hook_secret, &body);
    let answer = world.post("/hooks/generic/site").header(HEADER, signature).body(body.clone()).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let answer: Value = answer.json().await.unwrap();
    let kept = world.store.open_deliveries().await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].id.as_str(), &kept[0].repo, &kept[0].body), (answer["delivery"].as_str().unwrap(), &repo.id, &body));
    let headers: Value = serde_json::from_str(&kept[0].headers).unwrap();
    assert_eq!(headers.get(HEADER), None, "the signature is spent");
}

#[tokio::test]
async fn whatever_is_wrong_gets_the_same_answer_and_writes_nothing() {
    let world = World::new().await;
    let seed = Seed { store: &world.store, now: Timestamp(0) };
    let site = seed.repo("site").await;
    let other = seed.repo("other").await;
    let right = sign(&site.hook_secret, b"{}");
    let cases = [
        ("missing", "site", None),
        ("empty", "site", Some(String::new())),
        ("malformed hex", "site", Some("sha256=xyz".to_owned())),
        ("cut short", "site", Some(right[..right.len() - 2].to_owned())),
        ("another algorithm", "site", Some(right.replace("sha256", "sha1"))),
        ("over another body", "site", Some(sign(&site.hook_secret, b"[]"))),
        ("another repository's secret", "site", Some(sign(&other.hook_secret, b"{}"))),
        ("unknown repository", "nobody", Some(right.clone())),
        ("unknown repository, guessed stand-in", "nobody", Some(sign("there is no such repository", b"{}"))),
        ("unknown repository, no secret", "nobody", Some(sign("", b"{}"))),
    ];
    let mut answers = Vec::new();
    for (what, repo, signature) in cases {
        let mut request = world.post(&format!("/hooks/generic/{repo}")).body("{}");
        if let Some(signature) = signature {
            request = request.header(HEADER, signature);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{what}");
        let mut body: Value = serde_json::from_str(&text(answer).await).unwrap();
        body["request_id"] = Value::Null;
        answers.push(body);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    assert!(world.store.open_deliveries().await.unwrap().is_empty());
    let answer = world.post("/hooks/generic/site").header(HEADER, right).body("{}").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED, "and the right one is taken");
}

#[tokio::test]
async fn a_body_may_be_as_long_as_the_limit_and_no_longer() {
    let world = World::new().await;
    let repo = Seed { store: &world.store, now: Timestamp(0) }.repo("site").await;
    for (length, expected) in
        [(limits::HOOK_BYTES, StatusCode::ACCEPTED), (limits::HOOK_BYTES + 1, StatusCode::PAYLOAD_TOO_LARGE)]
    {
        let body = vec![b'x'; length];
        let signature = sign(&repo.hook_secret, &body);
        let answer = world.post("/hooks/generic/site").header(HEADER, signature).body(body).send().await.unwrap();
        assert_eq!(answer.status(), expected, "{length}");
    }
    assert_eq!(world.store.open_deliveries().await.unwrap().len(), 1);
}

#[tokio::test]
async fn only_known_forges_have_hooks() {
    let world = World::new().await;
    assert_eq!(world.post("/hooks/unknown/site").send().await.unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(world.get("/hooks/generic/site").send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
}
