//! The same stories on every database: `each_story` lists them.

use std::collections::BTreeMap;
use std::sync::Arc;

use gantry::base::{AttemptKey, Clock, DeliveryId, JobKey, RepoId, RunId, Tasks};
use gantry::pipeline::{Problem, Severity};
use gantry::run::{Decision, JobState, Life, Outcome, StepEnd, StepState, StopReason, Wait};
use gantry::schedule::Change;
use gantry::store::{
    Delivery, Error, EventKind, Intake, LastFired, LastRun, NewNote, NewRun, NewSchedule, RefMove, Repo, RepoStatus, RunFilter,
    ScheduleMove, SealedAttempt, SealedSecret, Summary,
};

use super::place::{Place, at, intake, make_run, new_run, plan, repo, with_repo};

#[path = "results.rs"]
mod results;
pub use super::kept::*;
pub use results::*;

/// Hands the names of all stories to a macro.
macro_rules! each_story {
    ($with:ident) => {
        $with! {
            every_statement_is_understood,
            a_repository_is_kept_found_and_removed_with_all_that_is_its_own,
            a_taken_name_is_refused_and_a_removed_ones_is_free_again,
            only_news_changes_a_status,
            an_intake_is_kept_whole,
            an_intake_that_fails_leaves_nothing,
            an_invalid_pipeline_makes_a_run_that_has_ended,
            schedules_are_what_the_default_branch_was_read_to_have,
            a_schedule_is_answered_once_together_with_its_run,
            numbers_have_no_gap_and_no_double_when_many_take_in_at_once,
            a_delivery_is_open_until_it_is_answered_byte_for_byte,
            a_restart_finds_unfinished_runs_exactly_as_they_were,
            a_summary_is_kept_once_for_each_attempt_and_goes_with_its_run,
            a_secret_is_kept_as_given_and_goes_with_its_repository,
            what_an_attempt_was_given_stays_the_first_and_goes_with_its_job,
            a_commit_is_recorded_change_by_change,
            a_commit_about_a_removed_run_is_refused_whole,
            a_reader_never_meets_a_gap_that_is_filled_later,
            a_run_is_read_as_of_one_moment,
            pages_of_runs_hold_what_was_asked_for,
            a_row_that_cannot_be_read_is_named,
            a_newer_schema_is_refused,
            the_instance_keeps_its_id,
            test_results_are_kept_once_however_often_they_are_told,
            a_keeping_that_was_cut_off_goes_on_where_it_was,
            a_retried_step_shows_what_its_last_attempt_says_of_each_test,
            the_same_commit_in_the_same_place_should_end_the_same,
            results_of_a_run_are_paged_picked_and_searched,
            tests_of_a_repository_are_ordered_paged_and_searched,
            a_run_has_only_so_many_results,
            results_go_with_their_run_and_tests_with_their_repository,
            artifacts_are_found_by_job_path_and_beginning_and_paged,
            artifacts_expire_are_replaced_and_go_with_their_run,
            a_cache_is_found_by_its_key_or_the_newest_by_its_beginning_in_its_scopes,
            caches_are_listed_evicted_and_removed_by_their_last_use,
            an_image_has_a_row_by_the_pull_that_brought_it,
        }
    };
}

pub async fn every_statement_is_understood(place: Place) {
    place.open().await;
    place.prepare_all().await;
}

pub async fn a_repository_is_kept_found_and_removed_with_all_that_is_its_own(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let (cellar, other) = (Repo { default_branch: Some("trunk".to_owned()), ..repo("cellar") }, repo("Zed"));
    store.add_repo(&cellar).await.unwrap();
    store.add_repo(&other).await.unwrap();
    assert_eq!(
        store.repos().await.unwrap(),
        [other.clone(), cellar.clone(), roof.clone()],
        "in the order of bytes on every database"
    );
    assert_eq!(store.repo("cellar").await.unwrap(), Some(cellar.clone()));
    assert_eq!(store.repo("attic\0").await.unwrap(), None);
    assert_eq!(store.repo_by_id(&roof.id).await.unwrap(), Some(roof.clone()));

    let moved = RefMove { name: "refs/heads/main".to_owned(), to: Some("1a".to_owned()) };
    let note = NewNote { kind: "x".to_owned(), sentence: "y".to_owned(), reference: None, commit: None };
    let (first, second) = (new_run(&roof, "main"), new_run(&roof, "main"));
    let ids = [first.id.clone(), second.id.clone()];
    store.take_in(Intake { refs: vec![moved], runs: vec![first, second], notes: vec![note], ..intake(&roof, 5) }).await.unwrap();
    let kept = make_run(&store, &cellar, "main", 6).await;
    let step = Change::Step { run: ids[0].clone(), job: 0, step: 0, state: StepState::Starting { attempt: 1, since: at(7) } };
    store.commit(&[step], at(7)).await.unwrap();
    let before = store.last_event().await.unwrap();

    assert_eq!(store.remove_repo(&roof.id, at(9)).await.unwrap(), ids);
    assert_eq!(store.repos().await.unwrap(), [other, cellar.clone()]);
    assert_eq!(store.run(&ids[0]).await.unwrap(), None);
    assert!(store.refs(&roof.id).await.unwrap().is_empty() && store.notes(&roof.id, 9).await.unwrap().is_empty());
    assert_eq!(store.events_after(0, Some(&ids[0]), 9).await.unwrap(), []);
    assert_eq!(store.unfinished().await.unwrap(), [kept]);
    let told = store.events_after(before, None, 9).await.unwrap();
    assert_eq!((told.len(), told[0].kind, told[0].repo.as_ref()), (1, EventKind::Repo, Some(&roof.id)));
    assert_eq!(told[0].body, r#"{"name":"roof","removed":true}"#);
    assert!(matches!(store.remove_repo(&roof.id, at(9)).await, Err(Error::Gone(_))));
}

pub async fn a_taken_name_is_refused_and_a_removed_ones_is_free_again(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let second = repo("roof");
    assert!(matches!(store.add_repo(&second).await, Err(Error::NameTaken(name)) if name == "roof"));
    store.remove_repo(&roof.id, at(2)).await.unwrap();
    store.add_repo(&second).await.unwrap();
    assert_eq!(make_run(&store, &second, "main", 3).await.number, 1);
}

pub async fn only_news_changes_a_status(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let bad = |ms| RepoStatus { ok: false, sentence: "the remote does not answer".to_owned(), at: at(ms) };
    assert!(store.set_repo_status(&roof.id, &bad(10), None).await.unwrap());
    let events = store.last_event().await.unwrap();
    assert!(!store.set_repo_status(&roof.id, &bad(20), None).await.unwrap());
    assert_eq!(store.last_event().await.unwrap(), events, "what is no news is no event");
    assert!(store.set_repo_status(&roof.id, &bad(30), Some("main")).await.unwrap());
    assert!(!store.set_repo_status(&roof.id, &bad(40), None).await.unwrap());
    let kept = store.repo("roof").await.unwrap().unwrap();
    assert_eq!((kept.status, kept.default_branch.as_deref()), (bad(10), Some("main")));
}

pub async fn an_intake_is_kept_whole(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let moved = |name: &str, to: Option<&str>| RefMove { name: name.to_owned(), to: to.map(str::to_owned) };
    let note = NewNote {
        kind: "not-wanted".to_owned(),
        sentence: "`on` does not want \0 `next`".to_owned(),
        reference: Some("refs/heads/next".to_owned()),
        commit: Some("2b".to_owned()),
    };
    let first = Intake {
        refs: vec![moved("refs/heads/main", Some("1a")), moved("refs/heads/next", Some("2b"))],
        runs: vec![new_run(&roof, "main"), new_run(&roof, "main")],
        notes: vec![note.clone(), NewNote { kind: "second".to_owned(), ..note.clone() }],
        ..intake(&roof, 5)
    };
    let wanted = first.runs.clone();
    let made = store.take_in(first).await.unwrap();
    for (number, (run, wanted)) in (1..).zip(made.iter().zip(&wanted)) {
        assert_eq!((run.number, &run.id, &run.trigger, &run.plan), (number, &wanted.id, &wanted.trigger, &wanted.plan));
        assert_eq!((&run.repo, run.queued_at, &run.life, run.jobs.len()), (&roof.id, at(5), &Life::Queued, 2));
        assert_eq!(store.run(&run.id).await.unwrap().as_ref(), Some(run));
    }
    store
        .take_in(Intake { refs: vec![moved("refs/heads/main", Some("3c")), moved("refs/heads/next", None)], ..intake(&roof, 6) })
        .await
        .unwrap();
    assert_eq!(store.refs(&roof.id).await.unwrap(), BTreeMap::from([("refs/heads/main".to_owned(), "3c".to_owned())]));
    let notes = store.notes(&roof.id, 9).await.unwrap();
    assert_eq!(notes.iter().map(|note| note.kind.as_str()).collect::<Vec<_>>(), ["second", "not-wanted"]);
    assert_eq!((notes[1].sentence.as_str(), notes[1].commit.as_deref()), ("`on` does not want \u{fffd} `next`", Some("2b")));
    assert_eq!(store.notes(&roof.id, 1).await.unwrap(), notes[..1]);
    let kinds: Vec<_> = store.events_after(0, None, 99).await.unwrap().into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Repo, EventKind::Run, EventKind::Run, EventKind::Repo, EventKind::Repo]);
}

pub async fn an_intake_that_fails_leaves_nothing(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let events = store.last_event().await.unwrap();
    let whole = Intake {
        refs: vec![RefMove { name: "refs/heads/main".to_owned(), to: Some("1a".to_owned()) }],
        runs: vec![new_run(&roof, "main")],
        deliveries: vec![DeliveryId::new(&Clock::System)],
        ..intake(&roof, 5)
    };
    assert!(matches!(store.take_in(whole.clone()).await, Err(Error::Gone(what)) if what.starts_with("delivery")));
    assert!(store.refs(&roof.id).await.unwrap().is_empty() && store.unfinished().await.unwrap().is_empty());
    assert_eq!(store.last_event().await.unwrap(), events);
    assert_eq!(make_run(&store, &roof, "main", 6).await.number, 1, "no number was lost");
    let stranger = Intake { repo: RepoId::new(&Clock::System), deliveries: Vec::new(), ..whole };
    assert!(matches!(store.take_in(stranger).await, Err(Error::Gone(what)) if what.starts_with("repository")));
}

pub async fn an_invalid_pipeline_makes_a_run_that_has_ended(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let problem = Problem {
        severity: Severity::Error,
        code: "unknown-key".to_owned(),
        message: "`stpes` is no key".to_owned(),
        file: ".gantry.yml".to_owned(),
        line: 3,
        column: 1,
        length: 5,
        source: "stpes:".to_owned(),
        hint: Some("did you mean `steps`?".to_owned()),
    };
    let run = NewRun {
        plan: plan(0),
        problems: vec![problem.clone()],
        ended: Some((Outcome::Error, "the pipeline has 1 problem".to_owned())),
        rerun_of: Some(RunId::new(&Clock::System)),
        begun: Vec::new(),
        ..new_run(&roof, "main")
    };
    let made = store.take_in(Intake { runs: vec![run], ..intake(&roof, 5) }).await.unwrap();
    let reason = "the pipeline has 1 problem".to_owned();
    assert_eq!(made[0].life, Life::Ended { outcome: Outcome::Error, reason: reason.clone(), started_at: None, at: at(5) });
    assert_eq!(made[0].problems, [problem]);
    assert_eq!(store.run(&made[0].id).await.unwrap().as_ref(), Some(&made[0]));
    assert_eq!(store.unfinished().await.unwrap(), []);
    let page = store.runs(&RunFilter::default()).await.unwrap();
    assert_eq!(
        (page.items[0].outcome, &page.items[0].reason, page.items[0].ended_at),
        (Some(Outcome::Error), &reason, Some(at(5)))
    );
}

fn nightly(expression: &str, next_at: i64) -> NewSchedule {
    NewSchedule {
        file: ".gantry.yml".to_owned(),
        name: "nightly".to_owned(),
        expression: expression.to_owned(),
        timezone: "UTC".to_owned(),
        next_at: Some(at(next_at)),
    }
}

fn read(schedules: &[&NewSchedule], unreadable: &[&str]) -> Vec<ScheduleMove> {
    let schedules = schedules.iter().copied().cloned().collect();
    vec![ScheduleMove::Read { schedules, unreadable: unreadable.iter().map(|file| (*file).to_owned()).collect() }]
}

pub async fn schedules_are_what_the_default_branch_was_read_to_have(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let other = NewSchedule { file: ".gantry/b.yml".to_owned(), ..nightly("1 * * * *", 60) };
    let never = NewSchedule { name: "never".to_owned(), next_at: None, ..nightly("0 0 30 2 *", 0) };
    store
        .take_in(Intake { schedules: read(&[&other, &nightly("0 3 * * *", 50), &never], &[]), ..intake(&roof, 5) })
        .await
        .unwrap();
    let kept = store.schedules(&roof.id).await.unwrap();
    let names: Vec<_> = kept.iter().map(|s| (s.file.as_str(), s.name.as_str(), s.next_at.map(|at| at.0))).collect();
    assert_eq!(
        names,
        [(".gantry.yml", "never", None), (".gantry.yml", "nightly", Some(50)), (".gantry/b.yml", "nightly", Some(60))]
    );
    assert_eq!(store.next_schedule().await.unwrap(), Some(at(50)));

    // What stays as it is keeps its time, and is no news.
    let seen = store.last_event().await.unwrap();
    let again = [&other, &nightly("0 3 * * *", 99), &never];
    store.take_in(Intake { schedules: read(&again, &[]), ..intake(&roof, 6) }).await.unwrap();
    assert_eq!((store.schedules(&roof.id).await.unwrap(), store.last_event().await.unwrap()), (kept, seen));

    // One is changed, one is gone, one is in a file that cannot be read.
    let changed = nightly("0 4 * * *", 70);
    store.take_in(Intake { schedules: read(&[&changed], &[".gantry/b.yml"]), ..intake(&roof, 7) }).await.unwrap();
    let kept = store.schedules(&roof.id).await.unwrap();
    let left: Vec<_> = kept.iter().map(|s| (s.name.as_str(), s.expression.as_str(), s.next_at.map(|at| at.0))).collect();
    assert_eq!(left, [("nightly", "0 4 * * *", Some(70)), ("nightly", "1 * * * *", Some(60))]);
    assert!(store.last_event().await.unwrap() > seen);

    store.remove_repo(&roof.id, at(8)).await.unwrap();
    assert_eq!((store.schedules(&roof.id).await.unwrap(), store.next_schedule().await.unwrap()), (vec![], None));
}

pub async fn a_schedule_is_answered_once_together_with_its_run(place: Place) {
    let (store, roof) = with_repo(&place).await;
    store.take_in(Intake { schedules: read(&[&nightly("0 3 * * *", 50)], &[]), ..intake(&roof, 5) }).await.unwrap();
    assert!(store.due_schedules(at(49)).await.unwrap().is_empty());
    let due = store.due_schedules(at(50)).await.unwrap().remove(0);
    assert_eq!((due.repo.clone(), due.next_at, due.last.clone()), (roof.id.clone(), Some(at(50)), None));
    let fired = ScheduleMove::Fired { file: due.file, name: due.name, due_at: at(50), next_at: Some(at(150)) };
    let answer = |now| Intake { runs: vec![new_run(&roof, "main")], schedules: vec![fired.clone()], ..intake(&roof, now) };
    let run = store.take_in(answer(55)).await.unwrap().remove(0);
    assert!(matches!(store.take_in(answer(56)).await, Err(Error::Gone(_))), "a second answer makes nothing");
    assert_eq!(store.unfinished().await.unwrap(), std::slice::from_ref(&run));
    let kept = store.schedules(&roof.id).await.unwrap().remove(0);
    let last = LastFired {
        due_at: at(50),
        at: at(55),
        run: Some(LastRun { id: run.id.clone(), number: 1, state: "queued".to_owned(), outcome: None }),
    };
    assert_eq!((kept.next_at, kept.last), (Some(at(150)), Some(last)));

    let life = Life::Ended { outcome: Outcome::Failed, reason: "x".to_owned(), started_at: None, at: at(60) };
    store.commit(&[Change::Run { run: run.id, life, stop: None }], at(60)).await.unwrap();
    let last = store.schedules(&roof.id).await.unwrap().remove(0).last.unwrap();
    assert_eq!(last.run.unwrap().outcome, Some(Outcome::Failed));

    // It comes to nothing: a note instead of a run.
    let fired =
        ScheduleMove::Fired { file: ".gantry.yml".to_owned(), name: "nightly".to_owned(), due_at: at(150), next_at: None };
    store.take_in(Intake { schedules: vec![fired], ..intake(&roof, 160) }).await.unwrap();
    let kept = store.schedules(&roof.id).await.unwrap().remove(0);
    assert_eq!((kept.next_at, kept.last), (None, Some(LastFired { due_at: at(150), at: at(160), run: None })));
    assert_eq!(store.next_schedule().await.unwrap(), None);
}

pub async fn numbers_have_no_gap_and_no_double_when_many_take_in_at_once(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let other = repo("cellar");
    store.add_repo(&other).await.unwrap();
    let tasks = Tasks::default();
    let mut made = Vec::new();
    for n in 0..20 {
        let (store, repo) = (store.clone(), if n % 4 == 0 { other.clone() } else { roof.clone() });
        made.push(tasks.spawn(async move {
            let runs = vec![new_run(&repo, "main"), new_run(&repo, "main")];
            store.take_in(Intake { runs, ..intake(&repo, n) }).await.unwrap()
        }));
    }
    let mut numbers = BTreeMap::<RepoId, Vec<u64>>::new();
    for runs in made {
        for run in runs.await.unwrap() {
            numbers.entry(run.repo).or_default().push(run.number);
        }
    }
    numbers.values_mut().for_each(|numbers| numbers.sort_unstable());
    assert_eq!(numbers, BTreeMap::from([(roof.id, (1..=30).collect()), (other.id, (1..=10).collect())]));
}

pub async fn a_delivery_is_open_until_it_is_answered_byte_for_byte(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let delivery = |ms| Delivery {
        id: DeliveryId::new(&Clock::System),
        repo: roof.id.clone(),
        forge: "generic".to_owned(),
        headers: "{}".to_owned(),
        body: (0..=255).collect(),
        received_at: at(ms),
    };
    let (second, first) = (delivery(2), delivery(1));
    store.keep_delivery(&second).await.unwrap();
    store.keep_delivery(&first).await.unwrap();
    store.keep_delivery(&first).await.unwrap();
    drop(store);
    let store = place.open().await;
    assert_eq!(store.open_deliveries().await.unwrap(), [first.clone(), second.clone()]);
    store.take_in(Intake { deliveries: vec![first.id], ..intake(&roof, 5) }).await.unwrap();
    assert_eq!(store.open_deliveries().await.unwrap(), [second]);
    let stranger = Delivery { repo: RepoId::new(&Clock::System), ..delivery(3) };
    assert!(matches!(store.keep_delivery(&stranger).await, Err(Error::Gone(_))));
}

pub async fn a_restart_finds_unfinished_runs_exactly_as_they_were(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let mut first = make_run(&store, &roof, "main", 5).await;
    let second = make_run(&store, &roof, "next", 6).await;
    let done = make_run(&store, &roof, "main", 7).await;
    let before = (first.clone(), done.clone());
    first.life = Life::Running { since: at(10) };
    first.stop = Some(StopReason::Cancelled { by: "ada".to_owned() });
    first.jobs[0].state = JobState::Running { since: at(10) };
    first.jobs[0].stop = Some(StopReason::FailFast { job: "job 1".to_owned(), outcome: Outcome::TimedOut });
    let (message, by) = (Some("Deploy 1.2?".to_owned()), vec!["ops".to_owned()]);
    first.jobs[1].state = JobState::Waiting { why: Wait::Approval { message, by, since: at(11), until: Some(at(99)) } };
    first.jobs[0].decision = Some(Decision::Approved { by: "ada".to_owned(), at: at(10) });
    let values = |name: &str, value: &str| Arc::new(BTreeMap::from([(name.to_owned(), value.to_owned())]));
    first.jobs[0].steps[0].state = StepState::Ended(StepEnd {
        exit_code: Some(3),
        attempt: 2,
        started_at: Some(at(11)),
        outputs: values("version", "1.2\n\u{1f680}"),
        env: values("PATH", "/x:/y"),
        held_back: true,
        ..StepEnd::never_made(Outcome::Warning, "exit code 3 is allowed", at(12))
    });
    let why = StopReason::StepTimeout { after_ms: 5_000 };
    first.jobs[0].steps[1].state = StepState::Stopping { attempt: 1, started_at: None, why, since: at(13) };
    let ended = Life::Ended { outcome: Outcome::Passed, reason: "all passed".to_owned(), started_at: Some(at(8)), at: at(9) };
    let mut changes = gantry::schedule::diff(&before.0, &first);
    changes.push(Change::Run { run: done.id.clone(), life: ended.clone(), stop: None });
    store.commit(&changes, at(14)).await.unwrap();
    // Again, over rows that are there already.
    let backoff = StepState::Backoff { attempt: 2, until: at(99), reason: "exit code 1".to_owned() };
    first.jobs[0].steps[1].state = backoff.clone();
    let (outcome, reason, started_at, at_15) = (Outcome::Passed, "passed".to_owned(), Some(at(10)), at(15));
    let outputs = values("version", "1.2");
    let kept_until = Some(at_15);
    let done_job = JobState::Ended { outcome, reason, started_at, at: at_15, outputs, held_back: true, taken: None, kept_until };
    first.jobs[1].state = done_job.clone();
    first.jobs[1].decision = Some(Decision::Rejected { by: "bob".to_owned(), at: at_15 });
    let decision = first.jobs[1].decision.clone();
    first.jobs[1].engine = Some("big".to_owned());
    let engine = first.jobs[1].engine.clone();
    let again = [
        Change::Step { run: first.id.clone(), job: 0, step: 1, state: backoff },
        Change::Job { engine, run: first.id.clone(), job: 1, state: done_job, decision, stop: None },
    ];
    store.commit(&again, at_15).await.unwrap();
    drop(store);

    let store = place.open().await;
    assert_eq!(store.unfinished().await.unwrap(), [first.clone(), second]);
    assert_eq!(store.run(&first.id).await.unwrap(), Some(first));
    assert_eq!(store.run(&done.id).await.unwrap().unwrap().life, ended);
    assert_eq!(store.refs(&roof.id).await.unwrap(), BTreeMap::new());
}

pub async fn a_summary_is_kept_once_for_each_attempt_and_goes_with_its_run(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let (run, other) = (make_run(&store, &roof, "main", 5).await.id, make_run(&store, &roof, "main", 6).await.id);
    let key = |job, step, attempt| AttemptKey { run: run.clone(), job, step, attempt };
    store.keep_summary(&key(1, 0, 1), "first").await.unwrap();
    store.keep_summary(&key(0, 1, 2), "second\0 \u{1f680}").await.unwrap();
    // After a crash it comes once more.
    store.keep_summary(&key(1, 0, 1), "# first").await.unwrap();
    let kept = |key, text: &str| Summary { key, text: text.to_owned() };
    let expected = [kept(key(0, 1, 2), "second\u{fffd} \u{1f680}"), kept(key(1, 0, 1), "# first")];
    assert_eq!(store.summaries(&run).await.unwrap(), expected);
    assert_eq!(store.summaries(&other).await.unwrap(), []);
    store.remove_repo(&roof.id, at(7)).await.unwrap();
    assert_eq!(store.summaries(&run).await.unwrap(), []);
    assert!(matches!(store.keep_summary(&key(1, 0, 1), "late").await, Err(Error::Gone(_))));
}

pub async fn a_secret_is_kept_as_given_and_goes_with_its_repository(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let secret = |repo: Option<&Repo>, name: &str, sealed: &str| SealedSecret {
        repo: repo.map(|repo| repo.id.clone()),
        name: name.to_owned(),
        sealed: sealed.to_owned(),
        policy: "{\"events\": []}".to_owned(),
        updated_at: at(9),
    };
    let (own, all, other) = (secret(Some(&roof), "b", "x1:own"), secret(None, "b", "x1:all"), secret(None, "B", "x1:other"));
    for secret in [&own, &all, &other, &secret(Some(&roof), "c", "x1:c")] {
        store.set_secret(secret).await.unwrap();
    }
    let newer = SealedSecret { sealed: "x1:newer".to_owned(), updated_at: at(10), ..own.clone() };
    store.set_secret(&newer).await.unwrap();
    assert!(store.remove_secret(Some(&roof.id), "c").await.unwrap());
    assert!(!store.remove_secret(None, "c").await.unwrap() && !store.remove_secret(Some(&roof.id), "B").await.unwrap());
    assert_eq!(store.secrets(Some(&roof.id)).await.unwrap(), [other.clone(), newer, all.clone()]);
    assert_eq!(store.secrets(None).await.unwrap(), [other.clone(), all.clone()]);
    store.remove_repo(&roof.id, at(11)).await.unwrap();
    assert_eq!(store.secrets(Some(&roof.id)).await.unwrap(), [other, all]);
    assert!(matches!(store.set_secret(&own).await, Err(Error::Gone(_))));
}

pub async fn what_an_attempt_was_given_stays_the_first_and_goes_with_its_job(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let (run, ended) = (make_run(&store, &roof, "main", 5).await.id, make_run(&store, &roof, "main", 6).await.id);
    let given = |run: &RunId, job, attempt, sealed: &str| SealedAttempt {
        key: AttemptKey { run: run.clone(), job, step: 0, attempt },
        sealed: sealed.to_owned(),
    };
    let (first, second, of_another) = (given(&run, 0, 1, "x1:a"), given(&run, 0, 2, "x1:b"), given(&run, 1, 1, "x1:c"));
    for attempt in [&first, &second, &of_another, &given(&run, 0, 1, "x1:later"), &given(&ended, 0, 1, "x1:d")] {
        store.keep_attempt_secrets(attempt).await.unwrap();
    }
    assert_eq!(store.attempt_secrets(&run).await.unwrap(), [first, second, of_another.clone()]);
    store.forget_attempt_secrets(&JobKey { run: run.clone(), job: 0 }).await.unwrap();
    assert_eq!(store.attempt_secrets(&run).await.unwrap(), std::slice::from_ref(&of_another));
    let life = Life::Ended { outcome: Outcome::Passed, reason: "passed".to_owned(), started_at: Some(at(6)), at: at(8) };
    store.commit(&[Change::Run { run: ended.clone(), life, stop: None }], at(8)).await.unwrap();
    store.sweep_attempt_secrets().await.unwrap();
    assert_eq!(store.attempt_secrets(&ended).await.unwrap(), []);
    assert_eq!(store.attempt_secrets(&run).await.unwrap(), [of_another]);
    store.remove_repo(&roof.id, at(11)).await.unwrap();
    assert_eq!(store.attempt_secrets(&run).await.unwrap(), []);
}

pub async fn a_commit_is_recorded_change_by_change(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let (run, other) = (make_run(&store, &roof, "main", 5).await, make_run(&store, &roof, "main", 5).await);
    let before = store.last_event().await.unwrap();
    let life = Life::Ended { outcome: Outcome::TimedOut, reason: "too slow".to_owned(), started_at: Some(at(6)), at: at(8) };
    let changes = [
        Change::Step { run: run.id.clone(), job: 1, step: 0, state: StepState::Running { attempt: 2, since: at(7) } },
        Change::Job {
            engine: None,
            run: run.id.clone(),
            job: 1,
            state: JobState::Waiting { why: Wait::Slot { slots: 2 } },
            decision: None,
            stop: None,
        },
        Change::Run { run: other.id.clone(), life: Life::Queued, stop: Some(StopReason::Killed { by: "ada".to_owned() }) },
        Change::Run { run: run.id.clone(), life, stop: None },
    ];
    let last = store.commit(&changes, at(8)).await.unwrap();
    let events = store.events_after(before, None, 99).await.unwrap();
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), (before + 1..=last).collect::<Vec<_>>());
    assert!(events.iter().all(|event| event.at == at(8)));
    let place_of = |n: usize| (events[n].kind, events[n].run.as_ref(), events[n].job, events[n].step);
    assert_eq!(place_of(0), (EventKind::Step, Some(&run.id), Some(1), Some(0)));
    assert_eq!(place_of(1), (EventKind::Job, Some(&run.id), Some(1), None));
    assert_eq!(place_of(2), (EventKind::Run, Some(&other.id), None, None));
    assert_eq!(
        events[0].body,
        r#"{"state":"running","outcome":null,"reason":"running, attempt 2","exit_code":null,"attempt":2,"started_at":7,"ended_at":null}"#
    );
    assert_eq!(
        events[1].body,
        r#"{"state":"waiting","outcome":null,"reason":"waits for one of the 2 slots, which are all taken","started_at":null,"ended_at":null}"#
    );
    let body: serde_json::Value = serde_json::from_str(&events[3].body).unwrap();
    assert_eq!((&body["state"], &body["outcome"], &body["reason"]), (&"ended".into(), &"timed_out".into(), &"too slow".into()));
    assert_eq!((&body["started_at"], &body["ended_at"], &body["number"]), (&6.into(), &8.into(), &1.into()));
    let body: serde_json::Value = serde_json::from_str(&events[2].body).unwrap();
    assert_eq!((&body["reason"], &body["stopping"]), (&"stopping: cancelled at once by ada".into(), &true.into()));
    assert_eq!(store.events_after(before, Some(&other.id), 99).await.unwrap(), events[2..3]);
    assert_eq!(store.events_after(before + 1, None, 2).await.unwrap(), events[1..3]);
    assert_eq!(store.commit(&[], at(9)).await.unwrap(), last);
}

pub async fn a_commit_about_a_removed_run_is_refused_whole(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let run = make_run(&store, &roof, "main", 5).await;
    let gone = RunId::new(&Clock::System);
    let life = Life::Running { since: at(6) };
    for lost in [
        Change::Run { run: gone.clone(), life: life.clone(), stop: None },
        Change::Job {
            engine: None,
            run: gone.clone(),
            job: 0,
            state: JobState::Preparing { since: at(6) },
            decision: None,
            stop: None,
        },
        Change::Step { run: gone.clone(), job: 0, step: 0, state: StepState::Waiting },
    ] {
        let changes = [Change::Run { run: run.id.clone(), life: life.clone(), stop: None }, lost];
        assert!(matches!(store.commit(&changes, at(6)).await, Err(Error::Gone(what)) if what == format!("run {gone}")));
        assert_eq!(store.run(&run.id).await.unwrap().as_ref(), Some(&run));
    }
}

pub async fn a_reader_never_meets_a_gap_that_is_filled_later(place: Place) {
    let (store, roof) = with_repo(&place).await;
    // A second server on the same database has a writer of its own.
    let second = place.open().await;
    let run = make_run(&store, &roof, "main", 5).await;
    let tasks = Tasks::default();
    let writers: Vec<_> = (0..8_u32)
        .map(|n| {
            let (store, run) = (if n % 2 == 0 { store.clone() } else { second.clone() }, run.id.clone());
            tasks.spawn(async move {
                for attempt in 1..=20 {
                    let state = StepState::Starting { attempt, since: at(6) };
                    let change = Change::Step { run: run.clone(), job: n % 2, step: 0, state };
                    store.commit(&vec![change; 1 + n as usize], at(6)).await.unwrap();
                }
            })
        })
        .collect();
    let writers = tasks.spawn(futures_util::future::join_all(writers));
    let mut seen = 0;
    loop {
        let ended = writers.is_finished();
        let events = store.events_after(seen, None, 7).await.unwrap();
        if ended && events.is_empty() {
            break;
        }
        for event in events {
            assert_eq!(event.seq, seen + 1);
            seen = event.seq;
        }
    }
    assert!(writers.await.unwrap().iter().all(Result::is_ok));
    // Before them came the repository and the run.
    assert_eq!((seen, store.last_event().await.unwrap()), (2 + 20 * (1..=8).sum::<i64>(), seen));
}

pub async fn a_run_is_read_as_of_one_moment(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let id = make_run(&store, &roof, "main", 5).await.id;
    let both = |id: &RunId, n| {
        let (run, job) = (id.clone(), JobState::Running { since: at(n) });
        let step = Change::Step { run: id.clone(), job: 1, step: 1, state: StepState::Running { attempt: 1, since: at(n) } };
        [Change::Job { engine: None, run, job: 1, state: job, decision: None, stop: None }, step]
    };
    store.commit(&both(&id, 0), at(6)).await.unwrap();
    let writer = Tasks::default().spawn({
        let (store, id) = (store.clone(), id.clone());
        async move {
            for n in 1..=300 {
                store.commit(&both(&id, n), at(6)).await.unwrap();
            }
        }
    });
    while !writer.is_finished() {
        let runs = [store.run(&id).await.unwrap().unwrap(), store.unfinished().await.unwrap().remove(0)];
        for run in runs {
            match (&run.jobs[1].state, &run.jobs[1].steps[1].state) {
                (JobState::Running { since: job }, StepState::Running { since: step, .. }) => assert_eq!(job, step),
                other => panic!("{other:?}"),
            }
        }
    }
    writer.await.unwrap();
}

pub async fn pages_of_runs_hold_what_was_asked_for(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let cellar = repo("cellar");
    store.add_repo(&cellar).await.unwrap();
    let mut made = Vec::new();
    for n in 0..10_i64 {
        // All in one millisecond: the order is that of the making.
        made.push(
            make_run(&store, if n % 5 == 0 { &cellar } else { &roof }, if n % 2 == 0 { "main" } else { "next" }, 5).await.id,
        );
    }
    let failed = Life::Ended { outcome: Outcome::Failed, reason: "x".to_owned(), started_at: None, at: at(6) };
    let changes: Vec<_> = [3, 4].map(|n: usize| Change::Run { run: made[n].clone(), life: failed.clone(), stop: None }).into();
    store.commit(&changes, at(6)).await.unwrap();
    let ask = |filter: RunFilter| {
        let (store, made) = (store.clone(), made.clone());
        async move {
            let page = store.runs(&filter).await.unwrap();
            let place = |id: &RunId| made.iter().position(|run| run == id).unwrap();
            (page.items.iter().map(|run| place(&run.id)).collect::<Vec<_>>(), page.next)
        }
    };
    let all = RunFilter::default();
    assert_eq!(ask(all.clone()).await, (vec![9, 8, 7, 6, 5, 4, 3, 2, 1, 0], None));
    let (first, next) = ask(RunFilter { limit: 4, ..all.clone() }).await;
    assert_eq!((first, &next), (vec![9, 8, 7, 6], &Some(made[6].to_string())));
    let before = next.map(|next| next.parse().unwrap());
    assert_eq!(ask(RunFilter { limit: 6, before, ..all.clone() }).await, (vec![5, 4, 3, 2, 1, 0], None));
    let of = |repo: &str| Some(repo.to_owned());
    assert_eq!(ask(RunFilter { repo: of("cellar"), ..all.clone() }).await.0, [5, 0]);
    assert_eq!(ask(RunFilter { repo: of("roof"), branch: of("main"), ..all.clone() }).await.0, [8, 6, 4, 2]);
    assert_eq!(ask(RunFilter { outcome: Some(Outcome::Failed), ..all.clone() }).await.0, [4, 3]);
    assert_eq!(
        ask(RunFilter { outcome: Some(Outcome::Failed), branch: of("next"), repo: of("roof"), ..all.clone() }).await.0,
        [3]
    );
    assert_eq!(ask(RunFilter { repo: of("attic\0"), ..all.clone() }).await.0, [0; 0]);
    assert_eq!(ask(RunFilter { before: Some(RunId::new(&Clock::System)), ..all }).await, (vec![], None));
}

pub async fn a_row_that_cannot_be_read_is_named(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let run = make_run(&store, &roof, "main", 5).await;
    let state = Change::Job {
        engine: None,
        run: run.id.clone(),
        job: 1,
        state: JobState::Preparing { since: at(6) },
        decision: None,
        stop: None,
    };
    store.commit(&[state], at(6)).await.unwrap();
    let named = |error: Error, word: &str| {
        let sentence = error.to_string();
        assert!(
            matches!(error, Error::Row { .. }) && sentence.contains(run.id.as_str()) && sentence.contains(word),
            "{sentence}"
        );
    };
    place.tamper("UPDATE jobs SET job = 7").await;
    named(store.unfinished().await.unwrap_err(), "the plan has no job 7");
    place.tamper("UPDATE jobs SET job = 1, state_json = '{\"is\":\"dancing\"}'").await;
    named(store.run(&run.id).await.unwrap_err(), "dancing");
    place.tamper("UPDATE runs SET plan_json = '{'").await;
    named(store.unfinished().await.unwrap_err(), "plan_json");
    place.tamper("UPDATE runs SET life_json = 'null'").await;
    named(store.runs(&RunFilter::default()).await.unwrap_err(), "life_json");
}

pub async fn a_newer_schema_is_refused(place: Place) {
    drop(place.open().await);
    place
        .tamper(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             SELECT 9999, 'from the future', success, checksum, 1 FROM _sqlx_migrations WHERE version = 1",
        )
        .await;
    let error = gantry::store::Store::open(&place.config).await.unwrap_err();
    assert!(matches!(error, Error::NewerSchema { found: 9999, .. }), "{error}");
    assert!(error.to_string().contains("update gantry"), "{error}");
}

pub async fn the_instance_keeps_its_id(place: Place) {
    let store = place.open().await;
    let id = store.instance().await.unwrap();
    assert_eq!(store.instance().await.unwrap(), id);
    drop(store);
    assert_eq!(place.open().await.instance().await.unwrap(), id);
}
