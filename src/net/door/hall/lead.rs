//! Doors that begin to pass, and those that hold again: who was held is led in by and by.

use std::net::SocketAddr;

use super::Hall;
use crate::net::door::herd::Herd;
use crate::net::door::visits::{State, Visit};
use crate::net::door::{Door, Notice, Visitor};

impl Hall {
    /// Passes whoever is held and comes.
    pub fn pass(&mut self, door: Door, to: SocketAddr) {
        let held = |visit: &Visit| visit.door == door && visit.state.is_held();
        let now = self.now;
        let Some(at) = self.place_of(door) else { return };
        let Some(room) = self.rooms.get_mut(at) else { return };
        // Who is held at a door that passes already is led in, or was told of as missed.
        if room.passes.replace(to) == Some(to) {
            return;
        }
        if room.held > 0 {
            room.herd = Herd::new(self.visits.all(held), now);
        }
    }

    /// Leads in the next of those who were held when their door began to pass.
    pub(super) fn lead_in(&mut self) {
        let now = self.now;
        for at in 0..self.rooms.len() {
            let Some(room) = self.rooms.get_mut(at) else { return };
            if room.herd.deadline().is_none_or(|at| now < at) {
                continue;
            }
            let Some(to) = room.passes else { continue };
            let stuck = room.herd.stuck(now);
            stuck.into_iter().for_each(|visitor| self.call_back(visitor));
            let Some(room) = self.rooms.get_mut(at) else { return };
            let visits = &self.visits;
            let is_leaving = |visitor| {
                visits.look(visitor).is_some_and(|visit| match &visit.state {
                    State::Held(held) => held.admitted.is_some(),
                    State::Relayed(relay) => relay.is_connecting(),
                    State::Answered(_) | State::Flow(_) | State::Changing => false,
                })
            };
            let next = room.herd.next(now, is_leaving);
            next.into_iter().for_each(|visitor| self.admit(visitor, to));
        }
    }

    /// Whether somebody at a door is yet to reach the container it leads to.
    pub fn is_leading(&self, door: Door) -> bool {
        let room = self.place_of(door).and_then(|at| self.rooms.get(at));
        let is_on_the_way = |visit: &Visit| match &visit.state {
            State::Relayed(relay) => relay.is_connecting(),
            state => state.is_held(),
        };
        room.is_some_and(|room| room.passes.is_some())
            && self.visits.any(|visit| visit.door == door && is_on_the_way(visit))
    }

    /// Holds whoever comes.
    pub fn hold(&mut self, door: Door) {
        let Some(room) = self.room(door) else { return };
        room.passes = None;
        let herd = std::mem::take(&mut room.herd).disband();
        let flows = std::mem::take(&mut room.flows);
        for (_, flow) in flows {
            self.dismiss(flow);
        }
        let is_held = |visitor: &Visitor| {
            self.visits.look(*visitor).is_some_and(|visit| visit.state.is_held())
        };
        let missed = herd.into_iter().filter(is_held).map(|visitor| {
            let why = "it went down before".into();
            Notice::Missed { door, visitor, why }
        });
        self.notices.extend(missed);
    }
}
