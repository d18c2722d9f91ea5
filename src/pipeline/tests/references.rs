//! What expressions refer to. The errors with their places are in `tests/pipelines/references.yml`; here is what is right, and what is not told twice.

use super::*;

#[test]
fn late_names_may_stand_where_the_run_fills_them() {
    let text = "
env: { RUN: \"${{ run.number }}\" }
defaults: { image: \"i:${{ run.id }}\" }
jobs:
  first: { steps: [{ name: build it, run: x }], outputs: { v: \"${{ steps['build it'].outputs.v }}\" } }
  second: { needs: [first], steps: [x] }
  third:
    needs: [second]
    if: jobs.first.outputs.v != '' && needs.second.outcome != 'warning' && env.RUN == '1'
    env: { V: \"${{ jobs.first.outputs.v }}\" }
    approval: { message: \"${{ jobs.first.outputs.v }} ${{ env.V }}\" }
    environment: \"${{ needs.second.outcome }}\"
    steps:
      - { name: a, needs: [], run: x }
      - { name: b, needs: [a], run: x }
      - name: c
        needs: [b]
        image: \"i:${{ steps.a.outputs.tag }}\"
        if: has(steps.a.outputs.tag) && steps.b.outcome == 'passed'
        cache: { key: \"${{ steps.a.outputs.k }}\", paths: [p], restore: [\"${{ env.V }}\"] }
        with: { x: \"${{ steps.b.outputs.x }}\" }
        env: { E: \"${{ steps.a.outputs.tag + env.V + run.id }}\" }
    outputs: { o: \"${{ steps.c.outcome }}\" }
";
    assert_eq!(codes(text), [""; 0]);
}

#[test]
fn the_matrix_of_the_one_job_form_is_seen_by_its_variables() {
    assert_eq!(codes("env: { A: \"${{ matrix.n }}\" }\nmatrix: { n: [1] }\nsteps: [x]"), [""; 0]);
    let text = "env: { A: \"${{ matrix.n }}\", B: b }\nconcurrency: \"${{ env.B }}${{ env.A }}\"\nmatrix: { n: [1] }\nsteps: [x]";
    assert_eq!(codes(text), ["unknown-name"]);
    let text = "env: { A: \"${{ matrix.n }}\" }\njobs:\n  a: { matrix: { n: [1] }, steps: [x] }\n  b: { matrix: { n: [2] }, steps: [x] }";
    assert_eq!(codes(text), [""; 0]);
}

#[test]
fn what_was_wrong_is_not_told_once_more_by_those_who_refer_to_it() {
    for (text, expected) in [
        ("steps: [{ name: a, rn: x }, { run: y, if: steps.a.outcome == 'passed' }]", "unknown-key"),
        (
            "steps:\n  - { name: a, run: [] }\n  - { name: b, run: x, needs: [] }\n  - { run: y, needs: [a], if: steps.a.outcome == '' }",
            "empty-run",
        ),
        ("jobs:\n  a: [x]\n  b: { steps: [x] }\n  c: { needs: [a], if: needs.a.outcome == '', steps: [x] }", "type"),
        (
            "jobs:\n  a: { steps: [x], outputs: { o: \"${{ brnch }}\" } }\n  b: { needs: [a], if: needs.a.outputs.o == '', steps: [x] }",
            "unknown-name",
        ),
        ("env: { A: \"${{ brnch }}\" }\nsteps: [{ run: x, if: env.A == '' }]", "unknown-name"),
        ("matrix: { a: [1], b: 2 }\nsteps: [{ run: x, if: matrix.b == '' }]", "type"),
        ("on: { manual: { inputs: { a: { type: txt } } } }\nsteps: [{ run: x, if: inputs.a == '' }]", "value"),
    ] {
        assert_eq!(codes(text), [expected], "{text}");
    }
}

#[test]
fn a_far_need_is_reached_whatever_the_order() {
    let chain = |last: &str| {
        let steps: String = (1..100).rev().map(|at| format!("  - {{ name: s{at}, run: x, needs: [s{}] }}\n", at - 1)).collect();
        format!(
            "steps:\n{steps}  - {{ name: s0, run: x, needs: [] }}\n  - {{ run: x, needs: [s99], if: steps.{last}.outcome == 'passed' }}\n"
        )
    };
    assert_eq!(codes(&chain("s0")), [""; 0]);
    assert_eq!(codes(&chain("s50")), [""; 0]);
    assert_eq!(
        codes(
            "steps:\n  - { name: a, run: x, needs: [b] }\n  - { name: b, run: x, needs: [a] }\n  - { run: x, if: steps.a.outcome == '' }"
        ),
        ["cycle"]
    );
}
