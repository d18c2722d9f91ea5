//! Forty jobs of one step each, beside the same containers by the engine's bare API.

use std::path::Path;

use serde_json::Value;

use crate::bare;
use crate::docker_run;
use crate::process::{IMAGE, Served};
use crate::support::Remote;
use crate::table::{Row, Target};
use crate::watch::Spread;

const REPO: &str = "many";
const JOBS: usize = 40;
const ROUNDS: usize = 3;
/// At a time, here and there: two for each core of the machine that this was first measured on.
const SLOTS: usize = 4;
/// As many jobs in a second as the bare calls reach, less a tenth.
const TARGET: f64 = 1.0 / 0.9;
/// The other job must not wait for all of these: its own time, with the machine as full as its slots allow, is at most so many times the bare one's.
const SHARE: f64 = 2.0;

pub async fn rows() -> Vec<Row> {
    let settings = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(settings.path(), format!("slots: {SLOTS}\n")).expect("written");
    let served = Served::start_with(&["--config", text(settings.path())], &[("GANTRY_LOG", "gantry=info,warn")]);
    let remote = Remote::with(&pipeline());
    served.add_repo(REPO, &remote.url()).await;
    let (mut all, mut each, mut references) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let number = round as u64;
        let run = served.ended(REPO, number).await;
        assert_eq!(run["outcome"], "passed", "{run:#}\n{}", served.log());
        let jobs = run["jobs"].as_array().expect("jobs");
        assert_eq!(jobs.len(), JOBS);
        all.push(ms(&run, "ended_at") - ms(&run, "started_at"));
        each.extend(jobs.iter().map(|job| ms(job, "ended_at") - ms(job, "started_at")));
        served.nothing_left().await;
        references.push(bare::jobs_ms(JOBS, SLOTS).await);
        if round < ROUNDS {
            remote.commit(&[("round", &round.to_string())], "measured");
            served.sync(REPO).await;
        }
    }
    let reference = Spread::of(&references).median;
    // In a queue that is served so many at a time, each takes its share of the whole.
    let share = reference * SLOTS as f64 / JOBS as f64;
    let row = |figure: String, times: &[f64], reference, target| Row {
        figure,
        unit: "ms",
        measured: Spread::of(times),
        rounds: times.len(),
        reference: Some(reference),
        target: Target::Ratio(target),
    };
    let bare = format!("sandbox and step by bare calls, {SLOTS} at a time");
    vec![
        row(format!("{JOBS} jobs of 1 step, {SLOTS} at a time"), &all, (bare.clone(), reference), TARGET),
        row("one of them, from its slot to its end".to_owned(), &each, (format!("one of the {bare}"), share), SHARE),
    ]
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

fn ms(of: &Value, name: &str) -> f64 {
    of[name].as_f64().unwrap_or_else(|| panic!("{name} of {of:#}"))
}

fn pipeline() -> String {
    let job = |n: usize| format!("  j{n}: {{ steps: [{{ name: s, run: {} }}] }}\n", docker_run::STEP);
    format!("defaults: {{ image: \"{IMAGE}\" }}\njobs:\n{}", (1..=JOBS).map(job).collect::<String>())
}
