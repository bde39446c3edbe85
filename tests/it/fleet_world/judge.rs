//! What must never be in a world, judged by what was told, not by the fleet.

use std::collections::BTreeSet;
use std::time::Duration;

use drowse::container::Health;
use drowse::idle::backend::{Life, Nap, Order};
use drowse::idle::fleet::Role;
use drowse::idle::group::Key;
use drowse::idle::state::{Door, Phase, State};
use drowse::plan::Condition;

use super::being::Being;
use super::hands::{AWAY_MS, LATE_MS};
use super::world::{RELIST_MS, WILD_MS, World, Wrong};

use Life::{Down, Runs};

/// By then all wakes that somebody asked for are over.
const CALM_AFTER_MS: u64 = 250_000;

impl World {
    /// An order is given.
    pub fn judge(&mut self, key: Key, order: Order) -> Result<(), Wrong> {
        match order {
            Order::Start | Order::Unpause => self.judge_wake(key),
            Order::Pause | Order::Stop | Order::Signal => self.judge_sleep(key, order),
            Order::Kill => Ok(()),
        }?;
        if let Some(being) = self.beings.get_mut(&key) {
            being.is_down_by_us = !matches!(order, Order::Start | Order::Unpause);
        }
        Ok(())
    }

    /// Whose turn is over.
    pub fn count_begun(&mut self) {
        let fleet = &self.fleet;
        self.begun.retain(|key| {
            let state = fleet.machine(*key).map(|machine| machine.state());
            matches!(state, Some(State::Starting(_) | State::Booting { .. }))
        });
    }

    /// What it needs is up when it gets its turn; while it starts, that may fall.
    fn judge_wake(&mut self, key: Key) -> Result<(), Wrong> {
        if self.now > WILD_MS + CALM_AFTER_MS {
            return Err(format!("{key:?} wakes, but nobody wants it"));
        }
        if !self.begun.insert(key) {
            return Ok(());
        }
        if self.begun.len() > self.max_waking {
            return Err(format!("{:?} wake at once", self.begun));
        }
        let mut needs = self.fleet.graph().needs(key);
        let unmet = needs.find(|(need, condition)| !self.is_met(*need, *condition));
        unmet.map_or(Ok(()), |(need, condition)| {
            let told = self.beings.get(&need).map(|being| being.told);
            Err(format!("{key:?} wakes before {need:?} is {condition:?}: {told:?}"))
        })
    }

    /// What ran to its end was started, too.
    fn is_met(&self, need: Key, condition: Condition) -> bool {
        let Some(being) = self.beings.get(&need) else {
            return false;
        };
        let told = being.told;
        let is_done = told.life == Down(Nap::Stopped) && told.exit == Some(0);
        let is_well = !being.has_check || told.health == Health::Healthy;
        match condition {
            // One that had its turn and ended well, by an event that may have come late.
            Condition::ServiceStarted => {
                let fell = || self.fleet.machine(need).is_some_and(|m| failed(m.state()));
                told.life == Runs || is_done && (being.is_brief || fell())
            }
            Condition::ServiceHealthy => told.life == Runs && is_well,
            Condition::ServiceCompletedSuccessfully => is_done,
        }
    }

    fn judge_sleep(&self, key: Key, order: Order) -> Result<(), Wrong> {
        let Some(being) = self.beings.get(&key) else {
            return Ok(());
        };
        let graph = self.fleet.graph();
        for (of, condition) in graph.dependants(key) {
            let wakes = self.fleet.machine(of).is_some_and(|m| m.state().phase() == Phase::Waking);
            if condition != Condition::ServiceCompletedSuccessfully && (self.runs(of) || wakes) {
                return Err(format!("{key:?} is put to sleep under {of:?}"));
            }
        }
        if being.is_sent_to_sleep {
            return Ok(());
        }
        if being.kept_until.is_some_and(|until| until > self.now) {
            return Err(format!("{key:?} is put to sleep, but was to be kept awake"));
        }
        let Some(idle) = self.patience(key) else {
            return Err(format!("{key:?} is put to sleep, but never should be"));
        };
        let sharing = graph.sharing(key);
        let seen = sharing.iter().filter_map(|key| self.beings.get(key)?.seen_at).max();
        match seen {
            Some(at) if at + ms(idle) > self.now => {
                Err(format!("{key:?} is put to sleep, but was active at {at}"))
            }
            _ if being.door == Door::Down && order != Order::Pause => {
                Err(format!("{key:?} is put to sleep without a door"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn is_job(&self, key: Key) -> bool {
        let mut dependants = self.fleet.graph().dependants(key);
        dependants.any(|(_, condition)| condition == Condition::ServiceCompletedSuccessfully)
    }

    /// All who need it, however far, itself too.
    fn above(&self, key: Key) -> BTreeSet<Key> {
        let mut found = BTreeSet::from([key]);
        for (of, _) in self.fleet.graph().dependants(key) {
            found.extend(self.above(of));
        }
        found
    }

    /// How long it must be idle; `None`: it is not ours to put to sleep.
    fn patience(&self, key: Key) -> Option<Duration> {
        let being = self.beings.get(&key)?;
        match being.role {
            Role::Managed => being.terms.idle_timeout,
            Role::Stays => None,
            Role::Follows if self.is_job(key) => None,
            Role::Follows => {
                let above = self.above(key);
                let managed = above.iter().filter_map(|key| self.beings.get(key));
                let managed = managed.filter(|being| being.role == Role::Managed);
                managed.filter_map(|being| being.terms.idle_timeout).max()
            }
        }
    }

    /// The wake timeouts of the longest chain below it.
    fn chain(&self, key: Key) -> Duration {
        let own = self.beings.get(&key).map_or(Duration::ZERO, |being| being.terms.wake_timeout);
        let needs = self.fleet.graph().needs(key);
        own + needs.map(|(need, _)| self.chain(need)).max().unwrap_or_default()
    }

    /// Who has a machine, and by what terms.
    pub fn check_terms(&mut self) -> Result<(), Wrong> {
        for key in self.beings.keys().copied().collect::<Vec<_>>() {
            let above = self.above(key);
            let mut above = above.iter().filter_map(|key| self.beings.get(key));
            let is_watched = above.any(|being| being.role == Role::Managed);
            let terms = self.fleet.machine(key).map(|machine| *machine.terms());
            if terms.is_some() != is_watched {
                return Err(format!("{key:?} has a machine: {terms:?}"));
            }
            let chain = self.chain(key);
            let Some((being, terms)) = self.beings.get_mut(&key).zip(terms) else {
                continue;
            };
            let turn = being.terms.turn_timeout + chain - being.terms.wake_timeout;
            if terms.turn_timeout != turn {
                return Err(format!("{key:?} waits {:?}, not {turn:?}", terms.turn_timeout));
            }
            let most = terms.kill_after + Duration::from_secs(36) + turn + terms.wake_timeout;
            being.budget = being.budget.max(ms(most));
        }
        Ok(())
    }

    pub fn nobody_waits_too_long(&self) -> Result<(), Wrong> {
        let blind = RELIST_MS + AWAY_MS + 2 * LATE_MS;
        for (key, being) in &self.beings {
            let too_long = |at: Option<&u64>, limit| at.is_some_and(|at| self.now - at > limit);
            if too_long(being.held.first(), being.budget)
                || too_long(being.frozen.first(), being.budget + blind)
            {
                return Err(format!("who knocked at {key:?} waits unanswered"));
            }
        }
        Ok(())
    }

    /// All is quiet: the fleet and the engines are of one mind, and who may sleep does.
    pub fn at_the_end(&self) -> Result<(), Wrong> {
        self.beings.values().try_for_each(|being| self.ends_well(being))
    }

    fn ends_well(&self, being: &Being) -> Result<(), Wrong> {
        let (key, life) = (being.key, being.body.life);
        let Some(machine) = self.fleet.machine(key) else {
            return Ok(());
        };
        let state = machine.state();
        let is_door = being.door == Door::Up;
        let dependants = self.fleet.graph().dependants(key);
        let is_needed = dependants
            .filter(|(_, condition)| *condition != Condition::ServiceCompletedSuccessfully)
            .any(|(of, _)| self.runs(of));
        let may_stay = is_needed || self.patience(key).is_none();
        match () {
            () if state.life() != life => Err(format!("{key:?} ends as {state:?}, is {life:?}")),
            () if is_door != (life == Some(Down(Nap::Stopped))) => {
                Err(format!("the door of {key:?} stays {:?}", being.door))
            }
            () if !being.held.is_empty() || !being.frozen.is_empty() => {
                Err(format!("somebody waits at {key:?}"))
            }
            () if state.phase() == Phase::Asleep => self.sleeps_well(being, is_needed),
            () if state.phase() == Phase::Awake && may_stay => Ok(()),
            () => Err(format!("{key:?} never sleeps: {state:?}")),
        }
    }

    /// Nobody who is up needs it; but in a rough world its wake may have failed.
    fn sleeps_well(&self, being: &Being, is_needed: bool) -> Result<(), Wrong> {
        match is_needed && being.is_down_by_us && self.is_calm {
            true => Err(format!("{:?} sleeps, but is needed", being.key)),
            false => Ok(()),
        }
    }
}

fn ms(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

fn failed(state: &State) -> bool {
    matches!(state, State::Failed(_))
}
