//! Whom to believe instead of a CA: one certificate, or anybody. Not the usual check by a CA,
//! which is rustls's own.

use std::fmt::Write;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

use crate::net::cipher;

/// Takes any certificate whose key signed the handshake.
pub fn anybody() -> Arc<dyn ServerCertVerifier> {
    believer(None)
}

/// Takes the one certificate with this SHA-256, whatever its name, issuer and dates.
pub fn pinned(sha256: [u8; 32]) -> Arc<dyn ServerCertVerifier> {
    believer(Some(sha256))
}

#[derive(Debug)]
struct Believer {
    sha256: Option<[u8; 32]>,
    signatures: WebPkiSupportedAlgorithms,
}

fn believer(sha256: Option<[u8; 32]>) -> Arc<dyn ServerCertVerifier> {
    Arc::new(Believer { sha256, signatures: cipher::SIGNATURES })
}

impl ServerCertVerifier for Believer {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found = cipher::sha256(certificate);
        match self.sha256 {
            Some(wanted) if found != wanted => Err(Error::General(format!(
                "the server's certificate is not the pinned one: its SHA-256 is {}",
                colons(&found)
            ))),
            Some(_) | None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.signatures)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.signatures)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.supported_schemes()
    }
}

/// `AA:BB:…`, as Proxmox shows a fingerprint.
fn colons(hash: &[u8]) -> String {
    let mut text = String::new();
    for byte in hash {
        let colon = if text.is_empty() { "" } else { ":" };
        // Writing to a String can't fail.
        let _ = write!(text, "{colon}{byte:02X}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_written_as_proxmox_shows_it() {
        let empty = "E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:\
                     27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55";
        assert_eq!(colons(&cipher::sha256(b"")), empty);
    }
}
