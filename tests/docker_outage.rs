//! A server whose engine goes away and comes back in the middle of runs. The server is never restarted.

#[path = "support/engine.rs"]
mod engine;
#[path = "support/process.rs"]
mod process;
#[path = "support/mod.rs"]
mod support;

use engine::{OwnEngine, docker};
use process::{IMAGE, Served};
use serde_json::{Value, json};
use support::Remote;

/// Two jobs of three steps. The middle one of each runs when the engine goes; `again` may be made once more, and passes then.
const PIPELINE: &str = r#"
jobs:
  plain:
    steps:
      - { name: before, run: "echo before" }
      - { name: long, run: "echo begun; sleep 600" }
      - { name: after, run: "echo after" }
  again:
    steps:
      - { name: before, run: "echo before" }
      - name: long
        retry: { max: 1, when: [infrastructure], backoff: 0s }
        run: if test -e begun; then echo once more; else touch begun; echo begun; sleep 600; fi
      - { name: after, run: "echo after; cat begun" }
"#;

fn served_by(engine: &OwnEngine) -> Served {
    Served::start_with(&["--slots", "2"], &[("DOCKER_HOST", &engine.host())])
}

fn remote(pipeline: &str) -> Remote {
    Remote::with(&format!("defaults: {{ image: {IMAGE} }}\n{pipeline}"))
}

async fn both_long_steps_talk(served: &Served) -> Value {
    let state = |run: &Value, job: usize| run["jobs"][job]["steps"][1]["state"].clone();
    let run =
        served.until("both long steps to run", "shop", 1, |run| state(run, 0) == "running" && state(run, 1) == "running").await;
    for job in ["plain", "again"] {
        served.said(&run, job, "long", "begun").await;
    }
    run
}

/// Name and outcome of each step of a job.
fn outcomes(run: &Value, job: usize) -> String {
    let step = |step: &Value| format!("{} {}", step["name"].as_str().unwrap(), step["outcome"].as_str().unwrap());
    run["jobs"][job]["steps"].as_array().unwrap().iter().map(step).collect::<Vec<_>>().join(", ")
}

async fn an_outage_in_the_middle(end: impl Fn(&mut OwnEngine)) {
    let mut engine = OwnEngine::new();
    engine.start();
    let (served, remote) = (served_by(&engine), remote(PIPELINE));
    let pid = served.pid();
    served.add_repo("shop", &remote.url()).await;
    both_long_steps_talk(&served).await;

    end(&mut engine);
    remote.commit(&[(".gantry.yml", &format!("image: {IMAGE}\nsteps: [echo late]\n"))], "while the engine is away");
    served.sync("shop").await;
    let waits = |run: &Value| {
        run["state"] == "queued" && run["reason"].as_str().is_some_and(|reason| reason.contains("waits for the engine"))
    };
    // The slots of run 1 are taken, and the engine is what stands in the way.
    let waiting = served.until("it to say that it waits for the engine", "shop", 2, waits).await;
    let reason = waiting["jobs"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("waits for the engine: Docker is not reachable"), "{waiting:#}");

    engine.start();
    let run = served.ended("shop", 1).await;
    let log = served.log();
    assert_eq!(outcomes(&run, 0), "before passed, long lost, after skipped", "{run:#}\n{log}");
    assert_eq!(outcomes(&run, 1), "before passed, long passed, after passed", "{run:#}\n{log}");
    let lost = run["jobs"][0]["steps"][1]["reason"].as_str().unwrap();
    assert!(lost.contains("Docker was stopped while the step ran"), "{lost}");
    assert_eq!((&run["outcome"], &run["jobs"][1]["steps"][1]["attempt"]), (&json!("lost"), &json!(2)), "{run:#}");
    let log = served.log_of(&run, "again", "long").await;
    assert_eq!(log.iter().filter(|(of, _)| of == "stdout").map(|(_, line)| line.as_str()).collect::<Vec<_>>(), ["once more"]);
    let late = served.ended("shop", 2).await;
    assert_eq!(late["outcome"], "passed", "{late:#}");
    assert_eq!(served.pid(), pid, "the server was never restarted");
    served.nothing_left().await;
    nothing_of_a_job_left(&engine);
}

/// No containers of any kind; of networks at most the one that all jobs share.
fn nothing_of_a_job_left(engine: &OwnEngine) {
    assert_eq!(docker(&engine.host(), &["ps", "-aq"]).1, "");
    let (_, networks) = docker(&engine.host(), &["network", "ls", "-q", "--filter", "label=io.gantry.job"]);
    assert_eq!(networks, "");
}

#[tokio::test]
async fn an_engine_that_is_stopped_loses_what_ran_and_the_rest_goes_on() {
    an_outage_in_the_middle(OwnEngine::stop).await;
}

#[tokio::test]
async fn an_engine_that_is_killed_loses_what_ran_and_the_rest_goes_on() {
    an_outage_in_the_middle(OwnEngine::kill).await;
}

#[tokio::test]
async fn a_server_that_is_started_without_an_engine_waits_and_says_so() {
    let mut engine = OwnEngine::new();
    let (served, remote) = (served_by(&engine), remote("steps: [echo hello]\n"));
    served.add_repo("shop", &remote.url()).await;
    let says = |run: &Value| run["reason"].as_str().is_some_and(|reason| reason.contains("there is no such socket"));
    let run = served.until("it to say what it waits for", "shop", 1, says).await;
    assert_eq!(run["state"], "queued", "{run:#}");
    // Cancelling needs no engine.
    remote.commit(&[], "second");
    served.sync("shop").await;
    let second = served.until("the second run", "shop", 2, |_| true).await;
    let (status, _) = served.post(&format!("/api/v1/runs/{}/cancel", second["id"].as_str().unwrap()), Value::Null).await;
    assert!((200..300).contains(&status), "{status}");
    assert_eq!(served.ended("shop", 2).await["outcome"], "cancelled");
    engine.start();
    let run = served.ended("shop", 1).await;
    assert_eq!(run["outcome"], "passed", "{run:#}\n{}", served.log());
    served.nothing_left().await;
    nothing_of_a_job_left(&engine);
}

#[tokio::test]
async fn an_engine_that_comes_and_goes_between_steps_does_not_fail_a_run() {
    let mut engine = OwnEngine::new();
    engine.start();
    // Between the steps nothing runs, so nothing can be lost: whatever the engine was asked for is asked for again.
    let steps: String = (0..3)
        .map(|n| format!("  - {{ name: s{n}, run: 'echo {n}', retry: {{ max: 5, when: [infrastructure], backoff: 0s }} }}\n"))
        .collect();
    let (served, remote) = (served_by(&engine), remote(&format!("steps:\n{steps}")));
    served.add_repo("shop", &remote.url()).await;
    for round in 0..3 {
        served.until("a step's end", "shop", 1, |run| run["jobs"][0]["steps"][round]["state"] != "waiting").await;
        if round % 2 == 0 {
            engine.stop()
        } else {
            engine.kill()
        }
        engine.start();
    }
    let run = served.ended("shop", 1).await;
    assert_eq!(run["outcome"], "passed", "{run:#}\n{}", served.log());
    served.nothing_left().await;
    nothing_of_a_job_left(&engine);
}
