//! Engines behind TLS and ssh that are not what they should be: each is refused, with a sentence that says why. What answers by TLS here is a server of the
//! test's own that speaks just enough; what answers by ssh is a real `sshd`.

#[path = "support/certs.rs"]
mod certs;
#[path = "support/process.rs"]
mod process;
#[path = "support/sshd.rs"]
mod sshd;
#[path = "support/mod.rs"]
mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use certs::{Authority, Valid};
use gantry::base::{Clock, InstanceId, Tasks};
use gantry::executor::{Docker, EngineAt, Executor, Failure, Limits, TlsFiles};
use process::Served;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, Stream};
use sshd::Sshd;

/// What health says; none when it is good.
async fn refused(at: EngineAt) -> Option<String> {
    let docker =
        Docker::at(at, InstanceId::new(&Clock::System), Tasks::default(), Clock::System, Limits::default(), Default::default());
    match docker.health().await {
        Ok(()) => None,
        Err(Failure::Unreachable(why)) => Some(why),
        Err(other) => panic!("{other:?}"),
    }
}

/// Answers every request over TLS, to those whose certificate `ca` has signed, with `{}`. It goes with the process.
fn engine(dir: &Path, certificate: &str) -> u16 {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(dir.join("ca.pem")).unwrap()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let chain = vec![CertificateDer::from_pem_file(dir.join(format!("{certificate}.pem"))).unwrap()];
    let key = PrivateKeyDer::from_pem_file(dir.join(format!("{certificate}.key"))).unwrap();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for tcp in listener.incoming() {
            let (mut tcp, mut tls) = (tcp.unwrap(), ServerConnection::new(Arc::clone(&config)).unwrap());
            let mut stream = Stream::new(&mut tls, &mut tcp);
            let mut request = [0; 4096];
            if stream.read(&mut request).is_ok_and(|read| read > 0) {
                let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 21\r\nConnection: close\r\n\r\n{\"ApiVersion\":\"1.41\"}";
                let _ = stream.write_all(answer.as_bytes());
            }
            tls.send_close_notify();
            let _ = tls.complete_io(&mut tcp);
        }
    });
    port
}

fn at(dir: &Path, host: &str, port: u16, own: Option<&str>) -> EngineAt {
    let own = own.map(|name| (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key"))));
    EngineAt { tls: Some(TlsFiles { ca: dir.join("ca.pem"), own }), ..EngineAt::host(&format!("tcp://{host}:{port}")) }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_only_the_engine_that_was_meant_is_spoken_to() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let authority = Authority::new(&dir.join("ca.pem"));
    let stranger = Authority::new(&dir.join("stranger-ca.pem"));
    authority.sign(dir, "me", &["gantry"], Valid::Now);
    stranger.sign(dir, "nobody", &["gantry"], Valid::Now);
    authority.sign(dir, "good", &["localhost"], Valid::Now);
    authority.sign(dir, "old", &["localhost"], Valid::Once);
    authority.sign(dir, "early", &["localhost"], Valid::Later);
    authority.sign(dir, "other", &["build.example.org"], Valid::Now);
    stranger.sign(dir, "strange", &["localhost"], Valid::Now);

    let good = engine(dir, "good");
    assert_eq!(refused(at(dir, "localhost", good, Some("me"))).await, None, "the one that is right is spoken to");
    for (certificate, words) in [
        ("old", "has expired"),
        ("early", "not valid yet"),
        ("other", "is not for `localhost`"),
        ("strange", "was not signed by the authority in"),
    ] {
        let why = refused(at(dir, "localhost", engine(dir, certificate), Some("me"))).await.unwrap();
        assert!(why.contains(words) && why.contains("tcp://localhost:"), "{certificate}: {why}");
    }
    // The same server by a name that its certificate does not have.
    let why = refused(at(dir, "127.0.0.1", good, Some("me"))).await.unwrap();
    assert!(why.contains("is not for `127.0.0.1`"), "{why}");
    for own in [None, Some("nobody")] {
        let why = refused(at(dir, "localhost", good, own)).await.unwrap();
        assert!(why.contains("does not take this server's certificate"), "{own:?}: {why}");
    }
    let why = refused(at(dir, "localhost", good, Some("missing"))).await.unwrap();
    assert!(why.contains("no certificate can be read from") && why.contains("missing.pem"), "{why}");
    let swapped = TlsFiles { ca: dir.join("ca.pem"), own: Some((dir.join("me.pem"), dir.join("good.key"))) };
    let why = refused(EngineAt { tls: Some(swapped), ..at(dir, "localhost", good, None) }).await.unwrap();
    assert!(why.contains("is not that of the certificate"), "{why}");
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = plain.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for tcp in plain.incoming() {
            let _ = tcp.unwrap().write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let why = refused(at(dir, "localhost", port, Some("me"))).await.unwrap();
    assert!(why.contains("does not speak TLS"), "{why}");
}

#[tokio::test]
async fn another_machine_is_never_spoken_to_in_the_clear_by_mistake() {
    let why = refused(EngineAt::host("tcp://192.0.2.1:2375")).await.unwrap();
    assert!(why.contains("without TLS"), "{why}");
}

/// What a server says of its engine, that is reached so.
async fn told(host: &str, path: &str) -> (bool, String) {
    let served = Served::start_with(&[], &[("DOCKER_HOST", host), ("PATH", path)]);
    loop {
        let engine = served.get("/readyz").await["engine"].clone();
        let sentence = engine["sentence"].as_str().unwrap();
        if sentence != "it has not been asked yet" {
            return (engine["ok"] == true, sentence.to_owned());
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn by_ssh_only_the_machine_that_is_known_is_logged_in_to() {
    let sshd = Sshd::start();
    let nowhere = Path::new("/nowhere/docker.sock");
    let (_, why) = told(&sshd.host(nowhere), &sshd.path()).await;
    assert!(why.contains("the login by ssh works, but no Docker engine answers at /nowhere/docker.sock"), "{why}");
    let host = sshd.host(Path::new("/var/run/docker.sock"));
    sshd.trust_nobody();
    let (_, why) = told(&host, &sshd.path()).await;
    assert!(why.contains("is not known to this user") && why.contains(&host), "{why}");
    sshd.trust("other");
    let (_, why) = told(&host, &sshd.path()).await;
    assert!(why.contains("it may be another machine"), "{why}");
    sshd.trust("host");
    assert!(told(&host, &sshd.path()).await.0, "the machine's own engine answers: run .ci/docker-up");
    sshd.lock();
    let (_, why) = told(&host, &sshd.path()).await;
    assert!(why.contains("takes none of this user's ssh keys"), "{why}");
    let empty = tempfile::tempdir().unwrap();
    let (_, why) = told(&host, empty.path().to_str().unwrap()).await;
    assert!(why.contains("there is no `ssh` on this machine"), "{why}");
    drop(sshd);
    let (_, why) = told(&host, &std::env::var("PATH").unwrap()).await;
    assert!(why.contains("nobody listens for ssh"), "{why}");
}
