//! The states of a watched container, each with what only it needs to know. No state changes here.

use std::time::{Duration, Instant};

use crate::idle::backend::{Life, Nap, Order};

/// The number of a question. Its answer carries the same, so that a late answer to an older
/// question is known for what it is.
pub type Ticket = u32;

/// An order that is answered, but without its event, is checked against the status this soon; each
/// time it was refused in between doubles it.
const RETRY_FIRST: Duration = Duration::from_millis(50);
/// The longest such wait, and how long an event may take before the status is asked for.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// From one probe to the next at first; doubles.
const PROBE_FIRST: Duration = Duration::from_millis(5);
/// From one probe to the next at last.
const PROBE_LAST: Duration = Duration::from_millis(200);

/// Why it wakes, or was awake to begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Somebody came to a door of it.
    Knock,
    /// `drowse wake`.
    Command,
    /// Something that needs it wakes.
    Dependant,
    /// It was started or unpaused, and not by us.
    OtherHands,
    /// It ran when we first saw it, or by the time we gave up waiting for it to be ready.
    Found,
}

/// A wake under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wake {
    /// Who began it; who joins later waits for the same.
    pub cause: Cause,
    /// The first knock.
    pub begun: Instant,
    /// Where its present limit counts from: when it got in line, when it was ordered.
    pub since: Instant,
}

impl Wake {
    /// One that begins now.
    pub fn new(cause: Cause, now: Instant) -> Wake {
        Wake { cause, begun: now, since: now }
    }

    /// Somebody joins it: what only a dependant wanted is now wanted for itself.
    pub fn joined(self, cause: Cause) -> Wake {
        match self.cause {
            Cause::Dependant => Wake { cause, ..self },
            Cause::Knock | Cause::Command | Cause::OtherHands | Cause::Found => self,
        }
    }

    /// The same with a new limit, from now on.
    pub fn afresh(self, now: Instant) -> Wake {
        Wake { since: now, ..self }
    }
}

/// A time awake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Up {
    /// What woke it.
    pub cause: Cause,
    /// When it was ready.
    pub since: Instant,
    /// The last activity.
    pub quiet_since: Instant,
}

impl Up {
    /// One that begins now.
    pub fn new(cause: Cause, now: Instant) -> Up {
        Up { cause, since: now, quiet_since: now }
    }

    /// It runs, whoever began that.
    pub fn found(now: Instant) -> Up {
        Up::new(Cause::Found, now)
    }

    /// The same with activity at that time.
    pub fn active(self, at: Instant) -> Up {
        Up { quiet_since: self.quiet_since.max(at), ..self }
    }
}

/// What came of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing yet, or nothing that tells whether it will be carried out.
    Awaited,
    /// The engine did it, so its status must show.
    Yes,
    /// It will not be carried out: why.
    No(String),
}

/// An order that was given, and whose event has not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Which.
    pub order: Order,
    /// Its number.
    pub ticket: Ticket,
    /// What came of it.
    pub answer: Answer,
    /// The last question for the status.
    pub look: Option<Ticket>,
    /// When the next one is due.
    pub look_at: Instant,
    /// How long after the next refusal.
    retry: Duration,
}

impl Given {
    /// An order given now.
    pub fn new(order: Order, ticket: Ticket, now: Instant) -> Given {
        let (answer, look_at) = (Answer::Awaited, now + LOOK_EVERY);
        Given { order, ticket, answer, look: None, look_at, retry: RETRY_FIRST }
    }

    /// It will not be carried out.
    pub fn is_refused(&self) -> bool {
        matches!(self.answer, Answer::No(_))
    }

    fn awaits(&self, ticket: Ticket) -> bool {
        self.ticket == ticket || self.look == Some(ticket)
    }

    /// Given once more, at the pace that came of the refusals so far.
    pub fn again(self, order: Order, ticket: Ticket, now: Instant) -> Given {
        Given { retry: self.retry, ..Given::new(order, ticket, now) }
    }

    /// The status was asked for under that number.
    pub fn looked(self, ticket: Ticket, now: Instant) -> Given {
        Given { look: Some(ticket), look_at: now + LOOK_EVERY, ..self }
    }

    /// Answered in a way that the status must explain.
    pub fn answered(self, answer: Answer, now: Instant) -> Given {
        let retry = (self.retry * 2).min(LOOK_EVERY);
        Given { answer, look_at: now + self.retry, retry, ..self }
    }
}

/// Our own look whether it is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The one under way.
    pub asked: Option<Ticket>,
    /// When the next one is due.
    pub at: Instant,
    /// How long after that one's answer the one after it.
    wait: Duration,
}

impl Probe {
    /// The first, due now.
    pub fn new(now: Instant) -> Probe {
        Probe { asked: None, at: now, wait: PROBE_FIRST }
    }

    /// Under way.
    pub fn sent(self, ticket: Ticket) -> Probe {
        Probe { asked: Some(ticket), ..self }
    }

    /// It was not ready.
    pub fn again(self, now: Instant) -> Probe {
        Probe { asked: None, at: now + self.wait, wait: (self.wait * 2).min(PROBE_LAST) }
    }

    /// When the next one is to be sent; `None`: one is under way.
    pub fn due(&self) -> Option<Instant> {
        self.asked.is_none().then_some(self.at)
    }
}

/// The last look at the counters before it is put to sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// To be taken at that time.
    At(Instant),
    /// Under way; not waited for longer than that.
    Asked(Ticket, Instant),
}

impl Look {
    /// When it wants a tick.
    pub fn at(self) -> Instant {
        match self {
            Look::At(at) | Look::Asked(_, at) => at,
        }
    }

    fn awaits(self, ticket: Ticket) -> bool {
        matches!(self, Look::Asked(asked, _) if asked == ticket)
    }
}

/// A container that may sleep soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// The time awake that may end.
    pub up: Up,
    /// What will be ordered.
    pub order: Order,
    /// The look.
    pub look: Look,
}

/// A container told to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// How it is down.
    pub nap: Nap,
    /// The wake.
    pub wake: Wake,
    /// The order.
    pub given: Given,
}

/// A container being put to sleep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The time awake that ends.
    pub up: Up,
    /// When the order under way was first given.
    pub since: Instant,
    /// That order.
    pub given: Given,
    /// Who wants it awake again as soon as it is down.
    pub knocked: Option<Wake>,
}

impl Stop {
    /// Somebody wants it awake again; the first who did counts.
    pub fn knocked(self, wake: Wake) -> Stop {
        let first = self.knocked.map_or(wake, |first| first.joined(wake.cause));
        Stop { knocked: Some(first), ..self }
    }

    /// What only a dependant wanted is not wanted any more.
    pub fn spared(self) -> Stop {
        let wanted = self.knocked.filter(|wake| wake.cause != Cause::Dependant);
        Stop { knocked: wanted, ..self }
    }
}

/// A wake that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the container does.
    pub life: Life,
    /// What who knocks is told.
    pub why: String,
    /// How long.
    pub until: Instant,
}

/// What a watched container does, as far as drowse is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Down; the next knock wakes it.
    Asleep {
        /// How.
        nap: Nap,
    },
    /// Down, and waits for its turn to wake.
    Waiting {
        /// How it is down.
        nap: Nap,
        /// The wake.
        wake: Wake,
    },
    /// Down, and told to run.
    Starting(Box<Start>),
    /// Runs, but is not ready for those who knocked.
    Booting {
        /// The wake.
        wake: Wake,
        /// Our own look; `None`: only the engine's health check counts.
        probe: Option<Probe>,
    },
    /// Runs, and everybody may come.
    Awake(Up),
    /// Idle for long enough; one more look, with the door up already.
    Hesitating(Doubt),
    /// Told to go to sleep.
    Stopping(Box<Stop>),
    /// Could not be woken: for a moment a knock is answered with that at once.
    Failed(Failure),
    /// Removed, or no longer watched. Nothing follows.
    Gone {
        /// Which of them.
        why: &'static str,
    },
}

/// Where connections for the container go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// To drowse, which holds them.
    Up,
    /// Straight to it; or it is frozen, and the kernel holds them.
    Down,
}

/// The states as `status` and those that depend on it see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Phase {
    Asleep,
    Waking,
    Awake,
    GoingToSleep,
    Failed,
    Gone,
}

impl State {
    /// Told to run. Boxed, as most containers rest in smaller states.
    pub fn starting(start: Start) -> State {
        State::Starting(Box::new(start))
    }

    /// Told to go to sleep.
    pub fn stopping(stop: Stop) -> State {
        State::Stopping(Box::new(stop))
    }

    /// The phase it belongs to. While it hesitates it is awake.
    pub fn phase(&self) -> Phase {
        match self {
            State::Asleep { .. } => Phase::Asleep,
            State::Waiting { .. } | State::Starting(_) | State::Booting { .. } => Phase::Waking,
            State::Awake(_) | State::Hesitating(_) => Phase::Awake,
            State::Stopping(_) => Phase::GoingToSleep,
            State::Failed(_) => Phase::Failed,
            State::Gone { .. } => Phase::Gone,
        }
    }

    /// Whether its door is up: whenever nobody may be handed to the container, except where that
    /// is, or soon will be, frozen.
    pub fn door(&self) -> Door {
        let up = match self {
            State::Asleep { nap } | State::Waiting { nap, .. } => *nap == Nap::Stopped,
            State::Starting(start) => start.nap == Nap::Stopped,
            State::Failed(failure) => failure.life != Life::Down(Nap::Paused),
            State::Booting { .. } => true,
            State::Hesitating(doubt) => doubt.order != Order::Pause,
            State::Stopping(stop) => stop.given.order != Order::Pause,
            State::Awake(_) | State::Gone { .. } => false,
        };
        if up { Door::Up } else { Door::Down }
    }

    /// What we take the container to do; `None`: nothing any more.
    pub fn life(&self) -> Option<Life> {
        match self {
            State::Asleep { nap } | State::Waiting { nap, .. } => Some(Life::Down(*nap)),
            State::Starting(start) => Some(Life::Down(start.nap)),
            State::Booting { .. } | State::Awake(_) => Some(Life::Runs),
            State::Hesitating(_) | State::Stopping(_) => Some(Life::Runs),
            State::Failed(failure) => Some(failure.life),
            State::Gone { .. } => None,
        }
    }

    /// Whether the answer of that number is still waited for.
    pub fn awaits(&self, ticket: Ticket) -> bool {
        match self {
            State::Starting(start) => start.given.awaits(ticket),
            State::Stopping(stop) => stop.given.awaits(ticket),
            State::Booting { probe, .. } => probe.is_some_and(|probe| probe.asked == Some(ticket)),
            State::Hesitating(doubt) => doubt.look.awaits(ticket),
            State::Asleep { .. } | State::Waiting { .. } | State::Awake(_) => false,
            State::Failed(_) | State::Gone { .. } => false,
        }
    }
}
