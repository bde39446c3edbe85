//! A yard of containers on one engine that do as they are told, to try the fleet's rules by hand.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use drowse::container::Health;
use drowse::error::Why;
use drowse::idle::backend::{Kind, Life, Nap, Order, Terms};
use drowse::idle::fleet::{Fleet, Known, Role, Sight};
use drowse::idle::group::{Key, Member};
use drowse::idle::message::{Action, Input};
use drowse::idle::state::{Phase, Ticket};
use drowse::plan::dependencies;

use Life::{Down, Runs};
use Nap::Stopped;

pub const RUNS: Sight = Sight { life: Runs, health: Health::None, exit: None };

pub fn ended(exit: i64) -> Sight {
    Sight { life: Down(Stopped), health: Health::None, exit: Some(exit) }
}

pub fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Containers of one engine that do as they are told. All sleep at first, are managed, may be idle
/// for 60 s, wake within 10 s and wait for room for 30 s.
pub struct Yard {
    pub now: Instant,
    pub fleet: Fleet,
    pub all: Vec<Known<'static>>,
    /// What was done since it was last asked, by name.
    pub done: Vec<(&'static str, Action)>,
    /// The last order of each.
    pub tickets: BTreeMap<Key, Ticket>,
}

impl Yard {
    /// Of lines `name: what it depends on`.
    pub fn new(lines: &str) -> Yard {
        Yard::with(lines, |_| {})
    }

    pub fn with(lines: &str, change: impl Fn(&mut Known<'static>)) -> Yard {
        let mut all: Vec<Known<'static>> = Vec::new();
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (name, needs) = line.split_once(':').unwrap();
            let mut known = one(Key(u32::try_from(all.len()).unwrap()), name.to_owned().leak());
            known.member.depends_on = dependencies(needs).unwrap().into();
            change(&mut known);
            all.push(known);
        }
        let (now, fleet) = (Instant::now(), Fleet::new(4));
        let (done, tickets) = (Vec::new(), BTreeMap::new());
        let mut yard = Yard { now, fleet, all, done, tickets };
        yard.arrange();
        yard.done.clear();
        yard
    }

    pub fn key(&self, name: &str) -> Key {
        self.all.iter().find(|known| known.member.name == name).unwrap().member.key
    }

    pub fn name(&self, key: Key) -> &'static str {
        self.all.iter().find(|known| known.member.key == key).map_or("?", |k| k.member.name)
    }

    pub fn keep(&mut self, actions: Vec<(Key, Action)>) {
        for (key, action) in actions {
            if let Action::Give(_, ticket) | Action::Probe(ticket) | Action::LookOnce(ticket) =
                &action
            {
                self.tickets.insert(key, *ticket);
            }
            self.done.push((self.name(key), action));
        }
    }

    pub fn arrange(&mut self) {
        let actions = self.fleet.arrange(&self.all, self.now);
        self.keep(actions);
    }

    pub fn tell(&mut self, name: &str, input: Input) {
        let actions = self.fleet.tell(self.key(name), input, self.now);
        self.keep(actions);
    }

    pub fn saw(&mut self, name: &str, sight: Sight) {
        let key = self.key(name);
        let actions = self.fleet.saw(key, sight, self.now);
        self.keep(actions);
    }

    /// It runs and is ready.
    pub fn comes_up(&mut self, name: &str) {
        self.saw(name, RUNS);
        let ticket = self.tickets[&self.key(name)];
        self.tell(name, Input::Ready(ticket));
    }

    pub fn refused(&mut self, name: &str, message: &str) {
        let ticket = self.tickets[&self.key(name)];
        let why = Why::Refused { status: 500, message: message.into() };
        self.tell(name, Input::Refused(ticket, why));
    }

    /// Time passes; every last look finds nothing.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.fleet.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            let actions = self.fleet.tick(self.now);
            self.keep(actions);
            for at in 0..self.all.len() {
                let key = self.all[at].member.key;
                if let Some(ticket) = self.tickets.get(&key) {
                    let actions = self.fleet.tell(key, Input::Quiet(*ticket), self.now);
                    self.keep(actions);
                }
            }
        }
        self.now = end;
    }

    /// The orders since it was last asked.
    pub fn orders(&mut self) -> Vec<(&'static str, Order)> {
        let done = std::mem::take(&mut self.done);
        let order = |(name, action)| match action {
            Action::Give(order, _) => Some((name, order)),
            _ => None,
        };
        done.into_iter().filter_map(order).collect()
    }

    /// Who was turned away since it was last asked, and why.
    pub fn refusals(&mut self) -> Vec<(&'static str, String)> {
        let done = std::mem::take(&mut self.done);
        let why = |(name, action)| match action {
            Action::TurnAway(why) => Some((name, why)),
            _ => None,
        };
        done.into_iter().filter_map(why).collect()
    }

    pub fn phase(&self, name: &str) -> Phase {
        self.fleet.machine(self.key(name)).unwrap().state().phase()
    }
}

pub fn one(key: Key, name: &'static str) -> Known<'static> {
    Known {
        member: Member {
            key,
            engine: "a",
            id: name,
            name,
            aliases: &[],
            project: "",
            service: "",
            depends_on: Vec::new().into(),
            network_mode: "bridge",
            wake_timeout: secs(10),
        },
        sight: Sight { life: Down(Stopped), health: Health::None, exit: None },
        role: Role::Managed,
        terms: Terms {
            idle_timeout: Some(secs(60)),
            wake_timeout: secs(10),
            turn_timeout: secs(30),
            ready: None,
            sleep: Order::Stop,
            kill_after: secs(20),
            kind: Kind::Service,
        },
    }
}

/// One of them has no plan, and follows.
pub fn follows(names: &'static [&str]) -> impl Fn(&mut Known<'static>) {
    move |known| {
        if names.contains(&known.member.name) {
            known.role = Role::Follows;
            known.terms.idle_timeout = None;
        }
    }
}
