//! The end: no new work, who is held may finish, rules and doors go, containers stay as they are.

use std::time::Instant;

use crate::idle::group::Key;
use crate::idle::state::Phase;
use crate::systemd::notify::News as Told;

use super::gate::Is;
use super::visitors::END_WITHIN;
use super::{Daemon, Next};

/// An end that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Not later than that.
    until: Instant,
    /// The rules of doors are gone.
    no_rules: bool,
}

impl Daemon {
    /// SIGTERM or SIGINT; a second one ends at once.
    pub(super) fn end(&mut self, number: i32) -> Next {
        if self.ending.is_some() {
            log::warn!("signal {number} again: ends at once");
            return Next::End;
        }
        self.setup.notify.tell(&[Told::Stopping]);
        log::info!("ends by signal {number}: containers stay as they are");
        let until = self.reactor.now() + END_WITHIN;
        self.ending = Some(Ending { until, no_rules: false });
        // Rules go by themselves; whoever was sent here by them is held, as at all other doors.
        self.reactor.drop_rules();
        let keys: Vec<Key> = self.wards.keys().copied().collect();
        for key in keys {
            self.rest_gate(key);
        }
        if let Some(door) = self.porter.metrics.take() {
            self.reactor.close_door(door);
        }
        Next::Turn
    }

    /// Nobody new comes in; where it does not wake, nobody waits any longer.
    fn rest_gate(&mut self, key: Key) {
        let phase = self.fleet.machine(key).map(|machine| machine.state().phase());
        if phase != Some(Phase::Waking) {
            self.refuse_all(key, "drowse ends");
        }
        let Some(ward) = self.wards.get_mut(&key) else { return };
        for leaf in &mut ward.gate.leaves {
            if let Is::Open(door) | Is::Rising(door) = leaf.is {
                self.reactor.rest(door);
                leaf.is = Is::Resting(door);
            }
        }
    }

    /// The rules are gone.
    pub(super) fn rules_gone(&mut self) {
        if let Some(ending) = &mut self.ending {
            ending.no_rules = true;
        }
    }

    /// When the end comes at the latest.
    pub(super) fn ends_at(&self) -> Option<Instant> {
        self.ending.map(|ending| ending.until)
    }

    /// Whether all is done, or nobody is waited for any longer.
    pub(super) fn is_over(&self) -> bool {
        self.ending.is_some_and(|ending| {
            let is_late = self.reactor.now() >= ending.until;
            is_late || ending.no_rules && self.reactor.visitors() == 0
        })
    }
}
