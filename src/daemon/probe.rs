//! Where a woken container is looked at to see whether it is ready, and how. Asks nobody.

use std::net::SocketAddr;
use std::time::Duration;

use crate::container::{Container, Port};
use crate::http::{Method, Request};
use crate::label::{Tree, listen_and_target};
use crate::net::{Endpoint, Route};

use super::target::{self, Nowhere, Seat};

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
    /// The same, by way of an engine's own listener, which takes everybody: whether the container
    /// listens on this port is to be seen first, where it can be.
    Relayed(Endpoint, u16),
    /// Whether it has a socket for datagrams on this port.
    Bound(u16),
}

/// How a running container is probed: by its first route with a port, else by what it publishes,
/// else by what its image exposes; TCP before UDP.
pub fn of(container: &Container, ports: &[Port], seat: Seat) -> Probe {
    let mut routes = container.aliases.iter().filter_map(|alias| container.routes.get(alias));
    let first = routes.clone().next();
    let named = routes.find_map(|route| Some((Some(route), target_port(route)?)));
    let is = |kind: &str| {
        let published = ports.iter().find(|port| port.kind == kind && port.public_port.is_some());
        published.or_else(|| container.private_ports.values().find(|port| port.kind == kind))
    };
    let other = || is("tcp").or_else(|| is("udp")).map(|port| (first, port.private_port));
    let Some((route, port)) = named.or_else(other) else { return Probe::Nothing };
    let scheme = route.and_then(|route| route.text(&["scheme"]));
    let kind = container.private_ports.get(&port).map(|port| port.kind.as_ref());
    if scheme == Some("udp") || scheme.is_none() && kind == Some("udp") {
        return Probe::Bound(port);
    }
    let at = match target::of(container, seat, port) {
        Ok(at) => at,
        // Nobody can look at it from here.
        Err(Nowhere::Unpublished) => return Probe::Nothing,
        Err(Nowhere::Soon) if container.is_silent => return Probe::Nothing,
        Err(Nowhere::Soon | Nowhere::Unnamed) => return Probe::NoAddress,
    };
    let path = route.and_then(|route| route.text(&["healthcheck", "path"]));
    match (scheme, path) {
        (Some("http"), _) | (None, Some(_)) => http(endpoint(at), path.unwrap_or_default()),
        _ if at.port() == port => Probe::Connect(endpoint(at)),
        _ => Probe::Relayed(endpoint(at), port),
    }
}

fn http(endpoint: Endpoint, path: &str) -> Probe {
    let path = format!("/{}", path.trim_start_matches('/'));
    let headers = vec![("connection", "close".to_owned())];
    Probe::Http(endpoint, Request { method: Method::Get, path, headers, body: Vec::new() })
}

/// What to send where only connecting matters: nothing.
pub fn nothing() -> Request {
    Request { method: Method::Get, path: "/".into(), headers: Vec::new(), body: Vec::new() }
}

fn endpoint(at: SocketAddr) -> Endpoint {
    let route = Route::Tcp { host: at.ip().to_string(), port: at.port() };
    Endpoint { url: format!("tcp://{at}"), authority: at.to_string(), route }
}

/// The `8080` of `80:8080`, or the only number.
fn target_port(route: &Tree) -> Option<u16> {
    listen_and_target(route.text(&["port"])?.trim()).map(|(_, target)| target)
}
