//! What a trigger makes of a file: a plan, or a sentence.

use super::*;

fn plan_of(text: &str, trigger: &Trigger) -> Plan {
    match read("dir/.gantry/ci.yml", text.as_bytes(), trigger, &ReadOptions::default()) {
        Reading::Planned { plan, warnings } => {
            assert_eq!(warnings, [], "{text}");
            plan
        }
        Reading::NotWanted(why) | Reading::Refused(why) => panic!("not wanted: {why}"),
        Reading::Invalid(problems) => panic!("{}", render(&problems, false)),
    }
}

fn steps_of(text: &str) -> Vec<StepPlan> {
    plan_of(text, &push("main")).jobs.remove(0).steps
}

fn unwanted(text: &str, trigger: &Trigger) -> Option<String> {
    match read("f.yml", text.as_bytes(), trigger, &ReadOptions::default()) {
        Reading::Planned { .. } => None,
        Reading::NotWanted(why) | Reading::Refused(why) => Some(why),
        Reading::Invalid(problems) => panic!("{}", render(&problems, false)),
    }
}

#[test]
fn top_level_steps_are_one_job_named_as_the_pipeline() {
    let plan = plan_of("image: alpine\nsteps:\n  - make\n  - name: test\n    run: make test\n", &push("main"));
    assert_eq!((plan.name.as_str(), plan.file.as_str(), plan.jobs.len()), ("ci", "dir/.gantry/ci.yml", 1));
    let job = &plan.jobs[0];
    assert_eq!((job.name.as_str(), job.when, job.timeout_ms), ("ci", When::Success, crate::base::limits::JOB_TIMEOUT_MS));
    let names: Vec<&str> = job.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["step1", "test"]);
    assert!(job.steps.iter().all(|step| step.image == Some("alpine".into())));
    let named = |file: &str, text: &str| match read(file, text.as_bytes(), &push("m"), &ReadOptions::default()) {
        Reading::Planned { plan, .. } => plan.name,
        other => panic!("{other:?}"),
    };
    assert_eq!(named(".gantry.yml", "steps: [x]"), "gantry");
    assert_eq!(named(".gantry/deploy.prod.yaml", "steps: [x]"), "deploy.prod");
    assert_eq!(named(".gantry.yml", "name: shop\nsteps: [x]"), "shop");
}

#[test]
fn the_nearer_setting_wins() {
    let plan = plan_of(
        "env: { A: pipeline, B: pipeline, C: pipeline }
defaults: { image: default, timeout: 1m, retry: 1 }
jobs:
  one:
    env: { B: job, C: job }
    image: job
    retry: { max: 2, when: timeout, exit_codes: [3], backoff: 5s }
    timeout: 2h
    steps:
      - { run: x, env: { C: step }, image: step, timeout: 3m, retry: 0 }
      - x
  two: { steps: [x] }
",
        &push("main"),
    );
    let env = |job: usize, step: usize| plan.jobs[job].steps[step].env.values().map(Text::shown).collect::<Vec<_>>().join(" ");
    assert_eq!([env(0, 0), env(0, 1), env(1, 0)], ["pipeline job step", "pipeline job job", "pipeline pipeline pipeline"]);
    let step = |job: usize, step: usize| {
        let step = &plan.jobs[job].steps[step];
        (step.image.as_ref().unwrap().shown(), step.timeout_ms.unwrap(), step.retry.max)
    };
    assert_eq!([step(0, 0), step(0, 1), step(1, 0)], [("step", 180_000, 0), ("job", 60_000, 2), ("default", 60_000, 1)]);
    let Retry { max, when, exit_codes, backoff_ms } = plan.jobs[0].steps[1].retry.clone();
    assert_eq!((max, when, exit_codes, backoff_ms), (2, vec![Cause::Timeout], vec![3], 5_000));
    assert_eq!(plan.jobs[1].steps[0].retry, Retry { max: 1, ..Retry::default() });
    assert_eq!(plan.jobs[0].timeout_ms, 7_200_000);
}

#[test]
fn text_stays_as_written() {
    let steps = steps_of("env: { A: 1.20, B: no, C: 0x1F, D: , E: '', F: ~x }\nsteps: [true, 1.20]");
    let env: Vec<&str> = steps[0].env.values().map(Text::shown).collect();
    assert_eq!(env, ["1.20", "no", "0x1F", "", "", "~x"]);
    let scripts: Vec<&Action> = steps.iter().map(|step| &step.action).collect();
    let script = |text: &str| Action::Script { shell: vec!["/bin/sh".to_owned(), "-e".to_owned()], text: text.to_owned() };
    assert_eq!(scripts, [&script("true"), &script("1.20")]);
}

#[test]
fn order_is_the_list_s_unless_needs_say_otherwise() {
    let steps = steps_of(
        "steps:\n  - a\n  - { run: b, needs: [] }\n  - { run: c, needs: [step1, step1] }\n  - d\n  - { run: e, needs: step6 }\n  - { run: f, needs: [] }\n",
    );
    let needs: Vec<(Need, Vec<u32>)> = steps.into_iter().map(|step| (step.need, step.needs)).collect();
    let expected = [
        (Need::Position, vec![]),
        (Need::Explicit, vec![]),
        (Need::Explicit, vec![0]),
        (Need::Position, vec![0, 1, 2]),
        (Need::Explicit, vec![5]),
        (Need::Explicit, vec![]),
    ];
    assert_eq!(needs, expected);
    let plan = plan_of(
        "jobs:\n  a: { needs: [c], steps: [x] }\n  b: { steps: [x] }\n  c: { needs: b, steps: [x], when: always }\n",
        &push("main"),
    );
    let needs: Vec<Vec<u32>> = plan.jobs.iter().map(|job| job.needs.clone()).collect();
    assert_eq!(needs, [vec![2], vec![], vec![1]]);
    assert_eq!(plan.jobs[2].when, When::Always);
}

#[test]
fn a_list_of_commands_prints_each_before_running_it() {
    let steps = steps_of("steps:\n  - run:\n      - echo \"a  b\"\n      - echo 'it''s' \\\\\n      - \"false || echo -n %s\"\n");
    let Action::Script { shell, text } = &steps[0].action else { panic!() };
    let mut command = std::process::Command::new(&shell[0]);
    let output = command.args(&shell[1..]).arg("-c").arg(text).output().unwrap();
    let expected = "$ echo \"a  b\"\na  b\n$ echo 'it''s' \\\\\nits \\\n$ false || echo -n %s\n%s";
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

#[test]
fn shells_and_entry_points_become_actions() {
    let steps = steps_of(
        "image: i\nsteps:\n  - { run: x, shell: bash }\n  - { run: x, shell: sh }\n  - { run: x, shell: [python3, -u] }\n  - { name: plugin }\n",
    );
    let shells: Vec<Option<String>> = steps
        .iter()
        .map(|step| match &step.action {
            Action::Script { shell, .. } => Some(shell.join(" ")),
            Action::EntryPoint => None,
        })
        .collect();
    assert_eq!(
        shells,
        [Some("bash -eo pipefail".to_owned()), Some("/bin/sh -e".to_owned()), Some("python3 -u".to_owned()), None]
    );
}

#[test]
fn braces_get_the_trigger_s_values() {
    let text = "on: [push, tag]\nimage: \"rust:${{ tag == '' ? branch : tag }}\"\nenv: { V: \"${{ repo }}-${{ size(commit) }}\" }\nsteps: [x]";
    let image = |trigger: &Trigger| plan_of(text, trigger).jobs[0].steps[0].image.clone().unwrap();
    assert_eq!(image(&push("main")), "rust:main".into());
    assert_eq!(image(&tag("v1")), "rust:v1".into());
    assert_eq!(plan_of(text, &push("main")).jobs[0].steps[0].env["V"], "shop-42".into());
}

#[test]
fn a_false_condition_skips_and_says_why() {
    let text = "on: [push, tag]\njobs:\n  a: { if: branch == \"main\", steps: [x, { run: y, if: event == 'push' }] }\n";
    let plan = plan_of(text, &push("dev"));
    assert_eq!(plan.jobs[0].skip.as_deref(), Some("its `if` is false: branch == \"main\" (branch is \"dev\")"));
    assert_eq!(plan.jobs[0].steps[1].skip, None);
    let plan = plan_of(text, &push("main"));
    assert_eq!(plan.jobs[0].skip, None);
    assert_eq!(
        plan_of(text, &tag("v1")).jobs[0].steps[1].skip.as_deref(),
        Some("its `if` is false: event == 'push' (event is \"tag\")")
    );
}

#[test]
fn triggers_that_are_not_wanted_are_explained() {
    let why = |on: &str, trigger: &Trigger| unwanted(&format!("{on}\nsteps: [x]"), trigger);
    let manual = Trigger { event: Event::Manual, ..push("dev") };
    assert_eq!(why("", &push("dev")), None);
    assert_eq!(why("", &tag("v1")).unwrap(), "`on` does not name `tag`");
    assert_eq!(why("on: tag", &push("dev")).unwrap(), "`on` does not name `push`");
    assert_eq!(why("on: tag", &tag("v1")), None);
    assert_eq!(why("on: tag", &manual), None);
    assert_eq!(why("on: [pull_request, manual]", &push("dev")).unwrap(), "`on` does not name `push`");
    let branches = "on: { push: { branches: [main, \"release/**\"] }, tag: \"v*\" }";
    assert_eq!(why(branches, &push("main")), None);
    assert_eq!(why(branches, &push("release/1/x")), None);
    assert_eq!(why(branches, &push("dev")).unwrap(), "`on.push.branches` has no pattern that matches branch `dev`");
    assert_eq!(why(branches, &tag("1.0")).unwrap(), "`on.tag` has no pattern that matches tag `1.0`");
    let exclude = "on: { push: { branches: { exclude: [\"wip/**\"] } }, tag: { include: [\"v*\"], exclude: [\"*-rc*\"] } }";
    assert_eq!(why(exclude, &push("dev")), None);
    assert_eq!(why(exclude, &push("wip/x")).unwrap(), "`on.push.branches.exclude` has `wip/**`, which matches branch `wip/x`");
    assert_eq!(why(exclude, &tag("v1-rc1")).unwrap(), "`on.tag.exclude` has `*-rc*`, which matches tag `v1-rc1`");
    let marked = |event: Event, message: &str| Trigger { event, message: message.to_owned(), ..push("main") };
    assert_eq!(why("", &marked(Event::Push, "Fix\n\n[CI skip]")).unwrap(), "the head commit's message has `[ci skip]`");
    assert_eq!(why("", &marked(Event::Push, "Fix [skip ci]")).unwrap(), "the head commit's message has `[skip ci]`");
    assert_eq!(why("", &marked(Event::Push, "skip ci")), None);
    assert_eq!(why("", &marked(Event::Manual, "[skip ci]")), None);
}

#[test]
fn an_invalid_file_is_told_even_when_its_on_would_not_want_the_trigger() {
    let reading = read("f.yml", b"on: tag\nsteps: [{ rn: x }]", &push("dev"), &ReadOptions::default());
    assert!(matches!(reading, Reading::Invalid(problems) if problems[0].code == "unknown-key"));
}

#[test]
fn an_image_is_asked_for_only_when_one_is_needed_and_none_is_offered() {
    let text = b"steps: [a, { run: b, image: own }, c]";
    let reading = |image_needed: bool, default: Option<&str>| {
        let options = ReadOptions { image_needed, default_image: default, ..ReadOptions::default() };
        match read("f.yml", text, &push("m"), &options) {
            Reading::Planned { plan, .. } => {
                plan.jobs[0].steps.iter().map(|step| step.image.as_ref().map_or("", Text::shown).to_owned()).collect::<Vec<_>>()
            }
            Reading::Invalid(problems) => {
                problems.into_iter().map(|problem| format!("{} {}", problem.code, problem.column)).collect()
            }
            Reading::NotWanted(why) | Reading::Refused(why) => vec![why],
        }
    };
    assert_eq!(reading(true, None), ["no-image 9", "no-image 36"]);
    assert_eq!(reading(true, Some("d")), ["d", "own", "d"]);
    assert_eq!(reading(false, None), ["", "own", ""]);
    assert_eq!(check("f.yml", text).iter().map(|problem| problem.severity).collect::<Vec<_>>(), [Severity::Warning]);
}

#[test]
fn what_only_a_trigger_shows_is_told_in_its_place() {
    let text = "image: a${{ message }}\nenv: { N: \"${{ string(int(branch)) }}\" }\nsteps: [{ run: x, if: 1 / size(tag) == 1 }]";
    assert_eq!(codes(text), [""; 0]);
    let Reading::Invalid(problems) = read("f.yml", text.as_bytes(), &push("main"), &ReadOptions::default()) else { panic!() };
    let found: Vec<(usize, usize, &str)> =
        problems.iter().map(|problem| (problem.line, problem.column, problem.code.as_str())).collect();
    assert_eq!(found, [(1, 8, "image"), (2, 16, "expression"), (3, 23, "expression")]);
}
