//! How long `gantry check` and the server's reading take on the largest pipeline that is allowed: 500 steps. Target: under 50 ms.

use gantry::base::{Clock, limits};
use gantry::pipeline::{self, Event, ReadOptions, Reading, Trigger};

const ROUNDS: usize = 21;

fn main() {
    let text = file();
    let trigger = Trigger {
        event: Event::Push,
        branch: "main".to_owned(),
        tag: None,
        commit: "0".repeat(40),
        message: "m".to_owned(),
        author: "a".to_owned(),
        default_branch: "main".to_owned(),
        repo: "r".to_owned(),
        url: String::new(),
        because: "measured".to_owned(),
    };
    let checked = median(|| assert!(pipeline::check("f.yml", text.as_bytes()).is_empty()));
    let planned = median(|| {
        let reading = pipeline::read("f.yml", text.as_bytes(), &trigger, &ReadOptions::default());
        assert!(matches!(reading, Reading::Planned { .. }));
    });
    let (steps, lines) = (limits::STEPS, text.lines().count());
    println!("check of {steps} steps ({lines} lines): {checked:.2} ms; read to a plan: {planned:.2} ms");
    assert!(checked < 50.0 || cfg!(debug_assertions), "the target is 50 ms, in a release build");
}

/// Ten jobs of fifty steps, each with every key that a step has.
fn file() -> String {
    let mut text = "env: { A: 1, B: \"${{ branch }}\" }\ndefaults: { image: \"rust:1\", timeout: 20m }\njobs:\n".to_owned();
    for job in 0..10 {
        text.push_str(&format!("  job{job}:\n    if: event == \"push\" && glob(branch, \"ma*\")\n    steps:\n"));
        for step in 0..limits::STEPS / 10 {
            let needs = if step == 0 { String::new() } else { format!("s{}", step - 1) };
            text.push_str(&format!(
                "      - name: s{step}\n        run: |\n          echo {step}\n          make test\n        needs: [{needs}]\n        \
                 if: branch != \"x{step}\"\n        env: {{ C: \"{step}-${{{{ repo }}}}\" }}\n        retry: {{ max: 2, when: [timeout] }}\n        \
                 allow_failure: [2, 3]\n        timeout: 1h30m\n"
            ));
        }
    }
    text
}

/// The median of some rounds, in milliseconds.
fn median(work: impl Fn()) -> f64 {
    let clock = Clock::System;
    let mut times: Vec<i64> = (0..ROUNDS)
        .map(|_| {
            let before = clock.now_ns();
            work();
            clock.now_ns() - before
        })
        .collect();
    times.sort_unstable();
    times[ROUNDS / 2] as f64 / 1e6
}
