//! Where a repository is: a checked URL, taken apart. **Invariant:** what is shown or handed to the library holds no password and no token.

use std::path::PathBuf;

use super::Error;

/// What a credential belongs to: it is never offered to anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub scheme: Scheme,
    /// Lower case.
    pub host: String,
    pub port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
    Ssh,
}

impl Scheme {
    fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
            Scheme::Ssh => 22,
        }
    }
}

/// A repository's address.
pub(super) struct Address {
    /// For people and for `origin`: without secrets.
    pub shown: String,
    pub place: Place,
}

pub(super) enum Place {
    Local(PathBuf),
    Remote(Remote),
}

pub(super) struct Remote {
    /// What the library connects to: without a password; the user only with ssh.
    pub dial: String,
    pub origin: Origin,
    pub user: Option<String>,
    pub password: Option<String>,
}

/// Says whether Gantry may fetch from this URL: an absolute path, `file://`, `https://`, `ssh://` or `user@host:path`; `http://` only to loopback.
///
/// # Errors
/// A sentence why not.
pub fn check_url(url: &str) -> Result<(), Error> {
    Address::read(url).map(drop)
}

/// The URL as it may be shown and handed to steps: without credentials.
#[must_use]
pub fn public_url(url: &str) -> String {
    Address::read(url).map_or_else(|_| masked(url), |address| address.shown)
}

impl Address {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// The URL is not one that Gantry fetches from.
    pub fn read(url: &str) -> Result<Self, Error> {
        let refuse = |why: &str| Error::Url { url: masked(url), why: why.to_owned() };
        if url.is_empty() {
            return Err(refuse("it is empty"));
        }
        if url.chars().any(char::is_control) {
            return Err(refuse("it holds a control character"));
        }
        if url.starts_with('-') {
            return Err(refuse("it looks like an option"));
        }
        if url.starts_with('/') {
            return Ok(Self::local(url));
        }
        if let Some((scheme, rest)) = url.split_once("://") {
            return match scheme.to_ascii_lowercase().as_str() {
                "file" => match percent_decoded(rest.strip_prefix("localhost").unwrap_or(rest)) {
                    Some(path) if path.starts_with('/') && !path.contains('\0') => Ok(Self::local(&path)),
                    _ => Err(refuse("`file://` needs an absolute path on this machine, as in file:///srv/git/app.git")),
                },
                "https" => Self::remote(Scheme::Https, rest).map_err(refuse),
                "http" => Self::remote(Scheme::Http, rest).map_err(refuse),
                "ssh" | "git+ssh" | "ssh+git" => Self::remote(Scheme::Ssh, rest).map_err(refuse),
                _ => Err(refuse("Gantry fetches from a local path, file://, https://, ssh:// or user@host:path")),
            };
        }
        match url.split_once(':') {
            Some((_, path)) if path.starts_with(':') => Err(refuse("remote helpers such as `ext::` are never run")),
            Some((host, path)) if !host.contains('/') => Self::scp_like(host, path).map_err(refuse),
            _ => Err(refuse("a path must be absolute, since the server runs in a directory of its own")),
        }
    }

    fn local(path: &str) -> Self {
        Self { shown: path.to_owned(), place: Place::Local(PathBuf::from(path)) }
    }

    fn remote(scheme: Scheme, rest: &str) -> Result<Self, &'static str> {
        let (authority, path) = rest.split_at(rest.find('/').ok_or("it names no repository after the host")?);
        if path.trim_matches('/').is_empty() {
            return Err("it names no repository after the host");
        }
        if path.contains(['?', '#']) {
            return Err("it has a `?` or `#`, which a repository's address has not");
        }
        let (userinfo, host_port) = match authority.rsplit_once('@') {
            Some((userinfo, host_port)) => (Some(userinfo), host_port),
            None => (None, authority),
        };
        let origin = Origin::read(scheme, host_port)?;
        if scheme == Scheme::Http && !is_loopback(&origin.host) {
            return Err("http:// is not encrypted, so it is only for loopback addresses: use https://");
        }
        let (user, password) = match userinfo.map(|userinfo| userinfo.split_once(':').unwrap_or((userinfo, ""))) {
            None => (None, None),
            Some((user, password)) => {
                let decoded = |text| {
                    percent_decoded(text)
                        .filter(|text| !text.contains('\0'))
                        .ok_or("its user or password is not properly encoded")
                };
                (Some(decoded(user)?), Some(decoded(password)?).filter(|password| !password.is_empty()))
            }
        };
        let (word, seen_user) = match scheme {
            Scheme::Http => ("http", String::new()),
            Scheme::Https => ("https", String::new()),
            Scheme::Ssh => (
                "ssh",
                user.as_deref().map(|user| checked_user(user).map(|user| format!("{user}@"))).transpose()?.unwrap_or_default(),
            ),
        };
        let dial = format!("{word}://{seen_user}{host_port}{path}");
        Ok(Self { shown: dial.clone(), place: Place::Remote(Remote { dial, origin, user, password }) })
    }

    fn scp_like(host: &str, path: &str) -> Result<Self, &'static str> {
        // `user:password@host:path` reads as host `user` and path `password@host:path`.
        if path.split('/').next().is_some_and(|first| first.contains('@')) {
            return Err("user@host:path cannot hold a password: use ssh:// and a key");
        }
        if path.is_empty() || path.starts_with('-') {
            return Err("it names no repository after the host");
        }
        let (user, host) = match host.rsplit_once('@') {
            Some((user, host)) => (Some(checked_user(user)?.to_owned()), host),
            None => (None, host),
        };
        let origin = Origin::read(Scheme::Ssh, host)?;
        let dial = match &user {
            Some(user) => format!("{user}@{host}:{path}"),
            None => format!("{host}:{path}"),
        };
        Ok(Self { shown: dial.clone(), place: Place::Remote(Remote { dial, origin, user, password: None }) })
    }
}

impl Origin {
    fn read(scheme: Scheme, host_port: &str) -> Result<Self, &'static str> {
        let bracketed = host_port.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (host, port) = match bracketed {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or("its host is not a name or an address")?)),
            None => host_port.split_once(':').map_or((host_port, None), |(host, port)| (host, Some(port))),
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') || (bracketed.is_some() && c == ':');
        if host.is_empty() || host.starts_with('-') || !host.chars().all(legal) {
            return Err("its host is not a name or an address");
        }
        let port = match port {
            None => scheme.default_port(),
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or("its port is not a number from 1 to 65535")?,
        };
        Ok(Self { scheme, host: host.to_ascii_lowercase(), port })
    }

    /// Of a URL as the library shows it to a callback, which after a redirect is another than the one we gave.
    pub fn of_http(url: &str) -> Option<Self> {
        match Address::read(url).ok()?.place {
            Place::Remote(remote) => Some(remote.origin),
            Place::Local(_) => None,
        }
    }
}

fn checked_user(user: &str) -> Result<&str, &'static str> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+' | '~' | '\\');
    if user.is_empty() || user.starts_with('-') || !user.chars().all(legal) { Err("its user name is not one") } else { Ok(user) }
}

pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A URL, or what was meant as one, with everything that may be a secret replaced.
pub(super) fn masked(url: &str) -> String {
    let (start, rest) = url.split_once("://").map_or((String::new(), url), |(scheme, rest)| (format!("{scheme}://"), rest));
    // Up to the last `@`, wherever it stands: a password may hold an unescaped `/`.
    let rest = rest.rsplit_once('@').map_or(rest.to_owned(), |(_, rest)| format!("***@{rest}"));
    let rest = rest.split_once('?').map_or(rest.clone(), |(path, _)| format!("{path}?***"));
    format!("{start}{rest}").replace(char::is_control, "?")
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            hex::decode(digits).ok()?.first().copied()?
        } else {
            byte
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests;
