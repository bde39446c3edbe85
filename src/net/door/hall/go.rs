//! What becomes of who is within: a head read, let in, answered, relayed, gone.

use std::net::SocketAddr;
use std::os::fd::AsFd;

use super::{End, Hall};
use crate::net::access::plain;
use crate::net::door::clock::Limit;
use crate::net::door::entrance;
use crate::net::door::limits::VISITOR_TURN_BYTES;
use crate::net::door::relay::{Relay, Step};
use crate::net::door::side::{Moved, Side};
use crate::net::door::visits::{Answered, Held, State, Visit};
use crate::net::door::{Door, Notice, Said, Visitor};

/// What letting one in costs, in the bytes of a turn.
const ADMISSION_BYTES: usize = 16 << 10;
/// What looking at one costs.
const LOOK_BYTES: usize = 512;

impl Hall {
    /// Lets a held visitor in.
    pub fn admit(&mut self, visitor: Visitor, to: SocketAddr) {
        match self.visits.at(visitor).map(|visit| &mut visit.state) {
            Some(State::Held(held)) => held.admitted = Some(to),
            Some(State::Flow(flow)) if flow.target.is_none() => {
                self.admit_flow(visitor, to);
                return;
            }
            Some(_) | None => return,
        }
        self.make_due(visitor);
    }

    /// Whoever is relayed to this address may be relayed to nobody: has that looked at.
    pub fn doubt(&mut self, address: SocketAddr) {
        let leads_there = |visit: &Visit| match &visit.state {
            State::Relayed(relay) => relay.leads_to(address),
            State::Held(_) | State::Answered(_) | State::Flow(_) | State::Changing => false,
        };
        for visitor in self.visits.all(leads_there) {
            if let Some(Visit { state: State::Relayed(relay), .. }) = self.visits.look(visitor)
                && let Err(errno) = relay.target.doubt()
            {
                log::debug!("{address} can't be asked after: {}", plain(&errno.into()));
            }
            self.limit(visitor, Some(Limit::Doubt));
        }
    }

    /// Answers a held visitor, and closes.
    pub fn answer(&mut self, visitor: Visitor, bytes: Vec<u8>) {
        match self.visits.look(visitor).map(|visit| &visit.state) {
            Some(State::Held(_)) => {}
            Some(State::Flow(flow)) if flow.target.is_none() => {
                self.answer_flow(visitor, &bytes);
                return;
            }
            Some(_) | None => return,
        }
        if let Some((door, held)) = self.release(visitor) {
            let answered = Answered { client: held.client, rest: bytes, has_ended: false };
            self.put(visitor, door, State::Answered(answered));
            self.limit(visitor, Some(Limit::Read));
            self.make_due(visitor);
        }
    }

    /// Closes on a held visitor.
    pub fn turn_away(&mut self, visitor: Visitor) {
        if self.visits.look(visitor).is_some_and(|visit| visit.state.is_held()) {
            self.dismiss(visitor);
        }
    }

    /// Ends a visit, however far it has come; tells nothing.
    pub(super) fn dismiss(&mut self, visitor: Visitor) {
        let Some(mut visit) = self.visits.remove(visitor) else { return };
        if visit.state.is_held() {
            self.count_out(visit.door, visit.state.held_bytes());
        }
        if let Some(room) = self.room(visit.door) {
            room.within = room.within.saturating_sub(1);
        }
        match &mut visit.state {
            State::Relayed(relay) => relay.put_back(&mut self.means.pipes),
            State::Flow(flow) => {
                let key = (flow.peer, flow.local);
                if let Some(room) = self.room(visit.door)
                    && let Ok(at) = room.flows.binary_search_by_key(&key, |(key, _)| *key)
                    && room.flows.get(at).is_some_and(|(_, found)| *found == visitor)
                {
                    room.flows.remove(at);
                }
            }
            State::Held(_) | State::Answered(_) | State::Changing => {}
        }
    }

    /// Takes a held visitor out of its state; another is to be [`put`](Hall::put) in its place.
    fn release(&mut self, visitor: Visitor) -> Option<(Door, Held)> {
        let is_it = |visit: &&mut Visit| matches!(visit.state, State::Held(_));
        let visit = self.visits.at(visitor).filter(is_it)?;
        let (door, bytes) = (visit.door, visit.state.held_bytes());
        let State::Held(held) = std::mem::replace(&mut visit.state, State::Changing) else {
            unreachable!("flows are let in in their own way")
        };
        visit.until = None;
        self.count_out(door, bytes);
        Some((door, held))
    }

    fn put(&mut self, visitor: Visitor, door: Door, state: State) {
        let (is_held, bytes) = (state.is_held(), state.held_bytes());
        if let Some(visit) = self.visits.at(visitor) {
            visit.state = state;
            if is_held {
                self.count_in(door, bytes);
            }
        }
    }

    /// Gives a visitor its turn. Returns what that has cost.
    pub(super) fn drive(&mut self, visitor: Visitor) -> usize {
        let Some(visit) = self.visits.at(visitor) else { return 0 };
        visit.is_due = false;
        match &mut visit.state {
            State::Held(held) => match held.admitted {
                Some(to) => self.let_in(visitor, to),
                None => self.listen_to(visitor),
            },
            State::Relayed(_) => self.relay(visitor),
            State::Answered(answered) => {
                match answered.step(&mut self.means.buffer) {
                    Next::Waits => {}
                    Next::Goes => self.dismiss(visitor),
                    Next::HasMore => self.make_due(visitor),
                }
                LOOK_BYTES
            }
            State::Flow(_) => self.drive_flow(visitor),
            State::Changing => 0,
        }
    }

    fn let_in(&mut self, visitor: Visitor, to: SocketAddr) -> usize {
        let Some((door, held)) = self.release(visitor) else { return 0 };
        let Held { client, greeting, mut said, .. } = held;
        if let Some(greeting) = greeting {
            said = greeting.bytes;
        }
        let dialed = entrance::dial(to, self.marked()).and_then(|target| {
            self.watch(target.as_fd(), visitor, End::Target)?;
            Ok(target)
        });
        match dialed {
            Ok(target) => {
                let relay = Relay::new(client, Side::new(target), said);
                self.put(visitor, door, State::Relayed(relay));
                self.limit(visitor, Some(Limit::Connect));
            }
            Err(error) => self.missed(visitor, door, (client, said, plain(&error))),
        }
        ADMISSION_BYTES
    }

    /// The container could not be reached: held again, unless its door is gone altogether.
    fn missed(&mut self, visitor: Visitor, door: Door, what: (Side, Vec<u8>, String)) {
        let (client, said, why) = what;
        if self.room(door).is_none() {
            client.reset();
            self.visits.remove(visitor);
            return;
        }
        // Another try would come to the same: who decides must say so.
        let held = Held { client, greeting: None, said, admitted: None };
        self.put(visitor, door, State::Held(held));
        self.notices.push(Notice::Missed { door, visitor, why });
    }

    fn relay(&mut self, visitor: Visitor) -> usize {
        let Some(visit) = self.visits.at(visitor) else { return 0 };
        let State::Relayed(relay) = &mut visit.state else { return 0 };
        let (door, was_connecting) = (visit.door, relay.is_connecting());
        self.means.budget = VISITOR_TURN_BYTES;
        let before = self.means.moved;
        let step = relay.step(&mut self.means);
        let has_arrived = was_connecting && !relay.is_connecting();
        if has_arrived {
            visit.until = None;
        }
        let (moved, now) = (self.means.moved - before, self.now);
        if has_arrived && let Some(room) = self.room(door) {
            room.herd.arrived(visitor, now);
        }
        if let Some(room) = self.room(door).filter(|_| moved > 0) {
            room.moved += moved;
        }
        match step {
            Step::Blocked => {}
            Step::Unfinished => self.make_due(visitor),
            Step::Missed(error) => self.give_up(visitor, plain(&error)),
            Step::Over => self.dismiss(visitor),
        }
        LOOK_BYTES + moved as usize
    }

    /// One on its way is held again, to be sent once more.
    pub(super) fn call_back(&mut self, visitor: Visitor) {
        let Some(visit) = self.visits.at(visitor) else { return };
        if !matches!(&visit.state, State::Relayed(relay) if relay.is_connecting()) {
            return;
        }
        if let State::Relayed(relay) = std::mem::replace(&mut visit.state, State::Changing) {
            visit.until = None;
            let door = visit.door;
            let (client, said) = relay.give_up();
            let held = Held { client, greeting: None, said, admitted: None };
            self.put(visitor, door, State::Held(held));
        }
    }

    fn give_up(&mut self, visitor: Visitor, why: String) {
        let Some(visit) = self.visits.at(visitor) else { return };
        let door = visit.door;
        match std::mem::replace(&mut visit.state, State::Changing) {
            State::Relayed(relay) => {
                visit.until = None;
                let (client, said) = relay.give_up();
                self.missed(visitor, door, (client, said, why));
            }
            other => visit.state = other,
        }
    }

    /// Takes in what a held visitor says, where that is read.
    fn listen_to(&mut self, visitor: Visitor) -> usize {
        let Some(visit) = self.visits.at(visitor) else { return 0 };
        let State::Held(held) = &mut visit.state else { return 0 };
        let door = visit.door;
        let Some(greeting) = &mut held.greeting else {
            if held.client.is.broken {
                self.leave(visitor);
            }
            return LOOK_BYTES;
        };
        let (mut heard, mut said) = (0, None);
        let end = loop {
            if !held.client.is.readable || said.is_some() {
                break None;
            }
            let room = greeting.room().min(self.means.buffer.len());
            let Some(buffer) = self.means.buffer.get_mut(..room) else { break None };
            match held.client.read(buffer) {
                Moved::Bytes(read) => {
                    heard += read;
                    said = greeting.hear(buffer.get(..read).unwrap_or_default());
                }
                Moved::Blocked => break None,
                end @ (Moved::End | Moved::Broken) => break Some(end),
            }
        };
        let may_keep = self.keep(door, heard);
        // At the end, nothing it has said is a whole request, and nothing more will come.
        if end.is_some() || !may_keep {
            self.leave(visitor);
        } else if let Some(said) = said {
            self.has_said(visitor, said);
        }
        LOOK_BYTES + heard
    }

    fn has_said(&mut self, visitor: Visitor, said: Said) {
        let Some(Visit { door, state: State::Held(held), until, .. }) = self.visits.at(visitor)
        else {
            return;
        };
        if let Some(greeting) = held.greeting.take() {
            held.said = greeting.bytes;
            *until = None;
            let door = *door;
            self.notices.push(Notice::Said { door, visitor, said });
        }
    }

    /// A held visitor went away by itself.
    fn leave(&mut self, visitor: Visitor) {
        let Some(door) = self.visits.look(visitor).map(|visit| visit.door) else { return };
        self.dismiss(visitor);
        self.notices.push(Notice::Left { door, visitor });
    }

    /// A visitor's time is up.
    pub(super) fn is_late(&mut self, visitor: Visitor) {
        let Some(visit) = self.visits.at(visitor) else { return };
        visit.until = None;
        match &visit.state {
            State::Held(held) => {
                if let Some(said) = held.greeting.as_ref().map(|greeting| greeting.late()) {
                    self.has_said(visitor, said);
                }
            }
            State::Relayed(relay) if relay.is_connecting() => {
                self.give_up(visitor, "it does not answer".into());
            }
            // Who is gone was told of as broken before.
            State::Relayed(relay) => {
                let _ = relay.target.trust();
            }
            State::Answered(_) => self.dismiss(visitor),
            State::Flow(_) => self.has_been_quiet(visitor),
            State::Changing => {}
        }
    }
}

/// What an answered visitor does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Waits,
    Goes,
    HasMore,
}

impl Answered {
    /// Writes the answer, tells that it is all, and reads on until the other side has closed: to
    /// close before that would reset the connection, and the answer with it.
    fn step(&mut self, buffer: &mut [u8]) -> Next {
        while !self.rest.is_empty() {
            if !self.client.is.writable {
                return Next::Waits;
            }
            match self.client.write(&self.rest) {
                Moved::Bytes(written) => drop(self.rest.drain(..written)),
                Moved::Blocked => return Next::Waits,
                Moved::End | Moved::Broken => return Next::Goes,
            }
        }
        if !self.has_ended {
            self.has_ended = true;
            self.client.end();
        }
        let mut left = VISITOR_TURN_BYTES;
        while self.client.is.readable {
            if left == 0 {
                return Next::HasMore;
            }
            match self.client.read(buffer) {
                Moved::Bytes(read) => left = left.saturating_sub(read),
                Moved::Blocked => return Next::Waits,
                Moved::End | Moved::Broken => return Next::Goes,
            }
        }
        Next::Waits
    }
}
