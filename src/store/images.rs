//! Rows of images that this instance pulled itself. **Invariant:** an image gets a row only by the pull that brought its contents.

use std::collections::BTreeSet;

use sqlx::any::AnyRow;

use super::row::Fields;
use super::{Error, Store, sql};
use crate::base::Timestamp;

/// One image of one engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptImage {
    pub engine: String,
    pub id: String,
    /// The names that came with our pulls.
    pub names: BTreeSet<String>,
    pub pulled_at: Timestamp,
    pub used_at: Timestamp,
}

impl Store {
    /// Writes down a pull that brought new contents; of others only what further names it gave to an image that has a row.
    pub async fn image_pulled(&self, image: &KeptImage, is_new: bool) -> Result<(), Error> {
        let known = self.images().await?.into_iter().find(|known| (&known.engine, &known.id) == (&image.engine, &image.id));
        let mut names = image.names.clone();
        match known {
            Some(known) => names.extend(known.names),
            None if is_new => {}
            None => return Ok(()),
        }
        let KeptImage { engine, id, names: _, pulled_at, used_at } = image;
        let query = sqlx::query(sql::IMAGE_SET)
            .bind(engine)
            .bind(id)
            .bind(serde_json::to_string(&names).unwrap_or_default())
            .bind(pulled_at.0)
            .bind(used_at.0);
        let done = query.execute(&self.inner.write).await;
        done.map(drop).map_err(|error| self.error("the pull of an image cannot be written down", error))
    }

    /// Writes down that an image was used.
    pub async fn image_used(&self, engine: &str, id: &str, at: Timestamp) -> Result<(), Error> {
        let done = sqlx::query(sql::IMAGE_USED).bind(engine).bind(id).bind(at.0).execute(&self.inner.write).await;
        done.map(drop).map_err(|error| self.error("the use of an image cannot be written down", error))
    }

    /// Forgets an image that is no more, or no more ours.
    pub async fn forget_image(&self, engine: &str, id: &str) -> Result<(), Error> {
        let done = sqlx::query(sql::IMAGE_REMOVE).bind(engine).bind(id).execute(&self.inner.write).await;
        done.map(drop).map_err(|error| self.error("an image cannot be forgotten", error))
    }

    /// All of them, of all engines.
    pub async fn images(&self) -> Result<Vec<KeptImage>, Error> {
        let rows = sqlx::query(sql::IMAGES).fetch_all(&self.inner.read).await;
        rows.map_err(|error| self.error("the images cannot be read", error))?.iter().map(image_of).collect()
    }
}

fn image_of(row: &AnyRow) -> Result<KeptImage, Error> {
    let fields = Fields::new(row, "image", "id");
    Ok(KeptImage {
        engine: fields.text("engine")?,
        id: fields.text("id")?,
        names: fields.json("names_json")?,
        pulled_at: fields.time("pulled_at")?,
        used_at: fields.time("used_at")?,
    })
}
