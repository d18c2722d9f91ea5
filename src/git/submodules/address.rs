//! Where a submodule is. **Invariants:** what a commit says never leads to a file of this machine but beside a repository that is itself one, never to a
//! service of this machine but the repository's own, and never to a program.

use std::path::Path;

use super::super::address::{Address, Place, Remote, Scheme, is_loopback};

/// The address of a submodule that is written as `written` in a repository at `parent`.
///
/// # Errors
/// A sentence without secrets.
pub(super) fn resolve(parent: &str, written: &str) -> Result<String, String> {
    let around = Address::read(parent).map_err(|error| error.to_string())?;
    if written.starts_with("./") || written.starts_with("../") || written == ".." || written == "." {
        return match &around.place {
            Place::Local(path) => beside(path, written),
            Place::Remote(_) => climb(&around.shown, written),
        };
    }
    let found = Address::read(written).map_err(|error| error.to_string())?;
    match (&around.place, &found.place) {
        (_, Place::Local(_)) => Err(format!("`{}` is a path on the server's machine, which no commit can ask for", found.shown)),
        (Place::Remote(around), Place::Remote(there)) if around.origin == there.origin => Ok(written.to_owned()),
        (_, Place::Remote(there)) => elsewhere(there).map(|()| written.to_owned()),
    }
}

/// Whether this is asked for without a key or a right of this server's user.
pub(super) fn is_public(url: &str) -> bool {
    match Address::read(url).map(|address| address.place) {
        Ok(Place::Remote(remote)) => remote.origin.scheme != Scheme::Ssh && remote.user.is_none(),
        Ok(Place::Local(_)) | Err(_) => false,
    }
}

/// Whether another server than the repository's own may be asked.
fn elsewhere(there: &Remote) -> Result<(), String> {
    let host = &there.origin.host;
    if is_loopback(host) || host.ends_with(".localhost") {
        return Err(format!("`{host}` is the server's own machine, which no commit can ask for"));
    }
    match there.origin.scheme {
        Scheme::Https | Scheme::Ssh => Ok(()),
        Scheme::Http => Err("http:// is not encrypted: use https://".to_owned()),
    }
}

/// Of a repository that is a directory here: one in the same directory, and no other.
fn beside(parent: &Path, written: &str) -> Result<String, String> {
    let name = written.strip_prefix("../").map(|name| name.trim_end_matches('/')).filter(|name| {
        !name.is_empty() && *name != "." && *name != ".." && !name.contains('/') && !name.contains(char::is_control)
    });
    let Some(name) = name else {
        return Err(format!(
            "of a repository on the server's machine only those beside it can be asked for, as `../NAME`, not `{written}`"
        ));
    };
    let sibling = parent.parent().ok_or("there is nothing beside the root directory")?.join(name);
    // A link there may lead anywhere.
    match sibling.symlink_metadata() {
        Ok(found) if found.is_symlink() => Err(format!("`{written}` is a symbolic link, which is not followed")),
        Ok(_) | Err(_) => sibling.to_str().map(str::to_owned).ok_or_else(|| "its path is not plain text".to_owned()),
    }
}

/// `../lib.git` as seen from `https://host/group/app.git`: `https://host/group/lib.git`. Never above the server's top.
fn climb(parent: &str, written: &str) -> Result<String, String> {
    let (server, path) = match parent.split_once("://") {
        Some((scheme, rest)) => {
            let at = rest.find('/').unwrap_or(rest.len());
            (format!("{scheme}://{}/", &rest[..at]), &rest[at..])
        }
        None => {
            let (host, path) = parent.split_once(':').ok_or("the repository's own address has no server")?;
            (format!("{host}:{}", if path.starts_with('/') { "/" } else { "" }), path)
        }
    };
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    for part in written.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part != ".." {
            parts.push(part);
        } else if parts.pop().is_none() {
            return Err(format!("`{written}` leads above the top of the server"));
        }
    }
    let url = format!("{server}{}", parts.join("/"));
    Address::read(&url).map_err(|error| error.to_string())?;
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_addresses_start_at_the_repositorys_own_and_stay_on_its_server() {
        for (parent, written, expected) in [
            ("https://h/g/app.git", "../lib.git", "https://h/g/lib.git"),
            ("https://h:8443/g/app.git/", "../../other/lib", "https://h:8443/other/lib"),
            ("https://me:secret@h/g/app.git", "../lib.git", "https://h/g/lib.git"),
            ("https://h/g/app", "./sub", "https://h/g/app/sub"),
            ("ssh://git@h/g/app.git", "../lib.git", "ssh://git@h/g/lib.git"),
            ("git@h:g/app.git", "../lib.git", "git@h:g/lib.git"),
            ("git@h:/srv/app.git", "../lib.git", "git@h:/srv/lib.git"),
            ("http://127.0.0.1:3000/g/app.git", "../lib.git", "http://127.0.0.1:3000/g/lib.git"),
            ("/srv/git/app.git", "../lib.git", "/srv/git/lib.git"),
        ] {
            assert_eq!(resolve(parent, written).as_deref(), Ok(expected), "{parent} {written}");
        }
        for (parent, written) in [
            ("https://h/app.git", "../../../x"),
            ("https://h/app.git", ".."),
            ("git@h:app.git", "../../x"),
            ("https://h/g/app.git", "../lib?x=1"),
            ("https://h/g/app.git", "../lib\n"),
            ("/srv/git/app.git", "../../secret.git"),
            ("/srv/git/app.git", "./sub"),
            ("/srv/git/app.git", "../a/../../etc"),
            ("/srv/git/app.git", "../.."),
            ("/srv/git/app.git", "../"),
            ("/srv/git/app.git", ".."),
        ] {
            assert!(resolve(parent, written).is_err(), "{parent} {written}: {:?}", resolve(parent, written));
        }
    }

    #[test]
    fn no_commit_can_ask_for_a_path_a_program_or_a_service_of_this_machine() {
        for parent in ["https://h/g/app.git", "git@h:g/app.git", "/srv/git/app.git"] {
            for written in [
                "/etc",
                "file:///etc",
                "file://localhost/etc",
                "FILE:///etc",
                "ext::sh -c 'touch /tmp/never'",
                "-u./evil",
                "--upload-pack=/bin/sh",
                "ssh://-oProxyCommand=x/y",
                "git@-oProxyCommand=x:y",
                "http://127.0.0.1/x",
                "http://localhost:7070/x",
                "https://localhost/x",
                "https://127.0.0.1/x",
                "https://[::1]/x",
                "https://a.localhost/x",
                "ssh://git@127.0.0.1/x",
                "git@localhost:x",
                "http://example.org/x",
                "git://example.org/x",
                "",
                "lib",
                "lib/../../x",
                "https://h/x\nurl = /etc",
            ] {
                assert!(resolve(parent, written).is_err(), "{parent} {written}");
            }
            for written in ["https://example.org/lib.git", "ssh://git@example.org/lib.git", "git@example.org:lib.git"] {
                assert_eq!(resolve(parent, written).as_deref(), Ok(written));
            }
        }
        assert!(resolve("http://127.0.0.1:3000/app", "http://127.0.0.1:3000/lib").is_ok(), "the repository's own server");
        assert!(resolve("http://127.0.0.1:3000/app", "http://127.0.0.1:3001/lib").is_err());
    }

    #[test]
    fn what_lies_beside_a_repository_and_leads_elsewhere_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", dir.path().join("lib")).unwrap();
        let parent = dir.path().join("app");
        let why = resolve(parent.to_str().unwrap(), "../lib").unwrap_err();
        assert!(why.contains("symbolic link"), "{why}");
    }
}
