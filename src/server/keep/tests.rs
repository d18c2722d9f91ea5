//! Archives that were made to harm, and those that merely are large: what of them is kept, and what is said.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tar::{Builder, EntryType, Header};
use tokio_util::sync::CancellationToken;

use super::collect::{Collected, Collector, NotKept};
use super::{Keep, KeepConfig};
use crate::base::{AttemptKey, Clock, JobKey, RepoId, RunId, Tasks, Timestamp, limits};
use crate::executor::{ByteStream, Executor, Failure, JobSpec, Live, ServiceSinks, Sink, StepSpec, Survivor};
use crate::pipeline::{Action, ArtifactsPlan, Event, JobPlan, Plan, StepPlan, Trigger};
use crate::server::Layout;
use crate::store::{Artifact, ArtifactQuery, BlobsAt, Database, Intake, NewRun, Repo, RepoStatus, Store, StoreConfig};

/// An engine that has archives and nothing else.
#[derive(Default)]
struct Archives(BTreeMap<String, Vec<io::Result<Bytes>>>);

#[async_trait]
impl Executor for Archives {
    fn name(&self) -> &'static str {
        "archives"
    }

    fn needs_image(&self) -> bool {
        false
    }

    async fn health(&self) -> Result<(), Failure> {
        Ok(())
    }

    async fn prepare(&self, _job: &JobSpec, _services: &dyn ServiceSinks) -> Result<(), Failure> {
        Err(Failure::Gone)
    }

    async fn follow_services(&self, _job: &JobKey, _services: &dyn ServiceSinks) -> Result<(), Failure> {
        Ok(())
    }

    async fn start(&self, _step: &StepSpec, _sink: Box<dyn Sink>, _stop: CancellationToken) -> Result<Live, Failure> {
        Err(Failure::Gone)
    }

    async fn attach(&self, _key: &AttemptKey, _sink: Box<dyn Sink>, _stop: CancellationToken) -> Result<Live, Failure> {
        Err(Failure::Gone)
    }

    async fn collect(&self, _key: &AttemptKey, path: &str) -> Result<Option<ByteStream>, Failure> {
        let Some(pieces) = self.0.get(path) else { return Ok(None) };
        let again = pieces.iter().map(|piece| match piece {
            Ok(bytes) => Ok(bytes.clone()),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        });
        Ok(Some(Box::pin(stream::iter(again.collect::<Vec<_>>()))))
    }

    async fn remove(&self, _key: &AttemptKey) -> Result<(), Failure> {
        Ok(())
    }

    async fn survivors(&self) -> Result<Vec<Survivor>, Failure> {
        Ok(Vec::new())
    }

    async fn jobs(&self) -> Result<Vec<JobKey>, Failure> {
        Ok(Vec::new())
    }

    async fn release(&self, _job: &JobKey) -> Result<(), Failure> {
        Ok(())
    }
}

/// A step that has ended, and a place for what it left.
struct Bench {
    keep: Keep,
    tasks: Tasks,
    key: AttemptKey,
}

impl Bench {
    async fn new() -> Self {
        let (tasks, clock) = (Tasks::default(), Clock::System);
        let store = Store::open(&StoreConfig { database: Database::Memory, logs: "/nonexistent".into() }).await.unwrap();
        let config = KeepConfig { blobs: Some(BlobsAt::Memory), ..KeepConfig::default() };
        let keep = Keep::open(&config, &Layout::new("/nonexistent".as_ref()), &store, &tasks, &clock).await.unwrap();
        let key = AttemptKey { run: run(&store).await, job: 0, step: 0, attempt: 1 };
        Self { keep, tasks, key }
    }

    async fn collect(&self, archives: &Archives, paths: &[&str], required: bool) -> Result<Collected, NotKept> {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let plan = ArtifactsPlan { paths, expire_ms: None, required };
        let collector = Collector { keep: &self.keep, executor: archives, tasks: &self.tasks, clock: &Clock::System };
        collector.collect(&self.key, &plan).await
    }

    async fn kept(&self) -> Vec<Artifact> {
        let query = ArtifactQuery { limit: 200_000, ..ArtifactQuery::default() };
        self.keep.artifacts.store().artifacts(&self.key.run, &query, Timestamp(0)).await.unwrap()
    }

    async fn content(&self, artifact: &Artifact) -> Vec<u8> {
        let blob = self.keep.artifacts.find(&artifact.hash).await.unwrap().unwrap();
        let pieces: Vec<Bytes> = self.keep.artifacts.read(&blob).try_collect().await.unwrap();
        pieces.concat()
    }

    /// Nothing is kept of this archive of `dist`; answers what is said.
    async fn refused(&self, archive: Vec<u8>) -> String {
        let archives = of_dist(archive);
        match self.collect(&archives, &["dist/**"], false).await {
            Err(NotKept::Faults(faults)) => {
                assert_eq!(self.kept().await, [], "{faults:?}");
                faults.join("\n")
            }
            other => panic!("{other:?}"),
        }
    }
}

async fn run(store: &Store) -> RunId {
    let repo = Repo {
        id: RepoId::new(&Clock::System),
        name: "roof".to_owned(),
        url: "/roof".to_owned(),
        poll_ms: 1,
        hook_secret: String::new(),
        added_at: Timestamp(1),
        default_branch: None,
        status: RepoStatus { ok: true, sentence: String::new(), at: Timestamp(1) },
    };
    store.add_repo(&repo).await.unwrap();
    let step = StepPlan::new("s", Action::EntryPoint);
    let new = NewRun {
        id: RunId::new(&Clock::System),
        repo_name: repo.name.clone(),
        trigger: trigger(),
        plan: Arc::new(Plan::new("ci", ".gantry.yml", vec![JobPlan::new("j", vec![step])])),
        problems: Vec::new(),
        ended: None,
        rerun_of: None,
        begun: Vec::new(),
    };
    let intake = Intake {
        repo: repo.id,
        refs: Vec::new(),
        runs: vec![new],
        notes: Vec::new(),
        deliveries: Vec::new(),
        schedules: Vec::new(),
        now: Timestamp(1),
    };
    store.take_in(intake).await.unwrap().remove(0).id
}

fn trigger() -> Trigger {
    Trigger {
        event: Event::Push,
        repo: "roof".to_owned(),
        url: String::new(),
        branch: "main".to_owned(),
        tag: None,
        commit: "0".repeat(40),
        message: String::new(),
        author: String::new(),
        default_branch: "main".to_owned(),
        because: String::new(),
        inputs: BTreeMap::new(),
        schedule: None,
        pull_request: None,
    }
}

fn header(kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o4755);
    header
}

/// An entry with a name as it is, which the library would not write.
fn raw(name: &[u8], kind: EntryType, content: &[u8]) -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    let mut header = header(kind, content.len() as u64);
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_cksum();
    archive.append(&header, content).unwrap();
    archive.into_inner().unwrap()
}

fn link(name: &str, kind: EntryType, target: &str) -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    archive.append_link(&mut header(kind, 0), name, target).unwrap();
    archive.into_inner().unwrap()
}

fn files(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    for (name, content) in files {
        archive.append_data(&mut header(EntryType::Regular, content.len() as u64), name, *content).unwrap();
    }
    archive.into_inner().unwrap()
}

fn of_dist(archive: Vec<u8>) -> Archives {
    Archives(BTreeMap::from([("/workspace/dist".to_owned(), vec![Ok(archive.into())])]))
}

#[tokio::test]
async fn plain_files_are_kept_with_their_names_modes_and_contents() {
    let bench = Bench::new().await;
    let big: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let long = format!("dist/{}", "long/".repeat(60) + "name");
    let archive =
        files(&[("dist/b.txt", b"hello"), ("dist/sub/a", &big), ("dist/sub/empty", b""), (&long, b"x"), ("dist/ü", b"y")]);
    let pieces = archive.chunks(10_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    let archives = Archives(BTreeMap::from([("/workspace/dist".to_owned(), pieces)]));
    let collected = bench.collect(&archives, &["dist/**"], true).await.unwrap();
    assert_eq!(collected, Collected { files: 5, bytes: 5 + 3_000_000 + 2 });
    let mut kept = bench.kept().await;
    kept.sort_by(|a, b| a.path.cmp(&b.path));
    let names: Vec<&str> = kept.iter().map(|artifact| artifact.path.as_str()).collect();
    assert_eq!(names, ["dist/b.txt", &long, "dist/sub/a", "dist/sub/empty", "dist/ü"]);
    assert_eq!(bench.content(&kept[0]).await, b"hello");
    assert_eq!(bench.content(&kept[2]).await, big);
    assert_eq!(bench.content(&kept[3]).await, b"");
    assert_eq!(kept[0].mode, 0o755, "set-uid is not kept");
}

#[tokio::test]
async fn links_devices_and_fifos_are_refused() {
    let bench = Bench::new().await;
    for (archive, words) in [
        (link("dist/passwd", EntryType::Symlink, "/etc/passwd"), "`dist/passwd` is a symbolic link"),
        (link("dist/up", EntryType::Symlink, "../../.."), "symbolic link"),
        (link("dist/hard", EntryType::Link, "dist/b"), "hard link"),
        (link("dist/hard", EntryType::Link, "/etc/shadow"), "hard link"),
        (raw(b"dist/sda", EntryType::Block, b""), "device"),
        (raw(b"dist/tty", EntryType::Char, b""), "device"),
        (raw(b"dist/pipe", EntryType::Fifo, b""), "fifo"),
        (raw(b"dist/odd", EntryType::new(b'Z'), b""), "not known"),
    ] {
        let said = bench.refused(archive).await;
        assert!(said.contains(words), "{said}");
    }
}

#[tokio::test]
async fn names_that_lead_elsewhere_are_refused() {
    let bench = Bench::new().await;
    for (name, words) in [
        (&b"../evil"[..], "`..`"),
        (b"dist/../../evil", "`..`"),
        (b"/etc/cron.d/evil", "absolute"),
        (b"dist/a\nb", "control character"),
        (b"dist/\x1b]0;x", "control character"),
        (b"dist/..\\..\\evil", "backslash"),
        (b"dist/\xff\xfe", "not UTF-8"),
        (b"other/x", "not what was asked for"),
    ] {
        let said = bench.refused(raw(name, EntryType::Regular, b"x")).await;
        assert!(said.contains(words) && !said.contains('\u{1b}'), "{said}");
    }
    let too_long = format!("dist/{}", "x/".repeat(600));
    let said = bench.refused(files(&[(too_long.trim_end_matches('/'), b"x")])).await;
    assert!(said.contains("1024 bytes") && said.len() < 300, "{said}");
}

#[tokio::test]
async fn a_name_twice_and_a_file_that_is_a_directory_too_are_refused() {
    let bench = Bench::new().await;
    let said = bench.refused(files(&[("dist/a", b"1"), ("dist/a", b"2")])).await;
    assert!(said.contains("`dist/a` is there twice"), "{said}");
    let said = bench.refused(files(&[("dist/a", b"1"), ("dist/a/b", b"2")])).await;
    assert!(said.contains("also the directory of `dist/a/b`"), "{said}");
}

#[tokio::test]
async fn what_is_not_wanted_may_be_what_it_likes() {
    let bench = Bench::new().await;
    let mut archive = link("workspace/link", EntryType::Symlink, "/etc");
    archive.truncate(512);
    archive.extend(files(&[
        ("workspace/a.log", b"1"),
        ("workspace/sub/b.log", b"2"),
        ("workspace/.git/x.log", b"3"),
        ("workspace/a\nb", b"4"),
    ]));
    let archives = Archives(BTreeMap::from([("/workspace".to_owned(), vec![Ok(archive.into())])]));
    let collected = bench.collect(&archives, &["**/*.log"], true).await.unwrap();
    assert_eq!(collected.files, 2, "{:?}", bench.kept().await);
}

#[tokio::test]
async fn all_faults_are_told_and_the_rest_counted() {
    let bench = Bench::new().await;
    let mut archive = Builder::new(Vec::new());
    for n in 0..limits::ARTIFACT_FAULTS + 5 {
        archive.append_link(&mut header(EntryType::Symlink, 0), format!("dist/{n}"), "x").unwrap();
    }
    let said = bench.refused(archive.into_inner().unwrap()).await;
    assert_eq!(said.lines().count(), limits::ARTIFACT_FAULTS + 1, "{said}");
    assert!(said.ends_with("and 5 more"), "{said}");
}

#[tokio::test]
async fn nothing_that_matches_is_a_fault_only_where_it_is_required() {
    let bench = Bench::new().await;
    let none = Archives::default();
    assert_eq!(bench.collect(&none, &["dist/**", "x"], false).await, Ok(Collected { files: 0, bytes: 0 }));
    let Err(NotKept::Faults(faults)) = bench.collect(&none, &["dist/**", "x"], true).await else { panic!() };
    assert_eq!(faults, ["no file matches `dist/**` or `x`"]);
    let Err(NotKept::Faults(faults)) = bench.collect(&none, &["../x"], false).await else { panic!() };
    assert!(faults[0].contains("leads out"), "{faults:?}");
}

#[tokio::test]
async fn an_archive_that_breaks_off_is_trouble_and_no_fault_of_the_step() {
    let bench = Bench::new().await;
    let big = vec![7_u8; 2_000_000];
    let whole = files(&[("dist/a", b"1"), ("dist/big", &big)]);
    let cut = |at: usize| -> Vec<io::Result<Bytes>> { vec![Ok(Bytes::copy_from_slice(&whole[..at]))] };
    let mut broken = cut(1_500_000);
    broken.push(Err(io::Error::other("the engine went away")));
    for (pieces, words) in [
        (cut(1_200), "cannot be read"),
        (cut(1_500_000), "broke off"),
        (broken, "the engine went away"),
        (vec![Ok(Bytes::from(vec![b'x'; 2048]))], "cannot be read"),
    ] {
        let archives = Archives(BTreeMap::from([("/workspace/dist".to_owned(), pieces)]));
        let Err(NotKept::Trouble(why)) = bench.collect(&archives, &["dist"], false).await else { panic!("{words}") };
        assert!(why.contains(words), "{why}");
        assert_eq!(bench.kept().await, []);
    }
}

#[tokio::test]
async fn headers_without_end_do_not_fill_the_memory() {
    let bench = Bench::new().await;
    // A long name of so many bytes, as one may claim.
    let name = raw(b"././@LongLink", EntryType::GNULongName, &vec![b'x'; limits::ARCHIVE_HEADER_BYTES as usize + 1024]);
    let archives = of_dist(name);
    let Err(NotKept::Trouble(why)) = bench.collect(&archives, &["dist"], false).await else { panic!() };
    assert!(why.contains("names and attributes"), "{why}");
}

#[tokio::test]
async fn a_second_collection_takes_the_place_of_the_first() {
    let bench = Bench::new().await;
    bench.collect(&of_dist(files(&[("dist/a", b"1"), ("dist/b", b"2")])), &["dist"], true).await.unwrap();
    bench.collect(&of_dist(files(&[("dist/b", b"3"), ("dist/c", b"1")])), &["dist"], true).await.unwrap();
    let mut kept = bench.kept().await;
    kept.sort_by(|a, b| a.path.cmp(&b.path));
    assert_eq!(kept.iter().map(|artifact| artifact.path.as_str()).collect::<Vec<_>>(), ["dist/b", "dist/c"]);
    assert_eq!(bench.content(&kept[0]).await, b"3");
    assert_eq!(bench.keep.artifacts.collect().await.unwrap().blobs, 1, "`2`; `1` has another name now");
}

/// `count` files of few different contents, as pieces of an archive, never in memory at once.
fn many(count: usize) -> Archives {
    let pieces = (0..count).map(|n| {
        let content = format!("{}", n % 100);
        let mut archive = files(&[(&format!("dist/{}/{n}", n % 1000), content.as_bytes())]);
        archive.truncate(1024);
        Ok(archive.into())
    });
    Archives(BTreeMap::from([("/workspace/dist".to_owned(), pieces.collect())]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_files_as_there_may_be_are_kept_and_one_more_is_refused() {
    let bench = Bench::new().await;
    let one_too_many = bench.collect(&many(limits::ARTIFACT_FILES + 1), &["dist"], true).await;
    let Err(NotKept::Faults(faults)) = one_too_many else { panic!("{one_too_many:?}") };
    assert!(faults[0].contains("more than 100000 files"), "{faults:?}");
    let collected = bench.collect(&many(limits::ARTIFACT_FILES), &["dist"], true).await.unwrap();
    assert_eq!(collected.files, limits::ARTIFACT_FILES);
    assert_eq!(bench.kept().await.len(), limits::ARTIFACT_FILES);
}

#[tokio::test]
async fn a_file_that_is_larger_than_all_may_be_is_refused_before_it_is_read() {
    let bench = Bench::new().await;
    let mut archive = Builder::new(Vec::new());
    let mut huge = header(EntryType::Regular, limits::ARTIFACT_BYTES + 1);
    archive.append_data(&mut huge, "dist/huge", io::empty()).unwrap();
    let start = std::mem::take(archive.get_mut());
    // As sparse as it may be: what follows is one small piece again and again, and the engine gives up in the middle.
    let mut pieces: Vec<io::Result<Bytes>> = vec![Ok(start.into())];
    pieces.extend((0..100).map(|_| Ok(Bytes::from_static(&[0; 4096]))));
    let archives = Archives(BTreeMap::from([("/workspace/dist".to_owned(), pieces)]));
    let told = bench.collect(&archives, &["dist"], true).await;
    let why = match told {
        Err(NotKept::Faults(faults)) => faults.join("; "),
        Err(NotKept::Trouble(why)) => why,
        other => panic!("{other:?}"),
    };
    assert!(why.contains("larger than 10 GiB together"), "{why}");
    assert_eq!(bench.kept().await, []);
}

#[tokio::test]
async fn an_archive_of_artifacts_is_one_that_any_tar_reads() {
    let bench = Bench::new().await;
    let big = vec![9_u8; 700_001];
    let long = format!("dist/{}", "long/".repeat(60) + "name");
    bench
        .collect(&of_dist(files(&[("dist/a", b"1"), ("dist/big", &big), (&long, b"x"), ("dist/sub/e", b"")])), &["dist"], true)
        .await
        .unwrap();
    let tarball = super::tarball::Tarball {
        blobs: bench.keep.artifacts.clone(),
        tasks: bench.tasks.clone(),
        clock: Clock::System,
        run: bench.key.run.clone(),
        jobs: vec![0],
        prefix: String::new(),
        owner: (7, 8),
    };
    let pieces: Vec<Bytes> = tarball.open().try_collect().await.unwrap();
    let bytes = pieces.concat();
    let mut archive = tar::Archive::new(bytes.as_slice());
    let mut read = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        io::Read::read_to_end(&mut entry, &mut content).unwrap();
        assert_eq!((entry.header().uid().unwrap(), entry.header().entry_type()), (7, EntryType::Regular));
        read.insert(entry.path().unwrap().display().to_string(), content);
    }
    let meant = [
        ("dist/a".to_owned(), b"1".to_vec()),
        ("dist/big".to_owned(), big),
        (long, b"x".to_vec()),
        ("dist/sub/e".to_owned(), Vec::new()),
    ];
    assert_eq!(read, BTreeMap::from(meant));
    // Whoever reads may go away in the middle.
    drop(tarball.open().next().await);
    bench.tasks.end().await;
}
