//! Connecting to Unix and TCP sockets within a time limit. No TLS, no names; the words for what
//! went wrong with a socket file are in `access`.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};

use crate::error::Why;
use crate::net::access;
use crate::net::wait::{Deadline, wait};

/// A Unix socket whose backlog is full says so at once and never tells when it is not: try again.
const BACKLOG_RETRY_EVERY: Duration = Duration::from_millis(10);

/// A silent peer is found dead after `IDLE + COUNT × EVERY`: 60 s.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
const KEEPALIVE_COUNT: u32 = 3;

/// A connected, non-blocking Unix socket.
pub fn unix(path: &Path, deadline: Deadline) -> Result<UnixStream, Why> {
    loop {
        match begin_unix(path) {
            Ok(stream) => return Ok(stream),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let left = deadline.until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(deadline.passed());
                }
                std::thread::sleep(left.min(BACKLOG_RETRY_EVERY));
            }
            Err(error) => return Err(access::socket_file(path, &error)),
        }
    }
}

/// A connected, non-blocking TCP socket to the first address that answers. Each gets its share of
/// the time that is left.
pub fn tcp(addresses: &[SocketAddr], deadline: Deadline) -> Result<TcpStream, Why> {
    let mut failures = Vec::new();
    for (tried, address) in addresses.iter().enumerate() {
        let now = Instant::now();
        let waiting = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let until = now + deadline.until.saturating_duration_since(now) / waiting;
        match begin_tcp(*address).and_then(|stream| finish_tcp(stream, until)) {
            Ok(stream) => return Ok(stream),
            Err(error) => failures.push((*address, error)),
        }
    }
    Err(reasons(&failures).unwrap_or_else(|| deadline.passed()))
}

/// A non-blocking Unix socket, connected; `WouldBlock` when its backlog is full (connect(2),
/// EAGAIN): try again later, no event tells when.
pub fn begin_unix(path: &Path) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &address)?;
    Ok(UnixStream::from(socket))
}

/// A non-blocking TCP socket on its way: it turns writable when it is connected or failed, and
/// [`TcpStream::take_error`] tells which. Small packets go at once, dead peers are noticed.
pub fn begin_tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    sockopt::set_socket_keepalive(&socket, true)?;
    sockopt::set_tcp_keepidle(&socket, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(&socket, KEEPALIVE_EVERY)?;
    sockopt::set_tcp_keepcnt(&socket, KEEPALIVE_COUNT)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(TcpStream::from(socket)),
        Err(error) => Err(error.into()),
    }
}

fn finish_tcp(stream: TcpStream, until: Instant) -> io::Result<TcpStream> {
    wait(&mut [PollFd::from_borrowed_fd(stream.as_fd(), PollFlags::OUT)], Some(until))?;
    match stream.take_error()? {
        None => Ok(stream),
        Some(error) => Err(error),
    }
}

/// Why each address failed, in one text; `None`: none gave a reason, they were silent.
pub fn reasons(failures: &[(SocketAddr, io::Error)]) -> Option<Why> {
    let (mut refused, mut texts) = (Vec::new(), Vec::new());
    for (address, error) in failures {
        match error.kind() {
            io::ErrorKind::TimedOut => {}
            io::ErrorKind::ConnectionRefused => refused.push(address.to_string()),
            _ => texts.push(format!("{address}: {}", access::plain(error))),
        }
    }
    if !refused.is_empty() {
        let by = refused.join(" and ");
        texts.push(format!("connection refused by {by}: does the engine listen there?"));
    }
    (!texts.is_empty()).then(|| Why::Unreachable(texts.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    fn soon(millis: u64) -> Deadline {
        let (limit, now) = (Duration::from_millis(millis), Instant::now());
        Deadline::by(now + limit, now)
    }

    fn loopback(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn refusing_port() -> u16 {
        TcpListener::bind(loopback(0)).unwrap().local_addr().unwrap().port()
    }

    #[test]
    fn a_full_backlog_is_waited_for_until_the_deadline_and_used_when_it_empties() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("full.sock");
        let listener = UnixListener::bind(&path).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let mut queued = Vec::new();
        while let Ok(stream) = begin_unix(&path) {
            queued.push(stream);
        }
        assert_eq!(unix(&path, soon(50)).unwrap_err(), Why::TimedOut(Duration::from_millis(50)));

        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..=queued.len() {
                    listener.accept().unwrap();
                }
            });
            unix(&path, soon(10_000)).unwrap();
        });
    }

    #[test]
    fn the_second_address_is_tried_when_the_first_refuses() {
        let listener = TcpListener::bind(loopback(0)).unwrap();
        let there = listener.local_addr().unwrap();
        let stream = tcp(&[loopback(refusing_port()), there], soon(5_000)).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), there);
        assert!(stream.nodelay().unwrap());
        assert!(sockopt::socket_keepalive(&stream).unwrap());
    }

    #[test]
    fn a_refusal_names_the_address() {
        let port = refusing_port();
        assert_eq!(
            tcp(&[loopback(port)], soon(5_000)).unwrap_err(),
            Why::Unreachable(format!(
                "connection refused by 127.0.0.1:{port}: does the engine listen there?"
            ))
        );
    }

    #[test]
    fn silence_is_told_only_where_no_address_gave_a_reason() {
        let failed = |port, kind| (loopback(port), io::Error::from(kind));
        let silent = || failed(1, io::ErrorKind::TimedOut);
        let told = |failures: &[_]| reasons(failures);
        assert_eq!(told(&[silent()]), None);
        let refused = |port| failed(port, io::ErrorKind::ConnectionRefused);
        let far = (loopback(4), io::Error::from_raw_os_error(113));
        assert_eq!(
            told(&[refused(2), silent(), refused(3), far]),
            Some(Why::Unreachable(
                "127.0.0.1:4: no route to host; connection refused by 127.0.0.1:2 and \
                 127.0.0.1:3: does the engine listen there?"
                    .into()
            ))
        );
    }
}
