//! Caches into a container, before it starts.
//!
//! **Invariant:** nothing here fails a step: what cannot be looked up or read is told in the step's log, and the step starts without it.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;

use super::Keep;
use super::cache::{Place, TRUSTED, Wish};
use crate::base::{RepoId, Size, Timestamp, ago};
use crate::executor::{Archive, ByteStream};
use crate::store::{Blob, Blobs, Cache, Error};

/// One path of a cache.
struct Part {
    blobs: Blobs,
    blob: Blob,
    into: String,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part").field("into", &self.into).field("blob", &self.blob).finish_non_exhaustive()
    }
}

#[async_trait]
impl Archive for Part {
    fn into(&self) -> &str {
        &self.into
    }

    async fn open(&self) -> io::Result<ByteStream> {
        Ok(self.blobs.read(&self.blob))
    }
}

/// What goes into the container, and what to say in the step's log.
#[derive(Default)]
pub(super) struct Restored {
    pub archives: Vec<Arc<dyn Archive>>,
    pub lines: Vec<String>,
}

/// Looks the caches up that a step asks for.
pub(super) async fn restore(keep: &Keep, repo: &RepoId, scope: &str, wishes: &[Wish], now: Timestamp) -> Restored {
    let mut restored = Restored::default();
    for wish in wishes {
        match one(keep, repo, scope, wish, now, &mut restored.archives).await {
            Ok(line) => restored.lines.push(line),
            Err(error) => {
                tracing::warn!(key = %wish.key, %error, "a cache cannot be restored");
                restored.lines.push(format!("cache `{}` cannot be restored: {error}", wish.key));
            }
        }
    }
    restored
}

async fn one(
    keep: &Keep,
    repo: &RepoId,
    scope: &str,
    wish: &Wish,
    now: Timestamp,
    archives: &mut Vec<Arc<dyn Archive>>,
) -> Result<String, Error> {
    let key = &wish.key;
    let Some(cache) = find(keep, repo, scope, wish).await? else {
        return Ok(format!("cache `{key}`: there is none yet"));
    };
    let store = keep.caches.store();
    let mut parts: Vec<Arc<dyn Archive>> = Vec::new();
    for part in store.cache_parts(&cache.id).await? {
        let place = Place::of(&part.path).map_err(Error::Value)?;
        let blob = keep.caches.find(&part.hash).await?;
        let blob = blob.ok_or_else(|| Error::Gone(format!("blob {}", part.hash)))?;
        parts.push(Arc::new(Part { blobs: keep.caches.clone(), blob, into: place.into }));
    }
    archives.extend(parts);
    store.cache_was_used(&cache.id, now).await?;
    let age = ago(now.ms_since(cache.made_at));
    let instead =
        if cache.key == *key { String::new() } else { format!("there is none yet; the newest like it is `{}`: ", cache.key) };
    Ok(format!("cache `{key}`: {instead}{}, made {age}", Size(cache.size)))
}

/// The cache of this very key; else the newest whose key begins as one of the others, the first of them that finds any.
pub(super) async fn find(keep: &Keep, repo: &RepoId, scope: &str, wish: &Wish) -> Result<Option<Cache>, Error> {
    if let Some(exact) = find_exact(keep, repo, scope, wish).await? {
        return Ok(Some(exact));
    }
    for prefix in &wish.restore {
        let found = keep.caches.store().newest_cache(repo, [scope, TRUSTED], prefix, &wish.paths).await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// One's own before the trusted one.
pub(super) async fn find_exact(keep: &Keep, repo: &RepoId, scope: &str, wish: &Wish) -> Result<Option<Cache>, Error> {
    let store = keep.caches.store();
    let own = store.cache_of(repo, scope, &wish.key, &wish.paths).await?;
    match own {
        None if scope != TRUSTED => store.cache_of(repo, TRUSTED, &wish.key, &wish.paths).await,
        own => Ok(own),
    }
}
