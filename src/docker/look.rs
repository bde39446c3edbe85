//! When containers are looked at again: a crash loop must not cost an engine more than a look a
//! second. Counts, asks nothing.

use std::time::{Duration, Instant};

use crate::sorted::Map;

/// Looks under way at one engine; the rest wait their turn.
const LOOKS_UNDER_WAY: usize = 4;
/// This many looks at one container at once, then one a second.
const LOOKS_AT_ONCE: u32 = 4;
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A container that can't be read is tried again after a second, two, four, … 64.
const DOUBLINGS: u32 = 6;
/// Docker 20.10 tells of a `die`, `pause`, `unpause` or `rename` before its list knows: an answer
/// that denies what happened is asked for again after 50 ms, 100 ms, … 3.2 s. Then it is believed.
const DOUBT_FIRST: Duration = Duration::from_millis(50);
const DOUBTS: u32 = 7;

/// The engine's word for what happened, and its time (Unix, ns), if an event told.
pub type Heard = (&'static str, Option<u64>);

/// What a look showed of a container that is there.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The engine's word for its state.
    pub state: &'a str,
    /// Nothing about it is other than was known.
    pub is_as_known: bool,
}

/// The containers of one engine about which something was heard.
#[derive(Clone, Debug, Default)]
pub struct Looks(Map<String, Look>);

impl Looks {
    /// Something happened: this container wants to be looked at.
    pub fn hear(&mut self, id: String, heard: Heard, now: Instant) {
        self.0.entry(id).or_insert_with(|| Look::new(now)).hear(heard, now);
    }

    /// This one was told to start: its look after that counts for nothing, for somebody may wait.
    pub fn foresee(&mut self, id: &str) {
        if let Some(look) = self.0.get_mut(id) {
            look.is_foreseen = true;
        }
    }

    /// The look at this one is over and shows that, `None`: there is no such container. What it was
    /// for. `None`: nothing was asked, or the answer is doubted and asked for again.
    pub fn end(&mut self, id: &str, shown: Option<Shown<'_>>, now: Instant) -> Option<Heard> {
        let look = self.0.get_mut(id)?;
        let heard = look.end()?;
        let doubted = denies(heard.0, shown) && look.doubt(heard, now);
        (!doubted).then_some(heard)
    }

    /// The look at this one failed.
    pub fn fail(&mut self, id: &str, now: Instant) {
        if let Some(look) = self.0.get_mut(id) {
            look.fail(now);
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// How many are under way.
    pub fn under_way(&self) -> usize {
        self.0.values().filter(|look| look.is_under_way()).count()
    }

    /// Whether nothing waits and nothing is under way.
    pub fn are_quiet(&self) -> bool {
        self.0.values().all(Look::is_quiet)
    }

    /// When the next look may begin, if time is what it waits for.
    pub fn next(&self) -> Option<Instant> {
        self.0.values().filter_map(Look::next).min()
    }

    /// Lets the looks that are left grow with time, and forgets whom nothing is heard of.
    pub fn count(&mut self, now: Instant) {
        for look in self.0.values_mut() {
            look.count(now);
        }
        self.0.retain(|_, look| !look.is_over());
        if self.0.is_empty() {
            self.0 = Map::new();
        }
    }

    /// Begins what is due, as far as the limits allow: the ids to look at.
    pub fn begin(&mut self) -> Vec<String> {
        let mut begun = Vec::new();
        for _ in self.under_way()..LOOKS_UNDER_WAY {
            let due =
                self.0.iter_mut().filter_map(|(id, look)| Some((look.due_since()?, id, look)));
            let Some((_, id, look)) = due.min_by_key(|(since, ..)| *since) else { break };
            look.begin();
            begun.push(id.clone());
        }
        begun
    }
}

/// One container about which something was heard.
#[derive(Clone, Debug)]
struct Look {
    /// The last thing heard that is not looked at yet.
    heard: Option<Heard>,
    /// Since when that waits. Who waits longest is next, so that a few that never rest don't keep
    /// the others waiting.
    waits_since: Instant,
    /// What the look that is under way was for.
    asked: Option<Heard>,
    /// Looks left, and since when they grow again.
    left: u32,
    counted_at: Instant,
    /// It starts because we wanted that.
    is_foreseen: bool,
    /// Since the last one that did not fail.
    failures: u32,
    /// Answers doubted since something was heard, and until when the next look is put off.
    doubts: u32,
    put_off_until: Option<Instant>,
}

impl Look {
    /// Nothing was heard yet.
    fn new(now: Instant) -> Look {
        Look {
            heard: None,
            waits_since: now,
            asked: None,
            left: LOOKS_AT_ONCE,
            counted_at: now,
            is_foreseen: false,
            failures: 0,
            doubts: 0,
            put_off_until: None,
        }
    }

    /// Something happened: it wants to be looked at, if it did not already.
    fn hear(&mut self, heard: Heard, now: Instant) {
        if self.heard.replace(heard).is_none() {
            self.waits_since = now;
        }
        self.doubts = 0;
        self.put_off_until = None;
        if heard.0 == "start" && std::mem::take(&mut self.is_foreseen) {
            self.left = self.left.max(1);
        }
    }

    /// The answer was doubted: puts another look off. `false`: it has to do.
    fn doubt(&mut self, heard: Heard, now: Instant) -> bool {
        if self.heard.is_some() || self.doubts == DOUBTS {
            return false;
        }
        self.heard = Some(heard);
        self.waits_since = now;
        self.put_off_until = Some(now + DOUBT_FIRST * (1 << self.doubts));
        self.doubts += 1;
        true
    }

    /// Since when a look waits that may begin; `None`: none does.
    fn due_since(&self) -> Option<Instant> {
        let due = self.is_waiting() && self.left > 0 && self.put_off_until.is_none();
        due.then_some(self.waits_since)
    }

    /// Begins the look that is due.
    fn begin(&mut self) {
        self.left = self.left.saturating_sub(1);
        self.asked = self.heard.take();
    }

    /// The look is over; what it was for.
    fn end(&mut self) -> Option<Heard> {
        self.failures = 0;
        self.asked.take()
    }

    /// The look failed: what it was for is still to be looked at, a while later.
    fn fail(&mut self, now: Instant) {
        let Some(asked) = self.asked.take() else { return };
        self.heard.get_or_insert(asked);
        self.waits_since = now;
        self.left = 0;
        self.counted_at = now + LOOK_EVERY * ((1 << self.failures) - 1);
        self.failures = (self.failures + 1).min(DOUBLINGS);
    }

    /// Whether a look is under way.
    fn is_under_way(&self) -> bool {
        self.asked.is_some()
    }

    /// Whether nothing waits and nothing is under way.
    fn is_quiet(&self) -> bool {
        self.heard.is_none() && self.asked.is_none()
    }

    /// Whether it can be forgotten: it is as good as new.
    fn is_over(&self) -> bool {
        self.is_quiet() && self.left == LOOKS_AT_ONCE
    }

    /// When the next look may begin, where one waits for time.
    fn next(&self) -> Option<Instant> {
        let left_at = (self.left == 0).then(|| self.counted_at + LOOK_EVERY);
        left_at.max(self.put_off_until).filter(|_| self.is_waiting())
    }

    /// Lets the looks that are left grow with time.
    fn count(&mut self, now: Instant) {
        self.put_off_until.take_if(|until| now >= *until);
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

/// Whether a container that shows this can't be one to which that has just happened.
fn denies(event: &str, shown: Option<Shown<'_>>) -> bool {
    let Some(Shown { state, is_as_known }) = shown else { return false };
    match event {
        "die" | "stop" => matches!(state, "running" | "paused"),
        "pause" => state == "running",
        "unpause" => state == "paused",
        "rename" => is_as_known,
        "removed" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(state: &str) -> Option<Shown<'_>> {
        Some(Shown { state, is_as_known: false })
    }

    /// Begins the look that is due, if one is.
    fn begins(look: &mut Look, now: Instant) -> bool {
        look.count(now);
        let due = look.due_since().is_some();
        if due {
            look.begin();
        }
        due
    }

    #[test]
    fn a_crash_loop_is_looked_at_once_a_second() {
        let t0 = Instant::now();
        let mut look = Look::new(t0);
        let mut looks = 0;
        for tenth in 0..600 {
            let now = t0 + Duration::from_millis(100) * tenth;
            look.hear(("die", None), now);
            if begins(&mut look, now) {
                looks += 1;
                look.end();
            }
        }
        assert_eq!(looks, LOOKS_AT_ONCE + 59);
    }

    #[test]
    fn who_was_told_to_start_is_looked_at_at_once_however_often_it_was_before() {
        let t0 = Instant::now();
        let mut looks = Looks::default();
        for at in 0..LOOKS_AT_ONCE.into() {
            looks.hear("a".into(), ("die", Some(at)), t0);
            assert_eq!(looks.begin(), ["a"]);
            assert!(looks.end("a", shown("exited"), t0).is_some());
        }
        looks.foresee("a");
        looks.hear("a".into(), ("stop", Some(5)), t0);
        assert_eq!(looks.begin(), [""; 0], "that was not foreseen");
        looks.hear("a".into(), ("start", Some(6)), t0);
        assert_eq!(looks.begin(), ["a"]);
        assert_eq!(looks.end("a", shown("running"), t0), Some(("start", Some(6))));
        looks.hear("a".into(), ("start", Some(7)), t0);
        assert_eq!(looks.begin(), [""; 0], "once for each time");
    }

    #[test]
    fn what_is_heard_during_a_look_is_looked_at_after_it() {
        let t0 = Instant::now();
        let mut look = Look::new(t0);
        look.hear(("start", Some(1)), t0);
        assert!(begins(&mut look, t0));
        look.hear(("die", Some(2)), t0);
        assert!(!begins(&mut look, t0));
        assert_eq!(look.end(), Some(("start", Some(1))));
        assert!(begins(&mut look, t0));
        assert_eq!(look.end(), Some(("die", Some(2))));
        assert!(look.is_quiet() && !look.is_over());
        look.count(t0 + Duration::from_secs(2));
        assert!(look.is_over());
    }

    #[test]
    fn a_look_that_fails_is_made_up_for_ever_more_slowly() {
        let t0 = Instant::now();
        let (mut look, mut now) = (Look::new(t0), t0);
        look.hear(("start", Some(1)), now);
        let mut waits = Vec::new();
        for _ in 0..8 {
            assert!(begins(&mut look, now));
            look.fail(now);
            assert_eq!(look.due_since(), None);
            let next = look.next().unwrap();
            waits.push((next - now).as_secs());
            now = next;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 64]);
        assert!(begins(&mut look, now));
        assert_eq!(look.end(), Some(("start", Some(1))));
    }

    #[test]
    fn an_answer_that_denies_what_happened_is_asked_for_again_but_not_for_ever() {
        let t0 = Instant::now();
        let (mut looks, mut now) = (Looks::default(), t0);
        looks.hear("a".into(), ("die", Some(1)), now);
        let mut waits = Vec::new();
        let heard = loop {
            looks.count(now);
            assert_eq!(looks.begin(), ["a"]);
            if let Some(heard) = looks.end("a", shown("running"), now) {
                break heard;
            }
            assert_eq!(looks.begin(), [""; 0]);
            let next = looks.next().unwrap();
            waits.push((next - now).as_millis());
            now = next;
        };
        assert_eq!((heard, looks.are_quiet()), (("die", Some(1)), true));
        assert_eq!(waits, [50, 100, 200, 650, 1000, 1600, 3200]);
    }

    #[test]
    fn a_rename_that_changed_nothing_is_looked_at_again() {
        let t0 = Instant::now();
        let mut looks = Looks::default();
        let shown = |is_as_known| Some(Shown { state: "paused", is_as_known });
        looks.hear("a".into(), ("rename", Some(1)), t0);
        assert_eq!(looks.begin(), ["a"]);
        assert_eq!(looks.end("a", shown(true), t0), None);
        looks.count(t0 + DOUBT_FIRST);
        assert_eq!(looks.begin(), ["a"]);
        assert_eq!(looks.end("a", shown(false), t0), Some(("rename", Some(1))));
    }

    #[test]
    fn what_is_heard_meanwhile_ends_the_doubt() {
        let t0 = Instant::now();
        let mut looks = Looks::default();
        for state in [Some("exited"), None] {
            looks.hear("a".into(), ("die", Some(1)), t0);
            assert_eq!(looks.begin(), ["a"]);
            assert_eq!(
                looks.end("a", state.and_then(shown), t0),
                Some(("die", Some(1))),
                "{state:?}"
            );
        }
        looks.hear("a".into(), ("die", Some(2)), t0);
        assert_eq!(looks.begin(), ["a"]);
        assert_eq!(looks.end("a", shown("running"), t0), None);
        looks.hear("a".into(), ("start", Some(3)), t0);
        assert_eq!(looks.begin(), ["a"]);
        assert_eq!(looks.end("a", shown("running"), t0), Some(("start", Some(3))));
    }
}
