//! Whose time is up, of many: each kind of limit is equally long for all, so that they end in the
//! order in which they began. Knows no door.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::net::door::Visitor;
use crate::net::door::limits::{
    CONNECT_WITHIN, DOUBT_WITHIN, FLOW_QUIET, HEAD_WITHIN, READ_WITHIN,
};

/// What must be done by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Sending a head.
    Head,
    /// Connecting to the container.
    Connect,
    /// Reading the answer.
    Read,
    /// Not being quiet.
    Quiet,
    /// Showing that the container is still there.
    Doubt,
}

/// When which visitors are to be looked at. Entries of those who are done stay until they are the
/// oldest; who asks says which are still meant.
#[derive(Debug, Default)]
pub struct Clock {
    kinds: [VecDeque<(Instant, Visitor)>; 5],
}

impl Limit {
    /// How long it is.
    pub fn length(self) -> Duration {
        match self {
            Limit::Head => HEAD_WITHIN,
            Limit::Connect => CONNECT_WITHIN,
            Limit::Read => READ_WITHIN,
            Limit::Quiet => FLOW_QUIET,
            Limit::Doubt => DOUBT_WITHIN,
        }
    }
}

impl Clock {
    /// Sets a limit from now on; returns when it is over.
    pub fn set(&mut self, limit: Limit, visitor: Visitor, now: Instant) -> Instant {
        let until = now + limit.length();
        if let Some(kind) = self.kinds.get_mut(limit as usize) {
            kind.push_back((until, visitor));
        }
        until
    }

    /// The next visitor whose time is up.
    pub fn pass(&mut self, now: Instant) -> Option<(Instant, Visitor)> {
        let is_due = |kind: &&mut VecDeque<(Instant, Visitor)>| {
            kind.front().is_some_and(|(until, _)| now >= *until)
        };
        self.kinds.iter_mut().find(is_due).and_then(VecDeque::pop_front)
    }

    /// When the next one's time is up, of those that are still meant.
    pub fn deadline(&mut self, is_meant: impl Fn(Instant, Visitor) -> bool) -> Option<Instant> {
        for kind in &mut self.kinds {
            while kind.front().is_some_and(|(until, visitor)| !is_meant(*until, *visitor)) {
                kind.pop_front();
            }
            if kind.is_empty() && kind.capacity() > KEPT {
                *kind = VecDeque::new();
            }
        }
        self.kinds.iter().filter_map(|kind| kind.front()).map(|(until, _)| *until).min()
    }
}

/// Entries whose memory is kept when none is left.
const KEPT: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn visitor(slot: u32) -> Visitor {
        Visitor { slot, generation: 0 }
    }

    #[test]
    fn limits_end_in_their_order_and_those_not_meant_wake_nobody() {
        let (mut clock, t0) = (Clock::default(), Instant::now());
        let head = clock.set(Limit::Head, visitor(1), t0);
        let later = t0 + Duration::from_secs(1);
        let second = clock.set(Limit::Head, visitor(2), later);
        let connect = clock.set(Limit::Connect, visitor(3), later);
        assert_eq!(clock.deadline(|_, _| true), Some(connect));
        assert_eq!(clock.deadline(|_, visitor| visitor.slot != 3), Some(head));
        assert_eq!(clock.pass(head - Duration::from_millis(1)), None);
        assert_eq!(clock.pass(head), Some((head, visitor(1))));
        assert_eq!(clock.pass(head), None);
        assert_eq!(clock.pass(second), Some((second, visitor(2))));
        assert_eq!(clock.deadline(|_, _| true), None);
    }
}
