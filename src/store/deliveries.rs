//! Webhooks: kept before they are acknowledged, open until an intake has answered them.

use sqlx::any::AnyRow;

use super::row::{Fields, plain};
use super::{Delivery, Error, Store, sql};

impl Store {
    /// Keeps a webhook. After this it is not lost. No error when it is already kept.
    pub async fn keep_delivery(&self, delivery: &Delivery) -> Result<(), Error> {
        let Delivery { id, repo, forge, headers, body, received_at } = delivery;
        let query = sqlx::query(sql::DELIVERY_ADD)
            .bind(id.as_str())
            .bind(repo.as_str())
            .bind(forge)
            .bind(plain(headers))
            // Hexadecimal, since it may be any bytes and columns are text.
            .bind(hex::encode(body))
            .bind(received_at.0);
        query.execute(&self.inner.write).await.map_err(|error| match error.as_database_error() {
            Some(e) if e.is_foreign_key_violation() => Error::Gone(format!("repository {repo}")),
            _ => self.error("the delivery cannot be kept", error),
        })?;
        Ok(())
    }

    /// Kept webhooks that no intake has answered yet, oldest first.
    pub async fn open_deliveries(&self) -> Result<Vec<Delivery>, Error> {
        let rows = sqlx::query(sql::DELIVERIES_OPEN).fetch_all(&self.inner.read).await;
        let rows = rows.map_err(|error| self.error("the deliveries cannot be read", error))?;
        rows.iter().map(delivery_of).collect()
    }
}

fn delivery_of(row: &AnyRow) -> Result<Delivery, Error> {
    let fields = Fields::new(row, "delivery", "id");
    let body = hex::decode(fields.text("body_hex")?).map_err(|error| fields.unreadable("body_hex", &error))?;
    Ok(Delivery {
        id: fields.parse("id")?,
        repo: fields.parse("repo_id")?,
        forge: fields.text("forge")?,
        headers: fields.text("headers")?,
        body,
        received_at: fields.time("received_at")?,
    })
}
