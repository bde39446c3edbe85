//! Waiting for descriptors, at most until a moment. Reads and writes nothing itself.

use std::io;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, Timespec, poll};
use rustix::io::Errno;

use crate::error::Why;

/// When something has to be over, and how long that was in the beginning, for the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The moment itself.
    pub until: Instant,
    /// What was allowed when it began.
    pub allowed: Duration,
}

impl Deadline {
    /// At most `limit` from now, and no later than `until`.
    pub fn within(limit: Duration, until: Instant, now: Instant) -> Deadline {
        let allowed = limit.min(until.saturating_duration_since(now));
        Deadline { until: now + allowed, allowed }
    }

    /// No later than `until`.
    pub fn by(until: Instant, now: Instant) -> Deadline {
        Deadline { until, allowed: until.saturating_duration_since(now) }
    }

    /// What to say when it has passed.
    pub fn passed(self) -> Why {
        Why::TimedOut(self.allowed)
    }
}

/// Waits until one of `fds` is ready, for ever without `until`.
///
/// Fails with [`io::ErrorKind::TimedOut`] when none was by then.
pub fn wait(fds: &mut [PollFd<'_>], until: Option<Instant>) -> io::Result<()> {
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(fds, timeout.as_ref()) {
            Ok(0) if left.is_some_and(|left| left.is_zero()) => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
