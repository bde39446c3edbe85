//! What PVE tells of guests: plain values. Asks nobody.

use std::fmt;
use std::net::IpAddr;

/// A version of PVE: `8.1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// `8`
    pub major: u32,
    /// `1`
    pub minor: u32,
}

impl Version {
    /// From this one on a guest's addresses can be asked for.
    const INTERFACES: Version = Version { major: 8, minor: 1 };
    /// From this one on a stop can call a shutdown off that is under way.
    const OVERRULE: Version = Version { major: 8, minor: 2 };

    /// Whether `GET …/interfaces` is there.
    pub fn tells_interfaces(self) -> bool {
        self >= Version::INTERFACES
    }

    /// Whether `stop` takes `overrule-shutdown`.
    pub fn overrules_shutdown(self) -> bool {
        self >= Version::OVERRULE
    }

    /// Reads `7.4-20`, `8.4.21` or `9.2`.
    pub fn parse(text: &str) -> Option<Version> {
        let mut numbers =
            text.split(|c: char| !c.is_ascii_digit()).map(|digits| digits.parse().ok());
        Some(Version { major: numbers.next()??, minor: numbers.next().flatten().unwrap_or(0) })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Where a guest is and by which number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The node's name.
    pub node: String,
    /// The guest's number, unique in its cluster.
    pub vmid: u32,
}

/// What a guest does, as PVE says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// Its first process runs; also while it is frozen.
    Running,
    /// It does not.
    Stopped,
    /// Its node has not told.
    #[default]
    Unknown,
}

impl Status {
    /// PVE's word.
    pub fn word(self) -> &'static str {
        match self {
            Status::Running => "running",
            Status::Stopped => "stopped",
            Status::Unknown => "unknown",
        }
    }

    /// From PVE's word; what is new to us is unknown.
    pub(crate) fn parse(word: &str) -> Status {
        match word {
            "running" => Status::Running,
            "stopped" => Status::Stopped,
            _ => Status::Unknown,
        }
    }
}

/// The counters of a guest, since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counters {
    /// Bytes to it; `None`: not told.
    pub in_bytes: Option<u64>,
    /// Bytes from it.
    pub out_bytes: Option<u64>,
    /// CPUs in use now: 0.5 is half of one. `None`: not told.
    pub cpus: Option<f64>,
}

/// A guest in the list of a cluster. One whose node has not reported has only a place.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Where it is.
    pub place: Place,
    /// Its name; empty if not told.
    pub name: String,
    /// What it does.
    pub status: Status,
    /// It is a template, which can't be started.
    pub is_template: bool,
    /// What holds it: `backup`, `migrate`, `snapshot`, ….
    pub lock: Option<String>,
    /// Tags with `;` between.
    pub tags: String,
    /// Its counters, ten seconds old at most.
    pub counters: Counters,
}

/// A guest as its node knows it now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Current {
    /// What it does.
    pub status: Status,
    /// What holds it.
    pub lock: Option<String>,
    /// The high-availability manager starts and stops it: orders only ask that for it.
    pub is_ha: bool,
    /// Its counters.
    pub counters: Counters,
}

/// What is configured for a guest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The notes, as they were typed.
    pub notes: String,
    /// The host name; empty if not set.
    pub hostname: String,
    /// It is a template.
    pub is_template: bool,
    /// Changes whenever the configuration does.
    pub digest: String,
    /// Its network interfaces, in the order of their numbers.
    pub nets: Vec<Net>,
}

/// A configured network interface: `net0`, ….
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Net {
    /// Its name in the guest: `eth0`.
    pub name: String,
    /// Its fixed IPv4 address; `None`: by DHCP, by hand or none.
    pub ip: Option<IpAddr>,
    /// Its fixed IPv6 address.
    pub ip6: Option<IpAddr>,
}

/// An interface of a running guest, with the addresses that reach it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its name in the guest.
    pub name: String,
    /// Its addresses, without loopback and link-local ones, IPv4 first.
    pub addresses: Vec<IpAddr>,
}
