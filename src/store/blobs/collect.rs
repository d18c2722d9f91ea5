//! What nobody names any more goes.
//!
//! **Invariants:** a row goes before its object, and only in a transaction that sees that no other row names it, behind the gate, and not while
//! somebody holds its content; an object without a row goes only if nobody is writing it, which is asked *before* the rows are: who wrote it had
//! either not ended then, or had written the row.

use std::fs;
use std::io;
use std::path::Path;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::super::row::Fields;
use super::super::write::Write;
use super::held::Held;
use super::{Blobs, Error, sql};
use crate::base::BlobId;

/// Rows in one transaction, so that other writers get their turn.
const BATCH: i64 = 500;

/// Removals at the same time: with S3 each is a request.
const AT_ONCE: usize = 16;

/// What went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    pub blobs: u64,
    /// Compressed.
    pub bytes: u64,
}

impl Blobs {
    /// Removes the contents that no row names and nobody holds.
    pub async fn collect(&self) -> Result<Collected, Error> {
        let (inner, store) = (&self.inner, self.store());
        let mut collected = Collected::default();
        let mut after = String::new();
        loop {
            let rows = sqlx::query(sql::BLOBS_UNUSED).bind(after.as_str()).bind(BATCH).fetch_all(&store.inner.read).await;
            let rows = rows.map_err(|error| store.error("unused blobs cannot be looked for", error))?;
            let unused: Vec<String> =
                rows.iter().map(|row| Fields::new(row, "blob", "hash").text("hash")).collect::<Result<_, _>>()?;
            let Some(last) = unused.last().cloned() else { return Ok(collected) };
            let closed = inner.held.close().await;
            let mut write = Write::begin(store, inner.clock.now()).await?;
            let mut gone: Vec<BlobId> = Vec::new();
            for hash in unused.iter().filter(|hash| inner.held.content(hash).is_none()) {
                // Looks once more: a row may have come since.
                let removed = sqlx::query(sql::BLOB_REMOVE).bind(hash.as_str()).fetch_optional(write.connection()).await;
                let removed = removed.map_err(|error| store.error("an unused blob cannot be forgotten", error))?;
                if let Some(row) = removed {
                    let fields = Fields::new(&row, "blob", "object");
                    gone.push(fields.parse("object")?);
                    collected.blobs += 1;
                    collected.bytes += fields.count::<u64>("stored")?;
                }
            }
            write.commit().await?;
            drop(closed);
            let removals = gone.into_iter().map(|object| async move { inner.remove_object(&object).await });
            let removals = stream::iter(removals).buffer_unordered(AT_ONCE);
            removals.for_each(|_| std::future::ready(())).await;
            after = last;
        }
    }

    /// Removes objects that no row names: what a crash left behind. Answers how many.
    pub async fn sweep(&self) -> Result<u64, Error> {
        let (inner, store) = (&self.inner, self.store());
        if let Some(directory) = inner.directory.clone() {
            let held = inner.held.clone();
            let removed =
                inner.tasks.spawn_blocking(move || remove_staged(&directory, &held).map_err(Error::io("tidy", &directory)));
            removed.await.unwrap_or_else(|panic| Err(Error::Value(format!("tidying the blobs broke: {panic}"))))?;
        }
        let prefix = (!inner.prefix.is_empty()).then(|| object_store::path::Path::from(inner.prefix.as_str()));
        let mut listed = inner.objects.list(prefix.as_ref());
        let mut swept = 0;
        let cannot = |error| inner.trouble("the blobs cannot be listed", error);
        while let Some(meta) = listed.try_next().await.map_err(cannot)? {
            // What is not named like one of ours is not ours.
            let Some(id) = meta.location.filename().and_then(|name| name.parse::<BlobId>().ok()) else { continue };
            if inner.location(&id) != meta.location || inner.held.has_object(&id) {
                continue;
            }
            let row = sqlx::query(sql::BLOB_OF_OBJECT).bind(id.as_str()).fetch_optional(&store.inner.read).await;
            if row.map_err(|error| store.error("a blob cannot be looked up", error))?.is_none() && inner.remove_object(&id).await
            {
                swept += 1;
            }
        }
        Ok(swept)
    }
}

/// Removes files that were being written when an earlier process ended: until they are whole, the library has them under their name with a `#` and a
/// number after it.
fn remove_staged(directory: &Path, held: &Held) -> io::Result<()> {
    for spread in fs::read_dir(directory)? {
        let spread = spread?;
        if !spread.file_type()?.is_dir() {
            continue;
        }
        for file in fs::read_dir(spread.path())? {
            let file = file?;
            let name = file.file_name();
            let id = name.to_str().and_then(|name| name.split_once('#')).and_then(|(id, _)| id.parse::<BlobId>().ok());
            if id.is_some_and(|id| !held.has_object(&id)) {
                fs::remove_file(file.path())?;
            }
        }
    }
    Ok(())
}
