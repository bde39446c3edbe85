//! Where a container is reached from here: by its own address, or by the port that its engine
//! publishes. Connects to nothing.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;

use crate::container::Container;
use crate::idle::group::Key;
use crate::net::Route;

use super::Daemon;
use super::provider::Provider;

/// Where an engine is, as far as doors are concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seat {
    /// On this machine, so that its published ports are this machine's.
    pub is_here: bool,
    /// The addresses of its containers are reached from here.
    pub has_addresses: bool,
}

impl Seat {
    /// By how an engine is reached. One whose socket is not root's is somebody's rootless engine or
    /// a desktop's: its containers' addresses are in a network of their own, or in another machine.
    pub fn of(provider: &Provider) -> Seat {
        let engine = match provider {
            Provider::Engine(engine) => engine,
            // A guest's address is in the network of its node, or in one that leads there.
            Provider::Cluster(_) => return Seat { is_here: false, has_addresses: true },
        };
        let Ok(host) = &engine.host else { return Seat::default() };
        match &host.endpoint.route {
            Route::Unix(path) => {
                let is_roots = fs::metadata(path).is_ok_and(|meta| meta.uid() == 0);
                Seat { is_here: true, has_addresses: is_roots }
            }
            Route::Tcp { host, .. } | Route::Tls { host, .. } => {
                let is_loopback = host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
                Seat { is_here: is_loopback || host == "localhost", has_addresses: false }
            }
            Route::Command(_) => Seat::default(),
        }
    }
}

/// The address and port to connect to for a port of the container; `None`: it has none now, or one
/// that is only known by name.
pub fn of(container: &Container, seat: Seat, port: u16) -> Option<SocketAddr> {
    if container.is_host_network_mode && seat.is_here {
        return Some((Ipv4Addr::LOCALHOST, port).into());
    }
    if seat.has_addresses
        && let Ok(ip) = container.private_hostname.parse::<IpAddr>()
    {
        return Some((ip, port).into());
    }
    let mapping = container
        .ports
        .iter()
        .find(|one| one.private_port == port && one.public_port.is_some() && one.kind != "sctp")?;
    let public_port = mapping.public_port?;
    let told = mapping.ip.as_deref().unwrap_or_default().parse::<IpAddr>().ok();
    let ip = match told.filter(|ip| !ip.is_unspecified() && seat.is_here) {
        Some(ip) => ip,
        None if seat.is_here => Ipv4Addr::LOCALHOST.into(),
        None => container.public_hostname.parse().ok()?,
    };
    Some((ip, public_port).into())
}

impl Daemon {
    /// Where a container is reached now.
    pub(super) fn target(&self, key: Key, port: u16) -> Option<SocketAddr> {
        let ward = self.wards.get(&key)?;
        let container = self.follow.container(ward.engine, ward.id())?;
        if !container.running {
            return None;
        }
        of(&container, self.seats.get(ward.engine).copied().unwrap_or_default(), port)
    }
}
