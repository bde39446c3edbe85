//! When a watched container sleeps and when it wakes. Pure: no sockets, no clock; which container
//! may wake or sleep next to others is not decided here.
//!
//! ```text
//!            knock, wake, needed              turn                    it runs
//!   Asleep ──────────────────────▶ Waiting ─────────▶ Starting ────────────────▶ Booting
//!     ▲  ▲                            │ │                │ │ (was paused)           │ │
//!     │  │        denied, too late ◀──┘ │                │ └──────────────┐  ready  │ │
//!     │  └──5 s── Failed ◀──────────────┼── refused, ◀───┘                ▼ ◀───────┘ │
//!     │            │ ▲  └──5 s, it runs─┼─ too late                     Awake ◀─┐     │
//!     │            │ └──────────────────┼──────────────────────────────── │ ────┼─────┘
//!     │            └─ it runs ─▶ Booting│                            idle │     │ anything moved
//!     │                                 │ it is down, a knock             ▼     │ or knocked
//!     │ it is down                      └─────────────── Stopping ◀── Hesitating┘
//!     └───────────────────────────────────────────────────┘  nothing moved
//! ```
//!
//! Not drawn: what other hands do, from every state. Started: Booting; unpaused: Awake; stopped or
//! paused: Asleep, from Booting Failed; removed: Gone.
//!
//! - Orders are requests, events are truth. That an order was accepted changes no state; it only
//!   makes us ask for the status, in case the event is lost.
//! - A knock is answered: it waits until `Admit` or `TurnAway`. One that comes while the container
//!   goes to sleep calls that off as long as nothing is ordered; after that it is remembered.
//! - Nothing is put to sleep (but by command) without a last look at its counters, taken with the
//!   door up, so that nobody is handed to a container that is being stopped.
//! - A wake that fails is an answer too: for 5 s each knock gets it. A container that runs but was
//!   not ready in time is Awake after that: it may be our probe that is wrong.
//! - Every question has a number, and an answer to any but the last is dropped. So is what was told
//!   before: a list may tell again what every container does.
//! - A deadline never stays when it has come: a tick moves it.

mod falling;
mod rising;

use std::mem::{Discriminant, discriminant};
use std::time::{Duration, Instant};

use crate::idle::backend::{Life, Order, Terms};
use crate::idle::message::Action::*;
use crate::idle::message::Input::{self, *};
use crate::idle::message::{Action, News};
use crate::idle::past::Past;
use crate::idle::state::{Door, Failure, Given, Phase, Probe, Start, State, Ticket, Up, Wake};
use crate::plan;

use Life::{Down, Runs};
use State as S;

/// How long a failed wake answers for itself.
const FAILED_FOR: Duration = Duration::from_secs(5);
/// How long a pause or a kill may take until something is wrong.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// The machine of one container.
#[derive(Clone, Debug)]
pub struct Machine {
    state: State,
    terms: Terms,
    past: Past,
    /// What it does, by the last event or status.
    told: Life,
    /// Something awake needs it.
    needed: bool,
    /// Events are missing, so that stillness means nothing.
    lost: bool,
    kept_until: Option<Instant>,
    /// The number of the last question.
    last: Ticket,
}

impl Machine {
    /// The machine of a container that does this, and what to do first.
    pub fn new(life: Life, terms: Terms, now: Instant) -> (Machine, Vec<Action>) {
        let state = match life {
            Runs => S::Awake(Up::found(now)),
            Down(nap) => S::Asleep { nap },
        };
        let out = Vec::from_iter((state.door() == Door::Up).then_some(Action::DoorUp));
        let past = Past::default();
        let (needed, lost, kept_until, last) = (false, false, None, 0);
        (Machine { state, terms, past, told: life, needed, lost, kept_until, last }, out)
    }

    /// What it does now.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// How long its wakes took.
    pub fn past(&self) -> &Past {
        &self.past
    }

    /// What it goes by.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Whether something awake needs it, as it was told.
    pub fn is_needed(&self) -> bool {
        self.needed
    }

    /// Something awake needs it, and did so before we knew of either: it stays as it is.
    pub fn found_needed(&mut self) {
        self.needed = true;
    }

    /// Until when it was told to stay awake.
    pub fn kept_until(&self) -> Option<Instant> {
        self.kept_until
    }

    /// When it will sleep if nothing moves; `None`: it is not awake, or must stay so.
    pub fn sleeps_at(&self) -> Option<Instant> {
        let S::Awake(up) = &self.state else { return None };
        self.sleep_at(up)
    }

    /// When `step` next wants a `Tick`; `None`: only something else can change anything.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            S::Asleep { .. } | S::Gone { .. } => None,
            S::Waiting { wake, .. } => Some(wake.since + self.terms.turn_timeout),
            S::Starting(start) => Some(self.wake_limit(&start.wake).min(start.given.look_at)),
            S::Booting { wake, probe } => {
                let probe = probe.as_ref().and_then(Probe::due);
                probe.into_iter().chain([self.wake_limit(wake)]).min()
            }
            S::Awake(up) => self.sleep_at(up),
            S::Hesitating(doubt) => Some(doubt.look.at()),
            S::Stopping(stop) => Some(self.stop_limit(stop).min(stop.given.look_at)),
            S::Failed(failure) => Some(failure.until),
        }
    }

    /// One input, and what to do about it.
    pub fn step(&mut self, input: Input, now: Instant) -> Vec<Action> {
        if self.state.phase() == Phase::Gone || self.is_old(&input) {
            return Vec::new();
        }
        self.note(&input);
        let state = std::mem::replace(&mut self.state, S::Gone { why: "" });
        let was = (state.door(), state.phase(), discriminant(&state));
        let mut step = Step { machine: self, now, out: Vec::new() };
        let state = step.next(state, input);
        let mut out = step.out;
        enter(&state, was, &mut out);
        self.state = state;
        out
    }

    /// An answer to a question that is not asked any more, or what was told already.
    fn is_old(&self, input: &Input) -> bool {
        let stale = input.ticket().is_some_and(|ticket| !self.state.awaits(ticket));
        stale || matches!(input, Saw(life) if *life == self.told)
    }

    /// Takes down what holds in every state.
    fn note(&mut self, input: &Input) {
        match input {
            Needed => self.needed = true,
            Spare => self.needed = false,
            EngineLost => self.lost = true,
            EngineBack => self.lost = false,
            Keep(until) => self.kept_until = Some(*until),
            SleepOrder => self.kept_until = None,
            Reload(terms) => self.terms = *terms,
            Saw(life) | Status(_, life) => self.told = *life,
            Tick | Knock | WakeOrder | Activity(_) | Quiet(_) | Healthy | Gone | Released
            | Accepted(_) | Refused(..) | Ready(_) | NotReady(_) | Turn | Denied(_) => {}
        }
    }

    fn sleep_at(&self, up: &Up) -> Option<Instant> {
        let idle = up.quiet_since + self.terms.idle_timeout?;
        let free = !self.needed && !self.lost;
        free.then(|| self.kept_until.map_or(idle, |kept| kept.max(idle)))
    }

    fn wake_limit(&self, wake: &Wake) -> Instant {
        wake.since + self.terms.wake_timeout
    }
}

/// One step of a machine, whose state is in our hands meanwhile.
struct Step<'a> {
    machine: &'a mut Machine,
    now: Instant,
    out: Vec<Action>,
}

impl Step<'_> {
    /// The machine itself.
    fn next(&mut self, state: State, input: Input) -> State {
        let (now, new) = (self.now, Wake::new(input.cause(), self.now));
        match (state, input) {
            (_, Gone) => S::Gone { why: "it was removed" },
            (_, Released) => S::Gone { why: "it is no longer watched" },

            (S::Asleep { .. }, Saw(Down(nap))) => S::Asleep { nap },
            (S::Asleep { nap }, Knock | WakeOrder | Needed) => S::Waiting { nap, wake: new },
            (S::Asleep { nap }, Saw(Runs)) => self.risen(nap, new),
            (S::Waiting { nap, wake }, Turn) => self.start(nap, wake),
            (S::Waiting { nap, .. }, Denied(why)) => self.failed(Down(nap), why),
            (S::Waiting { nap, wake }, Knock | WakeOrder) => self.joined(nap, wake, new),
            (S::Waiting { nap, wake }, Spare) => self.spared(nap, wake),
            (S::Waiting { wake, .. }, Saw(Down(nap))) => S::Waiting { nap, wake },
            (S::Waiting { nap, wake }, Saw(Runs)) => self.risen(nap, wake.afresh(now)),
            (S::Waiting { nap, wake }, Tick) => self.waited(nap, wake),

            (S::Starting(s), Saw(Runs) | Status(_, Runs)) => self.risen(s.nap, s.wake),
            (S::Starting(s), Saw(Down(nap))) => S::starting(Start { nap, ..*s }),
            (S::Starting(s), Status(_, Down(nap))) => self.still_down(*s, nap),
            (S::Starting(s), Accepted(_)) => self.start_accepted(*s),
            (S::Starting(s), Refused(_, why)) => self.start_refused(*s, &why),
            (S::Starting(s), Tick) => self.started(*s),
            (S::Starting(s), EngineBack) => self.look_at_start(*s),
            (S::Booting { wake, .. }, Ready(_)) => self.ready(wake),
            (S::Booting { wake, .. }, Healthy) if self.heeds_health() => self.ready(wake),
            (S::Booting { wake, probe }, NotReady(_)) => self.not_ready(wake, probe),
            (S::Booting { .. }, Saw(Down(nap))) => self.fell(nap),
            (S::Booting { wake, probe }, Tick) => self.booted(wake, probe),

            (S::Awake(up), Knock | WakeOrder) => self.admit(up),
            (S::Awake(up), Activity(at)) => S::Awake(up.active(at.min(now))),
            (S::Awake(up), EngineBack) => S::Awake(up.active(now)),
            (S::Awake(up), SleepOrder) => self.told_to_sleep(up),
            (S::Awake(up), Tick) => self.idled(up),
            (S::Awake(_) | S::Hesitating(_), Saw(Down(nap))) => S::Asleep { nap },
            (S::Hesitating(d), Activity(at)) if at > d.up.quiet_since => self.stirred(d, at),
            (S::Hesitating(d), Knock | WakeOrder | EngineBack) => self.stirred(d, now),
            (S::Hesitating(d), Keep(until)) if until > now => S::Awake(d.up),
            (S::Hesitating(d), Needed | EngineLost | Reload(_)) => S::Awake(d.up),
            (S::Hesitating(d), Quiet(_) | SleepOrder) => self.doze(d.up),
            (S::Hesitating(d), Tick) => self.hesitated(d),

            (S::Stopping(s), Knock | WakeOrder | Needed) => S::stopping(s.knocked(new)),
            (S::Stopping(s), Spare) => S::stopping(s.spared()),
            (S::Stopping(s), Saw(Down(nap)) | Status(_, Down(nap))) => self.is_down(*s, nap),
            (S::Stopping(s), Status(_, Runs)) => self.still_up(*s),
            (S::Stopping(s), Accepted(_)) => self.stop_accepted(*s),
            (S::Stopping(s), Refused(_, why)) => self.stop_refused(*s, &why),
            (S::Stopping(s), Tick) => self.stopped(*s),
            (S::Stopping(s), EngineBack) => self.look_at_stop(*s),

            (S::Failed(f), Knock) if now < f.until => self.turn_away(f),
            (S::Failed(f), Knock | WakeOrder | Needed) => self.try_again(f, new),
            (S::Failed(f), Saw(life)) => self.corrected(f, life, new),
            (S::Failed(f), Healthy) if f.life == Runs && self.heeds_health() => self.found(),
            (S::Failed(f), SleepOrder) => self.given_up(f),
            (S::Failed(f), Tick) => self.rested(f),

            (s, SleepOrder) if s.phase() == Phase::Waking => self.stays(s, "it is waking"),
            // Who knocks at one that wakes waits for that wake. What is noted in every state was.
            // The rest is so already, or comes too early or too late to matter.
            (
                state,
                Tick | Knock | WakeOrder | SleepOrder | Keep(_) | Activity(_) | Quiet(_) | Saw(_)
                | Healthy | Accepted(_) | Refused(..) | Status(..) | Ready(_) | NotReady(_) | Turn
                | Denied(_) | Needed | Spare | Reload(_) | EngineLost | EngineBack,
            ) => state,
        }
    }

    fn heeds_health(&self) -> bool {
        self.machine.terms.ready != Some(plan::Ready::Probe)
    }

    fn stays(&mut self, state: State, why: &'static str) -> State {
        self.out.push(Say(News::Stays(why)));
        state
    }

    fn problem(&mut self, what: String) {
        self.out.push(Say(News::Problem(what)));
    }

    /// The number of the next question.
    fn ticket(&mut self) -> Ticket {
        self.machine.last = self.machine.last.wrapping_add(1);
        self.machine.last
    }

    /// Gives an order, and says under which number.
    fn give(&mut self, order: Order) -> Ticket {
        let ticket = self.ticket();
        self.out.push(Give(order, ticket));
        ticket
    }

    /// Asks what became of an order.
    fn look(&mut self, given: Given) -> Given {
        let ticket = self.ticket();
        self.out.push(ReadStatus(ticket));
        given.looked(ticket, self.now)
    }
}

/// What follows from the new state alone.
fn enter(state: &State, was: (Door, Phase, Discriminant<State>), out: &mut Vec<Action>) {
    let (door, phase, kind) = was;
    if door == Door::Down && state.door() == Door::Up {
        out.insert(0, DoorUp);
    }
    if discriminant(state) != kind {
        match state {
            S::Waiting { .. } => out.push(AskTurn),
            S::Awake(_) => out.push(Admit),
            S::Failed(Failure { why, .. }) => out.push(TurnAway(why.clone())),
            S::Gone { why } => out.push(TurnAway((*why).into())),
            // These begin with an order or a question, or with nothing.
            S::Asleep { .. } | S::Starting(_) | S::Booting { .. } => {}
            S::Hesitating(_) | S::Stopping(_) => {}
        }
    }
    if door == Door::Up && state.door() == Door::Down {
        out.push(DoorDown);
    }
    if state.phase() != phase {
        out.push(Say(News::Now(state.phase())));
    }
    if state.phase() == Phase::Gone {
        out.push(Leave);
    }
}
