//! Content goes out, from any byte on: the frames that hold it are fetched and decompressed a few at a time, ahead of the reader.
//!
//! **Invariant:** what differs from what was stored is an error of the stream: each frame has its checksum, and a content that is read whole is held
//! against its hash.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStoreExt;
use sha2::{Digest, Sha256};

use super::frames::Frame;
use super::{Blob, Blobs, Bytestream, Inner};

/// Frames on their way at the same time.
const AHEAD: usize = 3;

impl Blobs {
    /// The whole content.
    #[must_use]
    pub fn read(&self, blob: &Blob) -> Bytestream {
        let inner = Arc::clone(&self.inner);
        let content = self.read_range(blob, 0..blob.size);
        let check = Check { hasher: Sha256::new(), hash: blob.hash.clone(), inner };
        let checked = stream::try_unfold((content, check), |(mut content, check)| async move {
            match content.try_next().await? {
                Some(piece) => {
                    let check = check.take(&piece).await?;
                    Ok(Some((piece, (content, check))))
                }
                None => check.end().map(|()| None),
            }
        });
        Box::pin(checked)
    }

    /// This range of the content, which must be within it.
    #[must_use]
    pub fn read_range(&self, blob: &Blob, range: Range<u64>) -> Bytestream {
        let inner = Arc::clone(&self.inner);
        let location = self.inner.location(&blob.object);
        let frames = blob.frames.holding(&range);
        let pieces = stream::iter(frames).map(move |frame| {
            let (inner, location, range) = (Arc::clone(&inner), location.clone(), range.clone());
            async move {
                let content = inner.fetch(&location, &frame).await?;
                let at = |byte: u64| usize::try_from(byte.saturating_sub(frame.content.start)).unwrap_or(usize::MAX);
                let cut = |byte: u64| at(byte).min(content.len());
                Ok::<Bytes, io::Error>(content.slice(cut(range.start)..cut(range.end)))
            }
        });
        Box::pin(pieces.buffered(AHEAD))
    }
}

impl Inner {
    async fn fetch(self: &Arc<Self>, location: &object_store::path::Path, frame: &Frame) -> io::Result<Bytes> {
        let stored = self.objects.get_range(location, frame.stored.clone()).await;
        let stored = stored.map_err(|error| io::Error::other(self.trouble("a blob cannot be read", error).to_string()))?;
        let size = usize::try_from(frame.content.end - frame.content.start).unwrap_or(usize::MAX);
        let content = self.compute(size, move |inner| inner.packers.unpack(&stored, size)).await.map_err(io::Error::other)?;
        content.map(Bytes::from).map_err(|error| io::Error::other(format!("a blob in {} is damaged: {error}", self.place)))
    }
}

/// Holds what is read against its hash.
struct Check {
    hasher: Sha256,
    hash: String,
    inner: Arc<Inner>,
}

impl Check {
    async fn take(self, piece: &Bytes) -> io::Result<Self> {
        let Self { mut hasher, hash, inner } = self;
        let piece = piece.clone();
        let hashed = inner.compute(piece.len(), move |_| {
            hasher.update(&piece);
            hasher
        });
        let hasher = hashed.await.map_err(io::Error::other)?;
        Ok(Self { hasher, hash, inner })
    }

    fn end(self) -> io::Result<()> {
        if hex::encode(self.hasher.finalize()) == self.hash {
            return Ok(());
        }
        Err(io::Error::other(format!("a blob in {} is not what was stored there", self.inner.place)))
    }
}
