//! What the machines want, as calls to engines and lines in the log.

use crate::docker::call;
use crate::error::Why;
use crate::follow::Tag;
use crate::http::Patience;
use crate::idle::activity::Activity;
use crate::idle::backend::{Backend, Order};
use crate::idle::doors::Transport;
use crate::idle::group::Key;
use crate::idle::message::{Action, Input, News};
use crate::idle::state::{Cause, Phase, State, Ticket};
use crate::net::running::Ask;
use crate::net::talk::Mode;

use super::asked::{Asked, Purpose, Whose};
use super::gate::PutOff;
use super::lxc::Look;
use super::probe::{self, Probe};
use super::provider::Means;
use super::ward::Woke;
use super::{Daemon, look, rows, senses};

impl Daemon {
    /// Does one thing.
    pub(super) fn do_one(&mut self, key: Key, action: Action) {
        match action {
            Action::Give(order, ticket) => self.give(key, order, ticket),
            Action::ReadStatus(ticket) => self.read_status(key, ticket),
            Action::Probe(ticket) => self.probe(key, ticket),
            Action::LookOnce(ticket) => self.look_when_up(key, ticket),
            Action::Admit => {
                self.answer_awake(key);
                self.tend(key);
            }
            Action::TurnAway(why) => {
                self.answer_failed(key, &why);
                self.refuse_all(key, &why);
            }
            Action::Leave => self.leave_ward(key),
            Action::Say(news) => self.say(key, news),
            Action::DoorUp | Action::DoorDown => self.tend(key),
            Action::AskTurn => unreachable!("the fleet gives turns itself"),
        }
    }

    fn give(&mut self, key: Key, order: Order, ticket: Ticket) {
        let wakes = matches!(order, Order::Start | Order::Unpause);
        if self.ending.is_some() && !wakes {
            return;
        }
        match order {
            Order::Pause => self.freeze(key, ticket),
            Order::Start | Order::Unpause => self.order(key, order, ticket),
            // Nobody is handed to who is being ended.
            Order::Stop | Order::Signal | Order::Kill => {
                if !self.put_off(key, PutOff::Order(order, ticket)) {
                    self.order(key, order, ticket);
                }
            }
        }
    }

    /// What an order comes to.
    pub(super) fn order(&mut self, key: Key, order: Order, ticket: Ticket) {
        self.make_way(key, order);
        let Some(ward) = self.wards.get_mut(&key) else { return };
        ward.is_frozen_by_us |= order == Order::Pause;
        let Some(ward) = self.wards.get(&key) else { return };
        log::info!("{}: {}", ward.name(), word(order));
        let docker = match self.means(ward.engine) {
            Means::Docker(docker) => docker,
            Means::Lxc(lxc) => return self.order_guest(key, (order, ticket), &lxc),
        };
        match docker.order(ward.id(), order, &ward.plan) {
            Ok(call) => {
                let engine = ward.engine;
                if order == Order::Start {
                    self.follow.foresee(engine, ward.id());
                }
                let number = self.number(Asked::Order(Whose::Machine(key, order, ticket)));
                self.follow.ask(engine, (number, call), &mut self.reactor);
            }
            Err(why) => self.later.push_back((key, Input::Refused(ticket, why))),
        }
    }

    fn read_status(&mut self, key: Key, ticket: Ticket) {
        match self.is_guest(key) {
            true => self.look_at_guest(key, Look::Status(ticket)),
            false => self.ask_about(key, Asked::Status(key, ticket)),
        }
    }

    /// Asks the engine for all about a container.
    pub(super) fn ask_about(&mut self, key: Key, asked: Asked) {
        // A guest has neither a process of this machine nor an exit code.
        let Some(ward) = self.wards.get(&key).filter(|ward| !ward.is_guest) else { return };
        let (engine, call) = (ward.engine, call::inspect(ward.id()));
        let number = self.number(asked);
        self.follow.ask(engine, (number, call), &mut self.reactor);
    }

    /// The number under which the answer to this question will come.
    pub(super) fn number(&mut self, asked: Asked) -> u32 {
        self.last_number = self.last_number.wrapping_add(1);
        self.asked.insert(self.last_number, asked);
        self.last_number
    }

    pub(super) fn probe(&mut self, key: Key, ticket: Ticket) {
        let Some(ward) = self.wards.get(&key) else { return };
        let Some(container) = self.follow.container(ward.engine, ward.id()) else { return };
        let seat = self.seats.get(ward.engine).copied().unwrap_or_default();
        let seen = |port, kind| ward.listens(port, kind);
        let not_ready = Input::NotReady(ticket);
        let (endpoint, request, mode) = match probe::of(&container, &ward.gate.ports, seat) {
            Probe::Nothing => return self.later.push_back((key, Input::Ready(ticket))),
            Probe::NoAddress => {
                self.seek_host_of(key);
                return self.probe_later(key, ticket);
            }
            Probe::Bound(port) => {
                let is_ready = seen(port, Transport::Udp).unwrap_or(true);
                let input = if is_ready { Input::Ready(ticket) } else { not_ready };
                return self.later.push_back((key, input));
            }
            Probe::Relayed(_, port) if seen(port, Transport::Tcp) == Some(false) => {
                return self.later.push_back((key, not_ready));
            }
            Probe::Http(endpoint, request) => (endpoint, request, Mode::Stream),
            Probe::Connect(endpoint) | Probe::Relayed(endpoint, _) => {
                (endpoint, probe::nothing(), Mode::Reach)
            }
        };
        let number = self.number(Asked::Probe(key, ticket));
        let lease = self.reactor.lease(&endpoint);
        let patience = Patience::Within(probe::WITHIN);
        let ask = Ask { request, prefix: String::new(), patience, mode };
        self.reactor.ask(&lease, ask, Tag::Guest(number));
    }

    /// A look at the counters for a machine that is about to put it to sleep.
    pub(super) fn look_now(&mut self, key: Key, ticket: Ticket) {
        if self.is_guest(key) {
            return self.look_at_guest(key, Look::Once(ticket));
        }
        self.listen(key);
        match self.sense(key) {
            Some(Activity::No) if self.is_anybody_at_its_ports(key) => {
                self.later.push_back((key, Input::Activity(self.reactor.now())));
            }
            Some(sight) => {
                let input = look::input(sight, self.reactor.now()).unwrap_or(Input::Quiet(ticket));
                self.later.push_back((key, input));
            }
            None => self.want_sample(key, Purpose::Look(ticket)),
        }
    }

    /// Whether somebody came to a published port, and its engine has not passed that on yet.
    fn is_anybody_at_its_ports(&mut self, key: Key) -> bool {
        let Some(ward) = self.wards.get(&key) else { return false };
        let ports = |transport| {
            let published = ward.gate.leaves.iter().filter(|leaf| leaf.is_published());
            let places = published.map(|leaf| leaf.wanted.place);
            let ports = places.filter(|place| place.transport == transport).map(|place| place.port);
            ports.collect::<Vec<u16>>()
        };
        [Transport::Tcp, Transport::Udp]
            .into_iter()
            .any(|transport| senses::waits_here(&ports(transport), transport, &mut self.text))
    }

    fn say(&mut self, key: Key, news: News) {
        match news {
            News::Now(phase) => self.say_phase(key, phase),
            News::Stays(why) => self.answer_stays(key, why),
            News::Problem(what) => {
                if let Some(ward) = self.wards.get_mut(&key) {
                    log::error!("{}: {what}", ward.name());
                    ward.problem = Some(what);
                }
            }
        }
    }

    fn say_phase(&mut self, key: Key, phase: Phase) {
        let Some(machine) = self.fleet.machine(key) else { return };
        let Some(ward) = self.wards.get_mut(&key) else { return };
        let name = ward.name();
        match machine.state() {
            State::Awake(up) => {
                let is_ours = !matches!(up.cause, Cause::OtherHands | Cause::Found);
                let took = machine.past().last().filter(|_| is_ours);
                let after = took.map_or(String::new(), |took| format!(" after {took:.3?}"));
                log::info!("{name}: awake{after} ({})", cause(up.cause));
                if up.cause != Cause::Found {
                    ward.woke = Some(Woke { at: std::time::SystemTime::now(), took });
                }
                if let Some(took) = took {
                    ward.tally.wakes += 1;
                    self.wakes.add(took);
                }
                ward.failed = None;
                ward.rise();
            }
            State::Waiting { wake, .. } => log::info!("{name}: wakes ({})", cause(wake.cause)),
            State::Booting { wake, .. } => log::info!("{name}: boots ({})", cause(wake.cause)),
            State::Failed(failure) => {
                log::error!("{name}: not woken: {}", failure.why);
                ward.failed = Some(failure.why.as_str().into());
                ward.tally.failures += 1;
            }
            State::Stopping(_) => log::debug!("{name}: goes to sleep"),
            State::Asleep { .. } => {
                log::info!("{name}: asleep");
                if !ward.is_frozen_by_us {
                    ward.before = None; // what moved until others froze it is no knock
                }
            }
            State::Starting(_) | State::Hesitating(_) | State::Gone { .. } => {}
        }
        self.answer_phase(key, phase);
        self.attend_guest(key, phase);
        if let Some(ward) = self.wards.get_mut(&key)
            && matches!(phase, Phase::Awake | Phase::Asleep)
        {
            ward.gate.ran_nanos = rows::unix_nanos(std::time::SystemTime::now());
        }
        self.renew_gate(key);
        self.tend(key);
        self.is_moved = true;
    }

    /// An answer that came too late for its machine is not lost: the status tells.
    pub(super) fn refused(&self, key: Key, order: Order, why: &Why) {
        let name = self.wards.get(&key).map_or("", |ward| ward.name());
        match why {
            Why::AlreadySo => log::debug!("{name}: {}: {why}", word(order)),
            _ => log::warn!("{name}: {}: {why}", word(order)),
        }
    }
}

/// The order, as the log has it.
pub(super) fn word(order: Order) -> &'static str {
    match order {
        Order::Start => "start",
        Order::Unpause => "unpause",
        Order::Pause => "pause",
        Order::Stop => "stop",
        Order::Signal => "signal",
        Order::Kill => "kill",
    }
}

/// Why it woke, or wakes.
pub(super) fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Knock => "somebody knocked",
        Cause::Command => "told to",
        Cause::Dependant => "needed",
        Cause::OtherHands => "started by others",
        Cause::Found => "found running",
    }
}
