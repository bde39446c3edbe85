//! What the world makes of the machine's actions, and what must never be among them.

use drowse::error::Why;
use drowse::idle::backend::{Kind, Life, Nap, Order};
use drowse::idle::message::{Action, Input};
use drowse::idle::state::Door;

use super::engine::Course;
use super::world::{Happening, World, Wrong};

use Life::{Down, Runs};

impl World {
    pub fn act(&mut self, action: Action) -> Result<(), Wrong> {
        *self.tally.entry(name(&action)).or_default() += 1;
        match action {
            Action::AskTurn => self.line_up(),
            Action::Give(order, ticket) => {
                self.may_be_given(order)?;
                let course = match self.lost {
                    true => Course::refused(5, Why::Unreachable("connection refused".into())),
                    false => self.engine.order(order, &mut self.dice),
                };
                if self.known_run != self.engine.run {
                    // Other hands started it anew, and the machine can't know yet.
                    self.engine.doomed = 0;
                }
                for (delay, effect) in course.effects {
                    self.after(delay, Happening::Effect(effect));
                }
                let (delay, answer) = course.answer;
                let input = match answer {
                    Ok(()) => Input::Accepted(ticket),
                    Err(why) => Input::Refused(ticket, why),
                };
                self.after(delay, Happening::Tell(input));
            }
            Action::ReadStatus(ticket) if self.polled => self.look_for(ticket),
            Action::ReadStatus(ticket) if !self.lost => {
                let (ask, answer) = (self.dice.below(20), self.dice.below(30));
                self.after(ask, Happening::Sample(ticket, answer));
            }
            Action::ReadStatus(_) => {}
            Action::Probe(ticket) => {
                let (ask, answer) = (self.dice.below(10), self.dice.one(&[0, 0, 2, 5, 700]));
                self.after(ask, Happening::Probe(ticket, answer));
            }
            Action::LookOnce(ticket) => match (self.remote, self.lost) {
                (false, _) => self.after(0, Happening::Count(ticket, 0)),
                (true, false) => {
                    let (ask, answer) = (self.dice.below(1_000), self.dice.below(20));
                    self.after(ask, Happening::Count(ticket, answer));
                }
                (true, true) => {}
            },
            Action::DoorUp => self.door_moves(Door::Down, Door::Up)?,
            Action::DoorDown => self.door_moves(Door::Up, Door::Down)?,
            Action::Admit => self.admit()?,
            Action::TurnAway(_) => {
                self.held.clear();
                self.frozen.clear();
            }
            Action::Leave => self.left = true,
            Action::Say(_) => {}
        }
        Ok(())
    }

    fn line_up(&mut self) {
        let (roll, wait) = (self.dice.below(100), self.dice.below(2_000));
        let input = match roll {
            _ if !self.is_wild() => Input::Turn,
            0..5 => Input::Denied("what it depends on did not wake".into()),
            5..8 => return,
            _ => Input::Turn,
        };
        self.after(wait, Happening::Tell(input));
    }

    fn may_be_given(&self, order: Order) -> Result<(), Wrong> {
        match order {
            Order::Start | Order::Unpause | Order::Kill => return Ok(()),
            Order::Pause | Order::Stop | Order::Signal => {}
        }
        if self.needed {
            return Err("put to sleep under an awake dependant".into());
        }
        if self.told_to_sleep {
            return Ok(());
        }
        if self.kept_until.is_some_and(|until| until > self.now) {
            return Err("put to sleep while it was to be kept awake".into());
        }
        let Some(idle) = self.terms.idle_timeout else {
            return Err("put to sleep, but it never should be".into());
        };
        let idle = idle.as_millis() as u64;
        let seen = self.active_at.iter().filter(|at| **at <= self.looked_at).max();
        match seen {
            Some(at) if at + idle > self.now => Err(format!("put to sleep, but active at {at}")),
            _ if self.door == Door::Down && order != Order::Pause => {
                Err("put to sleep without a door".into())
            }
            Some(_) | None => Ok(()),
        }
    }

    fn door_moves(&mut self, from: Door, to: Door) -> Result<(), Wrong> {
        if self.door != from {
            return Err(format!("the door is {from:?} already"));
        }
        self.door = to;
        Ok(())
    }

    fn admit(&mut self) -> Result<(), Wrong> {
        if self.held.is_empty() {
            return Ok(());
        }
        if self.is_doomed() {
            return Err("admitted to a container that is being stopped".into());
        }
        if self.engine.life != Some(Runs) && self.told != Runs {
            return Err("admitted to a container that does not run".into());
        }
        self.held.clear();
        let flows = self.dice.below(8);
        self.flow(self.engine.run, flows);
        Ok(())
    }

    /// A job is ready when it runs, even if it was restarted while we told it to end.
    fn is_doomed(&self) -> bool {
        let is_job = self.terms.kind == Kind::Job;
        !is_job && self.engine.life == Some(Runs) && self.engine.doomed == self.engine.run
    }

    /// Somebody connects.
    pub fn client(&mut self) -> Result<(), Wrong> {
        if self.is_wild() {
            let next = self.dice.within(200, 16_000);
            self.after(next, Happening::Client);
        }
        let flows = self.dice.below(8);
        match (self.door, self.engine.life) {
            (Door::Up, _) => {
                self.held.push(self.now);
                self.step(Input::Knock)
            }
            (Door::Down, Some(Runs)) if self.is_doomed() => {
                Err("handed to a container that is being stopped".into())
            }
            (Door::Down, Some(Runs)) => {
                self.flow(self.engine.run, flows);
                Ok(())
            }
            (Door::Down, Some(Down(Nap::Paused))) => {
                self.frozen.push(self.now);
                self.peek()
            }
            (Door::Down, Some(Down(Nap::Stopped))) if self.told == Down(Nap::Stopped) => {
                Err("refused at a container that is known to sleep".into())
            }
            (Door::Down, Some(Down(Nap::Stopped)) | None) => Ok(()),
        }
    }

    /// The look at the frozen: as long as something waits there, it knocks.
    pub fn peek(&mut self) -> Result<(), Wrong> {
        if self.engine.life != Some(Down(Nap::Paused)) {
            self.frozen.clear();
        }
        if self.frozen.is_empty() {
            return Ok(());
        }
        self.after(200, Happening::Peek);
        match self.machine.state().life() {
            Some(Down(Nap::Paused)) => self.step(Input::Knock),
            Some(Runs | Down(Nap::Stopped)) | None => Ok(()),
        }
    }

    /// A connection to that run moves bytes, and will again.
    pub fn flow(&mut self, run: u32, left: u64) {
        if self.engine.run != run || left == 0 {
            return;
        }
        if self.engine.life == Some(Runs) {
            self.active_at.push(self.now);
        }
        let next = self.dice.within(50, 4_000);
        self.after(next, Happening::Flow(run, left - 1));
    }

    /// The counters: whether anything moved since they were read.
    pub fn count(&mut self) -> Option<Input> {
        let moved = self.active_at.last().is_some_and(|at| *at > self.looked_at);
        self.looked_at = self.now;
        moved.then(|| Input::Activity(self.instant()))
    }

    pub fn nobody_waits_too_long(&self) -> Result<(), Wrong> {
        let [held, frozen] = [&self.held, &self.frozen].map(|all| all.first());
        let blind = self.blindness();
        match (held, frozen) {
            (Some(at), _) if self.now - at > self.budget => {
                Err(format!("who knocked at {at} waits unanswered"))
            }
            (_, Some(at)) if self.now - at > self.budget + blind => {
                Err(format!("who came to the frozen one at {at} waits unanswered"))
            }
            _ => Ok(()),
        }
    }
}

fn name(action: &Action) -> &'static str {
    match action {
        Action::AskTurn => "ask turn",
        Action::Give(Order::Start, _) => "start",
        Action::Give(Order::Unpause, _) => "unpause",
        Action::Give(Order::Pause, _) => "pause",
        Action::Give(Order::Stop, _) => "stop",
        Action::Give(Order::Signal, _) => "signal",
        Action::Give(Order::Kill, _) => "kill",
        Action::ReadStatus(_) => "read status",
        Action::Probe(_) => "probe",
        Action::LookOnce(_) => "look once",
        Action::DoorUp => "door up",
        Action::DoorDown => "door down",
        Action::Admit => "admit",
        Action::TurnAway(_) => "turn away",
        Action::Leave => "leave",
        Action::Say(_) => "say",
    }
}
