//! What Linux writes about a container's traffic, sockets and CPU, read from the text of the files.
//! Opens none of them: bytes in, values out. What can't be read counts as not there.

use std::ffi::OsStr;
use std::iter;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::docker::stats::Traffic;

/// More of a socket table than this need not be read: some 7,000 sockets, the listening ones first.
/// A row that is cut off is left out.
pub const TABLE_LIMIT_BYTES: usize = 1 << 20;

/// Longer paths can't be opened (Linux' `PATH_MAX`).
const PATH_LIMIT_BYTES: usize = 4096;

/// The words of a bit for each port.
const PORT_WORDS: usize = (1 << 16) / 64;

/// What a frozen container has not taken yet. While it is frozen, this only grows, but where its
/// peers give up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// TCP connections that nobody has accepted.
    pub connections: u64,
    /// Bytes of TCP connections, accepted or not.
    pub bytes: u64,
    /// Memory that datagrams take, with what the kernel adds to each.
    pub datagram_bytes: u64,
}

impl Waiting {
    /// What waits in both of two tables.
    pub fn and(self, other: Waiting) -> Waiting {
        Waiting {
            connections: self.connections.saturating_add(other.connections),
            bytes: self.bytes.saturating_add(other.bytes),
            datagram_bytes: self.datagram_bytes.saturating_add(other.datagram_bytes),
        }
    }

    /// The least of each that waited at either of two times.
    pub fn least(self, other: Waiting) -> Waiting {
        Waiting {
            connections: self.connections.min(other.connections),
            bytes: self.bytes.min(other.bytes),
            datagram_bytes: self.datagram_bytes.min(other.datagram_bytes),
        }
    }
}

/// The bytes through all interfaces but `lo`, from `/proc/<pid>/net/dev`. `None`: there is no
/// other, so it has no network, or the namespace is gone.
pub fn traffic(dev: &[u8]) -> Option<Traffic> {
    let mut sum = None;
    for line in lines(dev) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, counters) = line.split_at(colon);
        if name.trim_ascii() == b"lo" {
            continue;
        }
        let Some(Traffic { rx_bytes, tx_bytes }) = interface(&counters[1..]) else { continue };
        let sum: &mut Traffic = sum.get_or_insert_default();
        sum.rx_bytes = sum.rx_bytes.saturating_add(rx_bytes);
        sum.tx_bytes = sum.tx_bytes.saturating_add(tx_bytes);
    }
    sum
}

/// The TCP segments that came in and went out, from `/proc/<pid>/net/snmp`: a line of names, then
/// one of numbers. `None`: it does not say.
pub fn segments(snmp: &[u8]) -> Option<u64> {
    let mut tcp = lines(snmp).filter_map(|line| line.strip_prefix(b"Tcp:"));
    let (names, numbers) = (tcp.next()?, tcp.next()?);
    let named = |wanted: &[u8]| {
        let mut both = fields(names).zip(fields(numbers));
        number(both.find(|(name, _)| *name == wanted)?.1)
    };
    Some(named(b"InSegs")?.wrapping_add(named(b"OutSegs")?))
}

/// The time a process' first thread waited for a CPU, in nanoseconds, from `/proc/<pid>/schedstat`.
pub fn waited_nanos(schedstat: &[u8]) -> Option<u64> {
    number(fields(schedstat).nth(1)?)
}

/// The time in which some process of a cgroup waited for a CPU, in nanoseconds, from its
/// `cpu.pressure` (version 2).
pub fn stalled_nanos(pressure: &[u8]) -> Option<u64> {
    let some = lines(pressure).find_map(|line| line.strip_prefix(b"some "))?;
    let micros = fields(some).find_map(|field| field.strip_prefix(b"total="))?;
    number(micros)?.checked_mul(1000)
}

/// Whether somebody outside has a connection to a listening socket, from `/proc/<pid>/net/tcp` or
/// `tcp6`: each has the listening sockets of its connections. Connections of a container to itself
/// go over `lo`, whose bytes don't count either.
pub fn is_connected(table: &[u8]) -> bool {
    let mut listening = [0u64; PORT_WORDS];
    for row in rows(table).filter(|row| row.state == State::LISTEN) {
        let (word, bit) = place(row.local.port);
        listening[word] |= bit;
    }
    rows(table).any(|row| {
        let (word, bit) = place(row.local.port);
        row.state == State::ESTABLISHED && listening[word] & bit != 0 && !row.is_inner()
    })
}

/// Whether a socket listens on a port, from `/proc/<pid>/net/tcp` or `tcp6`.
pub fn listens(table: &[u8], port: u16) -> bool {
    rows(table).any(|row| row.state == State::LISTEN && row.local.port == port)
}

/// Whether a socket has a port, from `/proc/<pid>/net/udp` or `udp6`.
pub fn is_bound(table: &[u8], port: u16) -> bool {
    rows(table).any(|row| row.local.port == port)
}

/// What waits in `/proc/<pid>/net/tcp` or `tcp6`.
pub fn waiting_tcp(table: &[u8]) -> Waiting {
    rows(table).map(|row| row.waiting()).fold(Waiting::default(), Waiting::and)
}

/// What waits in `/proc/<pid>/net/udp` or `udp6`.
pub fn waiting_udp(table: &[u8]) -> Waiting {
    let one = |row: Row| Waiting { datagram_bytes: row.rx_queue, ..Waiting::default() };
    rows(table).map(one).fold(Waiting::default(), Waiting::and)
}

/// Whether somebody waits at one of these ports to be accepted or read, of a table of TCP.
pub fn waits_tcp(table: &[u8], ports: &[u16]) -> bool {
    rows(table).any(|row| ports.contains(&row.local.port) && row.waiting() != Waiting::default())
}

/// Whether a datagram waits at one of these ports, of a table of UDP.
pub fn waits_udp(table: &[u8], ports: &[u16]) -> bool {
    rows(table).any(|row| ports.contains(&row.local.port) && row.rx_queue > 0)
}

/// A file that tells the CPU time of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CpuFile {
    /// cgroup version 1: `cpuacct.usage`.
    Usage(PathBuf),
    /// Version 2: `cpu.stat`.
    Stat(PathBuf),
}

impl CpuFile {
    /// Where it is.
    pub fn path(&self) -> &Path {
        match self {
            CpuFile::Usage(path) | CpuFile::Stat(path) => path,
        }
    }

    /// Where the same cgroup tells how long it waited for a CPU; `None`: version 1 does not.
    pub fn pressure(&self) -> Option<PathBuf> {
        match self {
            CpuFile::Usage(_) => None,
            CpuFile::Stat(path) => Some(path.with_file_name("cpu.pressure")),
        }
    }

    /// CPU time over all CPUs since the container's start, in nanoseconds. `None`: it does not say,
    /// as `cpu.stat` of version 1.
    pub fn nanos(&self, text: &[u8]) -> Option<u64> {
        match self {
            CpuFile::Usage(_) => number(text.trim_ascii()),
            CpuFile::Stat(_) => {
                let micros = lines(text).find_map(|line| line.strip_prefix(b"usage_usec "))?;
                number(micros.trim_ascii())?.checked_mul(1000)
            }
        }
    }
}

/// Where the CPU time of a container may be told, from `/proc/<pid>/cgroup`: the first that can be
/// read is it. Empty where the container has no cgroup of its own, or none that is seen from here.
///
/// A process may have moved below the container's cgroup, as those of a systemd do: `id`, the
/// container's full one, tells which it is.
pub fn cpu_files(cgroup: &[u8], id: &str) -> Vec<CpuFile> {
    let mut found = Vec::new();
    for line in lines(cgroup) {
        let mut parts = line.splitn(3, |byte| *byte == b':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let Some(path) = own_cgroup(path, id) else { continue };
        let file = |mount: &[u8], name: &str| {
            let mount = Path::new("/sys/fs/cgroup").join(OsStr::from_bytes(mount));
            mount.join(OsStr::from_bytes(path)).join(name)
        };
        if controllers.is_empty() {
            let mounts: [&[u8]; 2] = [b"", b"unified"];
            found.extend(mounts.map(|mount| CpuFile::Stat(file(mount, "cpu.stat"))));
        } else if controllers.split(|byte| *byte == b',').any(|name| name == b"cpuacct") {
            let mounts = if controllers == b"cpuacct" { 1 } else { 2 };
            let mounts = [b"cpuacct", controllers].into_iter().take(mounts);
            found.extend(mounts.map(|mount| CpuFile::Usage(file(mount, "cpuacct.usage"))));
        }
    }
    found
}

/// A path in a hierarchy up to the name that has the container's id in it, without the first `/`.
fn own_cgroup<'a>(path: &'a [u8], id: &str) -> Option<&'a [u8]> {
    let path = path.strip_prefix(b"/")?;
    let is_plain = path.split(|byte| *byte == b'/').all(|name| name != b"..");
    if !is_plain || id.is_empty() || path.len() > PATH_LIMIT_BYTES {
        return None;
    }
    let at = path.windows(id.len()).position(|part| part == id.as_bytes())?;
    let rest = path[at..].iter().position(|byte| *byte == b'/');
    Some(&path[..rest.map_or(path.len(), |rest| at + rest)])
}

/// The sum of an interface; after the name: eight counters of what came in, eight of what went out,
/// bytes first. The field behind the last one wanted shows that it is whole.
fn interface(counters: &[u8]) -> Option<Traffic> {
    let mut fields = fields(counters);
    let rx_bytes = number(fields.next()?)?;
    let tx_bytes = number(fields.nth(7)?)?;
    fields.next()?;
    Some(Traffic { rx_bytes, tx_bytes })
}

/// A socket's state, as the kernel numbers them (Linux' `net/tcp_states.h`).
#[derive(Clone, Copy, PartialEq, Eq)]
struct State(u8);

impl State {
    const ESTABLISHED: State = State(1);
    const FIN_WAIT1: State = State(4);
    const FIN_WAIT2: State = State(5);
    const CLOSE_WAIT: State = State(8);
    const LISTEN: State = State(10);
}

/// One end of a socket.
struct End<'a> {
    /// Words of 8 digits, as this machine orders the bytes of a word.
    address: &'a [u8],
    port: u16,
}

/// One line of a socket table.
struct Row<'a> {
    local: End<'a>,
    remote: End<'a>,
    state: State,
    rx_queue: u64,
}

impl Row<'_> {
    fn waiting(&self) -> Waiting {
        let (connections, bytes) = match self.state {
            State::LISTEN => (self.rx_queue, 0),
            State::ESTABLISHED | State::FIN_WAIT1 | State::FIN_WAIT2 => (0, self.rx_queue),
            // The end of the connection counts as a byte until it is read, but it is none.
            State::CLOSE_WAIT => (0, self.rx_queue.saturating_sub(1)),
            _ => (0, 0),
        };
        Waiting { connections, bytes, datagram_bytes: 0 }
    }

    /// Whether both ends are in the container.
    fn is_inner(&self) -> bool {
        self.local.address == self.remote.address || is_loopback(self.remote.address)
    }
}

fn rows(table: &[u8]) -> impl Iterator<Item = Row<'_>> {
    lines(table).filter_map(row)
}

/// Number, local end, remote end, state, both queues; the field behind shows that they are whole.
fn row(line: &[u8]) -> Option<Row<'_>> {
    let mut fields = fields(line).skip(1);
    let local = end(fields.next()?)?;
    let remote = end(fields.next()?)?;
    let state = State(u8::try_from(hex(fields.next()?, 2)?).ok()?);
    let queues = fields.next()?;
    fields.next()?;
    let colon = queues.iter().position(|byte| *byte == b':')?;
    Some(Row { local, remote, state, rx_queue: u64::from(hex(&queues[colon + 1..], 8)?) })
}

fn end(text: &[u8]) -> Option<End<'_>> {
    let colon = text.iter().position(|byte| *byte == b':')?;
    let (address, port) = (&text[..colon], &text[colon + 1..]);
    Some(End { address, port: u16::try_from(hex(port, 4)?).ok()? })
}

/// 127.0.0.0/8, `::1`, and the first within IPv6.
fn is_loopback(address: &[u8]) -> bool {
    let word = |at: usize| {
        let word = hex(address.get(at * 8..at * 8 + 8)?, 8)?;
        Some(word.to_ne_bytes())
    };
    let words = [word(0), word(1), word(2), word(3)];
    match words {
        [Some(word), None, None, None] => word[0] == 127,
        [Some(a), Some(b), Some(c), Some(d)] if [a, b] == [[0; 4]; 2] => match c {
            [0, 0, 0, 0] => d == [0, 0, 0, 1],
            [0, 0, 0xff, 0xff] => d[0] == 127,
            _ => false,
        },
        _ => false,
    }
}

/// A port's word in a set of ports, and its bit in that.
fn place(port: u16) -> (usize, u64) {
    (usize::from(port / 64), 1 << (port % 64))
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
}

fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = line;
    iter::from_fn(move || {
        rest = rest.trim_ascii_start();
        let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
        let (field, after) = rest.split_at(end);
        rest = after;
        (!field.is_empty()).then_some(field)
    })
}

/// Digits only.
fn number(text: &[u8]) -> Option<u64> {
    let digit = |value: u64, byte: &u8| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    };
    if text.is_empty() { None } else { text.iter().try_fold(0, digit) }
}

/// Just so many digits, 8 at most.
fn hex(text: &[u8], digits: usize) -> Option<u32> {
    if text.len() != digits {
        return None;
    }
    let digit = |value: u32, byte: &u8| Some(value << 4 | char::from(*byte).to_digit(16)?);
    text.iter().try_fold(0, digit)
}
