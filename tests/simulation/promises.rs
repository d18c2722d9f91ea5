//! The promises about groups, matrices and approvals. Like the others, checked on what is stored and on what the engine really did.

use std::collections::BTreeMap;

use gantry::base::{AttemptKey, JobKey, RepoId};
use gantry::pipeline::{Concurrency, JobPlan, Policy, When};
use gantry::run::{Decision, Event, Filled, Job, JobState, Life, Outcome, Run, StopReason, Wait};
use gantry::schedule::{Change, Input};

use super::values;
use super::world::{Engine, Place, World};

/// A question for approval that is older than its time by this was forgotten. Above what a busy loop is late by, below the minute after which the
/// comparison with the engine would find it by chance.
const BOUND_MS: u64 = 10_000;

/// **Nothing of a job starts before its approval, nor after its own stop · never two of a group run.**
pub fn on_start(world: &mut World, (_, key): &Place, filled: &Filled) {
    let run = &world.stored[&key.run];
    let (job, job_plan) = (&run.jobs[key.job as usize], &run.plan.jobs[key.job as usize]);
    if job_plan.approval.is_some() {
        let is_stored = matches!(job.decision, Some(Decision::Approved { .. }));
        let is_said = world.watch.approved.contains(&JobKey { run: key.run.clone(), job: key.job });
        if !is_stored || !is_said {
            world.fail(&format!("{key} started, and nobody has approved its job: {:?}", job.decision));
        }
    }
    if job.stop.is_some() && job_plan.steps[key.step as usize].when != When::Always {
        world.fail(&format!("{key} started after its job was stopped"));
    }
    for (place, container) in &world.containers {
        let other = &place.1;
        if container.running && !world.watch.is_given_up(place) && other.run != key.run && share_a_group(world, key, other) {
            world.fail(&format!("{key} started while {other} of the same group still runs"));
        }
    }
    values::on_start(world, key, filled);
}

fn share_a_group(world: &World, one: &AttemptKey, other: &AttemptKey) -> bool {
    let (a, b) = (&world.stored[&one.run], &world.stored[&other.run]);
    let same = |a: &Option<Concurrency>, b: &Option<Concurrency>| match (a, b) {
        (Some(a), Some(b)) => a.group == b.group,
        _ => false,
    };
    let job = |run: &Run, key: &AttemptKey| run.plan.jobs[key.job as usize].concurrency.clone();
    a.repo == b.repo && (same(&a.plan.concurrency, &b.plan.concurrency) || same(&job(a, one), &job(b, other)))
}

/// **Answers and stops are final · nothing is begun that is stopped · only a newer run of the same group takes a place · a question that is asked in
/// time is answered in time.**
pub fn on_changes(world: &mut World, input: &Input, changes: &[Change]) {
    values::on_changes(world, changes);
    for change in changes {
        match change {
            Change::Job { run, job, state, engine: _, decision, stop } => {
                let (run, ix) = (&world.stored[run], *job as usize);
                let (old, plan) = (&run.jobs[ix], &run.plan.jobs[ix]);
                if (old.decision.is_some() && old.decision != *decision) || (old.stop.is_some() && old.stop != *stop) {
                    world.fail("an answer or a job's own stop was taken back");
                }
                let asked = matches!(old.state, JobState::Waiting { why: Wait::Approval { .. } });
                if decision.is_some() && old.decision.is_none() && !asked {
                    world.fail("an answer counts that nobody had asked for");
                }
                if let (JobState::Preparing { .. }, false) = (state, old.state.holds_slot())
                    && let Some(why) = must_not_begin(run, plan, stop)
                {
                    world.fail(&format!("{} of {} is begun though it is {why}", plan.name, run.id));
                }
                if let Some(StopReason::Replaced { by }) = stop
                    && !may_replace(
                        world,
                        run,
                        *by,
                        |other| other.plan.jobs.iter().filter_map(|job| job.concurrency.as_ref()).collect(),
                        plan.concurrency.as_ref(),
                    )
                {
                    world.fail(&format!("{} of {} is replaced by {by}, which may not", plan.name, run.id));
                }
                count_job(world, *job, change);
            }
            Change::Run { run, stop: Some(StopReason::Replaced { by }), .. } => {
                let run = &world.stored[run];
                if !may_replace(world, run, *by, |other| other.plan.concurrency.iter().collect(), run.plan.concurrency.as_ref()) {
                    world.fail(&format!("{} is replaced by {by}, which may not", run.id));
                }
                if run.stop.is_none() {
                    world.counts.one("replaced runs");
                }
            }
            Change::Run { .. } => {}
            Change::Step { .. } => {}
        }
    }
    if let Input::Run(id, Event::Approved { job, .. } | Event::Rejected { job, .. }) = input
        && let Some(JobState::Waiting { why: Wait::Approval { until: Some(until), .. } }) =
            world.stored.get(id).map(|run| &run.jobs[*job as usize].state)
        && world.now >= *until
    {
        let counts =
            |change: &Change| matches!(change, Change::Job { run, job: of, decision: Some(_), .. } if (run, of) == (id, job));
        if changes.iter().any(counts) {
            world.fail("an answer counts that came too late");
        }
        world.counts.one("answers that came too late");
    }
}

fn must_not_begin(run: &Run, plan: &JobPlan, stop: &Option<StopReason>) -> Option<&'static str> {
    match (&run.stop, stop) {
        (_, Some(_)) => Some("stopped"),
        (Some(StopReason::Killed { .. }), None) => Some("killed with its run"),
        (Some(_), None) => (plan.when != When::Always).then_some("stopped with its run"),
        (None, None) => None,
    }
}

fn may_replace<'w>(
    world: &'w World,
    old: &Run,
    by: u64,
    groups: impl Fn(&'w Run) -> Vec<&'w Concurrency>,
    own: Option<&Concurrency>,
) -> bool {
    let mut runs = world.stored.values().filter(|run| run.number == by && run.repo == old.repo && run.number > old.number);
    let takes = |other: &Concurrency| own.is_some_and(|own| own.group == other.group) && other.policy != Policy::Queue;
    runs.any(|run| groups(run).into_iter().any(takes))
}

fn count_job(world: &mut World, job: u32, change: &Change) {
    let Change::Job { run, state, decision, stop, .. } = change else { return };
    let old: Job = world.stored[run].jobs[job as usize].clone();
    let mut kinds = Vec::new();
    if old.state != *state {
        match state {
            JobState::Waiting { why: Wait::Group { job: None, .. } } => kinds.push("waits for a group of runs"),
            JobState::Waiting { why: Wait::Group { job: Some(_), .. } } => kinds.push("waits for a group of jobs"),
            JobState::Waiting { why: Wait::Turn { .. } } => kinds.push("waits for a turn in a group"),
            JobState::Waiting { why: Wait::Matrix { .. } } => kinds.push("waits for other combinations"),
            JobState::Waiting { why: Wait::Approval { .. } } => kinds.push("questions for approval"),
            JobState::Ended { reason, .. } if reason.starts_with("nobody approved it") => {
                kinds.push("approvals that nobody gave")
            }
            _ => {}
        }
    }
    match (&old.decision, decision) {
        (None, Some(Decision::Approved { .. })) => kinds.push("approvals"),
        (None, Some(Decision::Rejected { .. })) => kinds.push("rejections"),
        _ => {}
    }
    match (&old.stop, stop) {
        (None, Some(StopReason::Replaced { .. })) => kinds.push("replaced jobs"),
        (None, Some(StopReason::FailFast { .. })) => kinds.push("combinations stopped by fail_fast"),
        _ => {}
    }
    kinds.into_iter().for_each(|kind| world.counts.one(kind));
}

/// **Never two holders of a group · max_parallel is never exceeded · a question that nobody answers ends in time.**
pub fn after_each_step(world: &World) {
    let mut runs: BTreeMap<(&RepoId, &str), u32> = BTreeMap::new();
    let mut jobs: BTreeMap<(&RepoId, &str), u32> = BTreeMap::new();
    for run in world.stored.values() {
        if let (Some(concurrency), Life::Running { .. }) = (&run.plan.concurrency, &run.life) {
            *runs.entry((&run.repo, &concurrency.group)).or_default() += 1;
        }
        let mut matrices: BTreeMap<&str, u32> = BTreeMap::new();
        for (plan, job) in run.plan.jobs.iter().zip(&run.jobs) {
            if let JobState::Waiting { why: Wait::Approval { until: Some(until), .. } } = &job.state
                && world.now.ms_since((*until).max(world.disturbed_at)) > BOUND_MS
            {
                world.fail(&format!("{} of {} still waits for approval, long after its time", plan.name, run.id));
            }
            if !job.state.holds_slot() {
                continue;
            }
            if let Some(concurrency) = &plan.concurrency {
                *jobs.entry((&run.repo, &concurrency.group)).or_default() += 1;
            }
            if let Some(cell) = &plan.matrix {
                let running = matrices.entry(&cell.of).or_default();
                *running += 1;
                if cell.max_parallel.is_some_and(|most| *running > most) {
                    world.fail(&format!("{running} combinations of {} run in {}, {:?} may", cell.of, run.id, cell.max_parallel));
                }
            }
        }
    }
    for (what, holders) in [("runs", runs), ("jobs", jobs)] {
        if let Some(((_, group), count)) = holders.iter().find(|(_, count)| **count > 1) {
            world.fail(&format!("{count} {what} hold the group {group}"));
        }
    }
}

/// After a turn, as far as the board knows the runs: **what a job waits for is there to be waited for · a place that a newer run takes is given up ·
/// a combination that failed stops the others.**
pub fn after_each_turn(world: &World) {
    let open: Vec<&Run> = world.stored.values().filter(|run| world.board.run(&run.id).is_some()).collect();
    for run in &open {
        for (plan, job) in run.plan.jobs.iter().zip(&run.jobs) {
            if let JobState::Waiting { why } = &job.state
                && let Some(lie) = lie(world, &open, run, plan, why)
            {
                world.fail(&format!("{} of {} {why}, but {lie}", plan.name, run.id));
            }
            if let Some(cell) = plan.matrix.as_ref().filter(|cell| cell.fail_fast)
                && let JobState::Ended { outcome: Outcome::Failed | Outcome::TimedOut | Outcome::Lost | Outcome::Error, .. } =
                    job.state
            {
                let of_it = |other: &JobPlan| other.matrix.as_ref().is_some_and(|other| other.of == cell.of);
                let mut others = run.plan.jobs.iter().zip(&run.jobs).filter(|(plan, _)| of_it(plan));
                if others.any(|(_, job)| !job.state.is_ended() && job.stop.is_none()) {
                    world.fail(&format!("{} of {} failed, and another combination goes on", plan.name, run.id));
                }
            }
        }
    }
    for (old, new) in open.iter().flat_map(|old| open.iter().map(move |new| (*old, *new))) {
        both_go_on(world, old, new);
    }
}

/// Why a sentence is not true, if it is not.
fn lie(world: &World, open: &[&Run], run: &Run, plan: &JobPlan, why: &Wait) -> Option<&'static str> {
    let named = |number: u64| open.iter().find(|other| other.number == number && other.repo == run.repo).copied();
    let job_of = |number: u64, name: &str| {
        let run = named(number)?;
        run.plan.jobs.iter().zip(&run.jobs).find(|(plan, _)| plan.name == name).map(|(_, job)| &job.state)
    };
    let is_true = match why {
        // A run that the board has not looked at yet.
        Wait::Needs { jobs } => jobs.iter().all(|name| job_of(run.number, name).is_some_and(|state| !state.is_ended())),
        Wait::Approval { .. } => plan.approval.is_some(),
        Wait::Admission => false,
        Wait::Group { run: number, job: None, .. } => named(*number).is_some_and(|run| matches!(run.life, Life::Running { .. })),
        Wait::Group { run: number, job: Some(job), .. } => job_of(*number, job).is_some_and(JobState::holds_slot),
        Wait::Turn { run: number, job: None, .. } => named(*number).is_some_and(|run| run.jobs.iter().any(is_ready)),
        Wait::Turn { run: number, job: Some(job), .. } => {
            job_of(*number, job).is_some_and(|state| matches!(state, JobState::Waiting { why } if why.is_ready()))
        }
        Wait::Matrix { of, max_parallel } => {
            let of_it = |plan: &JobPlan| plan.matrix.as_ref().is_some_and(|cell| cell.of == *of);
            let running = run.plan.jobs.iter().zip(&run.jobs).filter(|(plan, job)| of_it(plan) && job.state.holds_slot());
            running.count() == *max_parallel as usize
        }
        Wait::Slot { slots } => {
            let full = |engine: &&Engine| world.jobs_with_slots(&engine.info.name) >= engine.info.slots as usize;
            let fits = |engine: &&Engine| plan.runs_on.iter().all(|label| engine.info.labels.contains(label));
            world.engines.iter().filter(fits).filter(full).map(|engine| engine.info.slots).sum::<u32>() >= *slots
        }
        Wait::Engine { .. } => true,
        Wait::Labels { .. } => false,
    };
    (!is_true).then_some("that is not so")
}

fn is_ready(job: &Job) -> bool {
    matches!(&job.state, JobState::Waiting { why } if why.is_ready())
}

fn both_go_on(world: &World, old: &Run, new: &Run) {
    if old.repo != new.repo || old.number >= new.number || old.stop.is_some() || new.stop.is_some() {
        return;
    }
    let takes = |new: &Concurrency, begun: bool| match new.policy {
        Policy::Queue => false,
        Policy::CancelRunning => true,
        Policy::CancelPending => !begun,
    };
    if let (Some(of_old), Some(of_new)) = (&old.plan.concurrency, &new.plan.concurrency)
        && of_old.group == of_new.group
        && takes(of_new, old.life != Life::Queued)
    {
        world.fail(&format!("{} goes on though {} takes its place", old.id, new.id));
    }
    for (old_plan, old_job) in old.plan.jobs.iter().zip(&old.jobs) {
        for (new_plan, new_job) in new.plan.jobs.iter().zip(&new.jobs) {
            let (Some(of_old), Some(of_new)) = (&old_plan.concurrency, &new_plan.concurrency) else { continue };
            let asks = matches!(old_job.state, JobState::Waiting { why: Wait::Approval { .. } });
            let there = asks || is_ready(old_job) || old_job.state.holds_slot();
            let comes = is_ready(new_job) || new_job.state.holds_slot();
            let stopped = old_job.stop.is_some() || new_job.stop.is_some();
            if of_old.group == of_new.group && there && comes && !stopped && takes(of_new, old_job.state.holds_slot()) {
                world.fail(&format!("{} of {} goes on though {} takes its place", old_plan.name, old.id, new.id));
            }
        }
    }
}
