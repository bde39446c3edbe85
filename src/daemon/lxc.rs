//! Guests of clusters: orders that become tasks, looks for machines that want to know, and counters
//! that come with the list. Decides nothing.

use std::time::{Duration, Instant};

use crate::docker::stats::Traffic;
use crate::error::Why;
use crate::follow::Attend;
use crate::http::Reply;
use crate::idle::activity::Sample;
use crate::idle::backend::{Backend, Order};
use crate::idle::fleet::Sight;
use crate::idle::group::Key;
use crate::idle::lxc::{self, Lxc};
use crate::idle::message::Input;
use crate::idle::state::{Phase, Ticket};
use crate::proxmox::call;
use crate::proxmox::task::{Task, Upid};
use crate::proxmox::types::{Counters, Current, Place};
use crate::proxmox::watch::Look as Looked;

use super::asked::{Asked, Whose};
use super::{Daemon, look};

/// From an order's answer to the first look at its task; doubles.
const TASK_FIRST: Duration = Duration::from_millis(100);
/// At last.
const TASK_LAST: Duration = Duration::from_secs(1);
/// A task that can't be read so often is not looked at again: the guest's status tells.
const TASK_FAILURES: u32 = 5;

/// A task that is followed to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errand {
    /// The cluster's place in the list.
    place: usize,
    whose: Whose,
    upid: Upid,
    /// When it is looked at next.
    pub at: Instant,
    wait: Duration,
    failures: u32,
}

/// What a machine wants to know from a look at its guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// What became of its order.
    Status(Ticket),
    /// Whether it moved before it is put to sleep.
    Once(Ticket),
}

/// The looks that are waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    status: Option<Ticket>,
    once: Option<Ticket>,
}

impl Daemon {
    /// Whether it is a guest of a cluster.
    pub(super) fn is_guest(&self, key: Key) -> bool {
        self.wards.get(&key).is_some_and(|ward| ward.is_guest)
    }

    /// What an order comes to for a guest.
    pub(super) fn order_guest(&mut self, key: Key, (order, ticket): (Order, Ticket), lxc: &Lxc) {
        let Some(ward) = self.wards.get(&key) else { return };
        let at = self.follow.place_of(ward.engine, ward.id()).map(whole);
        let call = match at {
            Some(at) => lxc.order(&at, order, &ward.plan),
            None => Err(Why::NotFound("it is on no node".into())),
        };
        match call {
            Ok(call) => {
                let place = ward.engine;
                let whose = Whose::Machine(key, order, ticket);
                let number = self.number(Asked::Task(place, whose));
                self.follow.ask(place, (number, call), &mut self.reactor);
            }
            Err(why) => self.later.push_back((key, Input::Refused(ticket, why))),
        }
    }

    /// An order for a guest without a machine. What comes of it is answered to the visitor.
    pub(super) fn order_unwatched(
        &mut self,
        (place, id): (usize, &str),
        order: Order,
        whose: (&crate::plan::Plan, Whose),
    ) -> Result<(), Why> {
        let Some(version) = self.follow.cluster_version(place) else {
            unreachable!("a guest is in a cluster")
        };
        let nowhere = || Why::NotFound("it is on no node".into());
        let at = self.follow.place_of(place, id).map(whole).ok_or_else(nowhere)?;
        let call = Lxc::new(version).order(&at, order, whose.0)?;
        let number = self.number(Asked::Task(place, whose.1));
        self.follow.ask(place, (number, call), &mut self.reactor);
        Ok(())
    }

    /// The order was answered: with the number of a task, or not.
    pub(super) fn task_begun(&mut self, place: usize, whose: Whose, reply: Result<Reply, Why>) {
        match reply.and_then(call::start(&nowhere()).read) {
            Ok(upid) => {
                let (at, wait) = (self.reactor.now() + TASK_FIRST, TASK_FIRST);
                self.errands.push(Errand { place, whose, upid, at, wait, failures: 0 });
            }
            Err(why) => self.task_over(place, whose, Err(why)),
        }
    }

    /// How far a task has come, or why nobody knows.
    pub(super) fn task_told(&mut self, mut errand: Errand, reply: Result<Reply, Why>) {
        let told = reply.and_then(call::task(&errand.upid).read);
        errand.failures = if told.is_ok() { 0 } else { errand.failures + 1 };
        match told {
            Ok(Task::Ended(Err(why @ Why::Failed(_)))) => {
                let (place, call) = (errand.place, call::task_log(&errand.upid));
                let number = self.number(Asked::TaskLog(errand, why));
                self.follow.ask(place, (number, call), &mut self.reactor);
            }
            // What became of the guest its status tells: the manager starts it when it likes.
            Ok(Task::Ended(Ok(()))) if errand.upid.only_asks() => {
                if let Whose::Visitor(..) = errand.whose {
                    self.task_over(errand.place, errand.whose, Ok(()));
                }
            }
            Ok(Task::Ended(outcome)) => self.task_over(errand.place, errand.whose, outcome),
            Err(why @ (Why::Forbidden(_) | Why::NotFound(_) | Why::Refused { .. })) => {
                self.give_up(errand, why);
            }
            Err(why) if errand.failures >= TASK_FAILURES => self.give_up(errand, why),
            Ok(Task::Running) | Err(_) => {
                errand.wait = (errand.wait * 2).min(TASK_LAST);
                errand.at = self.reactor.now() + errand.wait;
                self.errands.push(errand);
            }
        }
    }

    /// What a task wrote that failed with that.
    pub(super) fn task_failed(&mut self, errand: Errand, why: Why, reply: Result<Reply, Why>) {
        let lines = reply.and_then(call::task_log(&errand.upid).read).unwrap_or_default();
        let lines = lines.join("; ");
        let why = match (why, lines.as_str()) {
            (why, "") => why,
            (why, lines) => Why::Failed(format!("{why} ({lines})")),
        };
        self.task_over(errand.place, errand.whose, Err(why));
    }

    /// Nobody knows how it ended.
    fn give_up(&mut self, errand: Errand, why: Why) {
        let why = self.follow.way_out(errand.place, why);
        log::debug!("{}: task {}: {why}", self.engine_name(errand.place), errand.upid.text());
        if let Whose::Visitor(..) = errand.whose {
            self.task_over(errand.place, errand.whose, Err(why));
        }
    }

    fn task_over(&mut self, place: usize, whose: Whose, outcome: Result<(), Why>) {
        let outcome = outcome.map_err(|why| self.follow.way_out(place, why));
        self.over(whose, outcome);
    }

    /// An order was carried out, or not.
    pub(super) fn over(&mut self, whose: Whose, outcome: Result<(), Why>) {
        match (whose, outcome) {
            (Whose::Machine(key, _, ticket), Ok(())) => self.tell(key, Input::Accepted(ticket)),
            (Whose::Machine(key, order, ticket), Err(why)) => {
                self.refused(key, order, &why);
                self.tell(key, Input::Refused(ticket, why));
            }
            (Whose::Visitor(visitor, engine, name), outcome) => {
                self.answer_direct(visitor, (engine, name), outcome);
            }
        }
    }

    /// Looks at a guest for its machine.
    pub(super) fn look_at_guest(&mut self, key: Key, look: Look) {
        let now = self.reactor.now();
        let Some(ward) = self.wards.get_mut(&key) else { return };
        match look {
            Look::Status(ticket) => ward.wanted.status = Some(ticket),
            Look::Once(ticket) => ward.wanted.once = Some(ticket),
        }
        self.follow.look(ward.engine, ward.id(), now);
    }

    /// A guest in this phase is looked at every second, or with all others.
    pub(super) fn attend_guest(&mut self, key: Key, phase: Phase) {
        let Some(ward) = self.wards.get(&key).filter(|ward| ward.is_guest) else { return };
        let attend = match phase {
            Phase::Waking | Phase::GoingToSleep => Attend::Closely,
            Phase::Asleep | Phase::Awake | Phase::Failed | Phase::Gone => Attend::ByList,
        };
        self.follow.attend(ward.engine, ward.id(), (attend, self.reactor.now()));
    }

    /// What clusters told beside news, and the tasks that are due.
    pub(super) fn attend_guests(&mut self, now: Instant) {
        for (place, vmid, looked) in self.follow.looks() {
            if let Some(key) = self.keys.find(place, &vmid.to_string()) {
                self.looked(key, &looked);
            }
        }
        for place in self.follow.counted() {
            self.count(place);
        }
        let due = |errand: &mut Errand| now >= errand.at;
        let due: Vec<Errand> = self.errands.extract_if(.., due).collect();
        for errand in due {
            if !self.is_waited_for(&errand.whose) {
                continue;
            }
            let (place, call) = (errand.place, call::task(&errand.upid));
            let number = self.number(Asked::TaskStatus(errand));
            self.follow.ask(place, (number, call), &mut self.reactor);
        }
    }

    fn is_waited_for(&self, whose: &Whose) -> bool {
        match whose {
            Whose::Machine(key, _, ticket) => {
                let machine = self.fleet.machine(*key);
                machine.is_some_and(|machine| machine.state().awaits(*ticket))
            }
            Whose::Visitor(..) => true,
        }
    }

    /// What a look showed, to the machine that wanted it.
    fn looked(&mut self, key: Key, looked: &Looked) {
        let Some(ward) = self.wards.get_mut(&key) else { return };
        let Looked::Seen(current) = looked else {
            // The machine asks again; who is to sleep stays awake meanwhile.
            return;
        };
        let Wanted { status, once } = std::mem::take(&mut ward.wanted);
        let Some(life) = lxc::life(current.status.word()) else { return };
        if let Some(ticket) = status {
            let sight = Sight { life, health: crate::container::Health::None, exit: None };
            let actions = self.fleet.status(key, ticket, sight, self.reactor.now());
            self.act(actions);
        }
        if let Some(ticket) = once {
            let input = self.last_look(key, current).unwrap_or(Input::Quiet(ticket));
            self.later.push_back((key, input));
        }
    }

    /// Whether anything moved; what is held by a backup is not put to sleep.
    fn last_look(&mut self, key: Key, current: &Current) -> Option<Input> {
        let now = self.reactor.now();
        if let (Some(lock), Some(ward)) = (&current.lock, self.wards.get(&key)) {
            log::info!("{}: is not put to sleep now: it is locked ({lock})", ward.name());
            return Some(Input::Activity(now));
        }
        let sample = self.sample_of(key, current.counters);
        look::input(self.compare(key, sample), now)
    }

    /// The counters that came with a cluster's list.
    fn count(&mut self, place: usize) {
        let is_awake = |key: Key| {
            let machine = self.fleet.machine(key);
            machine.is_some_and(|machine| machine.state().phase() == Phase::Awake)
        };
        let there = self.wards.iter().filter(|(_, ward)| ward.engine == place);
        let keys: Vec<Key> = there.map(|(key, _)| *key).filter(|key| is_awake(*key)).collect();
        let now = self.reactor.now();
        for key in keys {
            self.door_bytes(key);
            let Some(ward) = self.wards.get(&key) else { continue };
            let counters = self.follow.counters(place, ward.id()).unwrap_or_default();
            let sample = self.sample_of(key, counters);
            let input = look::input(self.compare(key, sample), now);
            self.later.extend(input.map(|input| (key, input)));
        }
    }

    /// PVE tells the CPUs in use now; what that makes since the last sample is added up.
    fn sample_of(&self, key: Key, counters: Counters) -> Option<Sample> {
        let at_nanos = self.nanos();
        let ward = self.wards.get(&key)?;
        let (before, door_bytes) = (ward.before.as_ref(), ward.gate.moved_bytes);
        let traffic = counters.in_bytes.zip(counters.out_bytes);
        let cpu_nanos = counters.cpus.map(|cpus| {
            let passed = before.map_or(0, |before| at_nanos.saturating_sub(before.at_nanos));
            let so_far = before.and_then(|before| before.cpu_nanos).unwrap_or_default();
            so_far.saturating_add((cpus * passed as f64) as u64)
        });
        Some(Sample {
            at_nanos,
            traffic: traffic.map(|(rx_bytes, tx_bytes)| Traffic { rx_bytes, tx_bytes }),
            cpu_nanos,
            door_bytes,
            ..Sample::default()
        })
    }
}

/// `node/vmid`
fn whole(place: &Place) -> String {
    format!("{}/{}", place.node, place.vmid)
}

/// A place that does not matter: for the reader of an answer.
fn nowhere() -> Place {
    Place { node: String::new(), vmid: 0 }
}
