//! `gantry run` and `gantry check`: the real binary in real work trees. Steps run on this machine or by the fake executor; with Docker they are
//! in `docker_run.rs`.

#[path = "support/mod.rs"]
mod support;
#[path = "support/tree.rs"]
mod tree;

use serde_json::Value;
use support::git;
use tree::{Called, Going, Tree};

const HOST: [&str; 3] = ["run", "--executor", "host"];
const FAKE: [&str; 3] = ["run", "--executor", "fake"];

fn run_on_host(tree: &Tree, more: &[&str]) -> Called {
    tree.call(&[&HOST, more].concat())
}

fn run_fake(tree: &Tree, more: &[&str]) -> Called {
    tree.call(&[&FAKE, more].concat())
}

#[test]
fn the_work_tree_runs_as_it_is_now_and_stays_as_it_is() {
    let tree = Tree::with(&[
        (
            ".gantry.yml",
            "steps:\n  - name: look\n    run: |\n      cat changed new dir/deep; test -x tool; test ! -e deleted; test ! -e ignored.o; readlink link\n      git status --porcelain | sort\n      git log --format=%s\n  - name: spoil\n    run: |\n      echo spoilt > changed; rm -r dir; git checkout --quiet -- . ; git -c user.name=x -c user.email=x commit --quiet --allow-empty -m more\n",
        ),
        (".gitignore", "*.o\n"),
        ("changed", "committed\n"),
        ("deleted", "committed\n"),
        ("dir/deep", "deep\n"),
    ]);
    tree.write("changed", "uncommitted\n");
    tree.write("new", "untracked\n");
    tree.write("ignored.o", "object\n");
    tree.write("tool", "#!/bin/sh\n");
    std::fs::set_permissions(tree.path().join("tool"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("dir/deep", tree.path().join("link")).unwrap();
    std::fs::remove_file(tree.path().join("deleted")).unwrap();
    let before = (tree.inventory(), tree.git(&["rev-parse", "HEAD"]));
    let called = run_on_host(&tree, &[]).ends_with(0);
    assert_eq!((tree.inventory(), tree.git(&["rev-parse", "HEAD"])), before, "the work tree was touched");
    let said: Vec<&str> = called.lines_with("look │ ").iter().map(|line| line.trim_start_matches("look │ ")).collect();
    let expected =
        ["uncommitted", "untracked", "deep", "dir/deep", " D deleted", " M changed", "?? link", "?? new", "?? tool", "first"];
    assert_eq!(said, expected, "{}", called.stdout);
    assert_eq!(tree.leftovers(), [""; 0].map(std::path::PathBuf::from));
}

#[test]
fn what_scripts_leave_reaches_later_steps_and_jobs() {
    let tree = Tree::with(&[(
        ".gantry.yml",
        r##"
jobs:
  build:
    outputs: { version: "${{ steps.version.outputs.version }}", notes: "${{ steps.version.outputs.notes }}" }
    steps:
      - name: version
        run: |
          echo "version=1.2" >> "$GANTRY_OUTPUT"
          printf 'notes<<END\nfirst\nsecond\nEND\n' >> "$GANTRY_OUTPUT"
          echo "PATH=/nowhere:$PATH" >> "$GANTRY_ENV"
          echo "# Notes" >> "$GANTRY_SUMMARY"
      - { name: show, run: 'echo "$VERSION ${PATH%%:*}"', env: { VERSION: "v${{ steps.version.outputs.version }}" } }
      - { name: odd, if: "steps.version.outputs.version == '9'", run: echo odd }
  deploy:
    needs: [build]
    if: needs.build.outputs.version == "1.2"
    steps: [{ name: go, run: 'echo "$NOTES" | tail -1', env: { NOTES: "${{ jobs.build.outputs.notes }}" } }]
  ask:
    needs: [build]
    approval: { message: "Really?" }
    steps: [{ name: asked, run: echo asked }]
"##,
    )]);
    let called = run_on_host(&tree, &[]).ends_with(0);
    assert_eq!(called.lines_with("show │ v1.2 /nowhere").len(), 1, "{}", called.stdout);
    assert_eq!(called.lines_with("go │ second").len(), 1, "{}", called.stdout);
    assert!(called.stdout.contains("odd skipped") && !called.stdout.contains("odd │"), "{}", called.stdout);
    assert!(called.stdout.contains("`gantry run --approve` gives") && !called.stdout.contains("asked │"), "{}", called.stdout);
    let called = run_on_host(&tree, &["--approve"]).ends_with(0);
    assert!(called.stdout.contains("asked │ asked"), "{}", called.stdout);
}

#[test]
fn what_a_script_leaves_wrongly_fails_its_step_with_file_and_line() {
    let tree = Tree::with(&[(".gantry.yml", "steps:\n  - { name: bad, run: 'echo \"CI=1\" >> \"$GANTRY_ENV\"' }\n")]);
    let called = run_on_host(&tree, &[]).ends_with(1);
    assert!(called.stdout.contains("line 1 of GANTRY_ENV sets `CI`, which is Gantry's own"), "{}", called.stdout);
}

#[test]
fn a_work_tree_without_a_commit_and_one_below_its_root_run_too() {
    let tree = Tree::bare(&[(".gantry.yml", "steps:\n  - cat file && ls -a\n"), ("file", "here\n"), ("below/x", "")]);
    tree.git(&["init", "--quiet", "."]);
    let mut command = tree.command(&HOST);
    command.current_dir(tree.path().join("below"));
    let called = Called::of(command).ends_with(0);
    assert_eq!(called.lines_with("step1 │ here").len(), 1, "{}", called.stdout);
}

#[test]
fn a_failed_step_is_exit_code_1_and_what_follows_is_told() {
    let tree = Tree::with(&[(
        ".gantry.yml",
        "steps:\n  - name: red\n    run: echo oops >&2; exit 7\n  - name: after\n    run: echo after\n  - name: on_red\n    run: echo mourning\n    when: failure\n  - name: tidy\n    run: echo tidied\n    when: always\n",
    )]);
    let called = run_on_host(&tree, &[]).ends_with(1);
    assert_eq!(called.lines_with("red ┆ oops").len(), 1, "{}", called.stdout);
    assert!(called.stdout.contains("✗ red failed"), "{}", called.stdout);
    assert!(called.lines_with("✗ red failed")[0].contains('7'), "the exit code is told: {}", called.stdout);
    assert!(called.stdout.contains("- after skipped"), "{}", called.stdout);
    assert!(called.stdout.contains("on_red │ mourning") && called.stdout.contains("tidy │ tidied"), "{}", called.stdout);
    assert!(!called.stdout.contains("after │"), "{}", called.stdout);
    let last = called.stdout.lines().last().unwrap();
    assert!(last.starts_with("✗ gantry failed"), "{last}");
}

#[test]
fn a_warning_is_exit_code_0() {
    let tree = Tree::with(&[(".gantry.yml", "steps:\n  - { name: picky, run: exit 3, allow_failure: [3] }\n  - echo on\n")]);
    let called = run_on_host(&tree, &[]).ends_with(0);
    assert!(called.stdout.contains("! picky warning"), "{}", called.stdout);
    assert!(called.stdout.contains("step2 │ on"), "{}", called.stdout);
}

#[test]
fn what_cannot_be_asked_for_is_exit_code_2_with_a_sentence() {
    let bare = Tree::bare(&[]);
    let empty = Tree::with(&[("README", "x")]);
    let tree = Tree::with(&[(".gantry.yml", "jobs:\n  one: { steps: [true] }\n  two: { steps: [true] }\n")]);
    for (called, says) in [
        (run_fake(&bare, &[]), "work tree"),
        (bare.call(&["check"]), "work tree"),
        (run_fake(&empty, &[]), ".gantry.yml"),
        (empty.call(&["check"]), ".gantry.yml"),
        (run_fake(&tree, &["--job", "three"]), "`one`, `two`"),
        (run_fake(&tree, &["--event", "birthday"]), "birthday"),
        (tree.call(&["run", "--executor", "moon"]), "moon"),
        (tree.call(&["walk"]), "walk"),
    ] {
        let called = called.ends_with(2);
        assert!(called.stderr.contains(says), "expected `{says}` in: {}", called.stderr);
        assert_eq!(called.stdout, "");
    }
}

const WRONG: &str = "steps:\n  - name: build\n    comands: [make]\n";
const PROBLEM: &str = "error[unknown-key]: `comands` is not a key of a step
 --> .gantry.yml:3:5
  |
3 |     comands: [make]
  |     ^^^^^^^ did you mean `run`?
";

#[test]
fn an_invalid_pipeline_is_exit_code_3_with_its_problems() {
    let tree = Tree::with(&[(".gantry.yml", WRONG)]);
    let called = run_fake(&tree, &[]).ends_with(3);
    assert!(called.stderr.starts_with(PROBLEM), "{}", called.stderr);
    assert_eq!(called.stdout, "", "stdout is for data");
    let called = tree.call(&["check"]).ends_with(3);
    assert!(called.stdout.starts_with(PROBLEM), "{}", called.stdout);
    assert!(called.stderr.starts_with(".gantry.yml: "), "{}", called.stderr);
    for verb in [&["check", "--json"][..], &["run", "--executor", "fake", "--json"]] {
        let called = tree.call(verb).ends_with(3);
        let problems: Value = serde_json::from_str(&called.stdout).unwrap_or_else(|error| panic!("{error}: {}", called.stdout));
        let first = &problems[0];
        assert_eq!((&first["code"], &first["line"], &first["column"]), (&"unknown-key".into(), &3.into(), &5.into()), "{first}");
    }
}

#[test]
fn one_invalid_file_of_two_runs_nothing() {
    let tree = Tree::with(&[(".gantry/a.yml", "steps: [echo a]\n"), (".gantry/b.yml", WRONG)]);
    let called = run_on_host(&tree, &[]).ends_with(3);
    assert!(called.stderr.contains(".gantry/b.yml:3:5") && !called.stdout.contains("a │"), "{}{}", called.stderr, called.stdout);
    run_on_host(&tree, &[".gantry/a.yml"]).ends_with(0);
}

#[test]
fn no_engine_is_exit_code_4_with_a_sentence() {
    let tree = Tree::with(&[(".gantry.yml", "image: busybox:1\nsteps: [true]\n")]);
    let mut command = tree.command(&["run"]);
    command.env("DOCKER_HOST", format!("unix://{}/no.sock", tree.temp.path().display()));
    let called = Called::of(command).ends_with(4);
    assert!(called.stderr.contains("no.sock"), "{}", called.stderr);
    assert_eq!((called.stdout.as_str(), tree.leftovers().len()), ("", 0));
}

#[test]
fn json_is_one_document_and_nothing_else() {
    let tree = Tree::with(&[
        (".gantry/green.yml", "steps:\n  - name: talk\n    run: echo loud; echo louder >&2\n"),
        (".gantry/red.yml", "steps:\n  - { name: broken, run: exit 9 }\n"),
    ]);
    let called = run_on_host(&tree, &["--json"]).ends_with(1);
    let runs: Value = serde_json::from_str(&called.stdout).unwrap_or_else(|error| panic!("{error}: {}", called.stdout));
    let seen = |at: usize| {
        let run = &runs[at];
        let step = &run["jobs"][0]["steps"][0];
        format!("{} {} {} {} {}", run["pipeline"], run["state"], run["outcome"], step["name"], step["exit_code"])
    };
    assert_eq!(seen(0), r#""green" "ended" "passed" "talk" 0"#);
    assert_eq!(seen(1), r#""red" "ended" "failed" "broken" 9"#);
    assert!(called.stderr.contains("loud"), "the talk goes to stderr: {}", called.stderr);
    // Nothing to run is an empty list, not nothing.
    let tree = Tree::with(&[(".gantry.yml", "on: tag\nsteps: [true]\n")]);
    assert_eq!(run_fake(&tree, &["--json"]).ends_with(0).stdout.trim(), "[]");
}

#[test]
fn a_job_runs_with_those_it_needs_and_no_others() {
    let tree = Tree::with(&[
        (
            ".gantry/ci.yml",
            "jobs:\n  zero: { steps: [true] }\n  base: { steps: [true] }\n  middle: { needs: [base], steps: [true] }\n  top: { needs: [middle], steps: [true] }\n  other: { needs: [zero], steps: [true] }\n",
        ),
        (".gantry/docs.yml", "steps: [true]\n"),
    ]);
    let called = run_fake(&tree, &["--job", "top", "--json"]).ends_with(0);
    let runs: Value = serde_json::from_str(&called.stdout).unwrap();
    let names: Vec<_> = runs[0]["jobs"].as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap()).collect();
    assert_eq!((names, runs.as_array().unwrap().len()), (vec!["base", "middle", "top"], 1));
    assert_eq!(runs[0]["jobs"][2]["needs"], serde_json::json!(["middle"]));
}

#[test]
fn event_and_branch_are_what_one_says() {
    let tree = Tree::with(&[(
        ".gantry.yml",
        "on: { push: { branches: [main] }, manual: {} }\nsteps:\n  - { name: by_hand, if: 'event == \"manual\"', run: 'echo \"$CI_EVENT\"' }\n  - { name: told, run: 'echo \"on $CI_COMMIT_BRANCH\"' }\n  - { name: release, if: 'branch == \"release/1\"', run: true }\n",
    )]);
    let called = run_on_host(&tree, &[]).ends_with(0);
    assert!(called.stdout.contains("- by_hand skipped") && called.stdout.contains("told │ on main"), "{}", called.stdout);
    let called = run_on_host(&tree, &["--event", "manual"]).ends_with(0);
    assert!(called.stdout.contains("by_hand │ manual"), "{}", called.stdout);
    let called = run_on_host(&tree, &["--branch", "release/1"]).ends_with(0);
    assert!(called.stderr.contains("does not run") && called.stdout.is_empty(), "{}{}", called.stderr, called.stdout);
    let called = run_on_host(&tree, &["--event", "manual", "--branch", "release/1"]).ends_with(0);
    assert!(called.stdout.contains("told │ on release/1") && called.stdout.contains("✓ release passed"), "{}", called.stdout);
    git(tree.path(), &["checkout", "--quiet", "-b", "topic"]);
    let called = run_on_host(&tree, &["--event", "manual"]).ends_with(0);
    assert!(called.stdout.contains("told │ on topic"), "{}", called.stdout);
}

#[test]
fn every_pipeline_file_is_a_run_and_one_can_be_named() {
    let tree = Tree::with(&[(".gantry/a.yml", "steps: [echo from a]\n"), (".gantry/b.yaml", "steps: [echo from b]\n")]);
    let called = run_on_host(&tree, &[]).ends_with(0);
    assert_eq!((called.lines_with("│ from").len(), called.lines_with("✓ a passed").len()), (2, 1), "{}", called.stdout);
    let called = run_on_host(&tree, &[".gantry/b.yaml"]).ends_with(0);
    assert_eq!(called.lines_with("│ from"), ["step1 │ from b"]);
}

#[test]
fn a_steps_lines_stand_between_its_begin_and_its_end() {
    let step = |name: &str| format!("  - {{ name: {name}, needs: [], run: 'seq 1 3000' }}\n");
    let steps: String = ["a", "b", "c"].map(step).concat();
    let tree = Tree::with(&[(
        ".gantry.yml",
        &format!(
            "steps:\n{steps}  - name: retried\n    retry: 1\n    run: echo before the end; test -e again || {{ touch again; false; }}\n"
        ),
    )]);
    let called = run_on_host(&tree, &[]).ends_with(0);
    for name in ["a", "b", "c"] {
        let numbers: Vec<&str> =
            called.lines_with(&format!("{name} │ ")).iter().map(|line| line.rsplit(' ').next().unwrap()).collect();
        let wrong = numbers.iter().zip(1..).find(|(number, n)| **number != n.to_string());
        assert!(numbers.len() == 3_000 && wrong.is_none(), "{name}: {} lines, {wrong:?}", numbers.len());
        let (begin, end) = (called.line_of(&format!("▶ {name}")), called.line_of(&format!("✓ {name} passed")));
        let last = called.line_of(&format!("{name} │ 3000"));
        assert!(begin < called.line_of(&format!("{name} │ 1")) && last < end, "{name}: {begin} {last} {end}");
    }
    assert_eq!(called.lines_with("retried │ before the end").len(), 2, "both attempts are shown: {}", called.stdout);
    assert!(called.line_of("▶ retried, attempt 2") > called.line_of("retried │"), "{}", called.stdout);
}

/// Whether this process is alive (a zombie is not).
fn lives(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn one_ctrl_c_cancels_cleans_up_and_still_runs_what_says_always() {
    let tree = Tree::with(&[(
        ".gantry.yml",
        "steps:\n  - name: long\n    run: echo begun; echo \"pid $$\"; sleep 600\n  - name: never\n    run: echo never\n  - name: tidy\n    run: echo tidied\n    when: always\n",
    )]);
    let mut going = Going::start(tree.command(&HOST));
    let line = going.until("pid ");
    going.signal("INT");
    let (code, lines) = going.end();
    let said = lines.join("\n");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("tidy │ tidied") && !said.contains("never │"), "{said}");
    assert!(said.contains("■ long cancelled") && said.contains("■ gantry cancelled"), "{said}");
    let pid = line.rsplit(' ').next().unwrap();
    assert!(!lives(pid), "process {pid} is still there");
    assert_eq!(tree.leftovers().len(), 0);
}

#[test]
fn a_terminal_that_goes_away_cancels_and_cleans_up_unless_that_is_ignored() {
    let tree = Tree::with(&[(".gantry.yml", "steps:\n  - name: long\n    run: echo \"pid $$\"; sleep 600\n")]);
    let mut going = Going::start(tree.command(&HOST));
    let line = going.until("pid ");
    going.signal("HUP");
    let (code, lines) = going.end();
    let said = lines.join("\n");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("cancelled by the terminal, which went away"), "{said}");
    assert!(!lives(line.rsplit(' ').next().unwrap()), "the step is still there: {said}");
    assert_eq!(tree.leftovers().len(), 0);

    let gate = tempfile::tempdir().unwrap();
    let run = format!("echo begun; until test -e '{}/open'; do sleep 0.05; done", gate.path().display());
    let tree = Tree::with(&[(".gantry.yml", &format!("steps:\n  - {{ name: patient, run: \"{run}\" }}\n"))]);
    let mut command = std::process::Command::new("nohup");
    let plain = tree.command(&HOST);
    command.arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(plain.get_current_dir().unwrap());
    let mut going = Going::start(command);
    going.until("patient │ begun");
    going.signal("HUP");
    std::fs::write(gate.path().join("open"), "").unwrap();
    let (code, lines) = going.end();
    assert_eq!(code, 0, "{}", lines.join("\n"));
}

#[test]
fn a_second_ctrl_c_ends_what_does_not_listen_at_once() {
    let tree = Tree::with(&[(
        ".gantry.yml",
        "steps:\n  - name: stubborn\n    run: |\n      trap '' TERM\n      echo \"pid $$\"\n      while true; do sleep 0.1; done\n  - name: tidy\n    run: echo tidied\n    when: always\n",
    )]);
    let mut going = Going::start(tree.command(&HOST));
    let line = going.until("pid ");
    going.signal("INT");
    going.until("once more");
    going.signal("INT");
    let (code, lines) = going.end();
    let said = lines.join("\n");
    assert_eq!(code, 1, "{said}");
    assert!(!said.contains("tidied"), "nothing starts any more: {said}");
    let pid = line.rsplit(' ').next().unwrap();
    assert!(!lives(pid), "process {pid} is still there");
    assert_eq!(tree.leftovers().len(), 0);
}

#[test]
fn a_reader_that_goes_away_breaks_nothing() {
    let tree = Tree::with(&[(".gantry.yml", "steps:\n  - seq 1 20000\n"), ("wrong.yml", WRONG)]);
    for (args, code) in [
        (&["run", "--executor", "host", ".gantry.yml"][..], 0),
        (&["run", "--executor", "fake", "--json", ".gantry.yml"], 0),
        (&["check", "wrong.yml"], 3),
        (&["check", "--json", "wrong.yml"], 3),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = tree.command(args);
        command.stdout(writer);
        let output = command.stderr(std::process::Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(!said.contains("panicked"), "{args:?}: {said}");
    }
    assert_eq!(tree.leftovers().len(), 0);
}

#[test]
fn check_takes_500_steps_and_several_files() {
    let steps = |count: usize| format!("steps:\n{}", (1..=count).map(|n| format!("  - echo {n}\n")).collect::<String>());
    let (most, over) = (format!("image: busybox:1\n{}", steps(500)), format!("image: busybox:1\n{}", steps(501)));
    let tree = Tree::with(&[("most.yml", &most), ("over.yml", &over), (".gantry.yml", WRONG)]);
    assert_eq!(tree.call(&["check", "most.yml"]).ends_with(0).stdout, "");
    let called = tree.call(&["check", "most.yml", "over.yml", ".gantry.yml"]).ends_with(3);
    assert!(called.stdout.contains("500") && called.stdout.contains("over.yml:"), "{}", called.stdout);
    assert!(called.stdout.contains(PROBLEM.lines().next().unwrap()), "all files at once: {}", called.stdout);
    assert!(!called.stdout.contains("most.yml:"), "{}", called.stdout);
    let json: Value = serde_json::from_str(&tree.call(&["check", "--json", "most.yml"]).ends_with(0).stdout).unwrap();
    assert_eq!(json, serde_json::json!([]));
    let called = tree.call(&["check", "nowhere.yml"]).ends_with(4);
    assert!(called.stderr.contains("nowhere.yml"), "{}", called.stderr);
}

#[test]
fn failed_tests_are_told_with_their_messages_after_the_run() {
    let report = "<testsuite name='cart'><testcase classname='shop' name='adds' time='0.01'/><testcase classname='shop' name='total'><failure message='41 is &#27;[31mnot&#27;[0m 42&#10;&#27;[2Jat cart.rs:9'/></testcase><testcase classname='shop' name='slow'><flakyFailure message='timeout'/></testcase></testsuite>";
    let pipeline =
        "steps:\n  - name: unit\n    run: mkdir out; cp report.xml out/unit.xml; exit 3\n    reports: { junit: \"out/*.xml\" }\n";
    let tree = Tree::with(&[(".gantry.yml", pipeline), ("report.xml", report)]);
    let called = run_on_host(&tree, &[]).ends_with(1);
    let told = called.stdout.split_once("✗ gantry failed").unwrap().1.split_once('\n').unwrap().1;
    let expected = "✗ shop total (gantry / unit)\n    41 is not 42\n    at cart.rs:9\n! shop slow (gantry / unit), flaky\n✗ 3 tests: 1 failed, 1 flaky\n";
    assert_eq!(told, expected, "{}", called.stdout);
    assert!(called.stdout.contains("unit · 3 tests: 1 failed, 1 flaky (1 report)"), "{}", called.stdout);

    let called = run_on_host(&tree, &["--json"]).ends_with(1);
    let runs: Value = serde_json::from_str(&called.stdout).unwrap();
    assert_eq!(runs[0]["tests"], serde_json::json!({ "total": 3, "failed": 1, "skipped": 0, "flaky": 1 }));
}

#[test]
fn secrets_come_from_the_environment_or_a_file_and_are_masked() {
    let tree = Tree::with(&[(
        ".gantry.yml",
        "steps:\n  - name: use\n    run: echo \"$TOKEN and $KEY\"; test \"$TOKEN\" = from-the-environment\n    secrets: { TOKEN: TOKEN, KEY: prod }\n",
    )]);
    tree.write("mine.env", "# not committed\nprod='from the file'\nTOKEN=overridden-by-the-variable\n");
    let called = |args: &[&str]| {
        let mut command = tree.command(&[&HOST, args].concat());
        command.env("TOKEN", "from-the-environment");
        Called::of(command)
    };
    let good = called(&["--secret", "TOKEN", "--secrets-file", "mine.env"]).ends_with(0);
    assert_eq!(good.lines_with("use │ *** and ***").len(), 1, "{}", good.stdout);
    let missing = called(&["--secret", "TOKEN"]).ends_with(1);
    let sentence = "there is no secret `prod`: give it with `--secret prod`";
    assert!(missing.stdout.contains(sentence), "{}", missing.stdout);
    for (args, words) in [
        (["--secret", "NOWHERE_TO_BE_FOUND"], "there is no variable"),
        (["--secret", "TOKEN=from-the-command-line"], "takes a name only"),
        (["--secrets-file", ".gantry.yml"], "line 1 of .gantry.yml is not `KEY=VALUE`"),
        (["--secrets-file", "nowhere"], "cannot be read"),
    ] {
        let refused = called(&args).ends_with(2);
        assert!(refused.stderr.contains(words) && !refused.stderr.contains("from-the-"), "{}", refused.stderr);
    }
    tree.write("short.env", "prod=abc\n");
    assert!(called(&["--secrets-file", "short.env"]).ends_with(2).stderr.contains("too short or too plain"));
}
