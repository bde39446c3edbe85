//! What `tests/world` has to offer, as it says in the environment. Starts nothing; a test that gets
//! `None` is left out, with a line that says so.

use std::path::PathBuf;

/// Docker, by every way there.
pub struct Engine {
    /// `unix://…`
    pub unix: String,
    /// `tcp://…`
    pub tcp: String,
    /// `https://…`, dockerd's own listener with mutual TLS.
    pub tls: String,
    /// The same engine behind a server certificate that has expired.
    pub expired: String,
    /// `ssh://…`
    pub ssh: String,
    /// `agent://…`
    pub agent: String,
    /// ca.pem, cert.pem and key.pem; the same in agent, wrong and expired.
    pub certs: PathBuf,
}

/// The Docker engine.
pub fn engine() -> Option<Engine> {
    Some(Engine {
        unix: var("UNIX")?,
        tcp: var("TCP")?,
        tls: var("TLS")?,
        expired: var("EXPIRED")?,
        ssh: var("SSH")?,
        agent: var("AGENT")?,
        certs: var("CERTS")?.into(),
    })
}

/// The URL of Podman's service.
pub fn podman() -> Option<String> {
    var("PODMAN")
}

/// How many example containers each engine has.
pub fn scene() -> Option<usize> {
    var("SCENE")?.parse().ok()
}

impl Engine {
    /// A `tls:` section: `{ca_file: …, cert_file: …, key_file: …}` of that folder of certificates.
    pub fn tls_section(&self, folder: &str) -> String {
        let file = |name: &str| self.certs.join(folder).join(name).display().to_string();
        let (ca, cert, key) = (file("ca.pem"), file("cert.pem"), file("key.pem"));
        format!("{{ca_file: {ca}, cert_file: {cert}, key_file: {key}}}")
    }

    /// An engine at an `https://` URL, with that `tls:` section.
    pub fn with_tls(&self, url: &str, tls: &str) -> String {
        format!("{{url: \"{url}\", tls: {tls}}}")
    }

    /// The `agents:` section that makes the world's agent known, as `attic`.
    pub fn agents_section(&self) -> String {
        let addr = self.agent.trim_start_matches("agent://");
        let tls = self.tls_section("agent");
        format!("  agents:\n    - {{addr: \"{addr}\", name: attic, tls: {tls}}}\n")
    }
}

fn var(name: &str) -> Option<String> {
    let value = std::env::var(format!("DROWSE_TEST_{name}")).ok();
    if value.is_none() {
        eprintln!("left out: no DROWSE_TEST_{name}, for this was not started by tests/world");
    }
    value
}
