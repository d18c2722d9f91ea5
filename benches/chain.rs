//! Steps in a row: what a chain of them costs from its first start to its last end, and the gap between two that last a second each.

use crate::docker_run;
use crate::process::{DEBIAN, IMAGE, Served};
use crate::support::Remote;
use crate::table::{Row, Target};
use crate::watch::Spread;
use serde_json::Value;

const REPO: &str = "chain";
/// Steps of a run, how often it is measured, and the most that it may cost: of the same number of `docker run --rm`.
const CHAINS: [(usize, usize, f64); 2] = [(1, 11, 0.6), (10, 5, 0.35)];
/// Steps of a second each.
const LONG: usize = 6;
/// Between the end of one's script and the beginning of the next one's, in milliseconds.
const GAP_MS: f64 = 8.0;

pub async fn rows() -> Vec<Row> {
    let served = Served::start_with(&[], &[("GANTRY_LOG", "gantry=info,warn")]);
    let remote = Remote::with(&short(1));
    served.add_repo(REPO, &remote.url()).await;
    let mut number = 0;
    next(&served, &mut number).await;
    let mut rows = Vec::new();
    for (steps, rounds, target) in CHAINS {
        let (mut jobs, mut chains, mut references) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..rounds {
            references.push(docker_run::ms(steps));
            remote.commit(&[(".gantry.yml", &short(steps)), ("round", &format!("{steps} {round}"))], "measured");
            served.sync(REPO).await;
            let run = next(&served, &mut number).await;
            let job = &run["jobs"][0];
            let (first, last) = (&job["steps"][0], &job["steps"][steps - 1]);
            jobs.push(ms(job, "ended_at") - ms(job, "started_at"));
            chains.push(ms(last, "ended_at") - ms(first, "started_at"));
            served.nothing_left().await;
        }
        let row = |figure: String, times: &[f64]| Row {
            figure,
            unit: "ms",
            measured: Spread::of(times),
            rounds,
            reference: Some((format!("{steps} × `docker run --rm`"), Spread::of(&references).median)),
            target: Target::Ratio(target),
        };
        if steps == 1 {
            rows.push(row("a job of 1 step, from its slot to its end".to_owned(), &jobs));
        } else {
            rows.push(row(format!("{steps} steps, first start to last end"), &chains));
            rows.push(Row { target: Target::None, ..row(format!("a job of {steps} steps, from its slot to its end"), &jobs) });
        }
    }
    rows.push(gaps(&served, &remote, &mut number).await);
    rows
}

/// By the clocks of the scripts themselves: each says when it begins and when it ends.
async fn gaps(served: &Served, remote: &Remote, number: &mut u64) -> Row {
    let step = |n: usize| format!("  - {{ name: s{n}, run: \"date +%s%N; sleep 1; date +%s%N\" }}\n");
    let steps: String = (1..=LONG).map(step).collect();
    remote.commit(&[(".gantry.yml", &format!("image: {DEBIAN}\nsteps:\n{steps}"))], "measured");
    served.sync(REPO).await;
    let run = next(served, number).await;
    let mut times = Vec::new();
    for n in 1..=LONG {
        for (_, line) in served.log_of(&run, "gantry", &format!("s{n}")).await {
            times.push(line.parse::<f64>().unwrap_or_else(|error| panic!("{line}: {error}")) / 1e6);
        }
    }
    assert_eq!(times.len(), 2 * LONG);
    // The times are: begin, end, begin, end, …
    let gaps: Vec<f64> = times[1..].chunks_exact(2).map(|pair| pair[1] - pair[0]).collect();
    Row {
        figure: "gap between two steps of a second each, script to script".to_owned(),
        unit: "ms",
        measured: Spread::of(&gaps),
        rounds: gaps.len(),
        reference: None,
        target: Target::Below(GAP_MS, "ms"),
    }
}

/// The next run, when it has passed.
async fn next(served: &Served, number: &mut u64) -> Value {
    *number += 1;
    let run = served.ended(REPO, *number).await;
    assert_eq!(run["outcome"], "passed", "{run:#}\n{}", served.log());
    run
}

fn ms(of: &Value, name: &str) -> f64 {
    of[name].as_f64().unwrap_or_else(|| panic!("{name} of {of:#}"))
}

fn short(steps: usize) -> String {
    let steps = (1..=steps).map(|step| format!("  - {{ name: s{step}, run: {} }}\n", docker_run::STEP));
    format!("image: {IMAGE}\nsteps:\n{}", steps.collect::<String>())
}
