//! Plain Git's hook: any program that can make an HMAC can say "look now".
//!
//! **Invariants:** compared in constant time; a header that cannot be read is a wrong signature, never an error of its own kind.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The header that carries the signature: `sha256=HEX`.
pub const SIGNATURE_HEADER: &str = "x-gantry-signature-256";

/// Whether `header` is `sha256=` and the hexadecimal HMAC-SHA256 of `body` under `secret`. An empty secret signs nothing.
#[must_use]
pub fn verify(secret: &str, body: &[u8], header: &str) -> bool {
    let Some(Ok(claimed)) = header.strip_prefix("sha256=").map(hex::decode) else {
        return false;
    };
    !secret.is_empty() && keyed(secret, body).is_some_and(|mac| mac.verify_slice(&claimed).is_ok())
}

/// The header's value for `body`: what a sender writes.
#[must_use]
pub fn sign(secret: &str, body: &[u8]) -> String {
    let code = keyed(secret, body).map(|mac| hex::encode(mac.finalize().into_bytes()));
    format!("sha256={}", code.unwrap_or_default())
}

/// `None` never happens: HMAC takes keys of any length.
fn keyed(secret: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(body);
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_hmac_of_rfc_4231() {
        let known = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(sign("Jefe", b"what do ya want for nothing?"), known);
        assert!(verify("Jefe", b"what do ya want for nothing?", known));
    }

    #[test]
    fn only_the_right_secret_over_the_same_bytes_is_taken() {
        let right = sign("secret", b"{}");
        assert!(verify("secret", b"{}", &right));
        assert!(verify("secret", b"{}", &format!("sha256={}", right[7..].to_ascii_uppercase())));
        assert!(!verify("other", b"{}", &right));
        assert!(!verify("secret", b"{} ", &right));
    }

    #[test]
    fn a_malformed_header_is_a_wrong_signature() {
        let right = sign("secret", b"{}");
        let (head, _) = right.split_at(right.len() - 2);
        let long = format!("{right}00");
        for header in ["", "sha256=", "sha256=zz", "sha1=00", &right[7..], head, &long, "sha256=é"] {
            assert!(!verify("secret", b"{}", header), "{header}");
        }
    }

    #[test]
    fn an_empty_secret_signs_nothing() {
        assert!(!verify("", b"{}", &sign("", b"{}")));
    }
}
