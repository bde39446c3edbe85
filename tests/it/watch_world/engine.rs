//! An engine made up for `Watch`: containers that come, change and go, and the 256 events it
//! remembers. Knows no connections.

use std::collections::{BTreeMap, VecDeque};

use drowse::docker::events::{Action, Event};
use drowse::docker::watch::Known;

/// Docker keeps this many, of all types.
const RING: usize = 256;

/// More containers than looks under way.
const CONTAINERS_MAX: u64 = 12;

/// Marsaglia's xorshift.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// `0..below`
    pub fn below(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % below
    }

    /// One time in so many.
    pub fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}

/// A container as it was at some moment: `version` grows with every change of any.
#[derive(Clone, Debug)]
pub struct One {
    pub id: String,
    pub name: u64,
    pub state: &'static str,
    pub version: u64,
    /// What Podman's list leaves out.
    pub detail: Option<u64>,
}

impl PartialEq for One {
    fn eq(&self, other: &One) -> bool {
        let what = |one: &One| (one.id.clone(), one.name, one.state, one.version);
        what(self) == what(other)
    }
}

impl Known for One {
    fn id(&self) -> &str {
        &self.id
    }

    fn state(&self) -> &str {
        self.state
    }

    fn is_complete(&self) -> bool {
        self.detail.is_some()
    }
}

#[derive(Default)]
pub struct Engine {
    containers: BTreeMap<String, One>,
    ring: VecDeque<Event>,
    version: u64,
    made: u64,
    told: u64,
}

impl Engine {
    /// Every container.
    pub fn all(&self) -> impl Iterator<Item = &One> {
        self.containers.values()
    }

    pub fn one(&self, id: &str) -> Option<&One> {
        self.containers.get(id)
    }

    /// The remembered events since then, which is included.
    pub fn since(&self, nano: u64) -> Vec<Event> {
        self.ring.iter().filter(|event| event.time_nano >= nano).cloned().collect()
    }

    /// A restart forgets the events.
    pub fn forget(&mut self) {
        self.ring.clear();
    }

    /// Something happens to some container at this time; what the engine tells of it.
    pub fn act(&mut self, now_nano: u64, dice: &mut Dice) -> Vec<Event> {
        let count = self.containers.len() as u64;
        let ids: Vec<String> = self.containers.keys().cloned().collect();
        let id = ids.get(dice.below(count.max(1)) as usize).cloned();
        let (Some(id), false) = (id, count < CONTAINERS_MAX && dice.one_in(4)) else {
            return self.create(now_nano);
        };
        let state = self.containers[&id].state;
        match (dice.below(10), state) {
            (0, _) => {
                self.containers.remove(&id);
                self.tell(&id, now_nano, vec![Action::Kill, Action::Removed])
            }
            (1, _) => {
                self.change(&id, |one| one.name += 100);
                self.tell(&id, now_nano, vec![Action::Rename])
            }
            // Nothing changed, whatever it sounds like.
            (2, _) => self.tell(&id, now_nano, vec![Action::Health(String::new())]),
            (3, _) => self.tell(&id, now_nano, vec![Action::Other("exec_start".into())]),
            (4..6, "running") => self.turn(&id, now_nano, ("paused", vec![Action::Pause])),
            (_, "paused") => self.turn(&id, now_nano, ("running", vec![Action::Unpause])),
            (_, "running") => {
                let [die, stop] = [Action::Die, Action::Stop];
                let last = if dice.one_in(2) { vec![die, stop] } else { vec![stop, die] };
                self.turn(&id, now_nano, ("exited", [vec![Action::Kill], last].concat()))
            }
            (_, _) => self.turn(&id, now_nano, ("running", vec![Action::Start])),
        }
    }

    /// Events of other things fill the ring.
    pub fn make_noise(&mut self, now_nano: u64) {
        let ids = vec![Action::Other("exec_create".into()); RING];
        self.tell("noise", now_nano, ids);
    }

    /// An event that is not true.
    pub fn forge(&mut self, now_nano: u64, dice: &mut Dice) -> Event {
        let real = self.containers.keys().nth(dice.below(CONTAINERS_MAX) as usize).cloned();
        let actions = [Action::Removed, Action::Die, Action::Create, Action::Start];
        let action = actions[dice.below(4) as usize].clone();
        let id = real.unwrap_or_else(|| format!("forged{}", dice.below(100)));
        event(&id, action, now_nano - dice.below(now_nano / 2 + 1))
    }

    fn create(&mut self, now_nano: u64) -> Vec<Event> {
        self.made += 1;
        self.version += 1;
        // So that the order of ids is not the order of making.
        let id = format!("{:08x}", (self.made as u32).wrapping_mul(0x9E37_79B9));
        let (name, version) = (self.made, self.version);
        let one = One { id: id.clone(), name, state: "created", version, detail: Some(version) };
        self.containers.insert(id.clone(), one);
        self.tell(&id, now_nano, vec![Action::Create])
    }

    fn turn(&mut self, id: &str, now: u64, to: (&'static str, Vec<Action>)) -> Vec<Event> {
        let (state, actions) = to;
        self.change(id, |one| one.state = state);
        self.tell(id, now, actions)
    }

    fn change(&mut self, id: &str, how: impl FnOnce(&mut One)) {
        self.version += 1;
        let one = self.containers.get_mut(id).unwrap();
        how(one);
        (one.version, one.detail) = (self.version, Some(self.version));
    }

    fn tell(&mut self, id: &str, now_nano: u64, actions: Vec<Action>) -> Vec<Event> {
        let mut told = Vec::new();
        for action in actions {
            self.told += 1;
            told.push(event(id, action, now_nano + self.told));
        }
        self.ring.extend(told.iter().cloned());
        self.ring.drain(..self.ring.len().saturating_sub(RING));
        told
    }
}

pub fn event(id: &str, action: Action, time_nano: u64) -> Event {
    Event { action, id: id.into(), name: String::new(), image: String::new(), time_nano }
}
