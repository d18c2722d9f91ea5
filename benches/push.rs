//! From a signed hook to the first line of a step's log, and to the run's end, beside `docker run --rm` of the same image in the same minute.

use std::time::Duration;

use gantry::forge::generic;
use serde_json::Value;

use crate::docker_run;
use crate::idle;
use crate::live::Live;
use crate::process::{IMAGE, Served};
use crate::support::Remote;
use crate::table::{Row, Target};
use crate::watch::{Spread, Watch};

/// Steps of a run, and how often it is measured.
const RUNS: [(usize, usize); 3] = [(1, 15), (5, 5), (10, 5)];
const REPO: &str = "measured";
const IDLE: Duration = Duration::from_secs(5);

pub async fn rows() -> Vec<Row> {
    let mut bench = Bench::start().await;
    // Not a wait for something: how long it has been idle is a part of the figure.
    tokio::time::sleep(IDLE).await;
    let mut rows = vec![idle::row("memory: 5 s idle after a first run".to_owned(), &bench.served)];
    let mut runs = 1;
    for (steps, rounds) in RUNS {
        let (mut first_lines, mut ends, mut references) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            references.push(docker_run::ms(steps));
            let Pushed { first_line_ms, ended_ms } = bench.push(steps).await;
            first_lines.push(first_line_ms);
            ends.push(ended_ms);
        }
        runs += rounds;
        let row = |figure: String, times: &[f64], target| {
            let reference = Some((format!("{steps} × `docker run --rm`"), Spread::of(&references).median));
            Row { figure, unit: "ms", measured: Spread::of(times), rounds, reference, target }
        };
        if steps == 1 {
            rows.push(row("hook to first line of the log".to_owned(), &first_lines, Target::Ratio(0.7)));
        }
        let plural = if steps == 1 { "step" } else { "steps" };
        rows.push(row(format!("hook to run ended, {steps} {plural}"), &ends, Target::None));
    }
    tokio::time::sleep(IDLE).await;
    rows.push(idle::row(format!("memory: 5 s idle after {runs} runs"), &bench.served));
    rows
}

struct Pushed {
    first_line_ms: f64,
    ended_ms: f64,
}

/// A server that watches one small repository and is poked by its hook alone.
struct Bench {
    served: Served,
    remote: Remote,
    secret: String,
    count: usize,
}

impl Bench {
    /// Ready, with the run of the repository's first commit over.
    async fn start() -> Self {
        let served = Served::start_with(&[], &[("GANTRY_LOG", "gantry=info,warn")]);
        let remote = Remote::with(&pipeline(1));
        let secret = served.add_repo(REPO, &remote.url()).await;
        served.ended(REPO, 1).await;
        served.nothing_left().await;
        Self { served, remote, secret, count: 0 }
    }

    /// Commits, signs, delivers, and follows the run. What comes before and after the run is not in the figures.
    async fn push(&mut self, steps: usize) -> Pushed {
        self.count += 1;
        self.remote.commit(&[(".gantry.yml", &pipeline(steps)), ("count", &self.count.to_string())], "measured");
        let url = &self.served.url;
        let mut record = Live::open(format!("{url}/api/v1/events")).await;
        let body = r#"{"ref":"refs/heads/main"}"#;
        let signature = generic::sign(&self.secret, body.as_bytes());
        let watch = Watch::start();
        let hook = format!("/hooks/generic/{REPO}");
        let status = self.served.post_raw(&hook, Some((generic::SIGNATURE_HEADER, &signature)), body).await;
        assert_eq!(status, 202);
        let run = record.until(|event| event["run"].as_str().map(ToOwned::to_owned)).await;
        let mut log = Live::open(format!("{url}/api/v1/runs/{run}/steps/gantry/s1/log/stream")).await;
        log.until(|line| (line["text"] == "hi").then_some(())).await;
        let first_line_ms = watch.ms();
        let outcome = record.until(ended).await;
        let ended_ms = watch.ms();
        assert_eq!(outcome, "passed", "{}", self.served.log());
        self.served.nothing_left().await;
        Pushed { first_line_ms, ended_ms }
    }
}

/// The outcome of the run that ended.
fn ended(event: &Value) -> Option<String> {
    let is_end = event["kind"] == "run" && event["body"]["state"] == "ended";
    is_end.then(|| event["body"]["outcome"].as_str().unwrap_or_default().to_owned())
}

fn pipeline(steps: usize) -> String {
    let steps = (1..=steps).map(|step| format!("  - {{ name: s{step}, run: {} }}\n", docker_run::STEP));
    format!("image: {IMAGE}\nsteps:\n{}", steps.collect::<String>())
}
