//! Which doors a container has, and why. Pure: looks at what the engine and the labels say, opens
//! nothing.
//!
//! - A *front door* for each route whose port is `LISTEN:TARGET`: drowse always listens there.
//! - For each published port of an engine of this machine a *redirect door*, where rules can be
//!   made, else a *stand-in door*: while the container is down, its connections come to drowse.
//! - Two containers that sleep may have the same port, for an engine only minds who runs: the one
//!   that ran last has the door. Who runs and has the port, has it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::container::{Container, Port};
use crate::label::{Tree, listen_and_target};

/// Doors of one container; more are not opened, and it is told.
const DOORS_LIMIT: usize = 64;

/// How connections that come while it is down get to drowse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// By rules, while it is down or boots.
    Redirect,
    /// By listening on the port itself, while it is down.
    StandIn,
    /// By listening always.
    Front,
}

impl Kind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Redirect => "redirect",
            Kind::StandIn => "stand-in",
            Kind::Front => "front",
        }
    }
}

/// TCP or UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Transport {
    Tcp,
    Udp,
}

impl Transport {
    /// As engines write it.
    pub fn word(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        }
    }
}

/// Where people come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// TCP or UDP.
    pub transport: Transport,
    /// The address; unspecified: every one of its family.
    pub ip: IpAddr,
    /// The port.
    pub port: u16,
}

impl Place {
    /// Whether no two can have both.
    pub fn overlaps(&self, other: &Place) -> bool {
        let is_same = self.ip == other.ip || self.ip.is_unspecified() || other.ip.is_unspecified();
        let is_one_family = self.ip.is_ipv4() == other.ip.is_ipv4();
        (self.transport, self.port) == (other.transport, other.port) && is_one_family && is_same
    }
}

/// Whether HTTP is looked for in what comes first. It is where labels don't say that another
/// protocol is spoken: what does not look like HTTP/1 is held like any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Speech {
    PerhapsHttp,
    Other,
}

/// A door that a container should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// How.
    pub kind: Kind,
    /// Where.
    pub place: Place,
    /// The container's port.
    pub target: u16,
    /// Whether HTTP is looked for.
    pub speech: Speech,
}

/// What decides about doors besides the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// Published ports have redirect doors.
    Redirect,
    /// They have stand-in doors.
    StandIn,
    /// They have none: the engine is on another machine.
    Elsewhere,
}

/// The doors of a container, in the order of their ports; problems in plain words.
///
/// `ports` are its mappings as they were when it ran last: an engine forgets those of one that is
/// down, or never knew them.
pub fn choose(
    container: &Container,
    ports: &[Port],
    published: Published,
) -> (Vec<Wanted>, Vec<String>) {
    let mut problems = Vec::new();
    let mut doors = front(container, &mut problems);
    let fronts = doors.len();
    let kind = match published {
        Published::Redirect => Some(Kind::Redirect),
        Published::StandIn => Some(Kind::StandIn),
        Published::Elsewhere => None,
    };
    if let Some(kind) = kind {
        doors.extend(ports.iter().flat_map(|port| of_port(container, port, kind)));
    }
    // A front door at a published port can't be: the engine has it.
    for front in &doors[..fronts] {
        if doors[fronts..].iter().any(|door| door.place.overlaps(&front.place)) {
            let port = front.place.port;
            problems.push(format!(
                "port: {port} is published by the engine: expected another LISTEN, or no LISTEN"
            ));
        }
    }
    let published: Vec<Place> = doors[fronts..].iter().map(|door| door.place).collect();
    doors.retain(|door| {
        door.kind != Kind::Front || !published.iter().any(|place| place.overlaps(&door.place))
    });
    crate::sorted::sort_by_key(&mut doors, |door| {
        (door.place.port, door.place.transport, door.place.ip, door.kind)
    });
    doors.dedup_by_key(|door| door.place);
    if doors.len() > DOORS_LIMIT {
        problems.push(format!("{} doors: only the first {DOORS_LIMIT} are opened", doors.len()));
        doors.truncate(DOORS_LIMIT);
    }
    (doors, problems)
}

/// Whether it has a door that is in the way of its awake traffic too.
pub fn has_front(container: &Container) -> bool {
    container.routes.values().any(|route| listen(route).is_some())
}

fn front(container: &Container, problems: &mut Vec<String>) -> Vec<Wanted> {
    let mut doors: Vec<Wanted> = Vec::new();
    for (alias, route) in &container.routes {
        let Some((listen, target)) = listen(route) else { continue };
        let scheme = route.text(&["scheme"]);
        let is_udp = scheme == Some("udp");
        let transport = if is_udp { Transport::Udp } else { Transport::Tcp };
        let every = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        let bind = route.text(&["bind"]).map_or("", str::trim).parse::<IpAddr>();
        let ips = bind.map_or(every.to_vec(), |ip| vec![ip]);
        let places = ips.into_iter().map(|ip| Place { transport, ip, port: listen });
        for place in places {
            if doors.iter().any(|door| door.place.overlaps(&place)) {
                problems.push(format!("proxy.{alias}.port: another route listens on {listen} too"));
                break;
            }
            doors.push(Wanted { kind: Kind::Front, place, target, speech: speech(scheme) });
        }
    }
    doors
}

fn listen(route: &Tree) -> Option<(u16, u16)> {
    let (listen, target) = listen_and_target(route.text(&["port"])?.trim())?;
    Some((listen?, target))
}

/// One mapping; without an address it is on every one.
fn of_port(container: &Container, port: &Port, kind: Kind) -> Vec<Wanted> {
    let transport = match port.kind.as_ref() {
        "tcp" => Transport::Tcp,
        "udp" => Transport::Udp,
        _ => return Vec::new(),
    };
    let Some(number) = port.public_port else { return Vec::new() };
    let ips = match port.ip.as_deref().unwrap_or_default() {
        "" => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
        ip => ip.trim_matches(['[', ']']).parse::<IpAddr>().into_iter().collect(),
    };
    let target = port.private_port;
    let speech = match transport {
        Transport::Tcp => speech(scheme_of(container, target)),
        Transport::Udp => Speech::Other,
    };
    let door = |ip| Wanted { kind, place: Place { transport, ip, port: number }, target, speech };
    ips.into_iter().map(door).collect()
}

fn speech(scheme: Option<&str>) -> Speech {
    match scheme {
        None | Some("http") => Speech::PerhapsHttp,
        Some(_) => Speech::Other,
    }
}

/// What the labels say that the container speaks at a port: those of the route with this port,
/// else of the first with none.
fn scheme_of(container: &Container, target: u16) -> Option<&str> {
    let port = |route: &Tree| listen_and_target(route.text(&["port"])?.trim()).map(|(_, to)| to);
    let mut routes = container.aliases.iter().filter_map(|alias| container.routes.get(alias));
    let mut others = container.routes.values();
    let named = others.find(|route| port(route) == Some(target));
    let route = named.or_else(|| routes.find(|route| port(route).is_none()))?;
    route.text(&["scheme"]).map(str::trim)
}

/// Somebody who wants a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    /// The container.
    pub name: &'a str,
    /// The place.
    pub place: Place,
    /// How it stands to it.
    pub standing: Standing,
}

/// How a container stands to a place that it published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It is down, and when it last ran, in any unit that all claims share.
    Sleeps(u64),
    /// It runs.
    Runs,
}

/// Why a sleeper can't have a door at this place; `None`: it can. `others` are all other claims:
/// of equals, the one whose name comes first has it.
pub fn denied(claim: &Claim<'_>, others: &[Claim<'_>]) -> Option<String> {
    let stronger = |other: &&Claim<'_>| {
        other.place.overlaps(&claim.place)
            && (other.standing, claim.name) > (claim.standing, other.name)
    };
    let other = others.iter().filter(stronger).max_by_key(|other| other.standing)?;
    let (port, transport) = (claim.place.port, claim.place.transport.word());
    let what = match other.standing {
        Standing::Runs => "runs with it",
        Standing::Sleeps(_) => "has the same port and ran later",
    };
    Some(format!("no door at {port}/{transport}: {} {what}", other.name))
}

#[cfg(test)]
mod tests;
