//! What this machine's kernel tells of a container, through descriptors kept open while it runs:
//! no engine is asked. Opens files; what they mean is said elsewhere.

use std::path::Path;

use crate::docker::stats::Traffic;
use crate::idle::activity::{Activity, Rules, Sample, activity, has_tcp};
use crate::idle::doors::Transport;
use crate::idle::proc::{self, CpuFile, TABLE_LIMIT_BYTES, Waiting};
use crate::net::kept::Kept;

/// What any other of these files holds at most.
const FILE_LIMIT_BYTES: usize = 64 << 10;

/// The open files of one running container. They hold its network namespace: drop them when it
/// ends.
#[derive(Debug)]
pub struct Senses {
    /// `/proc/<pid>/cgroup`: can't be read any more when the process has ended.
    alive: Kept,
    dev: Kept,
    snmp: Option<Kept>,
    tcp: Tables,
    udp: Tables,
    /// Boxed, as most rules do without.
    cpu: Option<Box<Cpu>>,
}

/// Of IPv4 and IPv6.
type Tables = [Option<Kept>; 2];

/// What reads a time from a file's text.
type Nanos = fn(&[u8]) -> Option<u64>;

/// What tells of its CPU, where its rules ask for that.
#[derive(Debug)]
struct Cpu {
    file: CpuFile,
    used: Kept,
    starved: Option<(Kept, Nanos)>,
}

/// The process has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended;

impl Senses {
    /// The senses for the container of this full id, whose first process is this. `None`: it is
    /// another machine's process, or its files can't be read. Of its CPU nothing is opened where
    /// that means nothing.
    pub fn open(pid: u32, id: &str, rules: &Rules, text: &mut Vec<u8>) -> Option<Senses> {
        let file = |name: &str| Kept::open(Path::new(&format!("/proc/{pid}/{name}")));
        let alive = file("cgroup").ok()?;
        alive.read(text, FILE_LIMIT_BYTES).ok()?;
        let is_its = text.windows(id.len().max(1)).any(|part| part == id.as_bytes());
        if !is_its {
            return None;
        }
        let files = rules.cpu_percent.map(|_| proc::cpu_files(text, id));
        let cpu = files.into_iter().flatten().find_map(|file| Cpu::open(pid, file, text));
        let (dev, snmp) = (file("net/dev").ok()?, file("net/snmp").ok());
        let tables = |names: [&str; 2]| names.map(|name| file(name).ok());
        let (tcp, udp) = (tables(["net/tcp", "net/tcp6"]), tables(["net/udp", "net/udp6"]));
        Some(Senses { alive, dev, snmp, tcp, udp, cpu: cpu.map(Box::new) })
    }

    /// What the counters say now, at a time in nanoseconds of any clock. Whether somebody is
    /// connected is only looked up where it matters.
    pub fn sample(
        &self,
        at_nanos: u64,
        (rules, before): (&Rules, Option<&Sample>),
        text: &mut Vec<u8>,
    ) -> Result<Sample, Ended> {
        let traffic = self.traffic(text)?;
        let cpu = self.cpu.as_ref();
        let cpu_nanos = cpu.and_then(|cpu| cpu.used_nanos(text));
        let starved_nanos = cpu.and_then(|cpu| cpu.starved_nanos(text));
        let still = before.filter(|before| before.traffic == traffic);
        let segments = match still {
            Some(before) => before.segments,
            None => self.segments(text),
        };
        let mut sample = Sample { at_nanos, traffic, segments, cpu_nanos, ..Sample::default() };
        sample.starved_nanos = starved_nanos;
        // The kernel walks all connections of the machine for each table, for milliseconds: not for
        // noise that reaches all containers of a bridge at once.
        let moved = before.filter(|_| still.is_none());
        let may_be_connected = moved.is_some_and(|before| has_tcp(before, &sample));
        if may_be_connected && activity(rules, before, Some(&sample)) == Activity::No {
            sample.is_connected = self.is_connected(text);
        }
        Ok(sample)
    }

    /// What came in through its interfaces; `None`: it has none.
    pub fn rx_bytes(&self, text: &mut Vec<u8>) -> Option<u64> {
        self.dev.read(text, FILE_LIMIT_BYTES).ok()?;
        Some(proc::traffic(text)?.rx_bytes)
    }

    fn traffic(&self, text: &mut Vec<u8>) -> Result<Option<Traffic>, Ended> {
        self.alive.read(text, FILE_LIMIT_BYTES).map_err(|_| Ended)?;
        self.dev.read(text, FILE_LIMIT_BYTES).map_err(|_| Ended)?;
        Ok(proc::traffic(text))
    }

    fn segments(&self, text: &mut Vec<u8>) -> Option<u64> {
        self.snmp.as_ref()?.read(text, FILE_LIMIT_BYTES).ok()?;
        proc::segments(text)
    }

    /// What it has not taken yet.
    pub fn waiting(&self, text: &mut Vec<u8>) -> Waiting {
        let mut waiting = Waiting::default();
        let tcp = self.tcp.iter().flatten().map(|table| (table, true));
        for (table, is_tcp) in tcp.chain(self.udp.iter().flatten().map(|table| (table, false))) {
            if table.read(text, TABLE_LIMIT_BYTES).is_err() {
                continue;
            }
            let read = if is_tcp { proc::waiting_tcp(text) } else { proc::waiting_udp(text) };
            waiting = waiting.and(read);
        }
        waiting
    }

    /// Whether somebody within listens on a port (TCP), or has a socket there (UDP).
    pub fn listens(&self, port: u16, transport: Transport) -> bool {
        let (tables, has): (_, fn(&[u8], u16) -> bool) = match transport {
            Transport::Tcp => (&self.tcp, proc::listens),
            Transport::Udp => (&self.udp, proc::is_bound),
        };
        let mut text = Vec::new();
        tables
            .iter()
            .flatten()
            .any(|table| table.read(&mut text, TABLE_LIMIT_BYTES).is_ok() && has(&text, port))
    }

    fn is_connected(&self, text: &mut Vec<u8>) -> bool {
        let mut tables = self.tcp.iter().flatten();
        tables.any(|table| table.read(text, TABLE_LIMIT_BYTES).is_ok() && proc::is_connected(text))
    }
}

/// Whether somebody waits at one of these ports, of a table.
type Waits = fn(&[u8], &[u16]) -> bool;

/// Whether somebody waits at one of these ports of this machine: an engine's own proxy, by which
/// clients of this machine come, has not accepted them yet or not read what they said, so that
/// nothing of it is seen in the container.
pub fn waits_here(ports: &[u16], transport: Transport, text: &mut Vec<u8>) -> bool {
    let (names, waits): (_, Waits) = match transport {
        Transport::Tcp => (["tcp", "tcp6"], proc::waits_tcp),
        Transport::Udp => (["udp", "udp6"], proc::waits_udp),
    };
    !ports.is_empty()
        && names.iter().any(|name| {
            let table = Kept::open(Path::new(&format!("/proc/self/net/{name}")));
            let read = table.and_then(|table| table.read(text, TABLE_LIMIT_BYTES));
            read.is_ok() && waits(text, ports)
        })
}

impl Cpu {
    fn open(pid: u32, file: CpuFile, text: &mut Vec<u8>) -> Option<Cpu> {
        let used = Kept::open(file.path()).ok()?;
        let pressure = file.pressure().and_then(|path| Kept::open(&path).ok());
        let schedstat = || Kept::open(Path::new(&format!("/proc/{pid}/schedstat"))).ok();
        let starved = match pressure {
            Some(pressure) => Some((pressure, proc::stalled_nanos as Nanos)),
            None => schedstat().map(|kept| (kept, proc::waited_nanos as _)),
        };
        let cpu = Cpu { file, used, starved };
        cpu.used_nanos(text).is_some().then_some(cpu)
    }

    fn used_nanos(&self, text: &mut Vec<u8>) -> Option<u64> {
        self.used.read(text, FILE_LIMIT_BYTES).ok()?;
        self.file.nanos(text)
    }

    fn starved_nanos(&self, text: &mut Vec<u8>) -> Option<u64> {
        let (kept, read) = self.starved.as_ref()?;
        kept.read(text, FILE_LIMIT_BYTES).ok()?;
        read(text)
    }
}
