//! Who has a port where several want it: engines for those that run, then doors of those that
//! sleep, front doors last. Opens nothing.

use crate::container::Packed;
use crate::idle::backend::Life;
use crate::idle::doors::{self, Claim, Kind, Published, Standing};
use crate::idle::group::Key;
use crate::idle::state::Phase;
use crate::sorted;

use super::Daemon;

impl Daemon {
    /// Containers came, went, woke or fell asleep: who has a better right to a port has it now.
    pub(super) fn share_doors(&mut self) {
        for key in self.rivals() {
            let leaves = self.wards.get(&key).map_or(0, |ward| ward.gate.leaves.len());
            for at in 0..leaves {
                let is_at_rest = self.is_at_rest(key);
                let is_open = self.wards.get(&key).is_some_and(|ward| {
                    let leaf = ward.gate.leaves.get(at).filter(|leaf| leaf.door().is_some());
                    leaf.is_some_and(|leaf| is_at_rest || !leaf.is_published())
                });
                if let Some(why) = self.outranked(key, at).filter(|_| is_open) {
                    log::warn!("{}: {why}", self.ward_name(key));
                    self.deny_leaf(key, at, &why);
                }
            }
        }
        self.retry_doors();
    }

    /// Containers that have a port at a door which another has too, and are at rest or have a front
    /// door: that stands all the time.
    fn rivals(&self) -> Vec<Key> {
        let mut ports: Vec<(u16, Option<Key>)> = Vec::new();
        for (key, ward) in &self.wards {
            let leaves = ward.gate.leaves.iter();
            ports.extend(leaves.map(|leaf| (leaf.wanted.place.port, Some(*key))));
        }
        for kept in self.unwatched() {
            let container = kept.container();
            let published = container.ports.iter().filter_map(|port| port.public_port);
            ports.extend(published.map(|port| (port, None)));
        }
        sorted::sort(&mut ports);
        ports.dedup();
        let is_shared = |pair: &&[(u16, Option<Key>)]| matches!(pair, [a, b] if a.0 == b.0);
        let shared = ports.windows(2).filter(is_shared).flatten();
        let mut keys: Vec<Key> = shared.filter_map(|(_, key)| *key).collect();
        sorted::sort(&mut keys);
        keys.dedup();
        let has_front = |key: &Key| {
            let leaves = self.wards.get(key).map_or(&[][..], |ward| &ward.gate.leaves);
            leaves.iter().any(|leaf| !leaf.is_published())
        };
        keys.retain(|key| self.is_at_rest(*key) || has_front(key));
        keys
    }

    fn is_at_rest(&self, key: Key) -> bool {
        let phase = self.fleet.machine(key).map(|machine| machine.state().phase());
        matches!(phase, Some(Phase::Asleep | Phase::Failed))
    }

    /// Containers of this machine that run, and that nobody watches.
    fn unwatched(&self) -> impl Iterator<Item = &Packed> {
        let views = self
            .follow
            .engines()
            .filter(|view| self.seats.get(view.place).is_some_and(|seat| seat.is_here));
        views.flat_map(move |view| {
            let is_watched = move |kept: &Packed| {
                let key = self.keys.find(view.place, kept.id());
                key.is_some_and(|key| self.wards.contains_key(&key))
            };
            let running = view.containers.into_iter().filter(|kept| kept.state() == "running");
            running.filter(move |kept| !is_watched(kept))
        })
    }

    /// Who has a better right to the place of a door. A front door gives way to whoever published
    /// its port, also while that one sleeps: it could not be started.
    pub(super) fn outranked(&self, key: Key, at: usize) -> Option<String> {
        let ward = self.wards.get(&key)?;
        let wanted = ward.gate.leaves.get(at)?.wanted;
        let place = wanted.place;
        if wanted.kind == Kind::Front {
            let claims = self.claims(key);
            let claim = claims.iter().find(|claim| claim.place.overlaps(&place))?;
            let (port, transport) = (place.port, place.transport.word());
            return Some(format!("no door at {port}/{transport}: {} publishes it", claim.name));
        }
        let claim = Claim { name: ward.name(), place, standing: self.standing(key) };
        doors::denied(&claim, &self.claims(key))
    }

    /// A door that was denied may be had by now.
    pub(super) fn retry_doors(&mut self) {
        let denied: Vec<Key> = self
            .wards
            .iter()
            .filter(|(_, ward)| ward.gate.is_denied())
            .map(|(key, _)| *key)
            .collect();
        denied.into_iter().for_each(|key| self.tend(key));
    }

    fn standing(&self, key: Key) -> Standing {
        let ran = self.wards.get(&key).map_or(0, |ward| ward.gate.ran_nanos);
        let life = self.fleet.machine(key).and_then(|machine| machine.state().life());
        if life == Some(Life::Runs) { Standing::Runs } else { Standing::Sleeps(ran) }
    }

    /// What all other containers have published.
    fn claims(&self, key: Key) -> Vec<Claim<'_>> {
        let mut claims = Vec::new();
        for (other, ward) in self.wards.iter().filter(|(other, _)| **other != key) {
            let standing = self.standing(*other);
            let published = ward.gate.leaves.iter().filter(|leaf| leaf.is_published());
            claims.extend(published.map(|leaf| Claim {
                name: ward.name(),
                place: leaf.wanted.place,
                standing,
            }));
        }
        // Those nobody watches have no gate, but ports while they run.
        for kept in self.unwatched() {
            let container = kept.container();
            let (doors, _) = doors::choose(&container, &container.ports, Published::StandIn);
            let published = doors.into_iter().filter(|door| door.kind != Kind::Front);
            claims.extend(published.map(|door| Claim {
                name: kept.name(),
                place: door.place,
                standing: Standing::Runs,
            }));
        }
        claims
    }
}
