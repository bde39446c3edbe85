//! What a world makes of the fleet's actions, and those who come to the doors.

use drowse::error::Why;
use drowse::idle::backend::{Life, Nap};
use drowse::idle::group::Key;
use drowse::idle::message::{Action, Input};
use drowse::idle::state::Door;

use super::world::{Happening, POLL_MS, World, Wrong};
use crate::idle_world::engine::Course;

use Life::{Down, Runs};

impl World {
    pub fn act_all(&mut self, actions: Vec<(Key, Action)>) -> Result<(), Wrong> {
        self.count_begun();
        actions.into_iter().try_for_each(|(key, action)| self.act(key, action))
    }

    fn act(&mut self, key: Key, action: Action) -> Result<(), Wrong> {
        *self.tally.entry(name(&action)).or_default() += 1;
        let lost = self.is_lost(key);
        match action {
            Action::AskTurn => return Err("the fleet asks for a turn".into()),
            Action::Give(order, ticket) => {
                self.judge(key, order)?;
                let Some(being) = self.beings.get_mut(&key) else {
                    return Ok(());
                };
                let course = match lost {
                    true => Course::refused(5, Why::Unreachable("connection refused".into())),
                    false => being.body.order(order, &mut self.dice),
                };
                if being.known_run != being.body.run {
                    // Other hands started it anew, and the fleet can't know yet.
                    being.body.doomed = 0;
                }
                for (delay, effect) in course.effects {
                    self.after(delay, Happening::Effect(key, effect));
                }
                let (mut delay, answer) = course.answer;
                if self.is_polled(key) && !lost {
                    // Its task is looked at, or only asked somebody else for it and tells nothing.
                    delay += self.dice.below(1_000);
                    if answer.is_ok() && self.dice.percent(10) {
                        return Ok(());
                    }
                }
                let input = match answer {
                    Ok(()) => Input::Accepted(ticket),
                    Err(why) => Input::Refused(ticket, why),
                };
                self.after(delay, Happening::Tell(key, input));
            }
            Action::ReadStatus(ticket) => {
                let (ask, answer) = (self.dice.below(20), self.dice.below(30));
                self.after(ask, Happening::Sample(key, ticket, answer));
            }
            Action::Probe(ticket) => {
                let (ask, answer) = (self.dice.below(10), self.dice.one(&[0, 2, 5, 300]));
                self.after(ask, Happening::Probe(key, ticket, answer));
            }
            Action::LookOnce(ticket) => self.after(0, Happening::Count(key, ticket, 0)),
            Action::DoorUp => self.door_moves(key, Door::Up)?,
            Action::DoorDown => self.door_moves(key, Door::Down)?,
            Action::Admit => self.admit(key)?,
            Action::TurnAway(why) => self.turned_away(key, &why)?,
            Action::Leave | Action::Say(_) => {}
        }
        Ok(())
    }

    fn door_moves(&mut self, key: Key, to: Door) -> Result<(), Wrong> {
        let Some(being) = self.beings.get_mut(&key) else {
            return Ok(());
        };
        if being.door == to {
            return Err(format!("the door of {key:?} is {to:?} already"));
        }
        being.door = to;
        Ok(())
    }

    fn turned_away(&mut self, key: Key, why: &str) -> Result<(), Wrong> {
        let Some(being) = self.beings.get_mut(&key) else {
            return Ok(());
        };
        // A job's end, and a wake of what only had to start, turn nobody away who came.
        let came = !being.held.is_empty() || !being.frozen.is_empty();
        being.held.clear();
        being.frozen.clear();
        match self.is_calm && came {
            true => Err(format!("{key:?} turned somebody away: {why}")),
            false => Ok(()),
        }
    }

    fn admit(&mut self, key: Key) -> Result<(), Wrong> {
        let flows = self.dice.below(4);
        let Some(being) = self.beings.get_mut(&key) else {
            return Ok(());
        };
        if being.held.is_empty() {
            return Ok(());
        }
        if being.is_doomed() {
            return Err(format!("admitted to {key:?}, which is being stopped"));
        }
        if being.body.life != Some(Runs) && being.told.life != Runs {
            return Err(format!("admitted to {key:?}, which does not run"));
        }
        being.held.clear();
        let run = being.body.run;
        self.flow(key, run, flows);
        Ok(())
    }

    /// Somebody connects to one that has a machine.
    pub fn client(&mut self) -> Result<(), Wrong> {
        if self.is_wild() {
            let next = self.dice.within(200, 9_000);
            self.after(next, Happening::Client);
        }
        let watched = self
            .beings
            .values()
            .filter(|being| !being.is_brief && self.fleet.machine(being.key).is_some());
        let keys: Vec<Key> = watched.map(|being| being.key).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let (key, flows) = (self.dice.one(&keys), self.dice.below(5));
        *self.tally.entry("client").or_default() += 1;
        let now = self.now;
        let Some(being) = self.beings.get_mut(&key) else {
            return Ok(());
        };
        match (being.door, being.body.life) {
            (Door::Up, _) => {
                being.held.push(now);
                self.tell(key, Input::Knock)
            }
            (Door::Down, Some(Runs)) if being.is_doomed() => {
                Err(format!("handed to {key:?}, which is being stopped"))
            }
            (Door::Down, Some(Runs)) => {
                let run = being.body.run;
                self.flow(key, run, flows);
                Ok(())
            }
            (Door::Down, Some(Down(Nap::Paused))) => {
                being.frozen.push(now);
                self.peek(key)
            }
            (Door::Down, Some(Down(Nap::Stopped))) if being.told.life == Down(Nap::Stopped) => {
                Err(format!("refused at {key:?}, which is known to sleep"))
            }
            (Door::Down, Some(Down(Nap::Stopped)) | None) => Ok(()),
        }
    }

    /// The look at the frozen: as long as something waits there, it knocks.
    pub fn peek(&mut self, key: Key) -> Result<(), Wrong> {
        let state = self.fleet.machine(key).map(|machine| machine.state().life());
        let Some(being) = self.beings.get_mut(&key) else {
            return Ok(());
        };
        if being.body.life != Some(Down(Nap::Paused)) || state.is_none() {
            being.frozen.clear();
        }
        if being.frozen.is_empty() {
            return Ok(());
        }
        self.after(200, Happening::Peek(key));
        match state.flatten() {
            Some(Down(Nap::Paused)) => self.tell(key, Input::Knock),
            Some(Runs | Down(Nap::Stopped)) | None => Ok(()),
        }
    }

    /// A connection to that run moves bytes, and will again.
    pub fn flow(&mut self, key: Key, run: u32, left: u64) {
        let now = self.now;
        let Some(being) = self.beings.get_mut(&key) else {
            return;
        };
        if being.body.run != run || left == 0 {
            return;
        }
        if being.body.life == Some(Runs) {
            being.active_at = Some(now);
        }
        let next = self.dice.within(50, 3_000);
        self.after(next, Happening::Flow(key, run, left - 1));
    }

    /// The counters: whether anything moved since they were read.
    pub fn count(&mut self, key: Key) -> Option<Input> {
        let (now, instant) = (self.now, self.instant());
        let being = self.beings.get_mut(&key)?;
        let moved = being.active_at.is_some_and(|at| at > being.looked_at);
        being.looked_at = now;
        moved.then(|| {
            being.seen_at = Some(now);
            Input::Activity(instant)
        })
    }

    pub fn poll(&mut self) -> Result<(), Wrong> {
        self.after(POLL_MS, Happening::Poll);
        for key in self.beings.keys().copied().collect::<Vec<_>>() {
            if let Some(input) = self.count(key) {
                self.tell(key, input)?;
            }
        }
        Ok(())
    }
}

fn name(action: &Action) -> &'static str {
    match action {
        Action::AskTurn => "ask turn",
        Action::Give(order, _) => match order {
            drowse::idle::backend::Order::Start => "start",
            drowse::idle::backend::Order::Unpause => "unpause",
            drowse::idle::backend::Order::Pause => "pause",
            drowse::idle::backend::Order::Stop => "stop",
            drowse::idle::backend::Order::Signal => "signal",
            drowse::idle::backend::Order::Kill => "kill",
        },
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
