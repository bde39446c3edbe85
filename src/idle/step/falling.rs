//! From idle to asleep: the steps of the machine that are more than a line. Not which of them is
//! taken.

use std::time::{Duration, Instant};

use crate::duration;
use crate::error::Why;
use crate::idle::backend::{Life, Nap, Order};
use crate::idle::message::Action::{Admit, LookOnce, TurnAway};
use crate::idle::state::{Answer, Cause, Doubt, Failure, Given, Look, State, Stop, Up, Wake};

use super::rising::{Fate, fate};
use super::{ENDS_WITHIN, Machine, Step};
use State as S;

/// Between the door going up and the last look: long enough for what was on its way.
const LOOK_AFTER: Duration = Duration::from_millis(100);
/// The longest wait for that look's answer.
const LOOK_WITHIN: Duration = Duration::from_secs(5);

impl Machine {
    /// When the order under way has taken too long.
    pub(super) fn stop_limit(&self, stop: &Stop) -> Instant {
        stop.since
            + match stop.given.order {
                Order::Stop | Order::Signal => self.terms.kill_after,
                Order::Pause | Order::Kill => ENDS_WITHIN,
                Order::Start | Order::Unpause => unreachable!("these wake"),
            }
    }
}

impl Step<'_> {
    /// Somebody came straight to it.
    pub(super) fn admit(&mut self, up: Up) -> State {
        self.out.push(Admit);
        S::Awake(up.active(self.now))
    }

    pub(super) fn idled(&mut self, up: Up) -> State {
        if self.machine.sleep_at(&up).is_none_or(|at| self.now < at) {
            return S::Awake(up);
        }
        let order = self.machine.terms.sleep;
        match order {
            // There is no door to wait for: a knock at what is frozen waits in the kernel.
            Order::Pause => self.look_once(up, order),
            _ => S::Hesitating(Doubt { up, order, look: Look::At(self.now + LOOK_AFTER) }),
        }
    }

    /// Something moved, or somebody came, before anything was ordered.
    pub(super) fn stirred(&mut self, doubt: Doubt, at: Instant) -> State {
        S::Awake(doubt.up.active(at.min(self.now)))
    }

    pub(super) fn hesitated(&mut self, doubt: Doubt) -> State {
        match doubt.look {
            look if self.now < look.at() => S::Hesitating(doubt),
            Look::At(_) => self.look_once(doubt.up, doubt.order),
            // Without an answer we know nothing, and it stays awake.
            Look::Asked(..) => S::Awake(doubt.up.active(self.now)),
        }
    }

    fn look_once(&mut self, up: Up, order: Order) -> State {
        let ticket = self.ticket();
        self.out.push(LookOnce(ticket));
        S::Hesitating(Doubt { up, order, look: Look::Asked(ticket, self.now + LOOK_WITHIN) })
    }

    pub(super) fn told_to_sleep(&mut self, up: Up) -> State {
        match self.machine.needed {
            true => self.stays(S::Awake(up), "something awake needs it"),
            false => self.doze(up),
        }
    }

    /// To sleep with what runs and was not ready.
    pub(super) fn given_up(&mut self, failure: Failure) -> State {
        match failure.life {
            Life::Runs if self.machine.needed => {
                self.stays(S::Failed(failure), "something awake needs it")
            }
            Life::Runs => self.doze(Up::found(self.now)),
            Life::Down(_) => S::Failed(failure),
        }
    }

    pub(super) fn doze(&mut self, up: Up) -> State {
        let order = self.machine.terms.sleep;
        let given = Given::new(order, self.give(order), self.now);
        S::stopping(Stop { up, since: self.now, given, knocked: None })
    }

    pub(super) fn is_down(&mut self, stop: Stop, nap: Nap) -> State {
        let will_end = match stop.given.order {
            Order::Stop | Order::Signal => !stop.given.is_refused(),
            // What a kill follows may still come, though the kill does not.
            Order::Kill => true,
            Order::Pause => false,
            Order::Start | Order::Unpause => unreachable!("these wake"),
        };
        match stop.knocked {
            // Frozen by other hands. It is to end all the same, and may do so at any moment.
            _ if nap == Nap::Paused && will_end => S::stopping(stop),
            Some(wake) => S::Waiting { nap, wake: wake.afresh(self.now) },
            None => S::Asleep { nap },
        }
    }

    /// It went down, and was started or unpaused by other hands before we saw either.
    fn back(&mut self, stop: Stop) -> State {
        let other = || Wake::new(Cause::OtherHands, self.now);
        let wake = stop.knocked.map_or_else(other, |wake| wake.afresh(self.now));
        match stop.given.order {
            Order::Pause => self.ready(wake),
            _ => self.boot(wake),
        }
    }

    /// The status says that it runs.
    pub(super) fn still_up(&mut self, stop: Stop) -> State {
        match stop.given.answer {
            Answer::Awaited => S::stopping(stop),
            Answer::Yes => self.back(stop),
            Answer::No(_) => self.stays_up(stop),
        }
    }

    /// The engine will not put it to sleep. After the time to be idle it is asked again; but what
    /// should be dead by now is not trusted again.
    fn stays_up(&mut self, stop: Stop) -> State {
        match (&stop.given.answer, self.machine.told) {
            (Answer::Awaited | Answer::Yes, _) => S::stopping(stop),
            (Answer::No(_), Life::Down(nap)) => self.is_down(stop, nap),
            (Answer::No(_), Life::Runs) if stop.given.order == Order::Kill => S::stopping(stop),
            (Answer::No(why), Life::Runs) => {
                self.problem(format!("it was not put to sleep: {why}"));
                S::Awake(stop.up.active(self.now))
            }
        }
    }

    pub(super) fn stop_accepted(&mut self, stop: Stop) -> State {
        match stop.given.order {
            Order::Stop | Order::Pause => {
                let given = stop.given.answered(Answer::Yes, self.now);
                S::stopping(Stop { given: self.look(given), ..stop })
            }
            // Sent is not ended.
            _ => S::stopping(stop),
        }
    }

    pub(super) fn stop_refused(&mut self, stop: Stop, why: &Why) -> State {
        let answer = match fate(why) {
            Fate::Unknown => Answer::Awaited,
            Fate::Undone | Fate::Never => Answer::No(why.to_string()),
        };
        S::stopping(Stop { given: stop.given.answered(answer, self.now), ..stop })
    }

    pub(super) fn stopped(&mut self, stop: Stop) -> State {
        if self.now >= self.machine.stop_limit(&stop) {
            return self.overdue(stop);
        }
        if self.now >= stop.given.look_at {
            return self.look_at_stop(stop);
        }
        S::stopping(stop)
    }

    pub(super) fn look_at_stop(&mut self, stop: Stop) -> State {
        S::stopping(Stop { given: self.look(stop.given), ..stop })
    }

    /// It should be down by now.
    fn overdue(&mut self, stop: Stop) -> State {
        match (stop.given.order, &stop.given.answer) {
            (Order::Stop | Order::Signal | Order::Pause, Answer::No(_)) => self.stays_up(stop),
            (Order::Pause, Answer::Awaited | Answer::Yes) => {
                let within = duration::show(ENDS_WITHIN);
                self.problem(format!("it was not paused within {within}"));
                S::Awake(stop.up.active(self.now))
            }
            (Order::Stop | Order::Signal, Answer::Awaited | Answer::Yes) => {
                let within = duration::show(self.machine.terms.kill_after);
                self.problem(format!("it did not stop within {within}: it is killed"));
                self.kill(stop)
            }
            _ => {
                let what = format!("it was killed, and runs after {}", duration::show(ENDS_WITHIN));
                self.out.extend(stop.knocked.map(|_| TurnAway(what.clone())));
                self.problem(what);
                self.kill(Stop { knocked: None, ..stop })
            }
        }
    }

    fn kill(&mut self, stop: Stop) -> State {
        let given = Given::new(Order::Kill, self.give(Order::Kill), self.now);
        S::stopping(Stop { since: self.now, given, ..stop })
    }
}
