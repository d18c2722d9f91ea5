//! Memory of a server while fifty steps print and each has a reader.

use crate::idle;
use crate::live::Live;
use crate::process::{IMAGE, Served};
use crate::support::Remote;
use crate::table::Row;

const REPO: &str = "streaming";
const STEPS: usize = 50;
/// Each prints so many lines of 100 bytes, in bursts.
const LINES: usize = 20_000;
const MOST_MIB: f64 = 60.0;

pub async fn rows() -> Vec<Row> {
    let settings = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(settings.path(), format!("slots: {STEPS}\n")).expect("written");
    let config = settings.path().to_str().expect("a path of text");
    let served = Served::start_with(&["--config", config], &[("GANTRY_LOG", "gantry=info,warn")]);
    let remote = Remote::with(&pipeline());
    served.add_repo(REPO, &remote.url()).await;
    let all_run = |run: &serde_json::Value| {
        let is_running = |job: &serde_json::Value| job["steps"][0]["state"] == "running";
        run["jobs"].as_array().is_some_and(|jobs| jobs.len() == STEPS && jobs.iter().all(is_running))
    };
    let run = served.until("all steps to run", REPO, 1, all_run).await;
    let id = run["id"].as_str().expect("an id");
    let readers = (1..=STEPS).map(|n| {
        let url = format!("{}/api/v1/runs/{id}/steps/j{n}/s/log/stream", served.url);
        async move { Live::open(url).await.until(|line| (line["text"] == "last").then_some(())).await }
    });
    futures_util::future::join_all(readers).await;
    let peak = idle::peak_mib(served.pid());
    let run = served.ended(REPO, 1).await;
    assert_eq!(run["outcome"], "passed", "{run:#}\n{}", served.log());
    served.nothing_left().await;
    vec![idle::below(format!("memory: the most with {STEPS} steps streaming to {STEPS} readers"), peak, MOST_MIB)]
}

/// They begin to print when all of them run: a file would tell, were they of one job; so they wait for as long as it takes to start them.
fn pipeline() -> String {
    let line = "0123456789".repeat(10);
    let script = format!("sleep 25; for i in $(seq 20); do yes {line} | head -n {}; sleep 0.2; done; echo last", LINES / 20);
    let job = |n: usize| format!("  j{n}: {{ steps: [{{ name: s, run: \"{script}\" }}] }}\n");
    format!("defaults: {{ image: \"{IMAGE}\" }}\njobs:\n{}", (1..=STEPS).map(job).collect::<String>())
}
