//! Images that were pulled here: told of, looked at, removed.
//!
//! **Invariants:** what is told of is what was not there before the pull; nothing is removed by force, so the engine itself refuses what a container or
//! another image needs; nothing is removed that has a name which is not among those given.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use bollard::models::{ImageHistoryResponseItem, ImageInspect};
use bollard::query_parameters::{ListContainersOptionsBuilder, ListImagesOptions, RemoveImageOptions};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Inner;
use super::engine::Engine;
use super::image::inspect;
use super::trouble::Trouble;
use crate::base::Timestamp;
use crate::executor::{Layer, PulledImage, Stock, StockedImage};

/// Names whose last use is remembered, at most.
const USED: usize = 10_000;
/// What the engine writes for an image without a name.
const NONE: &str = "<none>";

/// What this process did with images.
pub(super) struct Uses {
    last: Mutex<BTreeMap<String, Timestamp>>,
    tell: UnboundedSender<PulledImage>,
    told: tokio::sync::Mutex<UnboundedReceiver<PulledImage>>,
}

impl Default for Uses {
    fn default() -> Self {
        let (tell, told) = unbounded_channel();
        Self { last: Mutex::default(), tell, told: tokio::sync::Mutex::new(told) }
    }
}

impl Uses {
    /// A step or service runs in it.
    pub(super) fn note(&self, image: &str, now: Timestamp) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.insert(image.to_owned(), now);
        if last.len() > USED
            && let Some(oldest) = last.iter().min_by_key(|(_, at)| **at).map(|(name, _)| name.clone())
        {
            last.remove(&oldest);
        }
    }

    fn all(&self) -> BTreeMap<String, Timestamp> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The next image that was pulled.
    pub(super) async fn pulled(&self) -> PulledImage {
        match self.told.lock().await.recv().await {
            Some(pulled) => pulled,
            // Whoever could tell of another is gone, and this with it.
            None => std::future::pending().await,
        }
    }
}

/// The images of an engine with their names, before a pull.
pub(super) struct Before(BTreeMap<String, BTreeSet<String>>);

/// Looks at what is there. `None` where that cannot be told: then nothing that comes is ours.
pub(super) async fn before(engine: &Engine) -> Option<Before> {
    let all = ListImagesOptions { all: true, ..ListImagesOptions::default() };
    let images = engine.ask(|client| async move { client.list_images(Some(all)).await }).await.ok()?;
    Some(Before(
        images.into_iter().map(|image| (image.id, real(image.repo_tags.into_iter().chain(image.repo_digests)))).collect(),
    ))
}

/// Tells of a pull that went well.
pub(super) async fn tell(inner: &Inner, before: Option<Before>, image: ImageInspect) {
    let (Some(Before(before)), Ok(link), Some(id)) = (before, inner.engine.link().await, image.id.clone()) else { return };
    let earlier = before.get(&id);
    let names = names_of(&image).into_iter().filter(|name| earlier.is_none_or(|earlier| !earlier.contains(name))).collect();
    let pulled = PulledImage { engine: link.id, id, names, is_new: earlier.is_none(), at: inner.clock.now() };
    // The other end lives as long as this one.
    let _ = inner.uses.tell.send(pulled);
}

fn real(names: impl Iterator<Item = String>) -> BTreeSet<String> {
    names.filter(|name| !name.contains(NONE)).collect()
}

fn names_of(image: &ImageInspect) -> BTreeSet<String> {
    let (tags, digests) = (image.repo_tags.iter().flatten(), image.repo_digests.iter().flatten());
    real(tags.chain(digests).cloned())
}

/// What the engine has of the images with these ids. `wanted` are names.
pub(super) async fn stock(inner: &Inner, ids: &BTreeSet<String>, wanted: &BTreeSet<String>) -> Result<Stock, Trouble> {
    let engine = &inner.engine;
    let link = engine.link().await?;
    let mut needed = HashSet::new();
    for name in wanted {
        needed.extend(inspect(engine, name).await?.and_then(|image| image.id));
    }
    let mut used: BTreeMap<String, Timestamp> = BTreeMap::new();
    for (name, at) in inner.uses.all() {
        if let Some(id) = inspect(engine, &name).await?.and_then(|image| image.id) {
            let last = used.entry(id).or_insert(at);
            *last = at.max(*last);
        }
    }
    let mut images = Vec::new();
    for id in ids {
        let Some(image) = inspect(engine, id).await? else { continue };
        let history = match engine.ask(|client| async move { client.image_history(id).await }).await {
            Ok(history) => history,
            Err(trouble) if trouble.is(404) => continue,
            Err(trouble) => return Err(trouble),
        };
        let (names, used_at, is_needed) = (names_of(&image), used.get(id).copied(), needed.contains(id));
        let contents = image.root_fs.and_then(|root| root.layers).unwrap_or_default();
        images.push(StockedImage { id: id.clone(), names, layers: layers(&history, &contents), is_needed, used_at });
    }
    // Asked last: what began meanwhile is seen.
    let all = ListContainersOptionsBuilder::new().all(true).build();
    let containers = engine.ask(|client| async move { client.list_containers(Some(all)).await }).await?;
    let held: HashSet<String> = containers.into_iter().filter_map(|container| container.image_id).collect();
    for image in &mut images {
        image.is_needed |= held.contains(&image.id);
    }
    Ok(Stock { engine: link.id, images })
}

/// Two images share what is the same from the lowest layer on. The engine tells the sizes of layers in the history alone, newest first, and what is in
/// them (from the lowest) elsewhere: where the two do not go together, layers that were made alike in the same second count as one.
fn layers(history: &[ImageHistoryResponseItem], contents: &[String]) -> Vec<Layer> {
    let sized: Vec<_> = history.iter().rev().filter(|item| item.size > 0).collect();
    let known = if sized.len() == contents.len() { contents } else { &[] };
    let mut hasher = DefaultHasher::new();
    let layer = |(at, item): (usize, &ImageHistoryResponseItem)| {
        match known.get(at) {
            Some(content) => content.hash(&mut hasher),
            None => (item.created, &item.created_by, item.size).hash(&mut hasher),
        }
        Layer { key: hasher.finish(), bytes: u64::try_from(item.size).unwrap_or(0) }
    };
    sized.into_iter().enumerate().map(layer).collect()
}

/// Removes an image that has none but these names, and all of them; `false` when it is needed after all.
pub(super) async fn remove(engine: &Engine, id: &str, ours: &BTreeSet<String>) -> Result<bool, Trouble> {
    let Some(image) = inspect(engine, id).await? else { return Ok(true) };
    if !names_of(&image).is_subset(ours) {
        return Ok(false);
    }
    // With the last name of a repository the contents go, and the digests with them.
    let tags = real(image.repo_tags.into_iter().flatten());
    for name in tags.iter().map(String::as_str).chain([id]) {
        let gone = engine.ask(|client| async move { client.remove_image(name, None::<RemoveImageOptions>, None).await }).await;
        match gone {
            Ok(_) => {}
            Err(trouble) if trouble.is(404) => {}
            Err(trouble) if trouble.is(409) => return Ok(false),
            Err(trouble) => return Err(trouble),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(created: i64, by: &str, size: i64) -> ImageHistoryResponseItem {
        ImageHistoryResponseItem { created, created_by: by.to_owned(), size, ..ImageHistoryResponseItem::default() }
    }

    #[test]
    fn images_share_what_they_begin_with_and_nothing_after_it() {
        let base = [item(1, "ADD rootfs", 100), item(2, "CMD sh", 0)];
        let one: Vec<_> = [item(3, "RUN one", 7), base[1].clone(), base[0].clone()].to_vec();
        let two: Vec<_> = [item(5, "RUN three", 9), item(4, "RUN two", 8), base[1].clone(), base[0].clone()].to_vec();
        let (one, two) = (layers(&one, &[]), layers(&two, &[]));
        assert_eq!(one.iter().map(|layer| layer.bytes).collect::<Vec<_>>(), [100, 7]);
        assert_eq!(two.iter().map(|layer| layer.bytes).collect::<Vec<_>>(), [100, 8, 9]);
        assert_eq!(one[0], two[0]);
        assert!(one[1..].iter().all(|layer| !two.contains(layer)));
        // What is in them decides, where it is known.
        let made = |content: &str| layers(&[item(3, "RUN one", 7)], &[content.to_owned()])[0];
        assert_eq!(made("sha256:a"), made("sha256:a"));
        assert_ne!(made("sha256:a"), made("sha256:b"));
        // The same command on another base is another layer.
        assert_ne!(layers(&[item(3, "RUN one", 7)], &[])[0].key, one[1].key);
    }

    #[test]
    fn the_least_recent_use_is_forgotten_first() {
        let uses = Uses::default();
        for n in 0..=USED {
            uses.note(&format!("i:{n}"), Timestamp(if n == 5 { -1 } else { n as i64 }));
        }
        assert_eq!(uses.all().len(), USED);
        assert!(!uses.all().contains_key("i:5"));
    }
}
