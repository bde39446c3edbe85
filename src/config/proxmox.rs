//! `providers.proxmox`: nodes and clusters, their tokens and secrets.

use std::path::Path;

use super::read::{self, Reader, Section};
use super::{Env, Proxmox, Secret, tls};
use crate::error::Why;
use crate::host;
use crate::net::{Endpoint, Route};
use crate::yaml::Node;

/// The port of PVE's `pveproxy`.
const PORT: u16 = 8006;
const KEYS: [&str; 6] = ["url", "token_id", "secret", "secret_file", "secret_credential", "tls"];
const SECRETS: [&str; 3] = ["secret", "secret_file", "secret_credential"];
const TLS: &str = "expected `tls:` with `ca_file`, `fingerprint` or `insecure: true`";

/// Reads the list.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Vec<Proxmox> {
    let mut all: Vec<Proxmox> = Vec::new();
    for item in reader.items(node) {
        let Some(found) = one(reader, item) else { continue };
        if all.iter().any(|other| other.endpoint.authority == found.endpoint.authority) {
            let authority = &found.endpoint.authority;
            reader.problem(item.at, format!("a second section for `{authority}`"));
        }
        all.push(found);
    }
    all
}

fn one(reader: &mut Reader<'_>, node: &Node) -> Option<Proxmox> {
    let section = reader.section(node, &KEYS)?;
    let place = reader.required(&section, "url", place);
    let token_id = reader.required(&section, "token_id", token_id);
    let secret = secret(reader, &section);
    let Some(tls_node) = section.field("tls") else {
        reader.problem(node.at, TLS);
        return None;
    };
    let tls = tls::section(reader, tls_node);
    let (host, port) = place?;
    let authority = host::authority(&host, port);
    let name = if port == PORT { host.clone() } else { authority.clone() };
    let endpoint = Endpoint {
        url: format!("https://{authority}"),
        authority,
        route: Route::Tls { host, port, tls: tls? },
    };
    Some(Proxmox { name, endpoint, token_id: token_id?, secret: secret? })
}

fn place(url: &str) -> Result<(String, u16), String> {
    let Some(rest) = url.strip_prefix("https://") else {
        return Err(format!("`{}`, expected https://HOST:{PORT}", host::redacted(url)));
    };
    let (host, port) = host::place(rest).map_err(|why| why.to_string())?;
    Ok((host, port.unwrap_or(PORT)))
}

/// `user@realm!name`, as PVE's `Auth::Basic` and `AccessControl` take it.
fn token_id(text: &str) -> Result<String, String> {
    let word = |word: &str| {
        let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        word.starts_with(|c: char| c.is_ascii_alphabetic()) && word.chars().all(good)
    };
    let parts = text.rsplit_once('!').and_then(|(owner, name)| {
        let (user, realm) = owner.rsplit_once('@')?;
        Some((user, realm, name))
    });
    let user_is_good = |user: &str| {
        !user.is_empty() && user.chars().all(|c| c.is_ascii_graphic() && !":/!".contains(c))
    };
    match parts {
        Some((user, realm, name)) if user_is_good(user) && word(realm) && word(name) => {
            Ok(text.to_owned())
        }
        _ => Err(format!("`{text}`, expected user@realm!name")),
    }
}

/// The secret from the one place that is given. An error inside: only a systemd service has it.
fn secret(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<Result<Secret, Why>> {
    let given: Vec<&str> = SECRETS.into_iter().filter(|key| section.field(key).is_some()).collect();
    let [key] = given[..] else {
        let expected = "expected one of `secret`, `secret_file` and `secret_credential`";
        let found = if given.is_empty() { "no secret" } else { "more than one secret" };
        reader.problem(section.at, format!("{found}, {expected}"));
        return None;
    };
    match key {
        "secret" => reader.value(section, key, one_line).map(Ok),
        "secret_file" => {
            let path = reader.file(section, key)?;
            reader.value(section, key, |_| from_file(&path)).map(Ok)
        }
        _ => {
            let env = reader.env;
            reader.value(section, key, |name| credential(name, env))
        }
    }
}

fn credential(name: &str, env: &Env) -> Result<Result<Secret, Why>, String> {
    if name.contains('/') || name.starts_with('.') {
        return Err(format!("`{name}`, expected a credential's name"));
    }
    match env.var("CREDENTIALS_DIRECTORY") {
        Some(folder) => from_file(&Path::new(folder).join(name)).map(Ok),
        None => Ok(Err(Why::Invalid(format!(
            "no systemd credential `{name}`, expected to be started by a unit with \
             LoadCredential={name}:…"
        )))),
    }
}

fn from_file(path: &Path) -> Result<Secret, String> {
    let named = |what: String| format!("{}: {what}", path.display());
    one_line(read::whole_text(path).map_err(named)?.trim_end()).map_err(named)
}

/// It goes into a header. The error never repeats it.
fn one_line(text: &str) -> Result<Secret, String> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("expected one line of letters, digits and signs".into());
    }
    Ok(Secret(text.to_owned()))
}
