//! The fake engine, asked through the port like any other.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use futures_util::TryStreamExt;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::base::RunId;
use crate::executor::{JobDirs, Wrote};
use crate::pipeline::Action;

/// A log that nobody reads.
struct Nowhere;

impl Sink for Nowhere {
    fn write(&mut self, _at_ns: i64, _stream: Stream, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn received(&self, _stream: Stream) -> u64 {
        0
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl ServiceSinks for Nowhere {
    fn open(&self, _service: &str) -> io::Result<Box<dyn Sink>> {
        Ok(Box::new(Nowhere))
    }
}

#[derive(Debug)]
struct Packed(&'static str, Vec<u8>);

#[async_trait]
impl Archive for Packed {
    fn into(&self) -> &str {
        self.0
    }

    async fn open(&self) -> io::Result<ByteStream> {
        let bytes = self.1.clone().into();
        Ok(Box::pin(futures_util::stream::once(async { Ok(bytes) })))
    }
}

fn job() -> JobSpec {
    let dirs = JobDirs { root: "/nowhere".into(), workspace: "/nowhere/workspace".into(), shared: Vec::new(), layers: None };
    let key = JobKey { run: RunId::new(&Clock::System), job: 0 };
    JobSpec { key, title: "1 / test".to_owned(), dirs, services: Vec::new(), is_single: false, fill: Vec::new() }
}

fn step(job: &JobSpec, step: u32, env: &[(&str, &str)]) -> StepSpec {
    StepSpec {
        key: AttemptKey { run: job.key.run.clone(), job: job.key.job, step, attempt: 1 },
        title: format!("test / {step}"),
        dirs: job.dirs.clone(),
        image: None,
        pull: None,
        action: Action::EntryPoint,
        env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>(),
        grace_ms: 1_000,
        resources: Default::default(),
        network: Default::default(),
        before: Vec::new(),
    }
}

async fn collected(fake: &Fake, key: &AttemptKey, path: &str) -> Option<Vec<u8>> {
    let archive = fake.collect(key, path).await.unwrap()?;
    Some(archive.map_ok(|piece| piece.to_vec()).try_concat().await.unwrap())
}

fn names(packed: &[u8]) -> Vec<String> {
    tar::Archive::new(packed).entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
}

#[tokio::test]
async fn what_one_step_leaves_the_next_one_has_and_what_was_collected_can_be_put_into_another_job() {
    let fake = Fake::new(Clock::System);
    let first = job();
    fake.prepare(&first, &Nowhere).await.unwrap();
    let (one, two) = (step(&first, 0, &[("FAKE_FILES", "dist/app=hello\n/cache/k=v")]), step(&first, 1, &[]));
    for step in [&one, &two] {
        let live = fake.start(step, Box::new(Nowhere), CancellationToken::new()).await.unwrap();
        assert_eq!(live.exit.await.unwrap().exit, Exit::Code(0));
    }
    let dist = collected(&fake, &two.key, "/workspace/dist").await.unwrap();
    assert_eq!(names(&dist), ["dist", "dist/app"]);
    assert_eq!(collected(&fake, &two.key, "/cache").await, None, "what is not in the work tree is the container's own");
    let cache = collected(&fake, &one.key, "/cache").await.unwrap();
    assert_eq!(names(&cache), ["cache", "cache/k"]);

    let mut second = job();
    second.fill = vec![Arc::new(Packed("/workspace", dist))];
    fake.prepare(&second, &Nowhere).await.unwrap();
    let mut third = step(&second, 0, &[]);
    third.before = vec![Arc::new(Packed("/", cache))];
    drop(fake.start(&third, Box::new(Nowhere), CancellationToken::new()).await.unwrap());
    assert_eq!(names(&collected(&fake, &third.key, "/cache/k").await.unwrap()), ["k"]);
    assert_eq!(names(&collected(&fake, &third.key, "/workspace/dist").await.unwrap()), ["dist", "dist/app"]);
    let put = |attempt: Option<&StepSpec>, into: &str, file: &str| Put {
        job: second.key.clone(),
        attempt: attempt.map(|step| step.key.clone()),
        into: into.to_owned(),
        files: vec![file.to_owned()],
    };
    assert_eq!(fake.puts(), [put(None, "/workspace", "/workspace/dist/app"), put(Some(&third), "/", "/cache/k")]);

    for job in [&first, &second] {
        fake.release(&job.key).await.unwrap();
    }
    assert_eq!(fake.leftovers(), [""; 0], "containers that were kept go with their jobs");
    assert_eq!(fake.collect(&one.key, "/cache").await.err(), Some(Failure::Gone));
}

#[tokio::test]
async fn what_a_step_writes_into_its_files_comes_with_its_end() {
    let fake = Fake::new(Clock::System);
    let job = job();
    let step = step(&job, 0, &[("FAKE_WRITES_OUTPUT", "a=1\n"), ("FAKE_WRITES_SUMMARY", "# b"), ("FAKE_EXIT", "3")]);
    let live = fake.start(&step, Box::new(Nowhere), CancellationToken::new()).await.unwrap();
    let wrote = Wrote { output: b"a=1\n".to_vec(), env: Vec::new(), summary: b"# b".to_vec() };
    assert_eq!(live.exit.await, Ok(Ended { wrote, ..Ended::with(Exit::Code(3)) }));
}
