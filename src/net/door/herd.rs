//! Those who were held when their door began to pass, and how fast they are led in: as fast as the
//! container takes them. Pure: connects nobody.
//!
//! A server's queue is short (5 in Python's servers, 9 in busybox', 511 in nginx), and who finds
//! it full is dropped without a word: the kernel tries again after 1 s, 3 s, 7 s, … (tcp(7)), when
//! the queue has long been empty. So only a few are on their way at once, and one that takes much
//! longer than the fastest did is called back and sent again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::net::door::Visitor;
use crate::net::door::limits::{HERD_AT_ONCE, HERD_EVERY};

/// So many times as long as the fastest has taken may another take.
const PATIENCE: u32 = 8;
/// Twice as long each time that somebody was called back and nobody has arrived since, up to so
/// often: a server that takes nobody is not asked for ever more.
const SETBACKS: u32 = 6;

/// A door's herd.
#[derive(Debug, Default)]
pub struct Herd {
    waiting: VecDeque<Visitor>,
    /// Since when each is on its way.
    leaving: Vec<(Instant, Visitor)>,
    /// The shortest way so far.
    fastest: Option<Duration>,
    /// Times in a row that somebody was called back.
    setbacks: u32,
    at: Option<Instant>,
}

impl Herd {
    /// These, in this order, from now on. Nothing is known of their way yet.
    pub fn new(waiting: Vec<Visitor>, now: Instant) -> Herd {
        let at = (!waiting.is_empty()).then_some(now);
        Herd { waiting: waiting.into(), leaving: Vec::new(), fastest: None, setbacks: 0, at }
    }

    /// Whether all are where they should be.
    pub fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.leaving.is_empty()
    }

    /// When to ask for the [`next`](Herd::next).
    pub fn deadline(&self) -> Option<Instant> {
        self.at
    }

    /// Who is to be sent now. Of those on their way, who `is_leaving` no longer is forgotten.
    pub fn next(&mut self, now: Instant, is_leaving: impl Fn(Visitor) -> bool) -> Vec<Visitor> {
        self.leaving.retain(|(_, visitor)| is_leaving(*visitor));
        let room = HERD_AT_ONCE.saturating_sub(self.leaving.len());
        let next: Vec<Visitor> = self.waiting.drain(..room.min(self.waiting.len())).collect();
        self.leaving.extend(next.iter().map(|visitor| (now, *visitor)));
        self.at = (!self.is_over()).then_some(now + HERD_EVERY);
        next
    }

    /// Who has been on the way for too long, to be called back: they are the next to be sent.
    pub fn stuck(&mut self, now: Instant) -> Vec<Visitor> {
        let Some(fastest) = self.fastest else { return Vec::new() };
        let patience =
            (fastest * PATIENCE).max(2 * HERD_EVERY) * (1 << self.setbacks.min(SETBACKS));
        let is_stuck = |since: Instant| now.saturating_duration_since(since) >= patience;
        let mut stuck = Vec::new();
        self.leaving.retain(|(since, visitor)| {
            if is_stuck(*since) {
                stuck.push(*visitor);
            }
            !is_stuck(*since)
        });
        self.setbacks += u32::from(!stuck.is_empty());
        stuck.iter().rev().for_each(|visitor| self.waiting.push_front(*visitor));
        stuck
    }

    /// One has arrived.
    pub fn arrived(&mut self, visitor: Visitor, now: Instant) {
        let Some(at) = self.leaving.iter().position(|(_, one)| *one == visitor) else { return };
        let (since, _) = self.leaving.remove(at);
        self.setbacks = 0;
        let took = now.saturating_duration_since(since);
        self.fastest = Some(self.fastest.map_or(took, |fastest| fastest.min(took)));
    }

    /// Everybody who is not on the way yet: they are no longer this herd's.
    pub fn disband(&mut self) -> Vec<Visitor> {
        self.at = None;
        std::mem::take(&mut self.waiting).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crowd(count: u32) -> Vec<Visitor> {
        (0..count).map(|slot| Visitor { slot, generation: slot }).collect()
    }

    const ALL: fn(Visitor) -> bool = |_| true;

    #[test]
    fn so_many_are_sent_at_once_and_more_as_they_arrive() {
        let (t0, all) = (Instant::now(), crowd(HERD_AT_ONCE as u32 + 2));
        let mut herd = Herd::new(all.clone(), t0);
        assert_eq!(herd.deadline(), Some(t0));
        assert_eq!(herd.next(t0, ALL), all[..HERD_AT_ONCE]);
        let later = t0 + HERD_EVERY;
        assert_eq!(herd.deadline(), Some(later));
        assert_eq!(herd.next(later, ALL), []);
        herd.arrived(all[3], later);
        let is_leaving = |visitor| visitor != all[5]; // who went away by itself
        assert_eq!(herd.next(later, is_leaving), all[HERD_AT_ONCE..]);
        all.iter().for_each(|one| herd.arrived(*one, later));
        assert!(herd.is_over());
        assert_eq!((herd.next(later, ALL), herd.deadline()), (vec![], None));
    }

    #[test]
    fn who_takes_much_longer_than_the_fastest_is_called_back_and_is_the_next() {
        let (t0, all) = (Instant::now(), crowd(3));
        let ms = |ms| t0 + Duration::from_millis(ms);
        let mut herd = Herd::new(all.clone(), t0);
        herd.next(t0, ALL);
        assert_eq!(herd.stuck(ms(4_999)), [], "it may be far away");
        herd.arrived(all[0], ms(5));
        assert_eq!(herd.stuck(ms(39)), []);
        assert_eq!(herd.stuck(ms(40)), all[1..]);
        assert_eq!(herd.next(ms(40), ALL), all[1..]);
        assert_eq!(herd.stuck(ms(119)), [], "it has begun anew, and has twice as long");
        assert_eq!(herd.stuck(ms(120)), all[1..]);
        herd.next(ms(120), ALL);
        herd.arrived(all[1], ms(121));
        assert_eq!(herd.stuck(ms(160)), all[2..], "the server takes somebody again");
    }

    #[test]
    fn a_door_that_holds_again_keeps_who_was_not_sent() {
        let (t0, all) = (Instant::now(), crowd(HERD_AT_ONCE as u32 + 1));
        let mut herd = Herd::new(all.clone(), t0);
        herd.next(t0, ALL);
        assert_eq!(herd.disband(), all[HERD_AT_ONCE..]);
        assert_eq!(herd.deadline(), None);
    }
}
