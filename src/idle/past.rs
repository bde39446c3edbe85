//! How long the last wakes of a container took, for those who wait. Keeps nothing else.

use std::time::Duration;

use crate::sorted;

/// Wakes remembered; the oldest is forgotten first.
const REMEMBERED: usize = 7;

/// The last few wakes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    took: Vec<Duration>,
}

impl Past {
    /// One more, from the first knock until it was ready.
    pub fn add(&mut self, took: Duration) {
        if self.took.len() == REMEMBERED {
            self.took.remove(0);
        }
        self.took.push(took);
    }

    /// The last one; `None`: none yet.
    pub fn last(&self) -> Option<Duration> {
        self.took.last().copied()
    }

    /// What one usually takes: the median, the longer of the middle two. `None`: none yet.
    pub fn usual(&self) -> Option<Duration> {
        let mut sorted = self.took.clone();
        sorted::sort(&mut sorted);
        sorted.get(sorted.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(took: &[u64]) -> Past {
        let mut past = Past::default();
        took.iter().for_each(|secs| past.add(Duration::from_secs(*secs)));
        past
    }

    #[test]
    fn nothing_is_usual_before_the_first_wake() {
        assert_eq!((after(&[]).last(), after(&[]).usual()), (None, None));
    }

    #[test]
    fn one_slow_wake_does_not_make_slowness_usual() {
        assert_eq!(after(&[2, 90, 3]).usual(), Some(Duration::from_secs(3)));
        assert_eq!(after(&[2, 90]).usual(), Some(Duration::from_secs(90)));
        assert_eq!(after(&[2, 90]).last(), Some(Duration::from_secs(90)));
    }

    #[test]
    fn the_oldest_is_forgotten() {
        assert_eq!(after(&[90, 90, 90, 90, 1, 1, 1, 1]).usual(), Some(Duration::from_secs(1)));
        assert_eq!(after(&[1; 100]).took.len(), REMEMBERED);
    }
}
