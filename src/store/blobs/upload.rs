//! Writing one object: at once when it is small, else part by part while the rest is still being compressed.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path as Location;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use tokio::task::JoinHandle;

use super::held::WrittenObject;
use super::{Error, Inner};
use crate::base::BlobId;

/// A part. S3 takes none below 5 MiB, and 10,000 of them.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// Parts on their way at the same time.
const PARTS: usize = 2;

/// One object under way. Dropped unfinished, nothing of it stays.
pub(super) struct Upload<'a> {
    inner: &'a Arc<Inner>,
    object: Option<WrittenObject>,
    location: Location,
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
    parts: Option<Box<dyn MultipartUpload>>,
    under_way: VecDeque<JoinHandle<object_store::Result<()>>>,
}

impl<'a> Upload<'a> {
    pub fn new(inner: &'a Arc<Inner>) -> Self {
        let id = BlobId::new(&inner.clock);
        let location = inner.location(&id);
        let object = Some(inner.held.writing(id));
        let (waiting, under_way) = (Vec::new(), VecDeque::new());
        Self { inner, object, location, waiting, waiting_bytes: 0, parts: None, under_way }
    }

    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.waiting_bytes += bytes.len();
        self.waiting.push(bytes);
        if self.waiting_bytes >= PART_BYTES { self.send_part().await } else { Ok(()) }
    }

    async fn send_part(&mut self) -> Result<(), Error> {
        let parts = match &mut self.parts {
            Some(parts) => parts,
            none => {
                let begun = self.inner.objects.put_multipart(&self.location).await;
                none.insert(begun.map_err(|error| self.inner.trouble(CANNOT, error))?)
            }
        };
        let part = parts.put_part(std::mem::take(&mut self.waiting).into_iter().collect::<PutPayload>());
        self.waiting_bytes = 0;
        self.under_way.push_back(self.inner.tasks.spawn(part));
        while self.under_way.len() > PARTS {
            self.wait_for_part().await?;
        }
        Ok(())
    }

    async fn wait_for_part(&mut self) -> Result<(), Error> {
        let Some(part) = self.under_way.pop_front() else { return Ok(()) };
        let sent = part.await.map_err(|error| Error::Value(format!("the writing of a blob broke: {error}")))?;
        sent.map_err(|error| self.inner.trouble(CANNOT, error))
    }

    /// It is complete, and survives what may come.
    pub async fn finish(mut self) -> Result<WrittenObject, Error> {
        if self.parts.is_some() {
            if !self.waiting.is_empty() {
                self.send_part().await?;
            }
            while !self.under_way.is_empty() {
                self.wait_for_part().await?;
            }
            if let Some(parts) = &mut self.parts {
                let done = parts.complete().await;
                done.map_err(|error| self.inner.trouble(CANNOT, error))?;
            }
            self.parts = None;
        } else {
            let payload = std::mem::take(&mut self.waiting).into_iter().collect::<PutPayload>();
            let done = self.inner.objects.put(&self.location, payload).await;
            done.map_err(|error| self.inner.trouble(CANNOT, error))?;
        }
        self.object.take().ok_or_else(|| Error::Value("a blob was written twice".to_owned()))
    }

    /// It is not needed.
    pub async fn abandon(mut self) {
        if let Some(parts) = self.parts.take() {
            let under_way = std::mem::take(&mut self.under_way);
            abort(parts, under_way).await;
        }
    }
}

const CANNOT: &str = "a blob cannot be written";

/// After the parts that are on their way, which would else come too late to be removed.
async fn abort(mut parts: Box<dyn MultipartUpload>, under_way: VecDeque<JoinHandle<object_store::Result<()>>>) {
    for part in under_way {
        // Whether it arrived does not matter any more.
        let _ = part.await;
    }
    if let Err(error) = parts.abort().await {
        tracing::debug!(%error, "an upload that is not needed could not be taken back");
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            let under_way = std::mem::take(&mut self.under_way);
            self.inner.tasks.spawn(abort(parts, under_way));
        }
    }
}

impl Inner {
    /// Removes an object that no row names. What fails is left to the sweep.
    pub(super) async fn remove_object(&self, id: &BlobId) -> bool {
        match self.objects.delete(&self.location(id)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => true,
            Err(error) => {
                tracing::warn!(%error, place = %self.place, "a blob that nobody needs could not be removed; it is swept later");
                false
            }
        }
    }
}
