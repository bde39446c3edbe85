//! Samples to figures: CPU, memory, and rates as averages of ten samples. Asks nobody, reads no
//! clock: the samples carry the engine's.

use std::collections::VecDeque;

use crate::docker::stats::{Sample, Traffic};
use crate::docker::time;
use crate::sorted::Map;

use super::state::State;

/// So many samples make an average.
const SAMPLES: usize = 10;

/// Which interface's bytes count, each way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// `None`: all of them.
    pub rx: Option<String>,
    /// `None`: all of them.
    pub tx: Option<String>,
}

/// What was seen since the container's last start.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    last: Option<Point>,
    rx: Window,
    tx: Window,
    receiving_since_nano: Option<u64>,
}

/// What of a sample is compared with the next.
#[derive(Clone, Debug)]
struct Point {
    read_nano: u64,
    cpu_nanos: u64,
    traffic: Option<Traffic>,
}

/// The bytes of the last intervals, and how long those were.
#[derive(Clone, Debug, Default)]
struct Window(VecDeque<(u64, u64)>);

impl Figures {
    /// Takes a sample, and writes what it means.
    pub fn take(&mut self, sample: &Sample, counted: &Counted, state: &mut State) {
        let traffic = sample.networks.as_ref().map(|networks| sum(networks, counted));
        let now = Point { read_nano: sample.read_nano, cpu_nanos: sample.cpu_nanos, traffic };
        state.memory_bytes = Some(memory(sample));
        (state.rx_bytes, state.tx_bytes) =
            (traffic.map(|one| one.rx_bytes), traffic.map(|one| one.tx_bytes));
        let Some(last) = &self.last else {
            self.last = Some(now);
            return;
        };
        // The same sample twice, or an engine whose clock was put back: from here on anew.
        let Some(nanos) = now.read_nano.checked_sub(last.read_nano).filter(|nanos| *nanos > 0)
        else {
            self.last = Some(now);
            return;
        };
        let used = grown(last.cpu_nanos, now.cpu_nanos);
        state.cpu_percent = Some((used as f64 * 10_000.0 / nanos as f64).round() / 100.0);
        if let (Some(before), Some(after)) = (last.traffic, now.traffic) {
            let received = grown(before.rx_bytes, after.rx_bytes);
            self.rx.push(received, nanos);
            self.tx.push(grown(before.tx_bytes, after.tx_bytes), nanos);
            (state.rx_rate, state.tx_rate) = (self.rx.rate(), self.tx.rate());
            self.note_receipt(received, last.read_nano);
            state.receiving_since = self.receiving_since_nano.map(time::rfc3339);
        }
        self.last = Some(now);
    }

    /// It receives from its first byte on until ten samples bring none.
    fn note_receipt(&mut self, received: u64, since_nano: u64) {
        match self.rx.is_still() {
            true => self.receiving_since_nano = None,
            false if received > 0 => {
                self.receiving_since_nano.get_or_insert(since_nano);
            }
            false => {}
        }
    }
}

impl Window {
    fn push(&mut self, bytes: u64, nanos: u64) {
        if self.0.len() == SAMPLES {
            self.0.pop_front();
        }
        self.0.push_back((bytes, nanos));
    }

    /// Bytes a second.
    fn rate(&self) -> Option<u64> {
        let sum = |sum: (u128, u128), one: &(u64, u64)| {
            (sum.0 + u128::from(one.0), sum.1 + u128::from(one.1))
        };
        let (bytes, nanos) = self.0.iter().fold((0, 0), sum);
        let rate = (bytes * 1_000_000_000 + nanos / 2).checked_div(nanos)?;
        Some(u64::try_from(rate).unwrap_or(u64::MAX))
    }

    fn is_still(&self) -> bool {
        self.0.iter().all(|(bytes, _)| *bytes == 0)
    }
}

/// A counter that goes backwards began anew.
fn grown(before: u64, after: u64) -> u64 {
    after.checked_sub(before).unwrap_or(after)
}

/// As `docker stats` has it: without the part of the page cache that nobody used of late.
fn memory(sample: &Sample) -> u64 {
    let without = sample.memory_bytes.checked_sub(sample.inactive_file_bytes);
    without.unwrap_or(sample.memory_bytes)
}

fn sum(networks: &Map<String, Traffic>, counted: &Counted) -> Traffic {
    let bytes = |one: &Option<String>, side: fn(&Traffic) -> u64| match one {
        Some(name) => networks.get(name).map_or(0, side),
        None => networks.values().map(side).fold(0, u64::saturating_add),
    };
    Traffic {
        rx_bytes: bytes(&counted.rx, |one| one.rx_bytes),
        tx_bytes: bytes(&counted.tx, |one| one.tx_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn sample(second: u64, cpu_nanos: u64, eth: [(u64, u64); 2]) -> Sample {
        let [one, two] = eth.map(|(rx_bytes, tx_bytes)| Traffic { rx_bytes, tx_bytes });
        Sample {
            read_nano: (1000 + second) * SECOND,
            cpu_nanos,
            memory_bytes: 100,
            inactive_file_bytes: 30,
            memory_limit_bytes: 0,
            networks: Some([("eth0".to_owned(), one), ("eth1".to_owned(), two)].into()),
        }
    }

    fn taken(samples: &[Sample], counted: &Counted) -> State {
        let (mut figures, mut state) = (Figures::default(), State::default());
        samples.iter().for_each(|sample| figures.take(sample, counted, &mut state));
        state
    }

    #[test]
    fn figures_need_two_samples_and_go_by_their_own_clock() {
        let first = sample(0, 0, [(0, 0), (0, 0)]);
        let state = taken(std::slice::from_ref(&first), &Counted::default());
        assert_eq!((state.cpu_percent, state.memory_bytes, state.rx_rate), (None, Some(70), None));
        let second = sample(2, 3 * SECOND, [(1000, 10), (2000, 20)]);
        let state = taken(&[first.clone(), second.clone()], &Counted::default());
        assert_eq!(state.cpu_percent, Some(150.0));
        assert_eq!((state.rx_rate, state.tx_rate), (Some(1500), Some(15)));
        assert_eq!((state.rx_bytes, state.tx_bytes), (Some(3000), Some(30)));
        let repeated = taken(&[first, second.clone(), second], &Counted::default());
        assert_eq!(repeated.rx_rate, Some(1500), "the same sample twice is one");
    }

    #[test]
    fn each_way_may_count_another_interface() {
        let counted = Counted { rx: Some("eth1".into()), tx: Some("eth0".into()) };
        let samples = [sample(0, 0, [(0, 0), (0, 0)]), sample(1, 0, [(1, 2), (4, 8)])];
        let state = taken(&samples, &counted);
        assert_eq!((state.rx_rate, state.tx_rate), (Some(4), Some(2)));
        let nowhere = Counted { rx: Some("eth7".into()), tx: None };
        assert_eq!(taken(&samples, &nowhere).rx_bytes, Some(0));
    }

    #[test]
    fn a_rate_is_the_average_of_ten_samples() {
        let samples: Vec<_> =
            (0..13).map(|n| sample(n, 0, [(if n < 3 { 0 } else { 500 }, 0), (0, 0)])).collect();
        let rate = |upto: usize| taken(&samples[..upto], &Counted::default()).rx_rate;
        assert_eq!(rate(4), Some(167), "500 bytes in three seconds");
        assert_eq!(rate(12), Some(50), "in ten");
        assert_eq!(rate(13), Some(50));
    }

    #[test]
    fn it_receives_until_ten_samples_bring_nothing() {
        let upto = |last: u64| {
            let rx = |n: u64| if n < 2 { 0 } else { 500 };
            let samples: Vec<_> = (0..=last).map(|n| sample(n, 0, [(rx(n), 0), (0, 0)])).collect();
            taken(&samples, &Counted::default()).receiving_since
        };
        let since = Some("1970-01-01T00:16:41.000000000Z".to_owned());
        assert_eq!((upto(1), upto(2), upto(11), upto(12)), (None, since.clone(), since, None));
    }

    #[test]
    fn counters_that_go_backwards_begin_anew() {
        let samples =
            [sample(0, 9 * SECOND, [(900, 0), (0, 0)]), sample(1, SECOND, [(7, 0), (0, 0)])];
        let state = taken(&samples, &Counted::default());
        assert_eq!((state.cpu_percent, state.rx_rate), (Some(100.0), Some(7)));
    }

    #[test]
    fn without_interfaces_there_are_no_rates() {
        let samples = [0, 1].map(|n| Sample { networks: None, ..sample(n, 0, [(0, 0), (0, 0)]) });
        let state = taken(&samples, &Counted::default());
        assert_eq!((state.rx_rate, state.rx_bytes, state.cpu_percent), (None, None, Some(0.0)));
    }
}
