//! Values at rest: XChaCha20-Poly1305 under the data directory's key, a new nonce for each.
//!
//! **Invariant:** a sealed value opens only in the place that it was sealed for: the place (what it is, whose, called what, for whom) is associated
//! data, so a value that somebody moves to another row, or whose row is changed, is no value any more.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead, Payload};
use zeroize::Zeroizing;

use super::Key;
use crate::base::{Secret, random_bytes};

/// How the text of a sealed value begins, so that another way can be told from this one.
const VERSION: &str = "x1:";
const NONCE: usize = 24;

impl Key {
    /// The value as it may be kept in `place`. Texts of a place are never put together ambiguously.
    ///
    /// # Errors
    /// The value is larger than the cipher takes (256 GiB).
    pub fn seal(&self, place: &[&str], value: &Secret) -> Result<String, String> {
        let nonce = random_bytes::<NONCE>();
        let place = associated(place);
        let payload = Payload { msg: value.reveal().as_bytes(), aad: &place };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).map_err(|_| "the value cannot be sealed".to_owned())?;
        Ok(format!("{VERSION}{}", STANDARD.encode([&nonce, sealed.as_slice()].concat())))
    }

    /// The value that was sealed for `place`.
    ///
    /// # Errors
    /// It was sealed under another key or for another place, or it is damaged: which of these, nobody can know.
    pub fn open(&self, place: &[&str], sealed: &str) -> Result<Secret, String> {
        let wrong = || "it was sealed under another key or in another place, or it is damaged".to_owned();
        let bytes = sealed.strip_prefix(VERSION).and_then(|text| STANDARD.decode(text).ok()).ok_or_else(wrong)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>().ok_or_else(wrong)?;
        let place = associated(place);
        let opened = self.0.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &place }).map_err(|_| wrong())?;
        let opened = Zeroizing::new(opened);
        let text = std::str::from_utf8(&opened).map_err(|_| wrong())?;
        Ok(Secret::new(text.to_owned()))
    }
}

/// Each part with its length before it.
fn associated(place: &[&str]) -> Vec<u8> {
    place.iter().flat_map(|part| [&(part.len() as u64).to_le_bytes(), part.as_bytes()].concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        let dir = tempfile::tempdir().unwrap();
        Key::read_or_make(&dir.path().join("secret.key")).unwrap_or_else(|error| panic!("{error}"))
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn a_value_opens_in_its_own_place_under_its_own_key_and_nowhere_else() {
        let (key, value) = (key(), secret("päss\nwörd"));
        let sealed = key.seal(&["secret", "repo1", "TOKEN", "push"], &value).unwrap();
        assert_eq!(key.open(&["secret", "repo1", "TOKEN", "push"], &sealed).unwrap(), value);
        for place in [
            &["secret", "repo2", "TOKEN", "push"][..],
            &["secret", "", "TOKEN", "push"],
            &["secret", "repo1", "OTHER", "push"],
            &["secret", "repo1", "TOKEN", "pull_request"],
            &["secret", "repo1", "TOKENpush", ""],
            &["secret", "repo1", "TOKEN"],
            &["secretrepo1", "TOKEN", "push"],
        ] {
            assert!(key.open(place, &sealed).is_err(), "{place:?}");
        }
        assert!(super::tests::key().open(&["secret", "repo1", "TOKEN", "push"], &sealed).is_err());
    }

    #[test]
    fn the_same_value_looks_different_each_time_and_no_changed_byte_goes_unseen() {
        let key = key();
        let sealed = key.seal(&["a"], &secret("hunter2hunter2")).unwrap();
        assert_ne!(sealed, key.seal(&["a"], &secret("hunter2hunter2")).unwrap());
        assert!(!sealed.contains("hunter2"));
        let bytes = STANDARD.decode(&sealed[VERSION.len()..]).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(key.open(&["a"], &format!("{VERSION}{}", STANDARD.encode(changed))).is_err(), "{at}");
        }
        for rubbish in ["", VERSION, "x1:AAAA", "x0:", "x1:%%%", &sealed[1..]] {
            assert!(key.open(&["a"], rubbish).is_err(), "{rubbish}");
        }
    }
}
