//! Secrets on the whole server: given, refused, masked, and nowhere to be found afterwards.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gantry::base::{AttemptKey, RunId, Secret};
use gantry::pipeline::Event;
use gantry::run::RunView;
use gantry::secrets::Policy;
use gantry::store::SealedSecret;

use super::support::{App, Remote};

async fn set(app: &App, repo: Option<&str>, name: &str, value: &str) {
    set_for(app, repo, name, value, Policy::default()).await;
}

async fn set_for(app: &App, repo: Option<&str>, name: &str, value: &str, policy: Policy) {
    app.handle().set_secret(repo, name, &Secret::new(value.to_owned()), policy).await.unwrap();
}

fn policy(events: &[Event], branches: &[&str]) -> Policy {
    Policy::new(events, &branches.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
}

fn key(run: &RunView, step: u32) -> AttemptKey {
    AttemptKey { run: run.id.to_string().parse::<RunId>().unwrap(), job: 0, step, attempt: 1 }
}

fn log(app: &App, run: &RunView, step: u32) -> Vec<String> {
    let page = app.handle().store().logs().read(key(run, step), 1, 1_000).unwrap();
    assert!(page.end);
    page.lines.into_iter().map(|line| line.text).collect()
}

/// A remote that is watched, with its secrets set before its first run.
async fn watched(app: &App, pipeline: &str, secrets: &[(&str, &str)]) -> Remote {
    let remote = Remote::empty();
    app.watch("shop", &remote).await;
    app.status("shop", true, "empty").await;
    for (name, value) in secrets {
        set(app, Some("shop"), name, value).await;
    }
    remote.commit(&[(".gantry.yml", pipeline)], "first");
    app.handle().sync_repo("shop").await.unwrap();
    remote
}

/// Every file below that holds these bytes.
fn holding(dir: &Path, needle: &str) -> Vec<String> {
    let mut found = Vec::new();
    // A job's directory may be removed meanwhile.
    let Ok(entries) = fs::read_dir(dir) else { return found };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, needle));
        } else if fs::read(&path).is_ok_and(|file| file.windows(needle.len()).any(|bytes| bytes == needle.as_bytes())) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[tokio::test]
async fn a_step_gets_what_it_names_and_no_file_of_the_server_holds_it() {
    let app = App::start().await;
    let (out, err, summary) = ("out-hunter2-out", "line-1-of-it\n}\nline-3-of-it", "# sum-hunter4-sum");
    let _remote = watched(
        &app,
        "steps:\n  - { name: one, run: x, secrets: { FAKE_OUTPUT: out, FAKE_STDERR: err } }\n  - { name: two, run: x, secrets: { FAKE_WRITES_SUMMARY: summary } }\n",
        &[("out", out), ("err", err), ("summary", summary), ("unused", "unused-hunter5")],
    )
    .await;
    let run = app.ended("shop", 1).await;
    assert_eq!(run.outcome.unwrap().as_str(), "passed", "{}", run.reason);
    assert_eq!(log(&app, &run, 0), ["***", "***"]);
    let kept = app.handle().store().summaries(&key(&run, 1).run).await.unwrap();
    assert_eq!(kept[0].text, "***");
    app.until("the job's secrets to be forgotten", async |app| {
        let given = app.handle().store().attempt_secrets(&key(&run, 0).run).await.unwrap();
        given.is_empty().then_some(())
    })
    .await;
    let data = app.data.path().to_owned();
    for value in [out, "line-1-of-it", "sum-hunter4-sum", "unused-hunter5"] {
        for needle in [value.to_owned(), STANDARD.encode(value), hex::encode(value)] {
            assert_eq!(holding(&data, &needle), [""; 0], "{needle}");
        }
    }
    assert!(!holding(&data, "FAKE_WRITES_SUMMARY").is_empty(), "the search finds what is there");
    assert_eq!(fs::metadata(data.join("secret.key")).unwrap().permissions().mode() & 0o777, 0o600);
    app.close().await;
}

#[tokio::test]
async fn outputs_and_a_later_steps_log_are_masked_too() {
    let app = App::start().await;
    let _remote = watched(
        &app,
        "steps:\n  - { name: one, run: x, secrets: [TOKEN], env: { FAKE_WRITES_OUTPUT: \"v=is s3cr3t-value!\", FAKE_WRITES_ENV: \"W=czNjcjN0LXZhbHVl\" } }\n  - { name: two, run: x, env: { FAKE_OUTPUT: \"${{ steps.one.outputs.v }} s3cr3t-value\" } }\n",
        &[("TOKEN", "s3cr3t-value")],
    )
    .await;
    let run = app.ended("shop", 1).await;
    assert_eq!(run.outcome.unwrap().as_str(), "passed", "{}", run.reason);
    assert_eq!(log(&app, &run, 1), ["is ***! ***"], "a step that names no secret of a run that does");
    let stored = format!("{:?}", app.run(&key(&run, 0).run).await.jobs);
    assert!(stored.contains("is ***!") && !stored.contains("s3cr3t-value") && !stored.contains("czNjcjN0LXZhbHVl"), "{stored}");
    app.close().await;
}

#[tokio::test]
async fn what_may_not_be_seen_ends_the_step_with_a_sentence_and_is_not_tried_again() {
    let app = App::start().await;
    set_for(&app, None, "for_tags", "hunter2-tags", policy(&[Event::Tag], &[])).await;
    set_for(&app, None, "for_main", "hunter2-main", policy(&[], &["release/**"])).await;
    set(&app, None, "own", "hunter2-global").await;
    let remote = Remote::empty();
    app.watch("shop", &remote).await;
    app.status("shop", true, "empty").await;
    set_for(&app, Some("shop"), "own", "hunter2-own", policy(&[Event::Cron], &[])).await;
    let step = |name: &str| {
        format!(
            "  - {{ name: s_{name}, run: x, needs: [], secrets: {{ X: {name} }}, retry: {{ max: 3, backoff: 1ms }}, allow_failure: true }}\n"
        )
    };
    let steps: String = ["missing", "for_tags", "for_main", "own"].map(step).concat();
    remote.commit(&[(".gantry.yml", &format!("steps:\n{steps}"))], "first");
    app.handle().sync_repo("shop").await.unwrap();
    let run = app.ended("shop", 1).await;
    let steps = &run.jobs[0].steps;
    let ends: Vec<_> = steps.iter().map(|step| (step.outcome.unwrap().as_str(), step.attempt)).collect();
    assert_eq!(ends, [("error", 1); 4]);
    let advice = "whoever may set secrets can allow it, or let the step's `if` leave it out";
    assert_eq!(
        steps.iter().map(|step| step.reason.as_str()).collect::<Vec<_>>(),
        [
            "there is no secret `missing` for `shop`: set it with `gantry secret set missing --repo shop`".to_owned(),
            format!("the secret `for_tags` of all repositories is not for the event `push`, only for `tag`: {advice}"),
            format!("the secret `for_main` of all repositories is not for the branch `main`, only for `release/**`: {advice}"),
            format!("the secret `own` of `shop` is not for the event `push`, only for `cron`: {advice}"),
        ]
    );
    assert!(log(&app, &run, 0)[0].starts_with("there is no secret `missing`"), "the log says it too");
    assert_eq!(app.fake.starts(), [], "nothing was started");
    app.close().await;
}

#[tokio::test]
async fn a_repositorys_own_secret_wins_and_another_repositorys_is_not_there() {
    let app = App::start().await;
    set(&app, None, "BOTH", "global-1234").await;
    app.watch("other", &Remote::empty()).await;
    set(&app, Some("other"), "THEIRS", "theirs-1234").await;
    let _remote = watched(
        &app,
        "steps:\n  - { name: one, run: x, secrets: [BOTH], env: { FAKE_OUTPUT: \"global-1234 own-5678\" } }\n  - { name: two, run: x, secrets: [THEIRS] }\n",
        &[("BOTH", "own-5678")],
    )
    .await;
    let run = app.ended("shop", 1).await;
    assert_eq!(log(&app, &run, 0), ["global-1234 ***"]);
    assert!(run.jobs[0].steps[1].reason.contains("there is no secret `THEIRS` for `shop`"));
    app.close().await;
}

#[tokio::test]
async fn after_a_restart_the_output_is_masked_with_what_the_step_was_given_whatever_became_of_the_secret() {
    let mut app = App::start().await;
    let first = "first-hunter2\n}\nremoved-hunter4";
    let _remote = watched(
        &app,
        "steps:\n  - { name: one, run: x, secrets: { FAKE_OUTPUT: out, FAKE_STDERR: removed }, env: { FAKE_MS: 1500 } }\n",
        &[("out", first), ("removed", "removed-hunter4")],
    )
    .await;
    app.step_runs("shop", "one").await;
    set(&app, Some("shop"), "out", "second-hunter2").await;
    app.handle().remove_secret(Some("shop"), "removed").await.unwrap();
    app.restart().await;
    let run = app.ended("shop", 1).await;
    assert_eq!(run.outcome.unwrap().as_str(), "passed", "{}", run.reason);
    assert_eq!(log(&app, &run, 0), ["***", "***"]);
    assert_eq!(app.fake.starts().len(), 1, "nothing ran twice");
    app.close().await;
}

#[tokio::test]
async fn a_sealed_value_in_another_row_or_for_other_people_is_no_value() {
    let app = App::start().await;
    let remote = watched(&app, "steps: [x]\n", &[("WEAK", "weak-hunter2"), ("STRONG", "strong-hunter2")]).await;
    app.ended("shop", 1).await;
    let store = app.handle().store();
    let repo = store.repo("shop").await.unwrap().unwrap();
    let rows = store.secrets(Some(&repo.id)).await.unwrap();
    let [strong, weak] = [&rows[0], &rows[1]];
    // Whoever may write to the database, but has no key: the strong value under the weak name, and the weak one for everything.
    let everything = serde_json::to_string(&Policy::everything()).unwrap();
    store.set_secret(&SealedSecret { sealed: strong.sealed.clone(), ..weak.clone() }).await.unwrap();
    store.set_secret(&SealedSecret { policy: everything, ..strong.clone() }).await.unwrap();
    remote.commit(
        &[(".gantry.yml", "steps:\n  - { name: one, run: x, needs: [], secrets: [WEAK] }\n  - { name: two, run: x, needs: [], secrets: [STRONG] }\n")],
        "second",
    );
    app.handle().sync_repo("shop").await.unwrap();
    let run = app.ended("shop", 2).await;
    for (step, name) in run.jobs[0].steps.iter().zip(["WEAK", "STRONG"]) {
        assert_eq!(step.outcome.unwrap().as_str(), "error");
        assert!(step.reason.starts_with(&format!("the secret `{name}` cannot be opened: ")), "{}", step.reason);
    }
    app.close().await;
}

#[tokio::test]
async fn a_key_that_others_may_read_or_that_is_gone_opens_nothing() {
    let app = App::start().await;
    let remote = watched(&app, "steps:\n  - { run: x, secrets: [TOKEN] }\n", &[("TOKEN", "hunter2-hunter3")]).await;
    assert_eq!(app.ended("shop", 1).await.outcome.unwrap().as_str(), "passed");
    let path = app.data.path().join("secret.key");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    remote.commit(&[("a", "1")], "second");
    app.handle().sync_repo("shop").await.unwrap();
    let run = app.ended("shop", 2).await;
    assert!(run.jobs[0].steps[0].reason.contains("secret.key may be read by others"), "{}", run.reason);
    let refused = app.handle().set_secret(None, "NEW", &Secret::new("hunter2-hunter3".to_owned()), Policy::default()).await;
    assert!(refused.unwrap_err().to_string().contains("may be read by others"));
    fs::remove_file(&path).unwrap();
    remote.commit(&[("a", "2")], "third");
    app.handle().sync_repo("shop").await.unwrap();
    let run = app.ended("shop", 3).await;
    assert!(run.jobs[0].steps[0].reason.contains("secret.key is not there"), "{}", run.reason);
    assert!(!path.exists(), "reading makes no new key");
    app.close().await;
}
