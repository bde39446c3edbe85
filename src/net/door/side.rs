//! One socket of a visitor, and what the kernel has told of it. Moves bytes, never waits.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use mio::event;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, getpeername, sockopt};

use crate::net::door::limits::{DOUBT_EVERY, GONE_AFTER};

/// What was told of a socket in one event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// There is something to read, if only an end.
    pub readable: bool,
    /// It takes bytes.
    pub writable: bool,
    /// The other side says no more.
    pub ended: bool,
    /// It is broken: reset, or could not connect.
    pub broken: bool,
}

impl Seen {
    /// What an event says.
    pub fn of(event: &event::Event) -> Seen {
        let broken = event.is_error() || (event.is_read_closed() && event.is_write_closed());
        Seen {
            readable: event.is_readable() || event.is_read_closed() || broken,
            writable: event.is_writable() || broken,
            ended: event.is_read_closed() || broken,
            broken,
        }
    }
}

/// A connected (or connecting) TCP socket. Readiness is told once by the kernel, so it is kept
/// here until the socket says that it would block.
#[derive(Debug)]
pub struct Side {
    /// The socket.
    pub fd: OwnedFd,
    /// What is known of it.
    pub is: Seen,
}

/// What came of reading or writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// So many bytes.
    Bytes(usize),
    /// Not now.
    Blocked,
    /// Nothing more will come.
    End,
    /// The connection is broken.
    Broken,
}

impl Side {
    /// A socket of which nothing is known yet.
    pub fn new(fd: OwnedFd) -> Side {
        Side { fd, is: Seen::default() }
    }

    /// Adds what was told.
    pub fn note(&mut self, seen: Seen) {
        self.is.readable |= seen.readable;
        self.is.writable |= seen.writable;
        self.is.ended |= seen.ended;
        self.is.broken |= seen.broken;
    }

    /// Reads once.
    pub fn read(&mut self, buffer: &mut [u8]) -> Moved {
        let asked = buffer.len();
        let read = rustix::net::recv(&self.fd, buffer, RecvFlags::empty()).map(|(read, _)| read);
        let moved = self.has_read(read);
        // A short read has emptied it; but an end that was told already is told once only.
        if let Moved::Bytes(read) = moved
            && read < asked
            && !self.is.ended
        {
            self.is.readable = false;
        }
        moved
    }

    /// What reading, by whatever means, has come to.
    pub fn has_read(&mut self, read: Result<usize, Errno>) -> Moved {
        match read {
            Ok(0) => {
                self.is.readable = false;
                Moved::End
            }
            Ok(read) => Moved::Bytes(read),
            Err(Errno::AGAIN) => {
                self.is.readable = false;
                Moved::Blocked
            }
            Err(Errno::INTR) => Moved::Bytes(0),
            Err(_) => Moved::Broken,
        }
    }

    /// Writes once.
    pub fn write(&mut self, bytes: &[u8]) -> Moved {
        let written = rustix::net::send(&self.fd, bytes, SendFlags::NOSIGNAL);
        if written.is_ok_and(|written| written < bytes.len()) {
            self.is.writable = false;
        }
        self.has_written(written)
    }

    /// What writing, by whatever means, has come to.
    pub fn has_written(&mut self, written: Result<usize, Errno>) -> Moved {
        match written {
            Ok(written) => Moved::Bytes(written),
            Err(Errno::AGAIN) => {
                self.is.writable = false;
                Moved::Blocked
            }
            Err(Errno::INTR) => Moved::Bytes(0),
            Err(_) => Moved::Broken,
        }
    }

    /// Tells the other side that no more comes.
    pub fn end(&self) {
        // Fails only where the connection is gone already.
        let _ = rustix::net::shutdown(&self.fd, Shutdown::Write);
    }

    /// When it is dropped, the other side shall see a reset and no orderly end.
    pub fn reset(&self) {
        let _ = sockopt::set_socket_linger(&self.fd, Some(Duration::ZERO));
    }

    /// Where it leads; `None`: nowhere (yet, or any more).
    pub fn peer(&self) -> Option<SocketAddr> {
        SocketAddr::try_from(getpeername(&self.fd).ok()??).ok()
    }

    /// From now on the kernel asks the other side's whether it knows this connection, and breaks it
    /// if not: keepalives, and for what was sent a limit (tcp(7)). One that is only frozen answers.
    pub fn doubt(&self) -> Result<(), Errno> {
        sockopt::set_tcp_keepidle(&self.fd, DOUBT_EVERY)?;
        sockopt::set_tcp_keepintvl(&self.fd, DOUBT_EVERY)?;
        sockopt::set_tcp_user_timeout(&self.fd, GONE_AFTER.as_millis() as u32)?;
        sockopt::set_socket_keepalive(&self.fd, true)
    }

    /// It was answered: nothing is asked any more.
    pub fn trust(&self) -> Result<(), Errno> {
        sockopt::set_socket_keepalive(&self.fd, false)?;
        sockopt::set_tcp_user_timeout(&self.fd, 0)
    }

    /// Why it is broken.
    pub fn error(&self) -> io::Error {
        match sockopt::socket_error(&self.fd) {
            Ok(Err(errno)) | Err(errno) => errno.into(),
            Ok(Ok(())) => io::ErrorKind::ConnectionReset.into(),
        }
    }
}
