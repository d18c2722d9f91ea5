//! What is on its way: contents that somebody holds, and objects that are being written.
//!
//! **Invariants:** there is at most one [`Kept`] for each content; whether a content is stored is looked up, and held if it is, behind the same
//! gate that collecting closes, so what is found is not collected while it is held.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::frames::Frames;
use crate::base::BlobId;

/// Everything held. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Held {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    contents: Mutex<HashMap<String, Weak<Kept>>>,
    objects: Mutex<HashSet<BlobId>>,
    gate: RwLock<()>,
}

/// A content that is stored and is not collected while this value lives: time to write a row that names it.
pub struct Kept {
    /// SHA-256 of the content, as hex.
    pub hash: String,
    /// Bytes of content.
    pub size: u64,
    /// Bytes as they are stored.
    pub stored: u64,
    /// Its row is not written yet.
    pub(super) new: Option<NewBlob>,
    held: Held,
}

/// What the row of a new content says besides.
pub(super) struct NewBlob {
    pub object: WrittenObject,
    pub frames: Frames,
}

/// An object that no sweep takes for left over while this value lives.
pub(super) struct WrittenObject {
    pub id: BlobId,
    held: Held,
}

impl Held {
    /// Holds off collecting, for a moment.
    pub async fn look(&self) -> RwLockReadGuard<'_, ()> {
        self.shared.gate.read().await
    }

    /// Waits until nobody looks, and lets nobody look.
    pub async fn close(&self) -> RwLockWriteGuard<'_, ()> {
        self.shared.gate.write().await
    }

    /// The content, if somebody holds it.
    pub fn content(&self, hash: &str) -> Option<Arc<Kept>> {
        self.contents().get(hash).and_then(Weak::upgrade)
    }

    /// Holds a content, unless somebody does already: then that is the answer, and what was handed in goes back.
    pub fn hold(&self, hash: String, size: u64, stored: u64, new: Option<NewBlob>) -> (Arc<Kept>, Option<NewBlob>) {
        let mut contents = self.contents();
        if let Some(kept) = contents.get(&hash).and_then(Weak::upgrade) {
            return (kept, new);
        }
        let kept = Arc::new(Kept { hash: hash.clone(), size, stored, new, held: self.clone() });
        contents.insert(hash, Arc::downgrade(&kept));
        (kept, None)
    }

    /// An object is about to be written under this name.
    pub fn writing(&self, id: BlobId) -> WrittenObject {
        self.objects().insert(id.clone());
        WrittenObject { id, held: self.clone() }
    }

    /// Whether this object is on its way.
    pub fn has_object(&self, id: &BlobId) -> bool {
        self.objects().contains(id)
    }

    fn contents(&self) -> MutexGuard<'_, HashMap<String, Weak<Kept>>> {
        self.shared.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn objects(&self) -> MutexGuard<'_, HashSet<BlobId>> {
        self.shared.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut contents = self.held.contents();
        // Another may be held under the same name by now.
        if contents.get(&self.hash).is_some_and(|kept| kept.strong_count() == 0) {
            contents.remove(&self.hash);
        }
    }
}

impl Drop for WrittenObject {
    fn drop(&mut self) {
        self.held.objects().remove(&self.id);
    }
}
