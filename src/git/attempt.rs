//! One conversation with a remote: answers the library's questions (who are you? is this the right host?), remembers what it answered, and
//! afterwards says in plain words why it failed. **Invariant:** only the codes and classes of errors decide; their text is shown, bounded.

use std::cell::{Cell, RefCell};
use std::path::Path;

use git2::{CertificateCheckStatus, Cred, CredentialType, ErrorClass, ErrorCode, RemoteCallbacks, Repository};

use super::Error;
use super::address::{Address, Origin, Place, Remote, Scheme};
use super::credentials::{Offer, own_user};
use super::error::told;
use super::host_key;

pub(super) struct Attempt<'a> {
    address: &'a Address,
    offers: &'a [Offer],
    /// The first offer not made yet.
    next: Cell<usize>,
    /// Why the host itself was refused.
    refused: RefCell<Option<Error>>,
}

impl<'a> Attempt<'a> {
    /// A conversation that starts with the offer at `first`.
    pub fn new(address: &'a Address, offers: &'a [Offer], first: usize) -> Self {
        Self { address, offers, next: Cell::new(first), refused: RefCell::new(None) }
    }

    pub fn callbacks(&self) -> RemoteCallbacks<'_> {
        let mut callbacks = RemoteCallbacks::new();
        if let Place::Remote(remote) = &self.address.place {
            callbacks.credentials(move |url, user, allowed| self.offer(remote, url, user, allowed));
            // With TLS nobody is asked: the library refuses what the machine's authorities do not vouch for, and only without a callback does it
            // say so by its own code. With ssh its verdict by ~/.ssh/known_hosts stands too ("passthrough"); we add the words, and revoked keys.
            if remote.origin.scheme == Scheme::Ssh {
                callbacks.certificate_check(move |certificate, _| {
                    let checked = certificate.as_hostkey().map_or(Ok(()), |key| host_key::check(&remote.origin, key));
                    checked.map(|()| CertificateCheckStatus::CertificatePassthrough).map_err(|error| {
                        *self.refused.borrow_mut() = Some(error);
                        git2::Error::new(ErrorCode::Certificate, ErrorClass::Ssh, "the host key is not trusted")
                    })
                });
            }
        }
        callbacks
    }

    fn offer(&self, remote: &Remote, url: &str, user: Option<&str>, allowed: CredentialType) -> Result<Cred, git2::Error> {
        // Over HTTP the library says whom it talks to now: after a redirect that is somebody else, who gets nothing.
        if remote.origin.scheme != Scheme::Ssh && Origin::of_http(url).as_ref() != Some(&remote.origin) {
            return Err(nothing_left());
        }
        let user = user.map_or_else(own_user, str::to_owned);
        if allowed.contains(CredentialType::USERNAME) {
            return Cred::username(&user);
        }
        while let Some(offer) = self.offers.get(self.next.get()) {
            self.next.set(self.next.get() + 1);
            match offer {
                Offer::Password { user: named, password } if allowed.contains(CredentialType::USER_PASS_PLAINTEXT) => {
                    return Cred::userpass_plaintext(if remote.origin.scheme == Scheme::Ssh { &user } else { named }, password);
                }
                Offer::Agent if allowed.contains(CredentialType::SSH_KEY) => return Cred::ssh_key_from_agent(&user),
                Offer::Key(path) if allowed.contains(CredentialType::SSH_KEY) => return Cred::ssh_key(&user, None, path, None),
                Offer::Password { .. } | Offer::Agent | Offer::Key(_) => {}
            }
        }
        Err(nothing_left())
    }

    /// Where to go on, if this conversation broke over one offer (an agent that is gone, a key that does not parse) and others are left.
    pub fn resume_at(&self, error: &git2::Error) -> Option<usize> {
        let next = self.next.get();
        let final_word = matches!(error.code(), ErrorCode::Auth | ErrorCode::Certificate) || self.refused.borrow().is_some();
        (error.class() == ErrorClass::Ssh && !final_word && next > 0 && next < self.offers.len()).then_some(next)
    }

    /// What the failure means, for people.
    pub fn explain(&self, error: &git2::Error) -> Error {
        let url = self.address.shown.clone();
        if let Some(refused) = self.refused.borrow_mut().take() {
            return refused;
        }
        let why = told(error.message());
        let remote = match &self.address.place {
            Place::Remote(remote) => remote,
            Place::Local(path) => return explain_local(url, path, why),
        };
        match (error.code(), error.class()) {
            (ErrorCode::Certificate, _) if remote.origin.scheme == Scheme::Ssh => {
                host_key::unknown(&remote.origin, "of a kind that cannot be read")
            }
            (ErrorCode::Certificate, _) => Error::Certificate { url },
            (ErrorCode::Auth, _) => self.authentication(remote),
            (_, ErrorClass::Http) => match http_status(error.message()) {
                Some(401 | 403) => self.authentication(remote),
                Some(404 | 410) => Error::NoRepository { url, why: "the server says that it has none there".to_owned() },
                Some(408 | 429 | 500..) => Error::Unreachable { url, why },
                Some(_) | None => Error::Remote { url, why },
            },
            // The library has no code for a redirect that was not followed; it is the only such error before a conversation.
            (_, ErrorClass::Net) if error.message().starts_with("cannot redirect") => Error::Redirect { url, why },
            (ErrorCode::Timeout, _) | (_, ErrorClass::Net | ErrorClass::Os | ErrorClass::Ssl) => Error::Unreachable { url, why },
            // After the keys comes the other side's own word: that there is no such repository, for example.
            (_, ErrorClass::Ssh) if self.next.get() > 0 => Error::Remote { url, why },
            (_, ErrorClass::Ssh) => Error::Unreachable { url, why },
            _ => Error::Remote { url, why },
        }
    }

    fn authentication(&self, remote: &Remote) -> Error {
        let why = match (remote.origin.scheme, self.next.get() > 0) {
            (Scheme::Ssh, false) => {
                "it wants a key and there is none to offer: start the server with an SSH agent, or put a key without passphrase at ~/.ssh/id_ed25519 \
                 and allow it there"
            }
            (Scheme::Ssh, true) => "it took none of the keys of the SSH agent and of ~/.ssh: allow one of them there",
            (Scheme::Http | Scheme::Https, false) => {
                "it wants a user and a password (a repository that is private, or not there): give a token in the URL, as in https://USER:TOKEN@HOST/…, \
                 or use ssh://"
            }
            (Scheme::Http | Scheme::Https, true) => {
                "it does not take the user and the password given: give a token that may read this repository"
            }
        };
        Error::Authentication { url: self.address.shown.clone(), why: why.to_owned() }
    }
}

/// The conversation does not say whether there is a repository at all; opening it does.
fn explain_local(url: String, path: &Path, why: String) -> Error {
    match Repository::open(path) {
        Err(error) if error.code() == ErrorCode::NotFound => {
            Error::NoRepository { url, why: "the directory is there, but it holds none".to_owned() }
        }
        Ok(_) | Err(_) => Error::Remote { url, why },
    }
}

fn nothing_left() -> git2::Error {
    git2::Error::new(ErrorCode::Auth, ErrorClass::Callback, "there is no credential left to offer")
}

/// The status that ends the library's message: it gives it nowhere else.
fn http_status(message: &str) -> Option<u16> {
    message.rsplit(' ').next()?.parse().ok()
}
