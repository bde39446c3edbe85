//! What is asked on the control socket, answered: now, or when it has come to pass.

use std::time::{Duration, Instant};

use crate::container::Container;
use crate::control::names::{self, Candidate};
use crate::control::request::{Request, Until};
use crate::control::{Done, State, line, millis, refusal};
use crate::error::Why;
use crate::idle::backend::{Backend, Life, Nap, Order};
use crate::idle::docker::life;
use crate::idle::group::Key;
use crate::idle::lxc;
use crate::idle::message::Input;
use crate::idle::state::Phase;
use crate::net::guests::{Guest, Visit};
use crate::plan::{self, Plan, StopMethod};

use super::Daemon;
use super::asked::{Asked, Whose};
use super::provider::Means;

/// What a guest waits for.
#[derive(Clone, Debug)]
pub struct Pending {
    guest: Guest,
    wait: Wait,
    since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// Until it is awake.
    Awake(Key),
    /// Until it is asleep.
    Asleep(Key),
    /// Until the engine answers the order.
    Order,
}

/// What is asked of one container.
#[derive(Clone, Copy)]
enum Deed {
    Wake(Until),
    Sleep(Until),
    Keep(Duration),
}

/// A container that was named.
struct Named {
    engine: usize,
    id: String,
    key: Option<Key>,
}

impl Daemon {
    /// Somebody came to the control socket, or left it.
    pub(super) fn visit(&mut self, visit: Visit) {
        match visit {
            Visit::Left(guest) => self.pending.retain(|pending| pending.guest != guest),
            Visit::Said(guest, text) => match Request::parse(&text) {
                Err(why) => {
                    self.reactor.say(guest, refusal(&why).as_bytes());
                    self.reactor.part(guest);
                }
                Ok(Request::Status) => {
                    for row in self.rows() {
                        self.reactor.say(guest, line(&row).as_bytes());
                    }
                    self.reactor.part(guest);
                }
                Ok(Request::Wake(names, until)) => self.all(guest, &names, Deed::Wake(until)),
                Ok(Request::Sleep(names, until)) => self.all(guest, &names, Deed::Sleep(until)),
                Ok(Request::Keep(names, time)) => self.all(guest, &names, Deed::Keep(time)),
            },
        }
    }

    fn all(&mut self, guest: Guest, names: &[String], deed: Deed) {
        for name in names {
            match self.named(name) {
                Ok(named) => self.one(guest, &named, deed),
                Err(why) => {
                    let done = Done::unresolved(name, why);
                    self.reactor.say(guest, line(&done).as_bytes());
                }
            }
        }
        self.part_if_done(guest);
    }

    fn named(&self, asked: &str) -> Result<Named, String> {
        let mut all = Vec::new();
        for view in self.follow.engines() {
            all.extend(view.containers.iter().map(|kept| (view.place, kept.container())));
        }
        let candidates = all.iter().map(|(_, container)| Candidate {
            engine: &container.engine,
            name: &container.container_name,
            aliases: &container.aliases,
            id: &container.container_id,
            node: container.node.as_deref(),
        });
        let at = names::resolve(asked, &candidates.collect::<Vec<_>>())?;
        let (engine, container) = all.swap_remove(at);
        let id = container.container_id;
        let key = self.keys.find(engine, &id);
        let key = key.filter(|key| self.fleet.machine(*key).is_some());
        Ok(Named { engine, id, key })
    }

    fn one(&mut self, guest: Guest, named: &Named, deed: Deed) {
        let Some(key) = named.key else { return self.one_without_machine(guest, named, deed) };
        let (wait, until, input) = match deed {
            Deed::Wake(until) => (Wait::Awake(key), until, Input::WakeOrder),
            Deed::Sleep(until) => (Wait::Asleep(key), until, Input::SleepOrder),
            Deed::Keep(time) => {
                let until = self.reactor.now() + time;
                self.tell(key, Input::Keep(until));
                return self.answer(guest, key, Ok(None));
            }
        };
        let is_so = self.phase(key) == Some(wait.wanted());
        if is_so && matches!(wait, Wait::Asleep(_)) {
            return self.answer(guest, key, Ok(Some(Duration::ZERO)));
        }
        // What comes of it at once is an answer too: "something awake needs it".
        self.pending.push(Pending { guest, wait, since: self.reactor.now() });
        self.tell(key, input);
        let waits = |pending: &Pending| pending.guest == guest && pending.wait == wait;
        if until == Until::Begun && self.pending.iter().any(waits) {
            self.pending.retain(|pending| !waits(pending));
            self.answer(guest, key, Ok(None));
        }
    }

    /// One that drowse does not watch: a plain order.
    fn one_without_machine(&mut self, guest: Guest, named: &Named, deed: Deed) {
        let Some(container) = self.follow.container(named.engine, &named.id) else { return };
        let (name, engine) = (container.container_name.clone(), container.engine.clone());
        let error = |error: String| Done {
            engine: Some(engine.clone()),
            error: Some(error),
            name: name.clone(),
            state: Some(State::LeftAlone),
            took_ms: None,
        };
        let defaults = self.config.idle.defaults();
        let plan = plan::read(&container.labels, &[], &defaults, &mut Vec::new());
        let does = match container.vmid {
            None => Some(life(&container.state)),
            Some(_) => lxc::life(&container.state),
        };
        let Some(does) = does else {
            let why = "nobody knows what it does: its node does not tell";
            self.reactor.say(guest, line(&error(why.into())).as_bytes());
            return;
        };
        let order = match (deed, does) {
            (Deed::Keep(_), _) => {
                let why = self.why_left_alone(&named.id);
                self.reactor.say(guest, line(&error(why)).as_bytes());
                return;
            }
            (Deed::Wake(_), Life::Down(Nap::Paused)) => Order::Unpause,
            (Deed::Wake(_), Life::Down(Nap::Stopped)) => Order::Start,
            (Deed::Sleep(_), Life::Runs) => match plan.stop_method {
                StopMethod::Pause => Order::Pause,
                StopMethod::Stop => Order::Stop,
                StopMethod::Kill => Order::Signal,
            },
            (Deed::Wake(_), Life::Runs) | (Deed::Sleep(_), Life::Down(_)) => {
                let done = Done { error: None, took_ms: Some(0), ..error(String::new()) };
                self.reactor.say(guest, line(&done).as_bytes());
                return;
            }
        };
        let whose = Whose::Visitor(guest, engine.clone(), name.clone());
        match self.order_once(named, (order, &plan), whose) {
            Ok(()) => {
                self.pending.push(Pending { guest, wait: Wait::Order, since: self.reactor.now() });
            }
            Err(why) => {
                let said = error(why.to_string());
                self.reactor.say(guest, line(&said).as_bytes());
            }
        }
    }

    fn order_once(
        &mut self,
        named: &Named,
        (order, plan): (Order, &Plan),
        whose: Whose,
    ) -> Result<(), Why> {
        let docker = match self.means(named.engine) {
            Means::Lxc(_) => {
                return self.order_unwatched((named.engine, &named.id), order, (plan, whose));
            }
            Means::Docker(docker) => docker,
        };
        let call = docker.order(&named.id, order, plan)?;
        let number = self.number(Asked::Order(whose));
        self.follow.ask(named.engine, (number, call), &mut self.reactor);
        Ok(())
    }

    /// Why it need not be kept.
    fn why_left_alone(&self, id: &str) -> String {
        let ward = self.wards.values().find(|ward| ward.id() == id);
        match ward.and_then(|ward| ward.rules.as_ref().err()) {
            Some(why) => format!("it is not put to sleep: {why}"),
            None => "it is not put to sleep: it has no proxy.idle_timeout".into(),
        }
    }

    /// The engine has answered such an order.
    pub(super) fn answer_direct(
        &mut self,
        guest: Guest,
        (engine, name): (String, String),
        outcome: Result<(), Why>,
    ) {
        let is_it = |pending: &Pending| pending.guest == guest && pending.wait == Wait::Order;
        let Some(at) = self.pending.iter().position(is_it) else { return };
        let pending = self.pending.swap_remove(at);
        let took = self.reactor.now().saturating_duration_since(pending.since);
        let (error, took_ms) = match outcome {
            Ok(()) => (None, Some(millis(took))),
            Err(Why::AlreadySo) => (None, Some(0)),
            Err(why) => (Some(why.to_string()), None),
        };
        let state = Some(State::LeftAlone);
        let done = Done { engine: Some(engine), error, name, state, took_ms };
        self.reactor.say(guest, line(&done).as_bytes());
        self.part_if_done(guest);
    }

    /// Who waited for it to be awake has waited long enough.
    pub(super) fn answer_awake(&mut self, key: Key) {
        self.answer_all(|wait| wait == Wait::Awake(key), Ok(()));
    }

    /// It will not be awake.
    pub(super) fn answer_failed(&mut self, key: Key, why: &str) {
        self.answer_all(|wait| wait == Wait::Awake(key), Err(why));
    }

    /// It was not put to sleep.
    pub(super) fn answer_stays(&mut self, key: Key, why: &str) {
        self.answer_all(|wait| wait == Wait::Asleep(key), Err(why));
    }

    /// It is in another phase than before.
    pub(super) fn answer_phase(&mut self, key: Key, phase: Phase) {
        match phase {
            Phase::Asleep => self.answer_all(|wait| wait == Wait::Asleep(key), Ok(())),
            Phase::Awake => {
                let problem = self.wards.get(&key).and_then(|ward| ward.problem.clone());
                self.answer_stays(key, problem.as_deref().unwrap_or("it is awake again"));
            }
            Phase::Gone => {
                self.answer_all(|wait| wait == Wait::Asleep(key), Err("it was removed"));
            }
            Phase::Waking | Phase::GoingToSleep | Phase::Failed => {}
        }
    }

    fn answer_all(&mut self, of: impl Fn(Wait) -> bool, outcome: Result<(), &str>) {
        let now = self.reactor.now();
        let (over, rest) = self.pending.drain(..).partition(|pending| of(pending.wait));
        self.pending = rest;
        let over: Vec<Pending> = over;
        for pending in over {
            let (Wait::Awake(key) | Wait::Asleep(key)) = pending.wait else { continue };
            let took = now.saturating_duration_since(pending.since);
            self.answer(pending.guest, key, outcome.map(|()| Some(took)));
            self.part_if_done(pending.guest);
        }
    }

    fn answer(&mut self, guest: Guest, key: Key, outcome: Result<Option<Duration>, &str>) {
        let Some(ward) = self.wards.get(&key) else { return };
        let done = Done {
            engine: Some(ward.kept.engine().to_owned()),
            error: outcome.err().map(str::to_owned),
            name: ward.kept.name().to_owned(),
            state: self.phase(key).map(state),
            took_ms: outcome.ok().flatten().map(millis),
        };
        self.reactor.say(guest, line(&done).as_bytes());
    }

    fn part_if_done(&mut self, guest: Guest) {
        if !self.pending.iter().any(|pending| pending.guest == guest) {
            self.reactor.part(guest);
        }
    }

    fn phase(&self, key: Key) -> Option<Phase> {
        Some(self.fleet.machine(key)?.state().phase())
    }

    /// The container as its engine told it last.
    pub(super) fn container(&self, key: Key) -> Option<Container> {
        let ward = self.wards.get(&key)?;
        self.follow.container(ward.engine, ward.id())
    }
}

impl Wait {
    fn wanted(self) -> Phase {
        match self {
            Wait::Awake(_) | Wait::Order => Phase::Awake,
            Wait::Asleep(_) => Phase::Asleep,
        }
    }
}

/// The phase as it is shown.
pub fn state(phase: Phase) -> State {
    match phase {
        Phase::Asleep | Phase::Gone => State::Asleep,
        Phase::Waking => State::Waking,
        Phase::Awake => State::Awake,
        Phase::GoingToSleep => State::GoingToSleep,
        Phase::Failed => State::Failed,
    }
}
