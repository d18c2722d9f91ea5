//! What follows from a state by itself: deadlines, stops, starts, skips and ends, until nothing more follows.
//!
//! **Invariants:** nothing starts after a cancel but what says `when: always`, and nothing at all after a kill; a stop that is due is in the
//! commands of the same turn in which it became due; a job ends once all its steps have, a run once all its jobs have; a late expression is
//! evaluated when what it may ask for has ended, so the answer is final.

mod door;
mod job;
mod matrix;
mod park;
mod preparing;
mod step;
mod whole;

use crate::base::Timestamp;
use crate::run::{Command, JobState, Permits, Run};

/// Brings a run to rest at `now`.
pub(in crate::run) fn settle(run: &mut Run, now: Timestamp, permits: &dyn Permits, commands: &mut Vec<Command>) {
    let plan = std::sync::Arc::clone(&run.plan);
    // Jobs only wait for jobs, so a pass that changes no job's end is the last one.
    loop {
        let mut moved = false;
        for job in 0..run.jobs.len() {
            let permit = permits.of(&run.jobs[job]);
            moved |= match run.jobs[job].state {
                JobState::Waiting { .. } => door::settle_waiting(run, &plan, job, now),
                JobState::Running { since } => job::settle_running(run, &plan, job, since, now, permit, commands),
                JobState::Preparing { since } => preparing::settle_preparing(run, &plan, job, since, now, commands),
                JobState::Ended { .. } => false,
            };
        }
        moved |= matrix::fail_fast(run, &plan);
        if !moved {
            break;
        }
    }
    whole::settle_life(run, &plan, now);
}
