//! Who came is let in when the container is ready; and orders and looks wait until its doors stand.

use std::time::{Duration, Instant};

use crate::idle::doors::Kind;
use crate::idle::group::Key;
use crate::idle::message::Input;
use crate::idle::state::{State, Ticket};
use crate::net::door::Visitor;

use super::Daemon;
use super::gate::{Gate, Missed, PutOff};
use super::way::ADMIT_EVERY;

/// Between rules that stand and the look that was put off for them.
const LOOK_AFTER: Duration = Duration::from_millis(100);
/// An order waits no longer than this for the rules that keep clients from who it ends.
const RULES_WITHIN: Duration = Duration::from_secs(2);

impl Daemon {
    /// It is awake: all doors lead to it, and those that were in the way close.
    pub(super) fn let_in(&mut self, key: Key) {
        let Some(ward) = self.wards.get(&key) else { return };
        let wanted: Vec<_> = ward.gate.leaves.iter().map(|leaf| leaf.wanted).collect();
        let mut lost = None;
        for (at, wanted) in wanted.into_iter().enumerate() {
            let to = self.way_to(key, wanted.target);
            let Some(ward) = self.wards.get_mut(&key) else { return };
            let Some(door) = ward.gate.leaves.get(at).and_then(|leaf| leaf.door()) else {
                continue;
            };
            let to = match to {
                Ok(to) => to,
                Err(nowhere) => {
                    lost = Some((nowhere, wanted.target));
                    continue;
                }
            };
            ward.gate.held.retain(|held| held.door != door);
            if let Some(old) = ward.gate.lead_to(wanted.target, to) {
                self.reactor.doubt(old);
            }
            self.reactor.pass(door, to);
            match wanted.kind {
                Kind::Redirect => self.close_leaf(key, at),
                // Its port was given back before the container was started.
                Kind::StandIn => self.rest_leaf(key, at),
                Kind::Front => {
                    if let Some(leaf) = ward.gate.leaves.get_mut(at) {
                        leaf.passes = true;
                    }
                }
            }
        }
        match (lost, self.wards.get_mut(&key)) {
            (Some((nowhere, port)), _) => self.is_lost(key, nowhere, port),
            (None, Some(ward)) => ward.gate.lost = None,
            (None, None) => {}
        }
        if let Some(ward) = self.wards.get_mut(&key)
            && ward.gate.missed.iter().any(|one| one.waits)
        {
            ward.gate.again_at.get_or_insert(self.reactor.now());
        }
    }

    /// It runs, and was told of anew: perhaps it is reached elsewhere now.
    pub(super) fn follow_move(&mut self, key: Key) {
        let machine = self.fleet.machine(key);
        let is_awake = machine.is_some_and(|one| matches!(one.state(), State::Awake(_)));
        let Some(ward) = self.wards.get(&key).filter(|_| is_awake) else { return };
        let passing = ward.gate.leaves.iter().filter(|leaf| leaf.passes);
        let ports: Vec<u16> = passing.map(|leaf| leaf.wanted.target).collect();
        let has_moved = ports.into_iter().any(|port| {
            let to = self.way_to(key, port);
            let gate = self.wards.get(&key).map(|ward| &ward.gate);
            to.is_ok_and(|to| gate.is_some_and(|gate| gate.leads_elsewhere(port, to)))
        });
        if has_moved {
            self.let_in(key);
        }
    }

    /// Its process has ended, or is another: what was seen of it does not count, and who is with it
    /// may be with nobody.
    pub(super) fn forget_process(&mut self, key: Key) {
        if let Some(ward) = self.wards.get_mut(&key) {
            ward.forget();
        }
        self.leave_alone(key);
    }

    /// Cuts off who is relayed to it, if it is gone.
    fn leave_alone(&mut self, key: Key) {
        let Some(ward) = self.wards.get_mut(&key) else { return };
        let led_to = std::mem::take(&mut ward.gate.led_to);
        led_to.into_iter().for_each(|(_, address)| self.reactor.doubt(address));
    }

    /// An order to end waits until nobody new is handed to the container.
    pub(super) fn put_off(&mut self, key: Key, what: PutOff) -> bool {
        let now = self.reactor.now();
        let Some(ward) = self.wards.get_mut(&key) else { return false };
        if !ward.gate.is_rising() {
            return false;
        }
        log::debug!("{}: {what:?} waits for the rules", ward.name());
        ward.gate.put_off = Some(what);
        ward.gate.again_at = Some(now + RULES_WITHIN);
        true
    }

    /// Does what was put off, if nothing is in its way any more.
    pub(super) fn go_on(&mut self, key: Key) {
        let now = self.reactor.now();
        let Some(ward) = self.wards.get_mut(&key) else { return };
        let gate = &mut ward.gate;
        match gate.put_off {
            Some(PutOff::Look(_)) if !gate.is_rising() => {
                let soon = now + LOOK_AFTER;
                gate.again_at = Some(gate.again_at.map_or(soon, |at| at.min(soon)));
            }
            Some(PutOff::Order(order, ticket)) if !gate.is_rising() => {
                gate.put_off = None;
                self.order(key, order, ticket);
            }
            Some(_) | None => {}
        }
    }

    /// What is due at the doors by now.
    pub(super) fn mind_gates(&mut self, now: Instant) {
        let is_due = |gate: &Gate| gate.again_at.is_some_and(|at| now >= at);
        let due: Vec<Key> =
            self.wards.iter().filter(|(_, ward)| is_due(&ward.gate)).map(|(key, _)| *key).collect();
        for key in due {
            let Some(ward) = self.wards.get_mut(&key) else { continue };
            ward.gate.again_at = None;
            let is_rising = ward.gate.is_rising();
            match ward.gate.put_off {
                Some(PutOff::Look(ticket)) if !is_rising => {
                    ward.gate.put_off = None;
                    self.look_now(key, ticket);
                }
                // Without an answer its machine leaves it awake.
                Some(PutOff::Look(_)) => ward.gate.put_off = None,
                Some(PutOff::Order(order, ticket)) => {
                    ward.gate.put_off = None;
                    self.order(key, order, ticket);
                }
                None => {}
            }
            self.probe_now(key);
            self.tend(key);
            self.admit_missed(key, now);
        }
    }

    /// Once more for those whom it did not take.
    fn admit_missed(&mut self, key: Key, now: Instant) {
        let machine = self.fleet.machine(key);
        let is_awake = machine.is_some_and(|one| matches!(one.state(), State::Awake(_)));
        let Some(ward) = self.wards.get_mut(&key).filter(|_| is_awake) else { return };
        let limit = ward.plan.wake_timeout;
        let mut missed = std::mem::take(&mut ward.gate.missed);
        for one in missed.iter_mut().filter(|one| one.waits) {
            if now.saturating_duration_since(one.since) >= limit {
                self.refuse(key, one.visitor, "it does not listen on this port");
            } else if let Ok(to) = self.way_to(key, one.target) {
                one.waits = false;
                self.reactor.admit(one.visitor, to);
                let ward = self.wards.get_mut(&key);
                if let Some(old) = ward.and_then(|ward| ward.gate.lead_to(one.target, to)) {
                    self.reactor.doubt(old);
                }
            }
        }
        missed.retain(|one| now.saturating_duration_since(one.since) < limit);
        let waits = missed.iter().any(|one| one.waits);
        let Some(ward) = self.wards.get_mut(&key) else { return };
        ward.gate.missed = missed;
        if waits {
            ward.gate.again_at = Some(now + ADMIT_EVERY);
        }
    }

    /// The container did not take who was let in: once more, soon. If it went down meanwhile, that
    /// is a knock.
    pub(super) fn missed(&mut self, key: Key, visitor: Visitor, target: u16) {
        let now = self.reactor.now();
        let machine = self.fleet.machine(key);
        let is_awake = machine.is_some_and(|one| matches!(one.state(), State::Awake(_)));
        let Some(ward) = self.wards.get_mut(&key) else { return };
        let missed = &mut ward.gate.missed;
        match missed.iter_mut().find(|one| one.visitor == visitor) {
            Some(one) => one.waits = true,
            None => missed.push(Missed { visitor, target, since: now, waits: true }),
        }
        ward.gate.again_at.get_or_insert(now + ADMIT_EVERY);
        if !is_awake {
            self.tell(key, Input::Knock);
        }
    }

    /// Its address is told in a moment, and then it is probed at once.
    pub(super) fn probe_later(&mut self, key: Key, ticket: Ticket) {
        let at = self.reactor.now() + ADMIT_EVERY;
        let Some(ward) = self.wards.get_mut(&key) else { return };
        ward.gate.probe = Some(ticket);
        ward.gate.again_at = Some(ward.gate.again_at.map_or(at, |again| again.min(at)));
    }

    /// The probe that waited for an address, if its answer is still waited for.
    pub(super) fn probe_now(&mut self, key: Key) {
        let waits = self.wards.get_mut(&key).and_then(|ward| ward.gate.probe.take());
        let machine = self.fleet.machine(key);
        let is_wanted = |ticket: &Ticket| machine.is_some_and(|one| one.state().awaits(*ticket));
        if let Some(ticket) = waits.filter(is_wanted) {
            self.probe(key, ticket);
        }
    }

    /// A last look, when the doors stand.
    pub(super) fn look_when_up(&mut self, key: Key, ticket: Ticket) {
        if !self.put_off(key, PutOff::Look(ticket)) {
            self.look_now(key, ticket);
        }
    }
}
