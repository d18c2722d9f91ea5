//! Artifacts and caches by the whole server, with the fake executor: what is kept, where it goes, and what becomes of it.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::TryStreamExt;
use gantry::base::{AttemptKey, Clock, RunId, Timestamp};
use gantry::pipeline::{Event, PullRequest};
use gantry::run::RunView;
use gantry::server::Part;
use gantry::store::{Artifact, ArtifactQuery, Cache, NewRun};
use support::{App, Remote};

/// The artifacts of a run, by path.
async fn artifacts(app: &App, run: &RunView) -> Vec<Artifact> {
    let query = ArtifactQuery { limit: 1_000, ..ArtifactQuery::default() };
    let id: RunId = run.id.parse().unwrap();
    app.handle().store().artifacts(&id, &query, Clock::System.now()).await.unwrap()
}

fn paths(artifacts: &[Artifact]) -> Vec<&str> {
    artifacts.iter().map(|artifact| artifact.path.as_str()).collect()
}

async fn text(app: &App, artifact: &Artifact) -> String {
    let blobs = app.handle().artifact_blobs();
    let blob = blobs.find(&artifact.hash).await.unwrap().unwrap();
    let pieces: Vec<_> = blobs.read(&blob).try_collect().await.unwrap();
    String::from_utf8(pieces.concat()).unwrap()
}

async fn caches(app: &App, repo: &str) -> Vec<Cache> {
    let store = app.handle().store();
    let repo = store.repo(repo).await.unwrap().unwrap();
    store.caches(&repo.id).await.unwrap()
}

/// Waits until the repository has so many caches: they are saved after the run has ended.
async fn until_cached(app: &App, repo: &str, count: usize) -> Vec<Cache> {
    app.until(&format!("{count} caches of {repo}"), async |app| {
        let found = caches(app, repo).await;
        (found.len() == count && app.fake.leftovers().is_empty()).then_some(found)
    })
    .await
}

/// Gantry's own lines in the log of a step's first attempt.
fn said(app: &App, run: &RunView, job: u32, step: u32) -> Vec<String> {
    let key = AttemptKey { run: run.id.parse().unwrap(), job, step, attempt: 1 };
    let page = app.handle().store().logs().read(&key, 1, 100).unwrap();
    assert!(page.end, "the log is complete");
    let system = page.lines.into_iter().filter(|line| line.stream == gantry::run::Stream::System);
    system.map(|line| line.text).collect()
}

fn files_in(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.path().is_dir() { found.extend(files_in(&entry.path())) } else { found.push(entry.path()) }
    }
    found
}

const BUILD_AND_USE: &str = r#"
jobs:
  build:
    steps:
      - name: dist
        run: make
        env: { FAKE_FILES: "dist/app=binary\ndist/sub/notes=hello\ndist/copy=hello\nother=no" }
        artifacts: { paths: ["dist/**"], required: true }
  unrelated: { steps: [make] }
  use: { needs: [build], steps: [make] }
  uses_use: { needs: [use], steps: [make] }
"#;

#[tokio::test]
async fn artifacts_of_a_job_are_kept_and_lie_in_the_workspaces_of_the_jobs_that_need_it() {
    let app = App::start().await;
    let remote = Remote::with(BUILD_AND_USE);
    app.watch("shop", &remote).await;
    let run = app.ended("shop", 1).await;
    assert_eq!(run.outcome.unwrap().as_str(), "passed", "{}", run.reason);
    let kept = artifacts(&app, &run).await;
    assert_eq!(paths(&kept), ["dist/app", "dist/copy", "dist/sub/notes"]);
    assert_eq!(text(&app, &kept[0]).await, "binary");
    assert_eq!(kept[1].hash, kept[2].hash);
    assert_eq!(files_in(&app.data.path().join("blobs")).len(), 2, "equal files are stored once");
    assert_eq!(said(&app, &run, 0, 0), ["kept 3 artifacts, 16 B"]);

    let puts = app.fake.puts();
    assert_eq!(puts.len(), 1, "only into the job that needs it: {puts:?}");
    assert_eq!((puts[0].job.job, puts[0].into.as_str()), (2, "/workspace"));
    assert_eq!(puts[0].files, ["/workspace/dist/app", "/workspace/dist/copy", "/workspace/dist/sub/notes"]);
    app.close().await;
}

#[tokio::test]
async fn what_is_required_and_missing_fails_a_step_that_passed() {
    let app = App::start().await;
    let remote = Remote::with(
        r#"
jobs:
  a: { steps: [{ run: make, artifacts: { paths: ["dist/**", "*.log"], required: true } }] }
  b: { steps: [{ run: make, artifacts: ["dist/**"] }] }
  c: { steps: [{ run: make, allow_failure: true, artifacts: { paths: [dist], required: true } }] }
  d: { steps: [{ run: make, env: { FAKE_EXIT: 3 }, artifacts: { paths: [dist], required: true } }] }
"#,
    );
    app.watch("shop", &remote).await;
    let run = app.ended("shop", 1).await;
    let ends: Vec<_> = run.jobs.iter().map(|job| (job.steps[0].outcome.unwrap().as_str(), job.steps[0].reason.clone())).collect();
    assert_eq!(ends[0], ("failed", "its artifacts cannot be kept: no file matches `dist/**` or `*.log`".to_owned()));
    assert_eq!(ends[1], ("passed", "passed".to_owned()));
    assert_eq!(ends[2].0, "warning", "{}", ends[2].1);
    assert_eq!(ends[3], ("failed", "exited with 3".to_owned()), "its own exit says more");
    assert_eq!(said(&app, &run, 0, 0), ["not kept: no file matches `dist/**` or `*.log`"]);
    assert_eq!(said(&app, &run, 1, 0), ["no file matches its artifacts' paths"]);
    app.close().await;
}

#[tokio::test]
async fn links_and_fifos_fail_the_step_and_a_failed_script_leaves_its_files() {
    let app = App::start().await;
    let remote = Remote::with(
        r#"
jobs:
  links: { steps: [{ run: make, env: { FAKE_FILES: "dist/ok=1\ndist/link->/etc/passwd\ndist/fifo|" }, artifacts: [dist/**] }] }
  failed: { steps: [{ run: make, env: { FAKE_EXIT: 1, FAKE_FILES: "dist/report=why" }, artifacts: [dist/**] }] }
"#,
    );
    app.watch("shop", &remote).await;
    let run = app.ended("shop", 1).await;
    let reason = &run.jobs[0].steps[0].reason;
    assert!(reason.contains("`dist/link` is a symbolic link") && reason.contains("`dist/fifo` is a fifo"), "{reason}");
    let kept = artifacts(&app, &run).await;
    assert_eq!((kept.len(), kept[0].job, kept[0].path.as_str()), (1, 1, "dist/report"));
    app.close().await;
}

#[tokio::test]
async fn a_retry_keeps_what_its_last_attempt_left() {
    let app = App::start().await;
    let remote = Remote::with(
        "steps:\n  - { run: x, retry: { max: 1, backoff: 1ms }, env: { FAKE_EXIT: \"1,0\", FAKE_FILES: \"a=1\" }, artifacts: [a] }\n",
    );
    app.watch("shop", &remote).await;
    let run = app.ended("shop", 1).await;
    assert_eq!((run.outcome.unwrap().as_str(), artifacts(&app, &run).await.len()), ("passed", 1));
    app.close().await;
}

#[tokio::test]
async fn a_server_that_ends_while_a_step_runs_keeps_its_artifacts_after_the_restart() {
    let mut app = App::start().await;
    let remote = Remote::with("steps:\n  - { name: s, run: x, env: { FAKE_MS: 1500, FAKE_FILES: \"a=1\" }, artifacts: [a] }\n");
    app.watch("shop", &remote).await;
    app.until("the step runs", async |app| (!app.fake.starts().is_empty()).then_some(())).await;
    app.restart().await;
    let run = app.ended("shop", 1).await;
    assert_eq!((run.outcome.unwrap().as_str(), artifacts(&app, &run).await.len()), ("passed", 1));
    assert_eq!(said(&app, &run, 0, 0), ["kept 1 artifact, 1 B"]);
    app.close().await;
}

#[tokio::test]
async fn what_has_expired_is_gone_for_everybody_and_its_blobs_with_it() {
    let mut app = App::start().await;
    let remote = Remote::with(
        r#"
jobs:
  short: { steps: [{ run: x, env: { FAKE_FILES: "a=short" }, artifacts: { paths: [a], expire: 1s } }] }
  long: { steps: [{ run: x, env: { FAKE_FILES: "a=long" }, artifacts: [a] }] }
"#,
    );
    app.watch("shop", &remote).await;
    let run = app.ended("shop", 1).await;
    app.until("one is gone", async |app| (artifacts(app, &run).await.len() == 1).then_some(())).await;
    assert_eq!(artifacts(&app, &run).await[0].job, 1);
    // The janitor's first round is at the start.
    app.restart().await;
    let blobs = app.data.path().join("blobs");
    app.until("its blob is gone", async |_| (files_in(&blobs).len() == 1).then_some(())).await;
    app.close().await;
}

#[tokio::test]
async fn a_removed_repository_takes_its_artifacts_and_caches_with_it() {
    let mut app = App::start().await;
    let remote = Remote::with(
        "steps:\n  - { run: x, env: { FAKE_FILES: \"a=1\\n/c/x=2\" }, artifacts: [a], cache: { key: k, paths: [/c] } }\n",
    );
    app.watch("shop", &remote).await;
    app.ended("shop", 1).await;
    until_cached(&app, "shop", 1).await;
    app.handle().remove_repo("shop").await.unwrap();
    app.restart().await;
    let blobs = app.data.path().join("blobs");
    app.until("its blobs are gone", async |_| files_in(&blobs).is_empty().then_some(())).await;
    app.close().await;
}

/// `key` and what the step leaves are put in.
fn caching(key: &str, files: &str, exit: u8) -> String {
    format!(
        "steps:\n  - name: s\n    run: x\n    env: {{ FAKE_EXIT: {exit}, FAKE_FILES: \"{files}\" }}\n    \
         cache: {{ key: {key}, paths: [/root/.cargo, target, nowhere], restore: [v1-, v] }}\n"
    )
}

#[tokio::test]
async fn a_cache_is_saved_by_a_passed_job_and_restored_before_the_next_ones_step() {
    let app = App::start().await;
    let remote = Remote::with(&caching("v1-a", "/root/.cargo/registry/x=1\\ntarget/debug/app=2", 0));
    app.watch("shop", &remote).await;
    let first = app.ended("shop", 1).await;
    let cached = until_cached(&app, "shop", 1).await;
    assert_eq!((cached[0].key.as_str(), cached[0].scope.as_str()), ("v1-a", "trusted"));
    assert_eq!(app.fake.puts(), []);
    let lines = said(&app, &first, 0, 0);
    assert_eq!(lines[0], "cache `v1-a`: there is none yet");
    assert!(lines[1].starts_with("cache `v1-a`: saved") && lines[1].ends_with("`nowhere` is not there"), "{lines:?}");

    remote.commit(&[("x", "1")], "second");
    app.handle().sync_repo("shop").await.unwrap();
    let second = app.ended("shop", 2).await;
    let puts = app.fake.puts();
    let seen: Vec<_> = puts.iter().map(|put| (put.attempt.is_some(), put.into.as_str(), put.files.join(" "))).collect();
    assert_eq!(
        seen,
        [(true, "/root", "/root/.cargo/registry/x".to_owned()), (true, "/workspace", "/workspace/target/debug/app".to_owned()),]
    );
    let lines = said(&app, &second, 0, 0);
    assert!(lines[0].starts_with("cache `v1-a`: ") && lines[0].contains("made"), "{lines:?}");
    assert_eq!(lines.len(), 1, "it was hit exactly, so nothing is saved: {lines:?}");
    let after = until_cached(&app, "shop", 1).await;
    assert_eq!(after[0].id, cached[0].id);
    assert!(after[0].used_at > cached[0].used_at || after[0].used_at == after[0].made_at);
    app.close().await;
}

#[tokio::test]
async fn another_key_is_restored_by_its_beginning_and_saved_under_its_own() {
    let app = App::start().await;
    let remote = Remote::with(&caching("v1-a", "target/x=1", 0));
    app.watch("shop", &remote).await;
    app.ended("shop", 1).await;
    until_cached(&app, "shop", 1).await;
    remote.commit(&[(".gantry.yml", &caching("v2-a", "target/x=2", 0))], "other key");
    app.handle().sync_repo("shop").await.unwrap();
    let run = app.ended("shop", 2).await;
    until_cached(&app, "shop", 2).await;
    assert!(said(&app, &run, 0, 0)[0].contains("the newest like it is `v1-a`"), "{:?}", said(&app, &run, 0, 0));
    assert_eq!(app.fake.puts().len(), 1);
    // The first beginning that finds any wins, not the newest of all.
    remote.commit(&[(".gantry.yml", &caching("v3-a", "target/x=3", 0))], "third key");
    app.handle().sync_repo("shop").await.unwrap();
    let run = app.ended("shop", 3).await;
    until_cached(&app, "shop", 3).await;
    assert!(said(&app, &run, 0, 0)[0].contains("`v1-a`"), "{:?}", said(&app, &run, 0, 0));
    app.close().await;
}

#[tokio::test]
async fn a_job_that_fails_saves_nothing_also_not_what_its_good_steps_made() {
    let app = App::start().await;
    let pipeline = caching("k", "target/x=1", 0) + "  - { run: y, env: { FAKE_EXIT: 1 } }\n";
    let remote = Remote::with(&pipeline);
    app.watch("shop", &remote).await;
    let run = app.ended("shop", 1).await;
    assert_eq!(run.outcome.unwrap().as_str(), "failed");
    remote.commit(&[(".gantry.yml", &caching("k", "target/x=1", 1))], "the step itself fails");
    app.handle().sync_repo("shop").await.unwrap();
    app.ended("shop", 2).await;
    until_cached(&app, "shop", 0).await;
    app.close().await;
}

#[tokio::test]
async fn other_paths_under_the_same_key_are_another_cache() {
    let app = App::start().await;
    let pipeline = |path: &str| {
        format!("steps:\n  - {{ run: x, env: {{ FAKE_FILES: \"a/x=1\\nb/x=1\" }}, cache: {{ key: k, paths: [{path}] }} }}\n")
    };
    let remote = Remote::with(&pipeline("a"));
    app.watch("shop", &remote).await;
    app.ended("shop", 1).await;
    until_cached(&app, "shop", 1).await;
    remote.commit(&[(".gantry.yml", &pipeline("b"))], "other path");
    app.handle().sync_repo("shop").await.unwrap();
    app.ended("shop", 2).await;
    until_cached(&app, "shop", 2).await;
    assert_eq!(app.fake.puts(), []);
    app.close().await;
}

#[tokio::test]
async fn a_pull_request_reads_the_trusted_caches_and_writes_only_its_own() {
    let app = App::start().await;
    let remote = Remote::with(&caching("v1-a", "target/x=good", 0));
    app.watch("shop", &remote).await;
    app.ended("shop", 1).await;
    until_cached(&app, "shop", 1).await;
    let first = app.run(&app.runs("shop").await[0].id.parse().unwrap()).await;
    let asked = async |number: u64, key: &str| {
        let mut plan = (*first.plan).clone();
        plan.jobs[0].steps[0].cache[0].key = key.into();
        let mut trigger = first.trigger.clone();
        trigger.event = Event::PullRequest;
        trigger.pull_request = Some(PullRequest {
            number,
            title: "a change".to_owned(),
            author: "mallory".to_owned(),
            source: "evil".to_owned(),
            target: "main".to_owned(),
            fork: true,
        });
        let new = NewRun {
            id: RunId::new(&Clock::System),
            repo_name: "shop".to_owned(),
            trigger,
            plan: Arc::new(plan),
            problems: Vec::new(),
            ended: None,
            rerun_of: None,
            begun: Vec::new(),
        };
        let runs = app.handle().make_runs(&first.repo, vec![new]).await.unwrap();
        app.ended("shop", runs[0].number).await
    };
    // It reads what is trusted, and what it read exactly it does not write again.
    let run = asked(7, "v1-a").await;
    assert!(said(&app, &run, 0, 0)[0].starts_with("cache `v1-a`: "), "{:?}", said(&app, &run, 0, 0));
    assert_eq!((app.fake.puts().len(), until_cached(&app, "shop", 1).await.len()), (1, 1));
    // Its own go into its own scope …
    asked(7, "v1-new").await;
    let cached = until_cached(&app, "shop", 2).await;
    assert_eq!(cached.iter().find(|cache| cache.key == "v1-new").unwrap().scope, "pr-7");
    let run = asked(7, "v1-new").await;
    assert!(!said(&app, &run, 0, 0)[0].contains("none yet"));
    // … where neither another one nor a trusted run finds them.
    let run = asked(8, "v1-new").await;
    assert!(said(&app, &run, 0, 0)[0].contains("the newest like it is `v1-a`"), "{:?}", said(&app, &run, 0, 0));
    until_cached(&app, "shop", 3).await;
    remote.commit(&[(".gantry.yml", &caching("v1-new", "target/x=2", 0))], "trusted");
    let number = app.runs("shop").await.len() as u64 + 1;
    app.handle().sync_repo("shop").await.unwrap();
    let run = app.ended("shop", number).await;
    assert!(said(&app, &run, 0, 0)[0].contains("the newest like it is `v1-a`"), "{:?}", said(&app, &run, 0, 0));
    until_cached(&app, "shop", 4).await;
    app.close().await;
}

#[tokio::test]
async fn a_cache_that_cannot_be_read_costs_the_step_nothing_else() {
    let app = App::start().await;
    let remote = Remote::with(&caching("k", "target/x=1", 0));
    app.watch("shop", &remote).await;
    app.ended("shop", 1).await;
    until_cached(&app, "shop", 1).await;
    for file in files_in(&app.data.path().join("blobs")) {
        std::fs::write(file, "damaged").unwrap();
    }
    remote.commit(&[("x", "1")], "second");
    app.handle().sync_repo("shop").await.unwrap();
    let run = app.ended("shop", 2).await;
    assert_eq!(run.outcome.unwrap().as_str(), "passed", "{:?}", run.jobs[0].steps[0].reason);
    assert_eq!(app.fake.puts(), []);
    app.close().await;
}

#[tokio::test]
async fn caches_past_the_quota_go_least_recently_used_first() {
    let app = App::start().await;
    let remote = Remote::with(&caching("v1-a", "target/x=1", 0));
    app.watch("shop", &remote).await;
    for (n, key) in [(1, "v1-a"), (2, "v1-b"), (3, "v1-c")] {
        if n > 1 {
            remote.commit(&[(".gantry.yml", &caching(key, "target/x=1", 0))], key);
            app.handle().sync_repo("shop").await.unwrap();
        }
        app.ended("shop", n).await;
        until_cached(&app, "shop", usize::try_from(n).unwrap()).await;
    }
    let store = app.handle().store();
    let cached = caches(&app, "shop").await;
    let oldest = cached.iter().find(|cache| cache.key == "v1-a").unwrap();
    let repo = store.repo("shop").await.unwrap().unwrap().id;
    let later = Timestamp(Clock::System.now().0 + 1_000);
    store.cache_was_used(&oldest.id, later).await.unwrap();
    let evicted = store.evict_caches(&repo, oldest.stored * 2, later).await.unwrap();
    assert_eq!(evicted.iter().map(|cache| cache.key.as_str()).collect::<Vec<_>>(), ["v1-b"]);
    assert_eq!(store.evict_caches(&repo, oldest.stored * 2, later).await.unwrap(), []);
    app.close().await;
}

#[tokio::test]
async fn artifacts_are_written_out_as_files_and_nothing_leads_out_of_the_directory() {
    let app = App::start().await;
    let remote = Remote::with(BUILD_AND_USE);
    app.watch("shop", &remote).await;
    let run = app.ended("shop", 1).await;
    let dir = tempfile::tempdir().unwrap();
    let written = app.handle().write_artifacts(&run.id.parse().unwrap(), dir.path()).await.unwrap();
    assert_eq!((written, files_in(dir.path()).len()), (3, 3));
    assert_eq!(std::fs::read_to_string(dir.path().join("build/dist/sub/notes")).unwrap(), "hello");
    let again = app.handle().write_artifacts(&run.id.parse().unwrap(), dir.path()).await.unwrap_err();
    assert!(again.to_string().contains("cannot be written"), "{again}");
    app.close().await;
}

#[tokio::test]
async fn a_rerun_of_what_failed_takes_over_what_passed_with_outputs_artifacts_and_logs() {
    let app = App::start().await;
    let remote = Remote::with(
        r#"
jobs:
  build:
    outputs: { version: "${{ steps.dist.outputs.version }}" }
    steps:
      - name: dist
        run: make
        env: { FAKE_FILES: "dist/app=binary", FAKE_WRITES_OUTPUT: "version=1.2", FAKE_OUTPUT: built }
        artifacts: { paths: ["dist/**"], required: true }
  use:
    needs: [build]
    steps:
      - { name: try, run: make, env: { FAKE_EXIT: "1", FAKE_OUTPUT: "${{ needs.build.outputs.version }}" } }
  after: { needs: [use], steps: [make] }
"#,
    );
    app.watch("shop", &remote).await;
    let first = app.ended("shop", 1).await;
    let id: RunId = first.id.parse().unwrap();
    assert_eq!((app.fake.starts().len(), app.fake.puts().len()), (2, 1));
    app.handle().rerun(&id, Part::Failed, "ada").await.unwrap();
    let second = app.ended("shop", 2).await;
    assert_eq!(second.because, "ada ran what failed of #1 again");
    assert_eq!((second.outcome, second.reason.as_str()), (first.outcome, first.reason.as_str()));
    let again: RunId = second.id.parse().unwrap();
    let key = |job| AttemptKey { run: again.clone(), job, step: 0, attempt: 1 };
    assert_eq!(app.fake.starts()[2..], [key(1)], "only what failed ran again");
    assert_eq!(app.fake.puts().len(), 2, "it found the artifacts");
    let kept = artifacts(&app, &second).await;
    assert_eq!((paths(&kept), text(&app, &kept[0]).await.as_str()), (vec!["dist/app"], "binary"));
    assert_eq!(second.jobs[0].taken_from.as_ref().map(|from| from.number), Some(1));
    let page = app.handle().store().logs().read(key(1), 1, 100).unwrap();
    assert!(page.lines.iter().any(|line| line.text == "1.2"), "{page:?}");
    // Taken over once more, it is still the first run's.
    app.handle().rerun(&again, Part::Failed, "ada").await.unwrap();
    let third = app.ended("shop", 3).await;
    assert_eq!(third.jobs[0].taken_from.as_ref().map(|from| from.id.as_str()), Some(first.id.as_str()));
    assert_eq!(paths(&artifacts(&app, &third).await), ["dist/app"]);
    // What is stored is what a restart finds.
    let before = app.run(&again).await;
    let mut app = app;
    app.restart().await;
    assert_eq!(app.run(&again).await, before);
    app.close().await;
}
