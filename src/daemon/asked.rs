//! What was asked of engines and containers, until the answer comes.

use crate::idle::backend::Order;
use crate::idle::group::Key;
use crate::idle::state::Ticket;
use crate::net::guests::Guest;

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// An order of a machine.
    Order(Key, Order, Ticket),
    /// The status, for a machine that wants to know what became of its order.
    Status(Key, Ticket),
    /// The status, for the process and the addresses of one that runs.
    Process(Key),
    /// The status, for the exit code of one that ended.
    Exit(Key),
    /// Whether it is ready.
    Probe(Key, Ticket),
    /// Its counters.
    Sample(Key, Purpose),
    /// An order for a container without a machine, for a guest: engine and name.
    Direct(Guest, String, String),
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
