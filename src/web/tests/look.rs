//! Pages with lifelike content, to be looked at: `cargo test --lib web::tests::look -- --ignored --nocapture`. Serves on port 7171 until its
//! standard input ends, so it ends at once where nobody looks.

use super::seed::{job_ended, job_is, plan, run_ended, run_is, step_ended, step_is};
use super::{Seed, World};
use crate::base::{Clock, Timestamp};
use crate::pipeline::{Approval, Problem, Severity};
use crate::run::{Decision, JobState, Life, Outcome, Run, StepState, Stream, Wait};
use crate::schedule::Change;
use crate::store::{Intake, NewNote, Repo, RepoStatus};

const STEPS: [&str; 3] = ["check", "unit tests", "clippy"];

#[tokio::test]
#[ignore = "for eyes, not for checking"]
async fn a_house_full_of_runs() {
    let world = World::on("127.0.0.1:7171").await;
    let now = Clock::System.now();
    let at = |minutes: i64| Seed { store: &world.store, now: Timestamp(now.0 - minutes * 60_000) };
    let site = at(9_000).repo("website").await;
    let api = at(9_000).repo("api-server").await;
    let gone = at(500).repo("infrastructure").await;
    trouble(&world, &gone, now).await;

    for (minutes, branch, message, outcome) in [
        (4_000, "main", "Start with a page that says hello", Outcome::Passed),
        (2_900, "main", "Bump dependencies", Outcome::Warning),
        (1_500, "release/1.2", "Release 1.2.0", Outcome::TimedOut),
        (
            1_440,
            "main",
            "Keep the connection pool small enough that the smallest database plan we support can serve every replica of the service",
            Outcome::Passed,
        ),
        (
            700,
            "dependabot/npm_and_yarn/frontend/webpack-dev-server-5.2.1",
            "Bump webpack-dev-server from 5.1.0 to 5.2.1 in /frontend",
            Outcome::Cancelled,
        ),
        (200, "main", "Drop the legacy exporter", Outcome::Lost),
    ] {
        let seed = at(minutes);
        let repo = if minutes % 200 == 0 { &site } else { &api };
        ended(&seed, repo, branch, message, outcome).await;
    }
    failed(&at(95), &api).await;
    invalid(&at(40), &site).await;
    ended(&at(12), &site, "main", "Fix the header on narrow screens\n\nIt wrapped in the middle of the name.", Outcome::Passed)
        .await;
    long(&at(6), &site).await;
    asking(&at(3), &site).await;
    let live = running(&at(1), &api).await;
    queued(&at(0), &api).await;
    println!("http://127.0.0.1:7171");

    let key = crate::base::AttemptKey { run: live.id.clone(), job: 0, step: 1, attempt: 1 };
    let logs = world.store.logs().clone();
    let tasks = world.tasks.clone();
    world.tasks.spawn(async move {
        let mut writer = logs.writer(&key).unwrap();
        for n in 0_u64.. {
            let line = format!(
                "\x1b[32m        PASS\x1b[0m [   0.{:03}s] \x1b[35;1mapi::tests\x1b[0m \x1b[36mcase_{n}\x1b[0m\n",
                n * 37 % 1000
            );
            writer.write(Clock::System.now_ns(), Stream::Stdout, line.as_bytes()).unwrap();
            tokio::select! {
                () = tasks.ending.cancelled() => return,
                () = tokio::time::sleep(std::time::Duration::from_millis(300)) => {}
            }
        }
    });
    let until_closed = || std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    world.tasks.spawn_blocking(until_closed).await.unwrap().unwrap();
    world.tasks.end().await;
}

async fn trouble(world: &World, repo: &Repo, now: Timestamp) {
    let sentence = "https://git.example.org/team/infrastructure.git cannot be reached: could not resolve the host's name; the next try is in 30 s";
    let status = RepoStatus { ok: false, sentence: sentence.to_owned(), at: Timestamp(now.0 - 240_000) };
    world.store.set_repo_status(&repo.id, &status, Some("main")).await.unwrap();
    let note = |kind: &str, sentence: &str, reference: &str| NewNote {
        kind: kind.to_owned(),
        sentence: sentence.to_owned(),
        reference: Some(format!("refs/heads/{reference}")),
        commit: Some("8c0ffee091a2b3c4d5e6f708192a3b4c5d6e7f80".to_owned()),
    };
    let notes = vec![
        note(
            "not-wanted",
            "`.gantry.yml` does not want this push: `on.push.branches` names main and release/**, and this is docs/typo",
            "docs/typo",
        ),
        note("no-pipeline", "no run: the commit has no .gantry.yml and no .gantry directory", "experiment"),
        note("branch-gone", "the branch is gone; nothing is made of that", "topic/old"),
    ];
    let intake = Intake::notes(repo.id.clone(), notes, Timestamp(now.0 - 3_600_000));
    world.store.take_in(intake).await.unwrap();
}

/// One job waits for approval, one was approved, one for its group.
async fn asking(seed: &Seed<'_>, repo: &Repo) {
    let mut shape = plan(&[
        ("build", &[], &["make"]),
        ("deploy (staging)", &[0], &["ship"]),
        ("deploy (production)", &[0], &["ship", "tell everyone"]),
        ("docs", &[0], &["publish"]),
    ]);
    for (job, environment) in [(1, "staging"), (2, "production")] {
        let by = vec!["ops".to_owned(), "ada".to_owned()];
        shape.jobs[job].approval = Some(Approval { message: None, by, timeout_ms: None });
        shape.jobs[job].environment = Some(environment.into());
    }
    let run = seed.run(repo, seed.trigger(repo, "main", "Release 1.4.0"), shape).await;
    let message =
        Some("Deploy 1.4.0 to production? It restarts the workers, so not before the evening's peak is over.".to_owned());
    let by = vec!["ops".to_owned(), "ada".to_owned()];
    let asks = Wait::Approval { message, by, since: seed.now, until: Some(seed.now.plus_ms(86_400_000)) };
    let group = Wait::Group { group: "docs".to_owned(), run: 4, job: Some("docs".to_owned()) };
    let decision = Some(Decision::Approved { by: "ops".to_owned(), at: seed.now });
    let state = JobState::Running { since: seed.now.plus_ms(20_000) };
    seed.set(&[
        run_is(&run, Life::Running { since: seed.now }),
        job_is(&run, 0, job_ended(Outcome::Passed, "1 step passed", seed.now, 20_000)),
        step_is(&run, 0, 0, step_ended(Outcome::Passed, 0, "passed", seed.now, 18_000)),
        Change::Job { engine: None, run: run.id.clone(), job: 1, state, decision, stop: None },
        step_is(&run, 1, 0, StepState::Running { attempt: 1, since: seed.now.plus_ms(21_000) }),
        job_is(&run, 2, JobState::Waiting { why: asks }),
        job_is(&run, 3, JobState::Waiting { why: group }),
    ])
    .await;
}

async fn ended(seed: &Seed<'_>, repo: &Repo, branch: &str, message: &str, outcome: Outcome) {
    let run = seed
        .run(
            repo,
            seed.trigger(repo, branch, message),
            plan(&[("test", &[], &STEPS), ("publish", &[0], &["build image", "push"])]),
        )
        .await;
    let reason = match outcome {
        Outcome::Passed => "all 2 jobs passed",
        Outcome::Warning => "`test / clippy` failed, which is allowed",
        Outcome::TimedOut => "`test / unit tests` was stopped: its timeout of 10 min is over",
        Outcome::Cancelled => "cancelled by the dashboard",
        _ => "the container of `test / unit tests` vanished",
    };
    let mut changes = vec![run_is(&run, run_ended(outcome, reason, seed.now.plus_ms(900), 184_000))];
    for (job, count) in [(0, 3), (1, 2)] {
        changes.push(job_is(&run, job, job_ended(outcome, "", seed.now, 90_000)));
        changes.extend((0..count).map(|step| step_is(&run, job, step, step_ended(outcome, 0, "", seed.now, 31_400))));
    }
    seed.set(&changes).await;
}

async fn failed(seed: &Seed<'_>, repo: &Repo) {
    let message = "Count requests by the route's template, not by the path\n\nA path with ids made one series for each user.\nSee the notes on cardinality.";
    let run = seed
        .run(
            repo,
            seed.trigger(repo, "topic/metrics", message),
            plan(&[("test", &[], &STEPS), ("docs", &[], &["book"]), ("publish", &[0, 1], &["build image", "push"])]),
        )
        .await;
    let skipped = |job, step| {
        let end = crate::run::StepEnd::never_made(Outcome::Skipped, "its job was skipped", seed.now);
        step_is(&run, job, step, StepState::Ended(end))
    };
    seed.set(&[
        run_is(&run, run_ended(Outcome::Failed, "`test / unit tests` failed: exited with 101", seed.now.plus_ms(700), 74_200)),
        job_is(&run, 0, job_ended(Outcome::Failed, "`unit tests` failed: exited with 101", seed.now, 74_000)),
        step_is(&run, 0, 0, step_ended(Outcome::Passed, 0, "passed", seed.now, 12_300)),
        step_is(&run, 0, 1, step_ended(Outcome::Failed, 101, "exited with 101", seed.now, 58_100)),
        step_is(
            &run,
            0,
            2,
            step_ended(Outcome::Warning, 1, "exited with 1; `allow_failure` makes it a warning", seed.now, 4_100),
        ),
        job_is(&run, 1, job_ended(Outcome::Passed, "", seed.now, 9_000)),
        step_is(&run, 1, 0, step_ended(Outcome::Passed, 0, "passed", seed.now, 8_400)),
        job_is(&run, 2, JobState::ended(Outcome::Skipped, "`test` did not pass", None, seed.now)),
        skipped(2, 0),
        skipped(2, 1),
    ])
    .await;
    let lines = [
        (Stream::System, "pulling rust:1.95"),
        (Stream::System, "pulled rust:1.95 in 4.2 s"),
        (Stream::Stderr, "\x1b[1m\x1b[32m   Compiling\x1b[0m api-server v1.4.0 (/workspace)"),
        (Stream::Stderr, "\x1b[1m\x1b[33mwarning\x1b[0m\x1b[1m: unused variable: `route`\x1b[0m"),
        (Stream::Stderr, "  \x1b[1m\x1b[94m--> \x1b[0msrc/metrics.rs:41:9"),
        (Stream::Stderr, "\x1b[1m\x1b[94m41\x1b[0m \x1b[1m\x1b[94m|\x1b[0m     let route = matched(&request);"),
        (
            Stream::Stderr,
            "   \x1b[1m\x1b[94m|\x1b[0m         \x1b[1m\x1b[33m^^^^^\x1b[0m \x1b[33mhelp: if this is intentional, prefix it with an underscore: `_route`\x1b[0m",
        ),
        (Stream::Stderr, "\x1b[1m\x1b[32m    Finished\x1b[0m `test` profile [unoptimized + debuginfo] target(s) in 31.02s"),
        (Stream::Stdout, ""),
        (Stream::Stdout, "running 214 tests"),
        (Stream::Stdout, "test metrics::counts_by_route ... \x1b[31mFAILED\x1b[0m"),
        (Stream::Stdout, "test metrics::no_route_is_counted_as_unmatched ... \x1b[32mok\x1b[0m"),
        (Stream::Stdout, "downloading  10%\rdownloading  55%\rdownloading 100% \x1b[36m━━━━━━━━━━━━━━━━━━━━\x1b[0m 4.1 MB/s"),
        (Stream::Stderr, "thread 'metrics::counts_by_route' panicked at src/metrics.rs:97:9:"),
        (
            Stream::Stderr,
            "assertion `left == right` failed: the series of /users/{id} and of /users/7 are the same series, and there must be exactly one of them however many users there are",
        ),
        (Stream::Stderr, "  \x1b[41;97m left: 2 \x1b[0m"),
        (Stream::Stderr, "  \x1b[42;30mright: 1 \x1b[0m"),
        (Stream::Stdout, "<script>alert(\"not markup\")</script>"),
        (Stream::Stdout, "test result: \x1b[31mFAILED\x1b[0m. 213 passed; 1 failed; 0 ignored; finished in 12.41s"),
    ];
    seed.log(&run, 0, 1, &lines, true);
}

async fn invalid(seed: &Seed<'_>, repo: &Repo) {
    let problem = |severity, code: &str, message: &str, line, column, length, source: &str, hint: &str| Problem {
        severity,
        code: code.to_owned(),
        message: message.to_owned(),
        file: ".gantry.yml".to_owned(),
        line,
        column,
        length,
        source: source.to_owned(),
        hint: Some(hint.to_owned()),
    };
    let problems = vec![
        problem(
            Severity::Error,
            "unknown-key",
            "`comands` is not a key of a step",
            14,
            9,
            7,
            "        comands: [make]",
            "did you mean `run`?",
        ),
        problem(Severity::Warning, "synonym", "`stages` is understood", 3, 1, 6, "stages:", "the canonical name is `jobs`"),
    ];
    seed.invalid(repo, seed.trigger(repo, "main", "Build with make"), problems).await;
}

async fn long(seed: &Seed<'_>, repo: &Repo) {
    let run = seed.run(repo, seed.trigger(repo, "main", "Print a lot"), plan(&[("print", &[], &["200,000 lines"])])).await;
    seed.set(&[
        run_is(&run, run_ended(Outcome::Passed, "the one job passed", seed.now, 9_400)),
        job_is(&run, 0, job_ended(Outcome::Passed, "", seed.now, 9_300)),
        step_is(&run, 0, 0, step_ended(Outcome::Passed, 0, "passed", seed.now, 8_400)),
    ])
    .await;
    let lines: Vec<String> = (1..=200_000).map(|n| format!("line {n} of 200000 \x1b[3{}mcolour\x1b[0m", n % 8)).collect();
    let lines: Vec<(Stream, &str)> = lines.iter().map(|line| (Stream::Stdout, line.as_str())).collect();
    seed.log(&run, 0, 0, &lines, true);
}

async fn running(seed: &Seed<'_>, repo: &Repo) -> Run {
    let run = seed
        .run(
            repo,
            seed.trigger(repo, "main", "Serve the metrics on a port of their own"),
            plan(&[("test", &[], &STEPS), ("publish", &[0], &["build image", "push"])]),
        )
        .await;
    let since = seed.now.plus_ms(1_200);
    seed.set(&[
        run_is(&run, Life::Running { since }),
        job_is(&run, 0, JobState::Running { since }),
        step_is(&run, 0, 0, step_ended(Outcome::Passed, 0, "passed", seed.now, 12_300)),
        step_is(&run, 0, 1, StepState::Running { attempt: 1, since: since.plus_ms(12_300) }),
        job_is(&run, 1, JobState::Waiting { why: Wait::Needs { jobs: vec!["test".to_owned()] } }),
    ])
    .await;
    run
}

async fn queued(seed: &Seed<'_>, repo: &Repo) {
    let mut trigger = seed.trigger(repo, "", "Release 1.3.0");
    (trigger.event, trigger.tag, trigger.because) =
        (crate::pipeline::Event::Tag, Some("v1.3.0".to_owned()), "the tag v1.3.0 is new".to_owned());
    seed.run(repo, trigger, plan(&[("test", &[], &STEPS)])).await;
}
