//! The sockets at which people come, and those to containers: made, taken over, accepted from.
//! Nothing waits.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, acceptfrom_with, bind, connect, getsockname, listen,
    socket_with, sockopt,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::net::door::limits::DESCRIPTORS;
use crate::sys;

/// Who may wait at a listener to be accepted; the kernel's own limit (`net.core.somaxconn`) is
/// 4096 by default.
const BACKLOG: i32 = 4096;
/// Set on drowse's own connections; the rules of redirect doors skip what carries it.
pub const MARK: u32 = 0x6472_6f77;

/// A listener on an address. `[::]` is IPv6 alone.
pub fn listener(at: SocketAddr) -> io::Result<OwnedFd> {
    let socket = stream(at)?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// A socket that is bound and does not listen yet.
pub fn stream(at: SocketAddr) -> io::Result<OwnedFd> {
    Ok(bound(at, SocketType::STREAM)?)
}

/// Makes a listener, also an inherited one, fit for us. What is set here, those accepted inherit.
pub fn prepare_listener(listener: BorrowedFd<'_>) -> io::Result<()> {
    rustix::io::ioctl_fionbio(listener, true)?;
    // A socket of another kind takes no such options; it can be accepted from all the same.
    let _ = sockopt::set_tcp_nodelay(listener, true);
    let _ = sockopt::set_socket_keepalive(listener, true);
    Ok(())
}

/// A socket for datagrams on an address.
pub fn datagrams(at: SocketAddr) -> io::Result<OwnedFd> {
    Ok(bound(at, SocketType::DGRAM)?)
}

/// Makes a socket for datagrams, also an inherited one, fit for us.
pub fn prepare_datagrams(socket: BorrowedFd<'_>) -> io::Result<()> {
    rustix::io::ioctl_fionbio(socket, true)?;
    sys::tell_addresses(socket)
}

/// The address `0.0.0.0` or `[::]` of the same family.
pub fn any(of: SocketAddr, port: u16) -> SocketAddr {
    match of {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, port).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, port).into(),
    }
}

/// The address a socket is bound to.
pub fn local(socket: BorrowedFd<'_>) -> Option<SocketAddr> {
    SocketAddr::try_from(getsockname(socket).ok()?).ok()
}

fn bound(at: SocketAddr, kind: SocketType) -> Result<OwnedFd, Errno> {
    let socket = open(at, kind)?;
    if kind == SocketType::STREAM {
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    if at.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    bind(&socket, &at)?;
    Ok(socket)
}

fn open(at: SocketAddr, kind: SocketType) -> Result<OwnedFd, Errno> {
    let family = if at.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
}

/// What came of accepting.
#[derive(Debug)]
pub enum Accepted {
    /// Somebody.
    Guest(OwnedFd, SocketAddr),
    /// Nobody is there.
    Nobody,
    /// Somebody is there, but there are no descriptors or no memory for it.
    Exhausted(io::Error),
}

/// Accepts one.
pub fn accept(listener: BorrowedFd<'_>) -> Accepted {
    loop {
        match acceptfrom_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok((socket, from)) => {
                let from = from.and_then(|from| SocketAddr::try_from(from).ok());
                let nobody = (Ipv4Addr::UNSPECIFIED, 0).into();
                return Accepted::Guest(socket, from.unwrap_or(nobody));
            }
            Err(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) => {
                return Accepted::Exhausted(errno.into());
            }
            Err(Errno::AGAIN | Errno::INVAL | Errno::BADF | Errno::NOTSOCK) => {
                return Accepted::Nobody;
            }
            // Who came has gone already, or the network said something of it (accept(2)).
            Err(_) => {}
        }
    }
}

/// Where a connection that a rule sent to us was going.
pub fn original(socket: BorrowedFd<'_>, peer: SocketAddr) -> Option<SocketAddr> {
    match peer {
        SocketAddr::V4(_) => sockopt::ip_original_dst(socket).ok().map(SocketAddr::V4),
        SocketAddr::V6(_) => sockopt::ipv6_original_dst(socket).ok().map(SocketAddr::V6),
    }
}

/// Whether what is sent carries [`MARK`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marked {
    /// No rules of ours stand.
    No,
    /// If we may (CAP_NET_ADMIN): else there are no rules of ours either.
    IfAllowed,
}

/// Begins to connect.
pub fn dial(to: SocketAddr, marked: Marked) -> io::Result<OwnedFd> {
    let socket = open(to, SocketType::STREAM)?;
    mark(socket.as_fd(), marked);
    sockopt::set_tcp_nodelay(&socket, true)?;
    match connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(errno) => Err(errno.into()),
    }
}

/// A socket that exchanges datagrams with one address.
pub fn dial_datagrams(to: SocketAddr, marked: Marked) -> io::Result<OwnedFd> {
    let socket = open(to, SocketType::DGRAM)?;
    mark(socket.as_fd(), marked);
    connect(&socket, &to)?;
    Ok(socket)
}

fn mark(socket: BorrowedFd<'_>, marked: Marked) {
    if marked == Marked::IfAllowed {
        let _ = sys::set_mark(socket, MARK);
    }
}

/// Asks the system for as many descriptors as doors need. Returns how many it gives (getrlimit(2)).
pub fn allow_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    // `None` is no limit.
    if limit.current.is_some_and(|current| current < DESCRIPTORS) {
        // Up to `maximum` everybody may have; more than that, with CAP_SYS_RESOURCE.
        let maximum = limit.maximum.map(|maximum| maximum.max(DESCRIPTORS));
        let all = Rlimit { current: Some(DESCRIPTORS), maximum };
        if setrlimit(Resource::Nofile, all).is_err() {
            let most = Rlimit { current: limit.maximum, ..limit };
            let _ = setrlimit(Resource::Nofile, most);
        }
    }
    getrlimit(Resource::Nofile).current.unwrap_or(DESCRIPTORS)
}
