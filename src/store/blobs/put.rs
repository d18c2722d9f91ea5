//! Content comes in: cut into frames, hashed and compressed on all cores, stored once.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;

use super::frames::Frames;
use super::held::NewBlob;
use super::upload::Upload;
use super::{Blobs, Bytestream, Error, Inner, Kept};
use crate::base::Size;
use crate::base::limits::BLOB_FRAME_BYTES;

/// A content of at most this many bytes is hashed and compressed where it stands: handing it to another thread costs more.
const TINY_BYTES: usize = 16 * 1024;

/// Why a content was not stored. Nothing is left of it then.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// The content itself could not be read.
    #[error("{0}")]
    Content(io::Error),
    /// It has more bytes than it may have.
    #[error("it is larger than {}", Size(*.0))]
    TooLarge(u64),
    #[error(transparent)]
    Store(#[from] Error),
}

impl Blobs {
    /// Stores a content of at most `limit` bytes, unless it is stored already. It counts only once a row names it: until then it is held by the
    /// answer, and afterwards it goes by itself.
    pub async fn put(&self, content: Bytestream, limit: u64) -> Result<Arc<Kept>, PutError> {
        let inner = &self.inner;
        let mut pieces = Pieces { content, left: limit, limit, rest: Bytes::new() };
        let first = pieces.next().await?;
        if first.len() < BLOB_FRAME_BYTES {
            return self.put_small(first).await;
        }
        let mut work = Work::new(inner);
        work.take(first).await?;
        loop {
            let piece = pieces.next().await?;
            let is_last = piece.len() < BLOB_FRAME_BYTES;
            if !piece.is_empty() {
                work.take(piece).await?;
            }
            if is_last {
                return work.finish(self).await.map_err(PutError::Store);
            }
        }
    }

    /// Of a content that is in memory already it is known whether it is stored before anything is compressed or written.
    async fn put_small(&self, content: Bytes) -> Result<Arc<Kept>, PutError> {
        let inner = &self.inner;
        let size = content.len() as u64;
        let hashed = content.clone();
        let hash = inner.compute(content.len(), move |_| hex::encode(Sha256::digest(&hashed))).await?;
        if let Some(kept) = self.hold_stored(&hash).await? {
            return Ok(kept);
        }
        let mut upload = Upload::new(inner);
        let mut lengths = Vec::new();
        if !content.is_empty() {
            let packed = inner.compute(content.len(), move |inner| inner.packers.pack(&content)).await?;
            let packed =
                packed.map_err(|error| PutError::Store(Error::Value(format!("a content cannot be compressed: {error}"))))?;
            lengths.push(packed.len() as u64);
            upload.write(packed.into()).await?;
        }
        Ok(self.register(hash, size, &lengths, upload).await?)
    }

    /// Holds the content if it is stored or on its way.
    async fn hold_stored(&self, hash: &str) -> Result<Option<Arc<Kept>>, Error> {
        let held = &self.inner.held;
        let _look = held.look().await;
        if let Some(kept) = held.content(hash) {
            return Ok(Some(kept));
        }
        let found = self.find(hash).await?;
        Ok(found.map(|blob| held.hold(blob.hash, blob.size, blob.stored, None).0))
    }

    /// Ends the upload and holds the content as a new one, unless it has been stored meanwhile.
    async fn register(&self, hash: String, size: u64, lengths: &[u64], upload: Upload<'_>) -> Result<Arc<Kept>, Error> {
        if let Some(kept) = self.hold_stored(&hash).await? {
            upload.abandon().await;
            return Ok(kept);
        }
        let object = upload.finish().await?;
        let frames = Frames::read(size, BLOB_FRAME_BYTES as u64, lengths).map_err(Error::Value)?;
        let (kept, refused) = self.inner.held.hold(hash, size, lengths.iter().sum(), Some(NewBlob { object, frames }));
        if let Some(NewBlob { object, frames: _ }) = refused {
            self.inner.remove_object(&object.id).await;
        }
        Ok(kept)
    }
}

impl Inner {
    /// Computes something about `bytes` bytes, off the async threads if it takes long.
    pub(super) async fn compute<T: Send + 'static>(
        self: &Arc<Self>,
        bytes: usize,
        work: impl FnOnce(&Inner) -> T + Send + 'static,
    ) -> Result<T, Error> {
        if bytes <= TINY_BYTES {
            return Ok(work(self));
        }
        let inner = Arc::clone(self);
        self.tasks.spawn_blocking(move || work(&inner)).await.map_err(broke)
    }
}

fn broke(error: tokio::task::JoinError) -> Error {
    Error::Value(format!("the work on a blob broke: {error}"))
}

/// Content cut into pieces of a frame's length.
struct Pieces {
    content: Bytestream,
    limit: u64,
    left: u64,
    /// What came with the last chunk and belongs to the next piece.
    rest: Bytes,
}

impl Pieces {
    /// The next piece; one that is shorter than a frame is the last.
    async fn next(&mut self) -> Result<Bytes, PutError> {
        let mut piece = Vec::new();
        loop {
            let take = self.rest.len().min(BLOB_FRAME_BYTES - piece.len());
            if piece.is_empty() && take > 0 && take < BLOB_FRAME_BYTES {
                // One that holds no whole frame is likely to be a small file's only one.
                piece.reserve(take);
            }
            piece.extend_from_slice(&self.rest.split_to(take));
            if piece.len() == BLOB_FRAME_BYTES {
                return Ok(piece.into());
            }
            let Some(chunk) = self.content.next().await else { return Ok(piece.into()) };
            let chunk = chunk.map_err(PutError::Content)?;
            self.left = self.left.checked_sub(chunk.len() as u64).ok_or(PutError::TooLarge(self.limit))?;
            self.rest = chunk;
        }
    }
}

/// A large content under way.
struct Work<'a> {
    inner: &'a Arc<Inner>,
    upload: Upload<'a>,
    /// One at a time: a hash goes over the content in order.
    hashing: Option<JoinHandle<Sha256>>,
    packing: VecDeque<JoinHandle<io::Result<Vec<u8>>>>,
    width: usize,
    size: u64,
    lengths: Vec<u64>,
}

impl<'a> Work<'a> {
    fn new(inner: &'a Arc<Inner>) -> Self {
        let width = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8);
        let (hashing, packing) = (None, VecDeque::new());
        Self { inner, upload: Upload::new(inner), hashing, packing, width, size: 0, lengths: Vec::new() }
    }

    async fn take(&mut self, piece: Bytes) -> Result<(), Error> {
        self.size += piece.len() as u64;
        let mut hasher = match self.hashing.take() {
            Some(hashing) => hashing.await.map_err(broke)?,
            None => Sha256::new(),
        };
        let hashed = piece.clone();
        self.hashing = Some(self.inner.tasks.spawn_blocking(move || {
            hasher.update(&hashed);
            hasher
        }));
        let inner = Arc::clone(self.inner);
        self.packing.push_back(self.inner.tasks.spawn_blocking(move || inner.packers.pack(&piece)));
        while self.packing.len() >= self.width {
            self.write_next().await?;
        }
        Ok(())
    }

    async fn write_next(&mut self) -> Result<(), Error> {
        let Some(packing) = self.packing.pop_front() else { return Ok(()) };
        let packed = packing.await.map_err(broke)?;
        let packed = packed.map_err(|error| Error::Value(format!("a content cannot be compressed: {error}")))?;
        self.lengths.push(packed.len() as u64);
        self.upload.write(packed.into()).await
    }

    async fn finish(mut self, blobs: &Blobs) -> Result<Arc<Kept>, Error> {
        while !self.packing.is_empty() {
            self.write_next().await?;
        }
        let hasher = match self.hashing.take() {
            Some(hashing) => hashing.await.map_err(broke)?,
            None => Sha256::new(),
        };
        let hash = hex::encode(hasher.finalize());
        blobs.register(hash, self.size, &self.lengths, self.upload).await
    }
}
