//! Matrices: which jobs they make, what those are called, who waits for them.

use super::*;
use crate::base::limits;

fn names(matrix: &str) -> Vec<String> {
    let plan = planned(&format!("matrix: {matrix}\nsteps: [x]"), &push("main"));
    plan.jobs.into_iter().map(|job| job.name.strip_prefix("f ").unwrap_or(&job.name).to_owned()).collect()
}

#[test]
fn each_combination_is_a_job_with_its_values_in_the_axes_order() {
    assert_eq!(
        names("{ rust: [1.85, 1.95], db: [sqlite, postgres] }"),
        ["(1.85, sqlite)", "(1.85, postgres)", "(1.95, sqlite)", "(1.95, postgres)"]
    );
    assert_eq!(names("{ rust: ['1.85'], db: [sqlite, postgres], exclude: [{ db: sqlite }] }"), ["(1.85, postgres)"]);
}

#[test]
fn include_extends_what_it_matches_and_adds_the_rest() {
    let matrix = "{ os: [linux, mac], cc: [gcc, clang], exclude: [{ os: mac, cc: gcc }],
      include: [{ os: linux, cc: gcc, asan: yes }, { level: full }, { os: bsd }, { os: bsd, cc: tcc }, { os: linux, level: fast }] }";
    let plan = planned(&format!("matrix: {matrix}\nsteps: [x]"), &push("main"));
    let cells: Vec<String> = plan
        .jobs
        .iter()
        .map(|job| {
            let values = &job.matrix.as_ref().unwrap().values;
            values.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
        })
        .collect();
    let expected = [
        "asan=yes cc=gcc level=fast os=linux",
        "cc=clang level=fast os=linux",
        "cc=clang level=full os=mac",
        "os=bsd",
        "cc=tcc os=bsd",
    ];
    assert_eq!(cells, expected);
    assert_eq!(plan.jobs[0].name, "f (linux, gcc, yes, fast)");
    assert_eq!(plan.jobs[4].name, "f (bsd, tcc)");
    assert_eq!(names("{ include: [{ z: 1 }, { z: 2, a: 3 }] }"), ["(1)", "(2, 3)"], "in the order written");
}

#[test]
fn names_are_usable_short_and_each_once() {
    let long = "x".repeat(150);
    let found = names(&format!("{{ a: [\"b/c\", \"b_c\", {long}, {long}y] }}"));
    assert_eq!(&found[..2], ["(b_c)", "(b_c)~2"]);
    assert_eq!([found[2].chars().count(), found[3].chars().count()], [limits::NAME_CHARS - 2; 2]);
    assert!(found[3].ends_with("x~2"), "{found:?}");
    let plan = planned("jobs:\n  \"a (1)\": { steps: [x] }\n  a: { matrix: { n: [1, 2] }, steps: [x] }", &push("main"));
    let names: Vec<&str> = plan.jobs.iter().map(|job| job.name.as_str()).collect();
    assert_eq!(names, ["a (1)", "a (1)~2", "a (2)"]);
}

#[test]
fn needs_on_a_matrix_are_on_all_of_its_jobs() {
    let plan = planned(
        "jobs:
  first: { steps: [x] }
  test: { needs: [first], matrix: { n: [1, 2] }, steps: [x] }
  more: { needs: [test], matrix: { n: [1, 2] }, steps: [x] }
  last: { needs: [first, more], steps: [x] }",
        &push("main"),
    );
    let needs: Vec<Vec<u32>> = plan.jobs.iter().map(|job| job.needs.clone()).collect();
    assert_eq!(needs, [vec![], vec![0], vec![0], vec![1, 2], vec![1, 2], vec![0, 3, 4]]);
    let Cell { of, values, fail_fast, max_parallel } = plan.jobs[2].matrix.clone().unwrap();
    assert_eq!((of.as_str(), values["n"].as_str(), fail_fast, max_parallel), ("test", "2", false, None));
    let plan = planned("matrix: { n: [1, 2], fail_fast: true, max_parallel: 1 }\nsteps: [x]", &push("main"));
    let Cell { of, values: _, fail_fast, max_parallel } = plan.jobs[0].matrix.clone().unwrap();
    assert_eq!((of.as_str(), fail_fast, max_parallel), ("f", true, Some(1)));
}

#[test]
fn each_combination_sees_its_own_values_everywhere() {
    let plan = planned(
        "env: { OUTER: \"o-${{ matrix.n }}\" }
jobs:
  a:
    matrix: { n: [1, 2], include: [{ n: 2, extra: yes }] }
    if: matrix.n == '2'
    image: i:${{ matrix.n }}
    services: { db: { image: \"db:${{ matrix.n }}\", env: { V: \"${{ env.OUTER }}\" } } }
    concurrency: g-${{ matrix.n }}
    environment: e-${{ matrix.extra }}
    steps:
      - same
      - run: own
        env: { A: \"${{ matrix.n }}${{ matrix.extra }}\", B: \"${{ env.OUTER }}!\" }
        if: matrix.extra == 'yes'
        cache: { key: \"k-${{ matrix.n }}\", paths: [p] }
        with: { list: [\"${{ matrix.n }}\"] }
",
        &push("main"),
    );
    let seen: Vec<String> = plan
        .jobs
        .iter()
        .map(|job| {
            let step = &job.steps[1];
            let parts = [
                job.skip.clone().unwrap_or_default(),
                step.image.as_ref().unwrap().shown().to_owned(),
                job.services[0].image.clone(),
                job.services[0].env["V"].clone(),
                job.concurrency.as_ref().unwrap().group.clone(),
                job.environment.as_ref().unwrap().shown().to_owned(),
                job.steps[0].env["OUTER"].shown().to_owned(),
                step.env["A"].shown().to_owned(),
                step.env["B"].shown().to_owned(),
                step.skip.clone().unwrap_or_default(),
                step.cache[0].key.shown().to_owned(),
                step.env["PLUGIN_LIST"].shown().to_owned(),
            ];
            parts.join(" | ")
        })
        .collect();
    assert_eq!(
        seen,
        [
            "its `if` is false: matrix.n == '2' (matrix.n is \"1\") | i:1 | db:1 | o-1 | g-1 | e- | o-1 | 1 | o-1! | its `if` is false: matrix.extra == 'yes' (matrix.extra is \"\") | k-1 | [\"1\"]",
            " | i:2 | db:2 | o-2 | g-2 | e-yes | o-2 | 2yes | o-2! |  | k-2 | [\"2\"]",
        ]
    );
}

#[test]
fn a_plan_is_held_at_its_jobs_and_steps_and_one_past_them() {
    let axis = |count: usize| (0..count).map(|at| at.to_string()).collect::<Vec<_>>().join(",");
    let jobs = |one: usize, two: usize, more: usize| {
        let others: String = (0..more).map(|at| format!("  j{at}: {{ steps: [x] }}\n")).collect();
        format!("jobs:\n{others}  big: {{ matrix: {{ a: [{}], b: [{}] }}, steps: [x] }}\n", axis(one), axis(two))
    };
    assert_eq!(planned(&jobs(16, 16, 0), &push("m")).jobs.len(), limits::JOBS);
    assert_eq!(codes(&jobs(16, 16, 1)), ["too-many-jobs"]);
    assert_eq!(planned(&jobs(15, 17, 1), &push("m")).jobs.len(), limits::JOBS);
    assert_eq!(codes(&jobs(16, 17, 0)), ["matrix-too-large"]);
    assert_eq!(
        codes(&format!("matrix: {{ a: [{}], include: [{{ b: 1, a: x }}] }}\nsteps: [x]", axis(256))),
        ["matrix-too-large"]
    );
    let steps = |cells: usize, steps: usize| {
        let list = vec!["{ run: x, needs: [] }"; steps].join(",");
        format!("jobs:\n  a: {{ matrix: {{ a: [{}] }}, steps: [{list}] }}\n", axis(cells))
    };
    let per_job = limits::PLANNED_STEPS / limits::JOBS;
    let plan = planned(&steps(limits::JOBS, per_job), &push("m"));
    assert_eq!(plan.jobs.iter().map(|job| job.steps.len()).sum::<usize>(), limits::PLANNED_STEPS);
    assert_eq!(codes(&steps(limits::JOBS, per_job + 1)), ["too-many-steps"]);
    assert_eq!(codes("matrix: { a: [1], exclude: [{ a: 1 }] }\nsteps: [x]"), ["empty-matrix"]);
}
