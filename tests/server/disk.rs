//! What is left on the disk goes, and what is larger than it may be is made anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use gantry::base::{Clock, RepoId, RunId};

use crate::support::{App, Remote};

const PIPELINE: &str = "steps:\n  - { name: build, run: make }\n";

/// Waits for something about files, of which nobody tells.
async fn until(what: &str, wanted: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(30), async {
        while !wanted() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(waited.await.is_ok(), "waited in vain for {what}");
}

fn only_mirror(app: &App) -> PathBuf {
    let mirrors: Vec<_> = fs::read_dir(app.data.path().join("mirrors")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(mirrors.len(), 1, "{mirrors:?}");
    mirrors[0].clone()
}

/// `None` when something goes while it is counted.
fn bytes(dir: &Path) -> Option<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(dir).ok()? {
        let path = entry.ok()?.path();
        sum += if path.is_dir() { bytes(&path)? } else { path.metadata().ok()?.len() };
    }
    Some(sum)
}

#[tokio::test]
async fn a_start_removes_mirrors_and_logs_that_no_row_knows_and_nothing_else() {
    let mut app = App::start().await;
    let remote = Remote::with(PIPELINE);
    app.watch("shop", &remote).await;
    let run = app.ended("shop", 1).await;
    app.stop().await;
    let (mirrors, logs) = (app.data.path().join("mirrors"), app.data.path().join("logs"));
    let (repo, gone) = (RepoId::new(&Clock::System), RunId::new(&Clock::System));
    let left = [mirrors.join(format!("{repo}.git")), mirrors.join(format!("{repo}.over")), logs.join(gone.as_str())];
    let others = [mirrors.join("mine.git"), mirrors.join(format!("{repo}.mine")), logs.join("notes"), logs.join(&run.id)];
    for dir in left.iter().chain(&others) {
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join("file"), "x").unwrap();
    }
    app.restart().await;
    until("what is left to go", || left.iter().all(|dir| !dir.exists())).await;
    assert!(others.iter().all(|dir| dir.join("file").exists()));
    assert_eq!(app.ended("shop", 1).await.id, run.id);
    app.close().await;
}

#[tokio::test]
async fn mirrors_that_are_larger_than_they_may_be_are_made_anew_and_nothing_runs_again() {
    let mut app = App::start().await;
    let remote = Remote::with(PIPELINE);
    app.watch("shop", &remote).await;
    app.ended("shop", 1).await;
    // Two megabytes that a forced push makes unreachable.
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'a' + u8::try_from(state >> 59).unwrap() % 26)
    };
    remote.commit(&[("noise", &(0..2_000_000).map(|_| noise()).collect::<String>())], "large");
    app.handle().sync_repo("shop").await.unwrap();
    app.ended("shop", 2).await;
    remote.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    let head = remote.commit(&[("small", "1")], "small");
    app.handle().sync_repo("shop").await.unwrap();
    app.ended("shop", 3).await;
    app.stop().await;
    let mirror = only_mirror(&app);
    let before = bytes(&mirror).unwrap();
    assert!(before > 500_000, "{before}");
    app.mirrors = 100_000;
    // One that was made a moment ago stays.
    app.restart().await;
    remote.commit(&[("small", "2")], "next");
    app.handle().sync_repo("shop").await.unwrap();
    app.ended("shop", 4).await;
    app.stop().await;
    assert!(bytes(&mirror).unwrap() >= before);
    let made = fs::File::options().write(true).open(mirror.join("config")).unwrap();
    let long_ago = Clock::System.now().0 - 2 * 24 * 60 * 60 * 1000;
    made.set_modified(SystemTime::UNIX_EPOCH + Duration::from_millis(long_ago.try_into().unwrap())).unwrap();
    app.restart().await;
    until("the mirror to be made anew", || bytes(&mirror).is_some_and(|now| now < before / 2)).await;
    let pushed = remote.commit(&[("small", "3")], "last");
    app.handle().sync_repo("shop").await.unwrap();
    assert_eq!(app.ended("shop", 5).await.commit, pushed);
    assert_ne!(head, pushed);
    assert_eq!(app.runs("shop").await.len(), 5, "what was known stays known");
    app.stop().await;
    assert_eq!(only_mirror(&app), mirror, "nothing is left beside it");
    app.restart().await;
    app.close().await;
}
