//! Artifacts and caches with real Docker, by the real binary: on a server and on a laptop.

#[path = "support/process.rs"]
mod process;
#[path = "support/mod.rs"]
mod support;
#[path = "support/tree.rs"]
mod tree;

use process::{IMAGE, Served, docker_names};
use serde_json::Value;
use support::{PATIENCE, Remote};
use tree::Tree;

/// The lines of a step's log.
async fn log(served: &Served, run: &Value, job: &str, step: &str) -> Vec<String> {
    let page = served.get(&format!("/api/v1/runs/{}/steps/{job}/{step}/log", run["id"].as_str().unwrap())).await;
    page["lines"].as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
}

async fn artifacts(served: &Served, run: &Value) -> Vec<String> {
    let page = served.get(&format!("/api/v1/runs/{}/artifacts", run["id"].as_str().unwrap())).await;
    let items = page["items"].as_array().unwrap().iter();
    items
        .map(|item| format!("{} {} {:o}", item["path"].as_str().unwrap(), item["size"], item["mode"].as_u64().unwrap()))
        .collect()
}

async fn cached(served: &Served, repo: &str, count: usize) -> Vec<Value> {
    let looked = tokio::time::timeout(PATIENCE, async {
        loop {
            let page = served.get(&format!("/api/v1/repos/{repo}/caches")).await;
            let items = page["items"].as_array().unwrap().clone();
            if items.len() == count {
                return items;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    looked.await.unwrap_or_else(|_| panic!("waited in vain for {count} caches\n{}", served.log()))
}

#[tokio::test]
async fn what_a_step_left_is_kept_downloaded_and_in_the_next_jobs_workspace() {
    let pipeline = format!(
        r#"
defaults: {{ image: {IMAGE} }}
jobs:
  build:
    steps:
      - name: dist
        run: |
          mkdir -p dist/deep
          echo hello > dist/greeting
          echo hello > dist/deep/again
          printf '#!/bin/sh\necho runs\n' > dist/deep/tool; chmod 755 dist/deep/tool
          head -c 3000000 /dev/zero > dist/big
          echo no > other
        artifacts: {{ paths: ["dist/**"], required: true }}
  use:
    needs: [build]
    steps:
      - name: look
        run: |
          cat dist/greeting dist/deep/again; dist/deep/tool; wc -c < dist/big; ls other || true
          echo mine > dist/greeting
"#
    );
    let served = Served::start();
    let remote = Remote::with(&pipeline);
    served.add_repo("shop", &remote.url()).await;
    let run = served.ended("shop", 1).await;
    assert_eq!(run["outcome"], "passed", "{run:#}\n{}", served.log());
    assert_eq!(
        artifacts(&served, &run).await,
        ["dist/big 3000000 644", "dist/deep/again 6 644", "dist/deep/tool 20 755", "dist/greeting 6 644"]
    );
    assert_eq!(log(&served, &run, "build", "dist").await, ["kept 4 artifacts, 2.8 MiB"]);
    let seen = log(&served, &run, "use", "look").await;
    assert_eq!(seen[..4], ["hello", "hello", "runs", "3000000"], "{seen:?}");
    assert!(seen.iter().any(|line| line.contains("other: No such file")), "{seen:?}");
    let tool = format!("{}/api/v1/runs/{}/artifacts/build/dist/deep/tool", served.url, run["id"].as_str().unwrap());
    assert_eq!(reqwest::get(tool).await.unwrap().text().await.unwrap(), "#!/bin/sh\necho runs\n");

    let tree = Tree::bare(&[]);
    let listed = tree.call(&["artifacts", "shop#1", "--server", &served.url]).ends_with(0);
    assert!(listed.stdout.contains("dist/deep/tool") && listed.stdout.contains("2.8 MiB"), "{}", listed.stdout);
    let one = tree.call(&["artifacts", "shop#1", "build/dist/greeting", "--server", &served.url]).ends_with(0);
    assert_eq!(one.stdout, "hello\n");
    tree.call(&["artifacts", "shop#1", "dist/deep", "-o", "deep.tar", "--server", &served.url]).ends_with(0);
    let mut archive = tar::Archive::new(std::fs::File::open(tree.path().join("deep.tar")).unwrap());
    let names: Vec<_> = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
    assert_eq!(names, ["dist/deep/again", "dist/deep/tool"]);
    let none = tree.call(&["artifacts", "shop#1", "nothing", "--server", &served.url]).ends_with(4);
    assert!(none.stderr.contains("no artifact `nothing`"), "{}", none.stderr);
    served.nothing_left().await;
}

#[tokio::test]
async fn what_is_no_plain_file_fails_the_step_by_name() {
    let pipeline = format!(
        "image: {IMAGE}\nsteps:\n  - name: s\n    run: |\n      mkdir dist; echo 1 > dist/ok; ln -s /etc/passwd dist/link; mkfifo dist/pipe; ln dist/ok dist/hard\n      \
         echo x > \"dist/new\n      line\"\n    artifacts: [\"dist/**\"]\n"
    );
    let served = Served::start();
    let remote = Remote::with(&pipeline);
    served.add_repo("shop", &remote.url()).await;
    let run = served.ended("shop", 1).await;
    let step = &run["jobs"][0]["steps"][0];
    assert_eq!(step["outcome"], "failed", "{run:#}");
    let reason = step["reason"].as_str().unwrap();
    for words in ["`dist/link` is a symbolic link", "`dist/pipe` is a fifo", "is a hard link", "control character"] {
        assert!(reason.contains(words), "{words}: {reason}");
    }
    assert_eq!(artifacts(&served, &run).await, [""; 0]);
    served.nothing_left().await;
}

const CACHING: &str = r#"
image: IMAGE
steps:
  - name: fill
    run: |
      cat /opt/deps/lock build/out 2>/dev/null || echo cold
      mkdir -p /opt/deps build; echo KEY > /opt/deps/lock; echo KEY > build/out; ln -sf lock /opt/deps/link
      EXIT
    cache: { key: "KEY", paths: [/opt/deps, build], restore: ["v"] }
"#;

fn caching(key: &str, exit: &str) -> String {
    CACHING.replace("IMAGE", IMAGE).replace("KEY", key).replace("EXIT", exit)
}

#[tokio::test]
async fn a_cache_of_one_run_is_in_the_containers_of_the_next() {
    let served = Served::start();
    let remote = Remote::with(&caching("v1", "exit 3"));
    served.add_repo("shop", &remote.url()).await;
    let mut number = 0;
    let next = async |key: &str, exit: &str, number: &mut u64| {
        if *number > 0 {
            remote.commit(&[(".gantry.yml", &caching(key, exit)), ("n", &number.to_string())], "next");
            assert_eq!(served.post("/api/v1/repos/shop/sync", Value::Null).await.0, 202);
        }
        *number += 1;
        let run = served.ended("shop", *number).await;
        log(&served, &run, "gantry", "fill").await
    };
    let failed = next("v1", "exit 3", &mut number).await;
    assert_eq!(failed, ["cache `v1`: there is none yet", "cold"]);
    let first = next("v1", "exit 0", &mut number).await;
    assert_eq!(first[..2], ["cache `v1`: there is none yet", "cold"], "a failed job saves nothing: {first:?}");
    cached(&served, "shop", 1).await;
    served.nothing_left().await;
    let exact = next("v1", "exit 0", &mut number).await;
    assert!(exact[0].starts_with("cache `v1`: ") && exact[0].contains("made"), "{exact:?}");
    assert_eq!(exact[1..], ["v1", "v1"], "from the absolute path and from the work tree");
    let other = next("v2", "readlink /opt/deps/link", &mut number).await;
    assert!(other[0].contains("the newest like it is `v1`"), "{other:?}");
    assert_eq!(other[1..4], ["v1", "v1", "lock"], "links in a cache are links still");
    let kept = cached(&served, "shop", 2).await;
    assert_eq!(kept[0]["key"], "v2");
    served.nothing_left().await;

    let tree = Tree::bare(&[]);
    let list = tree.call(&["cache", "list", "shop", "--server", &served.url]).ends_with(0);
    assert!(list.stdout.contains("v1") && list.stdout.contains("trusted"), "{}", list.stdout);
    tree.call(&["cache", "rm", "shop", "v1", "--server", &served.url]).ends_with(0);
    assert_eq!(cached(&served, "shop", 1).await[0]["key"], "v2");
    assert!(tree.call(&["cache", "rm", "shop", "v1", "--server", &served.url]).ends_with(4).stderr.contains("no cache `v1`"));
}

#[test]
fn on_a_laptop_caches_last_from_one_run_to_the_next_and_artifacts_are_written_out() {
    let pipeline = caching("v1", "mkdir -p dist; echo made > dist/x") + "    artifacts: [\"dist/**\"]\n";
    for executor in ["docker", "host"] {
        let pipeline = if executor == "host" { pipeline.replace("/opt/deps", "deps") } else { pipeline.clone() };
        let tree = Tree::with(&[(".gantry.yml", &pipeline)]);
        let call = |out: &str| tree.call(&["run", "--executor", executor, "--artifacts", out]);
        let first = call("out").ends_with(0);
        let said = format!("{}{}", first.stdout, first.stderr);
        assert!(said.contains("cold") && said.contains("there is none yet"), "{executor}: {said}");
        assert_eq!(std::fs::read_to_string(tree.path().join("out/gantry/dist/x")).unwrap(), "made\n", "{executor}");
        let second = call("out2").ends_with(0);
        let said = format!("{}{}", second.stdout, second.stderr);
        assert!(said.contains("v1") && !said.contains("cold"), "{executor}: {said}");
        let refused = call("out2").ends_with(2);
        assert!(refused.stderr.contains("is not empty"), "{executor}: {}", refused.stderr);
        // Another work tree has caches of its own.
        let other = Tree { cache: tree.cache, ..Tree::with(&[(".gantry.yml", &pipeline)]) };
        let called = other.call(&["run", "--executor", executor]).ends_with(0);
        assert!(format!("{}{}", called.stdout, called.stderr).contains("cold"), "{executor}");
        assert_eq!((other.leftovers().len(), docker_names(None, other.temp.path()).len()), (0, 0));
    }
}
