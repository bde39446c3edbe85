//! Whether somebody knocks at a frozen container. Pure: looks at nothing itself.

use crate::idle::activity::{Activity, Rules, Sample, activity};
use crate::idle::proc::Waiting;

/// What shows that somebody wants a frozen container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knock {
    /// A TCP connection waits to be accepted.
    Connection,
    /// Bytes on a connection wait to be read.
    Bytes,
    /// A datagram does.
    Datagram,
    /// More came in than noise; what it was is not seen from here.
    Traffic,
    /// It was taken, and perhaps not answered, while the container was being frozen.
    Taken,
}

/// Whether the socket tables are to be read: something came in since the last look, or this is the
/// first. What came in need not be meant for a socket: `ARP`, pings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Look closer.
    Moved,
    /// Nothing came.
    Still,
}

/// The first thing to look at in a frozen container of this machine: `rx_bytes` of its interfaces,
/// and at the last look; `None`: this is the first.
pub fn hint(before: Option<u64>, now: u64) -> Hint {
    if before == Some(now) { Hint::Still } else { Hint::Moved }
}

/// What its socket tables prove, compared with the last time they were read while it was frozen.
/// At the first time that is nothing: whatever waits then may have come while it was being frozen.
pub fn find(before: Waiting, now: Waiting) -> Option<Knock> {
    if now.connections > before.connections {
        Some(Knock::Connection)
    } else if now.bytes > before.bytes {
        Some(Knock::Bytes)
    } else if now.datagram_bytes > before.datagram_bytes {
        Some(Knock::Datagram)
    } else {
        None
    }
}

/// What came between the last look and the freeze, and was taken so that it does not wait any more:
/// what would have been activity is a knock. What the CPU did means nothing any more.
pub fn taken(rules: &Rules, look: &Sample, frozen: &Sample) -> Option<Knock> {
    let seen = activity(&rules.without_cpu(), Some(look), Some(frozen));
    matches!(seen, Activity::Yes(_)).then_some(Knock::Taken)
}

/// The same for a frozen container of another machine, whose tables are not seen: what came in
/// since the last sample is a knock where it is more than noise.
pub fn remote(rules: &Rules, before: &Sample, now: &Sample) -> Option<Knock> {
    let threshold_bytes = rules.threshold_bytes?;
    let (before, now) = before.traffic.zip(now.traffic)?;
    let bytes = now.rx_bytes.checked_sub(before.rx_bytes)?;
    (bytes > 0 && bytes >= threshold_bytes).then_some(Knock::Traffic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::stats::Traffic;

    #[test]
    fn a_frozen_containers_tables_are_read_when_something_came() {
        assert_eq!(hint(None, 0), Hint::Moved);
        assert_eq!(hint(Some(5), 5), Hint::Still);
        assert_eq!(hint(Some(5), 6), Hint::Moved);
        assert_eq!(hint(Some(5), 4), Hint::Moved);
    }

    #[test]
    fn what_newly_waits_is_a_knock() {
        let stood = Waiting { connections: 1, bytes: 80, datagram_bytes: 832 };
        assert_eq!(find(Waiting::default(), Waiting::default()), None);
        assert_eq!(find(Waiting::default(), stood), Some(Knock::Connection));
        assert_eq!(find(stood, stood), None);
        assert_eq!(find(stood, Waiting { bytes: 81, ..stood }), Some(Knock::Bytes));
        assert_eq!(find(stood, Waiting { bytes: 10, ..stood }), None);
        let datagram = Waiting { bytes: 10, datagram_bytes: 833, ..stood };
        assert_eq!(find(stood, datagram), Some(Knock::Datagram));
    }

    #[test]
    fn what_was_taken_while_it_was_being_frozen_is_a_knock() {
        let rules = Rules { threshold_bytes: Some(1024), cpu_percent: Some(1.0) };
        let look = Sample {
            traffic: Some(Traffic { rx_bytes: 7, tx_bytes: 7 }),
            segments: Some(1),
            cpu_nanos: Some(0),
            ..Sample::default()
        };
        let frozen = |rx_bytes, is_connected| Sample {
            at_nanos: 1,
            traffic: Some(Traffic { rx_bytes, tx_bytes: 7 }),
            segments: Some(2),
            is_connected,
            cpu_nanos: Some(1),
            ..Sample::default()
        };
        assert_eq!(taken(&rules, &look, &frozen(8, true)), Some(Knock::Taken));
        assert_eq!(taken(&rules, &look, &frozen(8, false)), None, "it is answered, or noise");
        assert_eq!(taken(&rules, &look, &frozen(2000, false)), Some(Knock::Taken));
        assert_eq!(taken(&rules, &look, &frozen(7, true)), None, "CPU is no knock");
    }

    #[test]
    fn elsewhere_only_what_came_in_tells() {
        let sample = |rx_bytes, tx_bytes| Sample {
            traffic: Some(Traffic { rx_bytes, tx_bytes }),
            ..Sample::default()
        };
        let rules = |threshold_bytes| Rules { threshold_bytes, cpu_percent: Some(5.0) };
        let seen = |rx, tx| remote(&rules(Some(1024)), &sample(50, 0), &sample(rx, tx));
        assert_eq!(seen(50 + 1023, 9999), None);
        assert_eq!(seen(50 + 1024, 0), Some(Knock::Traffic));
        assert_eq!(seen(49, 9999), None);
        assert_eq!(remote(&rules(None), &sample(0, 0), &sample(9999, 0)), None);
        assert_eq!(remote(&rules(Some(0)), &sample(7, 0), &sample(7, 0)), None);
        assert_eq!(remote(&rules(Some(0)), &Sample::default(), &sample(7, 0)), None);
    }
}
