//! Datagrams: who sends is a visitor too, a flow. Its first ones are kept while it is held; then it
//! has a socket of its own to the container.

use std::net::SocketAddr;
use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use super::come::{Queue, refuse};
use super::{End, Hall};
use crate::net::access::plain;
use crate::net::door::clock::Limit;
use crate::net::door::entrance;
use crate::net::door::limits::{AT_ONCE, FLOW_BYTES, FLOW_DATAGRAMS, FLOW_QUIET, FLOWS_AT_DOOR};
use crate::net::door::room::{Entrance, Room};
use crate::net::door::visits::{Flow, State, Visit};
use crate::net::door::{Door, Notice, Visitor};
use crate::sys::{self, Received};

impl Hall {
    /// Takes what came to a door's socket, so much.
    pub(super) fn take_in(&mut self, door: Door) -> Queue {
        let mut buffer = std::mem::take(&mut self.means.buffer);
        let mut queue = Queue::More;
        for _ in 0..AT_ONCE {
            let Some(socket) = self.room(door).and_then(socket) else { break };
            match sys::receive(socket, &mut buffer) {
                Ok(received) => {
                    let bytes = buffer.get(..received.len).unwrap_or_default();
                    self.heed_datagram(door, received, bytes);
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    queue = Queue::Empty;
                    break;
                }
                // The network tells of a datagram that did not arrive; the next one may.
                Err(_) => {}
            }
        }
        self.means.buffer = buffer;
        queue
    }

    fn heed_datagram(&mut self, door: Door, received: Received, bytes: &[u8]) {
        let Received { from, to, .. } = received;
        let Some(room) = self.room(door) else { return };
        let visitor = match room.flow(from, to) {
            Ok(visitor) => visitor,
            Err(_) => match self.begin_flow(door, received) {
                Some(visitor) => visitor,
                None => return,
            },
        };
        let now = self.now;
        let Some(Visit { state: State::Flow(flow), .. }) = self.visits.at(visitor) else { return };
        flow.moved_at = now;
        match &flow.target {
            Some(target) => {
                // One that finds no room is lost, as datagrams may be.
                let _ = rustix::net::send(target, bytes, SendFlags::NOSIGNAL);
                self.count(door, bytes.len());
            }
            None => {
                let kept: usize = flow.kept.iter().map(Vec::len).sum();
                let has_room = kept + bytes.len() <= FLOW_BYTES;
                if flow.kept.len() < FLOW_DATAGRAMS && has_room && self.keep(door, bytes.len()) {
                    if let Some(Visit { state: State::Flow(flow), .. }) = self.visits.at(visitor) {
                        flow.kept.push(bytes.to_vec());
                    }
                } else if let Some(room) = self.room(door) {
                    refuse(room, now, "a flow has its first datagrams kept already");
                }
            }
        }
    }

    fn begin_flow(&mut self, door: Door, received: Received) -> Option<Visitor> {
        let (now, crowd) = (self.now, self.crowd());
        let room = self.room(door)?;
        let passes = room.passes;
        if passes.is_none() && room.closed_until.is_some() {
            return None;
        }
        let is_full = room.flows.len() >= FLOWS_AT_DOOR;
        let flows = is_full.then_some((FLOWS_AT_DOOR, "flows are within"));
        if let Some((limit, what)) = flows.or(room.limit(&crowd)) {
            refuse(room, now, &format!("{limit} {what}"));
            return None;
        }
        room.within += 1;
        let flow = Flow {
            peer: received.from,
            local: received.to,
            kept: Vec::new(),
            target: None,
            is_readable: false,
            moved_at: now,
        };
        let visit = Visit { door, until: None, is_due: false, state: State::Flow(flow) };
        let visitor = self.visits.add(visit);
        self.count_in(door, 0);
        let room = self.room(door)?;
        if let Err(at) = room.flow(received.from, received.to) {
            room.flows.insert(at, ((received.from, received.to), visitor));
        }
        self.limit(visitor, Some(Limit::Quiet));
        match passes {
            Some(to) => self.admit_flow(visitor, to),
            None => {
                let peer = received.from;
                self.notices.push(Notice::Came { door, visitor, peer });
            }
        }
        Some(visitor)
    }

    /// Lets a held flow in, its datagrams first.
    pub(super) fn admit_flow(&mut self, visitor: Visitor, to: SocketAddr) {
        let dialed = entrance::dial_datagrams(to, self.marked()).and_then(|target| {
            self.watch(target.as_fd(), visitor, End::Target)?;
            Ok(target)
        });
        let Some(visit) = self.visits.at(visitor) else { return };
        let (door, bytes) = (visit.door, visit.state.held_bytes());
        let State::Flow(flow) = &mut visit.state else { return };
        match dialed {
            Ok(target) => {
                let kept = std::mem::take(&mut flow.kept);
                for datagram in &kept {
                    let _ = rustix::net::send(&target, datagram, SendFlags::NOSIGNAL);
                }
                flow.target = Some(target);
                self.count_out(door, bytes);
                self.count(door, bytes);
            }
            Err(error) => {
                self.notices.push(Notice::Missed { door, visitor, why: plain(&error) });
            }
        }
    }

    /// Sends one datagram to a held flow, and forgets it.
    pub(super) fn answer_flow(&mut self, visitor: Visitor, bytes: &[u8]) {
        let Some(Visit { door, state: State::Flow(flow), .. }) = self.visits.look(visitor) else {
            return;
        };
        let (door, peer, local) = (*door, flow.peer, flow.local);
        if let Some(socket) = self.room(door).and_then(socket) {
            let _ = sys::send(socket, bytes, peer, local);
        }
        self.dismiss(visitor);
    }

    /// Takes what the container says to one sender, so much. Returns what that cost.
    pub(super) fn drive_flow(&mut self, visitor: Visitor) -> usize {
        let mut buffer = std::mem::take(&mut self.means.buffer);
        let mut moved = 0;
        for _ in 0..AT_ONCE {
            match self.one_back(visitor, &mut buffer) {
                Some(len) => moved += len,
                None => break,
            }
        }
        self.means.buffer = buffer;
        let is_readable = |visit: &Visit| matches!(&visit.state, State::Flow(f) if f.is_readable);
        if self.visits.look(visitor).is_some_and(is_readable) {
            self.make_due(visitor);
        }
        moved
    }

    /// One datagram from the container to who came; `None`: there is none.
    fn one_back(&mut self, visitor: Visitor, buffer: &mut [u8]) -> Option<usize> {
        let now = self.now;
        let visit = self.visits.at(visitor)?;
        let door = visit.door;
        let State::Flow(flow) = &mut visit.state else { return None };
        let target = flow.target.as_ref().filter(|_| flow.is_readable)?;
        let len = match rustix::net::recv(target, &mut *buffer, RecvFlags::empty()) {
            Ok((_, len)) => len,
            // Nobody listens there, or not yet. The flow stays: the next datagram may be heard.
            Err(Errno::CONNREFUSED | Errno::INTR) => return Some(0),
            Err(_) => {
                flow.is_readable = false;
                return None;
            }
        };
        flow.moved_at = now;
        let (peer, local) = (flow.peer, flow.local);
        let room = self.room(door)?;
        room.moved += len as u64;
        let bytes = buffer.get(..len).unwrap_or_default();
        let _ = sys::send(socket(room)?, bytes, peer, local);
        Some(len)
    }

    /// Time to see whether a flow is over.
    pub(super) fn has_been_quiet(&mut self, visitor: Visitor) {
        let now = self.now;
        let Some(Visit { door, state: State::Flow(flow), .. }) = self.visits.look(visitor) else {
            return;
        };
        if now.saturating_duration_since(flow.moved_at) < FLOW_QUIET {
            self.limit(visitor, Some(Limit::Quiet));
            return;
        }
        let (door, was_held) = (*door, flow.target.is_none());
        self.dismiss(visitor);
        if was_held {
            self.notices.push(Notice::Left { door, visitor });
        }
    }

    fn count(&mut self, door: Door, bytes: usize) {
        if let Some(room) = self.room(door) {
            room.moved += bytes as u64;
        }
    }
}

/// The socket of a door for datagrams.
fn socket(room: &mut Room) -> Option<std::os::fd::BorrowedFd<'_>> {
    match &room.entrance {
        Entrance::Datagrams(socket) | Entrance::RuledDatagrams(socket, _) => Some(socket.as_fd()),
        Entrance::Rule(_) | Entrance::Listener(_) | Entrance::Shut => None,
    }
}
