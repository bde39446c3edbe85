//! What puts to sleep and wakes: a container engine or a cluster of guests, as values. A backend
//! says which calls carry an order out and how their answers read; it sends nothing.

use std::time::Duration;

use crate::error::Why;
use crate::http::Call;
use crate::plan::{Plan, Ready};

/// What a machine may order. An accepted order changes nothing yet: the engine's event does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// Run.
    Start,
    /// Go on where it was frozen.
    Unpause,
    /// Freeze.
    Pause,
    /// End by the engine's own way: signal, grace period, kill. Accepted means: it is down.
    Stop,
    /// Only the signal to end. Accepted means: it was sent.
    Signal,
    /// End at once. Accepted means: it was sent.
    Kill,
}

/// How a container sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nap {
    /// No process; it has to start.
    Stopped,
    /// Frozen, and goes on where it was.
    Paused,
}

/// What the engine says a container does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Life {
    /// It runs.
    Runs,
    /// It does not.
    Down(Nap),
}

/// A container as its engine tells it when asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether it runs.
    pub life: Life,
    /// Whether its own health check passes; false where it has none.
    pub healthy: bool,
}

/// What a plan comes to on one backend: all that a machine needs to know of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How long without activity until it sleeps; more than nothing. `None`: never by itself.
    pub idle_timeout: Option<Duration>,
    /// How long after the order it may take to be ready; more than nothing.
    pub wake_timeout: Duration,
    /// How long it may wait for its turn to wake: for what it depends on, and for those before it.
    pub turn_timeout: Duration,
    /// The only sign that it is ready; `None`: the first of both.
    pub ready: Option<Ready>,
    /// What puts it to sleep: [`Order::Pause`], [`Order::Stop`] or [`Order::Signal`].
    pub sleep: Order,
    /// How long after that it is killed; a pause never comes to that.
    pub kill_after: Duration,
    /// What its end means.
    pub kind: Kind,
}

/// What a container is there for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// To run on: if it ends before it is ready, its wake has failed.
    #[default]
    Service,
    /// To end by itself: as soon as it runs it is awake, and when it ended it sleeps.
    Job,
}

/// What carries orders out.
pub trait Backend {
    /// What an order's answer leaves to be followed, where it is not done with that.
    type Begun;
    /// The answer to a question for the status.
    type Seen;
    /// The decoder of what happens to all containers.
    type Watch;

    /// What the plan comes to here.
    ///
    /// # Errors
    /// Why it can't be followed here, for the user.
    fn terms(&self, plan: &Plan) -> Result<Terms, String>;

    /// The call that carries an order out for the container of this id.
    ///
    /// # Errors
    /// `Invalid` where this backend has no such order.
    fn order(&self, id: &str, order: Order, plan: &Plan) -> Result<Call<Self::Begun>, Why>;

    /// Asks what a container does. `NotFound`: it is gone.
    fn status(&self, id: &str) -> Call<Self::Seen>;

    /// Reads that answer.
    fn read(&self, seen: &Self::Seen) -> Status;

    /// Follows all containers, from `since_nano` (Unix, by the engine's clock) or from now on.
    fn watch(&self, since_nano: Option<u64>) -> Call<Self::Watch>;
}
