//! One container of a world: what it is, what its engine has told of it, and who is at its door.

use std::time::Duration;

use drowse::container::Health;
use drowse::idle::backend::{Kind, Life, Nap, Order, Terms};
use drowse::idle::fleet::{Known, Role, Sight};
use drowse::idle::group::{Key, Member};
use drowse::idle::state::Door;
use drowse::plan::{Condition, Dependency};

use crate::idle_world::dice::Dice;
use crate::idle_world::engine::Engine;

use Life::{Down, Runs};

#[derive(Clone, Debug)]
pub struct Being {
    pub key: Key,
    pub name: String,
    /// Its engine.
    pub host: usize,
    pub body: Engine,
    /// It is a guest of a cluster.
    pub is_guest: bool,
    /// It runs to its end by itself.
    pub is_brief: bool,
    pub role: Role,
    pub terms: Terms,
    pub depends_on: Vec<Dependency>,
    pub network: String,
    /// The run that the fleet knows of.
    pub known_run: u32,
    /// How long until it answers, or ends.
    pub boot: u64,
    pub has_check: bool,
    pub exit: Option<i64>,
    /// What was told of it last.
    pub told: Sight,
    pub door: Door,
    /// When those came whom the door holds, and whom the kernel holds.
    pub held: Vec<u64>,
    pub frozen: Vec<u64>,
    /// When bytes moved last, when the counters were read last, and when that was told.
    pub active_at: Option<u64>,
    pub looked_at: u64,
    pub seen_at: Option<u64>,
    pub kept_until: Option<u64>,
    /// It is told to sleep just now.
    pub is_sent_to_sleep: bool,
    /// The last that put it down was an order of ours.
    pub is_down_by_us: bool,
    /// The longest that somebody may wait there.
    pub budget: u64,
}

/// Terms as plans have them, only shorter.
pub fn terms(dice: &mut Dice, is_calm: bool) -> Terms {
    let idle_timeout = Some(Duration::from_secs(dice.one(&[4, 7, 12])));
    let wake_timeout = Duration::from_secs(dice.one(if is_calm { &[20] } else { &[3, 8] }));
    let turn_timeout = Duration::from_secs(dice.one(if is_calm { &[90] } else { &[3, 20] }));
    let kill_after = Duration::from_secs(dice.one(&[4, 8]));
    let sleep = dice.one(&[Order::Pause, Order::Stop, Order::Stop, Order::Signal]);
    let (ready, kind) = (None, Kind::Service);
    Terms { idle_timeout, wake_timeout, turn_timeout, ready, sleep, kill_after, kind }
}

/// The same for a guest.
pub fn unfrozen(terms: Terms) -> Terms {
    let sleep = if terms.sleep == Order::Pause { Order::Stop } else { terms.sleep };
    Terms { sleep, ..terms }
}

impl Being {
    pub fn new(dice: &mut Dice, at: usize, is_calm: bool) -> Being {
        let is_brief = dice.percent(20);
        let life = match dice.below(4) {
            0 if !is_brief => Runs,
            1 if !is_brief => Down(Nap::Paused),
            _ => Down(Nap::Stopped),
        };
        let slowness = if is_calm { dice.one(&[30, 400]) } else { dice.one(&[30, 400, 5_000]) };
        let role = match dice.below(10) {
            0..6 if !is_brief => Role::Managed,
            0..9 => Role::Follows,
            _ => Role::Stays,
        };
        let boot = dice.one(if is_calm { &[0, 50, 1_500] } else { &[0, 50, 1_500, 5_000] });
        let mut being = Being {
            key: Key(u32::try_from(at).unwrap()),
            name: format!("c{at}"),
            host: at % 2,
            body: Engine { calm: is_calm, ..Engine::new(life, slowness) },
            is_guest: false,
            is_brief,
            role,
            terms: terms(dice, is_calm),
            depends_on: Vec::new(),
            network: "bridge".into(),
            known_run: 1,
            boot,
            has_check: !is_brief && dice.percent(30),
            exit: None,
            told: Sight { life, health: Health::None, exit: None },
            door: Door::Down,
            held: Vec::new(),
            frozen: Vec::new(),
            active_at: None,
            looked_at: 0,
            seen_at: None,
            kept_until: None,
            is_sent_to_sleep: false,
            is_down_by_us: false,
            budget: 0,
        };
        being.told = being.sight(0).unwrap();
        being
    }

    /// The same as a guest of a cluster: it has neither health check nor exit code, and is never
    /// frozen.
    pub fn made_guest(mut self) -> Being {
        if self.body.life == Some(Down(Nap::Paused)) {
            self.body.life = Some(Down(Nap::Stopped));
        }
        (self.is_guest, self.has_check, self.is_brief) = (true, false, false);
        self.terms = unfrozen(self.terms);
        self.told = self.sight(0).unwrap();
        self
    }

    /// What it needs of those before it, now and then of any.
    pub fn tie(&mut self, dice: &mut Dice, others: &[Being]) {
        let at = self.key.0 as usize;
        for _ in 0..dice.below(3) {
            let of = match dice.below(15) {
                0 => dice.below(others.len() as u64) as usize,
                _ if at > 0 => dice.below(at as u64) as usize,
                _ => continue,
            };
            let condition = match dice.below(3) {
                0 => Condition::ServiceStarted,
                _ if others[of].is_brief => Condition::ServiceCompletedSuccessfully,
                1 => Condition::ServiceHealthy,
                _ => Condition::ServiceStarted,
            };
            if others[of].is_brief && condition == Condition::ServiceHealthy {
                continue;
            }
            let name = others[of].name.clone();
            if !self.depends_on.iter().any(|known| known.name == name) {
                self.depends_on.push(Dependency { condition, name, restart: false });
            }
        }
        let of = dice.below(at.max(1) as u64) as usize;
        if at > 0 && dice.percent(12) && !others[of].is_brief && others[of].host == self.host {
            self.network = format!("container:c{of}");
        }
    }

    /// What its engine would tell now; `None`: it is removed.
    pub fn sight(&self, now: u64) -> Option<Sight> {
        let life = self.body.life?;
        let health = match (self.has_check && life == Runs, self.body.answers(now)) {
            (false, _) => Health::None,
            (true, false) => Health::Starting,
            (true, true) => Health::Healthy,
        };
        let exit = self.exit.filter(|_| life == Down(Nap::Stopped) && !self.is_guest);
        Some(Sight { life, health, exit })
    }

    pub fn known(&self) -> Known<'_> {
        let member = Member {
            key: self.key,
            engine: if self.host == 0 { "a" } else { "b" },
            id: &self.name,
            name: &self.name,
            aliases: &[],
            project: "",
            service: "",
            depends_on: (&self.depends_on).into(),
            network_mode: &self.network,
            wake_timeout: self.terms.wake_timeout,
        };
        Known { member, sight: self.told, role: self.role, terms: self.terms }
    }

    /// That was told of it.
    pub fn learn(&mut self, sight: Sight) {
        self.told = sight;
        if sight.life == Runs {
            self.known_run = self.body.run;
        }
    }

    pub fn is_doomed(&self) -> bool {
        self.body.life == Some(Runs) && self.body.doomed == self.body.run
    }
}
