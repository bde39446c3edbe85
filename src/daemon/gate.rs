//! The doors of one container as they stand, and who is held there. Opens none and asks nobody.

use std::net::SocketAddr;
use std::time::Instant;

use crate::container::{Container, Port};
use crate::docker::inspect::Inspect;
use crate::idle::backend::{Life, Nap, Order};
use crate::idle::doors::{self, Kind, Published, Wanted};
use crate::idle::state::{self, State, Ticket};
use crate::net::door::{Door, Visitor};
use crate::page::Client;

/// All doors of a container.
#[derive(Debug, Default)]
pub struct Gate {
    /// Its mappings as they were when it ran last, as far as that is known.
    pub ports: Box<[Port]>,
    /// When it ran last, in nanoseconds of Unix time; 0: nobody knows.
    pub ran_nanos: u64,
    /// Its engine was asked for both.
    pub is_asked: bool,
    /// The doors, in the order of their ports.
    pub leaves: Vec<Leaf>,
    /// What stands against doors that were asked for.
    pub problems: Box<[String]>,
    /// Who waits.
    pub held: Vec<Held>,
    /// Where people were led since its process began, by the container's port.
    pub led_to: Vec<(u16, SocketAddr)>,
    /// Who was let in and could not reach it, to be let in again.
    pub missed: Vec<Missed>,
    /// Bytes that were relayed, both ways.
    pub moved_bytes: u64,
    /// What is put off until the rules stand.
    pub put_off: Option<PutOff>,
    /// It is awake, and a door leads nowhere.
    pub lost: Option<Box<Lost>>,
    /// A probe that waits for an address.
    pub probe: Option<Ticket>,
    /// When something is to be tried again: a look, a probe, letting in.
    pub again_at: Option<Instant>,
}

/// One door.
#[derive(Debug)]
pub struct Leaf {
    /// What it should be.
    pub wanted: Wanted,
    /// What it is.
    pub is: Is,
    /// Who comes is passed on.
    pub passes: bool,
    /// The door before this one: who came there may still be within.
    pub old: Option<Door>,
}

/// What a door is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Is {
    /// Not wanted now.
    Shut,
    /// Its rule is being made.
    Rising(Door),
    /// People may come.
    Open(Door),
    /// Nobody can come, but those who did are held.
    Resting(Door),
    /// It can't be had: why. It is tried again.
    Denied(String),
}

/// Somebody who waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Who.
    pub visitor: Visitor,
    /// The door they came to.
    pub door: Door,
    /// What they said, if it was HTTP.
    pub client: Option<Client>,
    /// It is known what they speak.
    pub is_heard: bool,
    /// They will be told this as soon as that is known.
    pub refusal: Option<String>,
}

/// Somebody whom the container did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// Who.
    pub visitor: Visitor,
    /// The container's port.
    pub target: u16,
    /// When they were missed first.
    pub since: Instant,
    /// They are held again.
    pub waits: bool,
}

/// A door that leads nowhere, though its container is awake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Since when.
    pub since: Instant,
    /// Why, once that has lasted.
    pub why: String,
}

/// What waits for rules to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOff {
    /// A last look.
    Look(Ticket),
    /// An order to end.
    Order(Order, Ticket),
}

/// What doors should be now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posture {
    /// Redirect doors.
    pub redirect: state::Door,
    /// Stand-in doors.
    pub stand_in: StandIn,
    /// Front doors.
    pub front: Front,
}

/// What stand-in doors do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StandIn {
    /// Listen: the port is nobody's.
    Listen,
    /// The engine needs the port, but who came is held.
    Rest,
    /// Nothing.
    Shut,
}

/// What front doors do with who comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Front {
    Hold,
    Pass,
}

impl Posture {
    /// In a state of the container's machine.
    pub fn of(state: &State) -> Posture {
        let stopped = Life::Down(Nap::Stopped);
        let stand_in = match state {
            State::Asleep { .. } | State::Waiting { .. } if state.life() == Some(stopped) => {
                StandIn::Listen
            }
            State::Failed(failure) if failure.life == stopped => StandIn::Listen,
            State::Starting(_) | State::Booting { .. } | State::Failed(_) => StandIn::Rest,
            State::Asleep { .. } | State::Waiting { .. } | State::Awake(_) => StandIn::Shut,
            State::Hesitating(_) | State::Stopping(_) | State::Gone { .. } => StandIn::Shut,
        };
        let front = match state {
            State::Awake(_) => Front::Pass,
            State::Asleep { .. } | State::Waiting { .. } | State::Starting(_) => Front::Hold,
            State::Booting { .. } | State::Hesitating(_) | State::Stopping(_) => Front::Hold,
            State::Failed(_) | State::Gone { .. } => Front::Hold,
        };
        Posture { redirect: state.door(), stand_in, front }
    }
}

impl Gate {
    /// Chooses the doors anew; returns those that are there and not wanted any more.
    /// `is_covered`: whoever comes there comes to another of them.
    pub fn renew(
        &mut self,
        container: &Container,
        published: Published,
        is_covered: &dyn Fn(&Wanted) -> bool,
    ) -> Vec<Door> {
        let is_told = container.ports.iter().any(|port| port.public_port.is_some());
        if is_told && *self.ports != *container.ports {
            self.ports = container.ports.as_slice().into();
        }
        let (mut wanted, problems) = doors::choose(container, &self.ports, published);
        wanted.retain(|one| !is_covered(one));
        self.problems = problems.into();
        let mut old = std::mem::take(&mut self.leaves);
        let leaves = wanted.into_iter().map(|wanted| {
            let same = old.iter().position(|leaf| leaf.wanted == wanted);
            let new = || Leaf { wanted, is: Is::Shut, passes: false, old: None };
            same.map_or_else(new, |at| old.swap_remove(at))
        });
        // Room for those, and no more.
        self.leaves = leaves.collect();
        old.iter().flat_map(Leaf::doors).collect()
    }

    /// What its engine told of it when asked for all it knows.
    pub fn learn(&mut self, inspect: &Inspect, errors: &mut Vec<String>) {
        let state = &inspect.state;
        let ended = state.finished_at_nanos().or(state.started_at_nanos());
        self.ran_nanos = self.ran_nanos.max(ended.unwrap_or(1));
        let ports = crate::container::sorted_ports(inspect.ports(), errors);
        if ports.iter().any(|port| port.public_port.is_some()) {
            self.ports = ports.into();
        }
    }

    /// The door that is, or was, of this number.
    pub fn leaf(&self, door: Door) -> Option<&Leaf> {
        self.leaves.iter().find(|leaf| leaf.doors().any(|one| one == door))
    }

    /// Every door that somebody may be within.
    pub fn doors(&self) -> impl Iterator<Item = Door> {
        self.leaves.iter().flat_map(Leaf::doors)
    }

    /// Whether the rule of a door is still to be made.
    pub fn is_rising(&self) -> bool {
        self.leaves.iter().any(|leaf| matches!(leaf.is, Is::Rising(_)))
    }

    /// Whether a door is wanted and not had, so that it should be tried again.
    pub fn is_denied(&self) -> bool {
        self.leaves.iter().any(|leaf| matches!(leaf.is, Is::Denied(_)))
    }

    /// Who comes for a port is led there from now on. Returns where to they were before, if that
    /// was elsewhere.
    pub fn lead_to(&mut self, port: u16, address: SocketAddr) -> Option<SocketAddr> {
        match self.led_to.iter_mut().find(|led| led.0 == port) {
            Some((_, led)) => Some(std::mem::replace(led, address)).filter(|old| *old != address),
            None => {
                self.led_to.push((port, address));
                None
            }
        }
    }

    /// Whether who comes for a port is not led there yet.
    pub fn leads_elsewhere(&self, port: u16, address: SocketAddr) -> bool {
        !self.led_to.contains(&(port, address))
    }

    /// Somebody is held no longer.
    pub fn let_go(&mut self, visitor: Visitor) -> Option<Held> {
        self.missed.retain(|missed| missed.visitor != visitor);
        let at = self.held.iter().position(|held| held.visitor == visitor)?;
        Some(self.held.swap_remove(at))
    }
}

impl Leaf {
    /// The door as it stands, if it does.
    pub fn door(&self) -> Option<Door> {
        match self.is {
            Is::Rising(door) | Is::Open(door) | Is::Resting(door) => Some(door),
            Is::Shut | Is::Denied(_) => None,
        }
    }

    /// That one and the one before.
    pub fn doors(&self) -> impl Iterator<Item = Door> + use<> {
        self.door().into_iter().chain(self.old)
    }

    /// Whether it leads people away from a port that an engine published.
    pub fn is_published(&self) -> bool {
        self.wanted.kind != Kind::Front
    }
}
