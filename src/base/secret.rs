//! A value that must not be seen. **Invariants:** it has no `Debug` and no `Display` of its content, and its memory is wiped when it goes; whoever
//! needs it says so by [`Secret::reveal`], which can be searched for.

use std::fmt;

use zeroize::Zeroizing;

/// A secret's value.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value itself: only for what must have it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_its_content_is_shown() {
        let secret = Secret::new("hunter2hunter2".to_owned());
        assert_eq!(format!("{secret:?} {:?}", vec![&secret]), "Secret(***) [Secret(***)]");
        assert_eq!(secret.reveal(), "hunter2hunter2");
    }
}
