//! Who Gantry is to a remote. **Invariant:** a secret is bound to scheme, host and port and is offered to nothing else; each one is offered
//! once in a conversation, so that a server that says no can not keep us asking.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::address::{Address, Origin, Place, Remote, Scheme};
use super::{Error, library};

/// The credentials of one server: passwords by origin, and the SSH agent and keys of the user it runs as.
#[derive(Clone, Default)]
pub struct Credentials {
    passwords: Vec<Password>,
}

#[derive(Clone)]
struct Password {
    origin: Origin,
    user: String,
    password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({} passwords)", self.passwords.len())
    }
}

/// One thing to offer.
pub(super) enum Offer {
    Password { user: String, password: String },
    Agent,
    Key(PathBuf),
}

impl Credentials {
    /// Adds a user and a password (or token) for the scheme, host and port of `url`, whatever its path.
    ///
    /// # Errors
    /// The URL is not one of a remote machine.
    pub fn with_password(mut self, url: &str, user: &str, password: &str) -> Result<Self, Error> {
        library::ready()?;
        let address = Address::read(url)?;
        let Place::Remote(remote) = address.place else {
            return Err(Error::Url { url: address.shown, why: "a local path needs no password".to_owned() });
        };
        self.passwords.push(Password { origin: remote.origin, user: user.to_owned(), password: password.to_owned() });
        Ok(self)
    }

    /// Those that stand in a URL too, bound to its server as any other.
    ///
    /// # Errors
    /// The URL is not one that Gantry fetches from.
    pub(super) fn with_those_of(mut self, url: &str) -> Result<Self, Error> {
        if let Place::Remote(Remote { dial: _, origin, user: Some(user), password }) = Address::read(url)?.place
            && (password.is_some() || origin.scheme != Scheme::Ssh)
        {
            self.passwords.insert(0, Password { origin, user, password: password.unwrap_or_default() });
        }
        Ok(self)
    }

    /// What there is to offer to this remote, in order. What stands in its URL comes first.
    pub(super) fn offers(&self, remote: &Remote) -> Vec<Offer> {
        let mut offers = Vec::new();
        match (&remote.user, &remote.password, remote.origin.scheme) {
            (Some(user), Some(password), _) => offers.push(Offer::Password { user: user.clone(), password: password.clone() }),
            // A token alone, as some forges take it.
            (Some(user), None, Scheme::Http | Scheme::Https) => {
                offers.push(Offer::Password { user: user.clone(), password: String::new() });
            }
            (Some(_), None, Scheme::Ssh) | (None, _, _) => {}
        }
        let bound = self.passwords.iter().filter(|password| password.origin == remote.origin);
        offers.extend(
            bound
                .map(|Password { origin: _, user, password }| Offer::Password { user: user.clone(), password: password.clone() }),
        );
        if remote.origin.scheme == Scheme::Ssh {
            if std::env::var_os("SSH_AUTH_SOCK").is_some_and(|socket| !socket.is_empty()) {
                offers.push(Offer::Agent);
            }
            let ssh = std::env::home_dir().map(|home| home.join(".ssh"));
            let keys = ["id_ed25519", "id_ecdsa", "id_rsa"].into_iter().filter_map(|name| Some(ssh.as_ref()?.join(name)));
            offers.extend(keys.filter(|key| is_usable_key(key)).map(Offer::Key));
        }
        offers
    }
}

/// Whether this is a private key that needs no passphrase: there is nobody to ask for one.
fn is_usable_key(path: &Path) -> bool {
    // How a key without a cipher starts in OpenSSH's own form: "openssh-key-v1", NUL, length 4, "none".
    const OPENSSH_OPEN: &str = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU";
    let Ok(text) = fs::read_to_string(path) else { return false };
    let mut lines = text.lines();
    match lines.next() {
        Some("-----BEGIN OPENSSH PRIVATE KEY-----") => lines.next().is_some_and(|line| line.starts_with(OPENSSH_OPEN)),
        Some(first) => first.ends_with("PRIVATE KEY-----") && !text.contains("ENCRYPTED"),
        None => false,
    }
}

/// The user's name on the other side, when the URL names none: as ssh does, this user's own.
pub(super) fn own_user() -> String {
    ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
        .unwrap_or_else(|| "git".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords(credentials: &Credentials, url: &str) -> Vec<(String, String)> {
        let Place::Remote(remote) = Address::read(url).unwrap().place else { panic!("{url} is local") };
        let offers = credentials.offers(&remote);
        offers
            .into_iter()
            .filter_map(|offer| if let Offer::Password { user, password } = offer { Some((user, password)) } else { None })
            .collect()
    }

    #[test]
    fn a_password_is_offered_to_its_own_origin_only() {
        let credentials = Credentials::default().with_password("https://example.org/x", "me", "secret").unwrap();
        assert_eq!(passwords(&credentials, "https://example.org:443/other"), [("me".to_owned(), "secret".to_owned())]);
        for other in ["https://example.org:8443/x", "https://example.net/x", "ssh://example.org:443/x", "http://localhost/x"] {
            assert!(passwords(&credentials, other).is_empty(), "{other}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let credentials = Credentials::default().with_password("https://example.org/x", "me", "s3cret").unwrap();
        let shown = format!("{credentials:?}");
        assert!(!shown.contains("s3cret") && !shown.contains("me\""), "{shown}");
    }
}
