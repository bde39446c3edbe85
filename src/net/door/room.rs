//! One door as it stands: where people come in, whether they are passed on, how many are held.
//! Accepts nobody.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Instant;

use crate::net::door::herd::Herd;
use crate::net::door::limits::{HELD, HELD_AT_DOOR, Refusals, places_at_door};
use crate::net::door::{Door, First, Visitor};

/// A door.
#[derive(Debug)]
pub struct Room {
    /// Its number.
    pub door: Door,
    /// For logs.
    pub name: String,
    /// What is read of who is held.
    pub first: First,
    /// Where people come.
    pub entrance: Entrance,
    /// Where they are passed on to; `None`: they are held.
    pub passes: Option<SocketAddr>,
    /// Who was held when it began to pass.
    pub herd: Herd,
    /// How many are within.
    pub within: usize,
    /// How many of them are held.
    pub held: usize,
    /// Bytes kept of them.
    pub held_bytes: usize,
    /// Flows by sender and by the address they came to, sorted.
    pub flows: Vec<((SocketAddr, Option<IpAddr>), Visitor)>,
    /// Bytes moved since that was last asked.
    pub moved: u64,
    /// Who was turned away because of a limit.
    pub refusals: Refusals,
    /// It is closed, and stays for who comes late until then.
    pub closed_until: Option<Instant>,
    /// Its socket was opened by another, who listens there when the door is closed.
    pub is_lent: bool,
    /// Somebody may wait at its socket.
    pub is_ready: bool,
    /// There were no descriptors: look again then.
    pub retry_at: Option<Instant>,
}

/// How many there are at all doors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowd {
    /// So many may be within.
    pub places: usize,
    /// So many are.
    pub within: usize,
    /// So many are held.
    pub held: usize,
}

/// Where people come.
#[derive(Debug)]
pub enum Entrance {
    /// By a rule, to the listener of all such doors.
    Rule(SocketAddr),
    /// To a listener of its own.
    Listener(Rc<OwnedFd>),
    /// As datagrams to a socket of its own.
    Datagrams(OwnedFd),
    /// The same, sent there by a rule for this binding.
    RuledDatagrams(OwnedFd, SocketAddr),
    /// Nowhere any more: its port is free for others.
    Shut,
}

impl Room {
    /// A door that holds.
    pub fn new(door: Door, name: String, first: First, entrance: Entrance) -> Room {
        Room {
            door,
            name,
            first,
            entrance,
            passes: None,
            herd: Herd::default(),
            within: 0,
            held: 0,
            held_bytes: 0,
            flows: Vec::new(),
            moved: 0,
            refusals: Refusals::default(),
            closed_until: None,
            is_lent: false,
            is_ready: false,
            retry_at: None,
        }
    }

    /// How well a connection that was going to `original` fits: not at all, by its port, or by its
    /// address; and a door that is open better than one that is closed.
    pub fn fits(&self, original: SocketAddr) -> Option<(bool, bool)> {
        let Entrance::Rule(binding) = &self.entrance else { return None };
        covers(*binding, original)
            .then_some((self.closed_until.is_none(), binding.ip() == original.ip()))
    }

    /// What keeps one more from coming in, if something does: how many there are already, and what
    /// they do.
    pub fn limit(&self, all: &Crowd) -> Option<(usize, &'static str)> {
        let most = places_at_door(all.places);
        let holds = self.passes.is_none();
        let limits = [
            (all.within >= all.places, all.places, "are within at all doors"),
            (self.within >= most, most, "are within"),
            (holds && all.held >= HELD, HELD, "are held at all doors"),
            (holds && self.held >= HELD_AT_DOOR, HELD_AT_DOOR, "are held"),
        ];
        limits.into_iter().find(|limit| limit.0).map(|(_, limit, what)| (limit, what))
    }

    /// The flow of a sender.
    pub fn flow(&self, from: SocketAddr, to: Option<IpAddr>) -> Result<Visitor, usize> {
        let found = self.flows.binary_search_by_key(&(from, to), |(key, _)| *key);
        found.map(|at| self.flows.get(at).map_or(NOBODY, |(_, visitor)| *visitor))
    }
}

const NOBODY: Visitor = Visitor { slot: u32::MAX, generation: 0 };

/// Whether a connection to `original` is one to this binding.
pub fn covers(binding: SocketAddr, original: SocketAddr) -> bool {
    let is_family = binding.is_ipv4() == original.is_ipv4();
    let is_address = binding.ip().is_unspecified() || binding.ip() == original.ip();
    is_family && is_address && binding.port() == original.port()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_is_never_wider_than_it_says() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let table = [
            ("0.0.0.0:80", "192.0.2.1:80", true),
            ("0.0.0.0:80", "192.0.2.1:81", false),
            ("0.0.0.0:80", "[2001:db8::1]:80", false),
            ("[::]:80", "[2001:db8::1]:80", true),
            ("[::]:80", "192.0.2.1:80", false),
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("127.0.0.1:80", "192.0.2.1:80", false),
        ];
        for (binding, original, expected) in table {
            assert_eq!(covers(at(binding), at(original)), expected, "{binding} {original}");
        }
    }

    #[test]
    fn one_door_s_crowd_leaves_room_at_the_others() {
        let mut room = Room::new(Door(1), "test".into(), First::Nothing, Entrance::Shut);
        let all = Crowd { places: 8000, within: 6000, held: 100 };
        (room.within, room.held) = (5999, 100);
        assert_eq!(room.limit(&all), None);
        room.within = 6000;
        assert_eq!(room.limit(&all), Some((6000, "are within")));
        let full = Crowd { within: 8000, ..all };
        assert_eq!(room.limit(&full), Some((8000, "are within at all doors")));
        (room.within, room.held) = (4096, 4096);
        assert_eq!(room.limit(&all), Some((HELD_AT_DOOR, "are held")));
        let held = Crowd { held: HELD, ..all };
        assert_eq!(room.limit(&held), Some((HELD, "are held at all doors")));
        room.passes = Some(([127, 0, 0, 1], 1).into());
        assert_eq!(room.limit(&held), None, "who passes is not held");
    }
}
