//! Where a woken container is looked at to see whether it is ready, and how. Asks nobody.

use std::time::Duration;

use crate::container::Container;
use crate::http::{Method, Request};
use crate::label::Tree;
use crate::net::{Endpoint, Route};

/// One look at it may take this long.
pub const WITHIN: Duration = Duration::from_secs(2);
/// An answer below this means that it is ready: its own trouble begins there.
pub const NOT_READY_FROM: u16 = 500;

/// What to try.
#[derive(Clone, Debug, PartialEq)]
pub enum Probe {
    /// It has no port that could tell: it is ready as soon as it runs.
    Nothing,
    /// It has, but no address yet.
    NoAddress,
    /// Whether this is answered, with less than [`NOT_READY_FROM`].
    Http(Endpoint, Request),
    /// Whether somebody listens there.
    Connect(Endpoint),
}

/// How a running container is probed: by its first route with a port, else its first port of TCP.
pub fn of(container: &Container) -> Probe {
    let mut routes = container.aliases.iter().filter_map(|alias| container.routes.get(alias));
    let first = routes.clone().next();
    let named = routes.find_map(|route| Some((Some(route), target_port(route)?)));
    let exposed = || {
        let tcp = container.private_ports.values().find(|port| port.kind == "tcp")?;
        Some((first, tcp.private_port))
    };
    let Some((route, port)) = named.or_else(exposed) else { return Probe::Nothing };
    let scheme = route.and_then(|route| route.text(&["scheme"]));
    let kind = container.private_ports.get(&port).map(|port| port.kind.as_ref());
    if scheme == Some("udp") || scheme.is_none() && kind == Some("udp") {
        return Probe::Nothing;
    }
    let Some(endpoint) = endpoint(container, port) else {
        return if container.is_silent { Probe::Nothing } else { Probe::NoAddress };
    };
    if scheme != Some("http") {
        return Probe::Connect(endpoint);
    }
    let path = route.and_then(|route| route.text(&["healthcheck", "path"])).unwrap_or_default();
    let path = format!("/{}", path.trim_start_matches('/'));
    let headers = vec![("connection", "close".to_owned())];
    Probe::Http(endpoint, Request { method: Method::Get, path, headers, body: Vec::new() })
}

/// What to send where only connecting matters: nothing.
pub fn nothing() -> Request {
    Request { method: Method::Get, path: "/".into(), headers: Vec::new(), body: Vec::new() }
}

/// Its own address, where it is reached from here; else where the port is published.
fn endpoint(container: &Container, port: u16) -> Option<Endpoint> {
    let is_own = !container.is_host_network_mode && !container.private_hostname.is_empty();
    let (host, port) = if is_own {
        (&container.private_hostname, port)
    } else if container.is_host_network_mode {
        (&container.public_hostname, port)
    } else {
        (&container.public_hostname, container.private_ports.get(&port)?.public_port?)
    };
    let authority = match host.as_str() {
        "" => return None,
        v6 if v6.contains(':') => format!("[{v6}]:{port}"),
        host => format!("{host}:{port}"),
    };
    let route = Route::Tcp { host: host.clone(), port };
    Some(Endpoint { url: format!("tcp://{authority}"), authority, route })
}

/// The `8080` of `80:8080`, or the only number.
fn target_port(route: &Tree) -> Option<u16> {
    route.text(&["port"])?.rsplit(':').next()?.trim().parse().ok()
}
