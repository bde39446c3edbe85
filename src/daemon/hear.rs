//! What engines and containers answer, to the machines.

use crate::docker::call;
use crate::docker::inspect::Inspect;
use crate::error::Why;
use crate::follow::Tag;
use crate::http::Reply;
use crate::idle::docker;
use crate::idle::fleet::Sight;
use crate::idle::group::Key;
use crate::idle::message::Input;
use crate::idle::state::Ticket;

use super::asked::Asked;
use super::probe::NOT_READY_FROM;
use super::senses::Senses;
use super::ward::Counters;
use super::{Daemon, look};

impl Daemon {
    /// The head of an answer that comes in pieces: only a probe's. The rest does not matter.
    pub(super) fn hear_head(&mut self, number: u32, reply: &Reply) {
        let Some(Asked::Probe(key, ticket)) = self.asked.remove(&number) else { return };
        self.reactor.hang_up(|tag| matches!(tag, Tag::Guest(other) if *other == number));
        let is_ready = reply.status < NOT_READY_FROM;
        let input = if is_ready { Input::Ready(ticket) } else { Input::NotReady(ticket) };
        self.tell(key, input);
    }

    /// An answer, or why there is none.
    pub(super) fn hear(&mut self, number: u32, reply: Result<Reply, Why>) {
        match self.asked.remove(&number) {
            None => {}
            Some(Asked::Probe(key, ticket)) => {
                let is_ready = reply.is_ok();
                let input = if is_ready { Input::Ready(ticket) } else { Input::NotReady(ticket) };
                self.tell(key, input);
            }
            Some(Asked::Order(whose)) => self.over(whose, reply.and_then(call::start("").read)),
            Some(Asked::Status(key, ticket)) => {
                self.inspected(key, Some(ticket), reply);
            }
            Some(Asked::Process(key) | Asked::Exit(key)) => {
                self.inspected(key, None, reply);
            }
            Some(Asked::Sample(engine, key, purpose)) => {
                self.sampled.remove(&engine);
                let sample = reply.and_then(call::stats_once("").read);
                if let Err(why) = &sample {
                    let name = self.wards.get(&key).map_or("", |ward| ward.name());
                    log::debug!("{name}: sample: {why}");
                }
                self.sampled(key, purpose, sample.ok().flatten());
            }
            Some(Asked::Host(place)) => self.found_host(place, reply.map(drop)),
            Some(Asked::Task(place, whose)) => self.task_begun(place, whose, reply),
            Some(Asked::TaskStatus(errand)) => self.task_told(errand, reply),
            Some(Asked::TaskLog(errand, why)) => self.task_failed(errand, why, reply),
        }
    }

    /// All about a container: what it does, for the machine that asked for it under this number or
    /// for all who care.
    fn inspected(&mut self, key: Key, ticket: Option<Ticket>, reply: Result<Reply, Why>) {
        self.litter = look::LITTERED;
        let Some(ward) = self.wards.get_mut(&key) else { return };
        let inspect = match reply.and_then(call::inspect("").read) {
            Ok(inspect) => inspect,
            Err(why) => {
                ward.counters = Counters::Unknown;
                log::debug!("{}: inspect: {why}", ward.name());
                if let Why::NotFound(_) = why {
                    // The list may know it for a while yet. Its doors must not come back: another
                    // may have been made in its place.
                    self.keys.forget(ward.engine, ward.id());
                    self.tell(key, Input::Gone);
                }
                return;
            }
        };
        let now = self.reactor.now();
        let known = self.follow.container(ward.engine, ward.id());
        let life = docker::life(&inspect.state.status);
        let sight = Sight {
            life,
            health: known.map(|known| known.health).unwrap_or_default(),
            exit: docker::exit(&inspect.state.status, inspect.state.exit_code),
        };
        let actions = match ticket {
            Some(ticket) => self.fleet.status(key, ticket, sight, now),
            None => self.fleet.saw(key, sight, now),
        };
        self.act(actions);
        self.find_process(key, &inspect);
        if let Some(ward) = self.wards.get_mut(&key)
            && inspect.state.pid == 0
        {
            // What is wrong with its ports was told with the container.
            ward.gate.learn(&inspect, &mut Vec::new());
            self.renew_gate(key);
            self.tend(key);
            // Its ports are known now, which another's front door may be in the way of.
            self.is_moved = true;
        }
    }

    fn find_process(&mut self, key: Key, inspect: &Inspect) {
        if inspect.state.pid == 0 {
            return self.forget_process(key);
        }
        let Some(ward) = self.wards.get_mut(&key) else { return };
        if let Counters::Asked | Counters::Unknown = ward.counters {
            let Ok(rules) = &ward.rules else { return };
            let senses = Senses::open(inspect.state.pid, ward.id(), rules, &mut self.text);
            if senses.is_none() {
                log::debug!(
                    "{}: its counters are not seen from here: its engine tells",
                    ward.name()
                );
            }
            ward.counters = senses.map_or(Counters::AtEngine, Counters::Here);
        }
    }
}
