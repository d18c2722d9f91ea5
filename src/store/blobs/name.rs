//! A row comes to name a content: with the row of the content itself, if that is new.

use super::super::row::{to_int, to_json};
use super::super::write::Write;
use super::held::{Kept, NewBlob};
use super::{Blobs, Error, sql};
use crate::base::{BlobId, Timestamp};

impl Blobs {
    /// Writes the content's row, if it is new, in the transaction that is about to name it. Answers its object if that is one too many: another of
    /// the same content was written meanwhile.
    pub(in crate::store) async fn name_blob(
        &self,
        write: &mut Write<'_>,
        kept: &Kept,
        now: Timestamp,
    ) -> Result<Option<BlobId>, Error> {
        let Some(NewBlob { object, frames }) = &kept.new else { return Ok(None) };
        let add = sqlx::query(sql::BLOB_ADD)
            .bind(kept.hash.as_str())
            .bind(object.id.as_str())
            .bind(to_int("a size", kept.size)?)
            .bind(to_int("a frame", frames.frame())?)
            .bind(to_json(&frames.lengths())?)
            .bind(to_int("a size", kept.stored)?)
            .bind(now.0);
        if write.execute("a blob cannot be kept", add).await? > 0 {
            return Ok(None);
        }
        // There is a row: of this very object when this content was named before, else of another.
        let row = sqlx::query(sql::BLOB_OF_OBJECT).bind(object.id.as_str()).fetch_optional(write.connection()).await;
        let row = row.map_err(|error| self.store().error("a blob cannot be looked up", error))?;
        Ok(row.is_none().then(|| object.id.clone()))
    }

    /// Removes objects that turned out to be one too many, once that is committed.
    pub(in crate::store) async fn remove_doubles(&self, doubles: Vec<BlobId>) {
        for object in &doubles {
            self.inner.remove_object(object).await;
        }
    }
}
