//! The key that seals what is at rest. **Invariants:** its file is made once, for its owner only, and never written over; one that others may read
//! is refused rather than repaired, since nobody knows who has read it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use zeroize::Zeroizing;

use crate::base::random_bytes;

/// Bytes of a key.
const BYTES: usize = 32;

/// The key of one data directory. Has no `Debug`.
#[derive(Clone)]
pub struct Key(pub(super) XChaCha20Poly1305);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the key file {0} is not there, and without it no secret can be opened: bring it back, or set every secret again")]
    Missing(String),
    #[error(
        "the key file {0} may be read by others: set every secret again under a new key, or, if you are sure that nobody read it, `chmod 600` it"
    )]
    Open(String),
    #[error("the key file {0} does not hold a key of {BYTES} bytes in hexadecimal")]
    Damaged(String),
    #[error("the key file {path} cannot be used: {source}")]
    Io { path: String, source: io::Error },
}

impl Key {
    /// The key in this file.
    ///
    /// # Errors
    /// There is none, others may read it, or it is no key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let shown = path.display().to_string();
        let io = |source| KeyError::Io { path: shown.clone(), source };
        let mut file = match open(OpenOptions::new().read(true), path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(KeyError::Missing(shown)),
            Err(error) => return Err(io(error)),
        };
        let meta = file.metadata().map_err(io)?;
        if meta.mode() & 0o077 != 0 {
            return Err(KeyError::Open(shown));
        }
        let mut text = Zeroizing::new(String::new());
        // A key is short; what is longer is no key.
        Read::by_ref(&mut file).take(4 * BYTES as u64).read_to_string(&mut text).map_err(io)?;
        let mut bytes = Zeroizing::new([0; BYTES]);
        hex::decode_to_slice(text.trim(), bytes.as_mut_slice()).map_err(|_| KeyError::Damaged(shown))?;
        Ok(Self(XChaCha20Poly1305::new((&*bytes).into())))
    }

    /// The key in this file, which is made when there is none.
    ///
    /// # Errors
    /// As [`Self::read`], or it cannot be made.
    pub fn read_or_make(path: &Path) -> Result<Self, KeyError> {
        match Self::read(path) {
            Err(KeyError::Missing(shown)) => {
                let made = make(path);
                match made {
                    Ok(()) => Self::read(path),
                    // Somebody else was quicker.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::read(path),
                    Err(source) => Err(KeyError::Io { path: shown, source }),
                }
            }
            done => done,
        }
    }
}

/// Written under another name first, so that a crash leaves no half of a key, and linked so that none is written over.
fn make(path: &Path) -> io::Result<()> {
    let text = Zeroizing::new(hex::encode(Zeroizing::new(random_bytes::<BYTES>()).as_slice()));
    let draft = path.with_extension("key.new");
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = open(OpenOptions::new().write(true).create_new(true).mode(0o600), &draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    linked?;
    // The name must survive a power cut before anything is sealed with what it names.
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

/// A link in the place of the key is not followed.
fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC).open(path)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn why(key: Result<Key, KeyError>) -> String {
        key.err().expect("no key").to_string()
    }

    #[test]
    fn a_key_is_made_once_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.key");
        assert!(why(Key::read(&path)).contains("is not there"));
        Key::read_or_make(&path).map_err(|error| error.to_string()).err();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!((text.len(), fs::metadata(&path).unwrap().mode() & 0o777), (64, 0o600));
        assert!(Key::read_or_make(&path).is_ok() && Key::read(&path).is_ok());
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "it is never written over");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft stays");
    }

    #[test]
    fn a_key_that_others_may_read_a_link_and_rubbish_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.key");
        assert!(Key::read_or_make(&path).is_ok());
        for mode in [0o640, 0o604, 0o620, 0o601] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert!(why(Key::read_or_make(&path)).contains("may be read by others"), "{mode:o}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let link = dir.path().join("link.key");
        symlink(&path, &link).unwrap();
        assert!(why(Key::read_or_make(&link)).contains("cannot be used"));
        for rubbish in ["", "00", &"0".repeat(63), &"0".repeat(66), &"g".repeat(64), &"0".repeat(1000)] {
            fs::write(&path, rubbish).unwrap();
            assert!(why(Key::read_or_make(&path)).contains("does not hold a key"), "{rubbish}");
        }
    }
}
