//! What is over goes: artifacts whose time has come, caches past their quota, contents that nobody names, objects that a crash left behind;
//! and what [`disk`] and [`images`] tell.

use std::sync::Arc;
use std::time::Duration;

use super::{Keep, disk, images};
use crate::base::Size;
use crate::server::handle::Shared;
use crate::server::kept;
use crate::store;

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(10 * 60);
/// Rounds between two looks through all objects, of which there may be many: about a day.
const SWEEP_EVERY: u64 = 144;

/// Goes its rounds until the server ends.
pub(in crate::server) async fn tidy(shared: Arc<Shared>) {
    let ending = shared.tasks.ending.clone();
    for round in 0_u64.. {
        if let Err(error) = tidy_once(&shared, round.is_multiple_of(SWEEP_EVERY)).await {
            tracing::warn!(%error, "artifacts and caches could not be tidied; the next round tries again");
        }
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            () = ending.cancelled() => return,
        }
    }
}

async fn tidy_once(shared: &Arc<Shared>, sweep: bool) -> Result<(), store::Error> {
    let (keep, now) = (&shared.keep, shared.clock.now());
    keep.artifacts.store().expire_artifacts(now).await?;
    keep.evict(now).await?;
    let collected = keep.artifacts.collect().await?;
    if collected.blobs > 0 {
        tracing::info!(blobs = collected.blobs, bytes = %Size(collected.bytes), "removed what no artifact and no cache needs");
    }
    kept::measure(shared).await;
    kept::evict(shared).await;
    if shared.config.watch {
        disk::sweep_mirrors(shared).await?;
        disk::renew_mirrors(shared).await?;
        images::evict_images(shared).await?;
    }
    if sweep {
        if shared.config.watch {
            disk::sweep_logs(shared).await?;
        }
        let swept = keep.artifacts.sweep().await?;
        if swept > 0 {
            tracing::info!(blobs = swept, "removed what an earlier end had left half done");
        }
    }
    Ok(())
}

impl Keep {
    /// For a quota that has become smaller.
    async fn evict(&self, now: crate::base::Timestamp) -> Result<(), store::Error> {
        if !self.tidies_caches {
            return Ok(());
        }
        let store = self.caches.store();
        for repo in store.repos_with_caches().await? {
            for gone in store.evict_caches(&repo, self.quota, now).await? {
                tracing::info!(key = %gone.key, "a cache went: the repository's quota is used up");
            }
        }
        Ok(())
    }
}
