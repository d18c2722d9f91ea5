//! Randomness. **Invariant:** nothing else in Gantry makes any.

use rand::Rng;

/// 64 unpredictable bits from the operating system's generator.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that makes randomness")]
pub fn random_u64() -> u64 {
    rand::rng().next_u64()
}

/// `bytes` unpredictable bytes as lower-case hex: webhook secrets.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that makes randomness")]
pub fn random_hex(bytes: usize) -> String {
    let mut raw = vec![0_u8; bytes];
    rand::rng().fill_bytes(&mut raw);
    hex::encode(raw)
}

/// `N` unpredictable bytes: keys and nonces.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that makes randomness")]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut raw = [0_u8; N];
    rand::rng().fill_bytes(&mut raw);
    raw
}
