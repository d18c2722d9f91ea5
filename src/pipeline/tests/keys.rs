//! What each key says reaches the plan as it was meant.

use std::collections::BTreeMap;

use super::*;

fn plan_with(trigger: &Trigger, text: &str) -> Plan {
    match read(".gantry.yml", text.as_bytes(), trigger, &ReadOptions::default()) {
        Reading::Planned { plan, warnings } => {
            assert_eq!(render(&warnings, false), "", "{text}");
            plan
        }
        Reading::NotWanted(why) | Reading::Refused(why) => panic!("not wanted: {why}"),
        Reading::Invalid(problems) => panic!("{}", render(&problems, false)),
    }
}

fn job(keys: &str) -> JobPlan {
    plan_with(&push("main"), &format!("jobs:\n  a:\n    image: i\n    {keys}\n    steps: [x]\n")).jobs.remove(0)
}

fn step(keys: &str) -> StepPlan {
    plan_with(&push("main"), &format!("image: i\nsteps: [{{ run: x, {keys} }}]")).jobs.remove(0).steps.remove(0)
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn resources_are_thousandths_bytes_and_processes() {
    let all = |cpu, memory, pids| Resources { cpu_millis: cpu, memory_bytes: memory, pids };
    assert_eq!(job("resources: { cpu: 0.5, memory: 4GiB, pids: 100 }").resources, all(Some(500), Some(4 << 30), Some(100)));
    assert_eq!(job("resources: { cpu: '2', memory: 1G }").resources, all(Some(2_000), Some(1_000_000_000), None));
    assert_eq!(job("timeout: 1h").resources, all(None, None, None));
}

#[test]
fn approval_is_a_yes_a_message_or_a_map() {
    let approval = |keys: &str| job(keys).approval;
    let asked = |message: Option<&str>, by: &[&str], timeout_ms| {
        Some(Approval { message: message.map(Text::from), by: texts(by), timeout_ms })
    };
    assert_eq!(approval("approval: true"), asked(None, &[], None));
    assert_eq!(approval("approval: false"), None);
    assert_eq!(approval("approval: \"Deploy ${{ branch }}?\""), asked(Some("Deploy main?"), &[], None));
    assert_eq!(approval("approval: { by: [ops, dev, ops], timeout: 24h }"), asked(None, &["ops", "dev"], Some(86_400_000)));
    assert_eq!(approval("approval: { message: Now?, by: ops }"), asked(Some("Now?"), &["ops"], None));
}

#[test]
fn a_group_has_a_policy_for_the_run_and_for_a_job() {
    let group = |group: &str, policy| Some(Concurrency { group: group.to_owned(), policy });
    let text = "concurrency: { group: \"ci-${{ branch }}\", policy: cancel-running }\njobs:\n  a: { concurrency: production, steps: [x] }\n  b: { concurrency: { group: b, policy: cancel-pending }, steps: [x] }\n";
    let plan = plan_with(&push("main"), text);
    assert_eq!(plan.concurrency, group("ci-main", Policy::CancelRunning));
    assert_eq!(plan.jobs[0].concurrency, group("production", Policy::Queue));
    assert_eq!(plan.jobs[1].concurrency, group("b", Policy::CancelPending));
    let one = plan_with(&push("main"), "concurrency: a\nsteps: [x]");
    assert_eq!((one.concurrency, &one.jobs[0].concurrency), (group("a", Policy::Queue), &None));
}

#[test]
fn each_way_of_a_service_reaches_the_plan() {
    let services = job(
        "services: { a: { image: a, ready: { port: 5432, timeout: 5s } }, b: { image: b, ready: { command: is ready }, timeout: 2m }, \
         c: { image: \"c:${{ branch }}\", ready: { log: up }, command: [serve, -a], env: { X: \"${{ branch }}\" } }, d: { image: d, command: one } }",
    )
    .services;
    let ready: Vec<(&str, &Ready, u64)> =
        services.iter().map(|service| (service.image.as_str(), &service.ready, service.ready_timeout_ms)).collect();
    let expected = [
        ("a", &Ready::Port(5432), 5_000),
        ("b", &Ready::Command("is ready".to_owned()), 120_000),
        ("c:main", &Ready::Log("up".to_owned()), 60_000),
        ("d", &Ready::Health, 60_000),
    ];
    assert_eq!(ready, expected);
    assert_eq!(services[2].command, Some(texts(&["serve", "-a"])));
    assert_eq!(services[3].command, Some(texts(&["one"])));
    assert_eq!(services[2].env, BTreeMap::from([("X".to_owned(), "main".to_owned())]));
}

#[test]
fn shell_and_network_come_from_the_step_the_job_or_the_defaults() {
    let text = "defaults: { shell: [python3, -u], network: none }
jobs:
  a: { image: i, steps: [x, { run: y, shell: sh, network: default }] }
  b: { image: i, shell: bash, network: default, steps: [x, { run: [y], network: none }, { name: plugin }] }
";
    let plan = plan_with(&push("main"), text);
    let of = |job: usize, step: usize| {
        let step = &plan.jobs[job].steps[step];
        let shell = match &step.action {
            Action::Script { shell, .. } => shell.join(" "),
            Action::EntryPoint => "none".to_owned(),
        };
        (shell, step.network)
    };
    assert_eq!(of(0, 0), ("python3 -u".to_owned(), Network::None));
    assert_eq!(of(0, 1), ("/bin/sh -e".to_owned(), Network::Default));
    assert_eq!(of(1, 0), ("bash -eo pipefail".to_owned(), Network::Default));
    assert_eq!(of(1, 1), ("bash -eo pipefail".to_owned(), Network::None));
    assert_eq!(of(1, 2), ("none".to_owned(), Network::Default));
}

#[test]
fn when_an_image_is_pulled_comes_from_the_nearest_that_says_so() {
    let text = "defaults: { pull: never }
jobs:
  a: { image: i, pull: always, services: { d: { image: d }, e: { image: e, pull: missing } }, steps: [x, { run: y, pull: missing }] }
  b: { image: i, services: { d: { image: d } }, steps: [x] }
";
    let plan = plan_with(&push("main"), text);
    let of = |job: usize| {
        let job = &plan.jobs[job];
        let steps: Vec<_> = job.steps.iter().map(|step| step.pull).collect();
        (steps, job.services.iter().map(|service| service.pull).collect::<Vec<_>>())
    };
    let [always, missing, never] = [Pull::Always, Pull::Missing, Pull::Never].map(Some);
    assert_eq!(of(0), (vec![always, missing], vec![always, missing]));
    assert_eq!(of(1), (vec![never], vec![never]));
    assert_eq!((step("timeout: 1m").pull, step("pull: never").pull), (None, never));
}

#[test]
fn labels_and_an_environment_are_kept() {
    let job = job("runs_on: [arm64, large, arm64]\n    environment: \"review-${{ branch }}\"");
    assert_eq!((job.runs_on, job.environment), (texts(&["arm64", "large"]), Some("review-main".into())));
    assert_eq!(self::job("runs_on: arm64").runs_on, texts(&["arm64"]));
}

#[test]
fn a_step_may_be_named_after_what_it_is_made_for() {
    let text = "jobs:
  a:
    image: i
    matrix: { v: [\"1/2\", b] }
    steps:
      - { name: \"test ${{ matrix.v }} on ${{ branch }}\", run: x }
      - { name: after, run: y, needs: [\"test ${{ matrix.v }} on ${{ branch }}\"] }
";
    let plan = plan_with(&push("main"), text);
    let names: Vec<&str> = plan.jobs.iter().flat_map(|job| &job.steps).map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["test 1_2 on main", "after", "test b on main", "after"]);
    assert_eq!(plan.jobs[1].steps[1].needs, [0]);
    let found = |text: &str, branch: &str| match read("f", text.as_bytes(), &push(branch), &ReadOptions::default()) {
        Reading::Invalid(problems) => {
            problems.into_iter().map(|problem| format!("{} {}", problem.code, problem.column)).collect()
        }
        _ => Vec::new(),
    };
    let same = "steps: [{ name: main, run: x }, { name: \"${{ branch }}\", run: y }]";
    assert_eq!(found(same, "main"), ["duplicate-name 41"]);
    assert_eq!(found(same, "dev"), [""; 0]);
    assert_eq!(found("steps: [{ name: \"${{ tag }}\", run: x }]", "main"), ["name 17"]);
    assert_eq!(codes("steps: [{ name: \"${{ run.id }}\", run: x }]"), ["late-name"]);
    let referred =
        "steps: [{ name: \"a ${{ branch }}\", run: x }, { run: y, env: { A: \"${{ steps['a ${{ branch }}'].outputs.x }}\" } }]";
    assert_eq!(codes(referred).len(), 1);
}

#[test]
fn secrets_are_variables_with_their_names() {
    let secrets =
        |keys: &str| step(keys).secrets.into_iter().map(|(variable, name)| format!("{variable}={name}")).collect::<Vec<_>>();
    assert_eq!(secrets("secrets: [A, B]"), ["A=A", "B=B"]);
    assert_eq!(secrets("secrets: A"), ["A=A"]);
    assert_eq!(secrets("secrets: { A: prod.key, B: prod.key }"), ["A=prod.key", "B=prod.key"]);
    assert_eq!(secrets("secrets: []"), [""; 0]);
}

#[test]
fn what_a_step_keeps_is_kept() {
    let step = step(
        "cache: [{ key: \"a-${{ branch }}\", paths: [./target/, /root//.cargo, target], restore: [a-, \"\\u0061\"] }, { key: b, paths: b }], \
         artifacts: { paths: [./dist/**, \"*.log\"], expire: 30d, required: true }, reports: { junit: \"**/*.xml\" }",
    );
    let caches: Vec<(&str, String, Vec<&str>)> = step
        .cache
        .iter()
        .map(|cache| (cache.key.shown(), cache.paths.join(" "), cache.restore.iter().map(Text::shown).collect()))
        .collect();
    assert_eq!(caches, [("a-main", "target /root/.cargo".to_owned(), vec!["a-", "a"]), ("b", "b".to_owned(), vec![])]);
    let ArtifactsPlan { paths, expire_ms, required } = step.artifacts.unwrap();
    assert_eq!((paths, expire_ms, required), (texts(&["dist/**", "*.log"]), Some(30 * 86_400_000), true));
    assert_eq!(step.junit, texts(&["**/*.xml"]));
    let short = self::step("artifacts: [a, b]").artifacts.unwrap();
    assert_eq!((short.paths, short.expire_ms, short.required), (texts(&["a", "b"]), None, false));
}

#[test]
fn settings_are_variables_and_what_is_nested_is_json() {
    let text = "steps: [{ image: i, with: { files: dist/*, draft: true, n: 1.50, none: , api-key: x, deep: { a: [1, 0x10, 2.5, ~, no, \"1\", \"${{ branch }}\"], b: {} }, list: [a, b] } }]";
    let env = plan_with(&push("main"), text).jobs.remove(0).steps.remove(0).env;
    let env: Vec<String> = env.iter().map(|(variable, value)| format!("{variable}={}", value.shown())).collect();
    let expected = [
        "PLUGIN_API_KEY=x",
        "PLUGIN_DEEP={\"a\":[1,16,2.5,null,\"no\",\"1\",\"main\"],\"b\":{}}",
        "PLUGIN_DRAFT=true",
        "PLUGIN_FILES=dist/*",
        "PLUGIN_LIST=[\"a\",\"b\"]",
        "PLUGIN_N=1.50",
        "PLUGIN_NONE=",
    ];
    assert_eq!(env, expected);
}

#[test]
fn inputs_have_their_types_and_defaults() {
    let text = "on: { manual: { inputs: { a: { options: [x, y], default: y }, b: { type: number, default: -0.5 }, c: { type: boolean, default: true }, d: , e: { default: 1.0 } } } }\nsteps: [x]";
    let inputs = plan_with(&Trigger { event: Event::Manual, ..push("main") }, text).inputs;
    assert_eq!(inputs["a"], InputValue::Text("y".to_owned()));
    assert_eq!(inputs["b"], InputValue::Number("-0.5".to_owned()));
    assert_eq!(inputs["c"], InputValue::Boolean(true));
    assert_eq!(inputs["d"], InputValue::Text(String::new()));
    assert_eq!(inputs["e"], InputValue::Text("1.0".to_owned()));
}
