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

/// A run of two jobs whose second one, which needs the first, has the steps `a`, `b`, `c` in a row, and `d` beside them; they ended so.
fn in_steps(ends: [Outcome; 4]) -> Run {
    let mut steps = in_a_row(["a", "b", "c"].map(step).to_vec());
    steps.push(step("d"));
    let second = JobPlan { needs: vec![0], ..job("second", steps) };
    let mut run = ended(vec![named("first", &[]), second, named("after", &[1])], &[(Outcome::Passed, false); 3]);
    run.jobs[1].state = JobState::ended(Outcome::Failed, "b failed", Some(NOW), NOW);
    for (state, outcome) in run.jobs[1].steps.iter_mut().zip(ends) {
        let env = Values::new([("FOUND".to_owned(), "it".to_owned())].into());
        let end = StepEnd { attempt: 1, started_at: Some(NOW), env, ..StepEnd::never_made(outcome, "as it was", NOW) };
        state.state = StepState::Ended(StepEnd { held_back: outcome == Outcome::Skipped, ..end });
    }
    run.jobs[2].state = JobState::ended(Outcome::Skipped, "`second` failed", None, NOW);
    run
}

fn from(old: &Run, job: u32, step: Option<u32>) -> Result<Vec<(u32, Job)>, String> {
    resumed(old, (job, step), &BTreeSet::new())
}

#[test]
fn from_a_job_on_it_and_what_needs_it_run_again_whether_they_passed_or_not() {
    let old =
        ended(vec![named("a", &[]), named("b", &[0]), named("c", &[1]), named("beside", &[])], &[(Outcome::Passed, false); 4]);
    let taken = |job| from(&old, job, None).unwrap().into_iter().map(|(job, _)| job).collect::<Vec<_>>();
    assert_eq!((taken(0), taken(1), taken(2)), (vec![3], vec![0, 3], vec![0, 1, 3]));
}

#[test]
fn from_a_step_on_the_steps_before_it_stand_with_what_they_left() {
    use Outcome::{Failed, Passed, Skipped};
    let old = in_steps([Passed, Failed, Skipped, Passed]);
    let begun = from(&old, 1, Some(1)).unwrap();
    assert_eq!(begun.iter().map(|(job, _)| *job).collect::<Vec<_>>(), [0, 1]);
    let job = &begun[1].1;
    assert!(goes_on(job) && !goes_on(&begun[0].1) && !goes_on(&old.jobs[1]), "{job:?}");
    let taken: Vec<bool> = job.steps.iter().map(|step| step.state.is_ended()).collect();
    assert_eq!(taken, [true, false, false, true], "`d` has nothing to do with it");
    let mut run = Run::new(
        RunId::new(&Clock::System),
        old.repo.clone(),
        "shop".to_owned(),
        2,
        old.trigger.clone(),
        Arc::clone(&old.plan),
        NOW,
    );
    for (ix, job) in begun {
        run.jobs[ix as usize] = job;
    }
    assert!(matches!(run.jobs[1].state, JobState::Waiting { .. }));
    commands(&mut run, Event::Woken);
    commands(&mut run, Event::JobAdmitted { job: 1, engine: ENGINE.to_owned() });
    let start = Command::StartStep(AttemptKey { run: run.id.clone(), job: 1, step: 1, attempt: 1 });
    assert_eq!(commands(&mut run, Event::JobPrepared { job: 1, engine: ENGINE.to_owned() }), [start]);
    assert_eq!(fill_step(&run, 1, 1).unwrap().env["FOUND"], "it");
    let step = view(&run).jobs[1].steps[0].taken_from.clone().unwrap();
    assert_eq!((step.id, step.number), (old.id.to_string(), 1));
}

#[test]
fn a_run_cannot_go_on_where_what_comes_before_did_not_pass_or_runs_again() {
    use Outcome::{Failed, Passed, Skipped};
    let old = in_steps([Passed, Failed, Skipped, Passed]);
    assert_eq!(from(&old, 1, Some(2)).unwrap_err(), "`b` did not pass, and `c` needs it: begin there");
    // With nothing before it, it is the whole job.
    let whole = from(&in_steps([Failed, Skipped, Skipped, Failed]), 1, Some(0)).unwrap();
    assert!(!whole.iter().any(|(_, job)| goes_on(job)), "{whole:?}");
    let lost = resumed(&old, (1, Some(1)), &BTreeSet::from([0])).unwrap_err();
    assert_eq!(lost, "`first`, which `second` needs, runs again: `second` has to begin at its first step");
    let open = run_of(vec![named("a", &[])]);
    assert!(from(&open, 0, None).unwrap_err().contains("has not ended yet"));
}

#[test]
fn a_job_that_cannot_go_on_leaves_what_it_took_over_as_it_was() {
    let old = in_steps([Outcome::Passed, Outcome::Failed, Outcome::Skipped, Outcome::Passed]);
    let mut run = old.clone();
    (run.life, run.jobs[1]) = (Life::Queued, from(&old, 1, Some(1)).unwrap()[1].1.clone());
    run.jobs[2].state = JobState::Waiting { why: Wait::Admission };
    commands(&mut run, Event::Woken);
    commands(&mut run, Event::JobAdmitted { job: 1, engine: ENGINE.to_owned() });
    commands(
        &mut run,
        Event::JobNotPrepared { job: 1, engine: ENGINE.to_owned(), message: "it is gone".to_owned(), again: false },
    );
    let end = |step: usize| match &run.jobs[1].steps[step].state {
        StepState::Ended(end) => (end.outcome, end.taken.is_some()),
        other => panic!("{other:?}"),
    };
    assert_eq!([end(0), end(1), end(3)], [(Outcome::Passed, true), (Outcome::Skipped, false), (Outcome::Passed, true)]);
}
