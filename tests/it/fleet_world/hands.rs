//! What comes to pass in a world that the fleet did not ask for: engines that tell late, twice or
//! never, other hands, commands, reloads.

use std::time::Duration;

use drowse::idle::backend::Life;
use drowse::idle::fleet::{Role, Sight};
use drowse::idle::group::Key;
use drowse::idle::message::Input;
use drowse::idle::state::Phase;

use super::being::{terms, unfrozen};
use super::world::{Happening, RELIST_MS, World, Wrong};
use crate::idle_world::engine::Effect;

/// What happens is told at the latest after this, unless it is lost.
pub const LATE_MS: u64 = 3_000;
/// A cluster's list comes so often, and a look at a guest that starts or stops.
const LIST_MS: u64 = 10_000;
const GLANCE_MS: u64 = 1_000;
/// An engine is away for so long at most.
pub const AWAY_MS: u64 = 8_000;

impl World {
    /// Something happens to a container, and its engine tells of it.
    pub fn effect(&mut self, key: Key, effect: Effect) -> Result<(), Wrong> {
        let (now, is_calm) = (self.now, self.is_calm);
        let Some(being) = self.beings.get_mut(&key) else {
            return Ok(());
        };
        let was_doomed = being.is_doomed();
        let Some(life) = being.body.happen(effect, now, being.boot) else {
            return Ok(());
        };
        let (run, soon) = (being.body.run, being.boot.max(1));
        match effect {
            Effect::Start => {
                being.exit = None;
                if being.is_brief {
                    self.after(soon, Happening::Effect(key, Effect::End(run)));
                } else if being.has_check {
                    self.after(soon + 10, Happening::Check(key, run));
                }
            }
            Effect::End(_) => {
                let code = match being.is_brief {
                    true if !is_calm && self.dice.percent(15) => 1,
                    true => 0,
                    false if was_doomed => self.dice.one(&[0, 143]),
                    false => 1,
                };
                being.exit = Some(code);
            }
            Effect::Unpause | Effect::Pause | Effect::Remove => {}
        }
        if life.is_none() {
            self.recreate(key);
        }
        if self.is_polled(key) {
            let delay = self.until_looked_at(key);
            self.after(delay, Happening::Look(key));
            return Ok(());
        }
        if life.is_some() && self.is_wild() && !is_calm && self.dice.percent(3) {
            return Ok(());
        }
        self.told_soon(key);
        Ok(())
    }

    /// A guest that starts or stops is looked at every second, any other every ten.
    fn until_looked_at(&mut self, key: Key) -> u64 {
        let phase = self.fleet.machine(key).map(|machine| machine.state().phase());
        let moves = matches!(phase, Some(Phase::Waking | Phase::GoingToSleep));
        self.dice.within(1, if moves { GLANCE_MS } else { LIST_MS })
    }

    /// As `compose up` does it: another container takes the name.
    fn recreate(&mut self, key: Key) {
        let Some(being) = self.beings.get(&key) else {
            return;
        };
        let mut dice = self.dice.clone();
        let mut new = super::being::Being::new(&mut dice, self.born, self.is_calm);
        new.name.clone_from(&being.name);
        new.depends_on.clone_from(&being.depends_on);
        new.network.clone_from(&being.network);
        (new.is_brief, new.has_check) = (being.is_brief, being.has_check && !being.is_brief);
        new.body.life = Some(Life::Down(drowse::idle::backend::Nap::Stopped));
        new.told.life = Life::Down(drowse::idle::backend::Nap::Stopped);
        if self.hosts[new.host].is_polled {
            new = new.made_guest();
        }
        self.born += 1;
        let delay = self.dice.within(LATE_MS + AWAY_MS + RELIST_MS, 40_000);
        self.after(delay, Happening::Again(Box::new(new)));
    }

    /// Its health check passes for the first time in this run.
    pub fn checked(&mut self, key: Key, run: u32) {
        let now = self.now;
        let is_well =
            |being: &super::being::Being| being.body.run == run && being.body.answers(now);
        if self.beings.get(&key).is_some_and(is_well) {
            self.told_soon(key);
        }
    }

    /// How it is now, after what is told already; now and then twice.
    pub fn told_soon(&mut self, key: Key) {
        let (now, is_rough) = (self.now, self.is_wild() && !self.is_calm);
        let late = is_rough && self.dice.percent(5);
        let delay = self.dice.below(if late { LATE_MS } else { 20 });
        let times = if is_rough && self.dice.percent(4) { 2 } else { 1 };
        let Some(being) = self.beings.get(&key) else {
            return;
        };
        let (sight, host) = (being.sight(now), &mut self.hosts[being.host]);
        if host.is_lost {
            return;
        }
        host.stream_at = host.stream_at.max(now + delay);
        let (at, stream) = (host.stream_at, host.stream);
        for again in 0..times {
            self.after(at - now + again, Happening::Event(stream, key, sight));
        }
    }

    /// The list of an engine, in its place among the events.
    pub fn relist(&mut self, host: usize) {
        self.after(RELIST_MS, Happening::Relist(host));
        let on_it = self.beings.values().filter(|being| being.host == host);
        let keys: Vec<Key> = on_it.map(|being| being.key).collect();
        keys.into_iter().for_each(|key| self.told_soon(key));
    }

    fn engine_lost(&mut self, host: usize) -> Result<(), Wrong> {
        if self.hosts[host].is_lost {
            return Ok(());
        }
        self.hosts[host].is_lost = true;
        self.hosts[host].stream += 1;
        let away = self.dice.below(AWAY_MS);
        self.after(away, Happening::EngineBack(host));
        self.tell_host(host, &Input::EngineLost)
    }

    pub fn engine_back(&mut self, host: usize) -> Result<(), Wrong> {
        let now = self.now;
        self.hosts[host].is_lost = false;
        self.hosts[host].stream_at = now;
        let on_it = self.beings.values().filter(|being| being.host == host);
        let told: Vec<(Key, Option<Sight>)> =
            on_it.map(|being| (being.key, being.sight(now))).collect();
        told.into_iter().try_for_each(|(key, sight)| self.saw(key, sight))?;
        self.tell_host(host, &Input::EngineBack)
    }

    /// Somebody does something.
    pub fn mischief(&mut self) -> Result<(), Wrong> {
        if !self.is_wild() {
            return Ok(());
        }
        let next = self.dice.within(100, 6_000);
        self.after(next, Happening::Mischief);
        let keys: Vec<Key> = self.beings.keys().copied().collect();
        if keys.is_empty() {
            return Ok(());
        }
        let (key, soon) = (self.dice.one(&keys), self.dice.below(2_000));
        let Some(being) = self.beings.get_mut(&key) else {
            return Ok(());
        };
        let run = being.body.run;
        let roll = self.dice.below(100);
        match roll {
            0..10 => self.tell(key, Input::WakeOrder),
            10..14 => {
                let is_watched = self.fleet.machine(key).is_some();
                being.kept_until = is_watched.then_some(self.now + soon * 5);
                let until = self.instant() + Duration::from_millis(soon * 5);
                self.tell(key, Input::Keep(until))
            }
            14..22 => {
                self.flow(key, run, 6);
                Ok(())
            }
            22..34 => self.sleep_order(key),
            34..46 => self.reload(),
            _ if self.is_calm => Ok(()),
            46..60 => self.hands(key, soon, Effect::End(run)),
            60..72 => self.hands(key, soon, Effect::Start),
            72..77 if !self.is_polled(key) => self.hands(key, soon, Effect::Pause),
            77..82 => self.hands(key, soon, Effect::Unpause),
            82..88 => {
                self.after(soon, Happening::Effect(key, Effect::End(run)));
                self.hands(key, soon + 50, Effect::Start)
            }
            88..90 => self.hands(key, soon, Effect::Remove),
            _ => {
                let host = self.dice.below(2) as usize;
                self.engine_lost(host)
            }
        }
    }

    fn hands(&mut self, key: Key, delay: u64, effect: Effect) -> Result<(), Wrong> {
        *self.tally.entry("other hands").or_default() += 1;
        self.after(delay, Happening::Effect(key, effect));
        Ok(())
    }

    /// What still moves a moment later does so in vain.
    fn sleep_order(&mut self, key: Key) -> Result<(), Wrong> {
        if let Some(being) = self.beings.get_mut(&key) {
            (being.kept_until, being.is_sent_to_sleep) = (None, true);
        }
        self.tell(key, Input::SleepOrder)?;
        if let Some(being) = self.beings.get_mut(&key) {
            being.is_sent_to_sleep = false;
        }
        Ok(())
    }

    fn reload(&mut self) -> Result<(), Wrong> {
        let is_calm = self.is_calm;
        for being in self.beings.values_mut().filter(|being| !being.is_brief) {
            if self.dice.percent(30) {
                let new = terms(&mut self.dice, is_calm);
                being.terms = if self.hosts[being.host].is_polled { unfrozen(new) } else { new };
            }
            if self.dice.percent(10) && !is_calm {
                being.role = self.dice.one(&[Role::Managed, Role::Follows, Role::Stays]);
            }
        }
        self.max_waking = 1 + self.dice.below(3) as usize;
        self.fleet.limit(self.max_waking);
        self.arrange()
    }
}
