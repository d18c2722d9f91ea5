//! The watch over an engine: is it there, what does it have, what is left over.
//!
//! **Invariants:** every time the engine answers again, and once a minute, what runs is compared with what should; a job is swept only when its run
//! has ended by what is stored.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::base::{JobKey, RunId, Timestamp};
use crate::run::JobState;
use crate::schedule::Input;
use crate::store;

use super::core::Message;
use super::fleet::Engine;
use super::handle::Shared;
use super::kept;
use super::secrets;
use super::sink::ServiceLogs;

/// Between two signs of life while the engine answers.
const PULSE: Duration = Duration::from_secs(5);
/// Between two questions while it does not.
const KNOCK: Duration = Duration::from_secs(1);
/// Pulses between two comparisons.
const COMPARE_EVERY: u32 = 12;

/// Watches until the server ends.
pub(super) async fn watch(shared: Arc<Shared>, engine: Arc<Engine>) {
    let ending = shared.tasks.ending.clone();
    let mut state = engine.state.subscribe();
    let mut pulses = 0;
    loop {
        let was_up = state.borrow_and_update().is_ok();
        let health = tokio::select! {
            health = engine.executor.health() => health,
            () = ending.cancelled() => return,
        };
        match health {
            Ok(()) => {
                if !was_up {
                    say(&shared, &engine, Ok(()));
                    // Tried now, so that the first job need not wait for the answer. An engine that is gone again is asked at the next job.
                    let (trying, executor) = (Arc::clone(&shared), Arc::clone(&engine.executor));
                    shared.tasks.spawn(async move {
                        let work = trying.layout.work();
                        tokio::select! {
                            _ = executor.layers(&work) => {}
                            () = trying.tasks.ending.cancelled() => {}
                        }
                    });
                    pulses = 0;
                }
                if pulses % COMPARE_EVERY == 0 {
                    compare(&shared, &engine).await;
                    follow_services(&shared, &engine).await;
                    sweep(&shared, &engine).await;
                }
                pulses += 1;
            }
            Err(failure) => {
                let why = failure.to_string();
                if was_up || *state.borrow() != Err(why.clone()) {
                    say(&shared, &engine, Err(why));
                }
            }
        }
        state.mark_unchanged();
        let pause = if state.borrow().is_ok() { PULSE } else { KNOCK };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            // Someone found it silent: ask at once, so that the way back is short.
            _ = state.changed() => tokio::time::sleep(Duration::from_millis(100)).await,
            () = ending.cancelled() => return,
        }
    }
}

fn say(shared: &Shared, engine: &Engine, state: Result<(), String>) {
    engine.is_said(state.clone());
    // The loop only ever goes away with the server.
    let _ = shared.tell.send(Message::Input(Input::Engine { name: engine.info.name.clone(), state }));
}

/// Asks what the engine has and lets the loop compare.
async fn compare(shared: &Shared, engine: &Engine) {
    let asked_at = shared.clock.now();
    match engine.executor.survivors().await {
        Ok(survivors) => {
            let _ = shared.tell.send(Message::Compare { engine: engine.info.name.clone(), survivors, asked_at });
        }
        Err(error) => tracing::warn!(%error, engine = engine.info.name, "the engine could not say what it runs"),
    }
}

/// Goes on with the logs of services that nobody follows: those of an earlier life of this server, or of the engine.
async fn follow_services(shared: &Shared, engine: &Engine) {
    let runs = match shared.store.unfinished().await {
        Ok(runs) => runs,
        Err(error) => return tracing::warn!(%error, "the services of running jobs could not be told"),
    };
    for run in runs {
        for (ix, (plan, job)) in (0..).zip(run.plan.jobs.iter().zip(&run.jobs)) {
            let is_here = shared.fleet.of(&run, ix).is_some_and(|of| of.info.name == engine.info.name);
            if plan.services.is_empty() || !is_here || !matches!(job.state, JobState::Running { .. }) {
                continue;
            }
            let key = JobKey { run: run.id.clone(), job: ix };
            let masks = match secrets::masks_of_job(shared, &run, ix).await {
                Ok(masks) => masks,
                Err(error) => {
                    tracing::warn!(job = %key, %error, "the logs of its services are not taken up, since they could not be masked");
                    continue;
                }
            };
            let logs = ServiceLogs::of(shared.store.logs(), key.clone(), plan, masks);
            if let Err(error) = engine.executor.follow_services(&key, &logs).await {
                tracing::warn!(job = %key, %error, "the logs of its services could not be taken up; the next comparison tries again");
            }
        }
    }
}

/// Releases jobs that a crash, or the silence of an engine, left behind: in the engine, and on this machine's disk.
async fn sweep(shared: &Shared, engine: &Engine) {
    let left = match left_over(shared, engine).await {
        Ok(left) => left,
        Err(error) => return tracing::warn!(%error, "what is left over could not be told"),
    };
    for (key, left) in left {
        let say = || tracing::info!(job = %key, engine = engine.info.name, "releasing what a job left behind");
        match left {
            Left::Kept { until, is_there } => kept::look_after(shared, engine, (&key, until), is_there).await,
            Left::Ended => {
                say();
                shared.release(Some(engine), &key).await;
            }
            Left::Moved => {
                say();
                shared.release_in(engine, &key).await;
            }
        }
    }
}

/// Why nothing of a job is needed in an engine any more.
enum Left {
    /// Nor anywhere else.
    Ended,
    /// But its work tree is kept for a while. `is_there`: the engine has something of it besides.
    Kept { until: Timestamp, is_there: bool },
    /// It is on another engine, after this one was silent for long. Its directory is that one's now.
    Moved,
}

async fn left_over(shared: &Shared, engine: &Engine) -> Result<Vec<(JobKey, Left)>, store::Error> {
    let there: BTreeSet<JobKey> = engine.executor.jobs().await.unwrap_or_default().into_iter().collect();
    let work = shared.layout.work();
    let on_disk: BTreeSet<JobKey> =
        shared.tasks.spawn_blocking(move || jobs_on_disk(&work)).await.unwrap_or_default().into_iter().collect();
    let mut left = Vec::new();
    for key in there.union(&on_disk) {
        // Asked before the run is read: what is handed over has no run until it is stored.
        if shared.keep.is_saving(key) || shared.kept.is_used(key) {
            continue;
        }
        let run = shared.store.run(&key.run).await?;
        let state = run.as_ref().and_then(|run| run.jobs.get(key.job as usize)).map(|job| &job.state);
        let is_over = state.is_none_or(JobState::is_ended);
        let kept_until = state.and_then(JobState::kept_until);
        let of = run.as_ref().and_then(|run| shared.fleet.of(run, key.job));
        // What no engine is known for is the first one's to clean up.
        let is_here = of.map_or_else(|| shared.fleet.is_first(engine), |of| of.info.name == engine.info.name);
        let is_there = there.contains(key);
        if let (Some(until), true) = (kept_until, is_here) {
            left.push((key.clone(), Left::Kept { until, is_there }));
        } else if is_over && kept_until.is_none() && (is_here || is_there) {
            left.push((key.clone(), Left::Ended));
        } else if !is_here && is_there {
            left.push((key.clone(), Left::Moved));
        }
    }
    Ok(left)
}

/// Job directories by their names; what is not named like one is not ours and stays.
pub(super) fn jobs_on_disk(work: &std::path::Path) -> Vec<JobKey> {
    let Ok(entries) = std::fs::read_dir(work) else { return Vec::new() };
    let key = |name: &str| {
        let (run, job) = name.split_once('-')?;
        Some(JobKey { run: run.parse::<RunId>().ok()?, job: job.parse().ok()? })
    };
    entries.flatten().filter_map(|entry| entry.file_name().to_str().and_then(key)).collect()
}
