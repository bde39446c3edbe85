//! What follows for all when one has moved: who is needed, who can't wake, whose turn it is. Tells
//! the machines; what they do about it is theirs.

use std::time::Instant;

use super::{Fleet, Out};
use crate::idle::backend::{Kind, Life, Nap};
use crate::idle::group::{Key, Standing};
use crate::idle::message::Input;
use crate::idle::state::{Cause, Phase, State, Wake};
use crate::idle::step::Machine;
use crate::plan::Condition;

/// What others want of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Demand {
    /// Somebody who is up, or will be, needs it up.
    pub is_held: bool,
    /// Somebody can't wake before it does.
    pub is_awaited: bool,
}

impl Fleet {
    /// Until nothing follows any more: each round ends a wait, begins a wake, or tells one machine
    /// what is true, and none of that is undone by another round.
    pub(super) fn settle(&mut self, now: Instant, out: &mut Out) {
        while std::mem::take(&mut self.is_moved) {
            let bodies = &self.bodies;
            self.line.retain(|key| bodies.get(key).is_some_and(|body| body.wake().is_some()));
            self.deny(now, out);
            self.rouse(now, out);
            self.give_turns(now, out);
        }
    }

    /// Whose wake can't come to anything fails now.
    fn deny(&mut self, now: Instant, out: &mut Out) {
        for key in self.line.clone() {
            if let Some(why) = self.hindrance(key, now) {
                self.step(key, Input::Denied(why), now, out);
            }
        }
    }

    /// Tells each machine whether it is needed, and wakes what others wait for.
    fn rouse(&mut self, now: Instant, out: &mut Out) {
        for key in self.machines().map(|(key, _)| key).collect::<Vec<_>>() {
            let Some(machine) = self.machine(key) else { continue };
            let Demand { is_held, is_awaited } = self.demand(key);
            let is_needed = is_held || is_awaited;
            let input = match machine.state() {
                // Those who wait for it are told why instead, and for others it was tried just now.
                State::Failed(failure) if is_awaited && now < failure.until => continue,
                State::Asleep { .. } | State::Failed(_) if is_awaited => Input::Needed,
                _ if is_needed == machine.is_needed() => continue,
                _ if is_needed => Input::Needed,
                _ => Input::Spare,
            };
            self.step(key, input, now, out);
        }
    }

    /// The first in line who lack nothing begin, as long as there is room.
    fn give_turns(&mut self, now: Instant, out: &mut Out) {
        let waking = self.machines().filter(|(_, machine)| is_waking(machine)).count();
        let free = self.max_waking.saturating_sub(waking);
        let ready = self.line.iter().filter(|key| self.lacks_nothing(**key));
        for key in ready.take(free).copied().collect::<Vec<_>>() {
            self.step(key, Input::Turn, now, out);
        }
    }

    /// What others want of it.
    pub(super) fn demand(&self, key: Key) -> Demand {
        let mut demand = Demand::default();
        for (of, condition) in self.graph.dependants(key) {
            demand.is_held |= self.holds(of, condition);
            let wake = self.bodies.get(&of).and_then(|body| body.wake());
            demand.is_awaited |= wake.is_some_and(|wake| !self.is_met(key, condition, wake));
        }
        demand
    }

    /// Whether a dependant wants what it needs up now. What had to end before it does not count.
    pub(super) fn holds(&self, dependant: Key, condition: Condition) -> bool {
        let Some(body) = self.bodies.get(&dependant) else { return false };
        let is_up = match body.machine.as_ref().map(Machine::state) {
            Some(state) => state.phase() == Phase::Waking || state.life() == Some(Life::Runs),
            None => body.sight.life == Life::Runs,
        };
        is_up && condition != Condition::ServiceCompletedSuccessfully
    }

    fn lacks_nothing(&self, key: Key) -> bool {
        let Some(wake) = self.bodies.get(&key).and_then(|body| body.wake()) else { return false };
        self.graph.needs(key).all(|(need, condition)| self.is_met(need, condition, wake))
    }

    /// Whether that wake may go on as far as this need is concerned. What only had to start, and
    /// has ended well meanwhile, did.
    fn is_met(&self, need: Key, condition: Condition, wake: Wake) -> bool {
        let standing = self.standing(need);
        let has_run = || {
            let ended = self.bodies.get(&need).and_then(|body| body.ended);
            ended.is_some_and(|at| at > wake.begun || self.is_failed(need))
        };
        let was_started = condition == Condition::ServiceStarted && standing == Standing::Done;
        standing.meets(condition) || was_started && has_run()
    }

    /// Why a wake has failed already, if it has.
    fn hindrance(&self, key: Key, now: Instant) -> Option<String> {
        let wake = self.bodies.get(&key)?.wake()?;
        let unmet = |(need, condition): &(Key, Condition)| !self.is_met(*need, *condition, wake);
        let mut unmet = self.graph.needs(key).filter(unmet);
        unmet.find_map(|(need, _)| {
            let body = self.bodies.get(&need)?;
            let why = match body.machine.as_ref().map(|machine| (machine.state(), machine.terms()))
            {
                None => "it is gone".to_owned(),
                Some((State::Failed(failure), _)) if now < failure.until => failure.why.clone(),
                Some((State::Asleep { nap: Nap::Stopped }, terms)) if terms.kind == Kind::Job => {
                    body.ended.filter(|at| *at > wake.begun)?;
                    match body.sight.exit {
                        Some(code) => format!("it ended with exit code {code}"),
                        None => "it ended, and nobody knows how".to_owned(),
                    }
                }
                Some(_) => return None,
            };
            Some(format!("{}, which it needs: {why}", body.name))
        })
    }
}

impl super::Body {
    /// The wake that waits for its turn.
    fn wake(&self) -> Option<Wake> {
        match self.machine.as_ref()?.state() {
            State::Waiting { wake, .. } => Some(*wake),
            _ => None,
        }
    }
}

/// Whether it takes room: who was woken, not who was started by other hands.
fn is_waking(machine: &Machine) -> bool {
    let cause = match machine.state() {
        State::Starting(start) => start.wake.cause,
        State::Booting { wake, .. } => wake.cause,
        _ => return false,
    };
    !matches!(cause, Cause::OtherHands | Cause::Found)
}
