//! Certificates for an engine and whoever talks to it, good ones and bad ones, of an authority of the test's own.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::net::TcpListener;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// An authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// When a certificate is valid.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Valid {
    Now,
    /// It was until some years ago.
    Once,
    /// It will be in some decades.
    Later,
}

impl Authority {
    /// Writes its certificate to `file`.
    pub fn new(file: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(file, authority.pem()).unwrap();
        Self(authority)
    }

    /// Signs a certificate for these names; writes it and its key to `NAME.pem` and `NAME.key`.
    pub fn sign(&self, dir: &Path, name: &str, names: &[&str], valid: Valid) {
        let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        let years = match valid {
            Valid::Now => (2000, 4000),
            Valid::Once => (2000, 2001),
            Valid::Later => (2090, 2091),
        };
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        std::fs::write(dir.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

/// What an engine that speaks TLS needs, and what a server needs to speak to it, in `dir`; and where that engine listens, with its port.
pub fn for_an_engine(dir: &Path) -> (TcpListener, u16) {
    let authority = Authority::new(&dir.join("ca.pem"));
    authority.sign(dir, "engine", &["localhost"], Valid::Now);
    authority.sign(dir, "me", &["gantry"], Valid::Now);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}
