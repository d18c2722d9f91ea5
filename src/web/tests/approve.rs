//! Answers to jobs that wait for approval: by the API and by the page.

use std::sync::Arc;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::seed::plan;
use super::{Seed, World, text};
use crate::base::{Clock, RunId, Timestamp};
use crate::pipeline::{Approval, Concurrency, InputValue, Plan, Policy};
use crate::run::{JobState, Run, Wait};
use crate::store::{NewRun, Repo};

/// A run whose one job asks these people; `message` may be hostile.
async fn asking(world: &World, repo: &Repo, by: &[&str], message: &str) -> RunId {
    let seed = Seed { store: &world.store, now: Timestamp(1_000) };
    let mut plan: Plan = plan(&[("deploy", &[], &["go"])]);
    plan.jobs[0].approval = Some(Approval {
        message: Some(message.into()),
        by: by.iter().map(ToString::to_string).collect(),
        timeout_ms: Some(86_400_000),
    });
    plan.jobs[0].environment = Some("production".into());
    plan.concurrency = Some(Concurrency { group: "ci".to_owned(), policy: Policy::CancelPending });
    plan.inputs.insert("level".to_owned(), InputValue::Text("full".to_owned()));
    let new = NewRun {
        id: RunId::new(&Clock::System),
        repo_name: repo.name.clone(),
        trigger: seed.trigger(repo, "main", "Ship it"),
        plan: Arc::new(plan),
        problems: Vec::new(),
        ended: None,
        rerun_of: None,
        begun: Vec::new(),
    };
    let id = world.handle.make_runs(&repo.id, vec![new]).await.unwrap().remove(0).id;
    until(world, &id, |run| matches!(run.jobs[0].state, JobState::Waiting { why: Wait::Approval { .. } })).await;
    id
}

async fn until(world: &World, id: &RunId, wanted: impl Fn(&Run) -> bool) -> Run {
    let mut changes = world.handle.changes();
    loop {
        changes.mark_unchanged();
        let run = world.store.run(id).await.unwrap().unwrap();
        if wanted(&run) {
            return run;
        }
        changes.changed().await.unwrap();
    }
}

#[tokio::test]
async fn the_api_says_what_is_asked_and_takes_the_answer_of_those_who_may() {
    let world = World::new().await;
    let repo = Seed { store: &world.store, now: Timestamp(1_000) }.repo("site").await;
    let id = asking(&world, &repo, &["ops"], "Deploy?").await;
    let run = world.json(&format!("/api/v1/runs/{id}")).await;
    assert_eq!(run["inputs"], json!({ "level": "full" }));
    assert_eq!(run["concurrency"], json!({ "group": "ci", "policy": "cancel-pending", "waits_for": null }));
    let job = &run["jobs"][0];
    assert_eq!((&job["environment"], &job["reason"]), (&json!("production"), &json!("waits for approval by ops: Deploy?")));
    assert_eq!((&job["matrix"], &job["outputs"], &job["concurrency"]), (&json!({}), &json!({}), &Value::Null));
    let mut approval = job["approval"].clone();
    assert!(approval["until"].take().as_i64().unwrap() > 86_400_000, "{job}");
    assert_eq!(approval, json!({ "message": "Deploy?", "by": ["ops"], "asked": true, "until": null, "decision": null }));

    let address = format!("/api/v1/runs/{id}/approve");
    for (body, status, words) in [
        (json!({ "job": "deploy" }), 403, "`the API` may not answer for `deploy`: only ops may"),
        (json!({ "job": "deploy", "by": "bob", "decision": "reject" }), 403, "only ops may"),
        (json!({ "job": "deploy", "by": "" }), 400, "say who answers"),
        (json!({ "job": "nope", "by": "ops" }), 404, "no job `nope`; `deploy` waits for approval"),
        (json!({ "job": "deploy", "decision": "maybe" }), 400, "maybe"),
        (json!({ "job": "deploy", "who": "ops" }), 400, "who"),
    ] {
        let answer = world.post(&address).json(&body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{body}");
        let said = text(answer).await.to_lowercase();
        assert!(said.contains(&words.to_lowercase()), "{body}: {said}");
    }
    let unknown = world.post("/api/v1/runs/nope/approve").json(&json!({ "job": "deploy" })).send().await.unwrap();
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);

    let answer = world.post(&address).json(&json!({ "job": "deploy", "by": "ops" })).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let run = world.json(&format!("/api/v1/runs/{id}")).await;
    let decision = &run["jobs"][0]["approval"]["decision"];
    assert_eq!((&decision["approved"], &decision["by"]), (&json!(true), &json!("ops")));
    let twice = world.post(&address).json(&json!({ "job": "deploy", "by": "ops", "decision": "reject" })).send().await.unwrap();
    assert_eq!(twice.status(), StatusCode::CONFLICT);
    // There is no commit to check out, so it ends by itself.
    until(&world, &id, Run::is_ended).await;

    // A rerun keeps the inputs and asks again.
    let answer = world.post(&format!("/api/v1/runs/{id}/rerun")).send().await.unwrap();
    let again: Value = answer.json().await.unwrap();
    let run = world.json(&format!("/api/v1/runs/{}", again["id"].as_str().unwrap())).await;
    assert_eq!((&run["inputs"]["level"], &run["jobs"][0]["approval"]["decision"]), (&json!("full"), &Value::Null));
}

#[tokio::test]
async fn the_page_shows_the_question_with_its_buttons_and_a_no_ends_the_job() {
    let world = World::new().await;
    let repo = Seed { store: &world.store, now: Timestamp(1_000) }.repo("site").await;
    let id = asking(&world, &repo, &["ops", "ada"], "Deploy <b>1.2</b>?").await;
    let page = world.read(&format!("/runs/{id}")).await;
    for part in [
        "<b>deploy</b> waits for approval by ops or ada to work on <b>production</b>",
        "Deploy &#60;b&#62;1.2&#60;/b&#62;?",
        "<option>ada</option>",
        "name=\"decision\" value=\"approve\">Approve</button>",
        "name=\"decision\" value=\"reject\">Reject</button>",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let form = |body: &'static str| {
        let request = world.post(&format!("/runs/{id}/approve"));
        request.header("content-type", "application/x-www-form-urlencoded").body(body).send()
    };
    assert_eq!(form("job=deploy&by=bob&decision=approve").await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(form("job=deploy&by=ada").await.unwrap().status(), StatusCode::BAD_REQUEST, "a decision is needed");
    let answer = form("job=deploy&by=ada&decision=reject").await.unwrap();
    assert_eq!(
        (answer.status(), answer.headers()["location"].to_str().unwrap()),
        (StatusCode::SEE_OTHER, format!("/runs/{id}").as_str())
    );
    let page = world.read(&format!("/runs/{id}")).await;
    assert!(page.contains("rejected by ada") && !page.contains("value=\"approve\""), "{page}");

    let open = asking(&world, &repo, &[], "Deploy?").await;
    let page = world.read(&format!("/runs/{open}")).await;
    assert!(page.contains("placeholder=\"your name\""), "{page}");
    let answer = world.post(&format!("/runs/{open}/approve"));
    let answer = answer.header("content-type", "application/x-www-form-urlencoded").body("job=deploy&by=&decision=reject").send();
    assert_eq!(answer.await.unwrap().status(), StatusCode::SEE_OTHER);
    assert!(world.read(&format!("/runs/{open}")).await.contains("rejected by the dashboard"));
}
