//! `tls:` sections and folders of PEM files. Looks whether the files are there, reads none.

use std::path::Path;

use super::read::{self, Reader};
use crate::error::Why;
use crate::net::{Identity, Tls, Trust};
use crate::yaml::Node;

const KEYS: [&str; 6] =
    ["ca_file", "fingerprint", "insecure", "cert_file", "key_file", "server_name"];
const TRUST: &str = "expected one of `ca_file`, `fingerprint` and `insecure: true`";

/// A `tls:` section. `None`: it can't be used, and that is noted.
pub(super) fn section(reader: &mut Reader<'_>, node: &Node) -> Option<Tls> {
    let section = reader.section(node, &KEYS)?;
    let before = reader.problems.len();
    let ca = reader.file(&section, "ca_file").map(Trust::Ca);
    let pin = reader.value(&section, "fingerprint", fingerprint).map(Trust::Fingerprint);
    let insecure = reader.value(&section, "insecure", read::truth).filter(|yes| *yes);
    // If one was given and is bad, that is the problem.
    let is_noted = reader.problems.len() > before;
    let cert = reader.file(&section, "cert_file");
    let key = reader.file(&section, "key_file");
    let server_name = reader.value(&section, "server_name", name);
    for (one, other) in [("cert_file", "key_file"), ("key_file", "cert_file")] {
        if section.field(one).is_some() && section.field(other).is_none() {
            reader.problem(section.at, format!("`{one}` alone, expected `{other}` too"));
        }
    }
    let mut trusted = [ca, pin, insecure.map(|_| Trust::Insecure)].into_iter().flatten();
    let trust = trusted.next();
    if trusted.next().is_some() {
        reader.problem(section.at, format!("two ways to trust, {TRUST}"));
    } else if trust.is_none() && !is_noted {
        reader.problem(section.at, TRUST);
    }
    if reader.problems.len() > before {
        return None;
    }
    let identity = cert.zip(key).map(|(cert, key)| Identity { cert, key });
    Some(Tls { trust: trust?, identity, server_name })
}

/// The folder where Docker keeps `ca.pem`, `cert.pem` and `key.pem`. `None`: it holds none of them.
/// `trust` says whom to trust whatever stands there; `None`: its `ca.pem`.
pub(super) fn folder(folder: &Path, trust: Option<Trust>) -> Result<Option<Tls>, Why> {
    let present = |name: &str| {
        let path = folder.join(name);
        let there = read::is_readable(&path).map_err(Why::Invalid)?;
        Ok(there.then_some(path))
    };
    let identity = match (present("cert.pem")?, present("key.pem")?) {
        (Some(cert), Some(key)) => Some(Identity { cert, key }),
        (None, None) => None,
        (Some(_), None) => return Err(missing(folder, "key.pem")),
        (None, Some(_)) => return Err(missing(folder, "cert.pem")),
    };
    let trust = match trust {
        Some(trust) => trust,
        None => match present("ca.pem")? {
            Some(ca) => Trust::Ca(ca),
            None if identity.is_none() => return Ok(None),
            None => return Err(missing(folder, "ca.pem")),
        },
    };
    Ok(Some(Tls { trust, identity, server_name: None }))
}

/// That a folder lacks one of Docker's PEM files.
pub(super) fn missing(folder: &Path, name: &str) -> Why {
    Why::Invalid(format!("{}: no such file", folder.join(name).display()))
}

/// A SHA-256 as Proxmox VE and openssl show it: 32 bytes in hex, colons between them or none.
fn fingerprint(text: &str) -> Result<[u8; 32], String> {
    let expected = || "expected a SHA-256, 32 bytes in hex such as `AA:BB:…`".to_owned();
    let digits: Vec<u32> = text
        .chars()
        .filter(|c| *c != ':')
        .map(|c| c.to_digit(16).ok_or_else(expected))
        .collect::<Result<_, _>>()?;
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair.iter().fold(0, hex)).collect();
    let whole = digits.len() == 64 && (text.len() == 64 || is_in_pairs(text));
    bytes.try_into().ok().filter(|_| whole).ok_or_else(expected)
}

fn hex(value: u8, digit: &u32) -> u8 {
    value << 4 | *digit as u8
}

fn is_in_pairs(text: &str) -> bool {
    text.split(':').all(|pair| pair.len() == 2)
}

/// The name in a certificate.
fn name(text: &str) -> Result<String, String> {
    match crate::host::place(text) {
        Ok((host, None)) => Ok(host),
        _ => Err(format!("`{text}`, expected a host name")),
    }
}
