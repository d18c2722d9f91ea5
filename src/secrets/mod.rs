//! Secrets: sealed at rest, shown to whom they are for, and kept out of every output.
//!
//! | File | What |
//! |---|---|
//! | `key` | the data directory's key, in a file that only its owner may read |
//! | `seal` | values under that key, bound to the place where they are kept |
//! | `value` | what may be a name, and what a value: nothing that could not be hidden in output |
//! | `policy` | for which events and branches a secret is |
//! | `forms` | what a value may look like in output: base64, hex, URL, JSON, … |
//! | `mask` | finds those in a stream of bytes, across every cut |
//!
//! **Invariants:** nothing here knows the store or the executor; values come and go as [`Secret`](crate::base::Secret), whose content nothing prints.

mod forms;
mod key;
mod mask;
#[cfg(test)]
mod mask_tests;
mod policy;
mod seal;
mod value;

pub use key::{Key, KeyError};
pub use mask::{Masker, Masks, Piece};
pub use policy::Policy;
pub use value::{check_name, check_value};
