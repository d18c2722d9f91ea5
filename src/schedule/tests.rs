//! Groups, matrices and the queue, by what is said to those that wait. The simulation covers what nobody thought of.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::base::{Clock, RepoId, RunId, Timestamp};
use crate::pipeline::{Action, Approval, Cell, Concurrency, Event as On, JobPlan, Plan, Policy, StepPlan, Trigger};
use crate::run::{Event, Exit, JobState, Life, Outcome, Run, Wait, Written};

const NOW: Timestamp = Timestamp(1_000);

fn local() -> String {
    EngineInfo::LOCAL.to_owned()
}

fn job(name: &str) -> JobPlan {
    JobPlan { timeout_ms: 60_000, ..JobPlan::new(name, vec![StepPlan::new("s", Action::EntryPoint)]) }
}

fn group(name: &str, policy: Policy) -> Option<Concurrency> {
    Some(Concurrency { group: name.to_owned(), policy })
}

/// A board whose engine answers, and runs on it.
struct Hall {
    board: Board,
    repo: RepoId,
    made: u64,
    now: Timestamp,
    ended: BTreeMap<RunId, Life>,
}

impl Hall {
    fn with_slots(slots: u32) -> Self {
        let mut board = Board::new(vec![EngineInfo::local(slots, 0)]);
        board.handle(Input::Engine { name: local(), state: Ok(()) }, NOW);
        Self { board, repo: RepoId::new(&Clock::System), made: 0, now: NOW, ended: BTreeMap::new() }
    }

    fn take(&mut self, input: Input) -> Turn {
        let turn = self.board.handle(input, self.now);
        for change in &turn.changes {
            if let Change::Run { run, life: life @ Life::Ended { .. }, .. } = change {
                self.ended.insert(run.clone(), life.clone());
            }
        }
        turn
    }

    /// Ids that sort in the order in which they were made, as those of different milliseconds do.
    fn next_id(&self) -> RunId {
        let ns = i64::try_from(self.made).unwrap_or(0) * 1_000_000;
        RunId::new(&Clock::Manual(Arc::new(ns.into())))
    }

    fn queue(&mut self, concurrency: Option<Concurrency>, jobs: Vec<JobPlan>) -> RunId {
        let repo = self.repo.clone();
        self.queue_in(repo, concurrency, jobs)
    }

    fn queue_in(&mut self, repo: RepoId, concurrency: Option<Concurrency>, jobs: Vec<JobPlan>) -> RunId {
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
            inputs: BTreeMap::new(),
            schedule: None,
            pull_request: None,
        };
        self.made += 1;
        self.now = self.now.plus_ms(1);
        let plan = Arc::new(Plan { concurrency, ..Plan::new("ci", ".gantry.yml", jobs) });
        let run = Run::new(self.next_id(), repo, "shop".to_owned(), self.made, trigger, plan, self.now);
        let id = run.id.clone();
        self.take(Input::Queued(Box::new(run)));
        id
    }

    /// Brings a job that holds a slot to its end.
    fn finish(&mut self, run: &RunId, job: u32) -> Turn {
        self.take(Input::Run(run.clone(), Event::JobPrepared { job, engine: local() }));
        let wrote = Written::default();
        self.take(Input::Run(
            run.clone(),
            Event::StepExited { job, step: 0, attempt: 1, exit: Exit::Code(0), wrote, observed: Box::default() },
        ))
    }

    /// `preparing`, `running`, what it waits for, or how it ended.
    fn is(&self, run: &RunId, job: usize) -> String {
        let Some(run) = self.board.run(run) else {
            return match &self.ended[run] {
                Life::Ended { outcome, reason, .. } => format!("{outcome}: {reason}"),
                other => panic!("{other:?}"),
            };
        };
        match &run.jobs[job].state {
            JobState::Waiting { why } => why.to_string(),
            JobState::Preparing { .. } => "preparing".to_owned(),
            JobState::Running { .. } => "running".to_owned(),
            JobState::Ended { outcome, reason, .. } => format!("{outcome}: {reason}"),
        }
    }
}

#[test]
fn runs_of_a_group_queue_oldest_first_and_go_on_in_the_turn_in_which_the_holder_ends() {
    let mut hall = Hall::with_slots(9);
    let queue = || group("ci-main", Policy::Queue);
    let first = hall.queue(queue(), vec![job("a"), job("b")]);
    let second = hall.queue(queue(), vec![job("a")]);
    let third = hall.queue(queue(), vec![job("a")]);
    let other = hall.queue(group("ci-next", Policy::Queue), vec![job("a")]);
    let stranger = hall.queue_in(RepoId::new(&Clock::System), queue(), vec![job("a")]);
    assert_eq!((hall.is(&first, 0), hall.is(&first, 1)), ("preparing".to_owned(), "preparing".to_owned()));
    assert_eq!(hall.is(&second, 0), "waits for run #1, which holds the group `ci-main`");
    assert_eq!(hall.is(&third, 0), "waits for run #1, which holds the group `ci-main`");
    assert_eq!((hall.is(&other, 0), hall.is(&stranger, 0)), ("preparing".to_owned(), "preparing".to_owned()));
    hall.finish(&first, 0);
    assert_eq!(hall.is(&second, 0), "waits for run #1, which holds the group `ci-main`", "until the run has ended");
    hall.finish(&first, 1);
    assert_eq!(hall.is(&second, 0), "preparing");
    assert_eq!(hall.is(&third, 0), "waits for run #2, which holds the group `ci-main`");
}

#[test]
fn who_waits_for_a_slot_is_still_the_next_of_its_group() {
    let mut hall = Hall::with_slots(1);
    let busy = hall.queue(None, vec![job("a")]);
    let next = hall.queue(group("g", Policy::Queue), vec![job("a")]);
    let last = hall.queue(group("g", Policy::Queue), vec![job("a")]);
    assert_eq!(hall.is(&next, 0), "waits for the one slot, which is taken");
    assert_eq!(hall.is(&last, 0), "waits for its turn in the group `g`, after run #2");
    hall.finish(&busy, 0);
    assert_eq!(
        (hall.is(&next, 0), hall.is(&last, 0)),
        ("preparing".to_owned(), "waits for run #2, which holds the group `g`".to_owned())
    );
}

#[test]
fn cancel_running_replaces_all_older_ones_and_waits_until_they_are_gone() {
    let mut hall = Hall::with_slots(9);
    let cancel = || group("g", Policy::CancelRunning);
    let running = hall.queue(cancel(), vec![job("a")]);
    hall.take(Input::Run(running.clone(), Event::JobPrepared { job: 0, engine: local() }));
    let newer = hall.queue(cancel(), vec![job("a")]);
    assert_eq!(hall.board.run(&running).unwrap().stop.as_ref().unwrap().to_string(), "replaced by #2");
    assert_eq!(hall.is(&newer, 0), "waits for run #1, which holds the group `g`", "it still runs");
    let newest = hall.queue(cancel(), vec![job("a")]);
    assert_eq!(hall.is(&newer, 0), "cancelled: replaced by #3", "it had not begun");
    let (exit, wrote) = (Exit::Code(143), Written::default());
    hall.take(Input::Run(
        running.clone(),
        Event::StepExited { job: 0, step: 0, attempt: 1, exit, wrote, observed: Box::default() },
    ));
    assert_eq!((hall.is(&running, 0), hall.is(&newest, 0)), ("cancelled: replaced by #2".to_owned(), "preparing".to_owned()));
}

#[test]
fn cancel_pending_replaces_those_that_have_not_begun() {
    let mut hall = Hall::with_slots(9);
    let first = hall.queue(group("g", Policy::CancelPending), vec![job("a")]);
    let second = hall.queue(group("g", Policy::CancelPending), vec![job("a")]);
    let third = hall.queue(group("g", Policy::CancelPending), vec![job("a")]);
    assert_eq!(hall.is(&first, 0), "preparing");
    assert_eq!(hall.is(&second, 0), "cancelled: replaced by #3");
    assert_eq!(hall.is(&third, 0), "waits for run #1, which holds the group `g`");
    // It is the newcomer's policy that counts.
    let fourth = hall.queue(group("g", Policy::Queue), vec![job("a")]);
    assert_eq!(hall.is(&third, 0), "waits for run #1, which holds the group `g`");
    assert_eq!(hall.is(&fourth, 0), "waits for run #1, which holds the group `g`");
}

#[test]
fn jobs_have_groups_of_their_own_and_those_of_one_run_only_queue() {
    let mut hall = Hall::with_slots(9);
    let deploy = |name: &str| JobPlan { concurrency: group("production", Policy::CancelRunning), ..job(name) };
    let first = hall.queue(None, vec![deploy("eu"), deploy("us"), job("test")]);
    assert_eq!(hall.is(&first, 0), "preparing");
    assert_eq!(hall.is(&first, 1), "waits for `eu` of run #1, which holds the group `production`");
    assert_eq!(hall.is(&first, 2), "preparing");
    // A run's group of the same name is another one.
    let of_runs = hall.queue(group("production", Policy::Queue), vec![job("a")]);
    assert_eq!(hall.is(&of_runs, 0), "preparing");
    // One that is only being prepared gives its place up at once; one that runs holds it until it has ended.
    hall.take(Input::Run(first.clone(), Event::JobPrepared { job: 0, engine: local() }));
    let newer = hall.queue(None, vec![deploy("eu")]);
    assert_eq!(hall.is(&first, 1), "cancelled: replaced by #3");
    assert_eq!(hall.is(&newer, 0), "waits for `eu` of run #1, which holds the group `production`");
    hall.finish(&first, 0);
    assert_eq!(hall.is(&newer, 0), "preparing");
}

#[test]
fn an_older_job_that_comes_late_does_not_follow_a_newer_one() {
    let mut hall = Hall::with_slots(9);
    let deploy = || JobPlan { needs: vec![0], concurrency: group("production", Policy::CancelRunning), ..job("deploy") };
    let older = hall.queue(None, vec![job("test"), deploy()]);
    let newer = hall.queue(None, vec![job("test"), deploy()]);
    hall.finish(&newer, 0);
    assert_eq!(hall.is(&newer, 1), "preparing");
    hall.finish(&older, 0);
    assert_eq!(hall.is(&older, 1), "cancelled: job `deploy` was cancelled: replaced by #2");
    assert_eq!(hall.is(&newer, 1), "preparing");
}

#[test]
fn a_question_for_approval_loses_its_place_but_takes_none() {
    let mut hall = Hall::with_slots(9);
    let approval = || Some(Approval { message: None, by: Vec::new(), timeout_ms: Some(5_000) });
    let deploy = || JobPlan { approval: approval(), concurrency: group("production", Policy::CancelPending), ..job("deploy") };
    let older = hall.queue(None, vec![deploy()]);
    let newer = hall.queue(None, vec![deploy()]);
    assert_eq!(hall.is(&older, 0), "waits for approval", "the newer one only asks, too");
    assert_eq!(hall.board.wake_at(), Some(NOW.plus_ms(5_001)), "a question ends by itself");
    hall.take(Input::Run(newer.clone(), Event::Approved { job: 0, by: "ada".to_owned(), at: hall.now }));
    assert_eq!(hall.is(&older, 0), "cancelled: job `deploy` was cancelled: replaced by #2");
    assert_eq!(hall.is(&newer, 0), "preparing");
}

#[test]
fn only_so_many_combinations_hold_a_slot() {
    let mut hall = Hall::with_slots(9);
    let cell = |name: &str| JobPlan {
        matrix: Some(Cell { of: "test".to_owned(), values: BTreeMap::new(), fail_fast: false, max_parallel: Some(2) }),
        ..job(name)
    };
    let jobs = || vec![cell("test (1)"), cell("test (2)"), cell("test (3)"), job("other")];
    let run = hall.queue(None, jobs());
    let states: Vec<String> = (0..4).map(|job| hall.is(&run, job)).collect();
    let waits = "waits since 2 combinations of `test` run at a time";
    assert_eq!(states, ["preparing", "preparing", waits, "preparing"]);
    // Another run has its own.
    let other = hall.queue(None, jobs());
    assert_eq!(hall.is(&other, 0), "preparing");
    hall.finish(&run, 0);
    assert_eq!(hall.is(&run, 2), "preparing");
}

#[test]
fn a_restored_run_that_nobody_has_looked_at_is_not_ready() {
    let mut hall = Hall::with_slots(9);
    let first = hall.queue(None, vec![job("a")]);
    let stored = hall.board.run(&first).unwrap().clone();
    let second = JobPlan { needs: vec![0], ..job("b") };
    let plan = Arc::new(Plan::new("ci", ".gantry.yml", vec![job("a"), second]));
    let fresh = Run::new(RunId::new(&Clock::System), stored.repo, "shop".to_owned(), 2, stored.trigger, plan, NOW);
    let id = fresh.id.clone();
    hall.board.restore(fresh);
    hall.take(Input::Run(first, Event::JobPrepared { job: 0, engine: local() }));
    assert_eq!(hall.board.run(&id).unwrap().jobs[1].state, JobState::Waiting { why: Wait::Needs { jobs: vec![] } });
    hall.take(Input::Woken);
    assert_eq!((hall.is(&id, 0), hall.is(&id, 1)), ("preparing".to_owned(), "waits for a".to_owned()));
}

#[test]
fn a_stopped_newcomer_takes_no_place() {
    let mut hall = Hall::with_slots(9);
    let older = hall
        .queue(None, vec![JobPlan { needs: vec![1], concurrency: group("g", Policy::CancelRunning), ..job("late") }, job("a")]);
    let always = StepPlan { when: crate::pipeline::When::Always, ..StepPlan::new("tidy", Action::EntryPoint) };
    let mut held = JobPlan { concurrency: group("g", Policy::CancelRunning), ..job("late") };
    held.steps.push(always);
    let newer = hall.queue(None, vec![held]);
    hall.take(Input::Run(newer.clone(), Event::JobPrepared { job: 0, engine: local() }));
    hall.take(Input::Run(newer.clone(), Event::CancelRequested { by: "ada".to_owned() }));
    hall.finish(&older, 1);
    assert_eq!(hall.is(&older, 0), "waits for `late` of run #2, which holds the group `g`", "it is being cancelled itself");
    let stop = hall.board.run(&older).unwrap().jobs[0].stop.clone();
    assert_eq!(stop, None);
    let (exit, wrote) = (Exit::Code(143), Written::default());
    for step in [0, 1] {
        let (exit, wrote) = (exit.clone(), wrote.clone());
        hall.take(Input::Run(
            newer.clone(),
            Event::StepExited { job: 0, step, attempt: 1, exit, wrote, observed: Box::default() },
        ));
    }
    assert!(matches!(hall.ended.get(&newer), Some(Life::Ended { outcome: Outcome::Cancelled, .. })), "{:?}", hall.ended);
    assert_eq!(hall.is(&older, 0), "preparing");
}
