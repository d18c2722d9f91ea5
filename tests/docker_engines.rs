//! Three engines under one server: jobs go where their labels are, what one leaves reaches another, and one that dies in the middle loses its jobs, which
//! begin anew elsewhere where they may. One of them is spoken to over TLS and sees none of this machine's directories.

#[path = "support/certs.rs"]
mod certs;
#[path = "support/engine.rs"]
mod engine;
#[path = "support/process.rs"]
mod process;
#[path = "support/mod.rs"]
mod support;

use std::time::Duration;

use engine::{OwnEngine, docker};
use process::{IMAGE, Served};
use serde_json::Value;
use support::Remote;

/// `far` alone has the label `far`, and `near` and `spare` have `moves`, of which `near` has more slots.
const LABELS: &str = r#"
jobs:
  build:
    runs_on: far
    steps:
      - name: make
        run: mkdir dist; echo made far away > dist/thing
        artifacts: ["dist/**"]
  use:
    needs: [build]
    runs_on: [linux, near]
    steps: [{ name: look, run: cat dist/thing }]
  nowhere:
    runs_on: [far, near]
    steps: [{ name: never, run: exit 1 }]
"#;

const DEATH: &str = r#"
jobs:
  moves:
    runs_on: moves
    steps:
      - name: long
        retry: { max: 1, when: [infrastructure], backoff: 1s }
        run: if grep -q NEAR /proc/self/mountinfo; then echo on near; sleep 1000; fi; echo elsewhere
      - { name: then, run: echo there too }
  stays:
    runs_on: near
    steps:
      - { name: long, run: echo up; sleep 1000 }
  far:
    runs_on: far
    steps:
      - { name: long, run: echo far; until test -e /tmp/go; do sleep 0.1; done; echo went on }
"#;

fn job<'r>(run: &'r Value, name: &str) -> &'r Value {
    run["jobs"].as_array().unwrap().iter().find(|job| job["name"] == name).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

async fn said(served: &Served, run: &Value, job: &str, step: &str) -> Vec<String> {
    let lines = served.log_of(run, job, step).await;
    lines.into_iter().filter(|(stream, _)| stream == "stdout").map(|(_, text)| text).collect()
}

async fn gone(host: &str, args: &[&str]) {
    let gone = tokio::time::timeout(support::PATIENCE, async {
        while !docker(host, args).1.is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    assert!(gone.await.is_ok(), "{args:?}: {}", docker(host, args).1);
}

/// How each engine is, by its name.
async fn answering(served: &Served) -> Vec<(String, bool)> {
    let engines = served.get("/api/v1/engines").await;
    let engines = engines["items"].as_array().unwrap();
    engines.iter().map(|engine| (text(&engine["name"]).to_owned(), engine["answers"] == true)).collect()
}

#[tokio::test]
async fn jobs_go_where_their_labels_are_and_leave_an_engine_that_dies() {
    let dir = tempfile::tempdir().unwrap();
    let certs = dir.path();
    let (listener, port) = certs::for_an_engine(certs);
    let (mut near, mut far, mut spare) = (OwnEngine::new(), OwnEngine::with_tls(listener, certs), OwnEngine::new());
    for engine in [&mut near, &mut far, &mut spare] {
        engine.start();
    }
    let settings = certs.join("gantry.yml");
    let content = format!(
        "engine_timeout: 3s
docker: {{ sandboxes: 0 }}
engines:
  - {{ name: near, host: \"{near}\", slots: 3, labels: [linux, near, moves] }}
  - name: far
    host: tcp://localhost:{port}
    tls: {{ ca: {at}/ca.pem, cert: {at}/me.pem, key: {at}/me.key }}
    slots: 2
    labels: [linux, far]
  - {{ name: spare, host: \"{spare}\", slots: 1, labels: [linux, moves] }}
",
        near = near.host(),
        spare = spare.host(),
        at = certs.display()
    );
    std::fs::write(&settings, content).unwrap();
    let mut served = Served::start_with(&["--config", settings.to_str().unwrap()], &[]);
    far.hide(served.data.path());

    let remote = Remote::empty();
    let pipeline = |jobs: &str| format!("defaults: {{ image: {IMAGE} }}\n{jobs}");
    remote.commit(&[(".gantry.yml", &pipeline(LABELS))], "labels");
    served.add_repo("shop", &remote.url()).await;
    let run = served.until("`use` to end", "shop", 1, |run| job(run, "use")["state"] == "ended").await;
    let on = ["build", "use"].map(|name| (text(&job(&run, name)["outcome"]), text(&job(&run, name)["engine"])));
    assert_eq!(on, [("passed", "far"), ("passed", "near")], "{run:#}\n{}", served.log());
    assert_eq!(said(&served, &run, "use", "look").await, ["made far away"]);
    let nowhere = job(&run, "nowhere");
    let why = text(&nowhere["reason"]);
    assert!(
        nowhere["state"] == "waiting"
            && why.contains("`far`, `near`")
            && why.contains("none in the server's settings has all of them"),
        "{why}"
    );
    served.post(&format!("/api/v1/runs/{}/cancel", text(&run["id"])), Value::Null).await;
    served.ended("shop", 1).await;

    let death = DEATH.replace("NEAR", near.socket().parent().unwrap().to_str().unwrap());
    remote.commit(&[(".gantry.yml", &pipeline(&death))], "death");
    served.sync("shop").await;
    let all_run = |run: &Value| run["jobs"].as_array().unwrap().iter().all(|job| job["steps"][0]["state"] == "running");
    let run = served.until("all to run", "shop", 2, all_run).await;
    assert_eq!(job(&run, "moves")["engine"], "near");
    for (name, line) in [("moves", "on near"), ("stays", "up"), ("far", "far")] {
        served.said(&run, name, "long", line).await;
    }
    near.kill();
    let run = served.until("`moves` to end", "shop", 2, |run| job(run, "moves")["state"] == "ended").await;
    let (moves, stays) = (job(&run, "moves"), job(&run, "stays"));
    assert_eq!((text(&moves["outcome"]), text(&moves["engine"])), ("passed", "spare"), "{run:#}\n{}", served.log());
    assert_eq!(moves["steps"][0]["attempt"], 2);
    assert_eq!(said(&served, &run, "moves", "long").await, ["elsewhere"]);
    assert_eq!(text(&stays["outcome"]), "lost", "{stays:#}");
    let why = text(&stays["steps"][0]["reason"]);
    assert!(why.contains("the engine `near` has not answered for 3 s"), "{why}");
    assert_eq!(answering(&served).await, [("near", false), ("far", true), ("spare", true)].map(|(n, up)| (n.to_owned(), up)));

    // Another life of the server knows where the job that still runs is, and only the two that answer are asked.
    served.kill();
    served.boot();
    let (_, container) = docker(&far.host(), &["ps", "-q", "--filter", "label=io.gantry.step"]);
    assert_eq!(container.lines().count(), 1, "{container}");
    assert!(docker(&far.host(), &["exec", container.trim(), "touch", "/tmp/go"]).0.success());
    let run = served.ended("shop", 2).await;
    assert_eq!((text(&job(&run, "far")["outcome"]), text(&job(&run, "far")["engine"])), ("passed", "far"), "{run:#}");
    assert_eq!(said(&served, &run, "far", "long").await, ["far", "went on"]);

    // It comes back, with what ran on it: nothing of that is wanted any more.
    near.start();
    for engine in [&near, &far, &spare] {
        gone(&engine.host(), &["ps", "-aq", "--filter", "label=io.gantry.run"]).await;
        gone(&engine.host(), &["volume", "ls", "-q"]).await;
    }
    assert!(answering(&served).await.iter().all(|(_, up)| *up), "{}", served.log());
}
