//! Port mappings as they are printed: a sorted list, and one mapping for each port number.

use std::borrow::Cow;

use serde::Serialize;

use crate::docker::types;
use crate::sorted::{self, Map};

/// One port mapping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Port {
    /// The host's address; `None`: not published, or the engine does not say (Podman 4.3).
    pub ip: Option<String>,
    /// The container's port.
    pub private_port: u16,
    /// The host's port; `None`: not published.
    pub public_port: Option<u16>,
    /// `tcp`, `udp` or `sctp`.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
}

/// By the container's port; then, as among several for one port, by how well it serves: tcp before
/// udp, IPv4 before IPv6, published before not. Repeats are dropped, and what has no number, which
/// is told.
pub fn sorted(ports: Vec<types::Port>, errors: &mut Vec<String>) -> Vec<Port> {
    let mut ports: Vec<Port> = ports.into_iter().map(port).collect();
    if ports.iter().any(|port| port.private_port == 0) {
        ports.retain(|port| port.private_port > 0);
        errors.push("Ports: no PrivatePort: expected 1 to 65535".into());
    }
    sorted::sort_by(&mut ports, |a, b| (a.private_port, rank(a)).cmp(&(b.private_port, rank(b))));
    ports.dedup();
    ports
}

/// The best mapping for each port of the container.
pub fn by_private(ports: &[Port]) -> Map<u16, Port> {
    best(ports, |port| Some(port.private_port))
}

/// The best mapping for each published port.
pub fn by_public(ports: &[Port]) -> Map<u16, Port> {
    best(ports, |port| port.public_port)
}

/// The best mapping for each number that `number` tells.
fn best(ports: &[Port], number: fn(&Port) -> Option<u16>) -> Map<u16, Port> {
    let mut best: Map<u16, Port> = Map::new();
    for port in ports {
        let Some(number) = number(port) else { continue };
        if best.get(&number).is_none_or(|kept| rank(port) < rank(kept)) {
            best.insert(number, port.clone());
        }
    }
    best
}

fn port(port: types::Port) -> Port {
    Port {
        ip: port.ip.filter(|ip| !ip.is_empty()),
        private_port: port.private_port,
        public_port: port.public_port.filter(|port| *port > 0),
        kind: if port.kind.is_empty() { "tcp".into() } else { common(port.kind.into()) },
    }
}

/// What is common takes no memory.
pub fn common(told: Cow<'_, str>) -> Cow<'static, str> {
    match told.as_ref() {
        "tcp" => "tcp".into(),
        "udp" => "udp".into(),
        _ => Cow::Owned(told.into_owned()),
    }
}

fn rank(port: &Port) -> impl Ord + '_ {
    let ip = port.ip.as_deref().unwrap_or_default();
    let public = (port.public_port.is_none(), ip, port.public_port);
    // `sctp`, `tcp`, `udp`: the first letter would not do.
    let kind = (port.kind != "tcp", port.kind != "udp", port.kind.as_ref());
    (kind, ip.contains(':'), public, port.private_port)
}
