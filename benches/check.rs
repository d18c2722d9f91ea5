//! How long `gantry check` and the server's reading take on the largest pipeline that is allowed: 500 steps.

use gantry::base::limits;
use gantry::pipeline::{self, Event, ReadOptions, Reading, Trigger};

use crate::table::{Row, Target};
use crate::watch::Spread;

const ROUNDS: usize = 21;

pub fn rows() -> Vec<Row> {
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
        inputs: Default::default(),
        schedule: None,
        pull_request: None,
    };
    let checked = Spread::of_rounds(ROUNDS, || assert!(pipeline::check("f.yml", text.as_bytes()).is_empty()));
    let planned = Spread::of_rounds(ROUNDS, || {
        let reading = pipeline::read("f.yml", text.as_bytes(), &trigger, &ReadOptions::default());
        assert!(matches!(reading, Reading::Planned { .. }));
    });
    let parsed = Spread::of_rounds(ROUNDS, || {
        let value: serde_yaml::Value = serde_yaml::from_str(&text).expect("it is YAML");
        assert!(value.is_mapping());
    });
    let (steps, lines) = (limits::STEPS, text.lines().count());
    let row = |what: &str, measured| Row {
        figure: format!("{what}, {steps} steps in {lines} lines"),
        unit: "ms",
        measured,
        rounds: ROUNDS,
        reference: Some(("its YAML read alone, by serde".to_owned(), parsed.median)),
        target: Target::Below(50.0, "ms"),
    };
    vec![row("check a pipeline", checked), row("read a pipeline to a plan", planned)]
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
