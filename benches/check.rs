//! What reading costs: the largest pipeline that is allowed, 500 steps in 5,000 lines; and a matrix of 256 jobs with 20 steps each.

use gantry::base::limits;
use gantry::pipeline::{self, Event, ReadOptions, Reading, Trigger};

use crate::idle;
use crate::table::{Row, Target};
use crate::watch::Spread;

const ROUNDS: usize = 21;
const MATRIX_STEPS: usize = 20;

pub fn rows() -> Vec<Row> {
    let text = file();
    let matrix = matrix();
    let before = idle::own_peak_mib();
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
    let after = idle::own_peak_mib();
    let spread = Spread::of_rounds(ROUNDS, || {
        let reading = pipeline::read("f.yml", matrix.as_bytes(), &trigger, &ReadOptions::default());
        let Reading::Planned { plan, .. } = reading else { panic!("{reading:?}") };
        assert_eq!((plan.jobs.len(), plan.jobs[limits::JOBS - 1].steps.len()), (limits::JOBS, MATRIX_STEPS));
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
        target: Target::Below(30.0, "ms"),
    };
    let memory = Row {
        figure: format!("memory: the most of this process, after {} such readings", 2 * ROUNDS),
        unit: "MB",
        measured: Spread { median: after, least: after, most: after },
        rounds: 1,
        reference: Some(("before".to_owned(), before)),
        target: Target::Below(40.0, "MB"),
    };
    let spread = Row {
        figure: format!("read and plan a matrix of {} jobs of {MATRIX_STEPS} steps", limits::JOBS),
        unit: "ms",
        measured: spread,
        rounds: ROUNDS,
        reference: None,
        target: Target::Below(20.0, "ms"),
    };
    vec![row("check a pipeline", checked), row("read a pipeline to a plan", planned), memory, spread]
}

/// 16 × 16 combinations; each step looks at the matrix, at another step and at the trigger.
fn matrix() -> String {
    let axis = |letter: char| (0..16).map(|at| format!("{letter}{at}")).collect::<Vec<_>>().join(", ");
    let mut text = format!(
        "env: {{ A: 1, REF: \"${{{{ ref }}}}\" }}\njobs:\n  test:\n    matrix: {{ one: [{}], two: [{}] }}\n    \
         image: \"rust:${{{{ matrix.one }}}}\"\n    if: matrix.one != matrix.two\n    env: {{ BOTH: \"${{{{ matrix.one + matrix.two }}}}\" }}\n    steps:\n",
        axis('a'),
        axis('b')
    );
    for step in 1..MATRIX_STEPS {
        text.push_str(&format!(
            "      - name: s{step}\n        run: make test\n        if: branch != \"x{step}\" && matrix.two != \"b{step}\"\n        \
             env: {{ C: \"{step}-${{{{ env.BOTH }}}}\" }}\n"
        ));
    }
    text + "      - { run: last, env: { C: \"${{ steps.s1.outputs.version }}\" } }\n"
}

/// Ten jobs of fifty steps, each with the keys that most steps have.
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
