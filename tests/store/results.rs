//! Stories about test results.

use gantry::base::limits::{REPORT_CASES, TEST_RECENT};
use gantry::base::{AttemptKey, RunId};
use gantry::run::{Run, TestCase, TestOutcome, TestSummary};
use gantry::store::{Error, Harvest, History, Repo, RepoTests, RunTests, Store, TestOrder, TestPick};

use super::super::place::{Place, at, make_run, repo, with_repo};

/// A case by its name and the first letter of its outcome.
fn case(name: &str, outcome: char, ms: u64) -> TestCase {
    let outcome = match outcome {
        'P' => TestOutcome::Passed,
        'F' => TestOutcome::Failed,
        'E' => TestOutcome::Error,
        _ => TestOutcome::Skipped,
    };
    TestCase {
        suite: "shop".to_owned(),
        name: name.to_owned(),
        identity: name.to_owned(),
        file: None,
        outcome,
        flaky: false,
        duration_ms: Some(ms),
        message: outcome.is_bad().then(|| format!("{name} is wrong\0")),
        details: outcome.is_bad().then(|| "at line 1".to_owned()),
    }
}

fn harvest(run: &Run, repo: &Repo, attempt: u32, cases: Vec<TestCase>) -> Harvest {
    Harvest {
        key: AttemptKey { run: run.id.clone(), job: 0, step: 0, attempt },
        repo: repo.id.clone(),
        commit: run.trigger.commit.clone(),
        branch: run.trigger.branch.clone(),
        pipeline: "ci".to_owned(),
        job: "job 0".to_owned(),
        step: "first".to_owned(),
        cases,
        problems: Vec::new(),
    }
}

fn summary(total: u64, failed: u64, skipped: u64, flaky: u64) -> TestSummary {
    TestSummary { total, failed, skipped, flaky }
}

async fn names(store: &Store, run: &RunId, which: RunTests) -> Vec<String> {
    let page = store.run_tests(run, &which).await.unwrap();
    page.items.into_iter().map(|result| format!("{}{}", result.name, if result.flaky { "~" } else { "" })).collect()
}

/// Name, letters of the newest results, failures, flakes and usual time of each test.
async fn tests(store: &Store, repo: &Repo, order: TestOrder) -> Vec<(String, String, u32, u32, Option<u64>)> {
    let page = store.repo_tests(&repo.id, &RepoTests { order, ..RepoTests::default() }).await.unwrap();
    let letters = |test: &gantry::store::RepoTest| {
        let letter = |recent: &gantry::store::Recent| {
            let letter = recent.outcome.as_str().chars().next().unwrap();
            if recent.flaky { letter } else { letter.to_ascii_uppercase() }
        };
        test.recent.iter().map(letter).collect::<String>()
    };
    page.items.iter().map(|test| (test.name.clone(), letters(test), test.failures, test.flakes, test.usual_ms)).collect()
}

pub async fn test_results_are_kept_once_however_often_they_are_told(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let run = make_run(&store, &roof, "main", 5).await;
    assert_eq!(store.test_summary(&run.id).await.unwrap(), None);
    let mut told = harvest(&run, &roof, 1, vec![case("a", 'P', 10), case("b", 'F', 20), case("c", 'S', 0)]);
    told.problems = vec!["`x.xml` is empty".to_owned()];
    assert!(!store.has_reports(&told.key).await.unwrap());
    for time in 7..9 {
        assert_eq!(store.keep_reports(told.clone(), at(time)).await.unwrap(), summary(3, 1, 1, 0));
        assert!(store.has_reports(&told.key).await.unwrap());
        assert_eq!(store.test_summary(&run.id).await.unwrap(), Some(summary(3, 1, 1, 0)));
        assert_eq!(names(&store, &run.id, RunTests::default()).await, ["b", "c", "a"], "what failed stands first");
        let seen = tests(&store, &roof, TestOrder::Failing).await;
        let row = |name: &str, recent: &str, failures, usual| (name.to_owned(), recent.to_owned(), failures, 0, usual);
        assert_eq!(seen, [row("b", "F", 1, Some(20)), row("a", "P", 0, Some(10)), row("c", "S", 0, None)]);
    }
    let problems = store.report_problems(&run.id).await.unwrap();
    assert_eq!((problems.len(), problems[0].sentence.as_str(), problems[0].step.as_str()), (1, "`x.xml` is empty", "first"));
    let failed = store.run_tests(&run.id, &RunTests { pick: Some(TestPick::Failed), ..RunTests::default() }).await.unwrap();
    let failed = &failed.items[0];
    assert_eq!((failed.message.as_deref(), failed.details.as_deref()), (Some("b is wrong\u{fffd}"), Some("at line 1")));
    let test = store.repo_test(&roof.id, &failed.id).await.unwrap().unwrap();
    assert_eq!((test.name.as_str(), test.last_at, &test.last_run), ("b", at(7), &run.id));
    let history = store.test_history(&test, &History::default()).await.unwrap();
    assert_eq!((history.items.len(), history.items[0].number, history.items[0].job.as_str()), (1, 1, "job 0"));
}

pub async fn a_keeping_that_was_cut_off_goes_on_where_it_was(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let run = make_run(&store, &roof, "main", 5).await;
    let cases: Vec<TestCase> = (0..1_234).map(|n| case(&format!("t{n:04}"), if n % 100 == 7 { 'F' } else { 'P' }, n)).collect();
    let told = harvest(&run, &roof, 1, cases);
    store.keep_reports(told.clone(), at(7)).await.unwrap();
    // As after the first of its transactions.
    place.tamper("DELETE FROM test_results WHERE ix >= 500").await;
    place.tamper("DELETE FROM tests WHERE n > 500").await;
    place.tamper("UPDATE reports SET kept = 500, done_at = NULL, total = 0, failed = 0").await;
    let store = place.open().await;
    assert!(!store.has_reports(&told.key).await.unwrap());
    assert_eq!(store.test_summary(&run.id).await.unwrap(), None, "what is not complete is not counted");
    store.keep_reports(told, at(8)).await.unwrap();
    assert_eq!(store.test_summary(&run.id).await.unwrap(), Some(summary(1_234, 13, 0, 0)));
    let page = store.repo_tests(&roof.id, &RepoTests { q: Some("t0007".to_owned()), ..RepoTests::default() }).await.unwrap();
    assert_eq!((page.items[0].failures, page.items[0].recent.len()), (1, 1), "kept before, counted once");
}

pub async fn a_retried_step_shows_what_its_last_attempt_says_of_each_test(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let run = make_run(&store, &roof, "main", 5).await;
    store
        .keep_reports(harvest(&run, &roof, 1, vec![case("a", 'P', 1), case("b", 'F', 1), case("c", 'F', 1)]), at(7))
        .await
        .unwrap();
    // The second attempt only tries what had failed.
    let second = harvest(&run, &roof, 2, vec![case("b", 'P', 1), case("c", 'E', 1)]);
    assert_eq!(store.keep_reports(second, at(8)).await.unwrap(), summary(2, 1, 0, 1));
    assert_eq!(store.test_summary(&run.id).await.unwrap(), Some(summary(3, 1, 0, 1)));
    assert_eq!(names(&store, &run.id, RunTests::default()).await, ["c", "b~", "a"]);
    let flaky = store.run_tests(&run.id, &RunTests { pick: Some(TestPick::Flaky), ..RunTests::default() }).await.unwrap();
    let flaky = &flaky.items[0];
    assert_eq!((flaky.attempt, flaky.outcome), (2, TestOutcome::Passed));
    assert_eq!(flaky.message.as_deref(), Some("b is wrong\u{fffd}"), "the earlier attempt explains it");
}

pub async fn the_same_commit_in_the_same_place_should_end_the_same(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let mut runs = Vec::new();
    for n in 5..9 {
        runs.push(make_run(&store, &roof, "main", n).await);
    }
    let tell = async |run: &Run, outcome, commit: &str, job: &str| {
        let told =
            Harvest { commit: commit.to_owned(), job: job.to_owned(), ..harvest(run, &roof, 1, vec![case("a", outcome, 8)]) };
        store.keep_reports(told, at(9)).await.unwrap();
        store.test_summary(&run.id).await.unwrap().unwrap().flaky
    };
    assert_eq!(tell(&runs[0], 'P', "c1", "test (1)").await, 0);
    assert_eq!(tell(&runs[1], 'F', "c2", "test (1)").await, 0, "another commit");
    assert_eq!(tell(&runs[2], 'F', "c1", "test (2)").await, 0, "another place");
    assert_eq!(tell(&runs[3], 'F', "c1", "test (1)").await, 1);
    assert_eq!(tests(&store, &roof, TestOrder::Flaky).await, [("a".to_owned(), "fFFP".to_owned(), 3, 1, Some(8))]);

    // A runner may say so itself, and a report may tell of a test twice.
    let run = make_run(&store, &roof, "main", 10).await;
    let by_itself = TestCase { flaky: true, ..case("b", 'P', 1) };
    let told = harvest(&run, &roof, 1, vec![by_itself, case("c", 'F', 1), case("c", 'P', 1), case("d", 'P', 1)]);
    assert_eq!(store.keep_reports(told, at(11)).await.unwrap(), summary(4, 1, 0, 2));
    assert_eq!(names(&store, &run.id, RunTests::default()).await, ["c", "b~", "c~", "d"]);
}

pub async fn results_of_a_run_are_paged_picked_and_searched(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let run = make_run(&store, &roof, "main", 5).await;
    let cases = (0..25).map(|n| case(&format!("t{n}"), ['P', 'F', 'S', 'E', 'P'][n % 5], n as u64)).collect();
    store.keep_reports(harvest(&run, &roof, 1, cases), at(7)).await.unwrap();
    let mut other = harvest(&run, &roof, 1, vec![case("50%_off!", 'P', 99), case("T1 Ünder", 'F', 1)]);
    (other.key.step, other.step) = (1, "second".to_owned());
    store.keep_reports(other, at(8)).await.unwrap();

    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let page = store.run_tests(&run.id, &RunTests { before, limit: 7, ..RunTests::default() }).await.unwrap();
        assert!(page.items.len() == 7 || page.next.is_none());
        all.extend(page.items.into_iter().map(|result| result.name));
        let Some(next) = page.next else { break };
        before = Some(next.parse().unwrap());
    }
    assert_eq!(all.len(), 27);
    assert_eq!(all[..6], ["t1", "t3", "t6", "t8", "t11", "t13"]);
    assert_eq!(all[10], "T1 Ünder", "what failed in any step stands first");
    let picked = async |pick| names(&store, &run.id, RunTests { pick: Some(pick), ..RunTests::default() }).await.len();
    assert_eq!((picked(TestPick::Failed).await, picked(TestPick::Error).await, picked(TestPick::Skipped).await), (11, 5, 5));
    assert_eq!((picked(TestPick::Passed).await, picked(TestPick::Flaky).await), (11, 0));
    let found = async |q: &str| names(&store, &run.id, RunTests { q: Some(q.to_owned()), ..RunTests::default() }).await;
    assert_eq!(found("%_").await, ["50%_off!"]);
    assert_eq!(found("off!").await, ["50%_off!"]);
    assert_eq!(found("SHOP t2").await, ["t21", "t23", "t2", "t22", "t20", "t24"]);
    assert_eq!(found("t1 Ü").await, ["T1 Ünder"]);
    assert_eq!(found("nothing\0").await, [""; 0]);
    let slowest = store.slowest_tests(&run.id, 2).await.unwrap();
    assert_eq!(slowest.iter().map(|result| result.name.as_str()).collect::<Vec<_>>(), ["50%_off!", "t24"]);
}

pub async fn tests_of_a_repository_are_ordered_paged_and_searched(place: Place) {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    let (store, roof) = with_repo(&place).await;
    let cellar = repo("cellar");
    store.add_repo(&cellar).await.unwrap();
    let old = make_run(&store, &roof, "main", 5).await;
    store.keep_reports(harvest(&old, &roof, 1, vec![case("gone", 'F', 900)]), at(DAY)).await.unwrap();
    for n in 0..60_i64 {
        let run = make_run(&store, &roof, "main", n).await;
        let cases = vec![
            case("steady", 'P', 10),
            case("often", if n % 2 == 0 { 'F' } else { 'P' }, 100),
            case("slow", 'P', 1_000),
            // The same commit each time: this one is flaky from the second result on that differs.
            case("once", if n == 58 { 'E' } else { 'P' }, 5),
        ];
        let told = Harvest { commit: if n < 57 { format!("c{n}") } else { "same".to_owned() }, ..harvest(&run, &roof, 1, cases) };
        store.keep_reports(told, at(40 * DAY + n)).await.unwrap();
    }
    let listed = async |order| tests(&store, &roof, order).await.into_iter().map(|(name, ..)| name).collect::<Vec<_>>();
    assert_eq!(listed(TestOrder::Flaky).await, ["often", "once", "steady", "slow"]);
    assert_eq!(listed(TestOrder::Failing).await, ["often", "once", "steady", "slow"]);
    assert_eq!(listed(TestOrder::Slow).await, ["slow", "often", "steady", "once"]);
    let rows = tests(&store, &roof, TestOrder::Flaky).await;
    assert_eq!((rows[0].1.len(), rows[0].2, rows[0].3), (TEST_RECENT, 25, 2), "counted of the newest only");
    assert_eq!((&rows[1].1[..4], rows[1].2, rows[1].3, rows[1].4), ("pePP", 1, 2, Some(5)));

    let asked = RepoTests { order: TestOrder::Slow, limit: 3, ..RepoTests::default() };
    let first = store.repo_tests(&roof.id, &asked).await.unwrap();
    let before = Some(first.next.unwrap().parse().unwrap());
    let second = store.repo_tests(&roof.id, &RepoTests { before, ..asked }).await.unwrap();
    assert_eq!((first.items.len(), second.items[0].name.as_str(), second.next), (3, "once", None));
    let found = store.repo_tests(&roof.id, &RepoTests { q: Some("GON".to_owned()), ..RepoTests::default() }).await.unwrap();
    assert_eq!(found.items[0].name, "gone", "a search finds what nobody has run for long");
    assert_eq!(store.repo_tests(&cellar.id, &RepoTests::default()).await.unwrap().items, []);
    assert_eq!((store.repo_test_count(&roof.id).await.unwrap(), store.repo_test_count(&cellar.id).await.unwrap()), (5, 0));
    assert_eq!(store.repo_test(&cellar.id, &found.items[0].id).await.unwrap(), None, "another repository's test");

    let often = first.items.iter().find(|test| test.name == "often").unwrap();
    let newest = store.test_history(often, &History { before: None, limit: 50 }).await.unwrap();
    let before = Some(newest.next.unwrap().parse().unwrap());
    let older = store.test_history(often, &History { before, limit: 50 }).await.unwrap();
    assert_eq!((newest.items.len(), newest.items[0].number, newest.items[0].outcome), (50, 61, TestOutcome::Passed));
    assert_eq!((older.items.len(), older.items[9].number, older.next), (10, 2, None));
}

pub async fn a_run_has_only_so_many_results(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let run = make_run(&store, &roof, "main", 5).await;
    store.keep_reports(harvest(&run, &roof, 1, vec![case("a", 'P', 1)]), at(7)).await.unwrap();
    place.tamper("UPDATE reports SET kept = 49998").await;
    assert_eq!(REPORT_CASES, 50_000);
    let mut more = harvest(&run, &roof, 1, vec![case("b", 'P', 1), case("c", 'P', 1), case("d", 'P', 1)]);
    more.key.step = 1;
    assert_eq!(store.keep_reports(more, at(8)).await.unwrap().total, 2);
    let problems = store.report_problems(&run.id).await.unwrap();
    assert_eq!(problems[0].sentence, "1 test results were not kept: a run may have 50000");
}

pub async fn results_go_with_their_run_and_tests_with_their_repository(place: Place) {
    let (store, roof) = with_repo(&place).await;
    let run = make_run(&store, &roof, "main", 5).await;
    let told = harvest(&run, &roof, 1, vec![case("a", 'F', 1)]);
    store.keep_reports(told.clone(), at(7)).await.unwrap();
    store.remove_repo(&roof.id, at(8)).await.unwrap();
    assert_eq!(store.test_summary(&run.id).await.unwrap(), None);
    assert_eq!(store.repo_test_count(&roof.id).await.unwrap(), 0);
    assert!(matches!(store.keep_reports(told, at(9)).await, Err(Error::Gone(_))));
}
