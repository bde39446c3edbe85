//! A world of containers on two engines around one fleet: its clock, and what comes to pass.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use drowse::idle::backend::Life;
use drowse::idle::fleet::{Fleet, Sight};
use drowse::idle::group::Key;
use drowse::idle::message::{Action, Input};
use drowse::idle::state::Ticket;

use super::being::Being;
use crate::idle_world::dice::Dice;
use crate::idle_world::engine::Effect;

/// How long people and engines do as they like, and when all must be at rest.
pub const WILD_MS: u64 = 60_000;
const END_MS: u64 = 400_000;
/// The counters are read so often, and the engines list so often.
pub const POLL_MS: u64 = 2_000;
pub const RELIST_MS: u64 = 15_000;
/// More steps for each container than any world needs.
const STEPS_LIMIT: usize = 8_000;

/// Something that must never be.
pub type Wrong = String;

/// What comes to pass, mostly to one container.
#[derive(Clone, Debug)]
pub enum Happening {
    /// The fleet is told.
    Tell(Key, Input),
    /// It is told by the event stream of that number, and with it lost; `None`: it is gone.
    Event(u32, Key, Option<Sight>),
    Effect(Key, Effect),
    /// The status is read now, and told after so many ms.
    Sample(Key, Ticket, u64),
    Status(Key, Ticket, Sight),
    Probe(Key, Ticket, u64),
    Count(Key, Ticket, u64),
    /// A connection to that run moves bytes, and will so many times more.
    Flow(Key, u32, u64),
    /// The health check of that run passes.
    Check(Key, u32),
    /// A guest is looked at.
    Look(Key),
    Peek(Key),
    Client,
    Poll,
    Mischief,
    Relist(usize),
    EngineBack(usize),
    /// Another container of the same name.
    Again(Box<Being>),
}

/// One of the two engines.
#[derive(Clone, Default)]
pub struct Host {
    /// It has no events: it is a cluster, and its guests are looked at.
    pub is_polled: bool,
    pub stream: u32,
    /// When the last event that is under way comes.
    pub stream_at: u64,
    pub is_lost: bool,
}

pub struct World {
    pub dice: Dice,
    t0: Instant,
    pub now: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    number: u64,
    pub is_calm: bool,
    pub max_waking: usize,
    pub fleet: Fleet,
    pub beings: BTreeMap<Key, Being>,
    pub hosts: [Host; 2],
    pub born: usize,
    /// Who had a turn that has not ended.
    pub begun: BTreeSet<Key>,
    /// How often what was done.
    pub tally: BTreeMap<&'static str, u32>,
    pub trace: Option<Vec<String>>,
}

/// Plays the world of one seed; every third is calm: nothing fails, nobody else has a hand in it.
pub fn play(seed: u64, trace: bool) -> (World, Option<Wrong>) {
    let mut world = World::new(seed, trace);
    let wrong = world.run().err();
    (world, wrong)
}

impl World {
    fn new(seed: u64, trace: bool) -> World {
        let mut dice = Dice::new(seed);
        let is_calm = seed.is_multiple_of(3);
        let count = 2 + dice.below(7) as usize;
        let mut beings: Vec<Being> =
            (0..count).map(|at| Being::new(&mut dice, at, is_calm)).collect();
        let mut hosts: [Host; 2] = Default::default();
        hosts[1].is_polled = !is_calm && dice.percent(50);
        let as_told = |being: Being| match hosts[being.host].is_polled {
            true => being.made_guest(),
            false => being,
        };
        beings = beings.into_iter().map(as_told).collect();
        let others = beings.clone();
        beings.iter_mut().for_each(|being| being.tie(&mut dice, &others));
        let max_waking = 1 + dice.below(3) as usize;
        World {
            dice,
            t0: Instant::now(),
            now: 0,
            queue: BTreeMap::new(),
            number: 0,
            is_calm,
            max_waking,
            fleet: Fleet::new(max_waking),
            beings: beings.into_iter().map(|being| (being.key, being)).collect(),
            hosts,
            born: count,
            begun: BTreeSet::new(),
            tally: BTreeMap::new(),
            trace: trace.then(Vec::new),
        }
    }

    fn run(&mut self) -> Result<(), Wrong> {
        for (delay, what) in [
            (self.dice.below(3_000), Happening::Client),
            (self.dice.below(POLL_MS), Happening::Poll),
            (self.dice.below(5_000), Happening::Mischief),
            (RELIST_MS, Happening::Relist(0)),
            (RELIST_MS + 1_000, Happening::Relist(1)),
        ] {
            self.after(delay, what);
        }
        self.arrange()?;
        for _ in 0..STEPS_LIMIT * self.beings.len().max(3) {
            let due = self.queue.first_key_value().map(|((at, _), _)| *at);
            let tick = self.fleet.deadline().map(|at| self.ms(at));
            let Some(next) = due.into_iter().chain(tick).min() else {
                break;
            };
            if next > END_MS {
                return self.at_the_end();
            }
            self.now = self.now.max(next);
            if self.now > WILD_MS {
                self.beings.values_mut().for_each(|being| being.body.calm = true);
            }
            if tick.is_some_and(|tick| tick <= self.now) {
                self.tick()?;
            } else if let Some((_, what)) = self.queue.pop_first() {
                self.happen(what)?;
            }
            self.nobody_waits_too_long()?;
        }
        Err("a busy loop".into())
    }

    fn ms(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.t0).as_micros().div_ceil(1_000) as u64
    }

    pub fn instant(&self) -> Instant {
        self.t0 + Duration::from_millis(self.now)
    }

    pub fn after(&mut self, delay: u64, what: Happening) {
        self.number += 1;
        self.queue.insert((self.now + delay, self.number), what);
    }

    pub fn is_wild(&self) -> bool {
        self.now < WILD_MS
    }

    fn tick(&mut self) -> Result<(), Wrong> {
        // What one's tick sets free may be due at once, and what that one sets free.
        for _ in 0..=self.beings.len() {
            let actions = self.fleet.tick(self.instant());
            self.note("tick", "", &actions);
            self.act_all(actions)?;
            if self.fleet.deadline().is_none_or(|at| at > self.instant()) {
                return Ok(());
            }
        }
        Err("ticks do not move the deadline".into())
    }

    pub fn tell(&mut self, key: Key, input: Input) -> Result<(), Wrong> {
        let is_traced = self.trace.is_some();
        let what = if is_traced { format!("{key:?} {input:?}") } else { String::new() };
        let actions = self.fleet.tell(key, input, self.instant());
        self.note("tell", &what, &actions);
        self.act_all(actions)
    }

    /// An event, or a line of a list.
    pub fn saw(&mut self, key: Key, sight: Option<Sight>) -> Result<(), Wrong> {
        let Some(being) = self.beings.get_mut(&key) else {
            return Ok(());
        };
        let Some(sight) = sight else {
            self.beings.remove(&key);
            return self.arrange();
        };
        being.learn(sight);
        let actions = self.fleet.saw(key, sight, self.instant());
        self.note("saw", &format!("{key:?} {sight:?}"), &actions);
        self.act_all(actions)
    }

    /// The whole picture again.
    pub fn arrange(&mut self) -> Result<(), Wrong> {
        let all: Vec<_> = self.beings.values().map(Being::known).collect();
        let actions = self.fleet.arrange(&all, self.instant());
        self.note("arrange", "", &actions);
        self.act_all(actions)?;
        self.check_terms()?;
        for host in 0..2 {
            if self.hosts[host].is_lost {
                self.tell_host(host, &Input::EngineLost)?;
            }
        }
        Ok(())
    }

    pub fn tell_host(&mut self, host: usize, input: &Input) -> Result<(), Wrong> {
        let on_it = self.beings.values().filter(|being| being.host == host);
        let keys: Vec<Key> = on_it.map(|being| being.key).collect();
        keys.into_iter().try_for_each(|key| self.tell(key, input.clone()))
    }

    fn note(&mut self, call: &str, what: &str, actions: &[(Key, Action)]) {
        let Some(trace) = &mut self.trace else { return };
        let kind = |state: String| state.split([' ', '(']).next().unwrap_or_default().to_owned();
        let states = self
            .fleet
            .machines()
            .map(|(key, machine)| format!("{}:{}", key.0, kind(format!("{:?}", machine.state()))));
        let states: Vec<_> = states.collect();
        trace.push(format!("{:>7} {call} {what} -> {} {actions:?}", self.now, states.join(" ")));
    }

    fn happen(&mut self, what: Happening) -> Result<(), Wrong> {
        match what {
            Happening::Tell(key, Input::Accepted(ticket)) if self.is_lost(key) => {
                let why = drowse::error::Why::Broken("the engine went away".into());
                self.tell(key, Input::Refused(ticket, why))
            }
            Happening::Tell(key, input) => self.tell(key, input),
            Happening::Event(stream, key, sight) => {
                let host = self.beings.get(&key).map(|being| &self.hosts[being.host]);
                match host.is_some_and(|host| host.stream == stream) {
                    true => self.saw(key, sight),
                    false => Ok(()),
                }
            }
            Happening::Effect(key, effect) => self.effect(key, effect),
            Happening::Sample(key, ticket, delay) => self.sample(key, ticket, delay),
            Happening::Status(key, ticket, sight) => self.status(key, ticket, sight),
            Happening::Probe(key, ticket, delay) => {
                let now = self.now;
                let ready = self.beings.get(&key).is_some_and(|being| being.body.answers(now));
                let input = if ready { Input::Ready(ticket) } else { Input::NotReady(ticket) };
                self.after(delay, Happening::Tell(key, input));
                Ok(())
            }
            Happening::Count(key, ticket, delay) => {
                let input = self.count(key).unwrap_or(Input::Quiet(ticket));
                self.after(delay, Happening::Tell(key, input));
                Ok(())
            }
            Happening::Flow(key, run, left) => {
                self.flow(key, run, left);
                Ok(())
            }
            Happening::Check(key, run) => {
                self.checked(key, run);
                Ok(())
            }
            Happening::Look(key) => {
                self.told_soon(key);
                Ok(())
            }
            Happening::Peek(key) => self.peek(key),
            Happening::Client => self.client(),
            Happening::Poll => self.poll(),
            Happening::Mischief => self.mischief(),
            Happening::Relist(host) => {
                self.relist(host);
                Ok(())
            }
            Happening::EngineBack(host) => self.engine_back(host),
            Happening::Again(being) => {
                self.beings.insert(being.key, *being);
                self.arrange()
            }
        }
    }

    pub fn is_lost(&self, key: Key) -> bool {
        self.beings.get(&key).is_some_and(|being| self.hosts[being.host].is_lost)
    }

    pub fn is_polled(&self, key: Key) -> bool {
        self.beings.get(&key).is_some_and(|being| self.hosts[being.host].is_polled)
    }

    fn sample(&mut self, key: Key, ticket: Ticket, delay: u64) -> Result<(), Wrong> {
        let (now, lost, is_polled) = (self.now, self.is_lost(key), self.is_polled(key));
        let Some(being) = self.beings.get(&key).filter(|_| !lost) else {
            return Ok(());
        };
        let what = match being.sight(now) {
            Some(sight) => Happening::Status(key, ticket, sight),
            // Whether it has moved or is gone the list tells.
            None if is_polled => Happening::Look(key),
            None => Happening::Tell(key, Input::Gone),
        };
        self.after(delay, what);
        Ok(())
    }

    fn status(&mut self, key: Key, ticket: Ticket, sight: Sight) -> Result<(), Wrong> {
        let awaits = self.fleet.machine(key).is_some_and(|m| m.state().awaits(ticket));
        if let Some(being) = self.beings.get_mut(&key).filter(|_| awaits) {
            being.learn(sight);
        }
        let actions = self.fleet.status(key, ticket, sight, self.instant());
        self.note("status", &format!("{key:?} {ticket} {sight:?}"), &actions);
        self.act_all(actions)
    }

    pub fn runs(&self, key: Key) -> bool {
        self.beings.get(&key).is_some_and(|being| being.told.life == Life::Runs)
    }
}
