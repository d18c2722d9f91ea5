//! Schedules: a task that waits for the next one that is due and answers it.
//!
//! **Invariants:** when a time is due is the store's word alone, so nothing is forgotten by a restart; a clock that jumps (or a machine that slept) is
//! noticed within [`LOOK_MS`](limits::CLOCK_LOOK_MS).

use std::sync::Arc;
use std::time::Duration;

use crate::base::{Timestamp, limits};
use crate::store;

use super::handle::Shared;
use super::intake;

/// After a store that failed.
const AGAIN: Duration = Duration::from_secs(5);

/// Answers schedules until the server ends.
pub(super) async fn watch(shared: Arc<Shared>) {
    let (started, ending) = (shared.clock.now(), shared.tasks.ending.clone());
    loop {
        let wait = match answer_once(&shared, started).await {
            Ok(next) => {
                let most = Duration::from_millis(limits::CLOCK_LOOK_MS);
                next.map_or(most, |at| at.until(shared.clock.now()).saturating_add(Duration::from_millis(1)).min(most))
            }
            Err(error) => {
                tracing::error!(%error, "a schedule could not be answered; trying again");
                AGAIN
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shared.timer.notified() => {}
            () = ending.cancelled() => return,
        }
    }
}

/// Answers all that is due; tells when the next one is.
async fn answer_once(shared: &Arc<Shared>, started: Timestamp) -> Result<Option<Timestamp>, store::Error> {
    let now = shared.clock.now();
    for schedule in shared.store.due_schedules(now).await? {
        let Some(due_at) = schedule.next_at else { continue };
        tracing::info!(file = %schedule.file, name = %schedule.name, %due_at, "a schedule is due");
        intake::fire(shared, schedule, due_at, due_at < started).await?;
    }
    shared.store.next_schedule().await
}
