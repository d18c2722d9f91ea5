//! An engine that speaks TLS. **Invariants:** only the authority that was named is trusted, never those of the machine; the certificate has to be for
//! the name that was asked for, and valid today. Each failure is told by a sentence of its own.

use std::error::Error as StdError;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bollard::BollardRequest;
use bollard::errors::Error;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};

use super::address::TlsFiles;
use super::trouble::Said;

/// For the connection alone, without the answer.
const CONNECT: Duration = Duration::from_secs(10);

/// A client whose every request goes over a connection of its own. `name` is for sentences.
pub(super) fn client(
    authority: &str,
    name: &str,
    files: &TlsFiles,
    timeout_s: u64,
    version: &bollard::ClientVersion,
) -> Result<bollard::Docker, Error> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT));
    tcp.set_nodelay(true);
    let config = config(files).map_err(Said::error)?;
    let tls = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().wrap_connector(tcp);
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_max_idle_per_host(0);
    let client: Arc<Client<HttpsConnector<HttpConnector>, _>> = Arc::new(builder.build(tls));
    let (name, ca) = (name.to_owned(), files.ca.display().to_string());
    let transport = move |request: BollardRequest| {
        let (client, name, ca) = (Arc::clone(&client), name.clone(), ca.clone());
        async move {
            let answer = client.request(request).await;
            answer.map_err(|error| match refusal(&error) {
                Some(why) => Said::error(sentence(why, &name, &ca)),
                None => Error::from(error),
            })
        }
    };
    bollard::Docker::connect_with_custom_transport(transport, Some(format!("https://{authority}")), timeout_s, version)
}

fn config(files: &TlsFiles) -> Result<ClientConfig, String> {
    let TlsFiles { ca, own } = files;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(|error| format!("the certificate in {} cannot be used: {error}", ca.display()))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?.with_root_certificates(roots);
    let Some((cert, key)) = own else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates(cert)?;
    let secret = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| format!("no private key can be read from {}: {error}", key.display()))?;
    let config = builder.with_client_auth_cert(chain, secret);
    config.map_err(|error| format!("the key in {} is not that of the certificate in {}: {error}", key.display(), cert.display()))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable =
        |error: rustls::pki_types::pem::Error| format!("no certificate can be read from {}: {error}", file.display());
    let all: Vec<_> = CertificateDer::pem_file_iter(file).map_err(unreadable)?.collect::<Result<_, _>>().map_err(unreadable)?;
    if all.is_empty() { Err(format!("there is no certificate in {}", file.display())) } else { Ok(all) }
}

/// What TLS said, wherever in the error it is.
fn refusal<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        // An `io::Error` does not count what it holds as its source.
        next = held.map(|held| held as &(dyn StdError + 'static)).or_else(|| error.source());
    }
    None
}

fn sentence(error: &rustls::Error, name: &str, ca: &str) -> String {
    use rustls::Error as Tls;
    match error {
        Tls::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired; give the engine a new one".to_owned()
        }
        Tls::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            "its certificate is not valid yet; are both clocks right?".to_owned()
        }
        Tls::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            format!("its certificate was not signed by the authority in {ca}, so it may be another machine")
        }
        Tls::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) => {
            format!("its certificate is not for `{name}`; use the name that it is for, or give the engine one for this name")
        }
        Tls::InvalidCertificate(other) => format!("its certificate is refused: {other:?}"),
        Tls::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError,
        ) => format!("it does not take this server's certificate (`tls.cert` and `tls.key`): {error}"),
        Tls::InvalidMessage(_) => "what answers there does not speak TLS".to_owned(),
        other => format!("no encrypted connection comes about: {other}"),
    }
}
