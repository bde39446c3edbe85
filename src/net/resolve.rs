//! Names to addresses without a thread. No cache: who asks keeps the answer.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::event::{PollFd, PollFlags};

use crate::error::Why;
use crate::net::access::plain;
use crate::net::wait::{Deadline, wait};

/// Prints the addresses of a name, one a line and socket type.
const PROGRAM: [&str; 2] = ["getent", "ahosts"];

/// More addresses than any name needs; the rest is dropped.
const ADDRESSES_MAX: usize = 16;

/// What is read of the answer.
const ANSWER_LIMIT_BYTES: usize = 16 << 10;

/// A name that is being looked up, by a child that is killed when this is dropped: getaddrinfo(3)
/// itself can't be stopped.
#[derive(Debug)]
pub struct Lookup {
    host: String,
    port: u16,
    child: Child,
    output: ChildStdout,
    answer: Vec<u8>,
}

/// The addresses of `host`, at least one, in the order to try them. Waits until the deadline.
///
/// Literal addresses and `localhost` are known; other names are looked up by `getent ahosts`, or,
/// where there is no such program, by the C library without a limit.
pub fn addresses(host: &str, port: u16, deadline: Deadline) -> Result<Vec<SocketAddr>, Why> {
    match known(host, port)? {
        Some(known) => Ok(known),
        None => await_answer(ask(host, port)?, deadline),
    }
}

/// The addresses of a host for which no child has to be asked.
pub fn known(host: &str, port: u16) -> Result<Option<Vec<SocketAddr>>, Why> {
    let found = if let Ok(address) = host.parse::<IpAddr>() {
        vec![address]
    } else if host.eq_ignore_ascii_case("localhost") {
        vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
    } else if is_installed(PROGRAM[0]) {
        return Ok(None);
    } else {
        ask_libc(host)?
    };
    Ok(Some(at_port(found, port)))
}

/// Begins to look a name up.
pub fn ask(host: &str, port: u16) -> Result<Lookup, Why> {
    ask_by(&PROGRAM, host, port)
}

impl Lookup {
    /// Readable when there is something to [`hear`](Lookup::hear).
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }

    /// Takes what there is of the answer; `None`: there will be more.
    pub fn hear(&mut self) -> Option<Result<Vec<SocketAddr>, Why>> {
        let mut piece = [0; 4096];
        while self.answer.len() < ANSWER_LIMIT_BYTES {
            match self.output.read(&mut piece) {
                Ok(0) => break,
                Ok(n) => self.answer.extend(piece.iter().take(n)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Some(Err(self.failed(&plain(&error)))),
            }
        }
        let found = parse(&String::from_utf8_lossy(&self.answer));
        Some(some(at_port(found, self.port), &self.host))
    }

    /// What to say when the time for it has passed.
    pub fn passed(&self, limit: Deadline) -> Why {
        self.failed(&format!("{} from the name servers", limit.passed()))
    }

    fn failed(&self, why: &str) -> Why {
        Why::Unreachable(format!("looking up {}: {why}", self.host))
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        // The child is over or has to be: neither call can fail in a way that matters.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn ask_by(command: &[&str], host: &str, port: u16) -> Result<Lookup, Why> {
    let Some((program, arguments)) = command.split_first() else {
        unreachable!("whom to ask is written in this file")
    };
    if host.is_empty() || host.starts_with('-') {
        return Err(unknown(host));
    }
    let mut asking = Command::new(program);
    asking.args(arguments).arg(host).stdin(Stdio::null()).stderr(Stdio::null());
    let started = asking.stdout(Stdio::piped()).spawn();
    let mut child = started.map_err(|error| {
        Why::Unreachable(format!("{program} can't be started: {}", plain(&error)))
    })?;
    let Some(output) = child.stdout.take() else { unreachable!("it was started with a pipe") };
    let lookup = Lookup { host: host.to_owned(), port, child, output, answer: Vec::new() };
    match rustix::io::ioctl_fionbio(&lookup.output, true) {
        Ok(()) => Ok(lookup),
        Err(error) => Err(lookup.failed(&plain(&error.into()))),
    }
}

fn await_answer(mut lookup: Lookup, deadline: Deadline) -> Result<Vec<SocketAddr>, Why> {
    loop {
        if let Some(answer) = lookup.hear() {
            return answer;
        }
        let readable = PollFd::from_borrowed_fd(lookup.output.as_fd(), PollFlags::IN);
        if let Err(error) = wait(&mut [readable], Some(deadline.until)) {
            return Err(match error.kind() {
                io::ErrorKind::TimedOut => lookup.passed(deadline),
                _ => lookup.failed(&plain(&error)),
            });
        }
    }
}

fn at_port(found: Vec<IpAddr>, port: u16) -> Vec<SocketAddr> {
    found.into_iter().map(|address| SocketAddr::new(address, port)).collect()
}

fn ask_libc(host: &str) -> Result<Vec<IpAddr>, Why> {
    let found = (host, 0).to_socket_addrs().map_err(|_| unknown(host))?;
    some(distinct(found.map(|address| address.ip())), host)
}

/// `getent ahosts` prints each address once for each socket type: `192.0.2.1 STREAM name`.
fn parse(answer: &str) -> Vec<IpAddr> {
    let first_words = answer.lines().filter_map(|line| line.split_whitespace().next());
    distinct(first_words.filter_map(|word| word.parse().ok()))
}

fn distinct(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut kept = Vec::new();
    for address in addresses {
        if kept.len() < ADDRESSES_MAX && !kept.contains(&address) {
            kept.push(address);
        }
    }
    kept
}

fn some<T>(found: Vec<T>, host: &str) -> Result<Vec<T>, Why> {
    if found.is_empty() { Err(unknown(host)) } else { Ok(found) }
}

fn unknown(host: &str) -> Why {
    Why::Unreachable(format!("unknown host name {host}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn within(millis: u64) -> Deadline {
        let (limit, now) = (Duration::from_millis(millis), Instant::now());
        Deadline::by(now + limit, now)
    }

    fn asked(script: &str, deadline: Deadline) -> Result<Vec<SocketAddr>, Why> {
        await_answer(ask_by(&["sh", "-c", script], "engine.test", 2375)?, deadline)
    }

    #[test]
    fn literal_addresses_and_localhost_need_nobody() {
        let known = |host| addresses(host, 2375, within(0)).unwrap();
        assert_eq!(known("192.0.2.1"), ["192.0.2.1:2375".parse().unwrap()]);
        assert_eq!(known("2001:db8::1"), ["[2001:db8::1]:2375".parse().unwrap()]);
        let both = ["127.0.0.1:2375".parse().unwrap(), "[::1]:2375".parse().unwrap()];
        assert_eq!(known("LocalHost"), both);
    }

    #[test]
    fn each_address_of_the_answer_is_taken_once_in_its_order() {
        let answer = "printf '2001:db8::1 STREAM engine\\n2001:db8::1 DGRAM\\nfe80::1%%eth0 RAW\\n\
                      192.0.2.1 STREAM\\n192.0.2.1 RAW\\n'";
        let expected = ["[2001:db8::1]:2375", "192.0.2.1:2375"].map(|at| at.parse().unwrap());
        assert_eq!(asked(answer, within(10_000)), Ok(expected.to_vec()));
    }

    #[test]
    fn no_answer_and_an_unknown_name_are_told_apart() {
        let unknown = Why::Unreachable("unknown host name engine.test".into());
        assert_eq!(asked("exit 2", within(10_000)), Err(unknown));
        assert_eq!(
            asked("exec sleep 60", within(200)).unwrap_err().to_string(),
            "looking up engine.test: no answer within 0.2 s from the name servers"
        );
    }

    #[test]
    fn a_name_is_never_taken_for_an_option() {
        assert_eq!(ask("--help", 1).unwrap_err(), unknown("--help"));
    }

    #[test]
    fn without_the_program_the_c_library_is_asked() {
        assert!(is_installed("sh") && !is_installed("no-such-getent"));
        assert_eq!(ask_libc("127.0.0.1"), Ok(vec![Ipv4Addr::LOCALHOST.into()]));
    }
}
