//! Which addresses are taken, what of them is shown, and what a credential belongs to.

use super::*;

fn remote(url: &str) -> Remote {
    match Address::read(url).unwrap().place {
        Place::Remote(remote) => remote,
        Place::Local(path) => panic!("{url} was read as the path {}", path.display()),
    }
}

#[test]
fn the_forms_that_are_fetched_from_are_taken() {
    for url in [
        "/srv/git/app.git",
        "/srv/git/a:b.git",
        "/srv/git/with space",
        "file:///srv/git/app.git",
        "file://localhost/srv/git/app.git",
        "https://example.org/team/app.git",
        "HTTPS://Example.org:8443/app",
        "https://[2001:db8::1]:8443/app",
        "http://localhost:3000/app",
        "http://127.0.0.1:3000/app",
        "http://[::1]:3000/app",
        "ssh://git@example.org/team/app.git",
        "ssh://git@example.org:2222/team/app.git",
        "git@example.org:team/app.git",
        "example.org:team/app.git",
    ] {
        check_url(url).unwrap_or_else(|error| panic!("{url}: {error}"));
    }
}

#[test]
fn everything_else_is_refused_with_the_reason() {
    for (url, why) in [
        ("", "empty"),
        ("--upload-pack=touch /tmp/x", "option"),
        ("-oProxyCommand=x:y", "option"),
        ("ext::sh -c touch% /tmp/x", "never run"),
        ("fd::17", "never run"),
        ("git://example.org/app.git", "Gantry fetches from"),
        ("ftp://example.org/app.git", "Gantry fetches from"),
        ("http://example.org/app.git", "not encrypted"),
        ("http://127.0.0.1.example.org/app.git", "not encrypted"),
        ("http://localhost@example.org/app.git", "not encrypted"),
        ("app.git", "absolute"),
        ("../app.git", "absolute"),
        ("./a:b", "absolute"),
        ("file://server/share", "absolute path"),
        ("file:///srv/%zz", "absolute path"),
        ("https://example.org", "names no repository"),
        ("https://example.org/", "names no repository"),
        ("https://example.org/app?token=secret", "`?`"),
        ("https://example.org:99999/app", "port"),
        ("https:///app", "host"),
        ("https://exa mple.org/app", "host"),
        ("ssh://-oProxyCommand=x/app", "host"),
        ("ssh://-l@example.org/app", "user"),
        ("git:secret@example.org:app", "password"),
        ("git@-x:app", "host"),
        ("https://example.org/a\npp", "control"),
    ] {
        let error = check_url(url).err().unwrap_or_else(|| panic!("{url} was taken")).to_string();
        assert!(error.contains(why), "{url}: {error}");
        assert!(!error.contains("secret"), "{url}: {error}");
    }
}

#[test]
fn a_password_is_taken_out_of_what_is_shown_and_dialled() {
    let url = "https://me:s3cr%40t@example.org/app.git";
    let remote = remote(url);
    assert_eq!((remote.user.as_deref(), remote.password.as_deref()), (Some("me"), Some("s3cr@t")));
    assert_eq!(remote.dial, "https://example.org/app.git");
    assert_eq!(Address::read(url).unwrap().shown, "https://example.org/app.git");
}

#[test]
fn a_token_in_the_place_of_the_user_is_not_shown() {
    assert_eq!(Address::read("https://t0ken@example.org/app.git").unwrap().shown, "https://example.org/app.git");
    assert_eq!(masked("https://t0ken@example.org:x/app.git"), "https://***@example.org:x/app.git");
    assert_eq!(masked("https://me:s3/cret@example.org/app.git"), "https://***@example.org/app.git");
    assert_eq!(masked("user:pw@host:app"), "***@host:app");
}

#[test]
fn an_ssh_user_stays_and_its_password_goes() {
    let remote = remote("ssh://git:pw@example.org:2222/app.git");
    assert_eq!(remote.dial, "ssh://git@example.org:2222/app.git");
    assert_eq!(remote.origin, Origin { scheme: Scheme::Ssh, host: "example.org".into(), port: 2222 });
}

#[test]
fn origins_differ_by_scheme_host_and_port() {
    let of = |url| Origin::of_http(url).unwrap();
    assert_eq!(of("https://EXAMPLE.org/a"), of("https://example.org:443/b"));
    assert_ne!(of("https://example.org/a"), of("https://example.org:444/a"));
    assert_ne!(of("https://example.org/a"), of("https://example.net/a"));
    assert_ne!(of("https://localhost:80/a"), of("http://localhost:80/a"));
}
