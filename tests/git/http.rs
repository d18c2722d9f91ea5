//! Over HTTP: what is offered to whom, told by a small server that answers as we say; and fetches from Git's own `http-backend`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use gantry::git::{Credentials, Error, Mirror};

use crate::peer::{Peer, command};

/// A server that answers each request with what `answer` makes of its head, and tells all heads.
struct Server {
    port: u16,
    heads: Receiver<String>,
}

fn serve(answer: impl Fn(&str) -> String + Send + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, heads) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream: TcpStream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while reader.read_line(&mut head).unwrap_or(0) > 2 {}
            let answer = answer(&head);
            if tell.send(head).is_err() || write!(stream, "{answer}Content-Length: 0\r\nConnection: close\r\n\r\n").is_err() {
                return;
            }
        }
    });
    Server { port, heads }
}

fn failure(url: &str, credentials: &Credentials) -> Error {
    let dir = tempfile::TempDir::new().unwrap();
    Mirror::open(&dir.path().join("mirror")).unwrap().fetch(url, credentials).expect_err("the fetch must fail")
}

const UNAUTHORIZED: &str = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n";

#[test]
fn without_a_credential_the_sentence_says_what_is_wanted() {
    let server = serve(|_| UNAUTHORIZED.to_owned());
    let error = failure(&format!("http://127.0.0.1:{}/app.git", server.port), &Credentials::default());
    assert!(
        matches!(error, Error::Authentication { .. }) && error.to_string().contains("wants a user and a password"),
        "{error}"
    );
}

#[test]
fn a_wrong_password_is_offered_once_and_never_told() {
    let server = serve(|_| UNAUTHORIZED.to_owned());
    let error = failure(&format!("http://me:s3cret@127.0.0.1:{}/app.git", server.port), &Credentials::default());
    assert!(matches!(error, Error::Authentication { .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    let heads: Vec<String> = server.heads.try_iter().collect();
    let offered = heads.iter().filter(|head| head.contains("Authorization: Basic")).count();
    assert_eq!(offered, 1, "{heads:#?}");
}

#[test]
fn a_password_does_not_travel_to_another_port_by_redirect() {
    let thief = serve(|_| UNAUTHORIZED.to_owned());
    let port = thief.port;
    let server = serve(move |head| {
        if head.contains("Authorization") {
            format!("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{port}/app.git/info/refs?service=git-upload-pack\r\n")
        } else {
            UNAUTHORIZED.to_owned()
        }
    });
    let url = format!("http://127.0.0.1:{}/app.git", server.port);
    let credentials = Credentials::default().with_password(&url, "me", "s3cret").unwrap();
    failure(&url, &credentials);
    assert!(server.heads.try_iter().any(|head| head.contains("Authorization: Basic")), "the right one is asked");
    let stolen: Vec<String> = thief.heads.try_iter().filter(|head| head.contains("Authorization")).collect();
    assert!(stolen.is_empty(), "{stolen:?}");
}

#[test]
fn a_redirect_to_another_host_is_refused_with_the_reason() {
    let thief = serve(|_| UNAUTHORIZED.to_owned());
    let port = thief.port;
    let server = serve(move |_| {
        format!("HTTP/1.1 301 Moved\r\nLocation: http://localhost:{port}/app.git/info/refs?service=git-upload-pack\r\n")
    });
    let error = failure(&format!("http://me:s3cret@127.0.0.1:{}/app.git", server.port), &Credentials::default());
    assert!(matches!(error, Error::Redirect { .. }) && error.to_string().contains("localhost"), "{error}");
    assert_eq!(thief.heads.try_iter().count(), 0, "nobody goes there");
}

#[test]
fn missing_and_broken_servers_are_told_apart() {
    for (answer, transient) in [("404 Not Found", false), ("503 Unavailable", true), ("200 OK", false)] {
        let server = serve(move |_| format!("HTTP/1.1 {answer}\r\nContent-Type: text/html\r\n"));
        let error = failure(&format!("http://127.0.0.1:{}/app.git", server.port), &Credentials::default());
        assert_eq!(error.is_transient(), transient, "{answer}: {error}");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = failure(&format!("http://127.0.0.1:{nobody}/app.git"), &Credentials::default());
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}

#[test]
fn a_server_that_does_not_speak_tls_is_not_spoken_to() {
    let server = serve(|_| "HTTP/1.1 200 OK\r\n".to_owned());
    let error = failure(&format!("https://me:s3cret@127.0.0.1:{}/app.git", server.port), &Credentials::default());
    assert!(matches!(error, Error::Unreachable { .. } | Error::Certificate { .. }), "{error}");
}

/// The body of a request, which comes whole or in chunks.
fn body(head: &str, reader: &mut impl BufRead) -> Vec<u8> {
    let head = head.to_ascii_lowercase();
    let mut body = Vec::new();
    if let Some((_, length)) = head.split_once("content-length: ") {
        let length = length.split("\r\n").next().unwrap().parse().unwrap();
        reader.take(length).read_to_end(&mut body).unwrap();
    } else if head.contains("transfer-encoding: chunked") {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).unwrap();
            let size = u64::from_str_radix(size.trim(), 16).unwrap();
            let start = body.len();
            reader.by_ref().take(size + 2).read_to_end(&mut body).unwrap();
            body.truncate(start + usize::try_from(size).unwrap());
            if size == 0 {
                break;
            }
        }
    }
    body
}

/// Serves `peer` by `git http-backend`, to whoever sends this header.
fn serve_git(peer: &Peer, required: Option<&'static str>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let dir = peer.dir.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while reader.read_line(&mut head).unwrap_or(0) > 2 {}
            let body = body(&head, &mut reader);
            if required.is_some_and(|required| !head.contains(required)) {
                write!(stream, "{UNAUTHORIZED}Content-Length: 0\r\nConnection: close\r\n\r\n").ok();
                continue;
            }
            let mut words = head.split(' ');
            let (method, target) = (words.next().unwrap(), words.next().unwrap());
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let mut backend = command(&dir, &["http-backend"])
                .env("GIT_PROJECT_ROOT", &dir)
                .env("GIT_HTTP_EXPORT_ALL", "1")
                .env("REQUEST_METHOD", method)
                .env("PATH_INFO", path.replacen("/app", "/.git", 1))
                .env("QUERY_STRING", query)
                .env("CONTENT_TYPE", "application/x-git-upload-pack-request")
                .env("CONTENT_LENGTH", body.len().to_string())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            backend.stdin.take().unwrap().write_all(&body).unwrap();
            let output = backend.wait_with_output().unwrap().stdout;
            let status = if output.starts_with(b"Status: ") { "404 Not Found" } else { "200 OK" };
            let length = output.windows(4).position(|end| end == b"\r\n\r\n").map_or(0, |end| output.len() - end - 4);
            write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n").ok();
            stream.write_all(&output).ok();
        }
    });
    port
}

#[test]
fn a_repository_is_fetched_from_gits_own_http_server() {
    let peer = Peer::with(&[("a", "1")]);
    peer.git(&["checkout", "-q", "-b", "trunk"]);
    peer.git(&["tag", "-a", "-m", "x", "v1"]);
    let url = format!("http://127.0.0.1:{}/app", serve_git(&peer, None));
    let mirror = Mirror::open(&peer.beside("mirror")).unwrap();
    let snapshot = mirror.fetch(&url, &Credentials::default()).unwrap();
    assert_eq!(snapshot.default_branch.as_deref(), Some("trunk"));
    assert_eq!(snapshot.refs.keys().collect::<Vec<_>>(), ["refs/heads/main", "refs/heads/trunk", "refs/tags/v1"]);
    let new = peer.commit(&[("a", "2")]);
    peer.git(&["branch", "-D", "-q", "main"]);
    let snapshot = mirror.fetch(&url, &Credentials::default()).unwrap();
    assert_eq!((snapshot.refs.get("refs/heads/trunk"), snapshot.refs.get("refs/heads/main")), (Some(&new), None));
    let empty = Peer::new();
    let url = format!("http://127.0.0.1:{}/app", serve_git(&empty, None));
    assert!(mirror.fetch(&url, &Credentials::default()).unwrap().refs.is_empty());
}

#[test]
fn a_private_repository_is_fetched_with_a_password_from_the_url_or_the_credentials() {
    let peer = Peer::with(&[("a", "1")]);
    // "me:s3cr@t" in base64.
    let port = serve_git(&peer, Some("Authorization: Basic bWU6czNjckB0"));
    let mirror = Mirror::open(&peer.beside("mirror")).unwrap();
    let plain = format!("http://127.0.0.1:{port}/app");
    let error = mirror.fetch(&plain, &Credentials::default()).expect_err("it is private");
    assert!(matches!(error, Error::Authentication { .. }), "{error}");
    let snapshot = mirror.fetch(&format!("http://me:s3cr%40t@127.0.0.1:{port}/app"), &Credentials::default()).unwrap();
    let credentials = Credentials::default().with_password(&plain, "me", "s3cr@t").unwrap();
    assert_eq!(mirror.fetch(&plain, &credentials).unwrap(), snapshot);
    assert_eq!(snapshot.refs.len(), 1);
}

#[test]
fn a_repository_that_is_not_there_over_http_is_told() {
    let peer = Peer::with(&[("a", "1")]);
    let error = failure(&format!("http://127.0.0.1:{}/other", serve_git(&peer, None)), &Credentials::default());
    assert!(matches!(error, Error::NoRepository { .. }), "{error}");
}

/// Needs Debian's `openssl`, for a TLS server with a certificate that nobody vouches for.
#[test]
fn a_certificate_of_nobody_is_refused_before_a_password_is_sent() {
    let peer = Peer::new();
    let (key, certificate) = (peer.beside("key.pem"), peer.beside("certificate.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .stderr(Stdio::null())
        .status()
        .expect("openssl is installed");
    assert!(made.success());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut server = Command::new("openssl")
        .args(["s_server", "-www", "-accept", &format!("127.0.0.1:{port}"), "-key"])
        .arg(&key)
        .arg("-cert")
        .arg(&certificate)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(server.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("ACCEPT") {
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "openssl ended: {line}");
    }
    let error = failure(&format!("https://me:s3cret@localhost:{port}/app.git"), &Credentials::default());
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(matches!(error, Error::Certificate { .. }) && !error.to_string().contains("s3cret"), "{error}");
}
