//! The ways to containers of engines elsewhere: names become addresses when the engine is reached,
//! or are looked up where another program connects; and what there is no way to is told.

use std::time::{Duration, Instant};

use crate::error::Why;
use crate::follow::Tag;
use crate::idle::group::Key;
use crate::net::clients::Lease;
use crate::net::{Endpoint, Route};

use super::Daemon;
use super::asked::Asked;
use super::gate::Lost;
use super::provider::Provider;
use super::target::{self, Host, Nowhere};

/// A container that was ready and has no address, or does not take who is let in, is tried again.
pub(super) const ADMIT_EVERY: Duration = Duration::from_millis(100);
/// After this long it is tried with the poll only, and what stands against it is told.
pub(super) const LOST_AFTER: Duration = Duration::from_secs(5);
/// A name that could not be looked up is tried again.
const NAME_EVERY: Duration = Duration::from_secs(10);
/// What `ssh` connects to, where no configuration of its own says otherwise; never connected to
/// here.
const SSH_PORT: u16 = 22;

/// An engine elsewhere that is known by a name.
#[derive(Debug)]
pub struct Named {
    lease: Lease,
    asked_at: Option<Instant>,
}

impl Daemon {
    /// Remembers how an engine's address is found, where that takes more than reading it.
    pub(super) fn note_name(&mut self, place: usize) {
        let Some(Some(Provider::Engine(engine))) = self.engines.get(place) else { return };
        let is_known =
            self.seats.get(place).is_none_or(|seat| seat.is_here || seat.host != Host::default());
        let Ok(host) = &engine.host else { return };
        let endpoint = match &host.endpoint.route {
            _ if is_known => return,
            Route::Unix(_) => return,
            Route::Tcp { .. } | Route::Tls { .. } => host.endpoint.clone(),
            Route::Command(_) => {
                let name = &host.public_name;
                let authority = format!("{name}:{SSH_PORT}");
                let route = Route::Tcp { host: name.clone(), port: SSH_PORT };
                Endpoint { url: format!("tcp://{authority}"), authority, route }
            }
        };
        let lease = self.reactor.lease(&endpoint);
        self.named.insert(place, Named { lease, asked_at: None });
    }

    /// Takes the address of an engine's host as it is known now.
    pub(super) fn learn_host(&mut self, place: usize) {
        let Some(named) = self.named.get(&place) else { return };
        let found = self.reactor.addresses(&named.lease).iter().map(|at| at.ip());
        let host = Host::of(found);
        if let Some(seat) = self.seats.get_mut(place).filter(|_| host != Host::default()) {
            seat.host = host;
        }
    }

    /// The same for a container's engine.
    pub(super) fn seek_host_of(&mut self, key: Key) {
        if let Some(engine) = self.wards.get(&key).map(|ward| ward.engine) {
            self.seek_host(engine);
        }
    }

    /// Looks a name up, but not again and again.
    fn seek_host(&mut self, place: usize) {
        let now = self.reactor.now();
        let Some(named) = self.named.get_mut(&place) else { return };
        let is_early =
            named.asked_at.is_some_and(|at| now.saturating_duration_since(at) < NAME_EVERY);
        if is_early {
            return;
        }
        named.asked_at = Some(now);
        let lease = named.lease.clone();
        let number = self.number(Asked::Host(place));
        self.reactor.look_up(&lease, Tag::Guest(number));
    }

    /// A name was looked up.
    pub(super) fn found_host(&mut self, place: usize, outcome: Result<(), Why>) {
        if let Err(why) = outcome {
            log::warn!("{}: {why}: no door leads to its containers", self.engine_name(place));
            return;
        }
        self.learn_host(place);
        self.tend_all(place);
    }

    /// The doors of all containers of an engine, anew.
    pub(super) fn tend_all(&mut self, place: usize) {
        let keys: Vec<Key> = self
            .wards
            .iter()
            .filter(|(_, ward)| ward.engine == place)
            .map(|(key, _)| *key)
            .collect();
        for key in keys {
            self.probe_now(key);
            self.tend(key);
        }
    }

    /// Where a container is reached now.
    pub(super) fn way_to(&mut self, key: Key, port: u16) -> Result<std::net::SocketAddr, Nowhere> {
        let ward = self.wards.get(&key).ok_or(Nowhere::Soon)?;
        let engine = ward.engine;
        let container = self.follow.container(engine, ward.id()).ok_or(Nowhere::Soon)?;
        if !container.running {
            return Err(Nowhere::Soon);
        }
        let seat = self.seats.get(engine).copied().unwrap_or_default();
        let way = target::of(&container, seat, port);
        if way == Err(Nowhere::Unnamed) {
            self.seek_host(engine);
        }
        way
    }

    /// A container is awake and there is no way to a port that has a door: tried again soon, then
    /// with the poll.
    pub(super) fn is_lost(&mut self, key: Key, nowhere: Nowhere, port: u16) {
        let (now, poll) = (self.reactor.now(), self.config.idle.poll);
        let Some(ward) = self.wards.get_mut(&key) else { return };
        let gate = &mut ward.gate;
        let lost =
            gate.lost.get_or_insert_with(|| Box::new(Lost { since: now, why: String::new() }));
        let waited = now.saturating_duration_since(lost.since);
        if waited < LOST_AFTER {
            gate.again_at = Some(now + ADMIT_EVERY);
            return;
        }
        let why = nowhere.words(port);
        gate.again_at = Some(now + poll.max(ADMIT_EVERY));
        let is_hopeless = nowhere == Nowhere::Unpublished || waited >= ward.plan.wake_timeout;
        if lost.why != why {
            lost.why.clone_from(&why);
            log::warn!("{}: a door leads nowhere: {why}", ward.name());
        }
        if is_hopeless {
            self.refuse_all(key, &why);
        }
    }
}
