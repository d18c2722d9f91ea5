//! Stories of what is kept: rows of blobs, artifacts and caches.

use std::sync::Arc;

use futures_util::{TryStreamExt, stream};
use gantry::base::{CacheId, Clock, JobIx, RepoId, RunId, Tasks};
use gantry::store::{
    ArtifactQuery, ArtifactSum, Blobs, BlobsAt, Error, Kept, KeptImage, Kind, NewArtifact, NewCache, NewPart, StepOf, Store,
};

use super::place::{Place, at, make_run, repo, with_repo};

async fn blobs(store: &Store) -> Blobs {
    Blobs::open(&BlobsAt::Memory, store, Tasks::default(), Clock::System).await.unwrap()
}

async fn put(blobs: &Blobs, content: &str) -> Arc<Kept> {
    let content = content.to_owned();
    blobs.put(Box::pin(stream::once(async { Ok(content.into()) })), 1_000).await.unwrap()
}

async fn keep(blobs: &Blobs, run: &RunId, (job, step): (JobIx, u32), files: &[(&str, &str)], expires: i64) -> Result<(), Error> {
    let mut new = Vec::new();
    for (path, content) in files {
        let content = put(blobs, content).await;
        new.push(NewArtifact { path: (*path).to_owned(), mode: 0o644, kind: Kind::Text, content });
    }
    blobs.keep_artifacts(StepOf { run, job, step }, &new, at(10), at(expires)).await
}

/// All that are there at this time, as job and path.
async fn listed(store: &Store, run: &RunId, now: i64) -> Vec<(JobIx, String)> {
    let query = ArtifactQuery { limit: 100, ..ArtifactQuery::default() };
    store.artifacts(run, &query, at(now)).await.unwrap().into_iter().map(|found| (found.job, found.path)).collect()
}

pub async fn artifacts_are_found_by_job_path_and_beginning_and_paged(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let (run, other) = (make_run(&store, &roof, "main", 5).await.id, make_run(&store, &roof, "main", 6).await.id);
    let blobs = blobs(&store).await;
    keep(&blobs, &run, (0, 0), &[("dist/a", "one"), ("dist/b%_", "two"), ("dist/ü \"'", "three")], 100).await.unwrap();
    keep(&blobs, &run, (1, 0), &[("dist/a", "one")], 200).await.unwrap();
    keep(&blobs, &other, (0, 0), &[("dist/a", "other")], 200).await.unwrap();

    let found = store.artifact(&run, 0, "dist/a", at(20)).await.unwrap().unwrap();
    assert_eq!((found.size, found.mode, found.kind, found.made_at, found.expires_at), (3, 0o644, Kind::Text, at(10), at(100)));
    assert_eq!(store.artifact(&run, 0, "dist", at(20)).await.unwrap(), None);
    assert_eq!(store.artifact(&run, 2, "dist/a", at(20)).await.unwrap(), None);
    let blob = blobs.find(&found.hash).await.unwrap().unwrap();
    let content: Vec<_> = blobs.read(&blob).try_collect().await.unwrap();
    assert_eq!(content.concat(), b"one");

    let mut walked = Vec::new();
    let mut query = ArtifactQuery { limit: 1, ..ArtifactQuery::default() };
    while let Some(next) = store.artifacts(&run, &query, at(20)).await.unwrap().pop() {
        query.after = Some((next.job, next.path.clone()));
        walked.push((next.job, next.path));
    }
    assert_eq!(walked, listed(&store, &run, 20).await);
    assert_eq!(walked.len(), 4);
    let beginning =
        |prefix: &str| ArtifactQuery { job: Some(0), prefix: prefix.to_owned(), limit: 10, ..ArtifactQuery::default() };
    for (prefix, count) in [("dist/", 3), ("dist/b%_", 1), ("dist/_", 0), ("dist/ü", 1), ("DIST", 0), ("", 3)] {
        assert_eq!(store.artifacts(&run, &beginning(prefix), at(20)).await.unwrap().len(), count, "{prefix}");
    }
    let sums = store.artifact_sums(&run, at(20)).await.unwrap();
    let sum = |job, files, bytes, expires| ArtifactSum { job, files, bytes, expires_at: at(expires) };
    assert_eq!(sums, [sum(0, 3, 11, 100), sum(1, 1, 3, 200)]);
}

pub async fn artifacts_expire_are_replaced_and_go_with_their_run(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let run = make_run(&store, &roof, "main", 5).await.id;
    let blobs = blobs(&store).await;
    keep(&blobs, &run, (0, 0), &[("a", "1"), ("b", "2")], 100).await.unwrap();
    keep(&blobs, &run, (0, 1), &[("b", "3")], 200).await.unwrap();
    assert_eq!(store.artifact(&run, 0, "b", at(20)).await.unwrap().unwrap().step, 1, "the later step's");
    keep(&blobs, &run, (0, 0), &[("c", "1")], 100).await.unwrap();
    assert_eq!(listed(&store, &run, 20).await, [(0, "b".to_owned()), (0, "c".to_owned())], "another attempt at the first step");
    assert_eq!(listed(&store, &run, 100).await, [(0, "b".to_owned())]);
    assert_eq!(store.expire_artifacts(at(99)).await.unwrap(), 0);
    assert_eq!(store.expire_artifacts(at(100)).await.unwrap(), 1);
    assert_eq!(blobs.collect().await.unwrap().blobs, 2, "`1` and `2`");
    store.remove_repo(&roof.id, at(20)).await.unwrap();
    assert_eq!(listed(&store, &run, 20).await, []);
    assert_eq!(blobs.collect().await.unwrap().blobs, 1);
    let error = keep(&blobs, &run, (0, 0), &[("a", "1")], 100).await.unwrap_err();
    assert!(matches!(error, Error::Gone(_)), "{error}");
}

/// Keeps a cache of these contents; answers its id, if it is a new one.
async fn cache(blobs: &Blobs, repo: &RepoId, (scope, key): (&str, &str), contents: &[&str], now: i64) -> Option<CacheId> {
    let mut parts = Vec::new();
    for content in contents {
        parts.push(NewPart { path: format!("/{content}"), content: put(blobs, content).await });
    }
    let (id, run, paths) = (CacheId::new(&Clock::System), RunId::new(&Clock::System), ["target".to_owned()]);
    let new = NewCache { id: id.clone(), repo, scope, key, paths: &paths, run: &run, parts };
    blobs.keep_cache(&new, at(now)).await.unwrap().then_some(id)
}

pub async fn a_cache_is_found_by_its_key_or_the_newest_by_its_beginning_in_its_scopes(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let cellar = repo("cellar");
    store.add_repo(&cellar).await.unwrap();
    let blobs = blobs(&store).await;
    let paths = ["target".to_owned()];
    let old = cache(&blobs, &roof.id, ("trusted", "cargo-a"), &["1", "2"], 1).await.unwrap();
    let new = cache(&blobs, &roof.id, ("trusted", "cargo-b%"), &["3"], 2).await.unwrap();
    let own = cache(&blobs, &roof.id, ("pr-7", "cargo-c"), &["4"], 3).await.unwrap();
    cache(&blobs, &roof.id, ("pr-8", "cargo-d"), &["5"], 4).await.unwrap();
    cache(&blobs, &cellar.id, ("trusted", "cargo-e"), &["1"], 5).await.unwrap();
    assert_eq!(cache(&blobs, &roof.id, ("trusted", "cargo-a"), &["9"], 6).await, None, "the first one stays");

    let exact = async |scope: &str, key: &str| store.cache_of(&roof.id, scope, key, &paths).await.unwrap().map(|found| found.id);
    assert_eq!(exact("trusted", "cargo-a").await, Some(old.clone()));
    assert_eq!(exact("pr-7", "cargo-a").await, None);
    assert_eq!(exact("trusted", "cargo-").await, None);
    assert_eq!(store.cache_of(&roof.id, "trusted", "cargo-a", &[]).await.unwrap(), None, "of other paths");
    let newest = async |scope: &str, prefix: &str| {
        store.newest_cache(&roof.id, [scope, "trusted"], prefix, &paths).await.unwrap().map(|found| found.id)
    };
    assert_eq!(newest("trusted", "cargo-").await, Some(new.clone()));
    assert_eq!(newest("pr-7", "cargo-").await, Some(own));
    assert_eq!(newest("pr-9", "cargo-").await, Some(new.clone()));
    assert_eq!(newest("trusted", "cargo-b%").await, Some(new));
    assert_eq!(newest("trusted", "cargo-_").await, None, "a beginning is no pattern");
    let parts: Vec<_> = store.cache_parts(&old).await.unwrap().into_iter().map(|part| (part.path, part.size)).collect();
    assert_eq!(parts, [("/1".to_owned(), 1), ("/2".to_owned(), 1)]);
}

pub async fn caches_are_listed_evicted_and_removed_by_their_last_use(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let blobs = blobs(&store).await;
    let mut ids = Vec::new();
    for (now, key) in (1..).zip(["a", "b", "c"]) {
        ids.push(cache(&blobs, &roof.id, ("trusted", key), &[key], now).await.unwrap());
    }
    let keys = async || store.caches(&roof.id).await.unwrap().into_iter().map(|found| found.key).collect::<Vec<_>>();
    assert_eq!(keys().await, ["c", "b", "a"]);
    store.cache_was_used(&ids[0], at(9)).await.unwrap();
    assert_eq!(keys().await, ["a", "c", "b"]);
    let one = store.caches(&roof.id).await.unwrap()[0].stored;
    assert_eq!(store.evict_caches(&roof.id, one * 3, at(10)).await.unwrap(), []);
    let gone = store.evict_caches(&roof.id, one * 2, at(10)).await.unwrap();
    assert_eq!(gone.into_iter().map(|found| found.id).collect::<Vec<_>>(), [ids[1].clone()]);
    assert_eq!(store.repos_with_caches().await.unwrap(), std::slice::from_ref(&roof.id));

    assert!(!store.remove_cache(&RepoId::new(&Clock::System), &ids[0], at(11)).await.unwrap(), "of another repository");
    assert!(store.remove_cache(&roof.id, &ids[0], at(11)).await.unwrap());
    assert!(!store.remove_cache(&roof.id, &ids[0], at(11)).await.unwrap());
    store.remove_repo(&roof.id, at(12)).await.unwrap();
    assert_eq!(store.repos_with_caches().await.unwrap(), []);
    assert_eq!(blobs.collect().await.unwrap().blobs, 3);
}

pub async fn an_image_has_a_row_by_the_pull_that_brought_it(place: Place) {
    let store = place.open().await;
    let image = |engine: &str, id: &str, names: &[&str], now: i64| KeptImage {
        engine: engine.to_owned(),
        id: id.to_owned(),
        names: names.iter().map(ToString::to_string).collect(),
        pulled_at: at(now),
        used_at: at(now),
    };
    store.image_pulled(&image("e", "sha256:1", &["a:1"], 5), true).await.unwrap();
    store.image_pulled(&image("f", "sha256:1", &["a:1"], 6), true).await.unwrap();
    store.image_pulled(&image("e", "sha256:2", &["b:1"], 7), false).await.unwrap();
    assert_eq!(store.images().await.unwrap(), [image("e", "sha256:1", &["a:1"], 5), image("f", "sha256:1", &["a:1"], 6)]);
    // Another name of ours for the same contents, and a use that came too late to be the last.
    store.image_pulled(&image("e", "sha256:1", &["b:1"], 9), false).await.unwrap();
    store.image_used("e", "sha256:1", at(8)).await.unwrap();
    store.image_used("f", "sha256:1", at(8)).await.unwrap();
    let kept = store.images().await.unwrap();
    assert_eq!(kept.iter().map(|kept| (kept.engine.as_str(), kept.used_at)).collect::<Vec<_>>(), [("f", at(8)), ("e", at(9))]);
    assert_eq!(kept[1].names.iter().collect::<Vec<_>>(), ["a:1", "b:1"]);
    assert_eq!(kept[1].pulled_at, at(5), "when its contents came");
    store.forget_image("e", "sha256:1").await.unwrap();
    assert_eq!(store.images().await.unwrap().len(), 1);
}
