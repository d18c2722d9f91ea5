//! Contents of artifacts and caches: compressed, addressed by their SHA-256, equal ones stored once; in a directory, or with what speaks S3.
//!
//! | File | What |
//! |---|---|
//! | `place` | where objects are, and how that is opened |
//! | `frames`, `pack` | content cut into frames, each compressed by itself, on all cores |
//! | `put`, `upload` | content comes in: hashed, compressed, stored |
//! | `read` | content goes out, from any byte on |
//! | `held` | what is on its way, and must not be collected |
//! | `collect` | what nobody names any more goes |
//!
//! An object is written under a generated name that is never given twice; only the row in `blobs`, written in the same transaction as the row that
//! names it, makes it count. **Invariants:**
//!
//! * A crash at any moment leaves at worst an object without a row, which [`Blobs::sweep`] removes; never a row without its object.
//! * What somebody holds ([`Kept`]) is not collected, whether or not a row names it yet. So there is one process for one place.
//! * Memory is a few frames for each content under way, however large it is.

mod collect;
mod frames;
mod held;
mod name;
mod pack;
mod place;
mod put;
mod read;
#[cfg(test)]
mod tests;
mod upload;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use object_store::ObjectStore;
use object_store::path::Path as Location;

pub use self::collect::Collected;
use self::frames::Frames;
use self::held::Held;
pub use self::held::Kept;
use self::pack::Packers;
pub use self::place::{BlobsAt, S3};
pub use self::put::PutError;
use super::row::Fields;
use super::{Error, Store, sql};
use crate::base::{BlobId, Clock, Tasks};

/// Bytes as they come.
pub type Bytestream = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// Blobs and their rows. Cheap to clone; all clones are the same blobs.
#[derive(Clone)]
pub struct Blobs {
    inner: Arc<Inner>,
}

struct Inner {
    objects: Arc<dyn ObjectStore>,
    /// Before every object's name; empty in a directory of our own.
    prefix: String,
    /// How people call the place.
    place: String,
    /// Where objects are files.
    directory: Option<PathBuf>,
    store: Store,
    held: Held,
    packers: Packers,
    tasks: Tasks,
    clock: Clock,
}

/// A stored content, as its row tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// SHA-256 of the content, as hex.
    pub hash: String,
    /// Bytes of content.
    pub size: u64,
    /// Bytes as they are stored.
    pub stored: u64,
    object: BlobId,
    frames: Frames,
}

impl Blobs {
    /// Opens the place; `store` has the rows. A directory is made when there is none; S3 is not asked before it is needed.
    pub async fn open(at: &BlobsAt, store: &Store, tasks: Tasks, clock: Clock) -> Result<Self, Error> {
        let place::Opened { objects, prefix, place, directory } = place::open(at, store).await?;
        let (store, held, packers) = (store.clone(), Held::default(), Packers::default());
        Ok(Self { inner: Arc::new(Inner { objects, prefix, place, directory, store, held, packers, tasks, clock }) })
    }

    /// The rows' store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The content with that hash, if it is stored.
    pub async fn find(&self, hash: &str) -> Result<Option<Blob>, Error> {
        let store = self.store();
        let row = sqlx::query(sql::BLOB).bind(hash).fetch_optional(&store.inner.read).await;
        let Some(row) = row.map_err(|error| store.error("a blob cannot be looked up", error))? else { return Ok(None) };
        let fields = Fields::new(&row, "blob", "hash");
        let (size, frame): (u64, u64) = (fields.count("size")?, fields.count("frame")?);
        let frames = Frames::read(size, frame, &fields.json::<Vec<u64>>("frames_json")?);
        Ok(Some(Blob {
            hash: fields.text("hash")?,
            size,
            stored: fields.count("stored")?,
            object: fields.parse("object")?,
            frames: frames.map_err(|why| fields.unreadable("frames_json", &why))?,
        }))
    }
}

impl Inner {
    /// `PREFIX/pz/01k…pz`: spread over directories by the last letters, which are random.
    fn location(&self, object: &BlobId) -> Location {
        let name = object.as_str();
        let spread = name.get(name.len() - 2..).unwrap_or_default();
        let parts = self.prefix.split('/').filter(|part| !part.is_empty()).chain([spread, name]);
        Location::from_iter(parts)
    }

    fn trouble(&self, what: &str, error: object_store::Error) -> Error {
        Error::Objects { what: what.to_owned(), place: self.place.clone(), source: Box::new(error) }
    }
}
