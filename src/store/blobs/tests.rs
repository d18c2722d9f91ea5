//! Stories of blobs: what goes in comes out, equal contents are stored once, and collecting never takes what is needed.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStoreExt, PutPayload};

use super::{Blob, Blobs, BlobsAt, Bytestream, Collected, Kept, PutError};
use crate::base::limits::BLOB_FRAME_BYTES;
use crate::base::{BlobId, CacheId, Clock, RepoId, RunId, Tasks, Timestamp};
use crate::store::{Database, NewCache, NewPart, Repo, RepoStatus, Store, StoreConfig};

const NOW: Timestamp = Timestamp(1_000);

async fn store() -> Store {
    Store::open(&StoreConfig { database: Database::Memory, logs: "/nonexistent".into() }).await.unwrap()
}

async fn blobs() -> Blobs {
    Blobs::open(&BlobsAt::Memory, &store().await, Tasks::default(), Clock::System).await.unwrap()
}

/// Bytes that compress a little, `seed` making them different.
fn content(seed: u64, len: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % 23) as u8
    };
    (0..len).map(|_| next()).collect::<Vec<u8>>().into()
}

/// As it comes: in chunks that fit nothing.
fn come(content: &Bytes) -> Bytestream {
    let chunks: Vec<_> = content.chunks(60_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    Box::pin(stream::iter(chunks))
}

async fn put(blobs: &Blobs, content: &Bytes) -> Arc<Kept> {
    blobs.put(come(content), u64::MAX).await.unwrap()
}

async fn gather(stream: Bytestream) -> io::Result<Vec<u8>> {
    stream
        .try_fold(Vec::new(), |mut all, piece| async move {
            all.extend_from_slice(&piece);
            Ok(all)
        })
        .await
}

async fn objects(blobs: &Blobs) -> BTreeSet<String> {
    blobs.inner.objects.list(None).map(|meta| meta.unwrap().location.to_string()).collect().await
}

async fn repo(store: &Store) -> RepoId {
    let repo = Repo {
        id: RepoId::new(&Clock::System),
        name: "roof".to_owned(),
        url: "/roof".to_owned(),
        poll_ms: 1,
        hook_secret: String::new(),
        added_at: NOW,
        default_branch: None,
        status: RepoStatus { ok: true, sentence: String::new(), at: NOW },
    };
    store.add_repo(&repo).await.unwrap();
    repo.id
}

/// Makes a row name the content; answers what takes it away again.
async fn name(blobs: &Blobs, repo: &RepoId, content: Arc<Kept>) -> CacheId {
    let id = CacheId::new(&Clock::System);
    let parts = vec![NewPart { path: "/a".to_owned(), content }];
    let run = RunId::new(&Clock::System);
    let cache = NewCache { id: id.clone(), repo, scope: "trusted", key: id.as_str(), paths: &[], run: &run, parts };
    assert!(blobs.keep_cache(&cache, NOW).await.unwrap());
    id
}

async fn stored(blobs: &Blobs, bytes: &Bytes) -> Blob {
    let repo = repo(blobs.store()).await;
    let kept = put(blobs, bytes).await;
    let hash = kept.hash.clone();
    name(blobs, &repo, kept).await;
    blobs.find(&hash).await.unwrap().unwrap()
}

#[tokio::test]
async fn what_goes_in_comes_out_whole_and_from_any_byte_on() {
    let frame = BLOB_FRAME_BYTES;
    for (seed, len) in (1..).zip([0, 1, 16 * 1024, 16 * 1024 + 1, frame - 1, frame, frame + 1, 3 * frame + 17]) {
        let (blobs, bytes) = (blobs().await, content(seed, len));
        let blob = stored(&blobs, &bytes).await;
        assert_eq!((blob.size, blob.hash.len()), (len as u64, 64));
        assert_eq!(gather(blobs.read(&blob)).await.unwrap(), bytes, "{len}");
        for (from, to) in [(0, len), (len / 3, len / 2), (len.saturating_sub(1), len), (len, len)] {
            let range = from as u64..to as u64;
            assert_eq!(gather(blobs.read_range(&blob, range)).await.unwrap(), bytes[from..to], "{len}: {from}..{to}");
        }
        let raw = blobs.inner.objects.get(&blobs.inner.location(&blob.object)).await.unwrap().bytes().await.unwrap();
        if len > 0 {
            assert_eq!(zstd::stream::decode_all(&*raw).unwrap(), bytes, "anybody's zstd reads an object as a whole");
        }
        assert_eq!(raw.len() as u64, blob.stored);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_contents_are_stored_once_also_when_they_come_at_the_same_time() {
    for len in [100, 2 * BLOB_FRAME_BYTES + 5] {
        let (blobs, bytes) = (blobs().await, content(7, len));
        let repo = repo(blobs.store()).await;
        let kept = futures_util::future::join_all((0..4).map(|_| put(&blobs, &bytes))).await;
        for kept in kept {
            name(&blobs, &repo, kept).await;
        }
        name(&blobs, &repo, put(&blobs, &bytes).await).await;
        blobs.sweep().await.unwrap();
        assert_eq!(objects(&blobs).await.len(), 1, "{len}");
        let hash = put(&blobs, &bytes).await.hash.clone();
        let blob = blobs.find(&hash).await.unwrap().unwrap();
        assert_eq!(gather(blobs.read(&blob)).await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn what_is_too_large_or_breaks_off_leaves_nothing() {
    let blobs = blobs().await;
    for len in [100, 3 * BLOB_FRAME_BYTES] {
        let bytes = content(1, len);
        let error = blobs.put(come(&bytes), len as u64 - 1).await.map(drop).unwrap_err();
        assert!(matches!(error, PutError::TooLarge(limit) if limit == len as u64 - 1), "{error}");
        let broken = come(&bytes).chain(stream::iter([Err(io::Error::other("the engine went away"))]));
        let error = blobs.put(Box::pin(broken), u64::MAX).await.map(drop).unwrap_err();
        assert_eq!(error.to_string(), "the engine went away");
        blobs.put(come(&bytes), len as u64).await.unwrap();
    }
    blobs.inner.tasks.end().await;
    blobs.sweep().await.unwrap();
    assert_eq!(objects(&blobs).await, BTreeSet::new());
}

#[tokio::test]
async fn what_is_held_or_named_is_not_collected() {
    let blobs = blobs().await;
    let repo = repo(blobs.store()).await;
    let (bytes, other) = (content(1, 1000), content(2, 1000));
    let kept = put(&blobs, &bytes).await;
    let hash = kept.hash.clone();
    assert_eq!(blobs.collect().await.unwrap(), Collected::default());
    let cache = name(&blobs, &repo, kept).await;
    let also = name(&blobs, &repo, put(&blobs, &bytes).await).await;
    name(&blobs, &repo, put(&blobs, &other).await).await;
    assert_eq!(blobs.collect().await.unwrap(), Collected::default());

    blobs.store().remove_cache(&repo, &cache, NOW).await.unwrap();
    assert_eq!(blobs.collect().await.unwrap(), Collected::default(), "another row names it");
    blobs.store().remove_cache(&repo, &also, NOW).await.unwrap();
    let held = put(&blobs, &bytes).await;
    assert_eq!(blobs.collect().await.unwrap(), Collected::default(), "somebody holds it");
    let stored = held.stored;
    drop(held);
    assert_eq!(blobs.collect().await.unwrap(), Collected { blobs: 1, bytes: stored });
    assert_eq!(blobs.find(&hash).await.unwrap(), None);
    assert_eq!(objects(&blobs).await.len(), 1, "the other one");
    name(&blobs, &repo, put(&blobs, &bytes).await).await;
    let blob = blobs.find(&hash).await.unwrap().unwrap();
    assert_eq!(gather(blobs.read(&blob)).await.unwrap(), bytes, "what was collected can be stored again");
}

#[tokio::test]
async fn a_sweep_takes_what_a_crash_left_and_nothing_else() {
    let blobs = blobs().await;
    let blob = stored(&blobs, &content(1, 100)).await;
    let write = async |location: &object_store::path::Path| {
        blobs.inner.objects.put(location, PutPayload::from_static(b"x")).await.unwrap();
    };
    let left = BlobId::new(&Clock::System);
    write(&blobs.inner.location(&left)).await;
    let under_way = blobs.inner.held.writing(BlobId::new(&Clock::System));
    write(&blobs.inner.location(&under_way.id)).await;
    let foreign = ["notes.txt".to_owned(), format!("zz/{left}"), left.to_string()];
    for name in &foreign {
        write(&name.as_str().into()).await;
    }
    assert_eq!(blobs.sweep().await.unwrap(), 1);
    let mut rest =
        BTreeSet::from([blobs.inner.location(&blob.object), blobs.inner.location(&under_way.id)].map(|l| l.to_string()));
    rest.extend(foreign);
    assert_eq!(objects(&blobs).await, rest);
    drop(under_way);
    assert_eq!(blobs.sweep().await.unwrap(), 1);
}

#[tokio::test]
async fn a_damaged_or_exchanged_object_is_an_error_of_the_stream() {
    let blobs = blobs().await;
    let (bytes, other) = (content(1, 100_000), content(2, 100_000));
    let blob = stored(&blobs, &bytes).await;
    let location = blobs.inner.location(&blob.object);
    let good = blobs.inner.objects.get(&location).await.unwrap().bytes().await.unwrap();
    let mut damaged = good.to_vec();
    damaged[good.len() / 2] ^= 1;
    let mut exchanged = zstd::bulk::compress(&other, 3).unwrap();
    exchanged.resize(good.len().max(exchanged.len()), 0);
    for bad in [damaged, good[..good.len() - 1].to_vec(), Vec::new()] {
        blobs.inner.objects.put(&location, bad.into()).await.unwrap();
        assert!(gather(blobs.read(&blob)).await.is_err());
    }
    // A sound frame of other content, as long as the right one: only the hash tells.
    let mut lying = blob.clone();
    let frame = zstd::bulk::compress(&other, 3).unwrap();
    lying.frames = super::Frames::read(blob.size, BLOB_FRAME_BYTES as u64, &[frame.len() as u64]).unwrap();
    blobs.inner.objects.put(&location, frame.into()).await.unwrap();
    let error = gather(blobs.read(&lying)).await.unwrap_err();
    assert!(error.to_string().contains("not what was stored"), "{error}");
    blobs.inner.objects.delete(&location).await.unwrap();
    assert!(gather(blobs.read(&blob)).await.is_err());
}

#[tokio::test]
async fn a_directory_keeps_its_blobs_over_a_restart_and_loses_what_was_half_written() {
    let dir = tempfile::tempdir().unwrap();
    let at = BlobsAt::Directory(dir.path().join("blobs"));
    let store = store().await;
    let blobs = Blobs::open(&at, &store, Tasks::default(), Clock::System).await.unwrap();
    let bytes = content(1, BLOB_FRAME_BYTES * 4);
    let blob = stored(&blobs, &bytes).await;
    let file = dir.path().join("blobs").join(blobs.inner.location(&blob.object).to_string());
    let staged = file.with_file_name(format!("{}#1", file.file_name().unwrap().to_str().unwrap()));
    std::fs::write(&staged, "half").unwrap();
    let again = Blobs::open(&at, &store, Tasks::default(), Clock::System).await.unwrap();
    assert_eq!(gather(again.read(&blob)).await.unwrap(), bytes);
    assert_eq!(again.sweep().await.unwrap(), 0);
    assert!(!staged.exists() && file.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn collecting_beside_writers_never_takes_what_a_row_names() {
    let blobs = blobs().await;
    let repo = repo(blobs.store()).await;
    let tasks = Tasks::default();
    // Few contents and many who put, name and forget them: they meet all the time.
    let writers: Vec<_> = (0..8_u64)
        .map(|writer| {
            let (blobs, repo) = (blobs.clone(), repo.clone());
            tasks.spawn(async move {
                for round in 0..40_u64 {
                    let kept = put(&blobs, &content((writer + round) % 3, 500)).await;
                    let hash = kept.hash.clone();
                    let cache = name(&blobs, &repo, kept).await;
                    let blob = blobs.find(&hash).await.unwrap().expect("a row names it");
                    gather(blobs.read(&blob)).await.unwrap();
                    blobs.store().remove_cache(&repo, &cache, NOW).await.unwrap();
                }
            })
        })
        .collect();
    let collector = {
        let blobs = blobs.clone();
        let ending = tasks.ending.clone();
        tasks.spawn(async move {
            let mut collected = 0;
            while !ending.is_cancelled() {
                collected += blobs.collect().await.unwrap().blobs;
                blobs.sweep().await.unwrap();
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
            collected
        })
    };
    for writer in writers {
        writer.await.unwrap();
    }
    tasks.ending.cancel();
    assert!(collector.await.unwrap() > 0, "else nothing was tried");
    blobs.collect().await.unwrap();
    blobs.sweep().await.unwrap();
    assert_eq!(objects(&blobs).await, BTreeSet::new());
}
