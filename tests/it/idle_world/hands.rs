//! What happens to the world that the machine did not ask for: other hands, commands, an engine
//! that goes away; and how the engine tells of it.

use std::time::Duration;

use drowse::idle::backend::{Kind, Life, Nap, Order, Terms};
use drowse::idle::message::Input;
use drowse::plan::Ready;

use super::dice::Dice;
use super::engine::Effect;
use super::world::{Happening, World, Wrong};

use Life::{Down, Runs};

/// What the engine does is told at the latest after this, unless it is lost.
const LATE_MS: u64 = 3_000;
/// An engine is away for so long at most.
const AWAY_MS: u64 = 10_000;
/// A list tells what events did not.
pub const RELIST_MS: u64 = 15_000;

/// Terms as plans have them, only shorter.
pub fn terms(dice: &mut Dice, polled: bool) -> Terms {
    let all = any_terms(dice);
    let sleep = if polled && all.sleep == Order::Pause { Order::Stop } else { all.sleep };
    let ready = all.ready.filter(|ready| !polled || *ready == Ready::Probe);
    Terms { sleep, ready, ..all }
}

fn any_terms(dice: &mut Dice) -> Terms {
    let mut one = |of: &[u64]| Duration::from_millis(dice.one(of));
    Terms {
        idle_timeout: Some(one(&[0, 5_000, 5_000, 9_000, 9_000, 30_000])).filter(|t| !t.is_zero()),
        wake_timeout: one(&[3_000, 20_000]),
        turn_timeout: one(&[3_000, 30_000]),
        kill_after: one(&[2_000, 10_000]),
        ready: dice.one(&[None, None, Some(Ready::Healthy), Some(Ready::Probe)]),
        sleep: dice.one(&[Order::Pause, Order::Stop, Order::Stop, Order::Signal]),
        kind: dice.one(&[Kind::Service, Kind::Service, Kind::Service, Kind::Job]),
    }
}

impl World {
    /// An effect happens, and the engine tells of it.
    pub fn effect(&mut self, effect: Effect) {
        let Some(life) = self.engine.happen(effect, self.now, self.boot) else {
            return;
        };
        if life == Some(Runs) && self.has_health {
            let healthy = self.engine.ready_at.max(self.now) + 10 - self.now;
            self.after(healthy, Happening::Healthy(self.engine.run));
        }
        let is_lost = self.is_wild() && self.dice.percent(3);
        if !is_lost {
            self.told_soon(told(life));
        }
    }

    /// Its health check passes for the first time in this run.
    pub fn healthy(&mut self, run: u32) {
        if self.engine.run == run && self.engine.answers(self.now) {
            self.told_soon(Input::Healthy);
        }
    }

    fn told_soon(&mut self, input: Input) {
        if self.polled {
            return;
        }
        let late = self.is_wild() && self.dice.percent(5);
        let delay = self.dice.below(if late { LATE_MS } else { 20 });
        self.stream_at = self.stream_at.max(self.now + delay);
        if !self.lost {
            let event = Happening::Event(self.stream, input);
            self.after(self.stream_at - self.now, event);
        }
    }

    /// The list, in its place among the events.
    pub fn relist(&mut self) {
        self.after(RELIST_MS, Happening::Relist);
        if self.lost {
            return;
        }
        self.told_soon(told(self.engine.life));
        if self.has_health && self.engine.answers(self.now) {
            self.told_soon(Input::Healthy);
        }
    }

    /// For how long what happens may stay unknown.
    pub fn blindness(&self) -> u64 {
        RELIST_MS + AWAY_MS + 2 * LATE_MS
    }

    fn engine_lost(&mut self) -> Result<(), Wrong> {
        if self.lost {
            return Ok(());
        }
        self.lost = true;
        self.stream += 1;
        let away = self.dice.below(AWAY_MS);
        self.after(away, Happening::EngineBack);
        self.step(Input::EngineLost)
    }

    pub fn engine_back(&mut self) -> Result<(), Wrong> {
        self.lost = false;
        self.stream_at = self.now;
        self.looks.shown = self.engine.life;
        self.step(told(self.engine.life))?;
        if self.has_health && self.engine.answers(self.now) {
            self.step(Input::Healthy)?;
        }
        self.step(Input::EngineBack)
    }

    /// Somebody does something.
    pub fn mischief(&mut self) -> Result<(), Wrong> {
        if !self.is_wild() {
            self.needed = false;
            return self.step(Input::Spare);
        }
        let next = self.dice.within(200, 18_000);
        self.after(next, Happening::Mischief);
        let (run, soon) = (self.engine.run, self.dice.below(3_000));
        match self.dice.below(100) {
            // No guest is frozen.
            14..23 if self.polled => Ok(()),
            0..8 => self.hands(soon, Effect::End(run)),
            8..14 => self.hands(soon, Effect::Start),
            14..18 => self.hands(soon, Effect::Pause),
            18..23 => self.hands(soon, Effect::Unpause),
            23..28 => {
                self.after(soon, Happening::Effect(Effect::End(run)));
                self.hands(soon + 50, Effect::Start)
            }
            28 => self.hands(soon, Effect::Remove),
            29..42 => self.step(Input::SleepOrder),
            42..50 => self.step(Input::WakeOrder),
            50..56 => {
                self.kept_until = Some(self.now + soon * 5);
                self.step(Input::Keep(self.instant() + Duration::from_millis(soon * 5)))
            }
            56..70 => {
                self.needed = !self.needed;
                self.step(if self.needed { Input::Needed } else { Input::Spare })
            }
            70..78 => self.reload(),
            78..88 => self.engine_lost(),
            88..94 => {
                self.flow(run, 9);
                Ok(())
            }
            _ => self.step(Input::Knock),
        }
    }

    fn hands(&mut self, delay: u64, effect: Effect) -> Result<(), Wrong> {
        self.after(delay, Happening::Effect(effect));
        Ok(())
    }

    fn reload(&mut self) -> Result<(), Wrong> {
        self.terms = terms(&mut self.dice, self.polled);
        self.budget = self.budget.max(budget(&self.terms));
        self.step(Input::Reload(self.terms))
    }
}

/// The longest that somebody may wait: until it is down, killed if it must be, for its turn, and
/// until it is awake.
pub fn budget(terms: &Terms) -> u64 {
    let killed = terms.kill_after + Duration::from_secs(30);
    (killed + terms.turn_timeout + terms.wake_timeout).as_millis() as u64 + 6_000
}

pub fn told(life: Option<Life>) -> Input {
    match life {
        Some(life @ (Runs | Down(Nap::Stopped | Nap::Paused))) => Input::Saw(life),
        None => Input::Gone,
    }
}
