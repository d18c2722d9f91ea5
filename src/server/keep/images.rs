//! Images that this instance pulled, within their budget: the least recently used go.
//!
//! **Invariants:** only what our own pull brought is removed, and never once it has a name that we did not give it; never what a container was made of,
//! or what a run that has not ended names; never by force. What is removed too early is pulled again by whoever needs it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::base::{Size, Timestamp};
use crate::executor::{Executor, Layer, PulledImage, Stock, StockedImage};
use crate::run::Run;
use crate::server::fleet::Engine;
use crate::server::handle::Shared;
use crate::store::{self, KeptImage};

/// Writes down each pull as it is told of, until the server ends.
pub(in crate::server) async fn record_pulls(shared: Arc<Shared>, on: Arc<Engine>) {
    let ending = shared.tasks.ending.clone();
    loop {
        let pulled = tokio::select! {
            pulled = on.executor.pulled() => pulled,
            () = ending.cancelled() => return,
        };
        let PulledImage { engine, id, names, is_new, at } = pulled;
        let image = KeptImage { engine, id, names, pulled_at: at, used_at: at };
        if let Err(error) = shared.store.image_pulled(&image, is_new).await {
            tracing::warn!(image = image.id, %error, "a pulled image is not written down, and so never removed again");
        }
    }
}

/// Removes images of each engine while all that we pulled there are larger together than they may be.
pub(super) async fn evict_images(shared: &Shared) -> Result<(), store::Error> {
    let kept = shared.store.images().await?;
    if kept.is_empty() {
        return Ok(());
    }
    let wanted = shared.store.unfinished().await?.iter().flat_map(named).collect();
    for engine in shared.fleet.iter() {
        evict_of(shared, &*engine.executor, kept.clone(), &wanted).await?;
    }
    Ok(())
}

async fn evict_of(
    shared: &Shared,
    executor: &dyn Executor,
    kept: Vec<KeptImage>,
    wanted: &BTreeSet<String>,
) -> Result<(), store::Error> {
    let ids = kept.iter().map(|image| image.id.clone()).collect();
    let stock = match executor.stock(&ids, wanted).await {
        Ok(Some(stock)) => stock,
        Ok(None) => return Ok(()),
        Err(failure) => {
            tracing::debug!(%failure, "images are not looked at now; the next round tries again");
            return Ok(());
        }
    };
    let held = take_stock(shared, kept, stock).await?;
    let budget = shared.config.keep.images;
    for at in choose(&held, budget) {
        let Held { row, .. } = &held[at];
        match executor.remove_image(&row.id, &row.names).await {
            Ok(true) => {
                let name = row.names.first().map_or(row.id.as_str(), String::as_str);
                tracing::info!(image = name, budget = %Size(budget), "an image went: it was not used for the longest time");
                shared.store.forget_image(&row.engine, &row.id).await?;
            }
            Ok(false) => tracing::debug!(image = row.id, "an image stays: it is needed after all"),
            Err(failure) => tracing::warn!(image = row.id, %failure, "an image could not be removed; the next round tries again"),
        }
    }
    Ok(())
}

/// Every image that a run which has not ended is known to need.
fn named(run: &Run) -> BTreeSet<String> {
    let jobs = run.plan.jobs.iter();
    let of_job = |job: &crate::pipeline::JobPlan| {
        let steps = job.steps.iter().filter_map(|step| Some(step.image.as_ref()?.fixed()?.to_owned()));
        steps.chain(job.services.iter().map(|service| service.image.clone())).collect::<Vec<_>>()
    };
    jobs.flat_map(of_job).collect()
}

/// A row and what the engine says of it.
struct Held {
    row: KeptImage,
    layers: Vec<Layer>,
    used_at: Timestamp,
    is_needed: bool,
}

/// Brings the rows of the engine that was asked up to what it says. Rows of other engines are left alone.
async fn take_stock(shared: &Shared, kept: Vec<KeptImage>, stock: Stock) -> Result<Vec<Held>, store::Error> {
    let mut images: HashMap<String, StockedImage> = stock.images.into_iter().map(|image| (image.id.clone(), image)).collect();
    let mut held = Vec::new();
    for row in kept.into_iter().filter(|row| row.engine == stock.engine) {
        let image = images.remove(&row.id).filter(|image| image.names.is_subset(&row.names));
        let Some(StockedImage { id: _, names: _, layers, is_needed, used_at }) = image else {
            // Somebody removed it, or gave it a name: it is theirs now.
            shared.store.forget_image(&row.engine, &row.id).await?;
            continue;
        };
        let used_at = used_at.unwrap_or(row.used_at).max(row.used_at);
        if used_at > row.used_at {
            shared.store.image_used(&row.engine, &row.id, used_at).await?;
        }
        held.push(Held { row, layers, used_at, is_needed });
    }
    Ok(held)
}

/// Which go, the least recently used first, until the others fit. One whose layers all belong to others too stays: nothing is gained by it.
fn choose(held: &[Held], budget: u64) -> Vec<usize> {
    let mut layers: BTreeMap<u64, (u64, usize)> = BTreeMap::new();
    for layer in held.iter().flat_map(|image| &image.layers) {
        layers.entry(layer.key).or_insert((layer.bytes, 0)).1 += 1;
    }
    let mut total: u64 = layers.values().map(|(bytes, _)| bytes).sum();
    let mut order: Vec<usize> = (0..held.len()).filter(|at| !held[*at].is_needed).collect();
    order.sort_by_key(|at| held[*at].used_at);
    let mut going = Vec::new();
    while total > budget {
        let alone =
            |at: usize| held[at].layers.iter().filter(|layer| layers[&layer.key].1 == 1).map(|layer| layer.bytes).sum::<u64>();
        let Some(next) = order.iter().position(|at| alone(*at) > 0) else { break };
        let at = order.remove(next);
        total -= alone(at);
        for layer in &held[at].layers {
            if let Some((_, users)) = layers.get_mut(&layer.key) {
                *users -= 1;
            }
        }
        going.push(at);
    }
    going
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image of these layers, as key and bytes.
    fn image(used_at: i64, layers: &[(u64, u64)]) -> Held {
        let (engine, id) = ("e".to_owned(), format!("sha256:{used_at}"));
        let row = KeptImage { engine, id, names: BTreeSet::new(), pulled_at: Timestamp(0), used_at: Timestamp(used_at) };
        let layers = layers.iter().map(|(key, bytes)| Layer { key: *key, bytes: *bytes }).collect();
        Held { row, layers, used_at: Timestamp(used_at), is_needed: false }
    }

    #[test]
    fn the_least_recently_used_go_until_the_others_fit() {
        let held = [image(3, &[(1, 10)]), image(1, &[(2, 10)]), image(2, &[(3, 10)])];
        assert_eq!(choose(&held, 30), [0; 0]);
        assert_eq!(choose(&held, 29), [1]);
        assert_eq!(choose(&held, 20), [1]);
        assert_eq!(choose(&held, 19), [1, 2]);
        assert_eq!(choose(&held, 0), [1, 2, 0]);
    }

    #[test]
    fn what_is_needed_stays_and_counts() {
        let mut held = [image(1, &[(1, 10)]), image(2, &[(2, 10)]), image(3, &[(3, 10)])];
        held[0].is_needed = true;
        assert_eq!(choose(&held, 20), [1]);
        assert_eq!(choose(&held, 5), [1, 2]);
        held.iter_mut().for_each(|image| image.is_needed = true);
        assert_eq!(choose(&held, 0), [0; 0]);
    }

    #[test]
    fn a_layer_counts_once_and_goes_with_the_last_that_has_it() {
        let held = [image(1, &[(9, 100)]), image(2, &[(9, 100), (1, 5)]), image(3, &[(9, 100), (2, 5)])];
        assert_eq!(choose(&held, 110), [0; 0], "110 together");
        assert_eq!(choose(&held, 109), [1], "the oldest alone would free nothing");
        assert_eq!(choose(&held, 104), [1, 2]);
        assert_eq!(choose(&held, 99), [1, 2, 0]);
    }
}
