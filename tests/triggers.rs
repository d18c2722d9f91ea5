//! What makes runs beside a push: schedules by a clock that the test holds, and people who ask.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use gantry::base::{Clock, Timestamp};
use gantry::server::{ByHand, Part, Refusal};
use gantry::store::Schedule;
use support::{App, Remote};

/// A clock that the test sets.
struct Hands(Arc<AtomicI64>);

impl Hands {
    fn at(text: &str) -> Self {
        let hands = Self(Arc::default());
        hands.set(text);
        hands
    }

    fn clock(&self) -> Clock {
        Clock::Manual(Arc::clone(&self.0))
    }

    fn set(&self, text: &str) {
        self.0.store(time(text).0 * 1_000_000, Ordering::Relaxed);
    }
}

fn time(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn shown(at: Option<Timestamp>) -> String {
    at.map(|at| jiff::Timestamp::from_millisecond(at.0).unwrap().to_string()).unwrap_or_default()
}

impl App {
    /// Sets the clock and lets the server notice.
    fn set(&self, hands: &Hands, text: &str) {
        hands.set(text);
        self.handle().clock_was_set();
    }

    async fn schedules(&self) -> Vec<Schedule> {
        let repo = self.handle().store().repo("shop").await.unwrap().unwrap();
        self.handle().store().schedules(&repo.id).await.unwrap()
    }

    /// Waits until the schedules are due next at these times, by name.
    async fn due(&self, times: &[(&str, &str)]) {
        self.until(&format!("schedules due at {times:?}"), async |app| {
            let schedules = app.schedules().await;
            let due: Vec<(String, String)> = schedules.iter().map(|s| (s.name.clone(), shown(s.next_at))).collect();
            (due.iter().map(|(name, at)| (name.as_str(), at.as_str())).collect::<Vec<_>>() == times).then_some(())
        })
        .await;
    }
}

const NIGHTLY: &str = "on: { push: {}, cron: { nightly: \"0 3 * * *\" } }\nsteps: [make]\n";

#[tokio::test]
async fn a_schedule_runs_at_its_time_every_time_and_the_same_commit_again() {
    let hands = Hands::at("2026-11-25T02:00:00Z");
    let app = App::with_clock(hands.clock()).await;
    let remote = Remote::with(NIGHTLY);
    let commit = remote.git(&["rev-parse", "HEAD"]);
    app.watch("shop", &remote).await;
    app.ended("shop", 1).await;
    app.due(&[("nightly", "2026-11-25T03:00:00Z")]).await;

    app.set(&hands, "2026-11-25T02:59:59Z");
    app.set(&hands, "2026-11-25T03:00:00Z");
    let run = app.ended("shop", 2).await;
    assert_eq!((run.event, run.branch.as_str(), run.commit.as_str()), ("cron", "main", commit.as_str()));
    assert_eq!(run.because, "schedule `nightly` (`0 3 * * *`) was due at 2026-11-25 03:00 UTC");
    app.due(&[("nightly", "2026-11-26T03:00:00Z")]).await;
    let last = app.schedules().await.remove(0).last.unwrap();
    assert_eq!((last.due_at, last.run.unwrap().number), (time("2026-11-25T03:00:00Z"), 2));

    app.set(&hands, "2026-11-25T23:00:00Z");
    app.set(&hands, "2026-11-26T03:00:00.001Z");
    let run = app.ended("shop", 3).await;
    assert_eq!((run.event, run.commit.as_str()), ("cron", commit.as_str()));
    assert_eq!(app.runs("shop").await.len(), 3);
    app.close().await;
}

#[tokio::test]
async fn a_time_that_passed_while_the_server_was_away_is_answered_once_and_says_so() {
    let hands = Hands::at("2026-11-25T02:00:00Z");
    let mut app = App::with_clock(hands.clock()).await;
    let remote = Remote::with(NIGHTLY);
    app.watch("shop", &remote).await;
    app.ended("shop", 1).await;
    app.due(&[("nightly", "2026-11-25T03:00:00Z")]).await;
    app.stop().await;
    hands.set("2026-11-28T12:00:00Z");
    app.restart().await;
    let run = app.ended("shop", 2).await;
    assert_eq!(run.because, "schedule `nightly` (`0 3 * * *`) was due at 2026-11-25 03:00 UTC, when the server was away");
    app.due(&[("nightly", "2026-11-29T03:00:00Z")]).await;
    // What was answered stays answered.
    app.restart().await;
    app.set(&hands, "2026-11-29T03:00:00Z");
    app.ended("shop", 3).await;
    assert_eq!(app.runs("shop").await.len(), 3, "three missed times were one run");
    app.close().await;
}

#[tokio::test]
async fn times_are_those_of_the_time_zone_also_when_its_clocks_change() {
    let hands = Hands::at("2026-03-28T12:00:00Z");
    let app = App::with_clock(hands.clock()).await;
    let pipeline = "on: { cron: { timezone: Europe/Berlin, early: \"30 2 * * *\", noon: { schedule: \"0 12 * * *\", timezone: UTC } } }\nsteps: [make]\n";
    let remote = Remote::with(pipeline);
    app.watch("shop", &remote).await;
    // Berlin has no 02:30 on 29 March: it comes when the clocks go forward, at 01:00 UTC.
    app.due(&[("early", "2026-03-29T01:00:00Z"), ("noon", "2026-03-29T12:00:00Z")]).await;
    app.set(&hands, "2026-03-29T01:00:00Z");
    let run = app.ended("shop", 1).await;
    assert_eq!(run.because, "schedule `early` (`30 2 * * *`) was due at 2026-03-29 03:00 CEST");
    app.due(&[("early", "2026-03-30T00:30:00Z"), ("noon", "2026-03-29T12:00:00Z")]).await;
    // And it has two on 25 October, of which one counts. All that was missed since is one run for each schedule.
    app.set(&hands, "2026-10-25T00:30:00Z");
    app.ended("shop", 2).await;
    app.ended("shop", 3).await;
    app.due(&[("early", "2026-10-26T01:30:00Z"), ("noon", "2026-10-25T12:00:00Z")]).await;
    assert_eq!(app.runs("shop").await.len(), 3);
    app.close().await;
}

#[tokio::test]
async fn schedules_follow_the_default_branch_and_no_other() {
    let hands = Hands::at("2026-11-25T02:00:00Z");
    let app = App::with_clock(hands.clock()).await;
    let remote = Remote::with(NIGHTLY);
    app.watch("shop", &remote).await;
    app.ended("shop", 1).await;
    app.due(&[("nightly", "2026-11-25T03:00:00Z")]).await;

    remote.git(&["checkout", "-q", "-b", "topic"]);
    remote.commit(&[(".gantry.yml", "on: { push: {}, cron: { mine: \"0 4 * * *\" } }\nsteps: [make]\n")], "mine");
    remote.git(&["checkout", "-q", "main"]);
    app.handle().sync_repo("shop").await.unwrap();
    app.ended("shop", 2).await;
    app.due(&[("nightly", "2026-11-25T03:00:00Z")]).await;

    remote.commit(&[(".gantry.yml", "on: { cron: { nightly: \"0 5 * * *\", noon: \"0 12 * * *\" } }\nsteps: [make]\n")], "later");
    app.handle().sync_repo("shop").await.unwrap();
    app.due(&[("nightly", "2026-11-25T05:00:00Z"), ("noon", "2026-11-25T12:00:00Z")]).await;

    remote.git(&["rm", "-q", ".gantry.yml"]);
    remote.commit(&[], "gone");
    app.handle().sync_repo("shop").await.unwrap();
    app.due(&[]).await;
    app.close().await;
}

#[tokio::test]
async fn a_schedule_of_a_file_that_was_broken_since_shows_what_is_wrong() {
    let hands = Hands::at("2026-11-25T02:00:00Z");
    let app = App::with_clock(hands.clock()).await;
    let remote = Remote::with(NIGHTLY);
    app.watch("shop", &remote).await;
    app.ended("shop", 1).await;
    app.due(&[("nightly", "2026-11-25T03:00:00Z")]).await;
    remote.commit(&[(".gantry.yml", "on: { cron: { nightly: \"0 3 * * *\" } }\nstep: [make]\n")], "broken");
    app.handle().sync_repo("shop").await.unwrap();
    app.ended("shop", 2).await;
    app.set(&hands, "2026-11-25T03:00:00Z");
    let run = app.ended("shop", 3).await;
    assert_eq!((run.event, run.outcome.unwrap().as_str()), ("cron", "error"));
    app.close().await;
}

#[tokio::test]
async fn a_schedule_whose_commit_cannot_be_read_leaves_a_sentence_and_goes_on() {
    let hands = Hands::at("2026-11-25T02:00:00Z");
    let mut app = App::with_clock(hands.clock()).await;
    let remote = Remote::with(NIGHTLY);
    app.watch("shop", &remote).await;
    app.ended("shop", 1).await;
    app.due(&[("nightly", "2026-11-25T03:00:00Z")]).await;
    app.stop().await;
    // The mirror is lost, and the remote with it.
    std::fs::remove_dir_all(app.data.path().join("mirrors")).unwrap();
    let away = remote.dir.path().with_extension("away");
    std::fs::rename(remote.dir.path(), &away).unwrap();
    hands.set("2026-11-25T04:00:00Z");
    app.restart().await;
    let why = app.noted("shop", "it made no run").await;
    assert!(why.contains("is not in the mirror"), "{why}");
    app.due(&[("nightly", "2026-11-26T03:00:00Z")]).await;
    std::fs::rename(&away, remote.dir.path()).unwrap();
    app.close().await;
}

fn asked(pipeline: Option<&str>, inputs: &[(&str, &str)]) -> ByHand {
    let inputs = inputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    ByHand { branch: None, pipeline: pipeline.map(str::to_owned), inputs }
}

#[tokio::test]
async fn by_hand_one_pipeline_runs_if_it_is_named_by_its_name_file_or_stem() {
    let app = App::start().await;
    let remote = Remote::empty();
    let named = "name: the build\non: manual\nsteps: [make]\n";
    remote.commit(&[(".gantry/a.yml", named), (".gantry/b.yml", "on: manual\nsteps: [make]\n")], "first");
    app.watch("shop", &remote).await;
    app.noted("shop", ".gantry/b.yml").await;
    for (number, (name, file)) in
        (1..).zip([("the build", ".gantry/a.yml"), (".gantry/a.yml", ".gantry/a.yml"), ("b", ".gantry/b.yml")])
    {
        app.handle().trigger("shop", &asked(Some(name), &[]), "ada").await.unwrap();
        let run = app.ended("shop", number).await;
        let kept = app.run(&run.id.parse().unwrap()).await;
        assert_eq!((run.event, kept.plan.file.as_str()), ("manual", file));
    }
    let refused = app.handle().trigger("shop", &asked(Some("c"), &[]), "ada").await.unwrap_err();
    assert!(matches!(&refused, Refusal::Unprocessable(why) if why.contains("`the build` (.gantry/a.yml), `b`")), "{refused}");
    app.handle().trigger("shop", &asked(None, &[]), "ada").await.unwrap();
    app.ended("shop", 4).await;
    app.ended("shop", 5).await;
    app.close().await;
}

#[tokio::test]
async fn a_push_runs_the_pipelines_whose_paths_it_changed_and_says_why_the_others_do_not() {
    let app = App::start().await;
    let remote = Remote::empty();
    let docs = "name: docs\non: { push: { paths: [\"docs/**\"] } }\nsteps: [make]\n";
    let code = "name: code\non: { push: { paths: { exclude: [\"docs/**\"] } } }\nsteps: [make]\n";
    remote.commit(&[(".gantry/docs.yml", docs), (".gantry/code.yml", code), ("docs/a", "1"), ("src/a", "1")], "first");
    app.watch("shop", &remote).await;
    // The first head and new branches: what they changed is not known, so everything counts.
    app.ended("shop", 1).await;
    app.ended("shop", 2).await;

    remote.commit(&[("docs/a", "2")], "words");
    app.handle().sync_repo("shop").await.unwrap();
    assert_eq!(app.ended("shop", 3).await.pipeline, "docs");
    let why = app.noted("shop", "`.gantry/code.yml` does not want").await;
    assert!(why.contains("`docs/a`") && why.contains("`on.push.paths"), "{why}");

    // Moved out of the folder: both names count.
    remote.git(&["mv", "docs/a", "src/b"]);
    remote.commit(&[], "moved");
    app.handle().sync_repo("shop").await.unwrap();
    let both = [app.ended("shop", 4).await.pipeline, app.ended("shop", 5).await.pipeline];
    assert_eq!(both, ["code", "docs"]);

    // Rewritten: what differs from where the branch was counts, and nothing else.
    remote.git(&["reset", "-q", "--hard", "HEAD^"]);
    remote.commit(&[("src/c", "1"), ("docs/a", "2")], "another way");
    remote.git(&["mv", "docs/a", "src/b"]);
    remote.git(&["commit", "-q", "--amend", "--all", "-m", "another way"]);
    app.handle().sync_repo("shop").await.unwrap();
    let run = app.ended("shop", 6).await;
    assert_eq!((run.pipeline.as_str(), run.because.contains("was rewritten")), ("code", true), "{}", run.because);
    assert_eq!(app.runs("shop").await.len(), 6);
    app.close().await;
}

#[tokio::test]
async fn hash_sees_the_files_of_the_commit() {
    let app = App::start().await;
    let pipeline = "env: { KEY: \"${{ hash('*.lock') }}\" }\nsteps: [make]\n";
    let remote = Remote::empty();
    remote.commit(&[(".gantry.yml", pipeline), ("a.lock", "1")], "first");
    app.watch("shop", &remote).await;
    app.ended("shop", 1).await;
    remote.commit(&[("other", "1")], "second");
    app.handle().sync_repo("shop").await.unwrap();
    app.ended("shop", 2).await;
    remote.commit(&[("a.lock", "2")], "third");
    app.handle().sync_repo("shop").await.unwrap();
    app.ended("shop", 3).await;
    let mut keys = Vec::new();
    for run in app.runs("shop").await {
        let run = app.run(&run.id.parse().unwrap()).await;
        keys.push(run.plan.jobs[0].steps[0].env["KEY"].fixed().unwrap().to_owned());
    }
    assert!(keys[0].len() == 16 && keys[0] == keys[1] && keys[1] != keys[2], "{keys:?}");
    app.close().await;
}

const LEVELS: &str = "on:
  manual:
    inputs:
      level: { type: choice, options: [fast, full], default: fast }
      count: { type: number }
steps: [make]
";

#[tokio::test]
async fn inputs_are_checked_before_anything_is_made_and_a_rerun_keeps_them() {
    let app = App::start().await;
    let remote = Remote::with(LEVELS);
    app.watch("shop", &remote).await;
    app.noted("shop", "does not name `push`").await;
    for (inputs, says) in [
        ([("levle", "full")], "did you mean `level`?"),
        ([("level", "slow")], "must be one of `fast`, `full`, found `slow`"),
        ([("count", "many")], "must be a number"),
    ] {
        let refused = app.handle().trigger("shop", &asked(None, &inputs), "ada").await.unwrap_err();
        assert!(matches!(&refused, Refusal::Unprocessable(why) if why.contains(says)), "{refused}");
    }
    app.handle().trigger("shop", &asked(None, &[("level", "full"), ("count", "3")]), "ada").await.unwrap();
    let first = app.ended("shop", 1).await;
    app.handle().rerun(&first.id.parse().unwrap(), Part::Whole, "ada").await.unwrap();
    let again = app.run(&app.ended("shop", 2).await.id.parse().unwrap()).await;
    let first = app.run(&first.id.parse().unwrap()).await;
    assert_eq!((&again.trigger.inputs, &again.plan), (&first.trigger.inputs, &first.plan));
    assert_eq!(format!("{:?}", first.plan.inputs), "{\"count\": Number(\"3\"), \"level\": Text(\"full\")}");
    assert_eq!(app.runs("shop").await.len(), 2);
    app.close().await;
}

#[tokio::test]
async fn each_of_several_pipelines_gets_the_inputs_that_it_declares() {
    let app = App::start().await;
    let remote = Remote::empty();
    let other = "on: { manual: { inputs: { name: { type: string }, must: { type: string, required: true } } } }\nsteps: [make]\n";
    remote.commit(&[(".gantry/a.yml", LEVELS), (".gantry/b.yml", other)], "first");
    app.watch("shop", &remote).await;
    app.noted("shop", ".gantry/b.yml").await;
    let refused = app.handle().trigger("shop", &asked(None, &[("size", "1")]), "ada").await.unwrap_err();
    assert_eq!(refused.to_string(), "no pipeline has an input `size`; there are `count`, `level`, `must`, `name`");
    let refused = app.handle().trigger("shop", &asked(None, &[("level", "full")]), "ada").await.unwrap_err();
    assert_eq!(refused.to_string(), "`.gantry/b.yml`: the input `must` must be given", "nothing is made by halves");
    app.handle().trigger("shop", &asked(None, &[("level", "full"), ("must", "x")]), "ada").await.unwrap();
    app.ended("shop", 1).await;
    app.ended("shop", 2).await;
    let mut given = Vec::new();
    for run in app.runs("shop").await {
        given.push(app.run(&run.id.parse().unwrap()).await.trigger.inputs.into_keys().collect::<Vec<_>>());
    }
    assert_eq!(given, [["level"], ["must"]]);
    app.close().await;
}

#[tokio::test]
async fn skip_ci_skips_a_push_and_nothing_that_was_asked_for_or_scheduled() {
    let hands = Hands::at("2026-11-25T02:00:00Z");
    let app = App::with_clock(hands.clock()).await;
    let remote = Remote::empty();
    remote.commit(&[(".gantry.yml", NIGHTLY)], "first [skip ci]");
    app.watch("shop", &remote).await;
    let why = app.noted("shop", "does not want branch `main`").await;
    assert!(why.ends_with("the head commit's message has `[skip ci]`"), "{why}");
    app.due(&[("nightly", "2026-11-25T03:00:00Z")]).await;
    app.handle().trigger("shop", &ByHand::default(), "ada").await.unwrap();
    app.ended("shop", 1).await;
    app.set(&hands, "2026-11-25T03:00:00Z");
    assert_eq!(app.ended("shop", 2).await.event, "cron");
    app.close().await;
}
