//! The sample repositories and the ready-made pipelines do what their READMEs say.

#[path = "support/process.rs"]
mod process;
#[path = "support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use process::{IMAGE, Served};
use serde_json::Value;
use support::Remote;

fn root(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(of)
}

/// Every file below, as paths from there, sorted.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(below) = open.pop() {
        for entry in std::fs::read_dir(below).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(dir).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// An example as a fresh repository, with the image that the tests have (see `examples/README.md`).
fn example(name: &str) -> Remote {
    let (from, remote) = (root("examples").join(name), Remote::empty());
    for file in files_below(&from) {
        let to = remote.dir.path().join(&file);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from.join(&file), &to).unwrap();
        if file.extension().is_some_and(|extension| extension == "yml") {
            let text = std::fs::read_to_string(&to).unwrap();
            std::fs::write(&to, text.replace("image: busybox:1", &format!("image: {IMAGE}"))).unwrap();
        }
    }
    remote.commit(&[], "first");
    remote
}

/// The outcome of every step, jobs of several named before them; attempts after the first told too.
fn told(run: &Value) -> String {
    let mut told = Vec::new();
    for job in run["jobs"].as_array().unwrap() {
        for step in job["steps"].as_array().unwrap() {
            let again = step["attempt"].as_u64().filter(|attempt| *attempt > 1).map(|attempt| format!("@{attempt}"));
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            told.push(format!(
                "{}/{}={}{}",
                text(&job["name"]),
                text(&step["name"]),
                text(&step["outcome"]),
                again.unwrap_or_default()
            ));
        }
    }
    told.join(" ")
}

/// The ended runs `from..=to`, by the name of their pipeline.
async fn ended(served: &Served, repo: &str, numbers: std::ops::RangeInclusive<u64>) -> Vec<Value> {
    let mut runs = Vec::new();
    for number in numbers {
        runs.push(served.ended(repo, number).await);
    }
    runs.sort_by_key(|run| run["pipeline"].as_str().unwrap().to_owned());
    runs
}

#[tokio::test]
async fn hello_is_green_on_a_branch_and_packs_on_a_tag() {
    let (served, remote) = (Served::start(), example("hello"));
    served.add_repo("hello", &remote.url()).await;
    let run = served.ended("hello", 1).await;
    assert_eq!(run["outcome"], "passed", "{run:#}");
    assert_eq!(told(&run), "hello/syntax=passed hello/test=passed hello/greet=passed hello/package=skipped hello/goodbye=passed");
    let log = served.log_of(&run, "hello", "greet").await;
    assert!(log.iter().any(|(_, line)| line == "Good morning, main!"), "{log:?}");
    remote.git(&["tag", "v1"]);
    served.sync("hello").await;
    let run = served.ended("hello", 2).await;
    assert_eq!((&run["event"], &run["outcome"]), (&"tag".into(), &"passed".into()), "{run:#}");
    assert!(!told(&run).contains("skipped"), "{run:#}");
    let log = served.log_of(&run, "hello", "package").await;
    assert!(log.iter().any(|(_, line)| line == "greet"), "{log:?}");
    served.nothing_left().await;
}

#[tokio::test]
async fn the_monorepo_runs_the_part_that_a_push_is_about() {
    let (served, remote) = (Served::start(), example("monorepo"));
    served.add_repo("shop", &remote.url()).await;
    let both = ended(&served, "shop", 1..=2).await;
    let [prices, site] = &both[..] else { unreachable!("two runs were waited for") };
    assert_eq!((&prices["pipeline"], &prices["outcome"]), (&"prices".into(), &"warning".into()), "{prices:#}");
    assert_eq!(
        told(prices),
        "check/test=passed check/style=warning rates/fetch=passed@2 rates/show=passed total/total=passed release/step1=skipped tell/step1=passed"
    );
    assert_eq!((&site["pipeline"], &site["outcome"]), (&"site".into(), &"passed".into()), "{site:#}");
    let on_main = "pages/build=passed pages/links=passed pages/spelling=passed pages/publish=passed pages/rescue=skipped";
    assert_eq!(told(site), on_main);
    let log = served.log_of(prices, "total", "total").await;
    assert!(log.iter().any(|(_, line)| line == "13.74"), "{log:?}");

    remote.git(&["branch", "site/news"]);
    served.sync("shop").await;
    let run = served.ended("shop", 3).await;
    assert_eq!(run["pipeline"], "site", "{run:#}");
    assert_eq!(told(&run), on_main.replace("publish=passed", "publish=skipped"));

    remote.git(&["branch", "release/1"]);
    served.sync("shop").await;
    assert_eq!(served.ended("shop", 4).await["pipeline"], "prices");

    remote.git(&["tag", "prices-v1"]);
    served.sync("shop").await;
    let run = served.ended("shop", 5).await;
    assert_eq!(run["pipeline"], "prices", "{run:#}");
    assert!(told(&run).contains("release/step1=passed"), "{run:#}");
    let log = served.log_of(&run, "release", "step1").await;
    assert!(log.iter().any(|(_, line)| line.starts_with("releasing prices-v1 of ")), "{log:?}");
    served.nothing_left().await;
    assert!(served.run("shop", 6).await.is_none(), "each push made only the runs it is about");
}

#[test]
fn every_pipeline_that_is_offered_is_without_problems() {
    let mut files = Vec::new();
    for dir in ["examples", "pipelines"] {
        let yaml =
            files_below(&root(dir)).into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "yml"));
        files.extend(yaml.map(|file| root(dir).join(file)));
    }
    assert!(files.len() >= 6, "{files:?}");
    let output = Command::new(env!("CARGO_BIN_EXE_gantry")).args(["check", "--json"]).args(&files).output().unwrap();
    let problems: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    // The one that runs on the machine itself has no image, on purpose.
    let of_the_host = |problem: &Value| problem["code"] == "no-image" && problem["file"].as_str().unwrap().ends_with("full.yml");
    let others: Vec<_> = problems.into_iter().filter(|problem| !of_the_host(problem)).collect();
    assert!(output.status.success() && others.is_empty(), "{others:#?}");
}
