//! Streams: what was missed is made good, and they end when the server ends.

use futures_util::StreamExt;
use reqwest::{RequestBuilder, Response};

use super::seed::{job_ended, job_is, plan, run_ended, run_is, step_ended, step_is};
use super::{Seed, World, seed_attempt, text};
use crate::base::Timestamp;
use crate::run::{JobState, Life, Observed, Outcome, StepEnd, StepState, Stream};

/// Reads a stream event by event.
struct Events {
    bytes: futures_util::stream::BoxStream<'static, String>,
    read: String,
}

impl Events {
    async fn open(request: RequestBuilder) -> Self {
        let answer: Response = request.send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/event-stream", "{:?}", answer.status());
        let bytes =
            answer.bytes_stream().map(|part| part.map(|part| String::from_utf8_lossy(&part).into_owned()).unwrap_or_default());
        Self { bytes: bytes.boxed(), read: String::new() }
    }

    /// The next event as it came, comments left out; `None` at the stream's end.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.read = rest;
                if !event.starts_with(':') {
                    return Some(event);
                }
                continue;
            }
            self.read.push_str(&self.bytes.next().await?);
        }
    }

    async fn rest(mut self) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(event) = self.next().await {
            all.push(event);
        }
        all
    }
}

fn ids(events: &[String]) -> Vec<i64> {
    let id = |event: &String| event.lines().find_map(|line| line.strip_prefix("id: ")?.parse().ok());
    events.iter().filter_map(id).collect()
}

#[tokio::test]
async fn a_record_taken_up_again_has_neither_a_hole_nor_a_double() {
    let world = World::new().await;
    let seed = Seed { store: &world.store, now: Timestamp(0) };
    let repo = seed.repo("site").await;
    let run = seed.run(&repo, seed.trigger(&repo, "main", "m"), plan(&[("build", &[], &["test"])])).await;
    let path = format!("/api/v1/runs/{}/events", run.id);
    let mut events = Events::open(world.get(&path)).await;
    let mut before = vec![events.next().await.unwrap()];
    seed.set(&[run_is(&run, Life::Running { since: seed.now })]).await;
    world.nudge(&repo).await;
    before.push(events.next().await.unwrap());
    assert!(before[1].contains("event: run") && before[1].contains("running"), "{}", before[1]);
    drop(events);

    // Missed while away.
    seed_attempt(&seed, &run).await;
    seed.set(&[run_is(&run, run_ended(Outcome::Passed, "all passed", seed.now, 9))]).await;
    let last = ids(&before)[1];
    let after = Events::open(world.get(&format!("{path}?after=0")).header("last-event-id", last)).await.rest().await;
    assert!(after.last().unwrap().contains("event: end"), "a run that has ended has a last event");

    let whole: Vec<i64> = world.store.events_after(0, Some(&run.id), 100).await.unwrap().iter().map(|event| event.seq).collect();
    let mut seen = ids(&before);
    seen.extend(ids(&after));
    assert_eq!(seen, whole);
}

#[tokio::test]
async fn a_log_is_followed_from_where_it_was_left_until_its_end() {
    let world = World::new().await;
    let seed = Seed { store: &world.store, now: Timestamp(0) };
    let repo = seed.repo("site").await;
    let run = seed.run(&repo, seed.trigger(&repo, "main", "m"), plan(&[("build", &[], &["test"])])).await;
    let path = format!("/api/v1/runs/{}/steps/build/test/log/stream", run.id);
    // Asked for before the first attempt: it is waited for.
    let mut events = Events::open(world.get(&path)).await;
    seed_attempt(&seed, &run).await;
    let key = seed.log(&run, 0, 0, &[(Stream::Stdout, "one"), (Stream::Stdout, "two")], false);
    world.nudge(&repo).await;
    let first = [events.next().await.unwrap(), events.next().await.unwrap()];
    assert_eq!(ids(&first), [1, 2]);
    assert!(first[0].contains(r#""text":"one""#));
    drop(events);

    let mut writer = world.store.logs().writer(&key).unwrap();
    writer.write(1, Stream::Stderr, b"three\n").unwrap();
    let mut events = Events::open(world.get(&format!("{path}?from=1")).header("last-event-id", 2)).await;
    assert_eq!(ids(&[events.next().await.unwrap()]), [3], "Last-Event-ID beats the query");
    writer.write(2, Stream::Stdout, b"four\n").unwrap();
    assert_eq!(ids(&[events.next().await.unwrap()]), [4]);
    writer.finish().unwrap();
    let rest = events.rest().await;
    assert_eq!(rest.len(), 1);
    assert!(rest[0].contains("event: end"));
}

#[tokio::test]
async fn a_page_is_told_of_changes_and_of_its_log() {
    let world = World::new().await;
    let seed = Seed { store: &world.store, now: Timestamp(0) };
    let repo = seed.repo("site").await;
    let run = seed.run(&repo, seed.trigger(&repo, "main", "m"), plan(&[("build", &[], &["test"])])).await;
    let other = seed.run(&repo, seed.trigger(&repo, "main", "m"), plan(&[("build", &[], &["test"])])).await;
    seed_attempt(&seed, &run).await;
    let key = seed.log(&run, 0, 0, &[(Stream::Stdout, "one")], false);
    let seq = world.store.last_event().await.unwrap();
    let mut events = Events::open(world.get(&format!("/live?after={seq}&run={}&job=build&step=test&attempt=1", run.id))).await;
    assert_eq!(events.next().await.unwrap(), "event: log\ndata: {\"end\":false,\"lines\":1}");

    seed.set(&[run_is(&other, Life::Running { since: seed.now })]).await;
    world.nudge(&repo).await;
    let mut writer = world.store.logs().writer(&key).unwrap();
    writer.write(1, Stream::Stdout, b"two\n").unwrap();
    writer.finish().unwrap();
    let news = loop {
        let event = events.next().await.unwrap();
        assert!(event.contains("event: log"), "another run's change is not this page's: {event}");
        if event.contains("true") {
            break event;
        }
    };
    assert_eq!(news, "event: log\ndata: {\"end\":true,\"lines\":2}");

    seed.set(&[run_is(&run, run_ended(Outcome::Passed, "all passed", seed.now, 9))]).await;
    world.nudge(&repo).await;
    assert!(events.next().await.unwrap().contains("event: change"));
}

#[tokio::test]
async fn streams_end_when_the_server_ends() {
    let world = World::new().await;
    let seed = Seed { store: &world.store, now: Timestamp(0) };
    let repo = seed.repo("site").await;
    let run = seed.run(&repo, seed.trigger(&repo, "main", "m"), plan(&[("build", &[], &["test"])])).await;
    let paths = [
        "/api/v1/events?after=0".to_owned(),
        format!("/api/v1/runs/{}/events", run.id),
        format!("/api/v1/runs/{}/steps/build/test/log/stream", run.id),
        "/live".to_owned(),
    ];
    let mut open = Vec::new();
    for path in &paths {
        open.push(Events::open(world.get(path)).await);
    }
    // Waits for the listener's task, which waits for the streams: a stream that went on would hang here.
    world.tasks.end().await;
    for events in open {
        events.rest().await;
    }
}

#[tokio::test]
async fn a_number_that_is_none_is_refused() {
    let world = World::new().await;
    let answer = world.get("/api/v1/events").header("last-event-id", "abc").send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert!(text(answer).await.contains("Last-Event-ID"));
}

#[tokio::test]
async fn a_pull_is_seen_on_the_page_while_it_goes_on_and_leaves_nothing_in_the_record() {
    let world = World::new().await;
    let seed = Seed { store: &world.store, now: Timestamp(0) };
    let repo = seed.repo("site").await;
    let run = seed.run(&repo, seed.trigger(&repo, "main", "m"), plan(&[("build", &[], &["test"])])).await;
    let since = Timestamp(0);
    let starting = step_is(&run, 0, 0, StepState::Starting { attempt: 1, since });
    seed.set(&[run_is(&run, Life::Running { since }), job_is(&run, 0, JobState::Running { since }), starting]).await;
    let last = world.store.last_event().await.unwrap();
    let mut events = Events::open(world.get(&format!("/live?run={}&after={last}", run.id))).await;
    for words in ["43 of 120 MB", "unpacks 1 of 3 layers"] {
        world.fake.set_pulling("rust:1.95", Some(words));
        assert_eq!(events.next().await.unwrap(), "event: change\ndata: {}");
        let page = world.read(&format!("/runs/{}", run.id)).await;
        assert!(page.contains(&format!("pulls rust:1.95, {words}")), "{page}");
        let shown = world.json(&format!("/api/v1/runs/{}", run.id)).await;
        assert_eq!(shown["jobs"][0]["steps"][0]["reason"], format!("pulls rust:1.95, {words}"));
    }
    world.fake.set_pulling("rust:1.95", None);
    assert_eq!(events.next().await.unwrap(), "event: change\ndata: {}");
    assert!(!world.read(&format!("/runs/{}", run.id)).await.contains("pulls rust"));
    assert_eq!(world.store.last_event().await.unwrap(), last);
}

#[tokio::test]
async fn a_step_s_page_says_where_its_time_went_and_what_it_used() {
    let world = World::new().await;
    let seed = Seed { store: &world.store, now: Timestamp(0) };
    let repo = seed.repo("site").await;
    let run = seed.run(&repo, seed.trigger(&repo, "main", "m"), plan(&[("build", &[], &["test"])])).await;
    let StepState::Ended(end) =
        step_ended(Outcome::Failed, 139, "ended by SIGSEGV: an invalid memory access", Timestamp(5_000), 1_000)
    else {
        panic!()
    };
    let observed = Observed {
        signal: Some(11),
        memory_peak_bytes: Some(312 << 20),
        cpu_user_ms: Some(1_500),
        written_bytes: Some(12 << 20),
        image: Some("rust@sha256:00112233445566778899".to_owned()),
        pulled_ms: Some(3_000),
        prepared_ms: Some(80),
        ..Observed::default()
    };
    seed.set(&[
        run_is(&run, run_ended(Outcome::Failed, "r", Timestamp(0), 6_000)),
        job_is(&run, 0, job_ended(Outcome::Failed, "r", Timestamp(0), 6_000)),
        step_is(&run, 0, 0, StepState::Ended(StepEnd { observed: Box::new(observed), ..end })),
    ])
    .await;
    let page = world.read(&format!("/runs/{}", run.id)).await;
    for words in [
        "waited 1.9 s, pulled 3.0 s, prepared 80 ms",
        "312 MiB memory, 1.5 s CPU, wrote 12 MiB",
        "image sha256:001122334455<",
        "ended by SIGSEGV: an invalid memory access",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("exit code 139"), "the reason says it");
    let shown = world.json(&format!("/api/v1/runs/{}", run.id)).await;
    let step = &shown["jobs"][0]["steps"][0];
    assert_eq!((step["times"]["pulling_ms"].as_u64(), step["usage"]["signal"].as_u64()), (Some(3_000), Some(11)));
    assert_eq!(shown["jobs"][0]["times"]["preparing_ms"], 2_000);
}
