//! `kill -9` of the server at random moments, many times, while several runs with parallel jobs and steps go on in real containers. The seed is
//! printed; `GANTRY_SEED=…` repeats it (as far as a machine repeats itself).

#[path = "support/process.rs"]
mod process;
#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::process::{Child, Command};
use std::time::Duration;

use gantry::base::Clock;
use process::{IMAGE, Served};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use support::Remote;

const KILLS: u32 = 32;
/// Branches pushed while the server is down, two at a time, each a run; the first run is of `main`.
const BRANCHES: u32 = 6;
const LINES: usize = 400;

/// Every step writes its name down in its job's workspace and counts; the last one tells what is written there.
fn pipeline() -> String {
    let count = |name: &str, more: &str| {
        format!(
            "      - name: {name}\n        needs: []\n        run: |\n          echo {name} >> ran.txt\n          i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo line $i; [ $((i % 20)) = 0 ] && usleep 60000; done\n          {more}\n"
        )
    };
    let last = "      - name: tell\n        when: always\n        run: sort ran.txt\n";
    format!(
        "defaults: {{ image: {IMAGE} }}\njobs:\n  green:\n    steps:\n{}{}{last}  red:\n    steps:\n{}{}{last}  after:\n    needs: [green]\n    steps: [echo after]\n",
        count("a", "true"),
        count("b", "true"),
        count("c", "exit 7"),
        count("d", "true"),
    )
}

/// The engine's own word of every container that was started, from now on.
struct Witness {
    process: Child,
    heard: tempfile::NamedTempFile,
}

impl Witness {
    fn new() -> Self {
        let format = "{{index .Actor.Attributes \"io.gantry.root\"}} {{index .Actor.Attributes \"io.gantry.key\"}}";
        let heard = tempfile::NamedTempFile::new().unwrap();
        let since = (Clock::System.now_ns() / 1_000_000_000).to_string();
        let mut command = Command::new("docker");
        command.args(["events", "--since", &since, "--filter", "type=container", "--filter", "event=start"]);
        command.args(["--filter", "label=io.gantry.key", "--format", format]);
        Self { process: command.stdout(heard.reopen().unwrap()).spawn().unwrap(), heard }
    }

    /// How often each attempt below this directory was started.
    fn starts(&mut self, below: &str) -> BTreeMap<String, u32> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let mut starts = BTreeMap::new();
        let heard = std::fs::read_to_string(self.heard.path()).unwrap();
        for (root, key) in heard.lines().filter_map(|line| line.split_once(' ')) {
            if root.starts_with(below) {
                *starts.entry(key.to_owned()).or_default() += 1;
            }
        }
        starts
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        // It has ended, unless the test failed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn killed_at_random_moments_it_loses_nothing_doubles_nothing_and_runs_nothing_twice() {
    let seed = std::env::var("GANTRY_SEED").map_or_else(|_| Clock::System.now_ns().unsigned_abs(), |seed| seed.parse().unwrap());
    println!("GANTRY_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let remote = Remote::with(&pipeline());
    let mut served = Served::start_with(&["--slots", "4"], &[]);
    let mut witness = Witness::new();
    served.add_repo("shop", &remote.url()).await;
    for kill in 0..KILLS {
        // From before its loop runs to well into the output. Every other time it waits until something goes on, so that all moments are met.
        if kill % 2 == 0 {
            served.until_any_runs("shop").await;
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(0..350))).await;
        served.kill();
        if kill % 10 == 0 && kill / 5 < BRANCHES {
            for n in [0, 1] {
                remote.git(&["branch", &format!("b{}", kill / 5 + n)]);
            }
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(0..150))).await;
        served.boot();
    }
    served.sync("shop").await;
    let mut branches = Vec::new();
    for number in 1..=u64::from(BRANCHES) + 1 {
        let run = served.ended("shop", number).await;
        branches.push(run["branch"].as_str().unwrap().to_owned());
        check_run(&served, &run).await;
    }
    branches.sort();
    assert_eq!(branches, ["b0", "b1", "b2", "b3", "b4", "b5", "main"], "each push made one run");
    assert!(served.run("shop", u64::from(BRANCHES) + 2).await.is_none(), "each push made one run");
    served.nothing_left().await;
    let starts = witness.starts(&served.data.path().canonicalize().unwrap().to_string_lossy());
    assert_eq!(starts.len(), 7 * (BRANCHES as usize + 1), "{starts:#?}");
    assert!(starts.values().all(|count| *count == 1), "started twice: {starts:#?}");
}

async fn check_run(served: &Served, run: &Value) {
    let number = &run["number"];
    let mut outcomes = Vec::new();
    for job in run["jobs"].as_array().unwrap() {
        for step in job["steps"].as_array().unwrap() {
            outcomes.push(format!("{} {}", step["name"].as_str().unwrap(), step["outcome"].as_str().unwrap()));
            assert_eq!(step["attempt"], 1, "#{number}: {run:#}");
        }
    }
    let expected = ["a passed", "b passed", "tell passed", "c failed", "d passed", "tell passed", "step1 passed"];
    assert_eq!(outcomes, expected, "#{number}: {run:#}\n{}", served.log());
    assert_eq!(run["outcome"], "failed", "#{number}: {run:#}");
    for (job, step) in [("green", "a"), ("green", "b"), ("red", "c"), ("red", "d")] {
        let lines = served.log_of(run, job, step).await;
        let wrong = lines.iter().zip(1_usize..).find(|((_, line), n)| *line != format!("line {n}"));
        let said: Vec<_> = lines.iter().skip(wrong.map_or(0, |(_, n)| n).saturating_sub(3)).take(6).collect();
        assert!(
            lines.len() == LINES && wrong.is_none(),
            "#{number} {step}: {} lines, at {wrong:?}: {said:#?}\n{run:#}\n{}",
            lines.len(),
            served.log()
        );
    }
    for (job, names) in [("green", ["a", "b"]), ("red", ["c", "d"])] {
        let lines: Vec<_> = served.log_of(run, job, "tell").await.into_iter().map(|(_, line)| line).collect();
        assert_eq!(lines, names, "#{number} {job}: each step ran once");
    }
}
