//! Approvals, matrices, stops of single jobs, values and late expressions, by their exact moves.

use std::collections::BTreeMap;

use super::*;
use crate::pipeline::{Approval, Cell, InputValue, Late, PullRequest, Text};

fn late(text: &str) -> Text {
    Text::Late(Late::new(text))
}

fn values(pairs: &[(&str, &str)]) -> Values {
    Values::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

fn wrote(step: u32, outputs: &[(&str, &str)], env: &[(&str, &str)]) -> Event {
    let wrote = Written { outputs: values(outputs), env: values(env), problem: None };
    Event::StepExited { job: 0, step, attempt: 1, exit: Exit::Code(0), wrote, observed: Box::default() }
}

/// Lets a job that waits for the board begin.
fn admitted(run: &mut Run, job: u32) -> Vec<Command> {
    commands(run, Event::JobAdmitted { job, engine: ENGINE.to_owned() });
    commands(run, Event::JobPrepared { job, engine: ENGINE.to_owned() })
}

fn why(run: &Run, job: usize) -> String {
    match &run.jobs[job].state {
        JobState::Waiting { why } => why.to_string(),
        other => panic!("does not wait: {other:?}"),
    }
}

fn job_end(run: &Run, job: usize) -> (&str, &str) {
    match &run.jobs[job].state {
        JobState::Ended { outcome, reason, .. } => (outcome.as_str(), reason),
        other => panic!("not ended: {other:?}"),
    }
}

fn asking(timeout_ms: Option<u64>) -> Run {
    let message = Some("Deploy 1.2?".into());
    let approval = Some(Approval { message, by: vec!["ops".to_owned(), "ada".to_owned()], timeout_ms });
    let mut run = run_of(vec![JobPlan { approval, ..job("deploy", vec![step("s")]) }]);
    commands(&mut run, Event::Woken);
    run
}

#[test]
fn a_job_with_an_approval_asks_and_nothing_starts_before_the_answer() {
    let mut run = asking(None);
    assert_eq!(why(&run, 0), "waits for approval by ops or ada: Deploy 1.2?");
    let by = || "ops".to_owned();
    commands(&mut run, Event::Approved { job: 0, by: by(), at: NOW });
    assert_eq!(why(&run, 0), "waits to be admitted");
    assert_eq!(ignored(&mut run, Event::Rejected { job: 0, by: by(), at: NOW }), "the job does not wait for approval");
    assert_eq!(admitted(&mut run, 0), [Command::StartStep(key(&run, 0, 1))]);
    assert_eq!(run.jobs[0].decision, Some(Decision::Approved { by: by(), at: NOW }));
    let shown = view(&run).jobs.remove(0).approval.unwrap();
    assert_eq!((shown.message.as_deref(), shown.asked), (Some("Deploy 1.2?"), false));
    assert_eq!(shown.decision, Some(DecisionView { approved: true, by: by(), at: NOW }));
}

#[test]
fn a_rejection_ends_the_job_as_cancelled_and_a_question_ends_by_itself() {
    let mut run = asking(None);
    commands(&mut run, Event::Rejected { job: 0, by: "ada".to_owned(), at: NOW });
    assert_eq!(job_end(&run, 0), ("cancelled", "rejected by ada"));
    let Life::Ended { reason, .. } = &run.life else { panic!("{:?}", run.life) };
    assert_eq!(reason, "job `deploy` was cancelled: rejected by ada");

    let mut run = asking(Some(24 * 3_600_000));
    let late = NOW.plus_ms(24 * 3_600_000);
    let answer = Event::Approved { job: 0, by: "ops".to_owned(), at: late };
    assert_eq!(apply(&mut run, &answer, late, &Permit::START), Applied::Ignored("the time for its approval is over"));
    apply(&mut run, &Event::Woken, late, &Permit::START);
    assert_eq!(job_end(&run, 0), ("timed_out", "nobody approved it within 24 h"));
}

#[test]
fn an_answer_that_was_not_asked_for_is_ignored() {
    let approval = Some(Approval { message: None, by: vec![], timeout_ms: None });
    let second = JobPlan { approval, needs: vec![0], ..job("second", vec![step("s")]) };
    let (mut run, _) = begun(vec![job("first", vec![step("s")]), second]);
    let by = || "ops".to_owned();
    let early = ignored(&mut run, Event::Approved { job: 1, by: by(), at: NOW });
    assert_eq!(early, "the job does not wait for approval yet");
    assert_eq!(ignored(&mut run, Event::Approved { job: 9, by: by(), at: NOW }), "no such job");
    commands(&mut run, exited(0, 1, Exit::Code(1)));
    assert_eq!(job_end(&run, 1), ("skipped", "skipped: `first` failed"), "nobody is asked for what will not run");
}

/// Three combinations of `test`.
fn matrix(fail_fast: bool, when_last: When) -> Run {
    let cell = |name: &str| JobPlan {
        matrix: Some(Cell { of: "test".to_owned(), values: BTreeMap::new(), fail_fast, max_parallel: None }),
        ..job(name, vec![step("s"), StepPlan { when: When::Always, needs: vec![0], ..step("tidy") }])
    };
    let mut cells = vec![cell("test (1)"), cell("test (2)"), cell("test (3)"), job("other", vec![step("s")])];
    cells[2].when = when_last;
    let mut run = run_of(cells);
    commands(&mut run, Event::Woken);
    admitted(&mut run, 0);
    admitted(&mut run, 1);
    run
}

#[test]
fn a_combination_that_fails_stops_the_others_but_not_their_cleaning_up() {
    let mut run = matrix(true, When::Always);
    let failed = Event::StepExited {
        job: 0,
        step: 0,
        attempt: 1,
        exit: Exit::Code(1),
        wrote: Written::default(),
        observed: Box::default(),
    };
    commands(&mut run, failed);
    let done = Event::StepExited {
        job: 0,
        step: 1,
        attempt: 1,
        exit: Exit::Code(0),
        wrote: Written::default(),
        observed: Box::default(),
    };
    let moves = commands(&mut run, done);
    let other = AttemptKey { job: 1, ..key(&run, 0, 1) };
    assert!(moves.contains(&Command::StopStep { key: other, at_once: false }), "{moves:?}");
    let reason = "`test (1)` failed and the matrix has `fail_fast`";
    assert_eq!(job_end(&run, 2), ("cancelled", reason), "its own stop spares no job, whatever its `when`");
    assert_eq!(why(&run, 3), "waits to be admitted", "another job goes on");
    let stopped = Event::StepExited {
        job: 1,
        step: 0,
        attempt: 1,
        exit: Exit::Code(143),
        wrote: Written::default(),
        observed: Box::default(),
    };
    let moves = commands(&mut run, stopped);
    assert!(moves.contains(&Command::StartStep(AttemptKey { job: 1, ..key(&run, 1, 1) })), "{moves:?}");
}

#[test]
fn without_fail_fast_or_with_a_warning_the_others_go_on() {
    for (fail_fast, allow_failure) in [(false, false), (true, true)] {
        let mut run = matrix(fail_fast, When::Success);
        let mut plan = (*run.plan).clone();
        plan.jobs[0].allow_failure = allow_failure;
        run.plan = Arc::new(plan);
        for step in 0..2 {
            let exit = Exit::Code(1);
            commands(
                &mut run,
                Event::StepExited { job: 0, step, attempt: 1, exit, wrote: Written::default(), observed: Box::default() },
            );
        }
        assert!(run.jobs[0].state.is_ended());
        assert!(run.jobs.iter().all(|job| job.stop.is_none()), "{fail_fast} {allow_failure}: {:?}", run.jobs);
    }
}

#[test]
fn a_replaced_run_is_cancelled_by_the_newer_ones_number() {
    let (mut run, _) = begun(vec![job("j", vec![step("s")]), job("later", vec![step("s")])]);
    let moves = commands(&mut run, Event::Replaced { by: 13 });
    assert_eq!(moves, [Command::StopStep { key: key(&run, 0, 1), at_once: false }]);
    assert_eq!(job_end(&run, 1), ("cancelled", "replaced by #13"));
    assert_eq!(ignored(&mut run, Event::Replaced { by: 14 }), "it is being stopped already");
    commands(&mut run, exited(0, 1, Exit::Code(143)));
    assert!(matches!(&run.life, Life::Ended { outcome: Outcome::Cancelled, reason, .. } if reason == "replaced by #13"));
}

#[test]
fn a_replaced_job_ends_alone_and_its_run_goes_on() {
    let (mut run, _) = begun(vec![job("deploy", vec![step("s")]), job("other", vec![step("s")])]);
    let moves = commands(&mut run, Event::JobReplaced { job: 0, by: 13 });
    assert_eq!(moves, [Command::StopStep { key: key(&run, 0, 1), at_once: false }]);
    commands(&mut run, exited(0, 1, Exit::Code(143)));
    assert_eq!(job_end(&run, 0), ("cancelled", "replaced by #13"));
    assert_eq!(why(&run, 1), "waits to be admitted");
    assert_eq!(ignored(&mut run, Event::JobReplaced { job: 0, by: 14 }), "the job has ended");
}

/// `first`, then `second`, which needs it by name.
fn two(first: StepPlan, second: StepPlan) -> Vec<StepPlan> {
    vec![first, StepPlan { needs: vec![0], ..second }]
}

#[test]
fn what_a_step_wrote_reaches_expressions_variables_and_later_jobs() {
    let mut second = step("second");
    second.env =
        BTreeMap::from([("SEEN".to_owned(), late("v${{ steps.first.outputs.version }}")), ("PATH".to_owned(), "/plan".into())]);
    second.image = Some(late("app:${{ steps.first.outputs.version }}"));
    let outputs = BTreeMap::from([("out".to_owned(), late("${{ steps.first.outputs.version }}+${{ steps.second.outcome }}"))]);
    let build = JobPlan { outputs, ..job("build", two(step("first"), second)) };
    let environment = Some(late("prod-${{ needs.build.outputs.out }}"));
    let deploy = JobPlan { needs: vec![0], environment, ..job("deploy", vec![step("s")]) };
    let (mut run, _) = begun(vec![build, deploy]);
    assert_eq!(view(&run).jobs[0].steps[1].image.as_deref(), Some("app:${{ steps.first.outputs.version }}"));
    let next = commands(&mut run, wrote(0, &[("version", "1.2")], &[("PATH", "/left"), ("MORE", "x")]));
    assert_eq!(next[1], Command::StartStep(key(&run, 1, 1)));
    let filled = fill_step(&run, 0, 1).unwrap();
    let pairs: Vec<(&str, &str)> = filled.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(pairs, [("MORE", "x"), ("PATH", "/left"), ("SEEN", "v1.2")], "what a step left wins over the file");
    assert_eq!(filled.image.as_deref(), Some("app:1.2"));
    commands(&mut run, exited(1, 1, Exit::Code(0)));
    let shown = view(&run);
    assert_eq!(shown.jobs[0].outputs, values(&[("out", "1.2+passed")]));
    assert_eq!(shown.jobs[1].environment.as_deref(), Some("prod-1.2+passed"));
    assert_eq!(shown.jobs[0].steps[1].image.as_deref(), Some("app:1.2"));
}

#[test]
fn a_value_that_was_not_written_is_an_error_with_its_sentence() {
    let env = BTreeMap::from([("SEEN".to_owned(), late("${{ steps.first.outputs.version }}"))]);
    let outputs = BTreeMap::from([("out".to_owned(), late("${{ steps.first.outputs.version }}"))]);
    let steps = two(step("first"), StepPlan { env, ..step("second") });
    let (mut run, _) = begun(vec![JobPlan { outputs: outputs.clone(), ..job("j", steps) }]);
    commands(&mut run, exited(0, 1, Exit::Code(0)));
    let sentence = "its `env.SEEN` has no value: step `first` did not write the output `version`";
    assert_eq!(end_of(&run, 1), ("error", sentence));
    assert_eq!(job_end(&run, 0).0, "error");

    let (mut run, _) = begun(vec![JobPlan { outputs, ..job("j", vec![step("first")]) }]);
    commands(&mut run, exited(0, 1, Exit::Code(0)));
    assert_eq!(job_end(&run, 0), ("error", "its `outputs.out` has no value: step `first` did not write the output `version`"));
}

#[test]
fn a_text_that_multiplies_a_value_is_refused_before_it_has_grown() {
    let text = "${{ steps.first.outputs.v }}".repeat(8_000);
    let env = BTreeMap::from([("BIG".to_owned(), late(&text))]);
    let (mut run, _) = begun(vec![job("j", two(step("first"), StepPlan { env, ..step("second") }))]);
    commands(&mut run, wrote(0, &[("v", &"x".repeat(64 * 1024))], &[]));
    let (outcome, reason) = end_of(&run, 1);
    assert_eq!(outcome, "error");
    assert!(reason.ends_with("gives more than 128 KiB") && reason.len() < 500, "{reason}");
}

#[test]
fn late_conditions_are_decided_when_their_needs_have_ended() {
    let only_if = |text: &str| StepPlan { condition: Some(Late::new(text)), ..step("second") };
    for (condition, expected) in [
        ("steps.first.outputs.deploy == 'yes'", None),
        ("steps.first.outputs.deploy == 'no'", Some("skipped")),
        ("steps.first.outputs.other == 'no'", Some("error")),
    ] {
        let (mut run, _) = begun(vec![job("j", two(step("first"), only_if(condition)))]);
        commands(&mut run, wrote(0, &[("deploy", "yes")], &[]));
        match expected {
            None => assert!(matches!(run.jobs[0].steps[1].state, StepState::Starting { .. }), "{condition}: {run:?}"),
            Some(outcome) => assert_eq!(end_of(&run, 1).0, outcome, "{condition}"),
        }
    }
    let condition = Some(Late::new("needs.first.outcome == 'passed'"));
    let second = JobPlan { condition, needs: vec![0], when: When::Always, ..job("second", vec![step("s")]) };
    let (mut run, _) = begun(vec![job("first", vec![step("s")]), second]);
    commands(&mut run, exited(0, 1, Exit::Code(1)));
    let (outcome, reason) = job_end(&run, 1);
    assert_eq!(outcome, "skipped");
    assert!(reason.starts_with("skipped: its `if` is false") && reason.contains("failed"), "{reason}");
}

#[test]
fn a_matrix_is_seen_as_one_job() {
    let cell = |name: &str| JobPlan {
        matrix: Some(Cell { of: "test".to_owned(), values: BTreeMap::new(), fail_fast: false, max_parallel: None }),
        ..job(name, vec![step("s")])
    };
    let env = BTreeMap::from([("SEEN".to_owned(), late("${{ needs.test.outputs.v }} ${{ needs.test.outcome }}"))]);
    let after = JobPlan { needs: vec![0, 1, 2], when: When::Always, ..job("after", vec![StepPlan { env, ..step("s") }]) };
    let mut run = run_of(vec![cell("test (1)"), cell("test (2)"), cell("test (3)"), after]);
    let ended = |outcome, v: &[(&str, &str)]| JobState::Ended {
        outcome,
        reason: String::new(),
        started_at: Some(NOW),
        at: NOW,
        outputs: values(v),
        held_back: false,
        taken: None,
        kept_until: None,
    };
    run.jobs[0].state = ended(Outcome::Failed, &[("v", "one")]);
    run.jobs[1].state = ended(Outcome::Passed, &[("v", "two")]);
    run.jobs[2].state = ended(Outcome::Passed, &[]);
    assert_eq!(fill_step(&run, 3, 0).unwrap().env["SEEN"], "two failed");
}

#[test]
fn a_file_that_cannot_be_read_fails_a_step_that_would_have_passed() {
    let problem = Written { problem: Some("line 1 of GANTRY_OUTPUT is odd".to_owned()), ..Written::default() };
    let bad = |exit| Event::StepExited { job: 0, step: 0, attempt: 1, exit, wrote: problem.clone(), observed: Box::default() };
    let (mut run, _) = begun(vec![job("j", vec![step("s")])]);
    commands(&mut run, bad(Exit::Code(0)));
    assert_eq!(end_of(&run, 0), ("failed", "line 1 of GANTRY_OUTPUT is odd"));
    let (mut run, _) = begun(vec![job("j", vec![step("s")])]);
    commands(&mut run, bad(Exit::Code(3)));
    assert_eq!(end_of(&run, 0), ("failed", "exited with 3"), "the script's own failure is the better reason");
}

#[test]
fn a_run_has_room_for_so_many_values_and_no_more() {
    use crate::base::limits::{RUN_VALUES_BYTES, VALUE_BYTES};
    let value = "x".repeat(VALUE_BYTES - 1);
    let count = RUN_VALUES_BYTES / VALUE_BYTES;
    let (mut run, _) = begun(vec![job("j", (0..=count).map(|n| step(&format!("s{n}"))).collect())]);
    for step in 0..count as u32 {
        commands(&mut run, wrote(step, &[("v", &value)], &[]));
        assert_eq!(end_of(&run, step as usize).0, "passed");
    }
    commands(&mut run, wrote(count as u32, &[("v", "")], &[]));
    assert_eq!(end_of(&run, count), ("failed", "the run's steps leave more than 8 MiB of values"));
}

#[test]
fn steps_find_inputs_and_the_pull_request() {
    let mut run = run_of(vec![job("j", vec![step("s")])]);
    let mut plan = (*run.plan).clone();
    plan.inputs = BTreeMap::from([
        ("log-level".to_owned(), InputValue::Text("full".to_owned())),
        ("count".to_owned(), InputValue::Number("-0.5".to_owned())),
        ("dry".to_owned(), InputValue::Boolean(true)),
    ]);
    run.plan = Arc::new(plan);
    run.trigger.pull_request = Some(PullRequest {
        number: 7,
        title: String::new(),
        author: String::new(),
        source: String::new(),
        target: String::new(),
        fork: false,
    });
    let own = BTreeMap::from([("CI".to_owned(), "mine".to_owned()), ("A".to_owned(), "b".to_owned())]);
    let env = environment(&run, 0, 0, own, "", "");
    let expected = [
        ("A", "b"),
        ("CI", "true"),
        ("CI_PULL_REQUEST", "7"),
        ("INPUT_COUNT", "-0.5"),
        ("INPUT_DRY", "true"),
        ("INPUT_LOG_LEVEL", "full"),
    ];
    for (name, value) in expected {
        assert_eq!(env.get(name).map(String::as_str), Some(value), "{name}");
    }
    let shown = view(&run).inputs;
    assert_eq!(serde_json::to_string(&shown).unwrap(), r#"{"count":-0.5,"dry":true,"log-level":"full"}"#);
}

#[test]
fn many_skipped_steps_in_a_row_are_settled_at_once() {
    let rows = (0..60).map(|n| StepPlan { when: When::Failure, ..step(&format!("s{n}")) }).collect();
    let (run, _) = begun(vec![job("j", in_a_row(rows))]);
    assert!(matches!(&run.life, Life::Ended { outcome: Outcome::Skipped, .. }), "{:?}", run.life);
}
