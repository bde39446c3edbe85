//! Where a container is reached from here: by its own address, or by the port that its engine
//! publishes. Connects to nothing.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;

use crate::container::{Container, Port};
use crate::net::Route;

use super::provider::Provider;

/// Where an engine is, as far as doors are concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seat {
    /// On this machine, so that its published ports are this machine's.
    pub is_here: bool,
    /// The addresses of its containers are reached from here.
    pub has_addresses: bool,
    /// Where it is, if that is elsewhere and known.
    pub host: Host,
}

/// The addresses of a machine, one of each family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Host {
    pub v4: Option<Ipv4Addr>,
    pub v6: Option<Ipv6Addr>,
}

/// Why there is no way to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nowhere {
    /// Its address is not told yet.
    Soon,
    /// The address of its engine's machine is not known.
    Unnamed,
    /// Its engine does not publish the port, and the container's own address is out of reach.
    Unpublished,
}

impl Seat {
    /// By how an engine is reached. One whose socket is not root's is somebody's rootless engine or
    /// a desktop's: its containers' addresses are in a network of their own, or in another machine.
    pub fn of(provider: &Provider) -> Seat {
        let here = Seat { is_here: true, ..Seat::default() };
        let engine = match provider {
            Provider::Engine(engine) => engine,
            // A guest's address is in the network of its node, or in one that leads there.
            Provider::Cluster(_) => return Seat { has_addresses: true, ..Seat::default() },
        };
        let Ok(host) = &engine.host else { return Seat::default() };
        let elsewhere = Seat { host: Host::of(host.public_name.parse().ok()), ..Seat::default() };
        match &host.endpoint.route {
            Route::Unix(path) => {
                let is_roots = fs::metadata(path).is_ok_and(|meta| meta.uid() == 0);
                Seat { has_addresses: is_roots, ..here }
            }
            Route::Tcp { host, .. } | Route::Tls { host, .. } => {
                let is_loopback = host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
                if is_loopback || host == "localhost" { here } else { elsewhere }
            }
            Route::Command(_) => elsewhere,
        }
    }
}

impl Host {
    /// The first of each family.
    pub fn of(found: impl IntoIterator<Item = IpAddr>) -> Host {
        let mut host = Host::default();
        for ip in found {
            match ip {
                IpAddr::V4(ip) => host.v4 = host.v4.or(Some(ip)),
                IpAddr::V6(ip) => host.v6 = host.v6.or(Some(ip)),
            }
        }
        host
    }

    fn any(self) -> Option<IpAddr> {
        self.v4.map(IpAddr::V4).or(self.v6.map(IpAddr::V6))
    }
}

impl Nowhere {
    /// In plain words, for a port of the container.
    pub fn words(self, port: u16) -> String {
        match self {
            Nowhere::Soon => "its address is not known".into(),
            Nowhere::Unnamed => "the address of its engine's host is not known".into(),
            Nowhere::Unpublished => format!(
                "port {port} can't be reached from here: expected its engine to publish it (-p)"
            ),
        }
    }
}

/// The address and port to connect to for a port of the container.
pub fn of(container: &Container, seat: Seat, port: u16) -> Result<SocketAddr, Nowhere> {
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    if container.is_host_network_mode {
        let ip = if seat.is_here { Some(here) } else { seat.host.any() };
        return ip.map(|ip| (ip, port).into()).ok_or(Nowhere::Unnamed);
    }
    if seat.has_addresses
        && let Ok(ip) = container.private_hostname.parse::<IpAddr>()
    {
        return Ok((ip, port).into());
    }
    let is_it =
        |one: &&Port| one.private_port == port && one.public_port.is_some() && one.kind != "sctp";
    let mut why = if seat.has_addresses { Nowhere::Soon } else { Nowhere::Unpublished };
    for mapping in container.ports.iter().filter(is_it) {
        let told = mapping.ip.as_deref().unwrap_or_default().parse::<IpAddr>().ok();
        let ip = match told {
            Some(ip) if ip.is_unspecified() && !seat.is_here && ip.is_ipv6() => {
                seat.host.v6.map(IpAddr::V6)
            }
            Some(ip) if !ip.is_unspecified() && !seat.is_here && ip.is_loopback() => continue,
            Some(ip) if !ip.is_unspecified() => Some(ip),
            Some(_) | None if seat.is_here => Some(here),
            Some(_) | None => seat.host.any(),
        };
        match (ip, mapping.public_port) {
            (Some(ip), Some(public_port)) => return Ok((ip, public_port).into()),
            (_, _) => why = Nowhere::Unnamed,
        }
    }
    Err(why)
}
