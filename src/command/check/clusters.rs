//! What `check` looks at in clusters: is each reached, what may its token do with each guest, and
//! is every guest of the configuration seen? Changes nothing.

use std::time::{Duration, Instant};

use crate::config::{self, Config};
use crate::container::Container;
use crate::error::{Error, Why};
use crate::proxmox::call;
use crate::proxmox::rights::NEEDED;
use crate::sorted::Set;

use super::super::cluster::Cluster;
use super::super::engine;
use super::{Finding, managed};

/// Looks at every cluster, one after the other.
pub fn look_at_all(config: &Config, timeout: Duration) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = Set::new();
    let mut unseen_way = None;
    for one in &config.proxmox {
        let connected = Cluster::connect(one, config, Instant::now() + timeout);
        let listed = connected.and_then(|cluster| Ok((cluster.containers()?, cluster)));
        match listed {
            Ok((guests, cluster)) => {
                seen.extend(guests.iter().filter_map(|guest| guest.vmid));
                unseen_way.get_or_insert_with(|| cluster.token.clone());
                findings.extend(look_at_one(one, &cluster, guests));
            }
            Err(error) => findings.push(finding(one, "not reached".into(), vec![error])),
        }
    }
    // Where one cluster was not reached, it may be that one's.
    let are_reached = findings.iter().all(|found| found.found != "not reached");
    if let (true, Some(token)) = (are_reached, unseen_way) {
        for vmid in config.lxc.keys().filter(|vmid| !seen.contains(vmid)) {
            let grant = token.grant(&format!("/vms/{vmid}"));
            let problem = format!("no such guest, or it may not be seen (VM.Audit): {grant}");
            let (name, found) = (vmid.to_string(), "not seen".into());
            findings.push(Finding { kind: "guest", name, found, problems: vec![problem] });
        }
    }
    findings
}

fn look_at_one(one: &config::Proxmox, cluster: &Cluster, guests: Vec<Container>) -> Vec<Finding> {
    let plural = if guests.len() == 1 { "" } else { "s" };
    let found = format!("Proxmox VE {}, {} guest{plural}", cluster.version, guests.len());
    let mut first = finding(one, found, Vec::new());
    if guests.is_empty() {
        let grant = cluster.token.grant("/vms");
        first.problems.push(format!("no guest is seen (VM.Audit): {grant}"));
    }
    let mut findings = vec![first];
    for guest in guests.into_iter().filter(|one| one.is_explicit || !one.errors.is_empty()) {
        let found = managed(&guest);
        let name = format!("{}/{}", guest.engine, guest.container_name);
        let mut problems = guest.errors;
        if let (Some(vmid), true) = (guest.vmid, guest.is_explicit) {
            problems.extend(missing(cluster, vmid));
        }
        findings.push(Finding { kind: "guest", name, found, problems });
    }
    findings
}

/// The privileges that the token lacks on a guest, and how it gets them.
fn missing(cluster: &Cluster, vmid: u32) -> Option<String> {
    let granted = match cluster.run(call::privileges(vmid)) {
        Ok(granted) => granted,
        Err(error) => return Some(engine::told(&error)),
    };
    let lacking: Vec<&str> = NEEDED.into_iter().filter(|name| !granted.contains(*name)).collect();
    if lacking.is_empty() {
        return None;
    }
    // As PVE itself would say it.
    let refusal = format!("Permission check failed (/vms/{vmid}, {})", lacking.join(", "));
    Some(cluster.token.way_out(Why::Forbidden(refusal)).to_string())
}

fn finding(one: &config::Proxmox, found: String, errors: Vec<Error>) -> Finding {
    let problems = errors.iter().map(engine::told).collect();
    Finding { kind: "proxmox", name: one.name.clone(), found, problems }
}
