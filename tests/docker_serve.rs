//! The real server with real Docker and real git, as people use it: pushes, hooks, hostile steps, and `kill -9`.

#[path = "support/process.rs"]
mod process;
#[path = "support/mod.rs"]
mod support;

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use process::{IMAGE, Served};
use serde_json::{Value, json};
use support::Remote;

fn pipeline(steps: &str) -> String {
    format!("image: {IMAGE}\nsteps:\n{steps}")
}

fn texts(lines: &[(String, String)], stream: &str) -> Vec<String> {
    lines.iter().filter(|(of, _)| of == stream).map(|(_, text)| text.clone()).collect()
}

#[tokio::test]
async fn a_push_runs_in_containers_with_a_work_tree_and_leaves_nothing_behind() {
    let served = Served::start();
    let remote = Remote::with(&pipeline(
        "  - name: write\n    run: echo made > made.txt; echo \"on $CI_COMMIT_BRANCH in $PWD\"; echo oops >&2\n  - name: read\n    run: cat made.txt && test -d .git && head -c 4 .git/HEAD\n",
    ));
    served.add_repo("shop", &remote.url()).await;
    let run = served.ended("shop", 1).await;
    assert_eq!(run["outcome"], "passed", "{run:#}");
    let lines = served.log_of(&run, "gantry", "write").await;
    assert_eq!(texts(&lines, "stdout"), ["on main in /workspace"]);
    assert_eq!(texts(&lines, "stderr"), ["oops"]);
    assert_eq!(texts(&served.log_of(&run, "gantry", "read").await, "stdout")[0], "made");
    served.nothing_left().await;
}

#[tokio::test]
async fn a_signed_hook_polls_at_once_and_an_unsigned_one_writes_nothing() {
    let served = Served::start();
    let remote = Remote::with(&pipeline("  - echo hello\n"));
    let secret = served.add_repo("shop", &remote.url()).await;
    served.ended("shop", 1).await;
    remote.commit(&[("a", "1")], "second");
    let body = r#"{"ref":"refs/heads/main"}"#;
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let name = "X-Gantry-Signature-256";
    assert_eq!(served.post_raw("/hooks/generic/shop", None, body).await, 401);
    assert_eq!(served.post_raw("/hooks/generic/shop", Some((name, "sha256=00")), body).await, 401);
    assert_eq!(served.post_raw("/hooks/generic/nowhere", Some((name, &signature)), body).await, 401);
    assert_eq!(served.post_raw("/hooks/generic/shop", Some((name, &signature)), "{}").await, 401);
    assert!(served.run("shop", 2).await.is_none());
    assert_eq!(served.post_raw("/hooks/generic/shop", Some((name, &signature)), body).await, 202);
    assert_eq!(served.ended("shop", 2).await["message"].as_str().unwrap().trim(), "second");
}

#[tokio::test]
async fn a_secret_reaches_the_step_and_no_form_of_it_the_log_also_when_the_server_dies_meanwhile() {
    let mut served = Served::start();
    served.keep_address();
    let remote = Remote::empty();
    served.add_repo("shop", &remote.url()).await;
    let (token, key) = ("t0k/n-Hunter2+x", "-----BEGIN KEY-----\nQUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=\nQ==\n-----END KEY-----\n");
    served.set_secret("/api/v1/repos/shop/secrets/TOKEN", token).await;
    served.set_secret("/api/v1/secrets/prod_key", key).await;
    let steps = r#"  - name: use
    secrets: { TOKEN: TOKEN, KEY: prod_key }
    run: |
      test "${#TOKEN}" = 15 && test "$(printf %s "$KEY" | wc -l)" = 4
      echo "plain $TOKEN"; printf %s "$TOKEN" | base64; echo "user:$TOKEN" | base64; printf %s "$TOKEN" | od -An -tx1 | tr -d ' \n'; echo
      printf %s "half ${TOKEN%Hunter2*}"; sleep 2; echo "${TOKEN#*n-}"
      echo "$KEY" >&2
      echo ready; printf %s "cut ${TOKEN%+x}"; sleep 3; echo +x
      echo "v=$TOKEN" >> "$GANTRY_OUTPUT"; set -x; : "$TOKEN"
"#;
    remote.commit(&[(".gantry.yml", &pipeline(steps))], "first");
    served.sync("shop").await;
    let run = served.step_is("shop", 1, 0, "running").await;
    served.said(&run, "gantry", "use", "ready").await;
    served.kill();
    served.boot();
    let run = served.ended("shop", 1).await;
    assert_eq!(run["outcome"], "passed", "{run:#}");
    let lines = served.log_of(&run, "gantry", "use").await;
    let stdout = texts(&lines, "stdout");
    assert_eq!(stdout.len(), 7, "{stdout:?}");
    assert!(stdout[2].starts_with("dXNlcj") && stdout[2].contains("***") && stdout[2].len() < 14, "{stdout:?}");
    let whole: Vec<_> = stdout.iter().enumerate().filter(|(at, _)| *at != 2).map(|(_, line)| line.as_str()).collect();
    assert_eq!(whole, ["plain ***", "***", "***", "half ***", "ready", "cut ***"]);
    assert_eq!(texts(&lines, "stderr"), ["***", "", "+ : ***"]);
    assert!(!run.to_string().contains(token) && !served.log().contains(token));
    served.nothing_left().await;
}

#[tokio::test]
async fn a_step_of_200_000_lines_is_kept_whole() {
    let served = Served::start();
    let remote = Remote::with(&pipeline("  - name: count\n    run: seq 1 200000\n"));
    served.add_repo("shop", &remote.url()).await;
    let run = served.ended("shop", 1).await;
    assert_eq!(run["outcome"], "passed", "{run:#}");
    let lines = texts(&served.log_of(&run, "gantry", "count").await, "stdout");
    assert_eq!(lines.len(), 200_000);
    let wrong = lines.iter().zip(1..).find(|(line, n)| line.parse() != Ok(*n));
    assert!(wrong.is_none(), "{wrong:?}");
}

#[tokio::test]
async fn a_cancelled_step_that_ignores_sigterm_is_killed_after_the_grace() {
    let dir = tempfile::tempdir().unwrap();
    let settings = dir.path().join("settings.yml");
    std::fs::write(&settings, "grace: 1s\n").unwrap();
    let served = Served::start_with(&["--config", settings.to_str().unwrap()], &[]);
    let remote = Remote::with(&pipeline(
        "  - name: stubborn\n    run: |\n      trap 'echo no' TERM\n      echo ready\n      while true; do sleep 0.1; done\n  - name: never\n    run: echo never\n  - name: tidy\n    run: echo tidy\n    when: always\n",
    ));
    served.add_repo("shop", &remote.url()).await;
    let run = served.step_is("shop", 1, 0, "running").await;
    let (status, body) = served.post(&format!("/api/v1/runs/{}/cancel", run["id"].as_str().unwrap()), Value::Null).await;
    assert!((200..300).contains(&status), "{status} {body}");
    let run = served.ended("shop", 1).await;
    assert_eq!(run["outcome"], "cancelled", "{run:#}");
    let outcomes: Vec<_> = run["jobs"][0]["steps"].as_array().unwrap().iter().map(|step| step["outcome"].clone()).collect();
    assert_eq!(outcomes, [json!("cancelled"), json!("cancelled"), json!("passed")]);
    served.nothing_left().await;
}

#[tokio::test]
async fn killed_ten_times_it_loses_and_doubles_no_line_and_runs_nothing_twice() {
    let mut served = Served::start();
    let remote = Remote::with(&pipeline(
        "  - name: first\n    run: |\n      echo once >> ran.txt\n      i=0; while [ $i -lt 6000 ]; do i=$((i+1)); echo line $i; [ $((i % 10)) = 0 ] && usleep 10000; done; true\n  - name: second\n    run: |\n      echo once >> ran.txt\n      sleep 1\n      wc -l < ran.txt\n",
    ));
    served.add_repo("shop", &remote.url()).await;
    served.step_is("shop", 1, 0, "running").await;
    for round in 0..10_u64 {
        // Different moments: just after the start, and in the middle of the output.
        tokio::time::sleep(Duration::from_millis(20 + round * 67 % 400)).await;
        served.kill();
        tokio::time::sleep(Duration::from_millis(round * 31 % 200)).await;
        served.boot();
    }
    let run = served.ended("shop", 1).await;
    assert_eq!(run["outcome"], "passed", "{run:#}\n{}", served.log());
    let lines = texts(&served.log_of(&run, "gantry", "first").await, "stdout");
    let expected: Vec<String> = (1..=6000).map(|n| format!("line {n}")).collect();
    let wrong = lines.iter().zip(&expected).find(|(line, expected)| line != expected);
    assert!(wrong.is_none() && lines.len() == expected.len(), "{wrong:?}, {} lines", lines.len());
    assert_eq!(texts(&served.log_of(&run, "gantry", "second").await, "stdout"), ["2"], "each step ran once");
    served.nothing_left().await;
}

#[tokio::test]
async fn what_ends_while_the_server_is_away_is_told_as_if_it_had_just_happened() {
    let mut served = Served::start();
    let remote = Remote::with(&pipeline("  - name: red\n    run: sleep 1; echo gone; exit 7\n"));
    served.add_repo("shop", &remote.url()).await;
    served.step_is("shop", 1, 0, "running").await;
    let ended = served.terminate();
    assert!(ended.success(), "{ended}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    served.boot();
    let run = served.ended("shop", 1).await;
    assert_eq!((&run["outcome"], &run["jobs"][0]["steps"][0]["exit_code"]), (&json!("failed"), &json!(7)), "{run:#}");
    assert_eq!(texts(&served.log_of(&run, "gantry", "red").await, "stdout"), ["gone"]);
    served.nothing_left().await;
}

#[tokio::test]
async fn two_servers_on_one_engine_leave_each_other_alone() {
    let (mut one, two) = (Served::start(), Served::start());
    let remote = Remote::with(&pipeline("  - name: long\n    run: echo begun; sleep 3; echo done\n"));
    one.add_repo("shop", &remote.url()).await;
    two.add_repo("shop", &remote.url()).await;
    one.step_is("shop", 1, 0, "running").await;
    two.step_is("shop", 1, 0, "running").await;
    // A start sweeps what is its own and not what is the other's.
    one.kill();
    one.boot();
    assert_eq!(one.ended("shop", 1).await["outcome"], "passed");
    assert_eq!(two.ended("shop", 1).await["outcome"], "passed");
    one.nothing_left().await;
    two.nothing_left().await;
}

#[tokio::test]
async fn a_missing_image_is_an_error_that_says_which() {
    let served = Served::start();
    let remote = Remote::with("steps:\n  - { name: pull, image: \"127.0.0.1:1/none/such:1\", run: true }\n");
    served.add_repo("shop", &remote.url()).await;
    let run = served.ended("shop", 1).await;
    assert_eq!(run["outcome"], "error", "{run:#}");
    let reason = run["jobs"][0]["steps"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("127.0.0.1:1/none/such:1"), "{reason}");
}

#[tokio::test]
async fn a_second_server_on_the_same_directory_is_refused_with_a_sentence() {
    let served = Served::start();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_gantry"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(served.data.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("in use"), "{said}");
}

/// The sandboxes that wait, once there are as many as there should be.
async fn full_pool(served: &Served) -> Vec<String> {
    let looked = tokio::time::timeout(support::PATIENCE, async {
        loop {
            let pool = served.pool();
            if pool.len() == 2 {
                return pool;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    looked.await.unwrap_or_else(|_| panic!("the pool is {:?}\n{}", served.pool(), served.log()))
}

#[tokio::test]
async fn jobs_take_sandboxes_that_wait_each_its_own_and_none_is_left_when_the_server_ends() {
    let mut served = Served::start();
    let first = full_pool(&served).await;
    let look = "  - { name: a, run: \"ls /proc/net/dev; hostname\" }\n  - { name: long, run: sleep 3 }\n";
    let remote = Remote::with(&pipeline(look));
    served.add_repo("shop", &remote.url()).await;
    let run = served.step_is("shop", 1, 1, "running").await;
    let left: Vec<String> = served.pool();
    assert!(first.iter().any(|name| !left.contains(name)), "none was taken: {first:?} {left:?}");
    // The container of the first process that waits knows its job by its name alone; a new server finds it all the same.
    served.kill();
    served.boot();
    let run = served.ended("shop", run["number"].as_u64().unwrap()).await;
    assert_eq!(run["outcome"], "passed", "{run:#}\n{}", served.log());
    served.nothing_left().await;
    let second = full_pool(&served).await;
    assert!(second.iter().all(|name| !first.contains(name)), "{first:?} {second:?}");
    assert!(served.terminate().success());
    assert_eq!(served.pool(), Vec::<String>::new());
}
