//! Where a container is reached: by its network from this machine, by its engine's host from
//! elsewhere.

use super::Origin;
use crate::docker::types::{Network, Summary};
use crate::nearest::nearest;
use crate::sorted::Map;

/// How many network names an error lists.
const LISTED: usize = 5;

/// Where a container is reached; texts are empty where it is not.
#[derive(Default)]
pub struct Place {
    /// It has the host's own network.
    pub is_host: bool,
    /// The network that reaches it from this machine.
    pub network: String,
    /// Its address there.
    pub private_hostname: String,
    /// The host that publishes its ports.
    pub public_hostname: String,
}

/// What else decides where it is reached.
pub struct Facts<'a> {
    /// Its labels.
    pub labels: &'a Map<String, String>,
    /// Its compose project.
    pub project: Option<&'a str>,
    /// What it does.
    pub state: &'a str,
}

/// Finds out where a container is reached. What stands against it goes to `errors`.
pub fn place(
    summary: &Summary,
    origin: &Origin,
    facts: &Facts<'_>,
    errors: &mut Vec<String>,
) -> Place {
    let mut place = Place { is_host: is_host(summary), ..Place::default() };
    let running = facts.state == "running";
    if running {
        let host = if origin.local { "127.0.0.1" } else { &origin.public_host };
        place.public_hostname = host.to_owned();
    }
    if origin.local || origin.agent.is_some() {
        let networks = &summary.network_settings.networks;
        let wanted = facts.labels.get("proxy.network").map_or("", |name| name.trim());
        match chosen(networks, wanted, facts) {
            Some((name, network)) => {
                place.network = name.clone();
                place.private_hostname = address(network, facts.state).to_owned();
            }
            // Some engines list no network before the first start.
            None if wanted.is_empty() || (networks.is_empty() && !running) => {}
            None => errors.push(format!("proxy.network: {}", missing(networks, wanted))),
        }
    }
    let nowhere = place.public_hostname.is_empty() && place.private_hostname.is_empty();
    if running && nowhere && !place.is_host {
        errors.push("network: no network: expected one, or a known host name of the engine".into());
    }
    place
}

/// Podman's list has no mode, but 5 names the network that all engines reserve.
fn is_host(summary: &Summary) -> bool {
    match &summary.host_config {
        Some(host) if !host.network_mode.is_empty() => host.network_mode == "host",
        _ => summary.network_settings.networks.contains_key("host"),
    }
}

/// The wanted network, by its own name or compose's; if none is wanted, the first with an address.
fn chosen<'a>(
    networks: &'a Map<String, Network>,
    wanted: &str,
    facts: &Facts<'_>,
) -> Option<(&'a String, &'a Network)> {
    if wanted.is_empty() {
        return networks.iter().find(|(_, network)| !address(network, facts.state).is_empty());
    }
    let of_project = || networks.get_key_value(&format!("{}_{wanted}", facts.project?));
    networks.get_key_value(wanted).or_else(of_project)
}

/// IPv4 if it has both. Docker 20.10 lists the address of a failed start on and on, though it may
/// be another container's by now: what is down has none.
fn address<'n>(network: &'n Network, state: &str) -> &'n str {
    if matches!(state, "created" | "exited" | "removing" | "dead") {
        return "";
    }
    if network.ip_address.is_empty() { &network.global_ipv6_address } else { &network.ip_address }
}

fn missing(networks: &Map<String, Network>, wanted: &str) -> String {
    let names: Vec<&str> = networks.keys().map(String::as_str).collect();
    let expected = match nearest(wanted, names.iter().copied()) {
        Some(name) => name.to_owned(),
        None if names.is_empty() => return "it is on no network: expected one".into(),
        None => names.into_iter().take(LISTED).collect::<Vec<_>>().join(", "),
    };
    format!("it is not on that network: expected {expected}")
}
