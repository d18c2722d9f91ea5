//! Blobs in a bucket: the same promises as in a directory, kept by a real server that speaks S3.
//!
//! `GANTRY_TEST_S3` is its address, such as `http://127.0.0.1:5000`; it must take any key and have the bucket `gantry-test`. Without it nothing is tried.

use std::io;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use gantry::base::{CacheId, Clock, RepoId, RunId, Tasks, Timestamp, limits, random_hex};
use gantry::store::{Blobs, BlobsAt, Database, NewCache, NewPart, Repo, RepoStatus, S3, Store, StoreConfig};

const NOW: Timestamp = Timestamp(1);

async fn store() -> (Store, RepoId) {
    let store = Store::open(&StoreConfig { database: Database::Memory, logs: "/nonexistent".into() }).await.unwrap();
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
    (store, repo.id)
}

fn at(endpoint: &str, prefix: &str) -> BlobsAt {
    let s3 = S3::parse(&format!("s3://gantry-test/{prefix}")).unwrap();
    let (access_key, secret_key) = (Some("key".to_owned()), Some("secret".to_owned()));
    BlobsAt::S3(S3 { endpoint: Some(endpoint.to_owned()), region: Some("us-east-1".to_owned()), access_key, secret_key, ..s3 })
}

async fn open(endpoint: &str, prefix: &str, store: &Store) -> Blobs {
    Blobs::open(&at(endpoint, prefix), store, Tasks::default(), Clock::System).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_keeps_finds_and_forgets_blobs() {
    let Ok(endpoint) = std::env::var("GANTRY_TEST_S3") else {
        eprintln!("nothing was tested: GANTRY_TEST_S3 has no address of a server that speaks S3");
        return;
    };
    let prefix = format!("try/{}", random_hex(4));
    let ((store, repo), (other_store, _)) = (store().await, store().await);
    let (blobs, other) = (open(&endpoint, &prefix, &store).await, open(&endpoint, &prefix, &other_store).await);
    // Enough for several parts of an upload, of bytes that do not compress.
    let big: Bytes = (0..40).flat_map(|_| hex::decode(random_hex(512 * 1024)).unwrap()).collect::<Vec<u8>>().into();
    let mut ids = Vec::new();
    for content in [Bytes::from_static(b""), Bytes::from_static(b"small"), big.clone(), Bytes::from_static(b"small")] {
        let chunks: Vec<_> = content.chunks(100_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let kept = blobs.put(Box::pin(stream::iter(chunks)), u64::MAX).await.unwrap();
        let hash = kept.hash.clone();
        let (id, run) = (CacheId::new(&Clock::System), RunId::new(&Clock::System));
        let parts = vec![NewPart { path: "/a".to_owned(), content: kept }];
        let cache = NewCache { id: id.clone(), repo: &repo, scope: "trusted", key: id.as_str(), paths: &[], run: &run, parts };
        assert!(blobs.keep_cache(&cache, NOW).await.unwrap());
        ids.push(id);
        let blob = blobs.find(&hash).await.unwrap().unwrap();
        let read: Vec<Bytes> = blobs.read(&blob).try_collect().await.unwrap();
        assert!(read.concat() == content, "{} bytes", content.len());
        if content.len() > limits::BLOB_FRAME_BYTES {
            let from = limits::BLOB_FRAME_BYTES as u64 - 3;
            let part: Vec<Bytes> = blobs.read_range(&blob, from..from + 7).try_collect().await.unwrap();
            assert_eq!(part.concat(), content[limits::BLOB_FRAME_BYTES - 3..][..7]);
        }
    }
    // An upload that breaks off leaves nothing, neither does one that nobody names.
    let broken = stream::iter([Ok(big.clone()), Err(io::Error::other("broke off"))]);
    assert!(blobs.put(Box::pin(broken), u64::MAX).await.is_err());
    drop(blobs.put(Box::pin(stream::once(async { Ok(Bytes::from_static(b"nobody's")) })), 100).await.unwrap());
    assert_eq!(other.sweep().await.unwrap(), 0, "another server's objects in the same bucket are not its own");
    assert_eq!(blobs.sweep().await.unwrap(), 1, "the one that nobody names");
    assert_eq!(blobs.sweep().await.unwrap(), 0);
    for id in &ids {
        assert!(store.remove_cache(&repo, id, NOW).await.unwrap());
    }
    assert_eq!(blobs.collect().await.unwrap().blobs, 3, "equal ones were stored once");
    assert_eq!(blobs.sweep().await.unwrap(), 0, "the objects went with their rows");
}

#[tokio::test]
async fn a_bucket_that_does_not_answer_is_told_by_name_and_without_its_secret() {
    let (store, _) = store().await;
    // Nobody listens on the port of discard.
    let blobs = open("http://127.0.0.1:9", "ci", &store).await;
    let content = stream::iter([Ok(Bytes::from_static(b"x"))]).boxed();
    let put = tokio::time::timeout(std::time::Duration::from_secs(60), blobs.put(content, 100)).await.expect("it gives up");
    let error = put.map(drop).unwrap_err().to_string();
    assert!(error.contains("s3://gantry-test/ci") && !error.contains("secret"), "{error}");
}
