//! What the run evaluates: from a file, by its plan, to the values.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::*;
use crate::base::limits;

/// A run that has come so far.
struct World {
    trigger: Trigger,
    inputs: BTreeMap<String, InputValue>,
    matrix: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
    none: BTreeMap<String, String>,
}

impl World {
    fn new() -> Self {
        let outputs = [("version", "1.2"), ("evil", "${{ run.id }}"), ("nul", "\0")];
        Self {
            trigger: push("main"),
            inputs: BTreeMap::from([("level".to_owned(), InputValue::Text("full".to_owned()))]),
            matrix: BTreeMap::from([("n".to_owned(), "7".to_owned())]),
            outputs: outputs.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            none: BTreeMap::new(),
        }
    }

    fn scope(&self) -> Scope<'_> {
        let end = |outcome| KnownEnd { outcome, outputs: &self.outputs };
        Scope {
            trigger: &self.trigger,
            run_id: "01RUN",
            run_number: 12,
            inputs: &self.inputs,
            matrix: Some(&self.matrix),
            env: BTreeMap::from([("A", Cow::Borrowed("from the run"))]),
            jobs: BTreeMap::from([("build", end("passed")), ("lint", KnownEnd { outcome: "failed", outputs: &self.none })]),
            steps: BTreeMap::from([
                ("make", end("passed")),
                ("say it", end("warning")),
                ("left out", KnownEnd { outcome: "skipped", outputs: &self.none }),
            ]),
        }
    }
}

/// What a text gives.
fn filled(text: &str) -> Result<String, String> {
    let world = World::new();
    Late::new(text).text(&world.scope())
}

fn holds(text: &str) -> Result<Option<String>, String> {
    let world = World::new();
    Late::new(text).holds(&world.scope())
}

#[test]
fn texts_see_what_has_ended_the_run_and_all_that_the_plan_knew() {
    for (text, expected) in [
        ("v${{ steps.make.outputs.version }}", "v1.2"),
        ("${{ steps[\"say it\"].outcome }}-${{ steps['left out'].outcome }}", "warning-skipped"),
        ("${{ needs.build.outputs.version + jobs.build.outputs.version }}", "1.21.2"),
        ("${{ run.id }}#${{ run.number }}#${{ run.number + 1 }}", "01RUN#12#13"),
        ("${{ has(steps.make.outputs.version) }} ${{ has(steps.make.outputs.other) }}", "true false"),
        ("${{ has(steps.make.outputs.other) ? steps.make.outputs.other : 'none' }}", "none"),
        (
            "${{ branch }} ${{ inputs.level }} ${{ matrix.n }} ${{ matrix.other }} ${{ pr.number }} ${{ env.A }}",
            "main full 7  0 from the run",
        ),
        // What a step wrote is text, never an expression.
        ("${{ steps.make.outputs.evil }}", "${{ run.id }}"),
    ] {
        assert_eq!(filled(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_not_there_is_a_sentence() {
    for (text, expected) in [
        ("${{ steps.make.outputs.nothing }}", "step `make` did not write the output `nothing`"),
        ("${{ needs.lint.outputs.x }}", "job `lint` did not write the output `x`"),
        ("${{ steps['left out'].outputs.x }}", "step `left out` was skipped, so it did not write the output `x`"),
        ("${{ steps.later.outcome }}", "step `later` has not ended"),
        ("${{ jobs.other.outcome }}", "job `other` has not ended"),
        ("${{ env.NONE }}", "there is no variable `NONE`"),
        ("${{ inputs.none }}", "there is no input `none`"),
        ("${{ hash('x') }}", "it is known only when the plan is made"),
        ("${{ string(changes[0]) }}", "`changes` is known only when the plan is made"),
        ("${{ steps.make.outputs.nul }}", "`${{ steps.make.outputs.nul }}` gives a NUL character"),
        ("${{ int(steps.make.outputs.version) }}", "the expression cannot be evaluated"),
        ("${{ run.number", "`${{` is never closed"),
        ("${{ nonsense }}", "`nonsense` is not a name that expressions know"),
    ] {
        let why = filled(text).expect_err(text);
        assert!(why.starts_with(expected), "{text}: {why}");
    }
}

#[test]
fn conditions_hold_or_say_what_they_saw() {
    assert_eq!(holds("steps.make.outcome == 'passed' && run.number > 11"), Ok(None));
    let expected = "its `if` is false: needs.lint.outcome == 'passed' || branch == 'dev' (needs.lint.outcome is \"failed\", branch is \"main\")";
    assert_eq!(holds("needs.lint.outcome == 'passed' || branch == 'dev'"), Ok(Some(expected.to_owned())));
    assert_eq!(holds("steps.make.outputs.other == 'x'"), Err("step `make` did not write the output `other`".to_owned()));
    assert_eq!(holds("steps.make.outputs.other == 'x' || true"), Ok(None), "what does not matter is not asked for");
}

#[test]
fn values_are_bounded() {
    let mut world = World::new();
    world.outputs.insert("version".to_owned(), "x".repeat(limits::SCRIPT_BYTES));
    let text = |text: &str| Late::new(text).text(&world.scope());
    assert_eq!(text("${{ steps.make.outputs.version }}").map(|text| text.len()), Ok(limits::SCRIPT_BYTES));
    assert_eq!(
        text("${{ steps.make.outputs.version }}!"),
        Err("`${{ steps.make.outputs.version }}!` gives more than 128 KiB".to_owned())
    );
    world.outputs.insert("version".to_owned(), "x".repeat(limits::STEP_FILE_BYTES));
    let sum = vec!["steps.make.outputs.version"; 30].join("+");
    let why = Late::new(format!("${{{{ size({sum}) }}}}")).text(&world.scope()).unwrap_err();
    assert!(why.contains("too costly"), "{why}");
}

#[test]
fn a_plan_keeps_what_it_knew_for_the_run() {
    struct Tree;
    impl Files for Tree {
        fn list(&self) -> Result<Vec<FileEntry>, String> {
            Ok(vec![FileEntry { path: "Cargo.lock".to_owned(), id: "1".to_owned() }])
        }
    }
    let text = "
env: { A: outer, N: \"${{ run.number }}\" }
jobs:
  build:
    env: { A: \"job-${{ env.A }}\", B: \"b${{ env.N }}\" }
    matrix: { n: [7] }
    steps:
      - { name: make, run: x }
      - run: x
        image: \"i:${{ steps.make.outputs.version }}\"
        env: { A: \"step-${{ env.A }}-${{ env.B }}-${{ steps.make.outputs.version }}\", C: \"${{ env.A }}\" }
        if: env.B == 'b12' && steps.make.outcome == 'passed' && env.C == 'job-outer'
        cache: { key: \"${{ hash('Cargo.lock') }}-${{ steps.make.outputs.version }}-${{ branch }}\", paths: [p], restore: [\"${{ run.id }}\"] }
        with: { tag: \"v${{ steps.make.outputs.version }}${{ env.A }}\" }
    outputs: { version: \"${{ steps.make.outputs.version }}-${{ env.A }}\" }
  last:
    needs: [build]
    if: needs.build.outputs.version != ''
    approval: { message: \"Deploy ${{ jobs.build.outputs.version }}?\" }
    environment: \"e-${{ needs.build.outcome }}\"
    steps: [x]
";
    let options = ReadOptions { files: Some(&Tree), ..ReadOptions::default() };
    let plan = match read("f.yml", text.as_bytes(), &Trigger { branch: "${{ run.id }}".to_owned(), ..push("") }, &options) {
        Reading::Planned { plan, .. } => plan,
        other => panic!("{other:?}"),
    };
    // As it comes back from the store.
    let plan: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    let mut world = World::new();
    world.trigger.branch = "${{ run.id }}".to_owned();
    let fill = |text: &Text| text.fill(&world.scope()).unwrap().into_owned();
    let step = &plan.jobs[0].steps[1];
    assert_eq!(step.env["A"].fixed(), None);
    assert_eq!(fill(&step.env["A"]), "step-job-outer-b12-1.2");
    assert_eq!(step.env["C"], "job-outer".into());
    assert_eq!(fill(&step.env["N"]), "12");
    assert_eq!(fill(step.image.as_ref().unwrap()), "i:1.2");
    assert_eq!(fill(&step.env["PLUGIN_TAG"]), "v1.2step-job-outer-b12-1.2");
    assert_eq!(step.skip, None);
    assert_eq!(step.condition.as_ref().unwrap().holds(&world.scope()), Ok(None));
    let key = fill(&step.cache[0].key);
    assert!(key.ends_with("-1.2-${{ run.id }}") && key.len() == 16 + "-1.2-${{ run.id }}".len(), "{key}");
    assert_eq!(fill(&step.cache[0].restore[0]), "01RUN");
    assert_eq!(fill(&plan.jobs[0].outputs["version"]), "1.2-job-outer");
    let last = &plan.jobs[1];
    assert_eq!(last.condition.as_ref().unwrap().holds(&world.scope()), Ok(None));
    assert_eq!(fill(last.approval.as_ref().unwrap().message.as_ref().unwrap()), "Deploy 1.2?");
    assert_eq!(fill(last.environment.as_ref().unwrap()), "e-passed");
}

#[test]
fn what_the_plan_can_decide_it_decides() {
    let text = "jobs:\n  a: { steps: [x] }\n  b: { needs: [a], if: branch == 'main' && needs.a.outcome == 'passed', steps: [x, { run: y, if: event == 'push' || steps.step1.outcome == 'failed' }] }";
    let plan = planned(text, &push("dev"));
    let expected = "its `if` is false: branch == 'main' && needs.a.outcome == 'passed' (branch is \"dev\")";
    assert_eq!((plan.jobs[1].skip.as_deref(), &plan.jobs[1].condition), (Some(expected), &None));
    let plan = planned(text, &push("main"));
    assert_eq!(plan.jobs[1].condition, Some(Late::new("branch == 'main' && needs.a.outcome == 'passed'")));
    assert_eq!((&plan.jobs[1].steps[1].skip, &plan.jobs[1].steps[1].condition), (&None, &None));
}
