//! A received webhook, kept raw: it is accepted only once it is stored, and parsed only afterwards.

use crate::base::{DeliveryId, RepoId, Timestamp};

/// A received webhook whose signature was good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub id: DeliveryId,
    pub repo: RepoId,
    /// `generic`, and later the forges' names.
    pub forge: String,
    /// JSON object of the headers worth keeping.
    pub headers: String,
    /// The body as it came, byte for byte.
    pub body: Vec<u8>,
    pub received_at: Timestamp,
}
