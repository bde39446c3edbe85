//! How often one container is looked at again: a crash loop must not cost an engine more than a
//! look a second. Counts, asks nothing.

use std::time::{Duration, Instant};

/// This many looks at once, then one a second.
const LOOKS_AT_ONCE: u32 = 4;
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The engine's word for what happened, and its time (Unix, ns), if an event told.
pub type Heard = (&'static str, Option<u64>);

/// One container about which something was heard.
#[derive(Clone, Debug)]
pub struct Look {
    /// The last thing heard that is not looked at yet.
    heard: Option<Heard>,
    /// What the look that is under way was for.
    asked: Option<Heard>,
    /// Looks left, and since when they grow again.
    left: u32,
    counted_at: Instant,
}

impl Look {
    /// Nothing was heard yet.
    pub fn new(now: Instant) -> Look {
        Look { heard: None, asked: None, left: LOOKS_AT_ONCE, counted_at: now }
    }

    /// Something happened: it wants to be looked at, if it did not already.
    pub fn hear(&mut self, heard: Heard) {
        self.heard = Some(heard);
    }

    /// Begins the look that is due, if one is and may be.
    pub fn begin(&mut self) -> bool {
        if !self.is_waiting() || self.left == 0 {
            return false;
        }
        self.left -= 1;
        self.asked = self.heard.take();
        true
    }

    /// The look is over; what it was for.
    pub fn end(&mut self) -> Option<Heard> {
        self.asked.take()
    }

    /// The look failed: what it was for is still to be looked at.
    pub fn fail(&mut self) {
        let asked = self.asked.take();
        self.heard = self.heard.take().or(asked);
    }

    /// Whether a look is under way.
    pub fn is_under_way(&self) -> bool {
        self.asked.is_some()
    }

    /// Whether nothing waits and nothing is under way.
    pub fn is_quiet(&self) -> bool {
        self.heard.is_none() && self.asked.is_none()
    }

    /// Whether it can be forgotten: it is as good as new.
    pub fn is_over(&self) -> bool {
        self.is_quiet() && self.left == LOOKS_AT_ONCE
    }

    /// When the next look may begin, where one waits and none is left.
    pub fn next(&self) -> Option<Instant> {
        (self.is_waiting() && self.left == 0).then(|| self.counted_at + LOOK_EVERY)
    }

    /// Lets the looks that are left grow with time.
    pub fn count(&mut self, now: Instant) {
        while self.left < LOOKS_AT_ONCE && now >= self.counted_at + LOOK_EVERY {
            self.left += 1;
            self.counted_at += LOOK_EVERY;
        }
        if self.left == LOOKS_AT_ONCE {
            self.counted_at = now;
        }
    }

    fn is_waiting(&self) -> bool {
        self.heard.is_some() && self.asked.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_loop_is_looked_at_once_a_second() {
        let t0 = Instant::now();
        let mut look = Look::new(t0);
        let mut looks = 0;
        for tenth in 0..600 {
            let now = t0 + Duration::from_millis(100) * tenth;
            look.count(now);
            look.hear(("die", None));
            if look.begin() {
                looks += 1;
                look.end();
            }
        }
        assert_eq!(looks, LOOKS_AT_ONCE + 59);
    }

    #[test]
    fn what_is_heard_during_a_look_is_looked_at_after_it() {
        let mut look = Look::new(Instant::now());
        look.hear(("start", Some(1)));
        assert!(look.begin());
        look.hear(("die", Some(2)));
        assert!(!look.begin());
        assert_eq!(look.end(), Some(("start", Some(1))));
        assert!(look.begin());
        look.fail();
        assert!(look.begin(), "a look that failed is made up for");
        assert_eq!(look.end(), Some(("die", Some(2))));
        assert!(look.is_quiet() && !look.is_over());
    }
}
