//! What only the run knows: outputs and outcomes of what has ended, and the run's own number.
//!
//! **Invariant:** pure, and checked when the plan was made; what goes wrong all the same (an output that was not written) is a sentence.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::parts::InputValue;
use super::plan::{Late, Text};
use super::trigger::Trigger;

/// All that a late expression may look at.
#[derive(Debug, Clone)]
pub struct Scope<'a> {
    pub trigger: &'a Trigger,
    pub run_id: &'a str,
    pub run_number: u64,
    pub inputs: &'a BTreeMap<String, InputValue>,
    pub matrix: Option<&'a BTreeMap<String, String>>,
    /// Variables whose values are known.
    pub env: BTreeMap<&'a str, Cow<'a, str>>,
    /// Jobs that were needed and have ended, by their names in the file.
    pub jobs: BTreeMap<&'a str, KnownEnd<'a>>,
    /// Steps of the same job that have ended, by name.
    pub steps: BTreeMap<&'a str, KnownEnd<'a>>,
}

/// How something ended, for expressions.
#[derive(Debug, Clone, Copy)]
pub struct KnownEnd<'a> {
    /// `passed`, `failed`, …
    pub outcome: &'a str,
    pub outputs: &'a BTreeMap<String, String>,
}

impl Text {
    /// Its value, or the sentence that says why it has none.
    ///
    /// # Errors
    /// An output that was not written, an evaluation that failed.
    pub fn fill<'t>(&'t self, scope: &Scope<'_>) -> Result<Cow<'t, str>, String> {
        match self {
            Text::Fixed(text) => Ok(Cow::Borrowed(text)),
            Text::Late(late) => late.text(scope).map(Cow::Owned),
        }
    }
}

impl Late {
    /// The text with every `${{ }}` replaced.
    ///
    /// # Errors
    /// An output that was not written, an evaluation that failed.
    pub fn text(&self, scope: &Scope<'_>) -> Result<String, String> {
        let _ = scope;
        Err(format!("`{}` cannot be evaluated while the run is under way", self.late))
    }

    /// Whether the condition holds: `Ok(None)` when it does, `Ok(Some(sentence))` when it does not.
    ///
    /// # Errors
    /// An output that was not written, an evaluation that failed.
    pub fn holds(&self, scope: &Scope<'_>) -> Result<Option<String>, String> {
        let _ = scope;
        Err(format!("`{}` cannot be evaluated while the run is under way", self.late))
    }
}
