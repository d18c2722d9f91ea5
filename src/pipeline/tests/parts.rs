//! What stands around steps, and what they keep: from the file to the plan.

use super::*;

#[test]
fn the_parts_of_a_job_are_in_its_plan() {
    let plan = planned(
        "name: p
concurrency: { group: \"ci-${{ branch }}-${{ env.X }}\", policy: cancel-pending }
env: { X: x }
jobs:
  a:
    services:
      db: { image: \"postgres:${{ env.X }}\", env: { P: \"${{ env.Y }}\" }, command: [a, b], ready: { port: 5432, timeout: 5s } }
      web: { image: w, ready: { log: up } }
      plain: { image: w }
    env: { Y: y }
    resources: { cpu: 0.5, memory: 1GiB, pids: 9 }
    checkout: { depth: 50, submodules: true }
    approval: { message: \"Go for ${{ branch }}?\", by: [ann], timeout: 1h }
    environment: prod-${{ branch }}
    concurrency: deploy
    steps: [x]
    outputs: { v: \"${{ steps.step1.outputs.v }}\", w: \"${{ branch }}\" }
",
        &push("main"),
    );
    let group = Concurrency { group: "ci-main-x".to_owned(), policy: Policy::CancelPending };
    assert_eq!(plan.concurrency, Some(group));
    let job = &plan.jobs[0];
    let [db, web, plain] = job.services.as_slice() else { panic!("{:?}", job.services) };
    assert_eq!((db.name.as_str(), db.image.as_str(), db.env["P"].as_str()), ("db", "postgres:x", "y"));
    assert_eq!(
        (&db.command, &db.ready, db.ready_timeout_ms),
        (&Some(vec!["a".to_owned(), "b".to_owned()]), &Ready::Port(5432), 5_000)
    );
    assert_eq!((&web.ready, &plain.ready), (&Ready::Log("up".to_owned()), &Ready::Health));
    assert_eq!(db.env.len(), 1, "a service has its own variables alone");
    let resources = Resources { cpu_millis: Some(500), memory_bytes: Some(1 << 30), pids: Some(9) };
    assert_eq!(job.resources, resources);
    assert_eq!(job.checkout, CheckoutPlan { depth: Some(50), submodules: true });
    let approval = Approval { message: Some("Go for main?".into()), by: vec!["ann".to_owned()], timeout_ms: Some(3_600_000) };
    assert_eq!(job.approval, Some(approval));
    assert_eq!(job.environment, Some("prod-main".into()));
    assert_eq!(job.concurrency, Some(Concurrency { group: "deploy".to_owned(), policy: Policy::Queue }));
    assert_eq!(job.outputs["w"], "main".into());
    assert_eq!(job.outputs["v"], Text::Late(Late::new("${{ steps.step1.outputs.v }}")));
}

#[test]
fn the_parts_of_a_step_are_in_its_plan() {
    let plan = planned(
        "image: i
steps:
  - run: x
    network: none
    secrets: { KEY: prod_key, OTHER: OTHER }
    cache:
      - { key: \"a-${{ branch }}\", paths: [target, /root/x], restore: [\"a-\", \"${{ default_branch }}\"] }
      - { key: b, paths: [c] }
    artifacts: { paths: [\"dist/**\"], expire: 30d, required: true }
    reports: { junit: \"**/*.xml\" }
  - name: plugin
    env: { PLUGIN_A: own, Z: z }
    with:
      a: \"${{ branch }}\"
      draft: true
      count: 3
      api-key: k
      files: [dist/*, { b: \"q\\\"${{ env.Z }}\", a: [1, 1.50, null, false, []], z: {} }]
",
        &push("main"),
    );
    let [step, plugin] = plan.jobs[0].steps.as_slice() else { panic!() };
    assert_eq!(step.network, Network::None);
    assert_eq!(
        step.secrets.iter().map(|(variable, secret)| format!("{variable}={secret}")).collect::<Vec<_>>(),
        ["KEY=prod_key", "OTHER=OTHER"]
    );
    assert_eq!(step.cache[0].key, "a-main".into());
    assert_eq!(step.cache[0].paths, ["target", "/root/x"]);
    assert_eq!(step.cache[0].restore, ["a-".into(), "main".into()]);
    assert_eq!(step.cache.len(), 2);
    let artifacts = ArtifactsPlan { paths: vec!["dist/**".to_owned()], expire_ms: Some(30 * 86_400_000), required: true };
    assert_eq!(step.artifacts, Some(artifacts));
    assert_eq!(step.junit, ["**/*.xml"]);
    let settings: Vec<String> = plugin.env.iter().map(|(name, value)| format!("{name}={}", value.shown())).collect();
    assert_eq!(
        settings,
        [
            "PLUGIN_A=main",
            "PLUGIN_API_KEY=k",
            "PLUGIN_COUNT=3",
            "PLUGIN_DRAFT=true",
            "PLUGIN_FILES=[\"dist/*\",{\"b\":\"q\\\"z\",\"a\":[1,1.5,null,false,[]],\"z\":{}}]",
            "Z=z",
        ]
    );
    assert_eq!(plugin.action, Action::EntryPoint);
}

#[test]
fn defaults_and_the_job_give_steps_their_shell_and_network() {
    let plan = planned(
        "defaults: { shell: bash, network: none }\njobs:\n  a: { network: default, steps: [x] }\n  b: { steps: [x, { run: y, shell: sh }] }",
        &push("m"),
    );
    let of = |job: usize, step: usize| {
        let step = &plan.jobs[job].steps[step];
        let Action::Script { shell, .. } = &step.action else { panic!() };
        (shell[0].as_str(), step.network)
    };
    assert_eq!([of(0, 0), of(1, 0), of(1, 1)], [("bash", Network::Default), ("bash", Network::None), ("/bin/sh", Network::None)]);
}

#[test]
fn a_value_that_only_this_trigger_makes_wrong_is_told_in_its_place() {
    let text = "concurrency: \"${{ tag }}\"\nenvironment: \"${{ 'a' }}\"\nsteps:\n  - run: x\n    cache: { key: \"${{ hash('none') }}\", paths: [p] }\n    env: { V: \"${{ branch.matches(branch + '(') }}\" }\n";
    assert_eq!(codes(text), [""; 0]);
    let Reading::Invalid(problems) = read("f.yml", text.as_bytes(), &push("main"), &ReadOptions::default()) else { panic!() };
    let told: Vec<(usize, usize, &str)> =
        problems.iter().map(|problem| (problem.line, problem.column, problem.message.as_str())).collect();
    let expected = [(1, 14, "the group's name is empty for this trigger"), (5, 24, "the files of the commit are not known here")];
    assert_eq!(told[..2], expected);
    assert_eq!((told[2].0, told[2].1), (6, 20));
    assert!(told[2].2.starts_with("the expression cannot be evaluated"), "{told:?}");
}
