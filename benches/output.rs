//! A step that prints 200 MB, until its last line can be read through the API, beside a reader that is attached to a container of Docker's default kind.

use gantry::base::Clock;
use serde_json::Value;

use crate::bare;
use crate::process::{IMAGE, Served};
use crate::support::Remote;
use crate::table::{Row, Target};
use crate::watch::Spread;

const REPO: &str = "output";
const LINES: usize = 2_000_000;
const LINE_BYTES: usize = 100;
const ROUNDS: usize = 3;

pub async fn rows() -> Vec<Row> {
    let served = Served::start_with(&[], &[("GANTRY_LOG", "gantry=info,warn")]);
    let line = "0123456789".repeat(LINE_BYTES / 10);
    let line = &line[..LINE_BYTES - 1];
    let script = format!("yes {line} | head -n {LINES}");
    let step = format!("image: {IMAGE}\nsteps:\n  - {{ name: s, run: \"sleep 1; echo begins; {script}\" }}\n");
    let remote = Remote::with(&step);
    served.add_repo(REPO, &remote.url()).await;
    let (mut times, mut references) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let number = round as u64;
        let run = served.step_is(REPO, number, 0, "running").await;
        let log = format!("/api/v1/runs/{}/steps/gantry/s/log", run["id"].as_str().expect("an id"));
        let last = format!("{log}?from={}&limit=1", LINES + 1);
        until(&served, &last, |page| page["lines"][0]["text"] == line).await;
        let now = Clock::System.now().0 as f64;
        // By the time of the line itself: a server that is busy with the output would show it late.
        let first = served.get(&format!("{log}?limit=1")).await["lines"][0].clone();
        assert_eq!(first["text"], "begins");
        times.push(now - first["at"].as_f64().expect("a time"));
        let run = served.ended(REPO, number).await;
        assert_eq!(run["outcome"], "passed", "{run:#}\n{}", served.log());
        references.push(bare::attached_ms(&["sh", "-c", &script], (LINES * LINE_BYTES) as u64).await);
        served.nothing_left().await;
        if round < ROUNDS {
            remote.commit(&[("round", &round.to_string())], "measured");
            served.sync(REPO).await;
        }
    }
    vec![Row {
        figure: format!("{} MB in {LINES} lines, until the last can be read", LINES * LINE_BYTES / 1_000_000),
        unit: "ms",
        measured: Spread::of(&times),
        rounds: ROUNDS,
        reference: Some(("read from a `json-file` container, attached".to_owned(), Spread::of(&references).median)),
        target: Target::Ratio(1.0 / 3.0),
    }]
}

/// Asks for a page again and again, as an impatient reader would.
async fn until(served: &Served, path: &str, wanted: impl Fn(&Value) -> bool) {
    while !wanted(&served.get(path).await) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
