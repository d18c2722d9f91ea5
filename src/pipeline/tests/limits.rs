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

/// `count` items as the inside of a flow list or map.
fn many(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(", ")
}

#[test]
fn every_list_of_the_language_is_held_at_its_limit_and_one_past_it() {
    type Case = (&'static str, usize, &'static str, fn(usize) -> String);
    let cases: [Case; 14] = [
        ("schedules", limits::SCHEDULES, "too-many-schedules", |n| {
            format!("on: {{ cron: {{ {} }} }}\nsteps: [x]", many(n, |at| format!("s{at}: \"0 3 * * *\"")))
        }),
        ("inputs", limits::INPUTS, "too-many-inputs", |n| {
            format!("on: {{ manual: {{ inputs: {{ {} }} }} }}\nsteps: [x]", many(n, |at| format!("i{at}: ")))
        }),
        ("options", limits::INPUT_OPTIONS, "too-many-values", |n| {
            format!("on: {{ manual: {{ inputs: {{ a: {{ options: [{}] }} }} }} }}\nsteps: [x]", many(n, |at| at.to_string()))
        }),
        ("axes", limits::MATRIX_AXES, "matrix-too-large", |n| {
            format!("matrix: {{ {} }}\nsteps: [x]", many(n, |at| format!("a{at}: [1]")))
        }),
        ("values", limits::JOBS, "matrix-too-large", |n| {
            format!("matrix: {{ a: [{}] }}\nsteps: [x]", many(n, |at| at.to_string()))
        }),
        ("services", limits::SERVICES, "too-many-services", |n| {
            format!("services: {{ {} }}\nsteps: [x]", many(n, |at| format!("s{at}: {{ image: i }}")))
        }),
        ("outputs", limits::OUTPUTS, "too-many-outputs", |n| {
            format!("outputs: {{ {} }}\nsteps: [x]", many(n, |at| format!("o{at}: x")))
        }),
        ("labels", limits::LABELS, "too-many-values", |n| format!("runs_on: [{}]\nsteps: [x]", many(n, |at| format!("l{at}")))),
        ("approvers", limits::LABELS, "too-many-values", |n| {
            format!("approval: {{ by: [{}] }}\nsteps: [x]", many(n, |at| format!("l{at}")))
        }),
        ("secrets", limits::SECRETS, "too-many-secrets", |n| {
            format!("steps: [{{ run: x, secrets: [{}] }}]", many(n, |at| format!("S{at}")))
        }),
        ("caches", limits::CACHES, "too-many-caches", |n| {
            format!("steps: [{{ run: x, cache: [{}] }}]", many(n, |at| format!("{{ key: k{at}, paths: p }}")))
        }),
        ("restore", limits::CACHES, "too-many-caches", |n| {
            format!("steps: [{{ run: x, cache: {{ key: k, paths: p, restore: [{}] }} }}]", many(n, |at| format!("r{at}")))
        }),
        ("cached paths", limits::PATHS, "too-many-values", |n| {
            format!("steps: [{{ run: x, cache: {{ key: k, paths: [{}] }} }}]", many(n, |at| format!("p{at}")))
        }),
        ("artifacts", limits::PATHS, "too-many-values", |n| {
            format!("steps: [{{ run: x, artifacts: [{}] }}]", many(n, |at| format!("p{at}")))
        }),
    ];
    for (name, limit, code, file) in cases {
        assert_eq!(codes(&file(limit)), [""; 0], "{name}");
        assert_eq!(codes(&file(limit + 1)), [code], "{name}");
    }
}

#[test]
fn every_amount_and_length_of_the_language_is_held_at_its_limit_and_one_past_it() {
    type Case = (&'static str, u64, &'static str, fn(u64) -> String);
    let cases: [Case; 10] = [
        ("a product", limits::MATRIX_PRODUCT as u64, "matrix-too-large", |n| {
            // 64 × 64 is the limit; what is left out brings the jobs below theirs. One more value is one past it.
            let rows = n / 64 + u64::from(n % 64 > 0);
            let exclude = many(rows as usize - 1, |at| format!("{{ a: '{at}' }}"));
            format!(
                "matrix: {{ a: [{}], b: [{}], exclude: [{exclude}] }}\nsteps: [x]",
                many(rows as usize, |at| at.to_string()),
                many(64, |at| at.to_string())
            )
        }),
        ("ready", limits::SERVICE_READY_MAX_MS, "out-of-range", |ms| {
            format!("services: {{ s: {{ image: i, timeout: {ms}ms }} }}\nsteps: [x]")
        }),
        ("approval", limits::APPROVAL_MAX_MS, "out-of-range", |ms| format!("approval: {{ timeout: {ms}ms }}\nsteps: [x]")),
        ("expire", limits::EXPIRE_MAX_MS, "out-of-range", |ms| {
            format!("steps: [{{ run: x, artifacts: {{ paths: a, expire: {ms}ms }} }}]")
        }),
        ("memory", limits::MEMORY_MAX_BYTES, "out-of-range", |bytes| format!("resources: {{ memory: {bytes}B }}\nsteps: [x]")),
        ("depth", limits::DEPTH_MAX as u64, "out-of-range", |depth| format!("checkout: {{ depth: {depth} }}\nsteps: [x]")),
        ("pids", limits::PIDS_MAX as u64, "out-of-range", |pids| format!("resources: {{ pids: {pids} }}\nsteps: [x]")),
        ("a group", limits::TEXT_CHARS as u64, "too-long", |n| format!("concurrency: {}\nsteps: [x]", "g".repeat(n as usize))),
        ("a schedule", limits::SCHEDULE_CHARS as u64, "too-long", |n| {
            format!("on: {{ cron: \"0 3 * * *{}\" }}\nsteps: [x]", " ".repeat(n as usize - 9))
        }),
        ("a path", limits::TEXT_CHARS as u64, "too-long", |n| {
            format!("steps: [{{ run: x, cache: {{ key: k, paths: {} }} }}]", "p".repeat(n as usize))
        }),
    ];
    for (name, limit, code, file) in cases {
        assert_eq!(codes(&file(limit)), [""; 0], "{name}");
        assert_eq!(codes(&file(limit + 1)), [code], "{name}");
    }
    assert_eq!(codes(&format!("resources: {{ memory: {}B }}\nsteps: [x]", limits::MEMORY_MIN_BYTES - 1)), ["out-of-range"]);
    assert_eq!(codes("resources: { cpu: 0.009 }\nsteps: [x]"), ["out-of-range"]);
    assert_eq!(codes("resources: { cpu: 0.01 }\nsteps: [x]"), [""; 0]);
    assert_eq!(codes("resources: { cpu: 1024.001 }\nsteps: [x]"), ["out-of-range"]);
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
