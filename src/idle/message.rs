//! What the machine of a container is told, and what it answers. Decides nothing.

use std::time::Instant;

use crate::error::Why;
use crate::idle::backend::{Life, Order, Terms};
use crate::idle::state::{Cause, Phase, Ticket};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// `deadline` has come.
    Tick,
    /// Somebody came to a door, or the frozen container has something waiting.
    Knock,
    /// `drowse wake`: as a knock, and a failed wake is tried again at once.
    WakeOrder,
    /// `drowse sleep`: now, whatever moves.
    SleepOrder,
    /// `drowse keep`: not to sleep by itself before that time.
    Keep(Instant),
    /// It was active at that time.
    Activity(Instant),
    /// The look of that number found nothing new. (What it found would be `Activity`.)
    Quiet(Ticket),
    /// What it does now, by an event or a list, in the order that the engine tells it. A restart is
    /// told as both, down and up; the same as before may be told again.
    Saw(Life),
    /// Its own health check passes. Told after `Saw(Runs)` again, where it does.
    Healthy,
    /// Removed.
    Gone,
    /// No longer ours to watch.
    Released,
    /// The order of that number was carried out, as far as the engine says.
    Accepted(Ticket),
    /// It was not. Comes for every order that has no other answer, at last as `TimedOut`.
    Refused(Ticket, Why),
    /// What the status says that was asked for under that number.
    Status(Ticket, Life),
    /// The probe of that number was answered as one that is ready does it.
    Ready(Ticket),
    /// It was not, or not at all.
    NotReady(Ticket),
    /// Its turn to wake: there is room, and what it depends on is ready.
    Turn,
    /// It will get none: why.
    Denied(String),
    /// Something that needs it is awake, or wakes.
    Needed,
    /// Nothing does any longer.
    Spare,
    /// Other terms from now on.
    Reload(Terms),
    /// The engine can't be reached: events are missing.
    EngineLost,
    /// It can again, and what was missed has been told.
    EngineBack,
}

/// What to do about it, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Get in line to wake.
    AskTurn,
    /// Give the order; answer with `Accepted` or `Refused`.
    Give(Order, Ticket),
    /// Ask the engine; answer with `Status`, or `Gone`, or nothing.
    ReadStatus(Ticket),
    /// See whether it is ready; answer with `Ready` or `NotReady`.
    Probe(Ticket),
    /// Look at the counters now; answer with `Activity` or `Quiet`.
    LookOnce(Ticket),
    /// Hold new connections.
    DoorUp,
    /// No longer.
    DoorDown,
    /// Let those who are held through.
    Admit,
    /// Answer those who are held with this.
    TurnAway(String),
    /// Forget this machine.
    Leave,
    /// Tell.
    Say(News),
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It is in another phase than before.
    Now(Phase),
    /// `SleepOrder` is not followed: why.
    Stays(&'static str),
    /// The user should look.
    Problem(String),
}

impl Input {
    /// The number of the question it answers.
    pub fn ticket(&self) -> Option<Ticket> {
        match self {
            Input::Accepted(ticket) | Input::Refused(ticket, _) | Input::Status(ticket, _) => {
                Some(*ticket)
            }
            Input::Ready(ticket) | Input::NotReady(ticket) | Input::Quiet(ticket) => Some(*ticket),
            Input::Tick | Input::Knock | Input::WakeOrder | Input::SleepOrder => None,
            Input::Keep(_) | Input::Activity(_) | Input::Saw(_) | Input::Healthy => None,
            Input::Gone | Input::Released | Input::Turn | Input::Denied(_) => None,
            Input::Needed | Input::Spare | Input::Reload(_) => None,
            Input::EngineLost | Input::EngineBack => None,
        }
    }

    /// Whom a wake that it begins is owed to. Most begin none.
    pub(super) fn cause(&self) -> Cause {
        match self {
            Input::Knock => Cause::Knock,
            Input::WakeOrder => Cause::Command,
            Input::Needed => Cause::Dependant,
            Input::Saw(_) | Input::Status(..) => Cause::OtherHands,
            Input::Tick | Input::SleepOrder | Input::Keep(_) | Input::Activity(_) => Cause::Found,
            Input::Quiet(_) | Input::Healthy | Input::Gone | Input::Released => Cause::Found,
            Input::Accepted(_) | Input::Refused(..) | Input::Ready(_) => Cause::Found,
            Input::NotReady(_) | Input::Turn | Input::Denied(_) | Input::Spare => Cause::Found,
            Input::Reload(_) | Input::EngineLost | Input::EngineBack => Cause::Found,
        }
    }
}
