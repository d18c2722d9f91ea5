//! The reducer by its exact moves and commands. The simulation covers what nobody thought of; these say what is meant.

mod kept;
mod language;
mod taken;

use std::sync::Arc;

use super::*;
use crate::base::{AttemptKey, Clock, JobKey, RepoId, RunId, Timestamp};
use crate::pipeline::{Action, AllowFailure, Cause, Event as On, JobPlan, Need, Plan, Retry, StepPlan, Trigger, When};

const NOW: Timestamp = Timestamp(1_000);
const ENGINE: &str = "local";

fn step(name: &str) -> StepPlan {
    StepPlan::new(name, Action::EntryPoint)
}

fn job(name: &str, steps: Vec<StepPlan>) -> JobPlan {
    JobPlan { timeout_ms: 60_000, ..JobPlan::new(name, steps) }
}

/// Steps in a row, each waiting for all before it.
fn in_a_row(mut steps: Vec<StepPlan>) -> Vec<StepPlan> {
    for (position, step) in (0..).zip(&mut steps) {
        step.needs = (0..position).collect();
        step.need = Need::Position;
    }
    steps
}

fn run_of(jobs: Vec<JobPlan>) -> Run {
    let trigger = Trigger {
        event: On::Push,
        branch: "main".to_owned(),
        tag: None,
        commit: "c".repeat(40),
        message: String::new(),
        author: String::new(),
        default_branch: "main".to_owned(),
        repo: "shop".to_owned(),
        url: String::new(),
        because: String::new(),
        inputs: Default::default(),
        schedule: None,
        pull_request: None,
    };
    let plan = Arc::new(Plan::new("ci", ".gantry.yml", jobs));
    Run::new(RunId::new(&Clock::System), RepoId::new(&Clock::System), "shop".to_owned(), 1, trigger, plan, NOW)
}

/// A run whose first job is prepared; answers it with the commands of that moment.
fn begun(jobs: Vec<JobPlan>) -> (Run, Vec<Command>) {
    let mut run = run_of(jobs);
    let first = commands(&mut run, Event::JobAdmitted { job: 0, engine: ENGINE.to_owned() });
    assert_eq!(first, [Command::PrepareJob(JobKey { run: run.id.clone(), job: 0 })]);
    let commands = commands(&mut run, Event::JobPrepared { job: 0, engine: ENGINE.to_owned() });
    (run, commands)
}

fn commands(run: &mut Run, event: Event) -> Vec<Command> {
    match apply(run, &event, NOW, &Permit::START) {
        Applied::Applied { commands } => commands,
        Applied::Ignored(why) => panic!("{event:?} was ignored: {why}"),
    }
}

fn ignored(run: &mut Run, event: Event) -> &'static str {
    let before = run.clone();
    match apply(run, &event, NOW, &Permit::START) {
        Applied::Applied { commands } => panic!("{event:?} was applied: {commands:?}"),
        Applied::Ignored(why) => {
            assert_eq!(*run, before, "what is ignored changes nothing");
            why
        }
    }
}

fn key(run: &Run, step: u32, attempt: u32) -> AttemptKey {
    AttemptKey { run: run.id.clone(), job: 0, step, attempt }
}

fn exited(step: u32, attempt: u32, exit: Exit) -> Event {
    Event::StepExited { job: 0, step, attempt, exit, wrote: Written::default(), observed: Box::default() }
}

fn started(step: u32, attempt: u32) -> Event {
    Event::StepStarted { job: 0, step, attempt, at: NOW }
}

fn end_of(run: &Run, step: usize) -> (&str, &str) {
    match &run.jobs[0].steps[step].state {
        StepState::Ended(end) => (end.outcome.as_str(), &end.reason),
        other => panic!("not ended: {other:?}"),
    }
}

#[test]
fn a_step_starts_the_moment_its_own_needs_have_ended() {
    let mut last = step("last");
    last.needs = vec![0];
    let (mut run, begun) = begun(vec![job("j", vec![step("quick"), step("slow"), last])]);
    assert_eq!(begun, [Command::StartStep(key(&run, 0, 1)), Command::StartStep(key(&run, 1, 1))]);
    let next = commands(&mut run, exited(0, 1, Exit::Code(0)));
    assert_eq!(next, [Command::RemoveStep(key(&run, 0, 1)), Command::StartStep(key(&run, 2, 1))]);
}

#[test]
fn the_last_exit_ends_the_job_releases_it_and_ends_the_run() {
    let (mut run, _) = begun(vec![job("j", vec![step("only")])]);
    commands(&mut run, started(0, 1));
    let last = commands(&mut run, exited(0, 1, Exit::Code(0)));
    let job = JobKey { run: run.id.clone(), job: 0 };
    assert_eq!(last, [Command::RemoveStep(key(&run, 0, 1)), Command::ReleaseJob(job)]);
    assert!(
        matches!(&run.life, Life::Ended { outcome: Outcome::Passed, reason, .. } if reason == "1 job passed"),
        "{:?}",
        run.life
    );
    assert_eq!(ignored(&mut run, Event::CancelRequested { by: "ada".to_owned() }), "the run has ended");
}

#[test]
fn an_exit_of_another_attempt_is_ignored() {
    let mut again = step("again");
    again.retry = Retry { max: 1, backoff_ms: 0, ..Retry::default() };
    let (mut run, _) = begun(vec![job("j", vec![again])]);
    let retried = commands(&mut run, exited(0, 1, Exit::Code(1)));
    assert_eq!(retried, [Command::RemoveStep(key(&run, 0, 1)), Command::StartStep(key(&run, 0, 2))]);
    assert_eq!(ignored(&mut run, exited(0, 1, Exit::Code(0))), "it speaks of another attempt");
    commands(&mut run, exited(0, 2, Exit::Code(1)));
    assert_eq!(end_of(&run, 0), ("failed", "exited with 1"));
    assert_eq!(ignored(&mut run, exited(0, 2, Exit::Code(1))), "the run has ended");
}

#[test]
fn what_was_not_wanted_holds_back_only_those_that_named_it() {
    let unwanted = || StepPlan { skip: Some("its `if` is false".to_owned()), ..step("unwanted") };
    let (run, begun_by_order) = begun(vec![job("j", in_a_row(vec![unwanted(), step("next")]))]);
    assert_eq!(begun_by_order, [Command::StartStep(key(&run, 1, 1))]);
    let named = StepPlan { needs: vec![0], ..step("next") };
    let (run, _) = begun(vec![job("j", vec![unwanted(), named])]);
    assert_eq!(end_of(&run, 1), ("skipped", "skipped: `unwanted`, which it needs, was skipped"));
}

#[test]
fn a_failure_skips_success_runs_failure_and_always() {
    let steps = vec![
        step("build"),
        step("test"),
        StepPlan { when: When::Failure, ..step("tell") },
        StepPlan { when: When::Always, ..step("tidy") },
    ];
    let (mut run, _) = begun(vec![job("j", in_a_row(steps))]);
    let next = commands(&mut run, exited(0, 1, Exit::Code(2)));
    assert_eq!(end_of(&run, 1), ("skipped", "skipped: `build` failed"));
    assert_eq!(next, [Command::RemoveStep(key(&run, 0, 1)), Command::StartStep(key(&run, 2, 1))]);
    let next = commands(&mut run, exited(2, 1, Exit::Code(0)));
    assert_eq!(next[1], Command::StartStep(key(&run, 3, 1)));
    commands(&mut run, exited(3, 1, Exit::Code(0)));
    assert!(matches!(&run.life, Life::Ended { outcome: Outcome::Failed, .. }), "{:?}", run.life);
}

#[test]
fn allowed_failures_are_warnings_and_count_as_passed() {
    let allowed = StepPlan { allow_failure: AllowFailure::Codes(vec![3]), ..step("lint") };
    let (mut run, _) = begun(vec![job("j", in_a_row(vec![allowed.clone(), step("next")]))]);
    let next = commands(&mut run, exited(0, 1, Exit::Code(3)));
    assert_eq!(end_of(&run, 0).0, "warning");
    assert_eq!(next[1], Command::StartStep(key(&run, 1, 1)));
    let (mut run, _) = begun(vec![job("j", vec![allowed])]);
    commands(&mut run, exited(0, 1, Exit::Code(4)));
    assert_eq!(end_of(&run, 0), ("failed", "exited with 4"), "another code is not allowed");
}

#[test]
fn retry_looks_at_the_cause_and_the_exit_code() {
    let retry = Retry { max: 3, when: vec![Cause::Failure], exit_codes: vec![75], backoff_ms: 500 };
    let (mut run, _) = begun(vec![job("j", vec![StepPlan { retry, ..step("s") }])]);
    commands(&mut run, exited(0, 1, Exit::Code(75)));
    let StepState::Backoff { attempt: 2, until, .. } = &run.jobs[0].steps[0].state else { panic!("{:?}", run.jobs) };
    assert_eq!(*until, NOW.plus_ms(500));
    let again = apply(&mut run, &Event::Woken, NOW.plus_ms(499), &Permit::START);
    assert_eq!(again, Applied::Applied { commands: vec![] }, "not before its time");
    let again = apply(&mut run, &Event::Woken, NOW.plus_ms(500), &Permit::START);
    assert_eq!(again, Applied::Applied { commands: vec![Command::StartStep(key(&run, 0, 2))] });
    commands(&mut run, exited(0, 2, Exit::Lost("gone".to_owned())));
    assert_eq!(end_of(&run, 0), ("lost", "gone"), "a lost container is not the script's failure");
}

#[test]
fn the_first_cancel_spares_always_and_the_second_spares_nothing() {
    let tidy = StepPlan { when: When::Always, ..step("tidy") };
    let (mut run, _) = begun(vec![job("j", in_a_row(vec![step("long"), tidy]))]);
    commands(&mut run, started(0, 1));
    let by = || "ada".to_owned();
    let first = commands(&mut run, Event::CancelRequested { by: by() });
    assert_eq!(first, [Command::StopStep { key: key(&run, 0, 1), at_once: false }]);
    let next = commands(&mut run, exited(0, 1, Exit::Code(143)));
    assert_eq!(end_of(&run, 0), ("cancelled", "cancelled by ada"));
    assert_eq!(next[1], Command::StartStep(key(&run, 1, 1)));
    let second = commands(&mut run, Event::CancelRequested { by: by() });
    assert_eq!(second, [Command::StopStep { key: key(&run, 1, 1), at_once: true }]);
    assert_eq!(ignored(&mut run, Event::CancelRequested { by: by() }), "it is being cancelled at once already");
    commands(&mut run, exited(1, 1, Exit::Code(137)));
    assert!(matches!(&run.life, Life::Ended { outcome: Outcome::Cancelled, reason, .. } if reason == "cancelled at once by ada"));
    assert!(
        matches!(&run.jobs[0].state, JobState::Ended { reason, .. } if reason == "cancelled at once by ada"),
        "{:?}",
        run.jobs
    );
}

#[test]
fn a_timeout_counts_from_the_start_and_names_whose_it_was() {
    let (mut run, _) = begun(vec![job("j", vec![StepPlan { timeout_ms: Some(5_000), ..step("s") }])]);
    commands(&mut run, started(0, 1));
    assert_eq!(apply(&mut run, &Event::Woken, NOW.plus_ms(4_999), &Permit::START), Applied::Applied { commands: vec![] });
    let stop = Command::StopStep { key: key(&run, 0, 1), at_once: false };
    assert_eq!(apply(&mut run, &Event::Woken, NOW.plus_ms(5_000), &Permit::START), Applied::Applied { commands: vec![stop] });
    // The job's own timeout is the stronger reason.
    let stop = Command::StopStep { key: key(&run, 0, 1), at_once: false };
    assert_eq!(apply(&mut run, &Event::Woken, NOW.plus_ms(60_000), &Permit::START), Applied::Applied { commands: vec![stop] });
    commands(&mut run, exited(0, 1, Exit::Code(143)));
    assert_eq!(end_of(&run, 0), ("timed_out", "the job's timeout of 60 s is over"));
}

#[test]
fn nothing_starts_while_the_engine_is_silent_and_everything_does_once_it_answers() {
    let mut run = run_of(vec![job("j", vec![step("s")])]);
    commands(&mut run, Event::JobAdmitted { job: 0, engine: ENGINE.to_owned() });
    assert_eq!(
        apply(&mut run, &Event::JobPrepared { job: 0, engine: ENGINE.to_owned() }, NOW, &Permit::NOTHING),
        Applied::Applied { commands: vec![] }
    );
    assert_eq!(commands(&mut run, Event::Woken), [Command::StartStep(key(&run, 0, 1))]);
    let back = apply(&mut run, &Event::StepNotStarted { job: 0, step: 0, attempt: 1 }, NOW, &Permit::NOTHING);
    assert_eq!(back, Applied::Applied { commands: vec![] });
    assert_eq!(commands(&mut run, Event::Woken), [Command::StartStep(key(&run, 0, 1))], "the same attempt: it never ran");
}

#[test]
fn after_a_crash_starts_and_stops_are_given_again_and_the_vanished_are_lost() {
    let steps = vec![step("starting"), step("running"), step("gone"), step("stopping")];
    let (mut run, _) = begun(vec![job("j", steps)]);
    for n in 1..4 {
        commands(&mut run, started(n, 1));
    }
    run.jobs[0].steps[3].state =
        StepState::Stopping { attempt: 1, started_at: Some(NOW), why: StopReason::StepTimeout { after_ms: 1 }, since: NOW };
    let known = vec![key(&run, 1, 1), key(&run, 3, 1)];
    let given = commands(&mut run, Event::Compared { engine: ENGINE.to_owned(), known, asked_at: NOW.plus_ms(1) });
    let expected = [
        Command::StartStep(key(&run, 0, 1)),
        Command::AttachStep(key(&run, 1, 1)),
        Command::AttachStep(key(&run, 3, 1)),
        Command::StopStep { key: key(&run, 3, 1), at_once: false },
        Command::RemoveStep(key(&run, 2, 1)),
    ];
    assert_eq!(given, expected);
    assert_eq!(end_of(&run, 2), ("lost", "its container vanished while it ran"));
}

#[test]
fn an_answer_older_than_the_attempt_does_not_lose_it() {
    let (mut run, _) = begun(vec![job("j", vec![step("s")])]);
    commands(&mut run, started(0, 1));
    assert_eq!(commands(&mut run, Event::Compared { engine: ENGINE.to_owned(), known: vec![], asked_at: NOW }), []);
    assert!(matches!(run.jobs[0].steps[0].state, StepState::Running { .. }));
}

#[test]
fn a_job_that_cannot_be_prepared_ends_as_error_and_skips_those_that_need_it() {
    let mut second = job("second", vec![step("s")]);
    second.needs = vec![0];
    let mut run = run_of(vec![job("first", vec![step("s")]), second]);
    commands(&mut run, Event::JobAdmitted { job: 0, engine: ENGINE.to_owned() });
    let message = "the commit is gone".to_owned();
    commands(&mut run, Event::JobNotPrepared { job: 0, engine: ENGINE.to_owned(), message, again: false });
    let Life::Ended { outcome, reason, .. } = &run.life else { panic!("{:?}", run.life) };
    assert_eq!((*outcome, reason.as_str()), (Outcome::Error, "job `first` could not be run: the commit is gone"));
    assert!(
        matches!(&run.jobs[1].state, JobState::Ended { outcome: Outcome::Skipped, reason, .. } if reason == "skipped: `first` could not be run")
    );
}

#[test]
fn a_job_that_is_not_prepared_within_its_time_ends_with_all_its_steps() {
    let always = StepPlan { when: When::Always, ..step("clean up") };
    let mut run = run_of(vec![job("test", vec![step("one"), always])]);
    commands(&mut run, Event::JobAdmitted { job: 0, engine: ENGINE.to_owned() });
    let at = |ms| Timestamp(NOW.0 + ms);
    let woken = |run: &mut Run, now| apply(run, &Event::Woken, now, &Permit::START);
    assert_eq!(woken(&mut run, at(59_999)), Applied::Applied { commands: Vec::new() });
    let release = Command::ReleaseJob(JobKey { run: run.id.clone(), job: 0 });
    assert_eq!(woken(&mut run, at(60_000)), Applied::Applied { commands: vec![release] });
    for step in 0..2 {
        assert_eq!(end_of(&run, step), ("timed_out", "the job's timeout of 60 s is over before it was prepared"));
    }
    assert!(matches!(&run.life, Life::Ended { outcome: Outcome::TimedOut, .. }));
}

#[test]
fn want_of_memory_is_told_with_what_the_job_lets_it_have() {
    let mut small = job("test", vec![step("one")]);
    small.resources.memory_bytes = Some(64 << 20);
    let (mut run, _) = begun(vec![small]);
    commands(&mut run, started(0, 1));
    let observed =
        Observed { oom_kills: Some(1), memory_peak_bytes: Some(64 << 20), cpu_user_ms: Some(20), ..Observed::default() };
    let (exit, wrote) = (Exit::Code(137), Written::default());
    commands(&mut run, Event::StepExited { job: 0, step: 0, attempt: 1, exit, wrote, observed: Box::new(observed) });
    assert_eq!(end_of(&run, 0), ("failed", "ran out of memory: used 64 MiB of 64 MiB; raise `resources.memory`"));
    let usage = view(&run).jobs[0].steps[0].usage.clone().unwrap();
    assert_eq!((usage.memory_peak_bytes, usage.memory_limit_bytes, usage.oom_kills), (Some(64 << 20), Some(64 << 20), Some(1)));
}

#[test]
fn the_time_of_steps_and_jobs_is_told_in_parts_that_follow_each_other() {
    let (mut run, _) = begun(vec![job("test", in_a_row(vec![step("one"), step("two")]))]);
    run.queued_at = Timestamp(NOW.0 - 500);
    let mut end = |step, started, ended, (pulled, prepared)| {
        let observed = Observed { pulled_ms: pulled, prepared_ms: prepared, ..Observed::default() };
        let at = |ms| Timestamp(NOW.0 + ms);
        let events = [
            (started, Event::StepStarted { job: 0, step, attempt: 1, at: at(started) }),
            (
                ended,
                Event::StepExited {
                    job: 0,
                    step,
                    attempt: 1,
                    exit: Exit::Code(0),
                    wrote: Written::default(),
                    observed: Box::new(observed),
                },
            ),
        ];
        for (now, event) in events {
            assert!(matches!(apply(&mut run, &event, at(now), &Permit::START), Applied::Applied { .. }));
        }
    };
    end(0, 5_000, 6_000, (Some(3_000), Some(200)));
    end(1, 6_010, 9_010, (None, Some(10)));
    let shown = view(&run);
    let times =
        |waiting_ms, pulling_ms, preparing_ms, running_ms| Some(Times { waiting_ms, pulling_ms, preparing_ms, running_ms });
    assert_eq!(shown.jobs[0].times, times(500, 3_000, 2_000, 4_010));
    assert_eq!(shown.jobs[0].steps[0].times, times(1_800, 3_000, 200, 1_000));
    assert_eq!(shown.jobs[0].steps[1].times, times(6_000, 0, 10, 3_000));
}

#[test]
fn what_waits_for_an_image_says_how_far_that_is() {
    let with_image = |name: &str, image: &str| StepPlan { image: Some(image.into()), ..step(name) };
    let (run, _) = begun(vec![job("test", in_a_row(vec![with_image("one", "rust:1"), with_image("two", "rust:1")]))]);
    let pulls = |words: &str| [("rust:1".to_owned(), words.to_owned())].into();
    let reasons =
        |words: &str| view_pulling(&run, &pulls(words)).jobs[0].steps.iter().map(|step| step.reason.clone()).collect::<Vec<_>>();
    assert_eq!(reasons("43 of 120 MB"), ["pulls rust:1, 43 of 120 MB", "waits for `one`"]);
    assert_eq!(reasons("")[0], "pulls rust:1");
    assert_eq!(view_pulling(&run, &Default::default()), view(&run));
}

#[test]
fn a_cancel_while_the_job_is_prepared_ends_it_at_once_unless_it_has_something_to_clean_up() {
    let cancel = || Event::CancelRequested { by: "ada".to_owned() };
    let mut run = run_of(vec![job("test", vec![step("one")])]);
    commands(&mut run, Event::JobAdmitted { job: 0, engine: ENGINE.to_owned() });
    let release = Command::ReleaseJob(JobKey { run: run.id.clone(), job: 0 });
    assert_eq!(commands(&mut run, cancel()), [release]);
    assert!(matches!(&run.life, Life::Ended { outcome: Outcome::Cancelled, .. }));
    assert_eq!(end_of(&run, 0), ("cancelled", "cancelled by ada before it started"));

    let always = StepPlan { when: When::Always, ..step("clean up") };
    let mut run = run_of(vec![job("test", vec![step("one"), always])]);
    commands(&mut run, Event::JobAdmitted { job: 0, engine: ENGINE.to_owned() });
    assert_eq!(commands(&mut run, cancel()), []);
    assert!(matches!(run.jobs[0].state, JobState::Preparing { .. }), "the clean-up needs the workspace");
    let release = Command::ReleaseJob(JobKey { run: run.id.clone(), job: 0 });
    assert_eq!(commands(&mut run, cancel()), [release], "the second cancel spares nothing");
    assert_eq!(ignored(&mut run, Event::JobPrepared { job: 0, engine: ENGINE.to_owned() }), "the run has ended");
}

#[test]
fn nonsense_is_ignored_and_never_panics() {
    let (mut run, _) = begun(vec![job("j", vec![step("s")])]);
    assert_eq!(ignored(&mut run, Event::JobPrepared { job: 7, engine: ENGINE.to_owned() }), "no such job");
    assert_eq!(ignored(&mut run, exited(9, 1, Exit::Code(0))), "no such step");
    assert_eq!(ignored(&mut run, Event::JobAdmitted { job: 0, engine: ENGINE.to_owned() }), "the job has its slot already");
    assert_eq!(ignored(&mut run, exited(0, 2, Exit::Code(0))), "it speaks of another attempt");
}

fn parking(run: &mut Run, event: Event, park: u32) -> Vec<Command> {
    match apply(run, &event, NOW, &Permit { park, ..Permit::START }) {
        Applied::Applied { commands } => commands,
        Applied::Ignored(why) => panic!("{event:?} was ignored: {why}"),
    }
}

#[test]
fn the_next_steps_are_made_ready_once_the_first_runs_and_started_when_their_turn_comes() {
    let steps = ["a", "b", "c", "d"].map(|name| StepPlan { image: Some("i".into()), ..step(name) });
    let (mut run, _) = begun(vec![job("j", in_a_row(steps.to_vec()))]);
    assert_eq!(parking(&mut run, Event::Woken, 2), [], "the first one has the machine to itself");
    let park = |run: &Run, step| Command::ParkStep(key(run, step, 1));
    assert_eq!(parking(&mut run, started(0, 1), 2), [park(&run, 1), park(&run, 2)]);
    assert_eq!(parking(&mut run, Event::Woken, 2), [], "two are enough");
    let next = parking(&mut run, exited(0, 1, Exit::Code(0)), 2);
    assert_eq!(next, [Command::RemoveStep(key(&run, 0, 1)), Command::StartStep(key(&run, 1, 1)), park(&run, 3)]);
    let failed = parking(&mut run, exited(1, 1, Exit::Code(1)), 2);
    let removed = [1, 2, 3].map(|step| Command::RemoveStep(key(&run, step, 1)));
    assert_eq!(failed[..3], removed, "what is skipped is removed unopened");
    assert!(run.is_ended());
}

#[test]
fn only_what_may_run_and_whose_image_is_known_is_made_ready() {
    let image = || Some("i".into());
    let late = Some(crate::pipeline::Text::Late(crate::pipeline::Late::new("rust:${{ steps.a.outputs.v }}")));
    let steps = vec![
        StepPlan { image: image(), ..step("a") },
        StepPlan { image: late, needs: vec![0], ..step("late") },
        StepPlan { image: image(), needs: vec![0], when: When::Failure, ..step("mend") },
        StepPlan { image: image(), needs: vec![1], ..step("after late") },
        StepPlan { needs: vec![0], ..step("no image") },
        StepPlan { image: image(), needs: vec![0], ..step("last") },
    ];
    let (mut run, _) = begun(vec![job("j", steps)]);
    assert_eq!(parking(&mut run, started(0, 1), 9), [Command::ParkStep(key(&run, 5, 1))]);
    let cancelled = parking(&mut run, Event::CancelRequested { by: "ada".to_owned() }, 9);
    let stop = Command::StopStep { key: key(&run, 0, 1), at_once: false };
    assert_eq!(cancelled, [stop, Command::RemoveStep(key(&run, 5, 1))]);
    assert_eq!(end_of(&run, 5), ("cancelled", "cancelled by ada before it started"));
}

#[test]
fn after_a_crash_what_was_parked_is_asked_for_again() {
    let steps = ["a", "b"].map(|name| StepPlan { image: Some("i".into()), ..step(name) });
    let (mut run, _) = begun(vec![job("j", in_a_row(steps.to_vec()))]);
    parking(&mut run, started(0, 1), 2);
    let known = vec![key(&run, 0, 1)];
    let again = parking(&mut run, Event::Compared { engine: ENGINE.to_owned(), known, asked_at: NOW.plus_ms(1) }, 2);
    assert_eq!(again, [Command::AttachStep(key(&run, 0, 1)), Command::ParkStep(key(&run, 1, 1))]);
}
