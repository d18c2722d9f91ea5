//! Every feature beside every other: each must still do what it does alone.

use super::*;

/// Lines for the file, the job `a` and its step `s`, and what the plan must show.
struct Feature {
    name: &'static str,
    file: &'static str,
    job: &'static str,
    step: &'static str,
    shows: fn(&Plan, &JobPlan, &StepPlan) -> bool,
}

const NONE: Feature = Feature { name: "nothing", file: "", job: "", step: "", shows: |_, _, _| true };

fn features() -> Vec<Feature> {
    let file = |name, file, shows| Feature { name, file, shows, ..NONE };
    let job = |name, job, shows| Feature { name, job, shows, ..NONE };
    let step = |name, step, shows| Feature { name, step, shows, ..NONE };
    vec![
        file("inputs", "on: { push: , manual: { inputs: { level: { type: choice, options: [fast, full] } } } }", |plan, _, _| {
            plan.inputs["level"] == InputValue::Text("fast".to_owned())
        }),
        file("pipeline env", "env: { P: \"${{ branch }}\" }", |_, _, step| step.env["P"] == "main".into()),
        file("defaults", "defaults: { timeout: 3m, retry: 2 }", |_, _, step| {
            step.timeout_ms == Some(180_000) && step.retry.max == 2
        }),
        file("run group", "concurrency: \"g-${{ branch }}\"", |plan, _, _| {
            plan.concurrency.as_ref().is_some_and(|it| it.group == "g-main")
        }),
        job("job if", "if: branch == 'main'", |_, job, _| job.skip.is_none() && job.condition.is_none()),
        job("late job if", "if: needs.first.outcome == 'passed'", |_, job, _| job.condition.is_some()),
        job("matrix", "matrix: { n: [1, 2] }", |plan, job, _| {
            plan.jobs.len() == 4 && job.matrix.as_ref().is_some_and(|cell| cell.of == "a")
        }),
        job("job env", "env: { J: j }", |_, _, step| step.env["J"] == "j".into()),
        job("services", "services: { db: { image: d, env: { V: \"${{ repo }}\" } } }", |_, job, _| {
            job.services[0].env["V"] == "shop"
        }),
        job("checkout", "checkout: { depth: 5 }", |_, job, _| job.checkout.depth == Some(5)),
        job("resources", "resources: { cpu: 2 }", |_, job, _| job.resources.cpu_millis == Some(2_000)),
        job("approval", "approval: { message: \"v${{ needs.first.outputs.v }}\" }", |_, job, _| {
            job.approval.as_ref().and_then(|it| it.message.as_ref()).is_some_and(|it| it.fixed().is_none())
        }),
        job("environment", "environment: prod", |_, job, _| job.environment == Some("prod".into())),
        job("job group", "concurrency: { group: deploy, policy: cancel-running }", |_, job, _| {
            job.concurrency.as_ref().is_some_and(|it| it.policy == Policy::CancelRunning)
        }),
        job("outputs", "outputs: { o: \"${{ steps.s.outputs.o }}\" }", |_, job, _| job.outputs["o"].fixed().is_none()),
        job("job timeout", "timeout: 1h", |_, job, _| job.timeout_ms == 3_600_000),
        job("job allow_failure", "allow_failure: true", |_, job, _| job.allow_failure),
        job("job when", "when: always", |_, job, _| job.when == When::Always),
        step("step if", "if: branch == 'dev'", |_, _, step| {
            step.skip.as_ref().is_some_and(|why| why.contains("branch is \"main\""))
        }),
        step("step env", "env: { S: \"${{ event }}\" }", |_, _, step| step.env["S"] == "push".into()),
        step("step when", "when: failure", |_, _, step| step.when == When::Failure),
        step("step needs", "needs: []", |_, _, step| step.needs.is_empty()),
        step("cache", "cache: { key: \"k-${{ branch }}\", paths: [p] }", |_, _, step| step.cache[0].key == "k-main".into()),
        step("artifacts", "artifacts: [\"dist/**\"]", |_, _, step| step.artifacts.is_some()),
        step("reports", "reports: { junit: x.xml }", |_, _, step| step.junit == ["x.xml"]),
        step("secrets", "secrets: [KEY]", |_, _, step| step.secrets["KEY"] == "KEY"),
        step("network", "network: none", |_, _, step| step.network == Network::None),
        step("with", "with: { l: [1] }", |_, _, step| step.env["PLUGIN_L"] == "[1]".into()),
        step("exit codes", "allow_failure: [3]", |_, _, step| step.allow_failure == AllowFailure::Codes(vec![3])),
        step("late image", "image: \"i:${{ needs.first.outputs.v }}\"", |_, _, step| {
            step.image.as_ref().is_some_and(|it| it.fixed().is_none())
        }),
    ]
}

#[test]
fn every_feature_works_alone_and_beside_every_other() {
    let features = features();
    for (at, one) in features.iter().enumerate() {
        for other in std::iter::once(&NONE).chain(&features[at + 1..]) {
            // One condition, one image, one of each key.
            let key = |text: &str| text.split(':').next().map(ToOwned::to_owned).unwrap_or_default();
            let clash = |left: &str, right: &str| !left.is_empty() && key(left) == key(right);
            if clash(one.file, other.file) || clash(one.job, other.job) || clash(one.step, other.step) {
                continue;
            }
            let text = format!(
                "{}\n{}\njobs:\n  first:\n    image: f\n    steps: [{{ name: w, run: w }}]\n    outputs: {{ v: \"${{{{ steps.w.outputs.v }}}}\" }}\n  \
                 a:\n    needs: [first]\n    {}\n    {}\n    steps:\n      - name: before\n        image: b\n        run: b\n      \
                 - name: s\n        {}\n        {}\n        {}\n  last:\n    needs: [a]\n    image: l\n    steps: [l]\n",
                one.file,
                other.file,
                one.job,
                other.job,
                // An image with settings has no script.
                if [one, other].iter().any(|it| it.name == "with") { "" } else { "run: s" },
                [one.step, other.step].join("\n        "),
                if [one, other].iter().any(|it| it.name == "late image") { "" } else { "image: s" },
            );
            let names = format!("{} and {}\n{text}", one.name, other.name);
            let Reading::Planned { plan, warnings } = read("f.yml", text.as_bytes(), &push("main"), &ReadOptions::default())
            else {
                let problems = check("f.yml", text.as_bytes());
                panic!("{names}\n{}", render(&problems, false));
            };
            assert_eq!(warnings, [], "{names}");
            let job = &plan.jobs[1];
            let (_, step) = job.step_named("s").unwrap();
            for feature in [one, other] {
                assert!((feature.shows)(&plan, job, step), "{} is not there: {names}", feature.name);
            }
            let last = plan.jobs.last().unwrap();
            assert_eq!(last.needs.len(), plan.jobs.len() - 2, "{names}");
        }
    }
}

#[test]
fn the_format_s_own_example_is_planned() {
    let text = include_str!("../../../tests/pipelines/format.yml");
    let tree = [FileEntry { path: "Cargo.lock".to_owned(), id: "1".to_owned() }];
    struct Tree<'t>(&'t [FileEntry]);
    impl Files for Tree<'_> {
        fn list(&self) -> Result<Vec<FileEntry>, String> {
            Ok(self.0.to_vec())
        }
    }
    let files = Tree(&tree);
    let options = ReadOptions { files: Some(&files), image_needed: true, ..ReadOptions::default() };
    let plan_for = |trigger: &Trigger| match read(".gantry.yml", text.as_bytes(), trigger, &options) {
        Reading::Planned { plan, warnings } if warnings.is_empty() => plan,
        other => panic!("{other:#?}"),
    };
    let plan = plan_for(&push("main"));
    let names: Vec<&str> = plan.jobs.iter().map(|job| job.name.as_str()).collect();
    assert_eq!(names, ["test (1.85, sqlite)", "test (1.95, sqlite)", "test (1.95, postgres)", "build", "deploy"]);
    assert_eq!(plan.jobs[3].needs, [0, 1, 2]);
    assert_eq!(plan.jobs[2].steps[0].image, Some("rust:1.95".into()));
    assert!(plan.jobs[2].steps[1].cache[0].key.shown().starts_with("cargo-"));
    assert_eq!(plan.jobs[4].skip, None);
    let nightly = Trigger { event: Event::Cron, schedule: Some("nightly".to_owned()), ..push("main") };
    let plan = plan_for(&nightly);
    let expected =
        "its `if` is false: event != \"cron\" || inputs.level == \"full\" (event is \"cron\", inputs.level is \"fast\")";
    assert_eq!(plan.jobs[0].skip.as_deref(), Some(expected));
}
