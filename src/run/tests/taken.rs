//! What a new run takes over from an older one.

use std::collections::BTreeSet;

use super::*;

/// Ends every job, and its one step, of a run as it says.
fn ended(jobs: Vec<JobPlan>, ends: &[(Outcome, bool)]) -> Run {
    let mut run = run_of(jobs);
    for (job, (outcome, held_back)) in run.jobs.iter_mut().zip(ends) {
        let end = StepEnd { attempt: 1, held_back: *held_back, ..StepEnd::never_made(*outcome, "as it was", NOW) };
        job.steps[0].state = StepState::Ended(end);
        job.state = JobState::Ended {
            outcome: *outcome,
            reason: "as it was".to_owned(),
            started_at: Some(NOW),
            at: NOW,
            outputs: Values::new([("v".to_owned(), "1".to_owned())].into()),
            held_back: *held_back,
            taken: None,
            kept_until: Some(NOW.plus_ms(9)),
        };
    }
    run.life = Life::Ended { outcome: Outcome::Failed, reason: String::new(), started_at: Some(NOW), at: NOW };
    run
}

fn named(name: &str, needs: &[u32]) -> JobPlan {
    JobPlan { needs: needs.to_vec(), ..job(name, vec![step("s")]) }
}

fn taken(old: &Run, lost: &[u32]) -> Vec<u32> {
    taken_over(old, &lost.iter().copied().collect()).unwrap().into_iter().map(|(job, _)| job).collect()
}

/// The run that does `old` again.
fn again(old: &Run, number: u64) -> Run {
    let id = RunId::new(&Clock::System);
    let mut run = Run::new(id, old.repo.clone(), "shop".to_owned(), number, old.trigger.clone(), Arc::clone(&old.plan), NOW);
    for (ix, job) in taken_over(old, &BTreeSet::new()).unwrap() {
        run.jobs[ix as usize] = job;
    }
    run
}

const PASSED: (Outcome, bool) = (Outcome::Passed, false);
const FAILED: (Outcome, bool) = (Outcome::Failed, false);

#[test]
fn what_passed_is_taken_over_unless_something_that_it_needs_runs_again() {
    let jobs = || vec![named("a", &[]), named("b", &[0]), named("c", &[1]), named("d", &[2]), named("e", &[0])];
    assert_eq!(taken(&ended(jobs(), &[PASSED, PASSED, FAILED, (Outcome::Skipped, true), PASSED]), &[]), [0, 1, 4]);
    // One that always runs ran after a failure: it runs again after it.
    assert_eq!(taken(&ended(jobs(), &[PASSED, FAILED, PASSED, PASSED, PASSED]), &[]), [0, 4], "near and far");
    let warned = [(Outcome::Warning, false), (Outcome::Skipped, false), PASSED, (Outcome::TimedOut, false), PASSED];
    assert_eq!(taken(&ended(jobs(), &warned), &[]), [0, 1, 2, 4], "what nobody wanted is not wanted again");
    for bad in [Outcome::Cancelled, Outcome::Lost, Outcome::Error] {
        assert_eq!(taken(&ended(jobs(), &[PASSED, PASSED, PASSED, PASSED, (bad, false)]), &[]), [0, 1, 2, 3], "{bad}");
    }
    let old = ended(jobs(), &[PASSED, PASSED, PASSED, PASSED, FAILED]);
    assert_eq!(taken(&old, &[1]), [0], "its artifacts are gone: it makes them again");
    let whole = taken_over(&ended(jobs(), &[PASSED; 5]), &BTreeSet::new()).unwrap_err();
    assert!(whole.contains("nothing of run #1 failed"), "{whole}");
    let early = taken_over(&run_of(jobs()), &BTreeSet::new()).unwrap_err();
    assert!(early.contains("has not ended yet"), "{early}");
}

#[test]
fn a_run_that_takes_over_begins_with_its_own_first_job_and_finds_what_was_left() {
    let approval = Some(crate::pipeline::Approval { message: None, by: Vec::new(), timeout_ms: None });
    let mut old = ended(vec![named("a", &[]), JobPlan { approval, ..named("b", &[0]) }], &[PASSED, FAILED]);
    old.jobs[1].decision = Some(Decision::Approved { by: "ada".to_owned(), at: NOW });
    let mut run = again(&old, 2);
    commands(&mut run, Event::Woken);
    assert_eq!(run.life, Life::Queued, "what ran elsewhere is no beginning");
    assert!(
        matches!(&run.jobs[1].state, JobState::Waiting { why: Wait::Approval { .. } }),
        "it is asked again: {:?}",
        run.jobs[1]
    );
    let shown = view(&run);
    assert_eq!(shown.jobs[0].kept_until, None, "the work tree is the other run's");
    let from = shown.jobs[0].taken_from.clone().unwrap();
    assert_eq!((from.number, from.id), (1, old.id.to_string()));
    assert_eq!(shown.jobs[0].outputs["v"], "1");
    assert_eq!(shown.jobs[0].steps[0].taken_from.as_ref().map(|from| from.number), Some(1));
    assert_eq!((&shown.jobs[1].taken_from, shown.jobs[1].state), (&None, "waiting"));

    // Over however many runs: whoever did it is named.
    run.jobs[1].state = JobState::ended(Outcome::Failed, "again", Some(NOW), NOW);
    run.life = Life::Ended { outcome: Outcome::Failed, reason: String::new(), started_at: Some(NOW), at: NOW };
    let third = view(&again(&run, 3));
    assert_eq!(third.jobs[0].taken_from.as_ref().map(|from| from.number), Some(1));
}
