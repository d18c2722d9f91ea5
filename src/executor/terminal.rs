//! A terminal in a running attempt's container, or in a fresh one like it: bytes both ways, its size, and how what runs in it ended.
//!
//! **Invariants:** what runs in it has the rights of the step and nothing more, is not the step, and does not outlive its container; of the step's secrets
//! it has those that whoever asks for it puts into its environment, and the executor adds none.

use std::collections::BTreeMap;
use std::pin::Pin;

use async_trait::async_trait;
use tokio::io::AsyncWrite;

use super::{ByteStream, Failure};
use crate::base::AttemptKey;

/// Where a terminal is wanted.
#[derive(Debug, Clone)]
pub struct TerminalAt {
    /// A running attempt.
    pub key: AttemptKey,
    /// The step's variables but for its secrets.
    pub env: BTreeMap<String, String>,
    pub size: TerminalSize,
}

/// Columns and rows of characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    pub columns: u16,
    pub rows: u16,
}

/// An open terminal. Its shell runs until it ends by itself, or [`TerminalControl::end`] ends it.
pub struct Terminal {
    /// Untrusted. Comes to its end when the shell ends.
    pub output: ByteStream,
    /// What is typed.
    pub input: Pin<Box<dyn AsyncWrite + Send>>,
    pub control: Box<dyn TerminalControl>,
}

/// What can be done about an open terminal beside reading and writing.
#[async_trait]
pub trait TerminalControl: Send + Sync {
    async fn resize(&self, size: TerminalSize) -> Result<(), Failure>;

    /// How the shell ended, once its output has come to its end; `None` where nobody can say.
    async fn exit_code(&self) -> Result<Option<i64>, Failure>;

    /// Ends the shell if it still runs, and what runs in front in it.
    async fn end(&self);
}
