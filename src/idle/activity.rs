//! Counters to activity: whether a container did something between two polls. Pure: reads no
//! counters.

use crate::docker::stats::{self, Traffic};
use crate::plan::Plan;

/// What one poll found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// When, in nanoseconds of any clock that all samples of a container share.
    pub at_nanos: u64,
    /// Bytes through its interfaces but `lo`; `None`: not known.
    pub traffic: Option<Traffic>,
    /// TCP segments that its network has seen, in and out; `None`: not known.
    pub segments: Option<u64>,
    /// Whether somebody outside has a TCP connection to it; false where that is not known.
    pub is_connected: bool,
    /// Its CPU time; `None`: not known.
    pub cpu_nanos: Option<u64>,
    /// The time it wanted a CPU and got none; `None`: not known.
    pub starved_nanos: Option<u64>,
    /// Bytes that passed through drowse on their way from or to it.
    pub door_bytes: u64,
}

impl Sample {
    /// What an engine's stats tell, with the bytes that its doors have counted.
    pub fn of(stats: &stats::Sample, door_bytes: u64) -> Sample {
        let all = stats.networks.as_ref().filter(|networks| !networks.is_empty());
        let sum = |sum: Traffic, one: &Traffic| Traffic {
            rx_bytes: sum.rx_bytes.saturating_add(one.rx_bytes),
            tx_bytes: sum.tx_bytes.saturating_add(one.tx_bytes),
        };
        Sample {
            at_nanos: stats.read_nano,
            traffic: all.map(|networks| networks.values().fold(Traffic::default(), sum)),
            cpu_nanos: Some(stats.cpu_nanos),
            door_bytes,
            ..Sample::default()
        }
    }
}

/// What was seen between two polls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// It was active.
    Yes(Sign),
    /// It was idle.
    No,
    /// Nobody knows: the first poll, a poll that failed, a counter that began anew. No activity,
    /// but no idleness either: time that passed so does not count towards its sleep.
    Unknown,
}

/// By what activity shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A byte went through a door.
    Door,
    /// A byte of TCP moved while somebody was connected.
    Connection,
    /// As many bytes moved as are no longer noise.
    Bytes,
    /// As much CPU was used as the label asks for, or would have been if there had been enough.
    Cpu,
}

impl Sign {
    /// The word for it, for people.
    pub fn word(self) -> &'static str {
        match self {
            Sign::Door => "door",
            Sign::Connection => "connection",
            Sign::Bytes => "bytes",
            Sign::Cpu => "cpu",
        }
    }
}

/// Whose network a container has. One that shares another's has what that one has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Its own.
    Own,
    /// The host's.
    Host,
    /// None.
    None,
}

impl Network {
    /// From the engine's `HostConfig.NetworkMode`.
    pub fn of(mode: &str) -> Network {
        match mode {
            "host" => Network::Host,
            "none" => Network::None,
            _ => Network::Own,
        }
    }
}

/// Whether anybody comes to it through drowse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doors {
    /// It has a door.
    Some,
    /// It has none.
    None,
}

/// What counts as activity of a container. What went through a door always does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Fewer bytes are noise; `None`: bytes mean nothing.
    pub threshold_bytes: Option<u64>,
    /// In percent of one CPU; `None`: CPU means nothing.
    pub cpu_percent: Option<f64>,
}

impl Rules {
    /// The rules that a plan makes.
    ///
    /// # Errors
    /// The problem of a container of which nothing could tell that it is idle: it is to be left
    /// alone.
    pub fn of(plan: &Plan, network: Network, doors: Doors) -> Result<Rules, String> {
        let cpu_percent = plan.idle_cpu_percent;
        let whose = match network {
            Network::Own => {
                let threshold_bytes = Some(plan.idle_threshold_bytes);
                return Ok(Rules { threshold_bytes, cpu_percent });
            }
            Network::Host => "it has the host's network",
            Network::None => "it has no network",
        };
        if cpu_percent.is_none() && doors == Doors::None {
            return Err(format!(
                "proxy.idle_timeout: {whose}, so bytes do not tell whether it is idle: \
                 expected proxy.idle_cpu, or a door"
            ));
        }
        Ok(Rules { threshold_bytes: None, cpu_percent })
    }

    /// The same for one that is frozen, or soon will be: what its CPU did means nothing.
    pub fn without_cpu(&self) -> Rules {
        Rules { cpu_percent: None, ..*self }
    }
}

/// What happened from one sample to the next. Where a poll failed, `now` is `None`, and the next is
/// compared with the last that there was.
pub fn activity(rules: &Rules, before: Option<&Sample>, now: Option<&Sample>) -> Activity {
    let (Some(before), Some(now)) = (before, now) else { return Activity::Unknown };
    let signs = [by_door(before, now), by_bytes(rules, before, now), by_cpu(rules, before, now)];
    let is_seen = |activity: &&Activity| matches!(activity, Activity::Yes(_));
    match signs.iter().find(is_seen) {
        Some(seen) => *seen,
        None if signs.contains(&Activity::Unknown) => Activity::Unknown,
        None => Activity::No,
    }
}

/// These begin anew with drowse, not with the container.
fn by_door(before: &Sample, now: &Sample) -> Activity {
    match now.door_bytes.checked_sub(before.door_bytes) {
        None => Activity::Unknown,
        Some(0) => Activity::No,
        Some(_) => Activity::Yes(Sign::Door),
    }
}

fn by_bytes(rules: &Rules, before: &Sample, now: &Sample) -> Activity {
    let Some(threshold_bytes) = rules.threshold_bytes else { return Activity::No };
    let Some(bytes) = moved(before.traffic, now.traffic) else { return Activity::Unknown };
    match bytes {
        0 => Activity::No,
        _ if bytes >= threshold_bytes => Activity::Yes(Sign::Bytes),
        _ if now.is_connected && has_tcp(before, now) => Activity::Yes(Sign::Connection),
        _ => Activity::No,
    }
}

/// Whether some of the bytes may be TCP's: noise beside an idle connection stays noise.
pub fn has_tcp(before: &Sample, now: &Sample) -> bool {
    before.segments.zip(now.segments).is_none_or(|(before, now)| before != now)
}

/// Both ways; `None`: a side is not known, or went backwards.
fn moved(before: Option<Traffic>, now: Option<Traffic>) -> Option<u64> {
    let (before, now) = before.zip(now)?;
    let rx_bytes = now.rx_bytes.checked_sub(before.rx_bytes)?;
    let tx_bytes = now.tx_bytes.checked_sub(before.tx_bytes)?;
    Some(rx_bytes.saturating_add(tx_bytes))
}

fn by_cpu(rules: &Rules, before: &Sample, now: &Sample) -> Activity {
    let Some(percent) = rules.cpu_percent else { return Activity::No };
    let used = before.cpu_nanos.zip(now.cpu_nanos);
    let used = used.and_then(|(before, now)| now.checked_sub(before));
    let passed = now.at_nanos.checked_sub(before.at_nanos).filter(|nanos| *nanos > 0);
    // Who is hungry on a busy machine is not idle.
    let starved = before.starved_nanos.zip(now.starved_nanos);
    let starved = starved.map_or(0, |(before, now)| now.saturating_sub(before));
    match used.map(|used| used.saturating_add(starved)).zip(passed) {
        None => Activity::Unknown,
        Some((wanted, passed)) if 100.0 * wanted as f64 >= percent * passed as f64 => {
            Activity::Yes(Sign::Cpu)
        }
        Some(_) => Activity::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { threshold_bytes: Some(1024), cpu_percent: None };
    const CPU: Rules = Rules { threshold_bytes: Some(1024), cpu_percent: Some(5.0) };
    const SECOND_NANOS: u64 = 1_000_000_000;

    /// A sample taken 10 s after `start`'s, with so many bytes more.
    fn after(rx_bytes: u64, tx_bytes: u64) -> Sample {
        let Traffic { rx_bytes: rx, tx_bytes: tx } = start().traffic.unwrap();
        let traffic = Some(Traffic { rx_bytes: rx + rx_bytes, tx_bytes: tx + tx_bytes });
        Sample { at_nanos: start().at_nanos + 10 * SECOND_NANOS, traffic, ..start() }
    }

    fn start() -> Sample {
        Sample {
            at_nanos: 7 * SECOND_NANOS,
            traffic: Some(Traffic { rx_bytes: 5000, tx_bytes: 3000 }),
            segments: Some(40),
            is_connected: false,
            cpu_nanos: Some(2 * SECOND_NANOS),
            starved_nanos: Some(SECOND_NANOS),
            door_bytes: 100,
        }
    }

    fn seen(now: &Sample) -> Activity {
        activity(&RULES, Some(&start()), Some(now))
    }

    #[test]
    fn fewer_bytes_than_the_threshold_are_noise() {
        assert_eq!(seen(&after(0, 0)), Activity::No);
        assert_eq!(seen(&after(600, 423)), Activity::No);
        assert_eq!(seen(&after(600, 424)), Activity::Yes(Sign::Bytes));
        assert_eq!(seen(&after(0, 5000)), Activity::Yes(Sign::Bytes));
    }

    #[test]
    fn any_byte_of_tcp_counts_while_somebody_is_connected() {
        let with = |segments, sample| seen(&Sample { is_connected: true, segments, ..sample });
        let connected = |sample| with(Some(41), sample);
        assert_eq!(connected(after(0, 0)), Activity::No, "an idle connection");
        assert_eq!(connected(after(1, 0)), Activity::Yes(Sign::Connection));
        assert_eq!(connected(after(0, 1)), Activity::Yes(Sign::Connection));
        assert_eq!(connected(after(5000, 0)), Activity::Yes(Sign::Bytes));
        assert_eq!(
            with(Some(40), after(500, 500)),
            Activity::No,
            "pings beside an idle connection"
        );
        assert_eq!(with(None, after(1, 0)), Activity::Yes(Sign::Connection), "nobody knows");
    }

    #[test]
    fn without_a_threshold_any_byte_counts_but_none_does_not() {
        let rules = Rules { threshold_bytes: Some(0), cpu_percent: None };
        let seen = |now: Sample| activity(&rules, Some(&start()), Some(&now));
        assert_eq!(seen(after(0, 0)), Activity::No);
        assert_eq!(seen(after(1, 0)), Activity::Yes(Sign::Bytes));
    }

    #[test]
    fn a_byte_through_a_door_counts() {
        assert_eq!(seen(&Sample { door_bytes: 101, ..after(0, 0) }), Activity::Yes(Sign::Door));
        assert_eq!(seen(&Sample { door_bytes: 99, ..after(0, 0) }), Activity::Unknown);
    }

    #[test]
    fn cpu_counts_from_its_percentage_on_if_one_is_set() {
        let used = |nanos| Sample { cpu_nanos: Some(2 * SECOND_NANOS + nanos), ..after(0, 0) };
        let seen_by = |rules, now: Sample| activity(rules, Some(&start()), Some(&now));
        assert_eq!(seen_by(&CPU, used(SECOND_NANOS / 2)), Activity::Yes(Sign::Cpu));
        assert_eq!(seen_by(&CPU, used(SECOND_NANOS / 2 - 1)), Activity::No);
        assert_eq!(seen_by(&CPU, used(80 * SECOND_NANOS)), Activity::Yes(Sign::Cpu));
        assert_eq!(seen_by(&RULES, used(80 * SECOND_NANOS)), Activity::No);
    }

    #[test]
    fn cpu_that_was_wanted_and_not_given_counts_too() {
        let starved = |nanos| Sample {
            cpu_nanos: Some(2 * SECOND_NANOS + 1),
            starved_nanos: Some(nanos),
            ..after(0, 0)
        };
        let seen_by = |rules, now: Sample| activity(rules, Some(&start()), Some(&now));
        assert_eq!(seen_by(&CPU, starved(3 * SECOND_NANOS / 2)), Activity::Yes(Sign::Cpu));
        assert_eq!(seen_by(&CPU, starved(3 * SECOND_NANOS / 2 - 2)), Activity::No);
        assert_eq!(seen_by(&CPU, starved(0)), Activity::No, "went backwards");
        assert_eq!(seen_by(&RULES, starved(80 * SECOND_NANOS)), Activity::No);
    }

    #[test]
    fn what_goes_backwards_starts_over() {
        let less = Traffic { rx_bytes: 4999, tx_bytes: 900_000 };
        let restarted = Sample { traffic: Some(less), is_connected: true, ..after(0, 0) };
        assert_eq!(seen(&restarted), Activity::Unknown);
        let later = Sample { at_nanos: restarted.at_nanos + 1, ..restarted.clone() };
        assert_eq!(activity(&RULES, Some(&restarted), Some(&later)), Activity::No);
        let cpu = Sample { cpu_nanos: Some(1), ..after(0, 0) };
        assert_eq!(activity(&CPU, Some(&start()), Some(&cpu)), Activity::Unknown);
        let clock = Sample { at_nanos: 1, cpu_nanos: Some(90 * SECOND_NANOS), ..start() };
        assert_eq!(activity(&CPU, Some(&start()), Some(&clock)), Activity::Unknown);
        let still = Sample { cpu_nanos: Some(90 * SECOND_NANOS), ..start() };
        assert_eq!(activity(&CPU, Some(&start()), Some(&still)), Activity::Unknown);
    }

    #[test]
    fn what_is_missing_proves_nothing() {
        assert_eq!(activity(&RULES, None, Some(&after(9999, 0))), Activity::Unknown);
        assert_eq!(activity(&RULES, Some(&start()), None), Activity::Unknown);
        assert_eq!(activity(&RULES, None, None), Activity::Unknown);
        assert_eq!(seen(&Sample { traffic: None, ..after(0, 0) }), Activity::Unknown);
        assert_eq!(seen(&Sample { cpu_nanos: None, ..after(0, 0) }), Activity::No);
        let no_cpu = Sample { cpu_nanos: None, ..after(0, 0) };
        assert_eq!(activity(&CPU, Some(&start()), Some(&no_cpu)), Activity::Unknown);
        let busy = Sample { cpu_nanos: None, ..after(2000, 0) };
        assert_eq!(activity(&CPU, Some(&start()), Some(&busy)), Activity::Yes(Sign::Bytes));
    }

    fn plan(labels: &[(&str, &str)]) -> Plan {
        let mut labels: crate::sorted::Map<String, String> =
            labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        labels.insert("proxy.idle_timeout".into(), "1m".into());
        crate::plan::parse(&labels, &[], &crate::plan::Defaults::default(), &mut vec![]).unwrap()
    }

    #[test]
    fn without_a_network_of_its_own_only_cpu_and_doors_tell() {
        let with_cpu = plan(&[("proxy.idle_cpu", "5")]);
        let bare = plan(&[]);
        for mode in ["host", "none"] {
            let network = Network::of(mode);
            let rules = |plan, doors| Rules::of(plan, network, doors);
            let cpu_only = Rules { threshold_bytes: None, cpu_percent: Some(5.0) };
            let doors_only = Rules { threshold_bytes: None, cpu_percent: None };
            assert_eq!(rules(&with_cpu, Doors::None), Ok(cpu_only));
            assert_eq!(rules(&bare, Doors::Some), Ok(doors_only));
            assert!(rules(&bare, Doors::None).is_err());
            assert_eq!(activity(&doors_only, Some(&start()), Some(&after(9999, 0))), Activity::No);
        }
        assert_eq!(Network::of("bridge"), Network::Own);
        assert_eq!(Network::of("container:0123"), Network::Own);
        assert_eq!(Rules::of(&with_cpu, Network::Own, Doors::None), Ok(CPU));
        assert_eq!(
            Rules::of(&bare, Network::Host, Doors::None),
            Err("proxy.idle_timeout: it has the host's network, so bytes do not tell whether it \
                 is idle: expected proxy.idle_cpu, or a door"
                .into())
        );
    }

    #[test]
    fn an_engines_stats_become_a_sample() {
        let traffic = |rx_bytes, tx_bytes| Traffic { rx_bytes, tx_bytes };
        let mut stats = stats::Sample {
            read_nano: 9,
            cpu_nanos: 5,
            memory_bytes: 0,
            inactive_file_bytes: 0,
            memory_limit_bytes: 0,
            networks: Some([("a".into(), traffic(1, 2)), ("b".into(), traffic(3, 4))].into()),
        };
        let sample = |traffic| Sample {
            at_nanos: 9,
            traffic,
            cpu_nanos: Some(5),
            door_bytes: 7,
            ..Sample::default()
        };
        assert_eq!(Sample::of(&stats, 7), sample(Some(traffic(4, 6))));
        stats.networks = None;
        assert_eq!(Sample::of(&stats, 7), sample(None));
    }
}
