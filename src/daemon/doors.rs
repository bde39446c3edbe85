//! The doors of each container, opened and closed as its machine wants it. Who came is let in by
//! `admit`; what a visitor says is heard in `visitors`.

use std::net::SocketAddr;

use crate::error::Why;
use crate::idle::backend::{Life, Nap, Order};
use crate::idle::doors::{self, Kind, Published, Speech, Transport, Wanted};
use crate::idle::group::Key;
use crate::idle::state::{self, Phase, State};
use crate::net::access::plain;
use crate::net::door::{self, Door, First, Opening};
use crate::net::redirect::occupied;

use super::Daemon;
use super::gate::{Front, Gate, Is, Posture, StandIn};
use super::ward::Ward;

impl Daemon {
    /// Chooses all doors anew, and tends them.
    pub(super) fn renew_gates(&mut self) {
        let keys: Vec<Key> = self.wards.keys().copied().collect();
        for key in &keys {
            self.renew_gate(*key);
        }
        keys.into_iter().for_each(|key| self.tend(key));
    }

    /// Chooses the doors of a container anew. While it wakes they stay: somebody may be held there.
    pub(super) fn renew_gate(&mut self, key: Key) {
        let phase = self.fleet.machine(key).map(|machine| machine.state().phase());
        if let Some(engine) = self.wards.get(&key).map(|ward| ward.engine) {
            self.learn_host(engine);
        }
        let Some(ward) = self.wards.get_mut(&key) else { return };
        if phase == Some(Phase::Waking) && !ward.gate.leaves.is_empty() {
            return;
        }
        let Some(container) = self.follow.container(ward.engine, ward.id()) else { return };
        let seat = self.seats.get(ward.engine).copied().unwrap_or_default();
        let published = match (&self.porter.redirect, seat.is_here) {
            (_, false) => Published::Elsewhere,
            (Ok(()), true) => Published::Redirect,
            (Err(_), true) => Published::StandIn,
        };
        let porter = &self.porter;
        let is_covered = |wanted: &Wanted| porter.is_covered(wanted);
        for door in ward.gate.renew(&container, published, &is_covered) {
            ward.gate.moved_bytes += self.reactor.moved_bytes(door);
            self.reactor.close_door(door);
        }
    }

    /// Makes the doors of a container what they should be in the state of its machine.
    pub(super) fn tend(&mut self, key: Key) {
        self.count_sleep(key);
        let state = self.fleet.machine(key).map(|machine| machine.state());
        let posture = state.map(Posture::of);
        let may_pass = matches!(state, Some(State::Awake(_)));
        let Some(ward) = self.wards.get(&key) else { return };
        for at in 0..ward.gate.leaves.len() {
            match posture {
                Some(posture) => self.tend_one(key, at, posture),
                None => self.close_leaf(key, at),
            }
        }
        if may_pass {
            self.let_in(key);
        }
        self.go_on(key);
    }

    fn tend_one(&mut self, key: Key, at: usize, posture: Posture) {
        let Some(gate) = self.wards.get(&key).map(|ward| &ward.gate) else { return };
        let Some(leaf) = gate.leaves.get(at) else { return };
        match (leaf.wanted.kind, &leaf.is) {
            (Kind::Redirect, is) => match (posture.redirect, is) {
                (state::Door::Up, Is::Shut | Is::Denied(_)) => self.open_leaf(key, at),
                (state::Door::Up, Is::Rising(_) | Is::Open(_) | Is::Resting(_)) => {}
                (state::Door::Down, _) => {} // closed when everybody was let in
            },
            (Kind::StandIn, is) => match (posture.stand_in, is) {
                (StandIn::Listen, Is::Shut | Is::Denied(_) | Is::Resting(_)) => {
                    self.set_aside(key, at);
                    self.open_leaf(key, at);
                }
                (StandIn::Listen, Is::Rising(_) | Is::Open(_)) => {}
                (StandIn::Rest, Is::Open(_)) => self.rest_leaf(key, at),
                (StandIn::Rest | StandIn::Shut, _) => {}
            },
            (Kind::Front, Is::Shut | Is::Denied(_)) => self.open_leaf(key, at),
            (Kind::Front, Is::Rising(_) | Is::Open(_) | Is::Resting(_)) => {
                if let (Some(door), Front::Hold) = (leaf.door(), posture.front) {
                    self.hold_leaf(key, door);
                }
            }
        }
    }

    /// From now on those who come to a front door wait.
    fn hold_leaf(&mut self, key: Key, door: Door) {
        let leaves = self.wards.get_mut(&key).map(|ward| &mut ward.gate.leaves);
        let leaf =
            leaves.and_then(|leaves| leaves.iter_mut().find(|leaf| leaf.is == Is::Open(door)));
        if leaf.is_some_and(|leaf| std::mem::take(&mut leaf.passes)) {
            self.reactor.hold(door);
        }
    }

    fn open_leaf(&mut self, key: Key, at: usize) {
        if self.ending.is_some() {
            return;
        }
        let denied = self.denied(key, at);
        let opened = match denied {
            Some(why) => Err(why),
            None => self.opening(key, at).and_then(|opening| {
                self.reactor.open_door(opening).map_err(|why: Why| why.to_string())
            }),
        };
        let Some(Ward { kept, gate, .. }) = self.wards.get_mut(&key) else { return };
        let (Some(leaf), name) = (gate.leaves.get_mut(at), kept.full_name()) else { return };
        let place = leaf.wanted.place;
        let shown = format!("{} door at {}", leaf.wanted.kind.word(), shown(place));
        let is = match opened {
            Ok(door) if leaf.wanted.kind == Kind::Redirect => Is::Rising(door),
            Ok(door) => Is::Open(door),
            // A host without IPv6 lacks nothing by that.
            Err(why) if place.ip.is_ipv6() && place.ip.is_unspecified() && lacks_family(&why) => {
                log::debug!("{name}: {shown}: {why}");
                Is::Shut
            }
            Err(why) => Is::Denied(why),
        };
        match (&leaf.is, &is) {
            (Is::Denied(before), Is::Denied(now)) if before == now => {}
            (_, Is::Denied(why)) => log::warn!("{name}: no {shown}: {why}"),
            (_, _) => log::debug!("{name}: {shown}"),
        }
        leaf.is = is;
    }

    /// Why a door can't be had: somebody else is there, or has a better right.
    fn denied(&self, key: Key, at: usize) -> Option<String> {
        let wanted = self.wards.get(&key)?.gate.leaves.get(at)?.wanted;
        if let Some(why) = self.outranked(key, at) {
            return Some(why);
        }
        // While the container runs, its engine listens there for it.
        let is_down = self
            .fleet
            .machine(key)
            .is_some_and(|machine| machine.state().life() == Some(Life::Down(Nap::Stopped)));
        let transport = net_transport(wanted.place.transport);
        let at = SocketAddr::new(wanted.place.ip, wanted.place.port);
        let is_taken =
            wanted.kind == Kind::Redirect && is_down && occupied::is_taken(at, transport);
        is_taken.then(|| "another program listens there".into())
    }

    fn opening(&self, key: Key, at: usize) -> Result<Opening, String> {
        let ward = self.wards.get(&key).ok_or("it is gone")?;
        let wanted = ward.gate.leaves.get(at).ok_or("it is gone")?.wanted;
        let at = SocketAddr::new(wanted.place.ip, wanted.place.port);
        let handed = self.porter.handed(wanted.place).filter(|_| wanted.kind == Kind::Front);
        let handed = handed.transpose().map_err(|error| plain(&error))?;
        let place = match (wanted.kind, handed) {
            (Kind::Redirect, _) => door::Place::Published(at),
            (Kind::Front | Kind::StandIn, Some(socket)) => door::Place::Inherited(socket),
            (Kind::Front | Kind::StandIn, None) => door::Place::Own(at),
        };
        let is_http = wanted.speech == Speech::PerhapsHttp;
        Ok(Opening {
            name: format!("{} {at}", ward.name()),
            place,
            transport: net_transport(wanted.place.transport),
            first: if is_http { First::Head } else { First::Nothing },
        })
    }

    /// A door that rests makes room for another; who is within stays.
    fn set_aside(&mut self, key: Key, at: usize) {
        let Some(ward) = self.wards.get_mut(&key) else { return };
        let Some(leaf) = ward.gate.leaves.get_mut(at) else { return };
        let Is::Resting(door) = leaf.is else { return };
        leaf.is = Is::Shut;
        if let Some(old) = leaf.old.replace(door) {
            ward.gate.moved_bytes += self.reactor.moved_bytes(old);
            self.reactor.close_door(old);
        }
    }

    pub(super) fn close_leaf(&mut self, key: Key, at: usize) {
        let Some(ward) = self.wards.get_mut(&key) else { return };
        let Some(leaf) = ward.gate.leaves.get_mut(at) else { return };
        let door = leaf.door();
        leaf.is = Is::Shut;
        if let Some(door) = door {
            if let Some(old) = leaf.old.replace(door) {
                ward.gate.moved_bytes += self.reactor.moved_bytes(old);
            }
            self.reactor.close_door(door);
        }
    }

    /// A door is not to be had now.
    pub(super) fn deny_leaf(&mut self, key: Key, at: usize, why: &str) {
        self.close_leaf(key, at);
        let Some(ward) = self.wards.get_mut(&key) else { return };
        if let Some(leaf) = ward.gate.leaves.get_mut(at) {
            leaf.is = Is::Denied(why.to_owned());
        }
    }

    pub(super) fn rest_leaf(&mut self, key: Key, at: usize) {
        let Some(ward) = self.wards.get_mut(&key) else { return };
        let Some(leaf) = ward.gate.leaves.get_mut(at) else { return };
        if let Is::Open(door) | Is::Rising(door) = leaf.is {
            self.reactor.rest(door);
            leaf.is = Is::Resting(door);
        }
    }

    /// A container leaves: its doors go.
    pub(super) fn leave_ward(&mut self, key: Key) {
        self.refuse_all(key, "it was removed");
        let Some(ward) = self.wards.remove(&key) else { return };
        ward.gate.doors().for_each(|door| self.reactor.close_door(door));
        ward.gate.led_to.into_iter().for_each(|(_, address)| self.reactor.doubt(address));
    }

    /// Bytes that its doors have relayed up to now.
    pub(super) fn door_bytes(&mut self, key: Key) -> u64 {
        let Some(ward) = self.wards.get_mut(&key) else { return 0 };
        let doors: Vec<Door> = ward.gate.doors().collect();
        for door in doors {
            ward.gate.moved_bytes += self.reactor.moved_bytes(door);
        }
        ward.gate.moved_bytes
    }

    /// Before it is started: the engine needs the ports where we stood in.
    pub(super) fn make_way(&mut self, key: Key, order: Order) {
        if order != Order::Start {
            return;
        }
        let Some(ward) = self.wards.get(&key) else { return };
        for at in 0..ward.gate.leaves.len() {
            let is_stand_in = |gate: &Gate| {
                gate.leaves.get(at).is_some_and(|leaf| leaf.wanted.kind == Kind::StandIn)
            };
            if self.wards.get(&key).is_some_and(|ward| is_stand_in(&ward.gate)) {
                self.rest_leaf(key, at);
            }
        }
    }
}

/// `0.0.0.0:8080/tcp`
pub(super) fn shown(place: doors::Place) -> String {
    format!("{}/{}", SocketAddr::new(place.ip, place.port), place.transport.word())
}

pub(super) fn net_transport(transport: Transport) -> door::Transport {
    match transport {
        Transport::Tcp => door::Transport::Tcp,
        Transport::Udp => door::Transport::Udp,
    }
}

/// EAFNOSUPPORT, EADDRNOTAVAIL, as they are written.
fn lacks_family(why: &str) -> bool {
    ["address family not supported", "cannot assign requested address"]
        .iter()
        .any(|text| why.contains(text))
}
