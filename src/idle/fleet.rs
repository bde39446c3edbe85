//! All watched containers of all engines together: a machine for each, and what they are to each
//! other. Pure: no sockets, no clock; what one container does is decided by its machine.
//!
//! - A machine has who is managed, and whatever that needs, however far.
//! - Who wakes waits until what it needs is up, then for room: no more than `max_waking` start at
//!   once. What it needs is woken before it, independent ones side by side.
//! - What is needed stays awake. What nobody needs any longer sleeps by its own idleness.
//! - If what it needs can't be had, its wake fails at once, with the reason.
//! - What other hands stop under somebody awake stays as they left it, until a wake wants it.

mod settle;
mod terms;

use std::mem::discriminant;
use std::time::Instant;

use crate::container::Health;
use crate::idle::backend::{Life, Nap, Terms};
use crate::idle::group::{Graph, Key, Member, Standing};
use crate::idle::message::{Action, Input};
use crate::idle::state::{State, Ticket};
use crate::idle::step::Machine;
use crate::sorted::Map;

/// What its engine tells of a container at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// What it does.
    pub life: Life,
    /// What its health check says.
    pub health: Health,
    /// With what its last run ended, where it is stopped and that is known.
    pub exit: Option<i64>,
}

/// What may be done with a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It has a plan of its own.
    Managed,
    /// It has none: it wakes for those who need it, and sleeps when none does and it is idle for as
    /// long as the most patient of them.
    Follows,
    /// As `Follows`, but it is not put to sleep.
    Stays,
}

/// One container as it is known now.
#[derive(Clone, Debug)]
pub struct Known<'a> {
    /// Its names, and what it needs.
    pub member: Member<'a>,
    /// What it does.
    pub sight: Sight,
    /// What may be done with it.
    pub role: Role,
    /// What its plan comes to on its engine; without one, what the defaults do. Here `turn_timeout`
    /// is for the line alone: what it needs is added.
    pub terms: Terms,
}

/// All of them.
#[derive(Clone, Debug)]
pub struct Fleet {
    graph: Graph,
    bodies: Map<Key, Body>,
    /// Who waits for a turn, in the order of asking.
    line: Vec<Key>,
    max_waking: usize,
    /// How somebody stands has changed, and what follows from that is not done yet.
    is_moved: bool,
}

#[derive(Clone, Debug)]
struct Body {
    name: Box<str>,
    sight: Sight,
    /// Until when it was told to stay awake, by whatever machine it has meanwhile.
    kept_until: Option<Instant>,
    /// When its last run ended by itself or by other hands, if it is not to run again.
    ended: Option<Instant>,
    /// `None`: nobody is managed who needs it, or it is gone.
    machine: Option<Machine>,
}

type Out = Vec<(Key, Action)>;

impl Fleet {
    /// None yet; no more than `max_waking` wake at once, but always one.
    pub fn new(max_waking: usize) -> Fleet {
        let (bodies, line) = (Map::new(), Vec::new());
        let (graph, max_waking) = (Graph::default(), max_waking.max(1));
        Fleet { graph, bodies, line, max_waking, is_moved: false }
    }

    /// Another limit, from the next call on; who has begun goes on.
    pub fn limit(&mut self, max_waking: usize) {
        self.max_waking = max_waking.max(1);
    }

    /// The whole picture: whenever any container came, went or changed its names or labels, and
    /// after a reload. Who is not in it is gone. What did not change keeps its state, and what is
    /// new is left as it is found.
    pub fn arrange(&mut self, all: &[Known<'_>], now: Instant) -> Vec<(Key, Action)> {
        let members: Vec<Member<'_>> = all.iter().map(|known| known.member.clone()).collect();
        self.graph = Graph::new(&members);
        let terms = terms::all(all, &self.graph);
        let mut out = Vec::new();
        self.dismiss(&terms, now, &mut out);
        let mut new = Vec::new();
        for known in all {
            let (key, sight) = (known.member.key, known.sight);
            let name = known.member.name;
            let (kept_until, ended, machine) = (None, None, None);
            let first = || Body { name: name.into(), sight, kept_until, ended, machine };
            let body = self.bodies.entry(key).or_insert_with(first);
            if *body.name != *name {
                body.name = name.into();
            }
            self.see(key, sight, now, &mut out);
            match terms.get(&key) {
                Some(terms) if self.machine(key).is_some() => {
                    self.reload(key, *terms, now, &mut out);
                }
                Some(terms) => {
                    self.watch(key, *terms, now, &mut out);
                    new.push(key);
                }
                None => {}
            }
        }
        self.bodies.shrink_to_fit();
        for key in new {
            if self.demand(key).is_held {
                self.change(key, Machine::found_needed);
            }
        }
        self.is_moved = true;
        self.settle(now, &mut out);
        out
    }

    /// One input for one machine, and all that follows from it. `Saw` comes by [`Fleet::saw`],
    /// `Status` by [`Fleet::status`]; `Turn`, `Denied`, `Needed` and `Spare` from nowhere else, and
    /// `AskTurn` is never among the actions.
    pub fn tell(&mut self, key: Key, input: Input, now: Instant) -> Vec<(Key, Action)> {
        let mut out = Vec::new();
        match input {
            Input::Activity(_) => {
                for key in self.graph.sharing(key) {
                    self.step(key, input.clone(), now, &mut out);
                }
            }
            Input::WakeOrder => {
                for need in self.graph.order(key) {
                    if need == key || self.is_failed(need) {
                        self.step(need, Input::WakeOrder, now, &mut out);
                    }
                }
            }
            input => self.step(key, input, now, &mut out),
        }
        self.settle(now, &mut out);
        out
    }

    /// What an event or a list tells of a container, also of one without a machine. A restart is
    /// told as both, down and up.
    pub fn saw(&mut self, key: Key, sight: Sight, now: Instant) -> Vec<(Key, Action)> {
        let mut out = Vec::new();
        self.see(key, sight, now, &mut out);
        self.settle(now, &mut out);
        out
    }

    /// The answer to `ReadStatus` of that number. For one that is gone, tell `Gone`.
    pub fn status(
        &mut self,
        key: Key,
        ticket: Ticket,
        sight: Sight,
        now: Instant,
    ) -> Vec<(Key, Action)> {
        let mut out = Vec::new();
        let awaits = self.state(key).is_some_and(|state| state.awaits(ticket));
        let Some(body) = self.bodies.get_mut(&key).filter(|_| awaits) else { return out };
        self.is_moved |= body.sight != sight;
        body.sight = sight;
        self.step(key, Input::Status(ticket, sight.life), now, &mut out);
        self.hear(key, sight, now, &mut out);
        self.settle(now, &mut out);
        out
    }

    /// Time has passed: call it when `deadline` has come.
    pub fn tick(&mut self, now: Instant) -> Vec<(Key, Action)> {
        let mut out = Vec::new();
        let is_due = |machine: &Machine| machine.deadline().is_some_and(|at| at <= now);
        let due = self.machines().filter(|(_, machine)| is_due(machine));
        for key in due.map(|(key, _)| key).collect::<Vec<_>>() {
            self.step(key, Input::Tick, now, &mut out);
        }
        self.settle(now, &mut out);
        out
    }

    /// When it next wants a tick.
    pub fn deadline(&self) -> Option<Instant> {
        self.machines().filter_map(|(_, machine)| machine.deadline()).min()
    }

    /// The machine of a container; `None`: it has none.
    pub fn machine(&self, key: Key) -> Option<&Machine> {
        self.bodies.get(&key)?.machine.as_ref()
    }

    /// All machines, by key.
    pub fn machines(&self) -> impl Iterator<Item = (Key, &Machine)> {
        self.bodies.iter().filter_map(|(key, body)| Some((*key, body.machine.as_ref()?)))
    }

    /// What needs what.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// How a container stands to those who need it; `Down` if it is unknown.
    pub fn standing(&self, key: Key) -> Standing {
        let Some(body) = self.bodies.get(&key) else { return Standing::Down };
        let down = |nap| match (nap, body.sight.exit) {
            (Nap::Stopped, Some(0)) => Standing::Done,
            (Nap::Stopped | Nap::Paused, _) => Standing::Down,
        };
        let up = match body.sight.health {
            Health::None | Health::Healthy => Standing::Healthy,
            Health::Starting | Health::Unhealthy => Standing::Awake,
        };
        match (body.machine.as_ref().map(Machine::state), body.sight.life) {
            (Some(State::Asleep { nap } | State::Waiting { nap, .. }), _) => down(*nap),
            (Some(State::Starting(_)), _) => Standing::Waking,
            (Some(State::Booting { .. }), _) => Standing::Started,
            (Some(State::Awake(_) | State::Hesitating(_)), _) => up,
            (Some(State::Stopping(_)), _) => Standing::Leaving,
            (Some(State::Failed(failure)), _) => match failure.life {
                Life::Runs => Standing::Started,
                Life::Down(nap) => down(nap),
            },
            (Some(State::Gone { .. }), _) => Standing::Down,
            (None, Life::Runs) => up,
            (None, Life::Down(nap)) => down(nap),
        }
    }

    /// Who is awake, or wakes, and needs it: why it does not sleep.
    pub fn needed_by(&self, key: Key) -> Vec<Key> {
        let dependants = self.graph.dependants(key);
        let holding = dependants.filter(|(of, condition)| self.holds(*of, *condition));
        holding.map(|(key, _)| key).collect()
    }
}

/// One container at a time.
impl Fleet {
    /// Who is gone leaves, and who needs no machine any longer is let go.
    fn dismiss(&mut self, terms: &Map<Key, Terms>, now: Instant, out: &mut Out) {
        for key in self.bodies.keys().copied().collect::<Vec<_>>() {
            if !self.graph.contains(key) {
                self.step(key, Input::Gone, now, out);
                self.bodies.remove(&key);
            } else if !terms.contains_key(&key) {
                self.step(key, Input::Released, now, out);
            }
        }
    }

    fn watch(&mut self, key: Key, terms: Terms, now: Instant, out: &mut Out) {
        let Some(body) = self.bodies.get_mut(&key) else { return };
        let (mut machine, mut actions) = Machine::new(body.sight.life, terms, now);
        if let Some(until) = body.kept_until {
            actions.extend(machine.step(Input::Keep(until), now));
        }
        body.machine = Some(machine);
        out.extend(actions.into_iter().map(|action| (key, action)));
    }

    fn reload(&mut self, key: Key, terms: Terms, now: Instant, out: &mut Out) {
        if self.machine(key).is_some_and(|machine| *machine.terms() != terms) {
            self.step(key, Input::Reload(terms), now, out);
        }
    }

    fn see(&mut self, key: Key, sight: Sight, now: Instant, out: &mut Out) {
        let Some(body) = self.bodies.get_mut(&key) else { return };
        self.is_moved |= body.sight != sight;
        body.sight = sight;
        self.step(key, Input::Saw(sight.life), now, out);
        self.hear(key, sight, now, out);
    }

    fn hear(&mut self, key: Key, sight: Sight, now: Instant, out: &mut Out) {
        if sight.life == Life::Runs && sight.health == Health::Healthy {
            self.step(key, Input::Healthy, now, out);
        }
    }

    /// Tells one machine; what it asks of the others is kept here.
    fn step(&mut self, key: Key, input: Input, now: Instant, out: &mut Out) {
        let Some(body) = self.bodies.get_mut(&key) else { return };
        match input {
            Input::Keep(until) => body.kept_until = Some(until),
            Input::SleepOrder => body.kept_until = None,
            _ => {}
        }
        let Some(machine) = &mut body.machine else { return };
        let ran = matches!(machine.state(), State::Starting(_) | State::Booting { .. })
            || matches!(machine.state(), State::Awake(_) | State::Hesitating(_));
        let is_told = matches!(input, Input::Saw(_) | Input::Status(..));
        if input == Input::Gone {
            body.sight.life = Life::Down(Nap::Stopped);
        }
        let kind = discriminant(machine.state());
        let actions = machine.step(input, now);
        self.is_moved |= discriminant(machine.state()) != kind;
        match machine.state() {
            State::Asleep { .. } | State::Failed(_) if ran && is_told => body.ended = Some(now),
            State::Asleep { .. } | State::Failed(_) => {}
            State::Gone { .. } => body.machine = None,
            State::Waiting { .. } | State::Starting(_) | State::Booting { .. } => body.ended = None,
            State::Awake(_) | State::Hesitating(_) | State::Stopping(_) => body.ended = None,
        }
        for action in actions {
            match action {
                Action::AskTurn if self.line.contains(&key) => {}
                Action::AskTurn => self.line.push(key),
                action => out.push((key, action)),
            }
        }
    }

    fn change(&mut self, key: Key, change: impl Fn(&mut Machine)) {
        let machine = self.bodies.get_mut(&key).and_then(|body| body.machine.as_mut());
        machine.into_iter().for_each(change);
    }

    fn state(&self, key: Key) -> Option<&State> {
        self.machine(key).map(Machine::state)
    }

    fn is_failed(&self, key: Key) -> bool {
        matches!(self.state(key), Some(State::Failed(_)))
    }
}
