//! The watch over the engine: is it there, what does it have, what is left over.
//!
//! **Invariants:** every time the engine answers again, and once a minute, what runs is compared with what should; a job is swept only when its run
//! has ended by what is stored.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::base::{JobKey, RunId};
use crate::run::JobState;
use crate::schedule::Input;
use crate::store;

use super::core::Message;
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
pub(super) async fn watch(shared: Arc<Shared>) {
    let ending = shared.tasks.ending.clone();
    let mut state = shared.engine.subscribe();
    let mut pulses = 0;
    loop {
        let was_up = state.borrow_and_update().is_ok();
        let health = tokio::select! {
            health = shared.executor.health() => health,
            () = ending.cancelled() => return,
        };
        match health {
            Ok(()) => {
                if !was_up {
                    say(&shared, Ok(()));
                    // Tried now, so that the first job need not wait for the answer. An engine that is gone again is asked at the next job.
                    let trying = Arc::clone(&shared);
                    shared.tasks.spawn(async move {
                        let work = trying.layout.work();
                        tokio::select! {
                            _ = trying.executor.layers(&work) => {}
                            () = trying.tasks.ending.cancelled() => {}
                        }
                    });
                    pulses = 0;
                }
                if pulses % COMPARE_EVERY == 0 {
                    compare(&shared).await;
                    follow_services(&shared).await;
                    sweep(&shared).await;
                }
                pulses += 1;
            }
            Err(failure) => {
                let why = failure.to_string();
                if was_up || *state.borrow() != Err(why.clone()) {
                    say(&shared, Err(why));
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

fn say(shared: &Shared, state: Result<(), String>) {
    shared.engine_is(state.clone());
    // The loop only ever goes away with the server.
    let _ = shared.tell.send(Message::Input(Input::Engine(state)));
}

/// Asks what the executor has and lets the loop compare.
async fn compare(shared: &Shared) {
    let asked_at = shared.clock.now();
    match shared.executor.survivors().await {
        Ok(survivors) => {
            let _ = shared.tell.send(Message::Compare { survivors, asked_at });
        }
        Err(error) => tracing::warn!(%error, "the engine could not say what it runs"),
    }
}

/// Goes on with the logs of services that nobody follows: those of an earlier life of this server, or of the engine.
async fn follow_services(shared: &Shared) {
    let runs = match shared.store.unfinished().await {
        Ok(runs) => runs,
        Err(error) => return tracing::warn!(%error, "the services of running jobs could not be told"),
    };
    for run in runs {
        for (ix, (plan, job)) in (0..).zip(run.plan.jobs.iter().zip(&run.jobs)) {
            if plan.services.is_empty() || !matches!(job.state, JobState::Running { .. }) {
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
            if let Err(error) = shared.executor.follow_services(&key, &logs).await {
                tracing::warn!(job = %key, %error, "the logs of its services could not be taken up; the next comparison tries again");
            }
        }
    }
}

/// Releases jobs of ended runs that a crash left behind, in the engine and on this machine's disk, and work trees whose time is over.
async fn sweep(shared: &Shared) {
    if let Err(error) = sweep_once(shared).await {
        tracing::warn!(%error, "what is left over could not be told");
    }
}

async fn sweep_once(shared: &Shared) -> Result<(), store::Error> {
    let in_engine: BTreeSet<JobKey> = shared.executor.jobs().await.unwrap_or_default().into_iter().collect();
    let work = shared.layout.work();
    let on_disk = shared.tasks.spawn_blocking(move || jobs_on_disk(&work)).await.unwrap_or_default();
    for key in in_engine.iter().cloned().chain(on_disk).collect::<BTreeSet<JobKey>>() {
        // Asked before the run is read: what is handed over has no run until it is stored.
        if shared.keep.is_saving(&key) || shared.kept.is_used(&key) {
            continue;
        }
        let run = shared.store.run(&key.run).await?;
        let state = run.as_ref().and_then(|run| run.jobs.get(key.job as usize)).map(|job| &job.state);
        match state.map(|state| (state.is_ended(), state.kept_until())) {
            Some((false, _)) => {}
            Some((true, Some(until))) => kept::look_after(shared, &key, until, in_engine.contains(&key)).await,
            Some((true, None)) | None => {
                tracing::info!(job = %key, "releasing what an ended job left behind");
                shared.release(&key).await;
            }
        }
    }
    Ok(())
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
