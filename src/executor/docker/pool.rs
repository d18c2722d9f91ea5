//! A few sandboxes made ahead, so that a job's first step does not wait for a network namespace.
//!
//! **Invariants:** one that was taken is its job's alone and goes with it: none ever comes back; nothing of a job is in one before it is taken, for labels
//! cannot be changed afterwards, so its *name* says whose it is from then on; those that nobody took go with the server, or, if it was killed, when the
//! next one starts. New ones are made while nothing else starts: they are to save time, not to cost it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::RenameContainerOptionsBuilder;
use futures_util::future::join_all;
use tokio::sync::Notify;

use super::trouble::Trouble;
use super::{Ahead, Inner, container, names, release, sandbox};
use crate::base::{JobKey, random_hex};

/// Nothing has been started for so long: the machine has time for what is not urgent.
const CALM: Duration = Duration::from_millis(300);
/// A pool that is empty on a machine which is never calm is filled all the same.
const PATIENCE: u32 = 30;
/// Until it is tried again to make one.
const AGAIN: Duration = Duration::from_secs(5);

/// Ready sandboxes of one engine.
#[derive(Default)]
pub(super) struct Pool {
    wanted: OnceLock<Ahead>,
    /// Their names.
    ready: Mutex<Vec<String>>,
    taken: Notify,
    begun: AtomicBool,
}

impl Pool {
    /// Said once, before the engine is asked for anything.
    pub(super) fn want(&self, ahead: Ahead) {
        // A second word changes nothing.
        let _ = self.wanted.set(ahead);
    }

    pub(super) fn parks(&self) -> Option<u32> {
        self.wanted.get()?.park
    }

    fn ready(&self) -> MutexGuard<'_, Vec<String>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The engine answers: keeps the pool full from now on.
pub(super) fn begin(inner: &Arc<Inner>) {
    let wanted = inner.pool.wanted.get().map_or(0, |wanted| wanted.sandboxes);
    if wanted > 0 && !inner.pool.begun.swap(true, Ordering::Relaxed) {
        inner.tasks.spawn(keep(Arc::clone(inner)));
    }
}

/// Gives a job one of the pool: false when there is none for it, and it makes its own.
pub(super) async fn take(inner: &Inner, job: &JobKey) -> Result<bool, Trouble> {
    if inner.network.trusted(&inner.engine).await?.is_none() {
        return Ok(false);
    }
    let Some(spare) = inner.pool.ready().pop() else { return Ok(false) };
    inner.pool.taken.notify_one();
    let name = names::sandbox_name(&inner.instance, job);
    let name_now = spare.as_str();
    let options = RenameContainerOptionsBuilder::new().name(&name).build();
    let renamed = inner.engine.ask(|client| async move { client.rename_container(name_now, options).await }).await;
    match renamed {
        Ok(()) => Ok(true),
        // The job has one, of an earlier start; or this one is gone.
        Err(Trouble::Refused { .. }) => {
            release::remove_container(&inner.engine, &spare).await?;
            Ok(false)
        }
        Err(unreachable) => Err(unreachable),
    }
}

/// Until the server ends.
async fn keep(inner: Arc<Inner>) {
    let ending = inner.tasks.ending.clone();
    let filling = async {
        loop {
            if let Err(trouble) = fill(&inner).await {
                tracing::debug!(?trouble, "no sandbox could be made ahead; it is tried again");
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            inner.pool.taken.notified().await;
        }
    };
    tokio::select! {
        () = filling => {}
        () = ending.cancelled() => {}
    }
    // One that was being made just now is found by its name as well.
    if let Err(trouble) = remove_untaken(&inner).await {
        tracing::debug!(?trouble, "sandboxes that nobody took stay until the next start");
    }
}

async fn fill(inner: &Inner) -> Result<(), Trouble> {
    let Some(Ahead { park: _, sandboxes, home }) = inner.pool.wanted.get() else { return Ok(()) };
    if inner.pool.ready().is_empty() {
        // Of an earlier life, or of an attempt that broke.
        remove_untaken(inner).await?;
    }
    while inner.pool.ready().len() < *sandboxes as usize {
        for _ in 0..PATIENCE {
            let before = inner.starts.count();
            tokio::time::sleep(CALM).await;
            if inner.starts.count() == before && inner.starts.are_idle() {
                break;
            }
        }
        let Some(network) = inner.network.trusted(&inner.engine).await? else { return Ok(()) };
        let name = names::pool_name(&inner.instance, &random_hex(8));
        let body = ContainerCreateBody {
            hostname: Some(sandbox::HOSTNAME.to_owned()),
            labels: Some(names::pool_labels(&inner.instance, home)),
            host_config: Some(HostConfig {
                network_mode: Some(network),
                readonly_rootfs: Some(true),
                ..container::hardened(&[])
            }),
            ..sandbox::idle()
        };
        sandbox::create_named(&inner.engine, &name, &body).await?;
        if let Err(trouble) = sandbox::start(&inner.engine, &name).await {
            if trouble.is(404) {
                // The network was removed behind our back.
                inner.network.forget();
            }
            return Err(trouble);
        }
        inner.pool.ready().push(name);
    }
    Ok(())
}

/// Removes those of this instance that bear no job's name.
async fn remove_untaken(inner: &Inner) -> Result<(), Trouble> {
    inner.pool.ready().clear();
    let labels = [(names::INSTANCE, Some(inner.instance.as_str())), (names::POOL, None)];
    let found = release::list(&inner.engine, &labels).await?;
    let names = found.into_iter().filter_map(|container| names::name_of(&container));
    let untaken: Vec<String> = names.filter(|name| names::is_untaken(&inner.instance, name)).collect();
    for removed in join_all(untaken.iter().map(|name| release::remove_container(&inner.engine, name))).await {
        removed?;
    }
    Ok(())
}
