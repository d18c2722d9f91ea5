//! Runs in the store without a server: a plan, the states it is in, and lines in its logs.

use std::sync::Arc;

use crate::base::{AttemptKey, Clock, JobIx, JobKey, RepoId, RunId, StepIx, Timestamp};
use crate::pipeline::{Action, Event, JobPlan, Need, Plan, Problem, Ready, ServicePlan, StepPlan, Trigger};
use crate::run::{JobState, Life, Outcome, Run, StepEnd, StepState, Stream, TestCase, TestOutcome};
use crate::schedule::Change;
use crate::store::{Harvest, Intake, LogKey, NewRun, Repo, RepoStatus, Store};

pub(crate) const SECRET: &str = "0123456789abcdef";

/// Makes things in a store.
pub(crate) struct Seed<'a> {
    pub store: &'a Store,
    pub now: Timestamp,
}

impl Seed<'_> {
    pub(crate) async fn repo(&self, name: &str) -> Repo {
        let repo = Repo {
            id: RepoId::new(&Clock::System),
            name: name.to_owned(),
            url: format!("https://git.example.org/team/{name}.git"),
            poll_ms: 30_000,
            hook_secret: format!("{SECRET}-{name}"),
            added_at: self.now,
            default_branch: Some("main".to_owned()),
            status: RepoStatus { ok: true, sentence: "watched; main is at 5d6e7f80".to_owned(), at: self.now },
        };
        self.store.add_repo(&repo).await.unwrap();
        repo
    }

    pub(crate) fn trigger(&self, repo: &Repo, branch: &str, message: &str) -> Trigger {
        Trigger {
            event: Event::Push,
            branch: branch.to_owned(),
            tag: None,
            commit: "5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f80".to_owned(),
            message: message.to_owned(),
            author: "Ada Lovelace <ada@example.org>".to_owned(),
            default_branch: "main".to_owned(),
            repo: repo.name.clone(),
            url: repo.url.clone(),
            because: format!("{branch} moved from 1a2b3c4d to 5d6e7f80"),
            inputs: Default::default(),
            schedule: None,
            pull_request: None,
        }
    }

    pub(crate) async fn run(&self, repo: &Repo, trigger: Trigger, plan: Plan) -> Run {
        self.take_in(repo, trigger, plan, Vec::new(), None).await
    }

    pub(crate) async fn invalid(&self, repo: &Repo, trigger: Trigger, problems: Vec<Problem>) -> Run {
        let plan = Plan::new("ci", ".gantry.yml", Vec::new());
        let ended = Some((Outcome::Error, "`.gantry.yml` has 2 problems; no job was made".to_owned()));
        self.take_in(repo, trigger, plan, problems, ended).await
    }

    async fn take_in(
        &self,
        repo: &Repo,
        trigger: Trigger,
        plan: Plan,
        problems: Vec<Problem>,
        ended: Option<(Outcome, String)>,
    ) -> Run {
        let id = RunId::new(&Clock::System);
        let plan = Arc::new(plan);
        let run = NewRun { id, repo_name: repo.name.clone(), trigger, plan, problems, ended, rerun_of: None, begun: Vec::new() };
        let repo = repo.id.clone();
        let intake = Intake { runs: vec![run], ..Intake::new(repo, self.now) };
        self.store.take_in(intake).await.unwrap().remove(0)
    }

    pub(crate) async fn set(&self, changes: &[Change]) {
        self.store.commit(changes, self.now).await.unwrap();
    }

    /// Writes lines to the log of a service and completes it.
    pub(crate) fn service_log(&self, run: &Run, job: JobIx, service: u32, lines: &[&str]) {
        let key = LogKey::Service { job: JobKey { run: run.id.clone(), job }, service };
        let mut writer = self.store.logs().writer(key).unwrap();
        for line in lines {
            writer.write(self.now.0 * 1_000_000, Stream::Stdout, format!("{line}\n").as_bytes()).unwrap();
        }
        writer.finish().unwrap();
    }

    /// Keeps test results, as of the first step's reports in this attempt.
    pub(crate) async fn tests(&self, repo: &Repo, run: &Run, attempt: u32, cases: Vec<TestCase>, problems: &[&str]) {
        let job = &run.plan.jobs[0];
        let harvest = Harvest {
            key: AttemptKey { run: run.id.clone(), job: 0, step: 0, attempt },
            repo: repo.id.clone(),
            commit: run.trigger.commit.clone(),
            branch: run.trigger.branch.clone(),
            pipeline: run.plan.name.clone(),
            job: job.name.clone(),
            step: job.steps[0].name.clone(),
            cases,
            problems: problems.iter().map(ToString::to_string).collect(),
        };
        self.store.keep_reports(harvest, self.now).await.unwrap();
    }

    /// Writes lines to the log of the first attempt; `finish` makes it complete.
    pub(crate) fn log(&self, run: &Run, job: JobIx, step: StepIx, lines: &[(Stream, &str)], finish: bool) -> AttemptKey {
        let key = AttemptKey { run: run.id.clone(), job, step, attempt: 1 };
        let mut writer = self.store.logs().writer(&key).unwrap();
        for (at, (stream, line)) in (0..).zip(lines) {
            let at_ns = self.now.0 * 1_000_000 + at * 137_000_000;
            writer.write(at_ns, *stream, format!("{line}\n").as_bytes()).unwrap();
        }
        if finish {
            writer.finish().unwrap();
        } else {
            writer.flush().unwrap();
        }
        key
    }
}

/// The same plan, its first job with two services, `cache` and `db`.
pub(crate) fn with_services(mut plan: Plan) -> Plan {
    let service = |name: &str, image: &str| ServicePlan {
        name: name.to_owned(),
        image: image.to_owned(),
        pull: None,
        env: Default::default(),
        command: None,
        ready: Ready::Port(5432),
        ready_timeout_ms: 60_000,
    };
    plan.jobs[0].services = vec![service("cache", "redis:8"), service("db", "postgres:17")];
    plan
}

/// A test by its suite and name.
pub(crate) fn case(
    suite: &str,
    name: &str,
    outcome: TestOutcome,
    ms: u64,
    message: Option<&str>,
    details: Option<&str>,
) -> TestCase {
    TestCase {
        suite: suite.to_owned(),
        name: name.to_owned(),
        identity: format!("{suite} {name}"),
        file: None,
        outcome,
        flaky: false,
        duration_ms: Some(ms),
        message: message.map(ToOwned::to_owned),
        details: details.map(ToOwned::to_owned),
    }
}

/// A plan with these jobs: name, the jobs it needs, its steps.
pub(crate) fn plan(jobs: &[(&str, &[JobIx], &[&str])]) -> Plan {
    let action = || Action::Script { shell: vec!["/bin/sh".to_owned(), "-e".to_owned()], text: "true".to_owned() };
    let step = |(ix, name): (StepIx, &&str)| StepPlan {
        needs: (0..ix).collect(),
        need: Need::Position,
        image: Some("rust:1.95".into()),
        ..StepPlan::new(*name, action())
    };
    let job = |(name, needs, steps): &(&str, &[JobIx], &[&str])| JobPlan {
        needs: needs.to_vec(),
        timeout_ms: 3_600_000,
        ..JobPlan::new(*name, (0..).zip(*steps).map(step).collect())
    };
    Plan::new("ci", ".gantry.yml", jobs.iter().map(job).collect())
}

pub(crate) fn run_is(run: &Run, life: Life) -> Change {
    Change::Run { run: run.id.clone(), life, stop: None }
}

pub(crate) fn job_is(run: &Run, job: JobIx, state: JobState) -> Change {
    Change::Job { engine: None, run: run.id.clone(), job, state, decision: None, stop: None }
}

pub(crate) fn step_is(run: &Run, job: JobIx, step: StepIx, state: StepState) -> Change {
    Change::Step { run: run.id.clone(), job, step, state }
}

/// Ended after `ms`.
pub(crate) fn run_ended(outcome: Outcome, reason: &str, from: Timestamp, ms: u64) -> Life {
    Life::Ended { outcome, reason: reason.to_owned(), started_at: Some(from), at: from.plus_ms(ms) }
}

pub(crate) fn job_ended(outcome: Outcome, reason: &str, from: Timestamp, ms: u64) -> JobState {
    JobState::ended(outcome, reason, Some(from), from.plus_ms(ms))
}

pub(crate) fn step_ended(outcome: Outcome, exit_code: i32, reason: &str, from: Timestamp, ms: u64) -> StepState {
    let end = StepEnd::never_made(outcome, reason, from.plus_ms(ms));
    StepState::Ended(StepEnd { exit_code: Some(exit_code), attempt: 1, started_at: Some(from), ..end })
}
