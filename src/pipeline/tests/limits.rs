//! Each bound at the limit and one past it. Bytes, depth and nodes are tested in `yaml`, expressions in `expr`.

use super::*;
use crate::base::limits;

#[test]
fn names_jobs_steps_scripts_and_problems_are_held_at_the_limit_and_one_past_it() {
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
    // 128 steps, each with a script of one byte and a variable: a name of one byte, a value, and what a variable costs.
    let steps = vec!["{ run: x, needs: [] }"; 128].join(",");
    let text = |value: usize| format!("env: {{ A: {} }}\nsteps: [{steps}]", "x".repeat(value));
    let exact = limits::PLAN_BYTES / 128 - 2 - 64;
    assert!(matches!(read("f", text(exact).as_bytes(), &push("m"), &ReadOptions::default()), Reading::Planned { .. }));
    let Reading::Invalid(problems) = read("f", text(exact + 1).as_bytes(), &push("m"), &ReadOptions::default()) else { panic!() };
    assert_eq!(problems.iter().map(|problem| problem.code.as_str()).collect::<Vec<_>>(), ["plan-too-large"]);
}
