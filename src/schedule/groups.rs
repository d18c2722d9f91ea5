//! Concurrency groups and matrices on one board: who holds, who comes next, who takes whose place.
//!
//! Runs and jobs have groups of their own, all within one repository. A run holds its group from the first job that starts until it has ended; a job
//! from its admission until it has ended. Whoever holds a job's group waits for nothing but the executor, so no two can wait for each other.
//!
//! **Invariants:** never two holders of a group; of those that wait, the one that was queued first is next; only another run takes a place, and only
//! an older one's.

use std::collections::BTreeMap;

use crate::base::{JobIx, RepoId, RunId, Timestamp};
use crate::pipeline::{Concurrency, Plan, Policy};
use crate::run::{Event, Job, JobState, Life, Run, Wait};

/// A group of one repository.
type Group = (RepoId, String);

/// The order of runs: as they were queued.
pub(super) fn order(run: &Run) -> (Timestamp, u64, RunId) {
    (run.queued_at, run.number, run.id.clone())
}

/// Who has each place. Built anew for each turn, then told of each admission.
#[derive(Debug, Default)]
pub(super) struct Groups {
    runs: BTreeMap<Group, Member>,
    jobs: BTreeMap<Group, Member>,
    /// Combinations that hold a slot, by run and by the job's name in the file.
    matrices: BTreeMap<(RunId, String), u32>,
}

/// The one that holds a group, or that is the next to.
#[derive(Debug)]
struct Member {
    id: RunId,
    number: u64,
    /// Of a job's group.
    job: Option<String>,
    holds: bool,
}

impl Groups {
    pub(super) fn of<'b>(runs: impl Iterator<Item = &'b Run>) -> Self {
        let mut groups = Self::default();
        for run in runs.filter(|run| !run.is_ended()) {
            if let (Some(concurrency), Life::Running { .. }) = (&run.plan.concurrency, &run.life) {
                groups.runs.insert(group(run, concurrency), Member::of(run, None, true));
            }
            for (job, (_, state)) in (0..).zip(run.plan.jobs.iter().zip(&run.jobs)) {
                if state.state.holds_slot() {
                    groups.enter(run, job);
                }
            }
        }
        groups
    }

    /// Whether a ready job may be admitted as far as groups and its matrix go; `None` when it may. Asked in the order of the queue: who asks first
    /// for a free place comes next.
    pub(super) fn ask(&mut self, run: &Run, job: JobIx) -> Option<Wait> {
        let plan = &run.plan.jobs[job as usize];
        if let Some(concurrency) = &run.plan.concurrency {
            let next = self.runs.entry(group(run, concurrency)).or_insert_with(|| Member::of(run, None, false));
            if next.id != run.id {
                return Some(next.wait(concurrency));
            }
        }
        if let Some(cell) = &plan.matrix
            && let Some(max_parallel) = cell.max_parallel
            && self.matrices.get(&(run.id.clone(), cell.of.clone())).is_some_and(|running| *running >= max_parallel)
        {
            return Some(Wait::Matrix { of: cell.of.clone(), max_parallel });
        }
        if let Some(concurrency) = &plan.concurrency {
            let name = Some(plan.name.clone());
            let next = self.jobs.entry(group(run, concurrency)).or_insert_with(|| Member::of(run, name.clone(), false));
            if (&next.id, &next.job) != (&run.id, &name) {
                return Some(next.wait(concurrency));
            }
        }
        None
    }

    /// The job has its slot, and with it its places.
    pub(super) fn enter(&mut self, run: &Run, job: JobIx) {
        let plan = &run.plan.jobs[job as usize];
        if let Some(concurrency) = &run.plan.concurrency {
            self.runs.insert(group(run, concurrency), Member::of(run, None, true));
        }
        if let Some(cell) = &plan.matrix {
            *self.matrices.entry((run.id.clone(), cell.of.clone())).or_default() += 1;
        }
        if let Some(concurrency) = &plan.concurrency {
            self.jobs.insert(group(run, concurrency), Member::of(run, Some(plan.name.clone()), true));
        }
    }
}

impl Member {
    fn of(run: &Run, job: Option<String>, holds: bool) -> Self {
        Self { id: run.id.clone(), number: run.number, job, holds }
    }

    fn wait(&self, concurrency: &Concurrency) -> Wait {
        let (group, run, job) = (concurrency.group.clone(), self.number, self.job.clone());
        if self.holds { Wait::Group { group, run, job } } else { Wait::Turn { group, run, job } }
    }
}

fn group(run: &Run, concurrency: &Concurrency) -> Group {
    (run.repo.clone(), concurrency.group.clone())
}

/// One that may take another's place, or lose its own.
struct Rival<'b> {
    run: &'b Run,
    job: Option<JobIx>,
    policy: Policy,
    stage: Stage,
}

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It waits for approval: it can lose its place, but does not take one yet.
    Asks,
    /// It would start.
    Waits,
    Begun,
}

/// The next one whose place a newer run takes, as the event that tells it so.
pub(super) fn next_replaced<'b>(runs: impl Iterator<Item = &'b Run>) -> Option<(RunId, Event)> {
    let mut groups: BTreeMap<(bool, Group), Vec<Rival<'b>>> = BTreeMap::new();
    for run in runs.filter(|run| run.stop.is_none() && !run.is_ended()) {
        if let Some(concurrency) = &run.plan.concurrency {
            let stage = if run.life == Life::Queued { Stage::Waits } else { Stage::Begun };
            let rival = Rival { run, job: None, policy: concurrency.policy, stage };
            groups.entry((false, group(run, concurrency))).or_default().push(rival);
        }
        for (job, (plan, state)) in (0..).zip(run.plan.jobs.iter().zip(&run.jobs)) {
            if let Some(concurrency) = &plan.concurrency
                && let Some(stage) = stage(state)
            {
                let rival = Rival { run, job: Some(job), policy: concurrency.policy, stage };
                groups.entry((true, group(run, concurrency))).or_default().push(rival);
            }
        }
    }
    groups.values().find_map(|rivals| {
        rivals.iter().find_map(|old| {
            let newer = rivals.iter().filter(|new| takes(new, old)).min_by_key(|new| order(new.run))?;
            let by = newer.run.number;
            Some((old.run.id.clone(), old.job.map_or(Event::Replaced { by }, |job| Event::JobReplaced { job, by })))
        })
    })
}

/// How far a job is on its way into its group; `None` when it is not there yet, or no more, or is stopped anyhow.
fn stage(job: &Job) -> Option<Stage> {
    if job.stop.is_some() {
        return None;
    }
    match &job.state {
        JobState::Waiting { why: Wait::Approval { .. } } => Some(Stage::Asks),
        JobState::Waiting { why } => why.is_ready().then_some(Stage::Waits),
        JobState::Preparing { .. } | JobState::Running { .. } => Some(Stage::Begun),
        JobState::Ended { .. } => None,
    }
}

fn takes(new: &Rival<'_>, old: &Rival<'_>) -> bool {
    let is_newer = new.run.id != old.run.id && order(new.run) > order(old.run) && new.stage != Stage::Asks;
    is_newer
        && match new.policy {
            Policy::Queue => false,
            Policy::CancelRunning => true,
            Policy::CancelPending => old.stage != Stage::Begun,
        }
}

/// Whether anything in the plan stands in a group.
pub(super) fn has_groups(plan: &Plan) -> bool {
    plan.concurrency.is_some() || plan.jobs.iter().any(|job| job.concurrency.is_some())
}
