//! What TLS encrypts, signs and hashes with. Not whom it believes.

use rustls::SupportedCipherSuite;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{self, cipher_suite as suite};

/// ring with AES-GCM, which every server of TLS 1.3 must speak (RFC 8446 §9.1) and those of 1.2 do
/// too. ChaCha20 would be 50 KB that nobody needs.
pub fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            suite::TLS13_AES_128_GCM_SHA256,
            suite::TLS13_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        ],
        ..ring::default_provider()
    }
}

/// The hash of a cipher suite, so that no second implementation of SHA-256 is linked.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let SupportedCipherSuite::Tls13(aes) = suite::TLS13_AES_128_GCM_SHA256 else {
        unreachable!("the suite is TLS 1.3 by its name")
    };
    let hash = aes.common.hash_provider.hash(bytes);
    let Ok(hash) = hash.as_ref().try_into() else { unreachable!("SHA-256 has 32 bytes") };
    hash
}
