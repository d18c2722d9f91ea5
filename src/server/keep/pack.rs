//! Logs that are complete are compressed, one after another, when nobody is likely to have another word to say in them.

use std::sync::Arc;
use std::time::Duration;

use crate::server::handle::Shared;

/// From a log's end until it is compressed, at least: what is said of it once its job has ended mostly comes before.
const WAIT: Duration = Duration::from_secs(60);

/// Compresses what there is until the server ends.
pub(in crate::server) async fn pack_logs(shared: Arc<Shared>) {
    let ending = shared.tasks.ending.clone();
    loop {
        let logs = shared.store.logs().clone();
        let Ok(found) = shared.tasks.spawn_blocking(move || logs.to_pack()).await else { return };
        let found = found.unwrap_or_else(|error| {
            tracing::warn!(%error, "what logs are to be compressed could not be seen; the next start looks again");
            Vec::new()
        });
        tokio::select! {
            () = tokio::time::sleep(WAIT) => {}
            () = ending.cancelled() => return,
        }
        for key in found {
            if ending.is_cancelled() {
                return;
            }
            let (logs, of) = (shared.store.logs().clone(), key.clone());
            match shared.tasks.spawn_blocking(move || logs.pack(&of)).await {
                Ok(Ok(_)) => {}
                // Its run may have been removed meanwhile.
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
                Ok(Err(error)) => tracing::warn!(log = %key, %error, "a log could not be compressed and stays as it is"),
                Err(_) => return,
            }
        }
    }
}
