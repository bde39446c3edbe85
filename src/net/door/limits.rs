//! What doors take at most. Reaching a limit is a refusal that is logged, never memory.

use std::time::{Duration, Instant};

/// Within at once, at all doors: held, answered, relayed; flows too. Each may take two descriptors,
/// and with fewer of those there are fewer places.
pub const VISITORS: usize = 16_000;
/// Descriptors that are asked for: two for each of them, and as many again for all else, among it
/// what is read of each container. `LimitNOFILE` of the unit.
pub const DESCRIPTORS: u64 = 65_536;
/// Held at once at one door.
pub const HELD_AT_DOOR: usize = 4096;
/// Held at once at all doors.
pub const HELD: usize = 8192;
/// Flows at one UDP door, held or relayed.
pub const FLOWS_AT_DOOR: usize = 1024;
/// Bytes kept of who is held at one door: heads and datagrams. Of one visitor no more than a head
/// ([`HEAD_LIMIT`](crate::http::head::HEAD_LIMIT)) or a flow's ([`FLOW_BYTES`]).
pub const HELD_BYTES_AT_DOOR: usize = 4 << 20;
/// Datagrams kept of one flow; the first ones.
pub const FLOW_DATAGRAMS: usize = 16;
/// Their bytes.
pub const FLOW_BYTES: usize = 32 << 10;
/// Doors at once.
pub const DOORS: usize = 1024;
/// How long sending a head may take.
pub const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// How long connecting to a container may take.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long who was answered may take to read that and close.
pub const READ_WITHIN: Duration = Duration::from_secs(5);
/// A container that may be gone is asked this often whether it is still there, from then on,
pub const DOUBT_EVERY: Duration = Duration::from_secs(1);
/// is given up after so long without an answer,
pub const GONE_AFTER: Duration = Duration::from_secs(3);
/// and, if it has answered, is asked no longer than that.
pub const DOUBT_WITHIN: Duration = Duration::from_secs(5);
/// A flow is over when nothing moved for so long. The kernel keeps a redirected flow's translation
/// no longer (`nf_conntrack_udp_timeout_stream`).
pub const FLOW_QUIET: Duration = Duration::from_secs(180);
/// Who came by a rule that is gone is let in for so long.
pub const LATE_WITHIN: Duration = Duration::from_secs(10);
/// Accepted at one socket in a turn, and datagrams taken.
pub const AT_ONCE: usize = 64;
/// Of those held when a door begins to pass, so many are on their way at once.
pub const HERD_AT_ONCE: usize = 32;
/// It is seen to that often who of them has arrived and who is the next.
pub const HERD_EVERY: Duration = Duration::from_millis(10);
/// Relayed for one visitor in a turn.
pub const VISITOR_TURN_BYTES: usize = 256 << 10;
/// Relayed for all in a turn; the rest have their turn next.
pub const TURN_BYTES: usize = 4 << 20;
/// Without descriptors or memory for another visitor: next look.
pub const EXHAUSTED_RETRY: Duration = Duration::from_millis(100);
/// The same refusal is logged this often.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// How many may be within where there are so many descriptors: an eighth is for all else.
pub fn places(descriptors: u64) -> usize {
    let pairs = (descriptors - descriptors / 8) / 2;
    usize::try_from(pairs).unwrap_or(VISITORS).min(VISITORS)
}

/// How many of those places one door's crowd may take, so that there is room at the others.
pub fn places_at_door(places: usize) -> usize {
    places - places / 4
}

/// Refusals of one door, so that a flood of them is not one of log lines.
#[derive(Debug, Default)]
pub struct Refusals {
    logged_at: Option<Instant>,
    unlogged: u64,
}

impl Refusals {
    /// One more. Returns how many since the last line, where it is time for another.
    pub fn count(&mut self, now: Instant) -> Option<u64> {
        self.unlogged += 1;
        let is_time = |at: Instant| now.saturating_duration_since(at) >= LOG_EVERY;
        if !self.logged_at.is_none_or(is_time) {
            return None;
        }
        self.logged_at = Some(now);
        Some(std::mem::take(&mut self.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_a_line_every_ten_seconds() {
        let (mut refusals, t0) = (Refusals::default(), Instant::now());
        assert_eq!(refusals.count(t0), Some(1));
        let later = |ms| t0 + Duration::from_millis(ms);
        assert_eq!(refusals.count(later(1)), None);
        assert_eq!(refusals.count(later(9_999)), None);
        assert_eq!(refusals.count(later(10_000)), Some(3));
        assert_eq!(refusals.count(later(10_001)), None);
    }
}
