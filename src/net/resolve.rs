//! Names to addresses within a deadline, without a thread. No cache: callers resolve when they
//! start or reload.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags};

use crate::error::Why;
use crate::net::access::plain;
use crate::net::wait::{Deadline, wait};

/// More addresses than any name needs; the rest is dropped.
const ADDRESSES_MAX: usize = 16;

/// What is read of the answer.
const ANSWER_LIMIT_BYTES: usize = 16 << 10;

/// The addresses of `host`, at least one, in the order to try them.
///
/// Literal addresses and `localhost` are known; other names are looked up by `getent ahosts`, a
/// child that is killed at the deadline (getaddrinfo(3) itself can't be stopped), or, where there
/// is no such program, by the C library without a limit.
pub fn addresses(host: &str, port: u16, deadline: Deadline) -> Result<Vec<SocketAddr>, Why> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    if host.eq_ignore_ascii_case("localhost") {
        let both = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        return Ok(both.map(|address| SocketAddr::new(address, port)).to_vec());
    }
    let found = ask(&["getent", "ahosts"], host, deadline)?;
    Ok(found.into_iter().map(|address| SocketAddr::new(address, port)).collect())
}

fn ask(command: &[&str], host: &str, deadline: Deadline) -> Result<Vec<IpAddr>, Why> {
    let Some((program, arguments)) = command.split_first() else {
        unreachable!("whom to ask is written in this file")
    };
    if host.is_empty() || host.starts_with('-') {
        return Err(unknown(host));
    }
    let mut asking = Command::new(program);
    asking.args(arguments).arg(host).stdin(Stdio::null()).stderr(Stdio::null());
    let mut child = match asking.stdout(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return ask_libc(host),
        Err(error) => return Err(Why::Unreachable(format!("{program}: {}", plain(&error)))),
    };
    let answer = read_answer(&mut child, deadline);
    // The child is over or has to be: neither call can fail in a way that matters.
    let _ = child.kill();
    let _ = child.wait();
    match answer {
        Ok(text) => some(parse(&text), host),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            let limit = deadline.passed();
            Err(Why::Unreachable(format!("looking up {host}: {limit} from the name servers")))
        }
        Err(error) => Err(Why::Unreachable(format!("looking up {host}: {}", plain(&error)))),
    }
}

fn read_answer(child: &mut Child, deadline: Deadline) -> io::Result<String> {
    let Some(mut output) = child.stdout.take() else { return Ok(String::new()) };
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while answer.len() < ANSWER_LIMIT_BYTES {
        let readable = PollFd::from_borrowed_fd(output.as_fd(), PollFlags::IN);
        wait(&mut [readable], Some(deadline.until))?;
        match output.read(&mut piece)? {
            0 => break,
            n => answer.extend(piece.iter().take(n)),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
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

fn some(found: Vec<IpAddr>, host: &str) -> Result<Vec<IpAddr>, Why> {
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

    fn asked(script: &str, deadline: Deadline) -> Result<Vec<IpAddr>, Why> {
        ask(&["sh", "-c", script], "engine.test", deadline)
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
        let expected: Vec<IpAddr> =
            vec!["2001:db8::1".parse().unwrap(), "192.0.2.1".parse().unwrap()];
        assert_eq!(asked(answer, within(10_000)), Ok(expected));
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
        assert_eq!(ask(&["getent", "ahosts"], "--help", within(10_000)), Err(unknown("--help")));
    }

    #[test]
    fn without_the_program_the_c_library_is_asked() {
        let found = ask(&["no-such-getent"], "127.0.0.1", within(10_000)).unwrap();
        assert_eq!(found, [IpAddr::from(Ipv4Addr::LOCALHOST)]);
    }
}
