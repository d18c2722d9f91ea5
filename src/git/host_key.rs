//! SSH host keys. **Invariant:** nothing here makes a key trusted: the library does that, against `~/.ssh/known_hosts`, and refuses everything
//! that is not in it. This refuses earlier, in words that help, and refuses what the file marks as revoked.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use git2::cert::CertHostkey;

use super::Error;
use super::address::Origin;

/// What `known_hosts` says about a host and a key.
#[derive(Debug, PartialEq, Eq)]
enum Known {
    /// This key stands there for this host, or may: a hashed name is left to the library.
    Perhaps,
    /// Another key of the same kind stands there, in this line.
    Changed(usize),
    /// The key is marked as revoked, in this line.
    Revoked(usize),
    Unknown,
}

/// Refuses a key of which it is certain that the library will not, or must not, take it.
pub(super) fn check(origin: &Origin, key: &CertHostkey<'_>) -> Result<(), Error> {
    let Some(raw) = key.hostkey() else {
        return Err(unknown(origin, "which it does not show"));
    };
    let file = std::env::home_dir().map(|home| home.join(".ssh/known_hosts"));
    let text = file.and_then(|file| fs::read(file).ok()).unwrap_or_default();
    let kind = key.hostkey_type().map_or("key", |kind| kind.short_name());
    let fingerprint =
        key.hash_sha256().map_or_else(|| kind.to_owned(), |hash| format!("{kind} SHA256:{}", STANDARD_NO_PAD.encode(hash)));
    let why = match look_up(&String::from_utf8_lossy(&text), origin, key_kind(raw), &STANDARD.encode(raw)) {
        Known::Perhaps => return Ok(()),
        Known::Unknown => return Err(unknown(origin, &fingerprint)),
        Known::Changed(line) => format!(
            "is not the one in line {line} of ~/.ssh/known_hosts: somebody may stand between; if the host was really given a new key, take the old one \
             out with `ssh-keygen -R '{}'` and add the new one",
            name_in_file(origin)
        ),
        Known::Revoked(line) => format!("is marked as revoked in line {line} of ~/.ssh/known_hosts: the host needs a new one"),
    };
    Err(Error::HostKey { host: origin.host.clone(), fingerprint, why })
}

/// The refusal of a key that is not in the file.
pub(super) fn unknown(origin: &Origin, fingerprint: &str) -> Error {
    let Origin { scheme: _, host, port } = origin;
    let why = format!(
        "is not in ~/.ssh/known_hosts: make sure that it is the right one, then `ssh-keyscan -p {port} {host} >> ~/.ssh/known_hosts`"
    );
    Error::HostKey { host: host.clone(), fingerprint: fingerprint.to_owned(), why }
}

fn look_up(text: &str, origin: &Origin, kind: &str, key: &str) -> Known {
    let mut found = Known::Unknown;
    for (index, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["@revoked", _, _, revoked, ..] if revoked == key => return Known::Revoked(index + 1),
            [first, ..] if first.starts_with(['#', '@']) => {}
            [hosts, _, known, ..] if known == key && may_name(hosts, origin) => found = Known::Perhaps,
            [hosts, known_kind, _, ..] if known_kind == kind && names(hosts, origin) && found == Known::Unknown => {
                found = Known::Changed(index + 1);
            }
            _ => {}
        }
    }
    found
}

/// A port other than 22 is written with the name.
fn name_in_file(origin: &Origin) -> String {
    if origin.port == 22 { origin.host.clone() } else { format!("[{}]:{}", origin.host, origin.port) }
}

fn names(hosts: &str, origin: &Origin) -> bool {
    let name = name_in_file(origin);
    hosts.split(',').any(|host| host.eq_ignore_ascii_case(&name))
}

/// Hashed names and patterns are the library's to judge.
fn may_name(hosts: &str, origin: &Origin) -> bool {
    hosts.starts_with('|')
        || hosts.contains(['*', '?'])
        || names(hosts, origin)
        || names(hosts, &Origin { port: 22, ..origin.clone() })
}

/// The kind at the head of a key on the wire: a length of four bytes and its name.
fn key_kind(raw: &[u8]) -> &str {
    let length = raw.first_chunk::<4>().map_or(0, |length| u32::from_be_bytes(*length) as usize);
    raw.get(4..).and_then(|rest| rest.get(..length)).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::address::Scheme;
    use super::*;

    fn at(port: u16) -> Origin {
        Origin { scheme: Scheme::Ssh, host: "example.org".into(), port }
    }

    #[test]
    fn known_hosts_is_read_as_ssh_reads_it() {
        let file =
            "# comment\nother.net ssh-ed25519 KEY\nexample.org,10.0.0.1 ssh-ed25519 KEY\n[example.org]:2222 ssh-ed25519 SECOND\n";
        assert_eq!(look_up(file, &at(22), "ssh-ed25519", "KEY"), Known::Perhaps);
        assert_eq!(look_up(file, &at(22), "ssh-ed25519", "EVIL"), Known::Changed(3));
        assert_eq!(look_up(file, &at(2222), "ssh-ed25519", "EVIL"), Known::Changed(4));
        assert_eq!(look_up(file, &at(22), "ssh-rsa", "RSA"), Known::Unknown);
        assert_eq!(look_up("", &at(22), "ssh-ed25519", "KEY"), Known::Unknown);
    }

    #[test]
    fn a_revoked_key_is_refused_wherever_else_it_stands() {
        let file = "example.org ssh-ed25519 KEY\n@revoked * ssh-ed25519 KEY\n";
        assert_eq!(look_up(file, &at(22), "ssh-ed25519", "KEY"), Known::Revoked(2));
    }

    #[test]
    fn a_key_under_a_hashed_name_is_left_to_the_library() {
        assert_eq!(look_up("|1|salt|hash ssh-ed25519 KEY\n", &at(22), "ssh-ed25519", "KEY"), Known::Perhaps);
        assert_eq!(look_up("|1|salt|hash ssh-ed25519 OTHER\n", &at(22), "ssh-ed25519", "KEY"), Known::Unknown);
    }

    #[test]
    fn a_keys_kind_stands_at_its_head() {
        assert_eq!(key_kind(b"\0\0\0\x0bssh-ed25519rest"), "ssh-ed25519");
        assert_eq!(key_kind(b"\xff\xff\xff\xffssh"), "");
        assert_eq!(key_kind(b""), "");
    }
}
