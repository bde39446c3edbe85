//! How people come in: accepted, given a place, or turned away because of a limit.

use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use mio::unix::SourceFd;

use super::{End, Hall};
use crate::net::access::plain;
use crate::net::door::clock::Limit;
use crate::net::door::entrance::{Accepted, accept, original};
use crate::net::door::greeting::Greeting;
use crate::net::door::limits::{
    AT_ONCE, EXHAUSTED_RETRY, HELD, HELD_AT_DOOR, HELD_BYTES_AT_DOOR, places,
};
use crate::net::door::room::{Crowd, Entrance, Room};
use crate::net::door::side::Side;
use crate::net::door::visits::{Held, State, Visit};
use crate::net::door::{Door, First, Notice};

/// What is left to do at a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    /// Nobody waits.
    Empty,
    /// Somebody may still wait.
    More,
    /// Somebody waits, and can't be accepted now.
    Stuck,
}

impl Hall {
    /// Lets in who waits, at each socket so many.
    pub(super) fn come_in(&mut self) {
        let now = self.now;
        let is_ready = |room: &Room| room.is_ready && room.retry_at.is_none_or(|at| now >= at);
        let ready: Vec<Door> =
            self.rooms.iter().filter(|room| is_ready(room)).map(|room| room.door).collect();
        for door in ready {
            let queue = self.come_to(door);
            if let Some(room) = self.room(door) {
                room.is_ready = queue != Queue::Empty;
                room.retry_at = (queue == Queue::Stuck).then_some(now + EXHAUSTED_RETRY);
            }
        }
        self.come_by_rules();
    }

    fn come_to(&mut self, door: Door) -> Queue {
        let Some(room) = self.room(door) else { return Queue::Empty };
        let listener = match &room.entrance {
            Entrance::Rule(_) | Entrance::Shut => return Queue::Empty,
            Entrance::Datagrams(_) | Entrance::RuledDatagrams(..) => return self.take_in(door),
            Entrance::Listener(socket) => socket.clone(),
        };
        self.accept_at(listener.as_fd(), |_, _, _| Some(door))
    }

    /// Accepts as many as may come in a turn; `whose` finds the door of each.
    pub(super) fn accept_at(
        &mut self,
        listener: BorrowedFd<'_>,
        whose: impl Fn(&Hall, BorrowedFd<'_>, SocketAddr) -> Option<Door>,
    ) -> Queue {
        for _ in 0..AT_ONCE {
            match accept(listener) {
                Accepted::Guest(socket, peer) => {
                    if let Some(door) = whose(self, socket.as_fd(), peer) {
                        self.receive(door, socket, peer);
                    }
                }
                Accepted::Nobody => return Queue::Empty,
                Accepted::Exhausted(error) => {
                    log::warn!("nobody more can come in for now: {}", plain(&error));
                    return Queue::Stuck;
                }
            }
        }
        Queue::More
    }

    /// The door for a connection that a rule sent here, if one did.
    pub(super) fn door_of(&self, socket: BorrowedFd<'_>, peer: SocketAddr) -> Option<Door> {
        let original = original(socket, peer)?;
        let fitting = self.rooms.iter().filter_map(|room| Some((room.fits(original)?, room.door)));
        fitting.max().map(|(_, door)| door)
    }

    /// Lets in all who wait at a door that closes. Where another listens on, they wait for the next
    /// who takes that socket; the poll, which would tell of it as long as it is open, forgets it.
    pub(super) fn empty_queue(&mut self, door: Door) {
        let room = self.place_of(door).and_then(|at| self.rooms.get(at));
        if let Some(room) = room.filter(|room| room.is_lent) {
            let socket = match &room.entrance {
                Entrance::Listener(socket) => socket.as_fd(),
                Entrance::Datagrams(socket) => socket.as_fd(),
                Entrance::Rule(_) | Entrance::RuledDatagrams(..) | Entrance::Shut => return,
            };
            let _ = self.registry.deregister(&mut SourceFd(&socket.as_raw_fd()));
            return;
        }
        for _ in 0..HELD_AT_DOOR / AT_ONCE {
            if self.come_to(door) != Queue::More {
                return;
            }
        }
    }

    fn receive(&mut self, door: Door, socket: OwnedFd, peer: SocketAddr) {
        let crowd = self.crowd();
        let now = self.now;
        let Some(room) = self.room(door) else { return };
        let passes = room.passes;
        let holds = passes.is_none();
        if holds && room.closed_until.is_some() {
            return;
        }
        if let Some((limit, what)) = room.limit(&crowd) {
            refuse(room, now, &format!("{limit} {what}"));
            return;
        }
        let reads = room.first == First::Head && holds;
        let greeting = reads.then(Greeting::default);
        let client = Side::new(socket);
        let state = State::Held(Held { client, greeting, said: Vec::new(), admitted: passes });
        room.within += 1;
        let visitor = self.visits.add(Visit { door, until: None, is_due: false, state });
        self.count_in(door, 0);
        let Some(Visit { state: State::Held(held), .. }) = self.visits.look(visitor) else {
            return;
        };
        if self.watch(held.client.fd.as_fd(), visitor, End::Client).is_err() {
            self.dismiss(visitor);
            return;
        }
        if holds {
            self.limit(visitor, reads.then_some(Limit::Head));
            self.notices.push(Notice::Came { door, visitor, peer });
        } else {
            self.make_due(visitor);
        }
    }

    /// How many there are at all doors, and may be.
    pub(super) fn crowd(&self) -> Crowd {
        Crowd { places: self.places, within: self.visits.count(), held: self.held }
    }

    /// There are so many descriptors for visitors and all else.
    pub(super) fn allow_visitors(&mut self, descriptors: u64) {
        self.places = places(descriptors);
        if self.places < HELD {
            log::warn!("{descriptors} descriptors: for {} connections at doors", self.places);
        }
    }

    /// One more is held.
    pub(super) fn count_in(&mut self, door: Door, bytes: usize) {
        self.held += 1;
        if let Some(room) = self.room(door) {
            room.held += 1;
            room.held_bytes += bytes;
        }
    }

    /// One fewer is held.
    pub(super) fn count_out(&mut self, door: Door, bytes: usize) {
        self.held = self.held.saturating_sub(1);
        if let Some(room) = self.room(door) {
            room.held = room.held.saturating_sub(1);
            room.held_bytes = room.held_bytes.saturating_sub(bytes);
        }
    }

    /// Bytes more are kept at a door. Whether it may keep so many.
    pub(super) fn keep(&mut self, door: Door, bytes: usize) -> bool {
        let now = self.now;
        let Some(room) = self.room(door) else { return false };
        room.held_bytes += bytes;
        let may = room.held_bytes <= HELD_BYTES_AT_DOOR;
        if !may {
            refuse(room, now, &format!("{HELD_BYTES_AT_DOOR} bytes are kept of those held"));
        }
        may
    }
}

/// Logs that somebody was turned away.
pub(super) fn refuse(room: &mut Room, now: std::time::Instant, why: &str) {
    if let Some(times) = room.refusals.count(now) {
        log::warn!("door {}: {times} turned away: {why}", room.name);
    }
}
