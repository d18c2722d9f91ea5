//! Images that an engine holds, for whoever keeps them within a budget.

use std::collections::BTreeSet;

use crate::base::Timestamp;

/// An image that was just pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PulledImage {
    /// Which engine it is, by the engine's own word: another one at the same address has another.
    pub engine: String,
    /// The engine's name for the contents: `sha256:…`.
    pub id: String,
    /// The names that came with the pull, as the engine writes them.
    pub names: BTreeSet<String>,
    /// The engine did not have the contents before, under whatever name.
    pub is_new: bool,
    pub at: Timestamp,
}

/// What an engine holds of the images that it was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stock {
    pub engine: String,
    pub images: Vec<StockedImage>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockedImage {
    pub id: String,
    /// All that it is called now, whoever called it so.
    pub names: BTreeSet<String>,
    /// From the lowest.
    pub layers: Vec<Layer>,
    /// A container, anybody's and in whatever state, was made of it; or one of the names that are wanted means it.
    pub is_needed: bool,
    /// When this process used it last.
    pub used_at: Option<Timestamp>,
}

/// A part of an image, which others may share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// The same for the same layer.
    pub key: u64,
    pub bytes: u64,
}
