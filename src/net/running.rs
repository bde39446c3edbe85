//! An exchange under the reactor: its tag, its limits, and what is told of it. Drives nothing.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::error::Why;
use crate::http::{Patience, Reply, Request};
use crate::net::clients::Lease;
use crate::net::door::Notice;
use crate::net::guests::Visit;
use crate::net::talk::{Mode, Talk, Way};
use crate::net::wait::Deadline;

/// A Unix socket whose backlog is full tells of no change: try again this often.
const FULL_RETRY_EVERY: Duration = Duration::from_millis(10);

/// What came in a turn, each with the tag it was asked under.
#[derive(Debug)]
pub enum Event<T> {
    /// The head of a [`Mode::Stream`] reply.
    Head(T, Reply),
    /// A piece of its body.
    Bytes(T, Vec<u8>),
    /// The reply, whole ([`Mode::Whole`]) or its end (empty), or why there is none.
    Over(T, Result<Reply, Why>),
    /// The process got this signal.
    Signal(i32),
    /// The minded descriptor takes more.
    Writable,
    /// Nobody reads the minded descriptor any more.
    HungUp,
    /// Somebody came to the socket that is ours.
    Visit(Visit),
    /// Something happened at a door.
    Door(Notice),
}

/// What to ask, below which path prefix, and how its reply is handed on.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What is sent.
    pub request: Request,
    /// `/v1.41`, or nothing.
    pub prefix: String,
    /// How long the whole may take, connecting included.
    pub patience: Patience,
    /// In one piece or as it comes.
    pub mode: Mode,
}

/// One exchange, with what it is for and until when.
pub struct Running<T> {
    /// The connection and how far the exchange has come on it.
    pub talk: Talk,
    /// What is asked, to ask it again where a connection had gone stale.
    pub ask: Ask,
    /// The asker's.
    pub tag: T,
    /// Keeps the client.
    pub lease: Lease,
    /// Where to.
    pub way: Rc<Way>,
    /// Until when it must be connected.
    pub connect_by: Deadline,
    /// Until when it must be over; `None`: no limit.
    pub deadline: Option<Deadline>,
    /// When to press on to a socket that was full, or to the address after a silent one.
    pub retry_at: Option<Instant>,
}

impl<T: Clone> Running<T> {
    /// When it wants to be looked at.
    pub fn next(&self) -> Option<Instant> {
        let connect = self.talk.is_connecting().then_some(self.connect_by.until);
        let deadline = self.deadline.map(|deadline| deadline.until);
        [connect, deadline, self.retry_at].into_iter().flatten().min()
    }

    /// The limit that is over, if one is, in words.
    pub fn passed(&self, now: Instant) -> Option<Why> {
        let connect = Some(self.connect_by).filter(|_| self.talk.is_connecting());
        let limits = [self.deadline, connect].into_iter().flatten();
        limits
            .filter(|limit| now >= limit.until)
            .min_by_key(|limit| limit.until)
            .map(|limit| self.talk.passed(limit))
    }

    /// When to press on. Each address has its share of the time there is to connect.
    pub fn plan_retry(&mut self, now: Instant) {
        let left = self.connect_by.until.saturating_duration_since(now);
        self.retry_at = match u32::try_from(self.talk.untried(&self.way)) {
            _ if self.talk.fds().is_empty() => Some(now + FULL_RETRY_EVERY),
            Ok(untried @ 2..) => Some(now + left / untried),
            Ok(_) | Err(_) => None,
        };
    }

    /// What came of a stream since the last time.
    pub fn hand_on(&mut self, out: &mut Vec<Event<T>>) {
        if let Some(head) = self.talk.take_head() {
            out.push(Event::Head(self.tag.clone(), head));
        }
        let bytes = self.talk.take_body();
        if !bytes.is_empty() {
            out.push(Event::Bytes(self.tag.clone(), bytes));
        }
    }

    /// What is told when the reply is complete.
    pub fn over(mut self) -> Event<T> {
        let reply = match self.ask.mode {
            Mode::Stream | Mode::Reach | Mode::Find => Reply::default(),
            Mode::Whole => {
                let mut reply = self.talk.take_head().unwrap_or_default();
                reply.body = self.talk.take_body();
                reply
            }
        };
        Event::Over(self.tag, Ok(reply))
    }
}
