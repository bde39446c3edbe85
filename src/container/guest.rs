//! What a cluster says about a guest, made into the same object as a container. Pure: asks nobody.

use std::net::IpAddr;

use super::{Container, Health};
use crate::image::Image;
use crate::label;
use crate::plan::{self, Plan, Ready, StopMethod};
use crate::proxmox::notes;
use crate::proxmox::types::{Net, Status};
use crate::proxmox::watch::Guest;
use crate::sorted::Map;

/// The cluster a guest is in, as far as its object tells of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cluster {
    /// Its name: the host that is asked, with the port where that is not PVE's own.
    pub name: String,
    /// Its URL.
    pub url: String,
    /// What holds where labels say nothing.
    pub defaults: plan::Defaults,
    /// For guests without labels in their notes: label names without `proxy.`, as the config has
    /// them.
    pub lxc: Map<u32, Map<String, String>>,
}

/// Makes the object of one guest. What is wrong with it goes to its errors; the rest stands.
pub fn parse(guest: &Guest, cluster: &Cluster) -> Container {
    let mut errors = Vec::new();
    let vmid = guest.place.vmid;
    let labels = labels(guest, cluster, &mut errors);
    let container_name = if guest.name.is_empty() { vmid.to_string() } else { guest.name.clone() };
    let aliases = label::aliases(&labels, &container_name);
    let routes = label::routes(&labels, &aliases, &mut errors);
    let plan = plan::parse(&labels, &[], &cluster.defaults, &mut errors);
    let idlewatcher_config = plan.filter(|plan| can_be_followed(plan, &mut errors));
    let is_excluded = super::is_excluded(&labels, &mut errors);
    let is_explicit = label::is_explicit(&labels);
    let (network, address) = reached(guest, labels.get("proxy.network").map_or("", |n| n.trim()));
    let is_silent = guest.is_silent && address.is_none();
    if is_silent && is_explicit {
        errors.push(
            "network: no address is known: expected a fixed one (ip=…) at its network device, \
             or Proxmox VE 8.1"
                .into(),
        );
    }
    Container {
        agent: None,
        aliases,
        compose: None,
        container_id: vmid.to_string(),
        container_name,
        docker_cfg: cluster.url.clone(),
        engine: cluster.name.clone(),
        errors,
        health: Health::None,
        idlewatcher_config,
        image: Image::default(),
        is_blacklisted: false,
        is_excluded,
        is_explicit,
        is_host_network_mode: false,
        is_silent,
        network_mode: network_mode(guest).into(),
        labels,
        mounts: Vec::new(),
        network,
        node: Some(guest.place.node.clone()),
        ports: Vec::new(),
        private_hostname: address.map(|address| address.to_string()).unwrap_or_default(),
        private_ports: Map::new(),
        public_hostname: String::new(),
        public_ports: Map::new(),
        routes,
        running: guest.status == Status::Running,
        state: guest.status.word().into(),
        vmid: Some(vmid),
    }
}

/// From the notes; where those have none, from the config.
fn labels(guest: &Guest, cluster: &Cluster, errors: &mut Vec<String>) -> Map<String, String> {
    let Some(config) = &guest.config else {
        errors.push(match guest.status {
            Status::Unknown => {
                "node: it does not tell of its guests: expected one that does".into()
            }
            Status::Running | Status::Stopped => {
                "notes: its configuration can't be read: expected an answer of its node".into()
            }
        });
        return configured(guest.place.vmid, cluster);
    };
    let labels = notes::labels(&config.notes, errors);
    if labels.is_empty() { configured(guest.place.vmid, cluster) } else { labels }
}

/// What is no label of its own belongs to the guest's first route.
fn configured(vmid: u32, cluster: &Cluster) -> Map<String, String> {
    let settings = cluster.lxc.get(&vmid).into_iter().flatten();
    let mut labels = Map::new();
    labels.extend(settings.map(|(key, value)| {
        let is_own = label::RESERVED.contains(&key.as_str());
        let name = if is_own { format!("proxy.{key}") } else { format!("proxy.#1.{key}") };
        (name, value.clone())
    }));
    labels
}

/// Whether a guest can sleep and wake like this.
fn can_be_followed(plan: &Plan, errors: &mut Vec<String>) -> bool {
    if plan.stop_signal.is_some() {
        errors.push(
            "proxy.stop_signal: a guest has its own signal for that: expected no label".into(),
        );
    }
    let (is_pause, is_health) =
        (plan.stop_method == StopMethod::Pause, plan.ready == Some(Ready::Healthy));
    if is_pause {
        errors.push(
            "proxy.stop_method: pause: Proxmox VE can't freeze a guest (its suspend is no freeze): \
             expected stop or kill"
                .into(),
        );
    }
    if is_health {
        errors.push("proxy.ready: healthy: a guest has no health check: expected probe".into());
    }
    !is_pause && !is_health
}

/// Whether bytes tell anything: a guest without a network device has no counters of any.
fn network_mode(guest: &Guest) -> &'static str {
    match &guest.config {
        Some(config) if config.nets.is_empty() => "none",
        Some(_) | None => "",
    }
}

/// The interface that reaches it and its address there while it runs: of the one that is wanted,
/// else of the first that has one; what is configured before what was seen, IPv4 before IPv6.
fn reached(guest: &Guest, wanted: &str) -> (String, Option<IpAddr>) {
    let is_wanted = |name: &str| wanted.is_empty() || wanted == name;
    let nets = guest.config.iter().flat_map(|config| &config.nets);
    let fixed = nets.filter(|net| is_wanted(&net.name)).filter_map(|net: &Net| {
        let address = net.ip.or(net.ip6)?;
        Some((net.name.clone(), address))
    });
    let seen = guest.interfaces.iter().filter(|one| is_wanted(&one.name));
    let seen = seen.filter_map(|one| Some((one.name.clone(), *one.addresses.first()?)));
    let Some((name, address)) = fixed.chain(seen).next() else { return (String::new(), None) };
    (name, Some(address).filter(|_| guest.status == Status::Running))
}
