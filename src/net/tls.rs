//! The one TLS set-up: from files and fingerprints to a rustls configuration, and from rustls's
//! errors to plain words. Opens no socket.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, ClientConnection, Error};
use rustls::{InconsistentKeys, RootCertStore};

use crate::error::Why;
use crate::net::access::plain;
use crate::net::{Tls, Trust, cipher, trust};

/// More than any certificate file has.
const FILE_LIMIT_BYTES: u64 = 1 << 20;

/// Reads the files and builds the set-up: TLS 1.2 and 1.3, and nobody trusted but whom `tls`
/// names. An error tells the file and what is wrong with it.
pub fn client_config(tls: &Tls) -> Result<Arc<ClientConfig>, Why> {
    let provider = Arc::new(cipher::provider());
    let versions = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Why::Invalid(format!("TLS: {error}")))?;
    let trusting = match &tls.trust {
        Trust::Ca(file) => versions.with_root_certificates(roots(file)?),
        Trust::Fingerprint(sha256) => {
            versions.dangerous().with_custom_certificate_verifier(trust::pinned(*sha256))
        }
        Trust::Insecure => versions.dangerous().with_custom_certificate_verifier(trust::anybody()),
    };
    let config = match &tls.identity {
        None => trusting.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = (certificates(&identity.cert)?, private_key(&identity.key)?);
            let (key_file, cert_file) = (identity.key.display(), identity.cert.display());
            trusting.with_client_auth_cert(chain, key).map_err(|error| match error {
                Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => Why::Invalid(format!(
                    "{key_file}: the key does not belong to the certificate in {cert_file}"
                )),
                _ => Why::Invalid(format!("{cert_file} and {key_file}: {error}")),
            })?
        }
    };
    Ok(Arc::new(config))
}

/// A session with `host`, or with the name that `tls` says its certificate carries.
pub fn session(config: &Arc<ClientConfig>, tls: &Tls, host: &str) -> Result<ClientConnection, Why> {
    let name = tls.server_name.as_deref().unwrap_or(host);
    let server = ServerName::try_from(name.to_owned())
        .map_err(|_| Why::Invalid(format!("{name} is not a name that a certificate can carry")))?;
    ClientConnection::new(config.clone(), server)
        .map_err(|error| Why::Unreachable(words(tls, host, &error)))
}

/// What rustls has to say in an error of its stream, if it is one of rustls.
pub fn rustls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// A failed handshake, or the alert that came instead of a reply, in plain words.
pub fn words(tls: &Tls, host: &str, error: &Error) -> String {
    match error {
        Error::InvalidCertificate(fault) => certificate_words(tls, host, fault),
        Error::AlertReceived(alert) => alert_words(tls, *alert),
        Error::InvalidMessage(_) => {
            "what answers there does not speak TLS: is it plain HTTP (tcp://)?".into()
        }
        Error::General(text) => text.clone(),
        other => format!("TLS: {other}"),
    }
}

fn certificate_words(tls: &Tls, host: &str, fault: &CertificateError) -> String {
    use CertificateError as C;
    let name = tls.server_name.as_deref().unwrap_or(host);
    match fault {
        C::ExpiredContext { time, not_after } => {
            let days = time.as_secs().saturating_sub(not_after.as_secs()) / (24 * 60 * 60);
            format!("the server's certificate expired {days} days ago")
        }
        C::Expired => "the server's certificate has expired".into(),
        C::NotValidYet | C::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet: is this machine's clock right?".into()
        }
        C::UnknownIssuer | C::BadSignature => match &tls.trust {
            Trust::Ca(file) => {
                format!("the server's certificate is not signed by {}", file.display())
            }
            Trust::Fingerprint(_) | Trust::Insecure => format!("the server's certificate: {fault}"),
        },
        C::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            format!("the server's certificate carries no name at all (subjectAltName), not {name}")
        }
        C::NotValidForNameContext { presented, .. } => {
            format!("the server's certificate is for {}, not for {name}", names(presented))
        }
        C::NotValidForName => format!("the server's certificate is not for {name}"),
        other => format!("the server's certificate: {other}"),
    }
}

/// `DnsName("a")` and `IpAddress(::1)` without their wrapping.
fn names(presented: &[String]) -> String {
    let bare = presented.iter().map(|name| {
        let inner = name.split_once('(').map_or(name.as_str(), |(_, rest)| rest);
        inner.trim_end_matches(')').trim_matches('"')
    });
    bare.collect::<Vec<_>>().join(", ")
}

/// With TLS 1.3 the server judges the client certificate when the client has long finished: the
/// alert comes at the first read (RFC 8446 §4.4.2.4, §6.2).
fn alert_words(tls: &Tls, alert: AlertDescription) -> String {
    use AlertDescription as A;
    let fault = match alert {
        A::CertificateRequired | A::BadCertificate | A::HandshakeFailure => "it is not accepted",
        A::UnknownCA => "its issuer is unknown there",
        A::CertificateExpired => "it has expired",
        A::CertificateRevoked => "it was revoked",
        A::UnsupportedCertificate => "it is not for clients",
        A::CertificateUnknown | A::AccessDenied | A::DecryptError => "it is not accepted",
        A::ProtocolVersion => return "the server speaks neither TLS 1.2 nor TLS 1.3".into(),
        A::UnrecognisedName => return "the server does not know this server name".into(),
        other => return format!("the server broke off the TLS session: {other:?}"),
    };
    match &tls.identity {
        None if alert == A::HandshakeFailure => {
            "the server refused the TLS handshake: does it want a client certificate?".into()
        }
        None => "the server wants a client certificate, and none is configured".into(),
        Some(identity) => {
            let file = identity.cert.display();
            format!("the server refuses the client certificate {file}: {fault}")
        }
    }
}

fn roots(file: &Path) -> Result<RootCertStore, Why> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|error| unusable(file, &error))?;
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Why> {
    let text = contents(file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| unusable(file, &error))?;
    if found.is_empty() {
        return Err(Why::Invalid(format!("{}: no certificate in it", file.display())));
    }
    Ok(found)
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, Why> {
    PrivateKeyDer::from_pem_slice(&contents(file)?).map_err(|error| match error {
        pem::Error::NoItemsFound => Why::Invalid(format!(
            "{}: no private key in it that can be used without a passphrase",
            file.display()
        )),
        _ => unusable(file, &error),
    })
}

fn contents(file: &Path) -> Result<Vec<u8>, Why> {
    let mut text = Vec::new();
    let shown = file.display();
    File::open(file)
        .and_then(|opened| opened.take(FILE_LIMIT_BYTES + 1).read_to_end(&mut text))
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Why::Invalid(format!("{shown}: no such file")),
            _ => Why::Invalid(format!("{shown}: {}", plain(&error))),
        })?;
    if text.len() as u64 > FILE_LIMIT_BYTES {
        return Err(Why::Invalid(format!("{shown}: too big for a certificate or a key")));
    }
    Ok(text)
}

fn unusable(file: &Path, error: &dyn std::fmt::Display) -> Why {
    Why::Invalid(format!("{}: can't be read: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Identity;
    use std::fs;
    use std::path::PathBuf;

    fn good(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls").join(name)
    }

    fn tls(ca: &Path, cert: &Path, key: &Path) -> Tls {
        let identity = Some(Identity { cert: cert.into(), key: key.into() });
        Tls { trust: Trust::Ca(ca.into()), identity, server_name: None }
    }

    /// What is said of this content in the place of each of the three files.
    fn said(content: &[u8]) -> [String; 3] {
        let dir = tempfile::tempdir().unwrap();
        let bad = dir.path().join("bad.pem");
        fs::write(&bad, content).unwrap();
        let (ca, cert, key) = (good("ca.pem"), good("client.pem"), good("client.key"));
        let all = [tls(&bad, &cert, &key), tls(&ca, &bad, &key), tls(&ca, &cert, &bad)];
        let place = dir.path().display().to_string() + "/";
        all.map(|tls| client_config(&tls).unwrap_err().to_string().replace(&place, ""))
    }

    #[test]
    fn good_files_make_a_set_up() {
        let tls = tls(&good("ca.pem"), &good("client.pem"), &good("client.key"));
        assert!(client_config(&tls).unwrap().client_auth_cert_resolver.has_certs());
    }

    #[test]
    fn a_missing_file_is_named() {
        let tls = tls(Path::new("/none/ca.pem"), &good("client.pem"), &good("client.key"));
        let why = client_config(&tls).unwrap_err();
        assert_eq!(why, Why::Invalid("/none/ca.pem: no such file".into()));
    }

    #[test]
    fn a_file_without_what_is_looked_for_is_told_by_what_it_lacks() {
        let lacks = [
            "bad.pem: no certificate in it",
            "bad.pem: no certificate in it",
            "bad.pem: no private key in it that can be used without a passphrase",
        ];
        assert_eq!(said(b""), lacks);
        let locked = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n\
                       -----END ENCRYPTED PRIVATE KEY-----\n";
        assert_eq!(said(locked), lacks);
    }

    #[test]
    fn a_spoilt_or_endless_file_is_told_too() {
        for text in said(b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n") {
            assert!(text.starts_with("bad.pem: "), "{text}");
        }
        let long = vec![b'\n'; 2 << 20];
        assert_eq!(said(&long), ["bad.pem: too big for a certificate or a key"; 3]);
    }

    #[test]
    fn a_key_that_belongs_to_another_certificate_is_told() {
        let (cert, key) = (good("client.pem"), good("server.key"));
        assert_eq!(
            client_config(&tls(&good("ca.pem"), &cert, &key)).unwrap_err(),
            Why::Invalid(format!(
                "{}: the key does not belong to the certificate in {}",
                key.display(),
                cert.display()
            ))
        );
    }

    #[test]
    fn an_alert_about_certificates_is_told_by_what_was_configured() {
        let with = tls(&good("ca.pem"), Path::new("cert.pem"), Path::new("key.pem"));
        let without = Tls { identity: None, ..with.clone() };
        let told = |tls, alert| words(tls, "engine", &Error::AlertReceived(alert));
        assert_eq!(
            told(&with, AlertDescription::CertificateExpired),
            "the server refuses the client certificate cert.pem: it has expired"
        );
        assert_eq!(
            told(&without, AlertDescription::BadCertificate),
            "the server wants a client certificate, and none is configured"
        );
        assert_eq!(
            told(&with, AlertDescription::ProtocolVersion),
            "the server speaks neither TLS 1.2 nor TLS 1.3"
        );
        assert_eq!(
            told(&with, AlertDescription::InternalError),
            "the server broke off the TLS session: InternalError"
        );
    }

    #[test]
    fn a_name_that_no_certificate_can_carry_is_an_error_of_the_configuration() {
        let tls = Tls { trust: Trust::Insecure, identity: None, server_name: Some("a b".into()) };
        let config = client_config(&tls).unwrap();
        assert_eq!(
            session(&config, &tls, "engine").unwrap_err(),
            Why::Invalid("a b is not a name that a certificate can carry".into())
        );
    }
}
