//! Work trees of jobs that fail.

use super::*;

const HOUR: u64 = 3_600_000;

fn keeping(run: &mut Run, event: Event) -> Vec<Command> {
    match apply(run, &event, NOW, &Permit { keep_ms: HOUR, ..Permit::START }) {
        Applied::Applied { commands } => commands,
        Applied::Ignored(why) => panic!("{event:?} was ignored: {why}"),
    }
}

fn ends(run: &Run) -> (Vec<Command>, Option<Timestamp>) {
    (vec![Command::RemoveStep(key(run, 0, 1))], run.jobs[0].state.kept_until())
}

#[test]
fn a_job_that_fails_is_kept_for_as_long_as_is_said_and_one_that_passes_is_released() {
    for (code, is_kept) in [(0, false), (3, true)] {
        let (mut run, _) = begun(vec![job("j", vec![step("s")])]);
        keeping(&mut run, started(0, 1));
        let commands = keeping(&mut run, exited(0, 1, Exit::Code(code)));
        let of = JobKey { run: run.id.clone(), job: 0 };
        let (mut expected, until) = ends(&run);
        expected.push(if is_kept { Command::KeepJob(of) } else { Command::ReleaseJob(of) });
        assert_eq!((commands, until), (expected, is_kept.then(|| NOW.plus_ms(HOUR))), "exit code {code}");
    }
}

#[test]
fn what_was_cancelled_allowed_to_fail_or_never_ran_is_not_kept() {
    let (mut run, _) = begun(vec![job("j", vec![step("s")])]);
    keeping(&mut run, started(0, 1));
    keeping(&mut run, Event::CancelRequested { by: "ada".to_owned() });
    let commands = keeping(&mut run, exited(0, 1, Exit::Code(143)));
    assert_eq!(commands.last(), Some(&Command::ReleaseJob(JobKey { run: run.id.clone(), job: 0 })));
    assert_eq!(run.jobs[0].state.kept_until(), None, "it was cancelled");

    let (mut run, _) = begun(vec![JobPlan { allow_failure: true, ..job("j", vec![step("s")]) }]);
    keeping(&mut run, started(0, 1));
    keeping(&mut run, exited(0, 1, Exit::Code(1)));
    assert_eq!(run.jobs[0].state.kept_until(), None, "it may fail");

    let (mut run, _) = begun(vec![job("j", vec![step("s")])]);
    keeping(&mut run, exited(0, 1, Exit::Infrastructure("no such image".to_owned())));
    assert_eq!(run.jobs[0].state.kept_until(), None, "nothing was written in it");
}

#[test]
fn nothing_is_kept_where_nobody_says_so() {
    let (mut run, _) = begun(vec![job("j", vec![step("s")])]);
    commands(&mut run, started(0, 1));
    commands(&mut run, exited(0, 1, Exit::Code(1)));
    assert_eq!(run.jobs[0].state.kept_until(), None);
}
