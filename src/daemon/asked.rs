//! What was asked of engines and containers, until the answer comes.

use crate::error::Why;
use crate::idle::backend::Order;
use crate::idle::group::Key;
use crate::idle::state::Ticket;
use crate::net::guests::Guest;

use super::lxc::Errand;

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// An order to an engine.
    Order(Whose),
    /// The status, for a machine that wants to know what became of its order.
    Status(Key, Ticket),
    /// The status, for the process and the addresses of one that runs.
    Process(Key),
    /// The status, for the exit code of one that ended.
    Exit(Key),
    /// Whether it is ready.
    Probe(Key, Ticket),
    /// Its counters, and at which engine: it may be gone when they come.
    Sample(usize, Key, Purpose),
    /// The addresses of an engine's host.
    Host(usize),
    /// An order for a guest of a cluster, which becomes a task there.
    Task(usize, Whose),
    /// How far that has come.
    TaskStatus(Errand),
    /// What it wrote before it failed with that.
    TaskLog(Errand, Why),
}

/// Whose order it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A machine's.
    Machine(Key, Order, Ticket),
    /// A visitor's, for one that has no machine: engine and name.
    Visitor(Guest, String, String),
}

/// What a sample is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// For the poll.
    Poll,
    /// For the machine that is about to put it to sleep.
    Look(Ticket),
    /// To be there before it is frozen, for what comes later is a knock: the order waits for it.
    Freeze(Ticket),
}
