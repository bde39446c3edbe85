//! How long the turns of a loop take, for `--log trace`. Nothing is decided by it.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The turns so far. On a busy machine most of a turn's time is spent waiting for a CPU: that is
/// why the time it had one is told beside it.
#[derive(Debug, Default)]
pub struct Pace {
    longest: Duration,
    busiest: Duration,
    /// What the thread had used when the last turn was told of.
    used: Duration,
}

impl Pace {
    /// A turn that woke up at `began` is over.
    pub fn turned(&mut self, began: Instant) {
        if !log::log_enabled!(log::Level::Trace) {
            return;
        }
        let took = began.elapsed();
        // Since the last turn: who waits for something to happen uses nothing.
        let used = used();
        let ran = used.saturating_sub(self.used);
        let first = self.used.is_zero();
        self.used = used;
        self.longest = self.longest.max(took);
        if !first {
            self.busiest = self.busiest.max(ran);
        }
        let Pace { longest, busiest, .. } = self;
        log::trace!("turn: {took:?}, of a CPU {ran:?}; longest {longest:?}, busiest {busiest:?}");
    }
}

/// Of a CPU, by this thread.
fn used() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or_default())
}
