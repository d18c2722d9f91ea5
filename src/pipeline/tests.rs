//! The room as a whole.

use super::*;

fn files_under(folder: &str) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
                found.push((path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()));
            }
        }
    }
    found
}

#[test]
fn the_pipelines_that_we_ship_have_no_problems() {
    let files: Vec<_> = ["pipelines", "examples"].into_iter().flat_map(files_under).collect();
    assert!(files.len() >= 2, "{files:?}");
    for (name, text) in files {
        // `full.yml` is for the host executor, which needs no image.
        let problems: Vec<_> = check(&name, &text).into_iter().filter(|problem| problem.code != "no-image").collect();
        assert_eq!(render(&problems, false), "", "{name}");
    }
}

/// Files of `tests/pipelines`, by their name without the ending.
fn cases() -> Vec<(String, Vec<u8>)> {
    let mut cases = files_under("tests/pipelines");
    cases.sort();
    cases.into_iter().map(|(name, text)| (name.replace(".yml", ""), text)).collect()
}

#[test]
fn problems_look_as_reviewed() {
    let cases = cases();
    assert!(cases.len() > 30);
    insta::with_settings!({ snapshot_path => "../../tests/pipelines", prepend_module_to_snapshot => false, omit_expression => true }, {
        for (name, text) in &cases {
            let problems = check(".gantry.yml", text);
            insta::assert_snapshot!(name.as_str(), format!("{}\n{}\n", render(&problems, false), summary(&problems)));
        }
    });
    let snapshots = std::fs::read_dir(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pipelines")).unwrap();
    let snapshots =
        snapshots.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "snap"));
    assert_eq!(snapshots.count(), cases.len(), "a snapshot without its file, or the reverse");
}

#[test]
fn every_case_s_problems_stand_in_its_file_and_are_in_order() {
    for (name, text) in cases() {
        well_placed(&name, &text, &check(&name, &text));
    }
}

/// Places lie within the file, in order, each problem once, and text can be shown.
fn well_placed(name: &str, text: &[u8], problems: &[Problem]) {
    let text = String::from_utf8_lossy(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)).into_owned();
    let lines: Vec<&str> = text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r')).collect();
    for problem in problems {
        let Problem { line, column, length, source, .. } = problem;
        let told = format!("{name}: {problem:?}");
        if *line == 0 {
            assert_eq!((*column, source.as_str()), (0, ""), "{told}");
            continue;
        }
        let written = lines.get(line - 1).unwrap_or_else(|| panic!("{told}"));
        let characters = written.chars().count();
        assert!(source == written || source.is_empty() && characters > 1000, "{told}");
        assert!(*column >= 1 && *length >= 1 && column + length <= characters.max(1) + 2, "{told}");
        assert!(!problem.message.contains(char::is_control) && !problem.message.ends_with('.'), "{told}");
    }
    let places: Vec<_> = problems.iter().filter(|problem| problem.code != "more-problems").map(|p| (p.line, p.column)).collect();
    assert!(places.is_sorted(), "{name}: {places:?}");
    assert!(problems.len() <= crate::base::limits::PROBLEMS + 1);
    let shown = render(problems, false);
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{name}: {shown:?}");
}

/// SplitMix64: the same mutations on each machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % (sides.max(1) as u64)).unwrap_or(0)
    }
}

/// One small damage: a byte, a piece, a line, or a piece of another file.
fn mutate(text: &mut Vec<u8>, others: &[(String, Vec<u8>)], dice: &mut Dice) {
    const PIECES: [&str; 34] = [
        ":",
        "- ",
        "[",
        "]",
        "{",
        "}",
        "\n",
        "  ",
        "\t",
        "\"",
        "'",
        "|",
        ">",
        "&a ",
        "*a",
        "<<: *a",
        "!x ",
        "#",
        "${{ ",
        " }}",
        "\0",
        "\u{feff}",
        "\r",
        "é漢🎉",
        "---\n",
        "? ",
        "needs: [a]\n",
        "if: ",
        "((((",
        "\u{202e}",
        "~",
        "%",
        "@",
        "null",
    ];
    let at = dice.roll(text.len() + 1);
    match dice.roll(6) {
        0 => text.splice(at..at, PIECES[dice.roll(PIECES.len())].bytes()).for_each(drop),
        1 => text.splice(at..(at + dice.roll(8)).min(text.len()), []).for_each(drop),
        2 if at < text.len() => text[at] = u8::try_from(dice.roll(256)).unwrap_or(0),
        3 => {
            let end = (at + dice.roll(60)).min(text.len());
            let piece = text[at..end].to_vec();
            let to = dice.roll(text.len() + 1);
            text.splice(to..to, piece).for_each(drop);
        }
        4 => {
            let other = &others[dice.roll(others.len())].1;
            let from = dice.roll(other.len());
            let piece = other[from..(from + dice.roll(120)).min(other.len())].to_vec();
            text.splice(at..at, piece).for_each(drop);
        }
        _ => text.truncate(at),
    }
}

#[test]
fn no_damage_to_a_file_makes_the_reader_panic_or_lose_its_place() {
    let cases = cases();
    let mut dice = Dice(7);
    let options = ReadOptions { image_needed: true, default_image: None };
    let rounds = std::env::var("GANTRY_MUTATIONS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(20_000);
    for round in 0..rounds {
        let (name, text) = &cases[dice.roll(cases.len())];
        let mut text = text.clone();
        for _ in 0..=dice.roll(4) {
            mutate(&mut text, &cases, &mut dice);
        }
        let name = format!("{name}, round {round}");
        well_placed(&name, &text, &check(".gantry.yml", &text));
        if let Reading::Invalid(problems) = read(".gantry.yml", &text, &push("main"), &options) {
            assert!(has_errors(&problems), "{name}");
            well_placed(&name, &text, &problems);
        }
    }
}

fn push(branch: &str) -> Trigger {
    Trigger {
        event: Event::Push,
        branch: branch.to_owned(),
        tag: None,
        commit: "5d6e7f8".repeat(6),
        message: "Fix it".to_owned(),
        author: "Ann <ann@example.org>".to_owned(),
        default_branch: "main".to_owned(),
        repo: "shop".to_owned(),
        url: String::new(),
        because: "main moved".to_owned(),
    }
}

fn tag(name: &str) -> Trigger {
    Trigger { event: Event::Tag, branch: String::new(), tag: Some(name.to_owned()), ..push("") }
}

fn plan_of(text: &str, trigger: &Trigger) -> Plan {
    match read("dir/.gantry/ci.yml", text.as_bytes(), trigger, &ReadOptions::default()) {
        Reading::Planned { plan, warnings } => {
            assert_eq!(warnings, [], "{text}");
            plan
        }
        Reading::NotWanted(why) => panic!("not wanted: {why}"),
        Reading::Invalid(problems) => panic!("{}", render(&problems, false)),
    }
}

fn steps_of(text: &str) -> Vec<StepPlan> {
    plan_of(text, &push("main")).jobs.remove(0).steps
}

fn unwanted(text: &str, trigger: &Trigger) -> Option<String> {
    match read("f.yml", text.as_bytes(), trigger, &ReadOptions::default()) {
        Reading::Planned { .. } => None,
        Reading::NotWanted(why) => Some(why),
        Reading::Invalid(problems) => panic!("{}", render(&problems, false)),
    }
}

fn codes(text: &str) -> Vec<String> {
    check("f.yml", text.as_bytes()).into_iter().map(|problem| problem.code).filter(|code| code != "no-image").collect()
}

#[test]
fn top_level_steps_are_one_job_named_as_the_pipeline() {
    let plan = plan_of("image: alpine\nsteps:\n  - make\n  - name: test\n    run: make test\n", &push("main"));
    assert_eq!((plan.name.as_str(), plan.file.as_str(), plan.jobs.len()), ("ci", "dir/.gantry/ci.yml", 1));
    let job = &plan.jobs[0];
    assert_eq!((job.name.as_str(), job.when, job.timeout_ms), ("ci", When::Success, crate::base::limits::JOB_TIMEOUT_MS));
    let names: Vec<&str> = job.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["step1", "test"]);
    assert!(job.steps.iter().all(|step| step.image.as_deref() == Some("alpine")));
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
    let env = |job: usize, step: usize| plan.jobs[job].steps[step].env.values().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!([env(0, 0), env(0, 1), env(1, 0)], ["pipeline job step", "pipeline job job", "pipeline pipeline pipeline"]);
    let step = |job: usize, step: usize| {
        let step = &plan.jobs[job].steps[step];
        (step.image.as_deref().unwrap(), step.timeout_ms.unwrap(), step.retry.max)
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
    let env: Vec<&str> = steps[0].env.values().map(String::as_str).collect();
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
    assert_eq!(image(&push("main")), "rust:main");
    assert_eq!(image(&tag("v1")), "rust:v1");
    assert_eq!(plan_of(text, &push("main")).jobs[0].steps[0].env["V"], "shop-42");
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
        let options = ReadOptions { image_needed, default_image: default.map(str::to_owned) };
        match read("f.yml", text, &push("m"), &options) {
            Reading::Planned { plan, .. } => {
                plan.jobs[0].steps.iter().map(|step| step.image.clone().unwrap_or_default()).collect::<Vec<_>>()
            }
            Reading::Invalid(problems) => {
                problems.into_iter().map(|problem| format!("{} {}", problem.code, problem.column)).collect()
            }
            Reading::NotWanted(why) => vec![why],
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

#[test]
fn names_jobs_steps_scripts_and_problems_are_held_at_the_limit_and_one_past_it() {
    use crate::base::limits;
    let name = |length: usize| format!("steps: [{{ name: {}, run: x }}]", "n".repeat(length));
    assert_eq!(codes(&name(limits::NAME_CHARS)), [""; 0]);
    assert_eq!(codes(&name(limits::NAME_CHARS + 1)), ["name"]);
    let jobs =
        |count: usize| format!("jobs:\n{}", (0..count).map(|at| format!("  j{at}: {{ steps: [x] }}\n")).collect::<String>());
    assert_eq!(codes(&jobs(limits::JOBS)), [""; 0]);
    assert_eq!(codes(&jobs(limits::JOBS + 1)), ["too-many-jobs"]);
    let steps = |count: usize| format!("jobs:\n  a: {{ steps: [x] }}\n  b:\n    steps:\n{}", "      - x\n".repeat(count - 1));
    assert_eq!(codes(&steps(limits::STEPS)), [""; 0]);
    assert_eq!(codes(&steps(limits::STEPS + 5)), ["too-many-steps"]);
    let script = |bytes: usize| format!("steps: [\"{}\"]", "x".repeat(bytes));
    assert_eq!(codes(&script(limits::SCRIPT_BYTES)), [""; 0]);
    assert_eq!(codes(&script(limits::SCRIPT_BYTES + 1)), ["script-too-large"]);
    let retry = |max: u32| format!("steps: [{{ run: x, retry: {max} }}]");
    assert_eq!(codes(&retry(limits::ATTEMPTS - 1)), [""; 0]);
    assert_eq!(codes(&retry(limits::ATTEMPTS)), ["out-of-range"]);
    let timeout = |ms: u64| format!("steps: [{{ run: x, timeout: {ms}ms }}]");
    assert_eq!(codes(&timeout(limits::TIMEOUT_MAX_MS)), [""; 0]);
    assert_eq!(codes(&timeout(limits::TIMEOUT_MAX_MS + 1)), ["out-of-range"]);
    let pattern = |length: usize| format!("on: {{ tag: {} }}\nsteps: [x]", "v".repeat(length));
    assert_eq!(codes(&pattern(limits::PATTERN_CHARS)), [""; 0]);
    assert_eq!(codes(&pattern(limits::PATTERN_CHARS + 1)), ["pattern"]);
    let patterns = |count: usize| format!("on: {{ tag: [{}] }}\nsteps: [x]", vec!["v*"; count].join(","));
    assert_eq!(codes(&patterns(limits::PATTERNS)), [""; 0]);
    assert_eq!(codes(&patterns(limits::PATTERNS + 1)), ["too-many-patterns"]);
    let wrong = |count: usize| format!("steps:\n{}", "  - { rn: x }\n".repeat(count));
    assert_eq!(check("f", wrong(limits::PROBLEMS).as_bytes()).len(), limits::PROBLEMS);
    let more = check("f", wrong(limits::PROBLEMS + 2).as_bytes());
    assert_eq!(more.len(), limits::PROBLEMS + 1);
    assert_eq!(more.last().unwrap().message, "2 more problems are not shown");
}

#[test]
fn a_plan_is_held_at_its_size_with_what_steps_inherit() {
    use crate::base::limits;
    // 128 steps, each with a script of one byte and a variable: a name of one byte, a value, and what a variable costs.
    let text = |value: usize| format!("env: {{ A: {} }}\nsteps: [{}]", "x".repeat(value), vec!["x"; 128].join(","));
    let exact = limits::PLAN_BYTES / 128 - 2 - 64;
    assert!(matches!(read("f", text(exact).as_bytes(), &push("m"), &ReadOptions::default()), Reading::Planned { .. }));
    let Reading::Invalid(problems) = read("f", text(exact + 1).as_bytes(), &push("m"), &ReadOptions::default()) else { panic!() };
    assert_eq!(problems.iter().map(|problem| problem.code.as_str()).collect::<Vec<_>>(), ["plan-too-large"]);
}

#[test]
fn colour_only_adds_escapes() {
    let problems = check("f.yml", b"steps: [{ rn: x }]");
    let plain = render(&problems, false);
    let coloured = render(&problems, true);
    assert!(coloured.starts_with("\x1b[1;31merror[unknown-key]\x1b[0m"));
    let mut stripped = String::new();
    let mut parts = coloured.split('\x1b');
    stripped.push_str(parts.next().unwrap());
    for part in parts {
        stripped.push_str(part.split_once('m').unwrap().1);
    }
    assert_eq!(stripped, plain);
    assert_eq!(render(&[], true), "");
    assert_eq!(summary(&[]), "no problems");
}

#[test]
fn nothing_in_a_file_reaches_the_terminal_as_a_control() {
    let problems = check("f\x1b[2J.yml", "\"a\\e[31m\": 1\n\"b\u{202e}c\u{9b}\": 1\nsteps: [x]".as_bytes());
    let shown = render(&problems, false);
    assert!(!shown.chars().any(|c| c == '\u{202e}' || c.is_control() && c != '\n'), "{shown:?}");
}

#[test]
fn no_hostile_file_takes_long() {
    let size = crate::base::limits::PIPELINE_FILE_BYTES - 2_000;
    let fill = |head: &str, unit: &dyn Fn(usize) -> String, tail: &str| {
        let mut text = head.to_owned();
        let mut at = 0;
        while text.len() < size {
            text.push_str(&unit(at));
            at += 1;
        }
        text + tail
    };
    let step = |key: &str| {
        format!("steps:\n{}", (0..400).map(|at| format!("  - {{ name: a{at}, run: x, {key} }}\n")).collect::<String>())
    };
    let files = [
        ("many variables", format!("{}{}", fill("env: {", &|at| format!("v{at}: ,"), "}\n"), "")),
        ("many expressions", fill("env: {", &|at| format!("v{at}: \"${{{{branch}}}}\","), "}\nsteps: [x]\n")),
        ("expressions in one text", fill("env: { a: \"", &|_| "${{branch}}".to_owned(), "\"}\nsteps: [x]\n")),
        ("expressions in a block", fill("env:\n  a: |\n", &|_| "    ${{branch}}\n".to_owned(), "steps: [x]\n")),
        ("unknown keys", fill("", &|at| format!("stepz{at}: 1\n"), "")),
        ("unknown keys on one line", fill("{é: 1", &|at| format!(",stepz{at}: ''"), "}")),
        (
            "unknown needs",
            step("needs: &n [x]")
                .replace("&n [x]", &format!("[{}]", (0..45).map(|at| format!("step{at}x")).collect::<Vec<_>>().join(","))),
        ),
        ("cycles", step("needs: [a399, a398, a397, a0, a1, a2, a3, a4, a5]")),
        ("patterns", fill("on: { tag: [", &|at| format!("\"{{a,b}}{{c,d}}*{at}\","), "]}\n")),
        ("inherited variables", fill("env: {", &|at| format!("v{at}: ,"), &format!("}}\nsteps: [{}]", vec!["x"; 499].join(",")))),
        ("blank lines", fill("a:\n", &|_| "\n".to_owned(), "")),
        ("blocks in blank lines", fill("", &|at| format!("a{at}: |\n\n\n"), "")),
        ("long key", fill("", &|_| "a".to_owned(), "")),
        ("colons", fill("", &|_| "a: ".to_owned(), "")),
        ("question marks", fill("", &|_| "? ".to_owned(), "")),
        ("quotes", fill("", &|_| "\"\\n".to_owned(), "")),
        ("commas", fill("[", &|_| ",".to_owned(), "")),
        ("aliases", fill("[&a x", &|_| ",*a".to_owned(), "]")),
        ("tags", fill("", &|_| "!a ".to_owned(), "")),
        ("comments", fill("", &|_| "# a\n".to_owned(), "a: b")),
        ("directives", fill("", &|at| format!("%TAG !a{at}! x\n"), "--- a")),
    ];
    for (name, text) in files {
        let clock = crate::base::Clock::System;
        let before = clock.now();
        let _ = check("f.yml", text.as_bytes());
        let _ = read("f.yml", text.as_bytes(), &push("main"), &ReadOptions::default());
        let took = clock.now().ms_since(before);
        // A debug build on a busy machine; quadratic work would take minutes.
        println!("{took} ms: {name}");
        assert!(took < 20_000, "{name}: {took} ms");
    }
}
