//! All doors and everybody within, as one part of the loop: told of readiness, given a turn. Reads
//! no clock; who is let in is decided elsewhere.

mod come;
mod datagrams;
mod go;
mod lead;
mod rule;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::rc::Rc;
use std::time::Instant;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::error::Why;
use crate::net::access::plain;
use crate::net::door::clock::{Clock, Limit};
use crate::net::door::entrance::{self, Marked};
use crate::net::door::limits::{DOORS, LATE_WITHIN, TURN_BYTES};
use crate::net::door::relay::Means;
use crate::net::door::room::{Entrance, Room};
use crate::net::door::side::Seen;
use crate::net::door::visits::{State, Visit, Visits};
use crate::net::door::{Door, Notice, Opening, Place, Transport, Visitor};
use rule::Redirect;

/// Bytes read at once: the longest datagram.
const BUFFER_BYTES: usize = 64 << 10;

/// Whose readiness is told: what a token is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A door's own socket, by the last bits of its number.
    Door(usize),
    /// The listener of all redirect doors, of IPv4 or of IPv6.
    Redirect(usize),
    /// A child that makes rules, by its generation.
    Child(usize),
    /// One of a visitor's two sockets: its place, the last bits of its generation, and which.
    Visitor(usize, usize, End),
}

/// Which of a visitor's sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Who came.
    Client,
    /// The container.
    Target,
}

/// Turns whose readiness is told into a token, and knows how many bits a generation has there.
#[derive(Clone, Copy, Debug)]
pub struct Tokens {
    /// The token.
    pub of: fn(Whose) -> Token,
    /// The bits of a generation.
    pub mask: usize,
}

/// Doors, visitors, rules.
#[derive(Debug)]
pub struct Hall {
    registry: Registry,
    tokens: Tokens,
    now: Instant,
    rooms: Vec<Room>,
    last: u32,
    visits: Visits,
    /// How many may be within.
    places: usize,
    held: usize,
    clock: Clock,
    means: Means,
    due: VecDeque<Visitor>,
    redirect: Option<Redirect>,
    notices: Vec<Notice>,
}

impl Hall {
    /// Without doors. Sockets are registered with the loop's poll.
    pub fn new(registry: Registry, tokens: Tokens, now: Instant) -> Hall {
        Hall {
            registry,
            tokens,
            now,
            rooms: Vec::new(),
            last: 0,
            visits: Visits::default(),
            places: 0,
            held: 0,
            clock: Clock::default(),
            means: Means::default(),
            due: VecDeque::new(),
            redirect: None,
            notices: Vec::new(),
        }
    }

    /// Opens a door; see [`Reactor::open_door`](crate::net::reactor::Reactor::open_door).
    pub fn open(&mut self, opening: Opening) -> Result<Door, Why> {
        if self.rooms.len() >= DOORS {
            return Err(Why::Conflict(format!("more than {DOORS} doors")));
        }
        if self.means.buffer.is_empty() {
            self.means.buffer = vec![0; BUFFER_BYTES];
            self.allow_visitors(entrance::allow_descriptors());
        }
        let door = Door(self.last.wrapping_add(1));
        let Opening { name, place, transport, first } = opening;
        let is_lent = matches!(place, Place::Inherited(_));
        let entrance = match (place, transport) {
            (Place::Published(binding), transport) => self.by_rule(door, binding, transport)?,
            (Place::Own(at), Transport::Tcp) => {
                let listener = entrance::listener(at).map_err(|error| cannot(at, &error))?;
                Entrance::Listener(Rc::new(listener))
            }
            (Place::Own(at), Transport::Udp) => {
                Entrance::Datagrams(entrance::datagrams(at).map_err(|error| cannot(at, &error))?)
            }
            (Place::Inherited(socket), Transport::Tcp) => Entrance::Listener(Rc::new(socket)),
            (Place::Inherited(socket), Transport::Udp) => Entrance::Datagrams(socket),
        };
        self.attend(door, &entrance).map_err(|error| {
            Why::Unreachable(format!("its socket is of no use: {}", plain(&error)))
        })?;
        self.last = door.0;
        self.rooms.push(Room { is_lent, ..Room::new(door, name, first, entrance) });
        Ok(door)
    }

    fn attend(&self, door: Door, entrance: &Entrance) -> std::io::Result<()> {
        let socket = match entrance {
            Entrance::Rule(_) | Entrance::Shut => return Ok(()),
            Entrance::Listener(socket) => {
                entrance::prepare_listener(socket.as_fd())?;
                socket.as_fd()
            }
            Entrance::Datagrams(socket) | Entrance::RuledDatagrams(socket, _) => {
                entrance::prepare_datagrams(socket.as_fd())?;
                socket.as_fd()
            }
        };
        let token = (self.tokens.of)(Whose::Door(door.0 as usize & self.tokens.mask));
        // One that was another door's is registered already.
        let mut source = SourceFd(&socket.as_raw_fd());
        let _ = self.registry.deregister(&mut source);
        self.registry.register(&mut source, token, Interest::READABLE)
    }

    fn watch(&self, socket: BorrowedFd<'_>, visitor: Visitor, end: End) -> std::io::Result<()> {
        let generation = visitor.generation as usize & self.tokens.mask;
        let token = (self.tokens.of)(Whose::Visitor(visitor.slot as usize, generation, end));
        let both = Interest::READABLE | Interest::WRITABLE;
        self.registry.register(&mut SourceFd(&socket.as_raw_fd()), token, both)
    }

    /// Closes a door.
    pub fn close(&mut self, door: Door) {
        let Some(at) = self.place_of(door) else { return };
        if self.rooms.get(at).is_none_or(|room| room.closed_until.is_some()) {
            return;
        }
        // Who waits to be accepted has come in time.
        self.empty_queue(door);
        let Some(room) = self.rooms.get_mut(at) else { return };
        let passes = room.passes;
        match &room.entrance {
            Entrance::Rule(_) | Entrance::RuledDatagrams(..) => {
                room.closed_until = Some(self.now + LATE_WITHIN);
                self.unwant(door);
            }
            Entrance::Listener(_) | Entrance::Datagrams(_) | Entrance::Shut => {
                let mut room = self.rooms.remove(at);
                if let Some(to) = passes {
                    let herd = room.herd.disband();
                    herd.into_iter().for_each(|visitor| self.admit(visitor, to));
                }
                room.flows.into_iter().for_each(|(_, flow)| self.dismiss(flow));
            }
        }
        if passes.is_none() || self.place_of(door).is_none() {
            let is_left = |visit: &Visit| visit.door == door && visit.state.waits();
            for visitor in self.visits.all(is_left) {
                self.dismiss(visitor);
            }
        }
    }

    /// Gives the port of a door with a socket of its own back, and keeps who came.
    pub fn rest(&mut self, door: Door) {
        self.empty_queue(door);
        let Some(room) = self.room(door) else { return };
        match room.entrance {
            Entrance::Listener(_) => room.entrance = Entrance::Shut,
            Entrance::Datagrams(_) => {
                room.entrance = Entrance::Shut;
                let flows = std::mem::take(&mut room.flows);
                flows.into_iter().for_each(|(_, flow)| self.dismiss(flow));
            }
            Entrance::Rule(_) | Entrance::RuledDatagrams(..) | Entrance::Shut => {}
        }
    }

    /// Bytes moved at a door since this was last asked.
    pub fn moved_bytes(&mut self, door: Door) -> u64 {
        self.room(door).map_or(0, |room| std::mem::take(&mut room.moved))
    }

    /// How many are held at a door.
    pub fn held(&self, door: Door) -> usize {
        self.place_of(door).and_then(|at| self.rooms.get(at)).map_or(0, |room| room.held)
    }

    /// How many are within.
    pub fn visitors(&self) -> usize {
        self.visits.count()
    }

    fn place_of(&self, door: Door) -> Option<usize> {
        self.rooms.binary_search_by_key(&door, |room| room.door).ok()
    }

    fn room(&mut self, door: Door) -> Option<&mut Room> {
        let at = self.place_of(door)?;
        self.rooms.get_mut(at)
    }

    fn make_due(&mut self, visitor: Visitor) {
        if let Some(visit) = self.visits.at(visitor)
            && !visit.is_due
        {
            visit.is_due = true;
            self.due.push_back(visitor);
        }
    }

    /// Something was told of a socket.
    pub fn see(&mut self, whose: Whose, seen: Seen) {
        match whose {
            Whose::Door(bits) => {
                let mask = self.tokens.mask;
                let is_it = |room: &&mut Room| room.door.0 as usize & mask == bits;
                if let Some(room) = self.rooms.iter_mut().find(is_it) {
                    room.is_ready = true;
                }
            }
            Whose::Redirect(which) => self.ready_redirect(which),
            Whose::Child(generation) => self.child_ended(generation),
            Whose::Visitor(slot, bits, end) => {
                let found = self.visits.in_place(slot, bits, self.tokens.mask);
                let Some(visitor) = found else { return };
                if let Some(visit) = self.visits.at(visitor) {
                    match (&mut visit.state, end) {
                        (State::Held(held), _) => held.client.note(seen),
                        (State::Answered(answered), _) => answered.client.note(seen),
                        (State::Relayed(relay), End::Client) => relay.client.note(seen),
                        (State::Relayed(relay), End::Target) => relay.target.note(seen),
                        (State::Flow(flow), _) => flow.is_readable |= seen.readable,
                        (State::Changing, _) => {}
                    }
                }
                self.make_due(visitor);
            }
        }
    }

    /// Does what is due, a turn's worth, and tells what came of it.
    pub fn turn(&mut self, now: Instant, out: &mut Vec<Notice>) {
        self.now = now;
        self.come_in();
        self.lead_in();
        let mut left = TURN_BYTES;
        for _ in 0..self.due.len() {
            if left == 0 {
                break;
            }
            let Some(visitor) = self.due.pop_front() else { break };
            left = left.saturating_sub(self.drive(visitor));
        }
        self.pass_time();
        self.mind_rules();
        out.append(&mut self.notices);
    }

    fn pass_time(&mut self) {
        while let Some((until, visitor)) = self.clock.pass(self.now) {
            if self.visits.look(visitor).is_some_and(|visit| visit.until == Some(until)) {
                self.is_late(visitor);
            }
        }
        let now = self.now;
        let is_over = |room: &Room| {
            room.flows.is_empty()
                && room.held == 0
                && room.closed_until.is_some_and(|until| now >= until)
        };
        let over: Vec<Door> =
            self.rooms.iter().filter(|room| is_over(room)).map(|room| room.door).collect();
        for door in over {
            self.forget(door);
        }
    }

    /// When it wants a turn, whatever happens.
    pub fn deadline(&mut self) -> Option<Instant> {
        let is_ready = |room: &Room| room.is_ready && room.retry_at.is_none();
        if !self.due.is_empty()
            || !self.notices.is_empty()
            || self.rooms.iter().any(is_ready)
            || self.redirect.as_ref().is_some_and(Redirect::is_ready)
        {
            return Some(self.now);
        }
        let visits = &self.visits;
        let is_meant =
            |until, visitor| visits.look(visitor).is_some_and(|visit| visit.until == Some(until));
        let late = self.clock.deadline(is_meant);
        let retries =
            self.rooms.iter().flat_map(|room| [room.retry_at, room.herd.deadline()]).flatten();
        let closed = self.rooms.iter().filter(|room| room.flows.is_empty() && room.held == 0);
        let closed = closed.filter_map(|room| room.closed_until);
        let rules = self.redirect.as_ref().and_then(Redirect::deadline);
        retries.chain(closed).chain(late).chain(rules).min()
    }

    /// Begins a limit for a visitor, in place of the one before; `None`: it has none now.
    fn limit(&mut self, visitor: Visitor, limit: Option<Limit>) {
        let until = limit.map(|limit| self.clock.set(limit, visitor, self.now));
        if let Some(visit) = self.visits.at(visitor) {
            visit.until = until;
        }
    }

    fn marked(&self) -> Marked {
        if self.redirect.is_some() { Marked::IfAllowed } else { Marked::No }
    }
}

fn cannot(at: SocketAddr, error: &std::io::Error) -> Why {
    let is_low = error.kind() == std::io::ErrorKind::PermissionDenied && at.port() < 1024;
    let way_out = if is_low { ": ports below 1024 need CAP_NET_BIND_SERVICE" } else { "" };
    Why::Unreachable(format!("{at} can't be listened on: {}{way_out}", plain(error)))
}
