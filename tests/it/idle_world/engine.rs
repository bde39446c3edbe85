//! An engine with one container, as the world of the idle machine has it: slow, moody, in other
//! hands too. Knows nothing of the machine.

use std::time::Duration;

use drowse::error::Why;
use drowse::idle::backend::{Life, Nap, Order};

use super::dice::Dice;

use Life::{Down, Runs};

/// What happens to the container some time after somebody asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Start,
    Unpause,
    Pause,
    /// The run of that number ends.
    End(u32),
    Remove,
}

/// What an engine does with an order: effects and the answer, each with its delay in ms.
#[derive(Debug)]
pub struct Course {
    pub effects: Vec<(u64, Effect)>,
    pub answer: (u64, Result<(), Why>),
}

impl Course {
    pub fn refused(delay: u64, why: Why) -> Course {
        Course { effects: Vec::new(), answer: (delay, Err(why)) }
    }
}

#[derive(Clone, Debug)]
pub struct Engine {
    /// `None`: removed.
    pub life: Option<Life>,
    /// The number of the run, the first is 1.
    pub run: u32,
    /// When the application of this run begins to answer.
    pub ready_at: u64,
    /// The run that we told to end, and that will.
    pub doomed: u32,
    /// How long starts and stops take at most.
    pub slowness: u64,
    /// It obeys at once and refuses nothing that can be done.
    pub calm: bool,
    /// A cluster: its orders are tasks, which are followed, and something else may hold a guest.
    pub polled: bool,
}

impl Engine {
    pub fn new(life: Life, slowness: u64) -> Engine {
        let life = Some(life);
        Engine { life, run: 1, ready_at: 0, doomed: 0, slowness, calm: false, polled: false }
    }

    /// Whether the application would answer.
    pub fn answers(&self, now: u64) -> bool {
        self.life == Some(Runs) && now >= self.ready_at
    }

    /// What comes of an order given now.
    pub fn order(&mut self, order: Order, dice: &mut Dice) -> Course {
        if let Some(no) = self.objection(order) {
            return Course::refused(dice.within(1, 20), no);
        }
        if !self.calm && dice.percent(4) {
            let no = Why::Refused { status: 500, message: "port is already allocated".into() };
            return Course::refused(dice.within(1, 200), no);
        }
        if !self.calm && self.polled && dice.percent(4) {
            let no = Why::Conflict("CT is locked (backup)".into());
            return Course::refused(dice.within(20, 1_000), no);
        }
        let mut course = self.obeyed(order, dice);
        if self.polled {
            course.answer.0 += dice.below(1_000);
        }
        if !self.calm && dice.percent(4) {
            // The answer is lost, and the order perhaps with it.
            if dice.percent(50) {
                course.effects.clear();
            }
            let why = match dice.percent(50) {
                true => Why::TimedOut(Duration::from_secs(1)),
                false => Why::Broken("the connection ended".into()),
            };
            course.answer = (dice.within(10, 5_000), Err(why));
        }
        if course.effects.iter().any(|(_, effect)| *effect == Effect::End(self.run)) {
            self.doomed = self.run;
        }
        course
    }

    fn objection(&self, order: Order) -> Option<Why> {
        let conflict = |text: &str| Some(Why::Conflict(text.into()));
        match (self.life, order) {
            (None, _) => Some(Why::NotFound("no such container".into())),
            (Some(Runs), Order::Start) => Some(Why::AlreadySo),
            (Some(Down(Nap::Paused)), Order::Start) => conflict("cannot start a paused container"),
            (Some(Down(Nap::Stopped)), Order::Stop) => Some(Why::AlreadySo),
            (Some(Runs | Down(Nap::Stopped)), Order::Unpause) => conflict("is not paused"),
            (Some(Down(_)), Order::Pause) => conflict("is already paused or does not run"),
            (Some(Down(Nap::Stopped)), Order::Signal | Order::Kill) => conflict("is not running"),
            (Some(_), _) => None,
        }
    }

    fn obeyed(&mut self, order: Order, dice: &mut Dice) -> Course {
        let take = dice.within(1, self.slowness);
        let soon = dice.within(1, 30);
        let ending = |delay| vec![(delay, Effect::End(self.run))];
        let (effects, answer) = match order {
            Order::Start => {
                let mut effects = vec![(take, Effect::Start)];
                if !self.calm && dice.percent(8) {
                    // It ends by itself: at once, or while it boots.
                    effects.push((take + dice.one(&[0, 3, 900]), Effect::End(self.run + 1)));
                }
                (effects, take + soon)
            }
            Order::Unpause => (vec![(soon, Effect::Unpause)], soon + dice.within(0, 10)),
            Order::Pause => (vec![(soon, Effect::Pause)], soon + dice.within(0, 10)),
            Order::Stop => (ending(take), take + soon),
            // What ignores the signal has to be killed.
            Order::Signal if !self.calm && dice.percent(30) => (Vec::new(), soon),
            Order::Signal => (ending(take), soon),
            Order::Kill if !self.calm && dice.percent(10) => (Vec::new(), soon),
            Order::Kill => (ending(soon), soon),
        };
        Course { effects, answer: (answer, Ok(())) }
    }

    /// Lets an effect happen; what it changed, if it did.
    pub fn happen(&mut self, effect: Effect, now: u64, boot: u64) -> Option<Option<Life>> {
        let next = match (self.life?, effect) {
            (Down(Nap::Stopped), Effect::Start) => {
                self.run += 1;
                self.ready_at = now + boot;
                Some(Runs)
            }
            (Down(Nap::Paused), Effect::Unpause) => Some(Runs),
            (Runs, Effect::Pause) => Some(Down(Nap::Paused)),
            (Runs | Down(Nap::Paused), Effect::End(run)) if run == self.run => {
                Some(Down(Nap::Stopped))
            }
            (_, Effect::Remove) => None,
            (Runs | Down(_), _) => return None,
        };
        self.life = next;
        Some(next)
    }
}
