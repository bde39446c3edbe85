//! From a knock to awake: the steps of the machine that are more than a line. Not which of them
//! is taken.

use std::time::{Duration, Instant};

use crate::duration;
use crate::error::Why;
use crate::idle::backend::{Kind, Life, Nap, Order};
use crate::idle::message::Action;
use crate::idle::state::{Answer, Cause, Failure, Given, Probe, Start, State, Up, Wake};
use crate::plan::Ready;

use super::{Down, FAILED_FOR, Runs, Step};
use State as S;

/// What a refusal leaves open.
pub(super) enum Fate {
    /// Perhaps it is carried out all the same.
    Unknown,
    /// It was not. It may be so already, or go another way: the status tells.
    Undone,
    /// It was not, and would not be if given again.
    Never,
}

/// What became of an order that was refused so.
pub(super) fn fate(why: &Why) -> Fate {
    match why {
        Why::TimedOut(_) | Why::Broken(_) => Fate::Unknown,
        Why::AlreadySo | Why::Conflict(_) | Why::NotFound(_) | Why::Unreachable(_) => Fate::Undone,
        Why::Forbidden(_) | Why::TooOld(_) | Why::NotAnEngine(_) => Fate::Never,
        Why::Refused { .. } | Why::Failed(_) | Why::Invalid(_) => Fate::Never,
    }
}

impl Step<'_> {
    pub(super) fn start(&mut self, nap: Nap, wake: Wake) -> State {
        let order = order_for(nap);
        let given = Given::new(order, self.give(order), self.now);
        S::starting(Start { nap, wake: wake.afresh(self.now), given })
    }

    /// Somebody joins those who wait for its turn.
    pub(super) fn joined(&mut self, nap: Nap, wake: Wake, new: Wake) -> State {
        S::Waiting { nap, wake: wake.joined(new.cause) }
    }

    /// Nothing needs it any more: it wakes only if somebody came for it alone.
    pub(super) fn spared(&mut self, nap: Nap, wake: Wake) -> State {
        match wake.cause {
            Cause::Dependant => S::Asleep { nap },
            Cause::Knock | Cause::Command | Cause::OtherHands | Cause::Found => {
                S::Waiting { nap, wake }
            }
        }
    }

    /// It runs. What was only frozen is as ready as it was; what was started has to prove it.
    pub(super) fn risen(&mut self, nap: Nap, wake: Wake) -> State {
        match nap {
            Nap::Paused => self.ready(wake),
            Nap::Stopped => self.boot(wake),
        }
    }

    pub(super) fn ready(&mut self, wake: Wake) -> State {
        if matches!(wake.cause, Cause::Knock | Cause::Command | Cause::Dependant) {
            self.machine.past.add(self.now.saturating_duration_since(wake.begun));
        }
        S::Awake(Up::new(wake.cause, self.now))
    }

    /// It runs after all.
    pub(super) fn found(&mut self) -> State {
        S::Awake(Up::found(self.now))
    }

    /// Until it is ready. A job is when it runs.
    pub(super) fn boot(&mut self, wake: Wake) -> State {
        if self.machine.terms.kind == Kind::Job {
            return self.ready(wake);
        }
        let probes = self.machine.terms.ready != Some(Ready::Healthy);
        let probe = probes.then(|| self.probe(Probe::new(self.now)));
        S::Booting { wake, probe }
    }

    fn probe(&mut self, probe: Probe) -> Probe {
        let ticket = self.ticket();
        self.out.push(Action::Probe(ticket));
        probe.sent(ticket)
    }

    pub(super) fn failed(&mut self, life: Life, why: String) -> State {
        S::Failed(Failure { life, why, until: self.now + FAILED_FOR })
    }

    /// It ended, or was frozen, while it booted.
    pub(super) fn fell(&mut self, nap: Nap) -> State {
        let what = match nap {
            Nap::Stopped => "it ended before it was ready",
            Nap::Paused => "it was paused before it was ready",
        };
        self.failed(Down(nap), what.into())
    }

    pub(super) fn waited(&mut self, nap: Nap, wake: Wake) -> State {
        let turn_timeout = self.machine.terms.turn_timeout;
        if self.now < wake.since + turn_timeout {
            return S::Waiting { nap, wake };
        }
        let what = format!("its turn to wake did not come within {}", duration::show(turn_timeout));
        self.failed(Down(nap), what)
    }

    pub(super) fn started(&mut self, start: Start) -> State {
        if self.now >= self.wake_limit(&start.wake) {
            let refusal = match start.given.answer {
                Answer::No(why) => format!(": {why}"),
                Answer::Awaited | Answer::Yes => String::new(),
            };
            return self.failed(Down(start.nap), self.too_late("it did not start") + &refusal);
        }
        if self.now >= start.given.look_at {
            return self.look_at_start(start);
        }
        S::starting(start)
    }

    pub(super) fn look_at_start(&mut self, start: Start) -> State {
        S::starting(Start { given: self.look(start.given), ..start })
    }

    pub(super) fn start_accepted(&mut self, start: Start) -> State {
        let given = start.given.answered(Answer::Yes, self.now);
        S::starting(Start { given: self.look(given), ..start })
    }

    pub(super) fn start_refused(&mut self, start: Start, why: &Why) -> State {
        match fate(why) {
            Fate::Never => self.failed(Down(start.nap), why.to_string()),
            // To start what has started meanwhile does no harm.
            Fate::Unknown | Fate::Undone => {
                let given = start.given.answered(Answer::No(why.to_string()), self.now);
                S::starting(Start { given, ..start })
            }
        }
    }

    /// The status says that it does not run.
    pub(super) fn still_down(&mut self, start: Start, nap: Nap) -> State {
        match (&start.given.answer, start.given.order, nap) {
            (Answer::Awaited, _, _) => S::starting(Start { nap, ..start }),
            (Answer::Yes, Order::Start, Nap::Stopped) => self.brief(),
            (Answer::Yes, _, _) => {
                let no = Answer::No("it did not stay as it was told to be".into());
                let given = start.given.answered(no, self.now);
                S::starting(Start { nap, given, ..start })
            }
            (Answer::No(_), _, _) => {
                let order = order_for(nap);
                let ticket = self.give(order);
                let given = start.given.again(order, ticket, self.now);
                S::starting(Start { nap, given, ..start })
            }
        }
    }

    /// It was started, and has ended already.
    fn brief(&mut self) -> State {
        const WHAT: &str = "it ended as soon as it was started";
        match self.machine.terms.kind {
            Kind::Service => self.failed(Down(Nap::Stopped), WHAT.into()),
            Kind::Job => {
                self.out.push(Action::TurnAway(WHAT.into()));
                S::Asleep { nap: Nap::Stopped }
            }
        }
    }

    pub(super) fn booted(&mut self, wake: Wake, probe: Option<Probe>) -> State {
        if self.now >= self.wake_limit(&wake) {
            let why = self.too_late("it runs, but was not ready");
            return self.failed(Runs, why);
        }
        let due = |probe: &Probe| probe.due().is_some_and(|at| self.now >= at);
        let is_due = probe.as_ref().is_some_and(due);
        let probe = if is_due { probe.map(|probe| self.probe(probe)) } else { probe };
        S::Booting { wake, probe }
    }

    pub(super) fn not_ready(&mut self, wake: Wake, probe: Option<Probe>) -> State {
        S::Booting { wake, probe: probe.map(|probe| probe.again(self.now)) }
    }

    pub(super) fn turn_away(&mut self, failure: Failure) -> State {
        self.out.push(Action::TurnAway(failure.why.clone()));
        S::Failed(failure)
    }

    pub(super) fn try_again(&mut self, failure: Failure, wake: Wake) -> State {
        match failure.life {
            Down(nap) => S::Waiting { nap, wake },
            Runs => self.boot(wake),
        }
    }

    /// The failure is over.
    pub(super) fn rested(&mut self, failure: Failure) -> State {
        match failure.life {
            _ if self.now < failure.until => S::Failed(failure),
            Down(nap) => S::Asleep { nap },
            Runs => self.found(),
        }
    }

    /// Other hands, or an order that was given up as failed, changed what it does.
    pub(super) fn corrected(&mut self, failure: Failure, life: Life, wake: Wake) -> State {
        match (failure.life, life) {
            (Down(nap), Runs) => self.risen(nap, wake),
            (Runs, Runs) | (_, Down(_)) => S::Failed(Failure { life, ..failure }),
        }
    }

    fn wake_limit(&self, wake: &Wake) -> Instant {
        self.machine.wake_limit(wake)
    }

    fn too_late(&self, what: &str) -> String {
        let limit: Duration = self.machine.terms.wake_timeout;
        format!("{what} within {}", duration::show(limit))
    }
}

fn order_for(nap: Nap) -> Order {
    match nap {
        Nap::Stopped => Order::Start,
        Nap::Paused => Order::Unpause,
    }
}
